import type { Geometry } from "@enjambre/metainfo";
import { type Batch, HashPlan, type Stretch, stretchesOf } from "./hash_plan.ts";
import { HASH_BYTES, type HashFormat, treeOfPiece } from "./piece_hashes.ts";
import { JOBS_IN_FLIGHT, type OnWorker, PieceCrew } from "./piece_crew_deno.ts";
import { beginPiece, hashPiece, SUBTLE_BYTES_MAX } from "./piece_hasher_deno.ts";
import type { HashJob, HashStretch } from "./piece_worker_deno.ts";

/** Where the bytes of a torrent's files come from. */
export interface PieceSource {
  /** Fills `target` from `offset` in a file; resolves with fewer bytes than asked for only at the file's end. */
  readAt(fileIndex: number, offset: number, target: Uint8Array<ArrayBuffer>): Promise<number>;
  /**
   * Where a file is on disk now, so that worker threads can read it; null where only `readAt` can. What
   * they cannot read there is read by `readAt`, which then says why.
   */
  pathOf?(fileIndex: number): string | null;
}

/** What `hashPieces` is asked for. */
export interface HashPiecesOptions {
  /** How pieces are hashed; `"v1"` by default. */
  format?: HashFormat;
  /** Receives each piece's hash, in any order; null where the files are too short for it. */
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
/** Reads and hashes in flight on this thread. */
const LANES_MAX = 4;
/** Bytes that a worker thread is given at a time: 2.5 ms of work, so that giving costs next to nothing. */
const JOB_BYTES = 4 * 1024 * 1024;
/** Bytes that are hashed before worker threads are thought of: they may have been the only ones wanted. */
const CREW_AFTER_BYTES = 4 * 1024 * 1024;
/** Bytes left for which worker threads pay: they are a third faster, and it takes some 30 ms until they run. */
const CREW_BYTES_MIN = 128 * 1024 * 1024;

/**
 * Reads pieces in order and hashes them, several in flight, with bounded memory.
 *
 * It begins on this thread, with reads of 1 MiB or a piece, whichever is more, and hashes off the event
 * loop. Where more than 128 MiB are left and the source knows paths, worker threads are started meanwhile
 * and take over: each reads and hashes for itself, and no content passes through this thread. Padding is
 * not read: it is zeros.
 *
 * **Limits**: read buffers of 16 MiB in all, whatever the piece length, reused throughout; four worker
 * threads, about 10 MiB each.
 * **Errors**: those of `source`, of `onPiece` and the signal's reason; nothing is in flight any more when it rejects.
 */
export async function hashPieces(
  source: PieceSource,
  geometry: Geometry,
  options: HashPiecesOptions,
): Promise<void> {
  const run = new HashRun(source, geometry, options);
  await run.finish();
  if (run.failure !== null) throw run.failure.error;
}

class HashRun {
  failure: { error: unknown } | null;
  readonly #source: PieceSource;
  readonly #geometry: Geometry;
  readonly #options: HashPiecesOptions;
  readonly #format: HashFormat;
  readonly #plan: HashPlan;
  readonly #lanes: Set<Promise<void>>;
  /** Bytes of a buffer of this thread. Longer pieces go through it a part at a time. */
  readonly #bufferBytes: number;
  readonly #onWorker: OnWorker;
  #crew: PieceCrew | null;
  #isCrewWhole: boolean;

  constructor(source: PieceSource, geometry: Geometry, options: HashPiecesOptions) {
    const { pieceLength, totalBytes } = geometry;
    this.#source = source;
    this.#geometry = geometry;
    this.#options = options;
    this.#format = options.format ?? "v1";
    this.#plan = new HashPlan(geometry, options.wants);
    this.#lanes = new Set();
    const wholeBytesMax = this.#format === "v1" ? SUBTLE_BYTES_MAX : READ_BYTES;
    const wholePieces = Math.max(1, Math.floor(READ_BYTES / pieceLength)) * pieceLength;
    this.#bufferBytes = Math.min(
      pieceLength > wholeBytesMax ? READ_BYTES : wholePieces,
      totalBytes,
    );
    this.#crew = null;
    this.#isCrewWhole = false;
    this.#onWorker = (crew, isLast) => {
      this.#isCrewWhole = isLast;
      for (let i = 0; i < JOBS_IN_FLIGHT; i++) this.#begin(() => this.#hashThere(crew));
    };
    this.failure = null;
  }

  /** Hashes all; failures are in `failure`. */
  async finish(): Promise<void> {
    const buffers = Math.floor(BUFFERS_BYTES_MAX / Math.max(1, this.#bufferBytes));
    // What the event loop hashes itself is hashed no faster by several, and holds it up for longer.
    const isHashedOffLoop = this.#format === "v1" && this.#geometry.pieceLength <= SUBTLE_BYTES_MAX;
    const lanes = isHashedOffLoop ? Math.min(LANES_MAX, Math.max(1, buffers)) : 1;
    try {
      for (let i = 0; i < lanes; i++) this.#begin(() => this.#hashHere());
      while (this.#lanes.size > 0) await Promise.all(this.#lanes);
    } finally {
      this.#crew?.leave(this.#onWorker);
    }
  }

  /** Runs a lane; one that fails ends all. */
  #begin(lane: () => Promise<void>): void {
    const running = lane()
      .catch((error) => void (this.failure ??= { error }))
      .then(() => void this.#lanes.delete(running));
    this.#lanes.add(running);
  }

  /** A lane on this thread, until worker threads take over. */
  async #hashHere(): Promise<void> {
    const buffer = new Uint8Array(this.#bufferBytes);
    while (this.failure === null && !this.#isCrewWhole) {
      this.#options.signal?.throwIfAborted();
      const batch = this.#plan.take(READ_BYTES);
      if (batch === null) return;
      this.#callCrew();
      await this.#hashBatch(batch, buffer);
    }
  }

  /** Has worker threads started, once, where they pay. */
  #callCrew(): void {
    const pays = this.#plan.takenBytes >= CREW_AFTER_BYTES &&
      this.#plan.leftBytes >= CREW_BYTES_MIN;
    if (!pays || this.#crew !== null || this.#source.pathOf === undefined) return;
    this.#crew = PieceCrew.join("hash", this.#onWorker);
  }

  /** A lane that has worker threads read and hash. */
  async #hashThere(crew: PieceCrew): Promise<void> {
    while (this.failure === null) {
      this.#options.signal?.throwIfAborted();
      const batch = this.#plan.take(JOB_BYTES);
      if (batch === null) return;
      const job = this.#jobOf(batch);
      const hashes = job === null ? null : await crew.hash(job);
      if (hashes === null) await this.#hashParts(batch);
      else this.#conclude(batch, hashes);
    }
  }

  /** What a worker thread needs to know of a batch; null where it cannot read a file. */
  #jobOf(batch: Batch): HashJob | null {
    const geometry = this.#geometry;
    const { pieceLength, files } = geometry;
    const stretches: HashStretch[] = [];
    for (const { file, offset, bytes } of stretchesOf(geometry, batch)) {
      const path = files[file]!.padding ? null : this.#source.pathOf!(file);
      if (path === null && !files[file]!.padding) return null;
      stretches.push({ path, offset, bytes });
    }
    const trees = [];
    for (let piece = batch.first; piece < batch.end && this.#format !== "v1"; piece++) {
      trees.push(treeOfPiece(geometry, piece));
    }
    const bytes = (batch.end - batch.first - 1) * pieceLength + geometry.pieceBytes(batch.end - 1);
    return { format: this.#format, pieceLength, bytes, stretches, trees };
  }

  #conclude({ first, end }: Batch, hashes: Uint8Array): void {
    const hashBytes = HASH_BYTES[this.#format];
    for (let piece = first; piece < end; piece++) {
      const start = (piece - first) * hashBytes;
      this.#options.onPiece(piece, hashes.subarray(start, start + hashBytes));
    }
  }

  /** Does what a worker thread could not, on this thread. */
  async #hashParts({ first, end }: Batch): Promise<void> {
    const buffer = new Uint8Array(this.#bufferBytes);
    const step = Math.max(1, Math.floor(READ_BYTES / this.#geometry.pieceLength));
    for (let at = first; at < end; at += step) {
      await this.#hashBatch({ first: at, end: Math.min(end, at + step) }, buffer);
    }
  }

  async #hashBatch(batch: Batch, buffer: Uint8Array<ArrayBuffer>): Promise<void> {
    const { first, end } = batch;
    const geometry = this.#geometry;
    const { pieceLength } = geometry;
    if (geometry.pieceBytes(first) > buffer.length) return await this.#hashBig(first, buffer);
    const whole = new Uint8Array(end - first).fill(1);
    for (const stretch of stretchesOf(geometry, batch)) {
      const read = await this.#read(stretch, buffer);
      if (read === stretch.bytes) continue;
      const from = Math.floor((stretch.start + read) / pieceLength);
      const to = Math.ceil((stretch.start + stretch.bytes) / pieceLength);
      whole.fill(0, from, to);
    }
    const hashes = [];
    for (let piece = first; piece < end; piece++) {
      const start = (piece - first) * pieceLength;
      const data = buffer.subarray(start, start + geometry.pieceBytes(piece));
      const isWhole = whole[piece - first] === 1;
      hashes.push(isWhole ? hashPiece(this.#format, geometry, piece, data) : null);
    }
    for (const [i, hash] of (await Promise.all(hashes)).entries()) {
      this.#options.onPiece(first + i, hash);
    }
  }

  /** Hashes a piece that is bigger than the buffer, a buffer at a time. */
  async #hashBig(piece: number, buffer: Uint8Array<ArrayBuffer>): Promise<void> {
    const geometry = this.#geometry;
    const bytes = geometry.pieceBytes(piece);
    const hasher = beginPiece(this.#format, treeOfPiece(geometry, piece));
    for (let begin = 0; begin < bytes; begin += buffer.length) {
      const count = Math.min(buffer.length, bytes - begin);
      const stretches: Stretch[] = [];
      geometry.forEachSpan(piece, begin, count, (file, offset, start, spanBytes) => {
        stretches.push({ file, offset, start, bytes: spanBytes });
      });
      for (const stretch of stretches) {
        if (await this.#read(stretch, buffer) === stretch.bytes) continue;
        this.#options.onPiece(piece, null);
        return;
      }
      hasher.update(buffer.subarray(0, count));
      this.#options.signal?.throwIfAborted();
    }
    this.#options.onPiece(piece, hasher.digest());
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
