/**
 * What of a torrent is wanted, and how much of that is here.
 *
 * @module
 */

import type { Geometry } from "@enjambre/metainfo";
import { type Bitfield, piecePriorities, PRIORITY } from "@enjambre/peerwire";

/**
 * The pieces that a choice of files comes to. One that straddles a wanted and an unwanted file is wanted whole.
 *
 * Sizes are those of pieces: they are what is fetched.
 */
export class Wanted {
  readonly #geometry: Geometry;
  #pieces: Uint8Array<ArrayBuffer>;
  #pieceCount = 0;
  #totalBytes = 0;

  /** Takes a priority for each file, by `PRIORITY`. **Errors**: `RangeError` where they do not fit the torrent. */
  constructor(geometry: Geometry, filePriorities: Uint8Array) {
    this.#geometry = geometry;
    this.#pieces = piecePriorities(geometry, filePriorities);
    this.#count();
  }

  /** Chooses anew. **Errors**: `RangeError` where the priorities do not fit the torrent; then nothing has changed. */
  set(filePriorities: Uint8Array): void {
    this.#pieces = piecePriorities(this.#geometry, filePriorities);
    this.#count();
  }

  /** The priority of each piece. **Ownership**: not to be changed. */
  get piecePriorities(): Uint8Array<ArrayBuffer> {
    return this.#pieces;
  }

  /** Bytes in all pieces that are wanted. */
  get totalBytes(): number {
    return this.#totalBytes;
  }

  /** Bytes of wanted pieces that are here. **Cost**: O(pieces). */
  haveBytes(have: Bitfield): number {
    let bytes = 0;
    have.forEachSet((piece) => {
      if (this.#pieces[piece] !== PRIORITY.unwanted) bytes += this.#geometry.pieceBytes(piece);
    });
    return bytes;
  }

  /** Whether every wanted piece is here. */
  isIn(have: Bitfield): boolean {
    if (have.count < this.#pieceCount) return false;
    if (have.isFull) return true;
    return this.#pieces.every((priority, piece) =>
      priority === PRIORITY.unwanted || have.has(piece)
    );
  }

  #count(): void {
    this.#pieceCount = 0;
    this.#totalBytes = 0;
    this.#pieces.forEach((priority, piece) => {
      if (priority === PRIORITY.unwanted) return;
      this.#pieceCount++;
      this.#totalBytes += this.#geometry.pieceBytes(piece);
    });
  }
}
