/**
 * How fast bytes have been coming lately.
 *
 * @module
 */

/** Width of one bucket of a {@linkcode RateMeter}, in milliseconds. */
const BUCKET_MS = 1000;

/**
 * A rate over a sliding window, in buckets of one second.
 *
 * Young meters divide by the time since the first byte and not by the whole window, so that a new peer's rate
 * can be compared with an old one's.
 */
export class RateMeter {
  readonly #buckets: Float64Array;
  /** Number, since time 0, of the bucket that is being filled. */
  #current = -1;
  #firstMs = -1;
  #sum = 0;

  /** @param windowSeconds how far back the rate looks */
  constructor(windowSeconds: number) {
    this.#buckets = new Float64Array(windowSeconds);
  }

  /** Adds bytes that came (or went) at `nowMs`. */
  add(bytes: number, nowMs: number): void {
    this.#advance(nowMs);
    if (this.#firstMs < 0) this.#firstMs = nowMs;
    const index = this.#current % this.#buckets.length;
    this.#buckets[index] = this.#buckets[index]! + bytes;
    this.#sum += bytes;
  }

  /** Bytes per second over the window that ends at `nowMs`. */
  bytesPerSecond(nowMs: number): number {
    if (this.#firstMs < 0) return 0;
    this.#advance(nowMs);
    if (this.#sum <= 0) return 0;
    // The window is the full buckets before this one and the part of this one that has passed.
    const windowMs = (this.#buckets.length - 1) * BUCKET_MS + nowMs - this.#current * BUCKET_MS;
    const elapsedMs = Math.max(BUCKET_MS, Math.min(windowMs, nowMs - this.#firstMs));
    return this.#sum * 1000 / elapsedMs;
  }

  #advance(nowMs: number): void {
    const bucket = Math.floor(nowMs / BUCKET_MS);
    if (this.#current < 0) this.#current = bucket;
    const steps = Math.min(bucket - this.#current, this.#buckets.length);
    for (let step = 0; step < steps; step++) {
      const index = (this.#current + 1 + step) % this.#buckets.length;
      this.#sum -= this.#buckets[index]!;
      this.#buckets[index] = 0;
    }
    if (steps === this.#buckets.length) this.#buckets.fill(0), this.#sum = 0;
    if (bucket > this.#current) this.#current = bucket;
  }
}

/** How much unused allowance a {@linkcode TokenBucket} saves up: enough to bridge a late timer, too little to burst. */
const SAVED_MS = 100;

/** What arithmetic may lose on the way: at the time that was said to be the right one, a take succeeds. */
const ROUNDING_BYTES = 1;

/**
 * An allowance of bytes that grows with time: what upload and download limits are made of.
 *
 * One may stand within another: a torrent's within that of the session, which all torrents share. What is taken
 * is taken of both.
 */
export class TokenBucket {
  /** What the allowance grows by, bytes per second. */
  readonly bytesPerSecond: number;
  readonly #within: TokenBucket | null;
  readonly #bytesMax: number;
  #bytes = 0;
  #atMs = 0;

  /**
   * @param bytesPerSecond what the allowance grows by
   * @param leastBytes what is saved up in any case, so that the largest single take can ever succeed
   * @param within the larger allowance that this one is part of
   */
  constructor(bytesPerSecond: number, leastBytes: number, within: TokenBucket | null = null) {
    if (!(bytesPerSecond > 0)) {
      throw new RangeError(`Limit is ${bytesPerSecond} bytes per second, must be above 0`);
    }
    this.bytesPerSecond = bytesPerSecond;
    this.#within = within;
    this.#bytesMax = Math.max(leastBytes, bytesPerSecond * SAVED_MS / 1000);
  }

  /** Whether `bytes` are there. */
  has(bytes: number, nowMs: number): boolean {
    this.#grow(nowMs);
    return this.#bytes >= bytes - ROUNDING_BYTES && (this.#within?.has(bytes, nowMs) ?? true);
  }

  /** Takes `bytes` of the allowance, if it is there. @returns whether it was */
  take(bytes: number, nowMs: number): boolean {
    if (!this.has(bytes, nowMs)) return false;
    this.spend(bytes, nowMs);
    return true;
  }

  /** Takes `bytes` whether they are there or not; what was not is missing later. */
  spend(bytes: number, nowMs: number): void {
    this.#grow(nowMs);
    this.#bytes -= bytes;
    this.#within?.spend(bytes, nowMs);
  }

  /** When `bytes` will be there, if nobody takes any before. */
  readyAtMs(bytes: number, nowMs: number): number {
    this.#grow(nowMs);
    const atMs = nowMs + Math.max(0, bytes - this.#bytes) * 1000 / this.bytesPerSecond;
    return Math.max(atMs, this.#within?.readyAtMs(bytes, nowMs) ?? 0);
  }

  #grow(nowMs: number): void {
    const grownBytes = (nowMs - this.#atMs) * this.bytesPerSecond / 1000;
    this.#bytes = Math.min(this.#bytesMax, this.#bytes + grownBytes);
    this.#atMs = nowMs;
  }
}
