/**
 * A set of small numbers in which the next one is found at once, however far away it is.
 *
 * @module
 */

/** Numbers that share one word, as a power of two. */
const WORD_BITS = 5;

/** What is left of a number within its word. */
const WORD_MASK = 31;

/**
 * A set of numbers below a length: words of 32, above them words that say which of those are not empty, and so on up to
 * one word.
 *
 * **Cost**: {@linkcode set}, {@linkcode clear} and {@linkcode nextSet} a step for each storey, of which there are three
 * up to 32,768 numbers and four up to a million; one bit and a thirtieth for each number.
 */
export class MarkSet {
  // hot: bench/picker_bench.ts
  /** How many numbers there are, which is not how many are in the set. */
  readonly length: number;
  /** The lowest first, the single word last. */
  readonly #storeys: Uint32Array[] = [];

  /** Makes an empty set for the numbers below `length`. */
  constructor(length: number) {
    this.length = length;
    let words = length;
    do {
      words = Math.ceil(words / 32);
      this.#storeys.push(new Uint32Array(Math.max(1, words)));
    } while (words > 1);
  }

  /** Whether no number is in the set. */
  get isEmpty(): boolean {
    return this.#storeys[this.#storeys.length - 1]![0] === 0;
  }

  /** Puts `i` in. */
  set(i: number): void {
    const storeys = this.#storeys;
    for (let k = 0; k < storeys.length; k++) {
      const words = storeys[k]!;
      words[i >>> WORD_BITS]! |= 1 << (i & WORD_MASK);
      i >>>= WORD_BITS;
    }
  }

  /** Takes `i` out. */
  clear(i: number): void {
    const storeys = this.#storeys;
    for (let k = 0; k < storeys.length; k++) {
      const words = storeys[k]!;
      const at = i >>> WORD_BITS;
      words[at]! &= ~(1 << (i & WORD_MASK));
      if (words[at] !== 0) return;
      i = at;
    }
  }

  /** Puts every number in. */
  setAll(): void {
    let count = this.length;
    for (const words of this.#storeys) {
      words.fill(0xffffffff);
      if ((count & WORD_MASK) !== 0) words[count >>> WORD_BITS] = 2 ** (count & WORD_MASK) - 1;
      if (count === 0) words.fill(0);
      count = Math.ceil(count / 32);
    }
  }

  /** Finds the first number in the set at or after `from`; -1 where there is none. */
  nextSet(from: number): number {
    const storeys = this.#storeys;
    let i = from;
    for (let k = 0; k < storeys.length; k++) {
      const words = storeys[k]!;
      const at = i >>> WORD_BITS;
      if (at >= words.length) return -1;
      const bits = words[at]! & (-1 << (i & WORD_MASK));
      if (bits === 0) {
        i = at + 1;
        continue;
      }
      i = at << WORD_BITS | lowestBit(bits);
      while (k-- > 0) i = i << WORD_BITS | lowestBit(storeys[k]![i]!);
      return i;
    }
    return -1;
  }
}

/** The number of the lowest bit of a word that is not zero. */
function lowestBit(word: number): number {
  return WORD_MASK - Math.clz32(word & -word);
}
