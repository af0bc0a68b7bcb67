/**
 * How many peers have each piece, and the pieces in the order of that: availability buckets in typed arrays.
 *
 * @module
 */

import type { Bitfield } from "./bitfield.ts";

/** Into how many parts each bucket is divided, as a power of two. */
const LEVEL_BITS = 2;

/** Into how many parts each bucket is divided; the first {@linkcode RESTING} are looked for, by level. */
export const LEVELS: number = 1 << LEVEL_BITS;

/** What is left of the number of a part within its bucket: the level. */
const LEVEL_MASK = LEVELS - 1;

/** The part of pieces that nobody looks for. */
export const RESTING = 3;

/** The part in which every piece is at first. */
const LEVEL_INITIAL = 1;

/** How many pieces one call of {@linkcode Rarity.find} looks at in any case. */
export const PROBES_MIN = 64;

/**
 * How many it looks at for a peer that has some of them. In front stand the pieces that it lacks: some 100 for a peer
 * with half of the pieces, of which 64 are being fetched. A power of two times {@linkcode PROBES_MIN}.
 */
export const PROBES_MAX = 256;

/** Places in a part up to which a search goes from each to the next: two lines of the cache. */
const STRIDE_FROM = 32;

/** How a search goes through a larger part: a prime, so that it comes by every place of a part of any other size. */
const STRIDE = 7919;

/** The stride where the size of the part is a multiple of the other. */
const STRIDE_ELSE = 7907;

/**
 * Pieces sorted by how many peers have them, and among those by level.
 *
 * **Shape**: `#order` holds every piece. Part `LEVELS * a + level` is the run of pieces that exactly `a` peers
 * have and that are at that level; `#start` says where each part begins, with one end more. A piece goes
 * into the next part by one swap with the piece at the border, which then moves by one; every move is made
 * of such steps. Within a part, pieces that came together are neighbours; so a search begins at a random place and goes
 * on by strides. Ties are broken by lot so, and what one peer lacks does not stand in front of what it has.
 *
 * Each piece's part is kept in `#part`, so that its availability and its level are one access to memory.
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
  /** In which part each piece is: `LEVELS` times its availability, and its level. */
  readonly #part: Uint32Array;
  readonly #start: number[] = [];
  /** By level: no piece of it has an availability from 1 up to, but without, this one. */
  readonly #lowest: Uint32Array = new Uint32Array(LEVELS).fill(1);

  constructor(pieceCount: number, random: () => number) {
    this.#random = random;
    this.#part = new Uint32Array(pieceCount).fill(LEVEL_INITIAL);
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
    return (this.#part[piece] ?? 0) >>> LEVEL_BITS;
  }

  /** The level of `piece`, {@linkcode RESTING} for what is no piece. */
  levelOf(piece: number): number {
    return (this.#part[piece] ?? RESTING) & LEVEL_MASK;
  }

  /** How many pieces that are not resting no counted peer has. */
  get unseenCount(): number {
    return this.#start[RESTING]!;
  }

  /** One more peer has `piece`. */
  add(piece: number): void {
    const part = this.#part[piece]!;
    this.#grow((part >>> LEVEL_BITS) + 1);
    this.#moveUp(piece, part, part + LEVELS);
  }

  /** One peer less has `piece`. */
  remove(piece: number): void {
    const part = this.#part[piece]!;
    if (part < LEVELS) throw new RangeError(`Cannot remove peer: nobody has piece ${piece}`);
    this.#moveDown(piece, part, part - LEVELS);
  }

  /** Moves `piece` to another level. */
  setLevel(piece: number, level: number): void {
    const part = this.#part[piece]!;
    const next = part & ~LEVEL_MASK | level;
    if (next > part) this.#moveUp(piece, part, next);
    else this.#moveDown(piece, part, next);
  }

  /**
   * Finds the rarest piece of a level that a peer has, among the first that come into question.
   *
   * A peer that lacks a piece was counted with all that it has, so what no counted peer has does not come
   * into question for it.
   *
   * @param probes how many pieces it looks at before it gives up
   * @returns the piece, or -1 where it is none of these
   */
  find(level: number, has: Bitfield, probes: number): number {
    const start = this.#start;
    const order = this.#order;
    const lot = this.#random();
    const unseen = start[level + 1]! - start[level]!;
    if (has.isFull && unseen > 0) return order[start[level]! + Math.floor(lot * unseen)]!;
    let part = LEVELS * this.#lowest[level]! + level;
    while (part + 1 < start.length && start[part] === start[part + 1]) part += LEVELS;
    this.#lowest[level] = part >>> LEVEL_BITS;
    let left = probes;
    for (; part + 1 < start.length && left > 0; part += LEVELS) {
      const end = start[part + 1]!;
      const size = end - start[part]!;
      if (size === 0) continue;
      const stride = strideOf(size);
      let at = start[part]! + Math.floor(lot * size);
      for (let i = Math.min(size, left); i > 0; i--) {
        const piece = order[at]!;
        if (has.has(piece)) return piece;
        at += stride;
        if (at >= end) at -= size;
      }
      left -= size;
    }
    return -1;
  }

  /** Makes sure that there is a bucket for this availability, and an end behind it. */
  #grow(availability: number): void {
    const length = LEVELS * (availability + 1) + 1;
    while (this.#start.length < length) this.#start.push(this.#order.length);
  }

  /** Moves `piece` from one part to a later one, a part at a time. */
  #moveUp(piece: number, from: number, to: number): void {
    const start = this.#start;
    let at = this.#position[piece]!;
    for (let part = from + 1; part <= to; part++) {
      const border = start[part]! - 1;
      this.#swap(at, border);
      start[part] = border;
      at = border;
    }
    this.#settle(piece, to);
  }

  /** Moves `piece` from one part to an earlier one, a part at a time. */
  #moveDown(piece: number, from: number, to: number): void {
    const start = this.#start;
    let at = this.#position[piece]!;
    for (let part = from; part > to; part--) {
      const border = start[part]!;
      this.#swap(at, border);
      start[part] = border + 1;
      at = border;
    }
    this.#settle(piece, to);
  }

  /** Notes in which part a piece is now. */
  #settle(piece: number, part: number): void {
    this.#part[piece] = part;
    const availability = part >>> LEVEL_BITS;
    const level = part & LEVEL_MASK;
    if (availability > 0 && availability < this.#lowest[level]!) this.#lowest[level] = availability;
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

/** By how many places a search goes on in a part of this size, so that it comes by each place once. */
function strideOf(size: number): number {
  if (size <= STRIDE_FROM) return 1;
  return (size % STRIDE === 0 ? STRIDE_ELSE : STRIDE) % size;
}
