/** How many counters there are; addresses that fall into one share it. 512 KB. */
const COUNTERS = 65_536;
/** How many seconds' worth of requests may come at once. */
const BURST_SECONDS = 10;

/**
 * Bounds how many requests come from an address, without keeping anything per address: a fixed number
 * of counters, each the time at which an address of its has used up what it was allowed (the generic cell
 * rate algorithm).
 *
 * An IPv6 address counts by its first 64 bits, since anybody has all of those.
 */
export class AddressRates {
  readonly #costMs: number;
  readonly #usedUpMs: Float64Array;
  readonly #key: number;

  /** Allows each address so many requests per second on average, and ten seconds' worth at once. */
  constructor(requestsPerSecond: number, random: () => number) {
    this.#costMs = 1000 / requestsPerSecond;
    this.#usedUpMs = new Float64Array(COUNTERS);
    this.#key = Math.floor(random() * 2 ** 32);
  }

  /** Takes one request of an address of 4 or 16 bytes; whether it is within the bounds. */
  take(address: Uint8Array, nowMs: number): boolean {
    let hash = this.#key;
    const length = Math.min(address.length, 8);
    for (let i = 0; i < length; i++) {
      hash = Math.imul(hash ^ address[i]!, 0x01000193);
      hash ^= hash >>> 15;
    }
    const counter = hash & COUNTERS - 1;
    const usedUpMs = Math.max(this.#usedUpMs[counter]!, nowMs) + this.#costMs;
    if (usedUpMs - nowMs > BURST_SECONDS * 1000) return false;
    this.#usedUpMs[counter] = usedUpMs;
    return true;
  }
}
