/** What cuts one buffer into typed arrays; without a buffer it only counts the bytes. */
export class MemoryCutter {
  readonly #buffer: ArrayBuffer | SharedArrayBuffer;
  readonly #isCounting: boolean;
  #offset: number = 0;

  /** Begins at the start of a buffer; `null` to find out how long one has to be. */
  constructor(buffer: ArrayBuffer | SharedArrayBuffer | null) {
    this.#buffer = buffer ?? new ArrayBuffer(0);
    this.#isCounting = buffer === null;
  }

  /** How many bytes were cut off so far. */
  get bytes(): number {
    return this.#offset;
  }

  /** Cuts off bytes. */
  uint8(length: number): Uint8Array {
    const at = this.#take(length);
    return this.#isCounting ? new Uint8Array(0) : new Uint8Array(this.#buffer, at, length);
  }

  /** Cuts off numbers of 16 bits. */
  uint16(length: number): Uint16Array {
    const at = this.#take(length * 2);
    return this.#isCounting ? new Uint16Array(0) : new Uint16Array(this.#buffer, at, length);
  }

  /** Cuts off signed numbers of 32 bits. */
  int32(length: number): Int32Array {
    const at = this.#take(length * 4);
    return this.#isCounting ? new Int32Array(0) : new Int32Array(this.#buffer, at, length);
  }

  /** Cuts off numbers of 64 bits. */
  float64(length: number): Float64Array {
    const at = this.#take(length * 8);
    return this.#isCounting ? new Float64Array(0) : new Float64Array(this.#buffer, at, length);
  }

  #take(bytes: number): number {
    const at = this.#offset;
    // Every array begins at a multiple of 8.
    this.#offset = at + Math.ceil(bytes / 8) * 8;
    return at;
  }
}

/** The least power of two that is not less than `n`. */
export function powerOfTwoFrom(n: number): number {
  return n <= 1 ? 1 : 2 ** (32 - Math.clz32(n - 1));
}

/** How many numbers of 32 bits an info-hash or peer id is. */
export const ID_WORDS = 5;

/** Reads one of the {@link ID_WORDS} numbers of an id. */
export function wordOf(id: Uint8Array, index: number): number {
  const at = index * 4;
  return id[at]! | id[at + 1]! << 8 | id[at + 2]! << 16 | id[at + 3]! << 24;
}
