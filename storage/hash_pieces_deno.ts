import type { Geometry } from "@enjambre/metainfo";
import { sha1, StepHash, SUBTLE_BYTES_MAX } from "./sha1_deno.ts";

/** Where the bytes of a torrent's files come from. */
export interface PieceSource {
  /** Fills `target` from `offset` in a file; resolves with fewer bytes than asked for only at the file's end. */
  readAt(fileIndex: number, offset: number, target: Uint8Array<ArrayBuffer>): Promise<number>;
}

/** What `hashPieces` is asked for. */
export interface HashPiecesOptions {
  /** Receives each piece's SHA-1, in any order; null where the files are too short for it. */
  onPiece: (piece: number, hash: Uint8Array | null) => void;
  /** Tells which pieces to hash, asked once each in order; all where it is left out. */
  wants?: (piece: number) => boolean;
  /** Ends it; the promise then rejects with the signal's reason. */
  signal?: AbortSignal;
}

/** Bytes in all read buffers together; as much again may be in the copies that `crypto.subtle` makes. */
const BUFFERS_BYTES_MAX = 16 * 1024 * 1024;
/** Bytes that one read aims at, many small pieces at once or a part of a big one. */
const READ_BYTES = 1024 * 1024;
/** Reads and hashes in flight. */
const LANES_MAX = 4;

/**
 * Reads pieces in order and hashes them, several in flight, with bounded memory.
 *
 * Reads are 1 MiB or a piece, whichever is more, and follow one another through the files. Padding is
 * not read: it is zeros.
 *
 * **Limits**: read buffers of 16 MiB in all, whatever the piece length, reused throughout.
 * **Errors**: those of `source`, of `onPiece` and the signal's reason; nothing is in flight any more when it rejects.
 */
export async function hashPieces(
  source: PieceSource,
  geometry: Geometry,
  options: HashPiecesOptions,
): Promise<void> {
  const pipeline = new Pipeline(source, geometry, options);
  const lanes = [];
  for (let i = 0; i < pipeline.lanes; i++) lanes.push(pipeline.run());
  await Promise.allSettled(lanes);
  if (pipeline.failure !== null) throw pipeline.failure.error;
}

/** A stretch of one file that is read at once. */
interface Stretch {
  file: number;
  offset: number;
  /** Where in the buffer it goes. */
  start: number;
  bytes: number;
}

class Pipeline {
  readonly lanes: number;
  failure: { error: unknown } | null;
  readonly #source: PieceSource;
  readonly #geometry: Geometry;
  readonly #options: HashPiecesOptions;
  readonly #bufferBytes: number;
  readonly #batchPieces: number;
  #next: number;

  constructor(source: PieceSource, geometry: Geometry, options: HashPiecesOptions) {
    const { pieceLength } = geometry;
    this.#source = source;
    this.#geometry = geometry;
    this.#options = options;
    this.#batchPieces = Math.max(1, Math.floor(READ_BYTES / pieceLength));
    const wholePieces = this.#batchPieces * pieceLength;
    this.#bufferBytes = Math.min(
      pieceLength > SUBTLE_BYTES_MAX ? READ_BYTES : wholePieces,
      geometry.totalBytes,
    );
    this.lanes = Math.min(
      LANES_MAX,
      Math.max(1, Math.floor(BUFFERS_BYTES_MAX / Math.max(1, this.#bufferBytes))),
    );
    this.#next = 0;
    this.failure = null;
  }

  async run(): Promise<void> {
    const buffer = new Uint8Array(this.#bufferBytes);
    try {
      while (this.failure === null) {
        this.#options.signal?.throwIfAborted();
        const { first, end } = this.#takeBatch();
        if (first === end) return;
        if (this.#geometry.pieceBytes(first) > buffer.length) await this.#hashBig(first, buffer);
        else await this.#hashBatch(first, end, buffer);
      }
    } catch (error) {
      this.failure ??= { error };
    }
  }

  /** The next wanted pieces that follow one another; `first === end` when there are none left. */
  #takeBatch(): { first: number; end: number } {
    const { pieceCount } = this.#geometry;
    const wants = this.#options.wants;
    while (this.#next < pieceCount && wants?.(this.#next) === false) this.#next++;
    const first = this.#next;
    const limit = Math.min(pieceCount, first + this.#batchPieces);
    if (first === pieceCount) return { first, end: first };
    let end = first + 1;
    while (end < limit) {
      // A piece that is asked about and not wanted ends the batch, and is passed over for good.
      if (wants?.(end) === false) {
        this.#next = end + 1;
        return { first, end };
      }
      end++;
    }
    this.#next = end;
    return { first, end };
  }

  async #hashBatch(first: number, end: number, buffer: Uint8Array<ArrayBuffer>): Promise<void> {
    const { pieceLength } = this.#geometry;
    const whole = new Uint8Array(end - first).fill(1);
    for (const stretch of this.#stretches(first, end)) {
      const read = await this.#read(stretch, buffer);
      if (read === stretch.bytes) continue;
      const from = Math.floor((stretch.start + read) / pieceLength);
      const to = Math.ceil((stretch.start + stretch.bytes) / pieceLength);
      whole.fill(0, from, to);
    }
    const hashes = [];
    for (let piece = first; piece < end; piece++) {
      const start = (piece - first) * pieceLength;
      const data = buffer.subarray(start, start + this.#geometry.pieceBytes(piece));
      hashes.push(whole[piece - first] === 1 ? sha1(data) : null);
    }
    for (const [i, hash] of (await Promise.all(hashes)).entries()) {
      this.#options.onPiece(first + i, hash);
    }
  }

  /** The stretches of files under some pieces; pieces that lie in one file make one stretch. */
  #stretches(first: number, end: number): Stretch[] {
    const stretches: Stretch[] = [];
    let last: Stretch | undefined;
    for (let piece = first; piece < end; piece++) {
      const start = (piece - first) * this.#geometry.pieceLength;
      const bytes = this.#geometry.pieceBytes(piece);
      this.#geometry.forEachSpan(piece, 0, bytes, (file, offset, spanBegin, spanBytes) => {
        if (last !== undefined && last.file === file) last.bytes += spanBytes;
        else {
          last = { file, offset, start: start + spanBegin, bytes: spanBytes };
          stretches.push(last);
        }
      });
    }
    return stretches;
  }

  /** Hashes a piece that is bigger than the buffer, a buffer at a time. */
  async #hashBig(piece: number, buffer: Uint8Array<ArrayBuffer>): Promise<void> {
    const bytes = this.#geometry.pieceBytes(piece);
    const hash = new StepHash();
    for (let begin = 0; begin < bytes; begin += buffer.length) {
      const count = Math.min(buffer.length, bytes - begin);
      const stretches: Stretch[] = [];
      this.#geometry.forEachSpan(piece, begin, count, (file, offset, start, spanBytes) => {
        stretches.push({ file, offset, start, bytes: spanBytes });
      });
      for (const stretch of stretches) {
        if (await this.#read(stretch, buffer) === stretch.bytes) continue;
        this.#options.onPiece(piece, null);
        return;
      }
      hash.update(buffer.subarray(0, count));
      this.#options.signal?.throwIfAborted();
    }
    this.#options.onPiece(piece, hash.digest());
  }

  async #read(stretch: Stretch, buffer: Uint8Array<ArrayBuffer>): Promise<number> {
    const { file, offset, start, bytes } = stretch;
    const target = buffer.subarray(start, start + bytes);
    if (!this.#geometry.files[file]!.padding) {
      return await this.#source.readAt(file, offset, target);
    }
    target.fill(0);
    return bytes;
  }
}
