/**
 * Remembers which pieces are good and how many are not.
 *
 * **Cost**: one bit for each piece.
 */
export class GoodPieces {
  /** How many pieces there are. */
  readonly pieceCount: number;
  readonly #bits: Uint8Array;
  #count: number;

  /** Begins with no good piece. */
  constructor(pieceCount: number) {
    this.pieceCount = pieceCount;
    this.#bits = new Uint8Array(Math.ceil(pieceCount / 8));
    this.#count = 0;
  }

  /** How many pieces are good. */
  get count(): number {
    return this.#count;
  }

  /** Tells whether a piece is good. */
  has(piece: number): boolean {
    return (this.#bits[piece >>> 3]! & (0x80 >>> (piece & 7))) !== 0;
  }

  /** Notes a verdict; tells whether it is news. */
  set(piece: number, good: boolean): boolean {
    if (this.has(piece) === good) return false;
    this.#bits[piece >>> 3]! ^= 0x80 >>> (piece & 7);
    this.#count += good ? 1 : -1;
    return true;
  }

  /** Copies the bits: bit 0 is the high bit of byte 0. */
  toBitfield(): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.#bits);
  }
}
