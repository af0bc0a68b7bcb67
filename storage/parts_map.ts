import type { Geometry } from "@enjambre/metainfo";

/** The first and the last piece of a file: the only ones that other files may have bytes in too. */
const HEAD = 1;
const TAIL = 2;
/** What one of those is shifted by to say that it is known to be held, not only that it may be. */
const SURE = 2;

/** A stretch of a file, and where the parts file has it. */
export interface HeldSpan {
  /** Where it begins in the torrent's file. */
  readonly fileOffset: number;
  /** Where it begins in the parts file. */
  readonly partsOffset: number;
  /** How long it is. */
  readonly bytes: number;
  /** Whether it is known to be there; else it may be. */
  readonly isSure: boolean;
}

/**
 * Says where the parts file keeps what belongs to files that are not wanted, and what it holds.
 *
 * Only pieces that two or more files share are kept there. Each of them has a slot of a piece's length,
 * in their order, whoever is wanted: so the places never change, and pieces that follow one another and
 * are both shared lie side by side.
 *
 * **Cost**: a byte for each file, four for each shared piece.
 */
export class PartsMap {
  readonly #geometry: Geometry;
  /** The shared pieces, ascending: their place here is their slot. */
  readonly #shared: Int32Array;
  /** By file index: which of its shared pieces may be held, and which are. */
  readonly #held: Uint8Array;
  #heldCount: number;

  /** Lays out the shared pieces of a torrent; nothing is held yet. */
  constructor(geometry: Geometry) {
    this.#geometry = geometry;
    this.#shared = sharedPieces(geometry);
    this.#held = new Uint8Array(geometry.files.length);
    this.#heldCount = 0;
  }

  /** Whether any piece is shared: without, there is never a parts file. */
  get isNeeded(): boolean {
    return this.#shared.length > 0;
  }

  /** How many files have something there. */
  get heldFiles(): number {
    return this.#heldCount;
  }

  /** The piece that a byte of a file lies in. */
  pieceAt(fileIndex: number, fileOffset: number): number {
    const { files, pieceLength } = this.#geometry;
    return Math.floor((files[fileIndex]!.offset + fileOffset) / pieceLength);
  }

  /** Where a byte of a file is kept, or would be; -1 where its piece is that file's alone. */
  placeOf(fileIndex: number, fileOffset: number): number {
    const { files, pieceLength } = this.#geometry;
    const position = files[fileIndex]!.offset + fileOffset;
    const piece = this.pieceAt(fileIndex, fileOffset);
    const slot = this.#slotOf(piece);
    return slot === -1 ? -1 : slot * pieceLength + position - piece * pieceLength;
  }

  /** How many of `bytes` from `fileOffset` on lie side by side in the parts file. */
  runBytes(fileIndex: number, fileOffset: number, bytes: number): number {
    const { files, pieceLength } = this.#geometry;
    const start = files[fileIndex]!.offset + fileOffset;
    let end = start;
    while (end < start + bytes) {
      const piece = Math.floor(end / pieceLength);
      if (this.#slotOf(piece) === -1) break;
      end = (piece + 1) * pieceLength;
    }
    return Math.min(bytes, end - start);
  }

  /** Whether anything of a file is held. */
  holdsAny(fileIndex: number): boolean {
    return this.#held[fileIndex] !== 0;
  }

  /** Whether a file's bytes in `piece` are held. */
  holds(fileIndex: number, piece: number): boolean {
    return (this.#held[fileIndex]! & this.#bitOf(fileIndex, piece)) !== 0;
  }

  /** Notes that a file's bytes in `piece` are there; nothing where that piece is not shared. */
  hold(fileIndex: number, piece: number): void {
    const bit = this.#bitOf(fileIndex, piece);
    this.#set(fileIndex, this.#held[fileIndex]! | bit | (bit << SURE));
  }

  /** Notes that everything of a file that can be held may be there. */
  holdAll(fileIndex: number): void {
    const { first, end } = this.#geometry.piecesOfFile(fileIndex);
    if (first === end) return;
    const bits = this.#bitOf(fileIndex, first) | this.#bitOf(fileIndex, end - 1);
    this.#set(fileIndex, this.#held[fileIndex]! | bits);
  }

  /** Notes that a file's bytes in `piece` are not held. */
  release(fileIndex: number, piece: number): void {
    const bit = this.#bitOf(fileIndex, piece);
    this.#set(fileIndex, this.#held[fileIndex]! & ~(bit | (bit << SURE)));
  }

  /** Notes that nothing of a file is held. */
  releaseAll(fileIndex: number): void {
    this.#set(fileIndex, 0);
  }

  /** What is held of a file. */
  spansOf(fileIndex: number): HeldSpan[] {
    const { files, pieceLength } = this.#geometry;
    const { offset, bytes } = files[fileIndex]!;
    const { first, end } = this.#geometry.piecesOfFile(fileIndex);
    const spans: HeldSpan[] = [];
    for (const piece of first === end - 1 ? [first] : [first, end - 1]) {
      if (!this.holds(fileIndex, piece)) continue;
      const start = Math.max(offset, piece * pieceLength);
      const stop = Math.min(offset + bytes, (piece + 1) * pieceLength);
      const fileOffset = start - offset;
      const partsOffset = this.placeOf(fileIndex, fileOffset);
      const isSure = (this.#held[fileIndex]! & (this.#bitOf(fileIndex, piece) << SURE)) !== 0;
      spans.push({ fileOffset, partsOffset, bytes: stop - start, isSure });
    }
    return spans;
  }

  #set(fileIndex: number, held: number): void {
    const before = this.#held[fileIndex]!;
    if ((before === 0) !== (held === 0)) this.#heldCount += held === 0 ? -1 : 1;
    this.#held[fileIndex] = held;
  }

  /** 0 for a piece that is the file's alone. */
  #bitOf(fileIndex: number, piece: number): number {
    if (this.#slotOf(piece) === -1) return 0;
    const { first, end } = this.#geometry.piecesOfFile(fileIndex);
    return piece === first ? HEAD : piece === end - 1 ? TAIL : 0;
  }

  #slotOf(piece: number): number {
    let low = 0;
    let high = this.#shared.length - 1;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      const found = this.#shared[middle]!;
      if (found === piece) return middle;
      if (found < piece) low = middle + 1;
      else high = middle - 1;
    }
    return -1;
  }
}

/** The pieces that two or more files have bytes in; padding is no file. */
function sharedPieces(geometry: Geometry): Int32Array {
  const shared: number[] = [];
  let lastPiece = -1;
  geometry.files.forEach((file, i) => {
    if (file.padding || file.bytes === 0) return;
    const { first, end } = geometry.piecesOfFile(i);
    if (first === lastPiece && shared.at(-1) !== first) shared.push(first);
    lastPiece = end - 1;
  });
  return Int32Array.from(shared);
}
