import { PeerProtocolError } from "./errors.ts";

/**
 * A set of piece indices, as peers send it, with an exact count at all times.
 *
 * Shape: bit 0 is the high bit of byte 0; the spare bits of the last byte are zero, always.
 *
 * Cost: no call allocates except the constructor and `fromBytes`; searches and comparisons go by
 * 32 bits at a time.
 *
 * Source: BEP 3, message `bitfield`.
 *
 * @example
 * ```ts
 * import { Bitfield } from "@enjambre/peerwire";
 *
 * const have = new Bitfield(10);
 * have.set(7);
 * console.log(have.count, have.nextSet(0), have.isFull); // 1 7 false
 * ```
 */
export class Bitfield {
  /** How many pieces there are, which is not how many are in the set. */
  readonly length: number;
  /** The set as it goes over the wire. Ownership: a live view, to be read only; writing to it makes `count` wrong. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  // The same memory and up to three bytes of zeros behind it. What is done with words here (is it
  // zero, is a bit in it, how many) does not depend on the order of the bytes in them.
  readonly #words: Uint32Array<ArrayBuffer>;
  #count: number;

  /** Makes an empty set for `length` pieces. Errors: `RangeError` when `length` is not an integer from 0 to 2^32 - 1. */
  constructor(length: number) {
    if (length >>> 0 !== length) {
      throw new RangeError(
        `Cannot make bitfield: length is ${length}, must be an integer from 0 to 4294967295`,
      );
    }
    this.length = length;
    this.#words = new Uint32Array(Math.ceil(length / 32));
    this.bytes = new Uint8Array(this.#words.buffer, 0, Math.ceil(length / 8));
    this.#count = 0;
  }

  /**
   * Makes a set from the payload of a `bitfield` message, copying it.
   *
   * Errors: {@linkcode PeerProtocolError}, `length` when the number of bytes is not that of `length`
   * pieces, `payload` when a spare bit is set.
   */
  static fromBytes(bytes: Uint8Array, length: number): Bitfield {
    const bitfield = new Bitfield(length);
    if (bytes.length !== bitfield.bytes.length) {
      throw new PeerProtocolError(
        "length",
        `Cannot read bitfield: length is ${bytes.length} bytes, must be ${bitfield.bytes.length} bytes for ${length} pieces`,
      );
    }
    const spareMask = 0xff >>> (length & 7);
    if ((length & 7) !== 0 && (bytes[bytes.length - 1]! & spareMask) !== 0) {
      throw new PeerProtocolError(
        "payload",
        `Cannot read bitfield: a spare bit behind piece ${length - 1} is set, must be clear`,
      );
    }
    bitfield.bytes.set(bytes);
    const words = bitfield.#words;
    let count = 0;
    for (let i = 0; i < words.length; i++) count += bitsIn(words[i]!);
    bitfield.#count = count;
    return bitfield;
  }

  /** How many pieces are in the set. */
  get count(): number {
    return this.#count;
  }

  /** Whether every piece is in the set; true for a torrent of no pieces. */
  get isFull(): boolean {
    return this.#count === this.length;
  }

  /** Whether no piece is in the set. */
  get isEmpty(): boolean {
    return this.#count === 0;
  }

  /** Tells whether piece `i` is in the set; false for an index outside. */
  has(i: number): boolean {
    // hot: once per have, request and pick; bench/wire_bench.ts, group "bitfield".
    return (this.bytes[i >>> 3]! & (0x80 >>> (i & 7))) !== 0;
  }

  /** Puts piece `i` in; true if it was not there. Errors: `RangeError` for an index outside. */
  set(i: number): boolean {
    this.#requireIndex(i);
    const mask = 0x80 >>> (i & 7);
    const byte = this.bytes[i >>> 3]!;
    if ((byte & mask) !== 0) return false;
    this.bytes[i >>> 3] = byte | mask;
    this.#count++;
    return true;
  }

  /** Takes piece `i` out; true if it was there. Errors: `RangeError` for an index outside. */
  clear(i: number): boolean {
    this.#requireIndex(i);
    const mask = 0x80 >>> (i & 7);
    const byte = this.bytes[i >>> 3]!;
    if ((byte & mask) === 0) return false;
    this.bytes[i >>> 3] = byte & ~mask;
    this.#count--;
    return true;
  }

  /** Puts every piece in. */
  setAll(): void {
    this.bytes.fill(0xff);
    const used = this.length & 7;
    if (used !== 0) this.bytes[this.bytes.length - 1] = 0xff & ~(0xff >>> used);
    this.#count = this.length;
  }

  /** Takes every piece out. */
  clearAll(): void {
    this.bytes.fill(0);
    this.#count = 0;
  }

  /** Finds the first piece in the set at or after `from`; -1 when there is none. */
  nextSet(from: number): number {
    return this.#next(from, 0);
  }

  /** Finds the first piece not in the set at or after `from`; -1 when there is none. */
  nextClear(from: number): number {
    return this.#next(from, 0xff);
  }

  /**
   * Tells whether a piece is in this set that is not in `other`: whether a peer that has these is of
   * interest to one that has those.
   *
   * Errors: `RangeError` when the lengths differ.
   */
  hasAnyNotIn(other: Bitfield): boolean {
    if (other.length !== this.length) {
      throw new RangeError(
        `Cannot compare bitfields: lengths are ${this.length} and ${other.length} pieces`,
      );
    }
    if (this.#count > other.#count) return true;
    const mine = this.#words;
    const others = other.#words;
    for (let i = 0; i < mine.length; i++) {
      if ((mine[i]! & ~others[i]!) !== 0) return true;
    }
    return false;
  }

  /** Calls `visit` with each piece in the set, lowest first. `visit` may take out the piece that it is given. */
  forEachSet(visit: (piece: number) => void): void {
    for (let i = this.nextSet(0); i !== -1; i = this.nextSet(i + 1)) visit(i);
  }

  // The first index at or after `from` whose bit differs from those of `skip` (0x00 or 0xff).
  #next(from: number, skip: number): number {
    if (from < 0) from = 0;
    if (from >= this.length) return -1;
    const bytes = this.bytes;
    const words = this.#words;
    const skipWord = skip === 0 ? 0 : 0xffffffff;
    let at = from >>> 3;
    let bits = (bytes[at]! ^ skip) & (0xff >>> (from & 7));
    while (bits === 0) {
      at++;
      while ((at & 3) === 0 && words[at >>> 2] === skipWord) at += 4;
      if (at >= bytes.length) return -1;
      bits = bytes[at]! ^ skip;
    }
    const index = at * 8 + Math.clz32(bits) - 24;
    return index < this.length ? index : -1;
  }

  #requireIndex(i: number): void {
    if (i >= 0 && i < this.length && Number.isInteger(i)) return;
    throw new RangeError(`Cannot mark piece: index is ${i}, must be from 0 to ${this.length - 1}`);
  }
}

/** The number of ones in 32 bits: sums of neighbours, two, four and eight wide. */
function bitsIn(word: number): number {
  word -= (word >>> 1) & 0x55555555;
  word = (word & 0x33333333) + ((word >>> 2) & 0x33333333);
  word = (word + (word >>> 4)) & 0x0f0f0f0f;
  return Math.imul(word, 0x01010101) >>> 24;
}
