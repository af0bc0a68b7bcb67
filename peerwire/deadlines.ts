/**
 * By when which piece is wanted: what a player that streams asks for.
 *
 * @module
 */

/** Pieces that may have a deadline at once: the next minutes of a film. A pick looks at each of them at most once. */
export const DEADLINES_MAX = 1024;

/**
 * Pieces in the order of the times by which they are wanted.
 *
 * **Cost**: setting and clearing O(deadlines), which are at most {@linkcode DEADLINES_MAX}.
 */
export class Deadlines {
  /** The earliest first; of one time, the lowest piece first. Read it, do not write it. */
  readonly pieces: number[] = [];
  readonly #atMs = new Map<number, number>();

  /** By when `piece` is wanted, or null where nobody said so. */
  of(piece: number): number | null {
    return this.#atMs.get(piece) ?? null;
  }

  /** Wants `piece` by `atMs`, whatever was said of it before. **Errors**: `RangeError` beyond the limit. */
  set(piece: number, atMs: number): void {
    if (Number.isNaN(atMs)) throw new RangeError("Cannot set deadline: its time is not a number");
    const isNew = !this.clear(piece);
    if (isNew && this.pieces.length >= DEADLINES_MAX) {
      throw new RangeError(
        `Cannot set deadline: ${this.pieces.length} pieces have one, limit is ${DEADLINES_MAX}`,
      );
    }
    this.pieces.splice(this.#placeOf(piece, atMs), 0, piece);
    this.#atMs.set(piece, atMs);
  }

  /** Forgets by when `piece` is wanted. @returns whether anybody had said so */
  clear(piece: number): boolean {
    const atMs = this.#atMs.get(piece);
    if (atMs === undefined) return false;
    this.pieces.splice(this.#placeOf(piece, atMs), 1);
    return this.#atMs.delete(piece);
  }

  /** Forgets all. */
  clearAll(): void {
    this.pieces.length = 0;
    this.#atMs.clear();
  }

  /** How many pieces come before this one with this time. */
  #placeOf(piece: number, atMs: number): number {
    let low = 0;
    let high = this.pieces.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const other = this.pieces[middle]!;
      const otherAtMs = this.#atMs.get(other)!;
      if (otherAtMs < atMs || (otherAtMs === atMs && other < piece)) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
