/**
 * Which piece to begin next: rarest first, out of availability buckets in typed arrays.
 *
 * A data structure and no service: it knows how many peers have each piece and which pieces may still
 * be begun, and nothing of blocks, connections or time.
 *
 * @module
 */

import type { Bitfield } from "./bitfield.ts";

/** What a {@linkcode Picker} is made from. */
export interface PickerOptions {
  /** How many pieces the torrent has. */
  readonly pieceCount: number;
  /** Uniform numbers in [0, 1): breaks ties between equally rare pieces. Injected, so that a seed replays. */
  readonly random: () => number;
}

/**
 * Rarest first over the pieces that are neither begun nor complete.
 *
 * **Shape**: `#order` holds the candidates sorted by availability; bucket `a` is the run of pieces that
 * exactly `a` peers have, `#bucketStart[a]` where it begins. Moving a piece to a neighbouring bucket is one
 * swap with the element at their border. Peers that have everything are counted apart, so a seed that
 * comes or goes costs O(1).
 *
 * **Cost**: {@linkcode addHave} O(1); {@linkcode begin} and {@linkcode giveBack} O(highest availability);
 * {@linkcode pick} O(1) for a peer with everything, else O(candidates the peer lacks before its rarest).
 */
export class Picker {
  readonly #random: () => number;
  /** Candidates in order of availability; the first `#count` entries are in use. */
  readonly #order: Uint32Array;
  /** Where a piece stands in `#order`, or -1 when it is begun or complete. */
  readonly #position: Int32Array;
  /** How many peers that are not seeds have each piece. */
  readonly #availability: Uint32Array;
  /** `#bucketStart[a]`: index in `#order` of the first candidate that `a` or more peers have. */
  #bucketStart: number[] = [0];
  #count: number;
  #seeds = 0;

  constructor(options: PickerOptions) {
    const { pieceCount, random } = options;
    this.#random = random;
    this.#count = pieceCount;
    this.#availability = new Uint32Array(pieceCount);
    this.#order = new Uint32Array(pieceCount);
    this.#position = new Int32Array(pieceCount);
    for (let i = 0; i < pieceCount; i++) this.#order[i] = i;
    for (let i = pieceCount - 1; i > 0; i--) {
      const j = Math.floor(random() * (i + 1));
      const piece = this.#order[i]!;
      this.#order[i] = this.#order[j]!;
      this.#order[j] = piece;
    }
    for (let i = 0; i < pieceCount; i++) this.#position[this.#order[i]!] = i;
  }

  /** How many pieces may still be begun. */
  get candidateCount(): number {
    return this.#count;
  }

  /** How many of them some connected peer has. */
  get reachableCount(): number {
    if (this.#seeds > 0) return this.#count;
    return this.#count - (this.#bucketStart[1] ?? this.#count);
  }

  /** How many connected peers have `piece`, seeds included. */
  availabilityOf(piece: number): number {
    return (this.#availability[piece] ?? 0) + this.#seeds;
  }

  /** Whether `piece` may still be begun. */
  isCandidate(piece: number): boolean {
    return (this.#position[piece] ?? -1) >= 0;
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
    has.forEachSet((piece) => this.addHave(piece));
  }

  /** A peer that was counted piece by piece left; `has` is all that it had. */
  removeBitfield(has: Bitfield): void {
    has.forEachSet((piece) => this.#shift(piece, -1));
  }

  /** One more peer has `piece`. */
  addHave(piece: number): void {
    this.#shift(piece, 1);
  }

  /** Takes `piece` out of the candidates: it is being fetched, or we have it. */
  begin(piece: number): void {
    if (this.#position[piece]! < 0) throw new RangeError(`Piece ${piece} is no candidate`);
    // Walk the hole up to the end of the last bucket, moving one element of each bucket.
    let hole = this.#position[piece]!;
    const starts = this.#bucketStart;
    for (let a = this.#availability[piece]! + 1; a < starts.length; a++) {
      const last = starts[a]! - 1;
      this.#move(last, hole);
      hole = last;
      starts[a] = last;
    }
    this.#count--;
    this.#move(this.#count, hole);
    this.#position[piece] = -1;
  }

  /** Puts `piece` back among the candidates: its data was lost, given up or wrong. */
  giveBack(piece: number): void {
    if (this.#position[piece]! >= 0) throw new RangeError(`Piece ${piece} is a candidate already`);
    const availability = this.#availability[piece]!;
    this.#growBuckets(availability);
    let hole = this.#count++;
    const starts = this.#bucketStart;
    for (let a = starts.length - 1; a > availability; a--) {
      const first = starts[a]!;
      this.#move(first, hole);
      hole = first;
      starts[a] = first + 1;
    }
    this.#place(piece, hole);
    this.#mix(piece);
  }

  /**
   * Finds the rarest candidate that a peer has.
   *
   * @returns the piece, or -1 where the peer has none. It stays a candidate until {@linkcode begin}.
   */
  pick(has: Bitfield): number {
    // hot: bench/picker_bench.ts
    const order = this.#order;
    for (let i = 0; i < this.#count; i++) {
      const piece = order[i]!;
      if (has.has(piece)) return piece;
    }
    return -1;
  }

  #shift(piece: number, by: 1 | -1): void {
    const availability = this.#availability[piece]!;
    this.#availability[piece] = availability + by;
    if (this.#position[piece]! < 0) return;
    const starts = this.#bucketStart;
    if (by > 0) {
      this.#growBuckets(availability + 1);
      const border = starts[availability + 1]! - 1;
      this.#swap(this.#position[piece]!, border);
      starts[availability + 1] = border;
    } else {
      const border = starts[availability]!;
      this.#swap(this.#position[piece]!, border);
      starts[availability] = border + 1;
    }
    this.#mix(piece);
  }

  /** Makes sure that `#bucketStart[availability]` is there. */
  #growBuckets(availability: number): void {
    while (this.#bucketStart.length <= availability) this.#bucketStart.push(this.#count);
  }

  /** Moves `piece` to a random place in its bucket, so that equally rare pieces come in no order. */
  #mix(piece: number): void {
    const availability = this.#availability[piece]!;
    const start = this.#bucketStart[availability]!;
    const end = this.#bucketStart[availability + 1] ?? this.#count;
    this.#swap(this.#position[piece]!, start + Math.floor(this.#random() * (end - start)));
  }

  #swap(i: number, j: number): void {
    const piece = this.#order[i]!;
    this.#place(this.#order[j]!, i);
    this.#place(piece, j);
  }

  /** Moves what stands at `from` into the hole at `to`. Over an empty bucket they are the same, and nothing stands there. */
  #move(from: number, to: number): void {
    if (from !== to) this.#place(this.#order[from]!, to);
  }

  #place(piece: number, index: number): void {
    this.#order[index] = piece;
    this.#position[piece] = index;
  }
}
