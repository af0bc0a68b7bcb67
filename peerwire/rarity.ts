/**
 * How many peers have each piece, and the pieces in the order of that: availability buckets in typed arrays.
 *
 * @module
 */

import type { Bitfield } from "./bitfield.ts";

/** Into how many parts each bucket is divided; the first {@linkcode RESTING} are looked for, by level. */
export const LEVELS = 4;

/** The part of pieces that nobody looks for. */
export const RESTING = 3;

/** The part in which every piece is at first. */
const LEVEL_INITIAL = 1;

/** How many pieces one call of {@linkcode Rarity.find} looks at before it gives up. */
export const PROBES_MAX = 64;

/**
 * Pieces sorted by how many peers have them, and among those by level.
 *
 * **Shape**: `#order` holds every piece. Part `LEVELS * a + level` is the run of pieces that exactly `a` peers
 * have and that are at that level; `#start` says where each part begins, with one end more. A piece goes
 * into the next part by one swap with the piece at the border, which then moves by one; every move is made
 * of such steps. Within a part the order is random, always.
 *
 * **Cost**: {@linkcode add} and {@linkcode remove} four steps, {@linkcode setLevel} at most three, whatever
 * the number of pieces and peers. Peers that have everything are not to be counted here: they change no order.
 */
export class Rarity {
  // hot: bench/picker_bench.ts
  readonly #random: () => number;
  readonly #order: Uint32Array;
  /** Where each piece stands in `#order`. */
  readonly #position: Uint32Array;
  readonly #availability: Uint32Array;
  readonly #level: Uint8Array;
  readonly #start: number[] = [];
  /** By level: no piece of it has an availability from 1 up to, but without, this one. */
  readonly #lowest: Uint32Array = new Uint32Array(LEVELS).fill(1);

  constructor(pieceCount: number, random: () => number) {
    this.#random = random;
    this.#availability = new Uint32Array(pieceCount);
    this.#level = new Uint8Array(pieceCount).fill(LEVEL_INITIAL);
    this.#order = new Uint32Array(pieceCount);
    this.#position = new Uint32Array(pieceCount);
    for (let i = 0; i < pieceCount; i++) this.#order[i] = i;
    for (let i = pieceCount - 1; i > 0; i--) {
      const j = Math.floor(random() * (i + 1));
      const piece = this.#order[i]!;
      this.#order[i] = this.#order[j]!;
      this.#order[j] = piece;
    }
    for (let i = 0; i < pieceCount; i++) this.#position[this.#order[i]!] = i;
    for (let part = 0; part <= LEVELS; part++) {
      this.#start.push(part <= LEVEL_INITIAL ? 0 : pieceCount);
    }
  }

  /** How many peers were counted as having `piece`; 0 for what is no piece. */
  availabilityOf(piece: number): number {
    return this.#availability[piece] ?? 0;
  }

  /** The level of `piece`, {@linkcode RESTING} for what is no piece. */
  levelOf(piece: number): number {
    return this.#level[piece] ?? RESTING;
  }

  /** How many pieces that are not resting no counted peer has. */
  get unseenCount(): number {
    return this.#start[RESTING]!;
  }

  /** One more peer has `piece`. */
  add(piece: number): void {
    const availability = this.#availability[piece]!;
    const level = this.#level[piece]!;
    this.#grow(availability + 1);
    const part = LEVELS * availability + level;
    for (let step = 0; step < LEVELS; step++) this.#up(piece, part + step);
    this.#availability[piece] = availability + 1;
    if (level !== RESTING) this.#settle(piece);
  }

  /** One peer less has `piece`. */
  remove(piece: number): void {
    const availability = this.#availability[piece]!;
    if (availability === 0) throw new RangeError(`Cannot remove peer: nobody has piece ${piece}`);
    const level = this.#level[piece]!;
    const part = LEVELS * availability + level;
    for (let step = 0; step < LEVELS; step++) this.#down(piece, part - step);
    this.#availability[piece] = availability - 1;
    if (level !== RESTING) this.#settle(piece);
  }

  /** Moves `piece` to another level. */
  setLevel(piece: number, level: number): void {
    const base = LEVELS * this.#availability[piece]!;
    let at = this.#level[piece]!;
    for (; at < level; at++) this.#up(piece, base + at);
    for (; at > level; at--) this.#down(piece, base + at);
    this.#level[piece] = level;
    if (level !== RESTING) this.#settle(piece);
  }

  /**
   * Finds the rarest piece of a level that a peer has, among the first {@linkcode PROBES_MAX} that come into question.
   *
   * A peer that lacks a piece was counted with all that it has, so what no counted peer has does not come
   * into question for it.
   *
   * @returns the piece, or -1 where it is none of these
   */
  find(level: number, has: Bitfield): number {
    const start = this.#start;
    const order = this.#order;
    if (has.isFull && start[level + 1]! > start[level]!) return order[start[level]!]!;
    let part = LEVELS * this.#lowest[level]! + level;
    while (part + 1 < start.length && start[part] === start[part + 1]) part += LEVELS;
    this.#lowest[level] = (part - level) / LEVELS;
    let left = PROBES_MAX;
    for (; part + 1 < start.length; part += LEVELS) {
      const end = Math.min(start[part + 1]!, start[part]! + left);
      for (let i = start[part]!; i < end; i++) {
        const piece = order[i]!;
        if (has.has(piece)) return piece;
      }
      left -= end - start[part]!;
      if (left === 0) return -1;
    }
    return -1;
  }

  /** Makes sure that there is a bucket for this availability, and an end behind it. */
  #grow(availability: number): void {
    const length = LEVELS * (availability + 1) + 1;
    while (this.#start.length < length) this.#start.push(this.#order.length);
  }

  /** Moves `piece`, which is the part's, into the next part. */
  #up(piece: number, part: number): void {
    const border = this.#start[part + 1]! - 1;
    this.#swap(this.#position[piece]!, border);
    this.#start[part + 1] = border;
  }

  /** Moves `piece`, which is the part's, into the part before. */
  #down(piece: number, part: number): void {
    const border = this.#start[part]!;
    this.#swap(this.#position[piece]!, border);
    this.#start[part] = border + 1;
  }

  /** Has a piece that came into a part take a random place in it, so that ties are broken by lot. */
  #settle(piece: number): void {
    const level = this.#level[piece]!;
    const availability = this.#availability[piece]!;
    if (availability > 0 && availability < this.#lowest[level]!) {
      this.#lowest[level] = availability;
    }
    const part = LEVELS * availability + level;
    const start = this.#start[part]!;
    const end = this.#start[part + 1]!;
    this.#swap(this.#position[piece]!, start + Math.floor(this.#random() * (end - start)));
  }

  #swap(i: number, j: number): void {
    if (i === j) return;
    const one = this.#order[i]!;
    const other = this.#order[j]!;
    this.#order[i] = other;
    this.#position[other] = i;
    this.#order[j] = one;
    this.#position[one] = j;
  }
}
