/**
 * The blocks that one peer has asked us for and not been sent.
 *
 * @module
 */

/** Numbers a request takes in the ring: piece, begin, length. */
const FIELDS = 3;

/** Requests the ring begins with room for. */
const INITIAL_CAPACITY = 32;

/** A bounded first-in first-out queue of (piece, begin, length) without an object per request. */
export class UploadQueue {
  readonly #limit: number;
  #ring = new Uint32Array(INITIAL_CAPACITY * FIELDS);
  #first = 0;
  #count = 0;

  /** @param limit requests that may wait at once */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** How many requests wait. */
  get count(): number {
    return this.#count;
  }

  /** The piece of the request at `index`, 0 being the oldest. */
  pieceAt(index: number): number {
    return this.#ring[this.#slot(index)]!;
  }

  /** Where in its piece the request at `index` begins. */
  beginAt(index: number): number {
    return this.#ring[this.#slot(index) + 1]!;
  }

  /** How many bytes the request at `index` asks for. */
  lengthAt(index: number): number {
    return this.#ring[this.#slot(index) + 2]!;
  }

  /** Adds a request. @returns false where the queue is full */
  push(piece: number, begin: number, length: number): boolean {
    if (this.#count === this.#limit) return false;
    if (this.#count * FIELDS === this.#ring.length) this.#grow();
    const slot = this.#slot(this.#count++);
    this.#ring[slot] = piece;
    this.#ring[slot + 1] = begin;
    this.#ring[slot + 2] = length;
    return true;
  }

  /** Takes the oldest request away. */
  shift(): void {
    if (this.#count === 0) throw new RangeError("The queue is empty");
    this.#first = (this.#first + FIELDS) % this.#ring.length;
    this.#count--;
  }

  /** Takes the oldest equal request away. @returns whether there was one */
  remove(piece: number, begin: number, length: number): boolean {
    for (let i = 0; i < this.#count; i++) {
      if (
        this.pieceAt(i) === piece && this.beginAt(i) === begin && this.lengthAt(i) === length
      ) {
        for (let j = i; j > 0; j--) this.#copy(j - 1, j);
        this.shift();
        return true;
      }
    }
    return false;
  }

  /** Takes all requests away. */
  clear(): void {
    this.#count = 0;
  }

  #slot(index: number): number {
    return (this.#first + index * FIELDS) % this.#ring.length;
  }

  #copy(from: number, to: number): void {
    const source = this.#slot(from);
    this.#ring.copyWithin(this.#slot(to), source, source + FIELDS);
  }

  #grow(): void {
    const larger = new Uint32Array(2 * this.#ring.length);
    larger.set(this.#ring.subarray(this.#first));
    larger.set(this.#ring.subarray(0, this.#first), this.#ring.length - this.#first);
    this.#ring = larger;
    this.#first = 0;
  }
}
