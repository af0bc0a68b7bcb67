import type { Geometry } from "@enjambre/metainfo";

/** What everything has unless told otherwise. */
const NORMAL = 2;

/** Which files of a torrent are wanted, and what that comes to in bytes and pieces. */
export class Selection {
  readonly #geometry: Geometry;
  #priorities: Uint8Array;
  #wantedBytes: number;
  #wantedPieces: number;
  /** One bit for each piece with bytes of a wanted file. */
  #pieces: Uint8Array;

  /** Begins with everything wanted. */
  constructor(geometry: Geometry) {
    this.#geometry = geometry;
    this.#wantedBytes = 0;
    this.#wantedPieces = 0;
    this.#pieces = new Uint8Array(0);
    this.#priorities = new Uint8Array(0);
    this.set(new Uint8Array(geometry.files.length).fill(NORMAL));
  }

  /** By file index, 0 for what is not wanted. **Ownership**: not to be changed. */
  get priorities(): Uint8Array {
    return this.#priorities;
  }

  /** Bytes of wanted files; padding is no file. */
  get wantedBytes(): number {
    return this.#wantedBytes;
  }

  /** Pieces with bytes of a wanted file: what has to be fetched for them. */
  get wantedPieces(): number {
    return this.#wantedPieces;
  }

  /**
   * Takes a new choice. **Shape**: one for each file, 0 for what is not wanted. **Ownership**: copies it.
   *
   * **Errors**: `RangeError` when there is not one for each file.
   */
  set(priorities: Uint8Array): void {
    const { files, pieceCount } = this.#geometry;
    if (priorities.length !== files.length) {
      throw new RangeError(
        `Cannot choose files: ${priorities.length} priorities are given, the torrent has ${files.length} files`,
      );
    }
    this.#priorities = priorities.slice();
    this.#pieces = new Uint8Array(Math.ceil(pieceCount / 8));
    this.#wantedBytes = 0;
    this.#wantedPieces = 0;
    files.forEach(({ padding, bytes }, i) => {
      if (padding || !this.isWanted(i)) return;
      this.#wantedBytes += bytes;
      const { first, end } = this.#geometry.piecesOfFile(i);
      for (let piece = first; piece < end; piece++) {
        if (this.isPieceWanted(piece)) continue;
        this.#pieces[piece >>> 3]! |= 0x80 >>> (piece & 7);
        this.#wantedPieces++;
      }
    });
  }

  /** Tells whether a file is wanted. */
  isWanted(fileIndex: number): boolean {
    return this.#priorities[fileIndex]! > 0;
  }

  /** Tells whether a piece has bytes of a wanted file. */
  isPieceWanted(piece: number): boolean {
    return (this.#pieces[piece >>> 3]! & (0x80 >>> (piece & 7))) !== 0;
  }

  /**
   * How many bytes of wanted files lie in pieces that are there. **Shape** of `have`: bit 0 is the high bit of byte 0.
   *
   * **Cost**: a look at each wanted piece, and some for each file.
   */
  wantedBytesIn(have: Uint8Array): number {
    const { files, pieceLength } = this.#geometry;
    let total = 0;
    files.forEach(({ padding, offset, bytes }, i) => {
      if (padding || !this.isWanted(i)) return;
      const { first, end } = this.#geometry.piecesOfFile(i);
      for (let piece = first; piece < end; piece++) {
        if ((have[piece >>> 3]! & (0x80 >>> (piece & 7))) === 0) continue;
        const start = Math.max(offset, piece * pieceLength);
        total += Math.min(offset + bytes, (piece + 1) * pieceLength) - start;
      }
    });
    return total;
  }
}
