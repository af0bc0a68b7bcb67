/**
 * The memory that pieces wait in until they are on disk.
 *
 * @module
 */

/** Pieces that are always allowed, whatever their length: one being fetched while one is being written. */
const PIECES_MIN = 2;

/**
 * A bounded set of piece buffers, used again and again.
 *
 * Its limit is the back-pressure of the download: while disk or hash lag behind, buffers do not come
 * back, {@linkcode acquire} says no, and no new piece is begun.
 *
 * The buffers are shared memory: another thread can hash what is in them without a copy. The one that came back
 * last is given first, so that as few as possible go round: what lies in the processor's cache costs half as much to
 * copy, to hash and to write.
 */
export class PiecePool {
  /** Length of every buffer, in bytes. */
  readonly pieceLength: number;
  /** How many buffers may be out at once. */
  readonly limit: number;
  readonly #free: Uint8Array[] = [];
  #inUse = 0;

  /**
   * @param pieceLength length of a buffer, in bytes
   * @param limitBytes bytes that all buffers together may take; two pieces are allowed whatever it says
   */
  constructor(pieceLength: number, limitBytes: number) {
    this.pieceLength = pieceLength;
    this.limit = Math.max(PIECES_MIN, Math.floor(limitBytes / pieceLength));
  }

  /** How many buffers are out. */
  get inUse(): number {
    return this.#inUse;
  }

  /** Takes a buffer of one piece length (its content is what it last held), or null at the limit. */
  acquire(): Uint8Array | null {
    if (this.#inUse >= this.limit) return null;
    this.#inUse++;
    return this.#free.pop() ?? new Uint8Array(new SharedArrayBuffer(this.pieceLength));
  }

  /** Gives back a buffer that {@linkcode acquire} gave; nobody may use it any more. */
  release(buffer: Uint8Array): void {
    if (buffer.length !== this.pieceLength || this.#inUse === 0) {
      throw new RangeError("Cannot release buffer: this pool did not give it");
    }
    this.#inUse--;
    this.#free.push(buffer);
  }

  /** Frees the buffers that are not out. */
  trim(): void {
    this.#free.length = 0;
  }
}
