/**
 * Which piece to begin next: what is wanted soonest, then what is wanted most, then what is rarest.
 *
 * A data structure and no service: it knows how many peers have each piece, which pieces may still be begun
 * and how much each is wanted, and nothing of blocks, connections or the clock.
 *
 * @module
 */

import { Bitfield } from "./bitfield.ts";
import { Deadlines } from "./deadlines.ts";
import type { MarkSet } from "./mark_set.ts";
import { checkPriority, PRIORITY, type Priority } from "./priorities.ts";
import { GROUP_PIECES, Prospects } from "./prospects.ts";
import { LEVELS, PROBES_MAX, Rarity, RESTING } from "./rarity.ts";

/** Pieces that a newcomer is to draw by lot: rare ones come slowly, and it should soon have something to give. */
export const RANDOM_FIRST_PIECES = 4;

/** Wanted pieces of a peer up to which all are compared; of more, this many neighbours and a few others. */
const COMPARED_PIECES = 32;

/** From how many other places of the torrent come those others. */
const COMPARED_PLACES = 8;

/** How many of each place. */
const COMPARED_PIECES_PER_PLACE = 4;

/** Pieces that became candidates and of which peers' {@linkcode Prospects} may not know yet; with more, they begin anew. */
const ARRIVALS_KEPT = 256;

/** Bytes of a bitfield that make a group of pieces. */
const GROUP_BYTES = GROUP_PIECES / 8;

/** What a {@linkcode Picker} is made from. */
export interface PickerOptions {
  /** How many pieces the torrent has. */
  readonly pieceCount: number;
  /** Uniform numbers in [0, 1): breaks ties between equally rare pieces. Injected, so that a seed replays. */
  readonly random: () => number;
  /** While fewer pieces than this are begun or here, the next is drawn by lot; 0 unless told otherwise, see {@linkcode RANDOM_FIRST_PIECES}. */
  readonly randomFirstPieces?: number;
}

/**
 * Picks among the candidates: the pieces that are wanted and neither begun nor complete.
 *
 * The order: the earliest deadline; then the highest priority; then the rarest, with ties broken by lot, or
 * in sequential order the lowest. Peers that have everything are counted apart, so a seed that comes or goes
 * costs O(1).
 *
 * **Exact**: whether a peer has anything to pick, always; so are deadlines, priorities and sequential order. The
 * rarest piece, where it is among the first 64 of its priority that leechers have (256 for a peer that often has one
 * of them), or where the peer has no more than 32 of that priority. Else it is the rarest of some 60 that are drawn.
 *
 * **Cost**: {@linkcode addHave}, {@linkcode begin}, {@linkcode giveBack} and {@linkcode setPriority} O(1).
 * {@linkcode pick} with a peer's {@linkcode Prospects} is bounded whatever the number of pieces, but for a walk
 * over availabilities that no piece has and for groups of pieces where there is nothing for this peer, each
 * of which it walks into once; without them, it is linear for a peer whose pieces are few or common.
 */
export class Picker {
  /** Whether the lowest piece of a priority comes first, and not the rarest. May be changed at any time. */
  isSequential = false;
  readonly #pieceCount: number;
  readonly #random: () => number;
  readonly #randomFirstPieces: number;
  readonly #rarity: Rarity;
  readonly #deadlines = new Deadlines();
  /** By level, the highest priority first: the pieces that may be begun. */
  readonly #candidates: readonly Bitfield[];
  readonly #priority: Uint8Array;
  /** The pieces that are begun or complete. */
  readonly #begun: Bitfield;
  /** The pieces that last became candidates, round and round. */
  readonly #arrivals = new Uint32Array(ARRIVALS_KEPT);
  #arrivalCount = 0;
  #seeds = 0;
  // The best piece of those that are being compared, and how many were as good.
  #best = -1;
  #bestAvailability = 0;
  #bestCount = 0;

  constructor(options: PickerOptions) {
    const { pieceCount, random } = options;
    this.#pieceCount = pieceCount;
    this.#random = random;
    this.#randomFirstPieces = options.randomFirstPieces ?? 0;
    this.#rarity = new Rarity(pieceCount, random);
    this.#begun = new Bitfield(pieceCount);
    this.#priority = new Uint8Array(pieceCount).fill(PRIORITY.normal);
    this.#candidates = Array.from({ length: LEVELS - 1 }, () => new Bitfield(pieceCount));
    this.#candidates[levelOf(PRIORITY.normal)]!.setAll();
  }

  /** How many pieces may still be begun. */
  get candidateCount(): number {
    let count = 0;
    for (let level = 0; level < RESTING; level++) count += this.#candidates[level]!.count;
    return count;
  }

  /** How many of them some connected peer has. */
  get reachableCount(): number {
    const count = this.candidateCount;
    return this.#seeds > 0 ? count : count - this.#rarity.unseenCount;
  }

  /** How many connected peers have `piece`, seeds included. */
  availabilityOf(piece: number): number {
    return this.#rarity.availabilityOf(piece) + this.#seeds;
  }

  /** Whether `piece` may still be begun: it is wanted, and neither begun nor complete. */
  isCandidate(piece: number): boolean {
    return this.#rarity.levelOf(piece) !== RESTING;
  }

  /** Whether `piece` is wanted at all, begun or not. */
  isWanted(piece: number): boolean {
    return this.priorityOf(piece) !== PRIORITY.unwanted;
  }

  /** How much `piece` is wanted. */
  priorityOf(piece: number): Priority {
    return (this.#priority[piece] ?? PRIORITY.unwanted) as Priority;
  }

  /** Whether any piece is wanted by some time. */
  get hasDeadlines(): boolean {
    return this.#deadlines.pieces.length > 0;
  }

  /** By when `piece` is wanted, or null where nobody said so. */
  deadlineOf(piece: number): number | null {
    return this.#deadlines.of(piece);
  }

  /** Makes the memory that {@linkcode pick} keeps of one peer. Make it anew when the peer says anew all that it has. */
  makeProspects(): Prospects {
    return new Prospects(this.#pieceCount, RESTING);
  }

  /** A peer that has every piece came. */
  addSeed(): void {
    this.#seeds++;
  }

  /** A peer that was counted by {@linkcode addSeed} left. */
  removeSeed(): void {
    if (this.#seeds === 0) throw new RangeError("Cannot remove seed: none was added");
    this.#seeds--;
  }

  /** A peer with these pieces came. */
  addBitfield(has: Bitfield): void {
    has.forEachSet((piece) => this.#rarity.add(piece));
  }

  /** A peer that was counted piece by piece left; `has` is all that it had. */
  removeBitfield(has: Bitfield): void {
    has.forEachSet((piece) => this.#rarity.remove(piece));
  }

  /** One more peer has `piece`; its `has` knows already. Without its prospects, the next pick for it costs more. */
  addHave(piece: number, prospects: Prospects | null = null): void {
    this.#rarity.add(piece);
    if (prospects === null || prospects.pieceCount < 0) return;
    prospects.pieceCount++;
    const level = this.#rarity.levelOf(piece);
    if (level !== RESTING) prospects.mark(level, piece); // else it comes with its arrival
  }

  /** Takes `piece` out of the candidates: it is being fetched, or we have it. Whether it is wanted does not matter. */
  begin(piece: number): void {
    if (!this.#begun.set(piece)) throw new RangeError(`Piece ${piece} is no candidate`);
    this.#place(piece);
  }

  /** Puts `piece` back among the candidates, if it is wanted: its data was lost, given up or wrong. */
  giveBack(piece: number): void {
    if (!this.#begun.clear(piece)) throw new RangeError(`Piece ${piece} is a candidate already`);
    this.#place(piece);
  }

  /** Says how much `piece` is wanted. What is begun stays begun. **Errors**: `RangeError`. */
  setPriority(piece: number, priority: Priority): void {
    this.#checkPiece(piece);
    checkPriority(priority);
    this.#priority[piece] = priority;
    this.#place(piece);
  }

  /** Says how much each piece is wanted, such as by `piecePriorities`. **Errors**: `RangeError`. */
  setPriorities(priorities: Uint8Array): void {
    if (priorities.length !== this.#pieceCount) {
      throw new RangeError(
        `Cannot set priorities: ${priorities.length} are given, the torrent has ${this.#pieceCount} pieces`,
      );
    }
    priorities.forEach(checkPriority);
    for (let piece = 0; piece < this.#pieceCount; piece++) {
      this.#priority[piece] = priorities[piece]!;
      this.#place(piece);
    }
  }

  /**
   * Wants `piece` by `atMs`: before everything that has no deadline or a later one. Whether that time is past
   * does not matter. Clear it when the piece is here: at most `DEADLINES_MAX` pieces have one.
   *
   * **Errors**: `RangeError`.
   */
  setDeadline(piece: number, atMs: number): void {
    this.#checkPiece(piece);
    this.#deadlines.set(piece, atMs);
  }

  /** Takes back what {@linkcode setDeadline} said of `piece`, if anything. */
  clearDeadline(piece: number): void {
    this.#deadlines.clear(piece);
  }

  /** Takes back everything that {@linkcode setDeadline} said. */
  clearDeadlines(): void {
    this.#deadlines.clearAll();
  }

  /**
   * Finds the next piece to begin of those that a peer has.
   *
   * @param has what the peer has, as it was counted
   * @param prospects what is remembered of this peer; made by {@linkcode makeProspects}
   * @returns the piece, or -1 where the peer has none. It stays a candidate until {@linkcode begin}.
   */
  pick(has: Bitfield, prospects: Prospects | null = null): number {
    // hot: bench/picker_bench.ts
    const urgent = this.pickUrgent(has);
    if (urgent >= 0) return urgent;
    if (prospects !== null) this.#update(prospects, has);
    for (let level = 0; level < RESTING; level++) {
      if (this.#candidates[level]!.isEmpty) continue;
      if (prospects !== null && prospects.groups[level]!.isEmpty) continue;
      const piece = this.#pickAt(level, has, prospects);
      if (piece >= 0) return piece;
    }
    return -1;
  }

  /** Finds the candidate with the earliest deadline of those that a peer has, or -1: to be begun even before others are finished. */
  pickUrgent(has: Bitfield): number {
    const { pieces } = this.#deadlines;
    for (let i = 0; i < pieces.length; i++) {
      const piece = pieces[i]!;
      if (has.has(piece) && this.isCandidate(piece)) return piece;
    }
    return -1;
  }

  #pickAt(level: number, has: Bitfield, prospects: Prospects | null): number {
    const isByLot = this.#begun.count < this.#randomFirstPieces;
    // Few pieces are all compared, which is as exact.
    if (!this.isSequential && !isByLot && has.count > COMPARED_PIECES) {
      const piece = this.#rarity.find(level, has, prospects?.probes ?? PROBES_MAX);
      prospects?.learn(piece >= 0);
      if (piece >= 0) return piece;
    }
    if (prospects === null) {
      prospects = this.makeProspects();
      this.#update(prospects, has);
    }
    const groups = prospects.groups[level]!;
    return this.isSequential
      ? this.#lowest(level, has, groups)
      : this.#compare(level, has, groups, isByLot);
  }

  /** Puts `piece` at the level that it belongs to now. */
  #place(piece: number): void {
    const old = this.#rarity.levelOf(piece);
    const level = this.#begun.has(piece) ? RESTING : levelOf(this.#priority[piece]!);
    if (level === old) return;
    this.#rarity.setLevel(piece, level);
    if (old !== RESTING) this.#candidates[old]!.clear(piece);
    if (level === RESTING) return;
    this.#candidates[level]!.set(piece);
    this.#arrivals[this.#arrivalCount++ % ARRIVALS_KEPT] = piece;
  }

  /** Brings what is remembered of a peer up to date: no mark is missing after this. */
  #update(prospects: Prospects, has: Bitfield): void {
    const isAnew = prospects.pieceCount !== has.count ||
      this.#arrivalCount - prospects.arrivalCount > ARRIVALS_KEPT;
    if (isAnew) return prospects.reset(has.count, this.#arrivalCount);
    while (prospects.arrivalCount < this.#arrivalCount) {
      const piece = this.#arrivals[prospects.arrivalCount++ % ARRIVALS_KEPT]!;
      const level = this.#rarity.levelOf(piece);
      if (level !== RESTING && has.has(piece)) prospects.mark(level, piece);
    }
  }

  /** The lowest candidate of a level that the peer has; -1 where it has none. */
  #lowest(level: number, has: Bitfield, groups: MarkSet): number {
    this.#best = -1;
    for (let group = groups.nextSet(0); group !== -1; group = groups.nextSet(group + 1)) {
      if (this.#look(level, has, group, 0, 1, true) > 0) return this.#best;
      groups.clear(group);
    }
    return -1;
  }

  /**
   * The rarest candidate of a level that the peer has, or any where rarity does not matter; -1 where it has
   * none. With more than a few to compare, only some are.
   */
  #compare(level: number, has: Bitfield, groups: MarkSet, isByLot: boolean): number {
    this.#best = -1;
    const first = Math.floor(this.#random() * groups.length);
    let compared = this.#lookFrom(level, has, groups, first, groups.length, isByLot);
    if (compared <= COMPARED_PIECES) {
      compared += this.#lookFrom(level, has, groups, 0, first, isByLot);
    }
    if (compared <= COMPARED_PIECES || isByLot) return this.#best;
    for (let place = 0; place < COMPARED_PLACES; place++) {
      let group = groups.nextSet(Math.floor(this.#random() * groups.length));
      if (group === -1) group = groups.nextSet(0);
      const from = Math.floor(this.#random() * GROUP_BYTES);
      const found = this.#look(level, has, group, from, COMPARED_PIECES_PER_PLACE, false);
      if (found === 0) groups.clear(group);
    }
    return this.#best;
  }

  /** Compares what is in the groups from `first` up to but without `end`, until it is enough. @returns how many */
  #lookFrom(
    level: number,
    has: Bitfield,
    groups: MarkSet,
    first: number,
    end: number,
    isByLot: boolean,
  ): number {
    let compared = 0;
    let group = groups.nextSet(first);
    while (group !== -1 && group < end && compared <= COMPARED_PIECES) {
      const found = this.#look(level, has, group, 0, GROUP_PIECES, isByLot);
      if (found === 0) groups.clear(group);
      compared += found;
      group = groups.nextSet(group + 1);
    }
    return compared;
  }

  /** Compares up to `most` candidates of one group that the peer has, beginning with the byte `from`. @returns how many */
  #look(
    level: number,
    has: Bitfield,
    group: number,
    from: number,
    most: number,
    isByLot: boolean,
  ): number {
    const wanted = this.#candidates[level]!.bytes;
    const base = group * GROUP_BYTES;
    const length = Math.min(GROUP_BYTES, wanted.length - base);
    let found = 0;
    for (let i = 0; i < length; i++) {
      const at = base + (from + i) % length;
      let bits = has.bytes[at]! & wanted[at]!;
      while (bits !== 0) {
        const bit = Math.clz32(bits) - 24;
        bits &= ~(0x80 >>> bit);
        const piece = 8 * at + bit;
        this.#consider(piece, isByLot ? 0 : this.#rarity.availabilityOf(piece));
        if (++found === most) return found;
      }
    }
    return found;
  }

  /** Keeps the rarer piece; of equals each with the same chance. */
  #consider(piece: number, availability: number): void {
    if (this.#best >= 0 && availability > this.#bestAvailability) return;
    const isTie = this.#best >= 0 && availability === this.#bestAvailability;
    this.#bestCount = isTie ? this.#bestCount + 1 : 1;
    if (isTie && this.#random() * this.#bestCount >= 1) return;
    this.#best = piece;
    this.#bestAvailability = availability;
  }

  #checkPiece(piece: number): void {
    if (Number.isInteger(piece) && piece >= 0 && piece < this.#pieceCount) return;
    throw new RangeError(`Piece ${piece} is outside the torrent of ${this.#pieceCount} pieces`);
  }
}

/** The level of candidates with this priority: 0 for the highest. */
function levelOf(priority: number): number {
  return PRIORITY.high - priority;
}
