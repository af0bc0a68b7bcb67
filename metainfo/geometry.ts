/** The unit in which peers ask for data: 16 KiB, as every program of the field has it (BEP 3). */
export const BLOCK_BYTES = 16384;

/** One file of a torrent, in the torrent's own order. */
export interface TorrentFile {
  /** Safe, `/` between components, the torrent's name first; for a single-file torrent just the name. */
  readonly path: string;
  /** How long the file is. */
  readonly bytes: number;
  /** Where its first byte lies in the torrent. */
  readonly offset: number;
  /** Whether it only fills the space up to a piece boundary: its bytes are zero and belong to no file on disk (BEP 47; the alignment gaps of BEP 52). */
  readonly padding: boolean;
  /** Whether its maker marked it as a program (BEP 47). */
  readonly executable: boolean;
  /** Where a symbolic link would lead: a safe path like `path`, or null for a file that is none (BEP 47). Never followed here. */
  readonly symlink: string | null;
}

/** Receives one stretch of a block or piece that lies in one file. */
export type SpanVisitor = (
  fileIndex: number,
  fileOffset: number,
  spanBegin: number,
  spanBytes: number,
) => void;

/**
 * The arithmetic of pieces, blocks and files of one torrent.
 *
 * Every method refuses an index outside the torrent with a `RangeError`; what a peer says is asked
 * about first, with `isPiece`, `blockAt` and `holds`, which answer instead.
 *
 * **Shape**: files follow one another without gaps; where a format leaves a gap (BEP 52), a padding
 * file fills it, so the files tile `[0, totalBytes)` exactly.
 * **Units**: bytes, and indices from 0.
 * **Limits**: `totalBytes` below 2^53, fewer than 2^31 pieces.
 *
 * @example
 * ```ts
 * import { Geometry } from "@enjambre/metainfo";
 * import { assertEquals } from "@std/assert";
 *
 * const plain = { padding: false, executable: false, symlink: null };
 * const geometry = new Geometry(32768, [
 *   { path: "songs/a", bytes: 40000, offset: 0, ...plain },
 *   { path: "songs/b", bytes: 5, offset: 40000, ...plain },
 * ]);
 * assertEquals([geometry.pieceCount, geometry.pieceBytes(1)], [2, 7237]);
 *
 * const spans: number[][] = [];
 * geometry.forEachSpan(1, 0, 7237, (file, fileOffset, begin, bytes) => {
 *   spans.push([file, fileOffset, begin, bytes]);
 * });
 * assertEquals(spans, [[0, 32768, 0, 7232], [1, 0, 7232, 5]]);
 * ```
 */
export class Geometry {
  /** Bytes in every piece but the last. */
  readonly pieceLength: number;
  /** How many pieces the wire numbers. */
  readonly pieceCount: number;
  /** What the wire carries, padding included. */
  readonly totalBytes: number;
  /** What belongs to files: without padding. */
  readonly contentBytes: number;
  /** The files in the torrent's order, padding and empty ones included. */
  readonly files: readonly TorrentFile[];
  /** Blocks in every piece but the last. */
  readonly blocksPerPiece: number;
  /** `#offsets[i]` is where file i begins; one more at the end, the total. */
  readonly #offsets: Float64Array;
  readonly #lastPieceBytes: number;

  /**
   * Lays out `files` in pieces of `pieceLength` bytes.
   *
   * **Ownership**: keeps `files`; do not change the array afterwards.
   * **Errors**: `RangeError` when a length is not a positive integer or the files do not follow one
   * another from offset 0.
   */
  constructor(pieceLength: number, files: readonly TorrentFile[]) {
    if (!Number.isSafeInteger(pieceLength) || pieceLength < 1 || pieceLength > 0x7fffffff) {
      throw new RangeError(
        `Cannot lay out torrent: piece length is ${pieceLength}, 1 to 2147483647 bytes is due`,
      );
    }
    const offsets = new Float64Array(files.length + 1);
    let total = 0;
    let content = 0;
    for (let i = 0; i < files.length; i++) {
      const { bytes, offset, padding } = files[i]!;
      if (!Number.isSafeInteger(bytes) || bytes < 0) {
        throw new RangeError(`Cannot lay out torrent: file ${i} has ${bytes} bytes`);
      }
      if (offset !== total) {
        throw new RangeError(
          `Cannot lay out torrent: file ${i} begins at ${offset}, the one before ends at ${total}`,
        );
      }
      offsets[i] = total;
      total += bytes;
      if (!padding) content += bytes;
      if (!Number.isSafeInteger(total)) {
        throw new RangeError(`Cannot lay out torrent: it has more than 2^53 - 1 bytes`);
      }
    }
    offsets[files.length] = total;
    const pieceCount = Math.ceil(total / pieceLength);
    if (pieceCount > 0x7fffffff) {
      throw new RangeError(`Cannot lay out torrent: ${pieceCount} pieces, limit is 2147483647`);
    }
    this.pieceLength = pieceLength;
    this.pieceCount = pieceCount;
    this.totalBytes = total;
    this.contentBytes = content;
    this.files = files;
    this.blocksPerPiece = Math.ceil(pieceLength / BLOCK_BYTES);
    this.#offsets = offsets;
    this.#lastPieceBytes = pieceCount === 0 ? 0 : total - (pieceCount - 1) * pieceLength;
  }

  /** Tells whether `n` is the index of a piece. */
  isPiece(n: number): boolean {
    return Number.isInteger(n) && n >= 0 && n < this.pieceCount;
  }

  /** Bytes in one piece: `pieceLength`, fewer in the last. */
  pieceBytes(piece: number): number {
    if (!this.isPiece(piece)) throw this.#outside(piece);
    return piece === this.pieceCount - 1 ? this.#lastPieceBytes : this.pieceLength;
  }

  /** Blocks in one piece. */
  blockCount(piece: number): number {
    return Math.ceil(this.pieceBytes(piece) / BLOCK_BYTES);
  }

  /** Bytes in one block: 16 KiB, fewer in the last of a piece where that has no whole number of them. */
  blockBytes(piece: number, block: number): number {
    const left = this.pieceBytes(piece) - block * BLOCK_BYTES;
    if (!Number.isInteger(block) || block < 0 || left <= 0) {
      throw new RangeError(
        `Block ${block} is outside piece ${piece}, which has ${this.blockCount(piece)} blocks`,
      );
    }
    return left < BLOCK_BYTES ? left : BLOCK_BYTES;
  }

  /** Finds the block that a message names exactly: its index, or -1 where `begin` or `length` is not that of a block of this torrent. */
  blockAt(piece: number, begin: number, length: number): number {
    // hot: once for every block that arrives; allocates nothing
    if (!this.isPiece(piece) || begin < 0 || begin % BLOCK_BYTES !== 0) return -1;
    const left = this.pieceBytes(piece) - begin;
    if (left <= 0 || length !== (left < BLOCK_BYTES ? left : BLOCK_BYTES)) return -1;
    return begin / BLOCK_BYTES;
  }

  /** Tells whether a request lies inside its piece and asks for something. */
  holds(piece: number, begin: number, length: number): boolean {
    return this.isPiece(piece) && Number.isInteger(begin) && Number.isInteger(length) &&
      begin >= 0 && length > 0 && begin + length <= this.pieceBytes(piece);
  }

  /**
   * Calls `visit` for each stretch of files that `length` bytes from `begin` in `piece` cover, in order.
   * Empty files get no call; padding files do.
   *
   * **Units**: `spanBegin` counts from `begin`, so it indexes a buffer that holds just those bytes.
   * **Cost**: a binary search, then one call a file; allocates nothing.
   * **Errors**: `RangeError` when the stretch does not lie in the piece.
   */
  forEachSpan(piece: number, begin: number, length: number, visit: SpanVisitor): void {
    if (!this.holds(piece, begin, length)) {
      throw new RangeError(
        `Bytes ${begin} to ${begin + length} are outside piece ${piece} of ${this.pieceCount}`,
      );
    }
    // hot: once for every piece written and every block served; allocates nothing
    const offsets = this.#offsets;
    let position = piece * this.pieceLength + begin;
    const end = position + length;
    const start = position;
    // The last file that begins at or before `position`: never an empty one, because whatever
    // comes after an empty file begins at the same offset.
    let file = this.#fileAt(position);
    while (position < end) {
      const fileEnd = offsets[file + 1]!;
      if (fileEnd > position) {
        const spanEnd = fileEnd < end ? fileEnd : end;
        visit(file, position - offsets[file]!, position - start, spanEnd - position);
        position = spanEnd;
      }
      file++;
    }
  }

  /** The pieces that hold bytes of a file, from `first` up to but without `end`; both the same for an empty file. */
  piecesOfFile(fileIndex: number): { first: number; end: number } {
    if (!Number.isInteger(fileIndex) || fileIndex < 0 || fileIndex >= this.files.length) {
      throw new RangeError(
        `File ${fileIndex} is outside the torrent of ${this.files.length} files`,
      );
    }
    const start = this.#offsets[fileIndex]!;
    const stop = this.#offsets[fileIndex + 1]!;
    const first = Math.floor(start / this.pieceLength);
    return { first, end: stop === start ? first : Math.ceil(stop / this.pieceLength) };
  }

  #fileAt(position: number): number {
    const offsets = this.#offsets;
    let low = 0;
    let high = this.files.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (offsets[middle]! <= position) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  #outside(piece: number): RangeError {
    return new RangeError(`Piece ${piece} is outside the torrent of ${this.pieceCount} pieces`);
  }
}
