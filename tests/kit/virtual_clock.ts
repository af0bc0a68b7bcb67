/**
 * Virtual time: a queue of things that happen, in the order of their times, and random numbers that a seed
 * replays.
 */

/** More events than this at one time are no coincidence: two of them cause each other for ever. */
const EVENTS_AT_ONE_TIME_MAX = 1_000_000;

/** Events that the queue begins with room for. */
const INITIAL_CAPACITY = 1024;

/**
 * What happens next, and when. Nothing here depends on the machine or on its clock.
 *
 * **Shape**: a binary heap over parallel arrays. `#slots` says where the call of each entry is kept, so that
 * sifting moves numbers only.
 */
export class VirtualClock {
  /** The time of the event that is happening. */
  nowMs = 0;
  /** How many events have happened. */
  eventCount = 0;
  // hot: tests/sim/distribution.ts
  #times = new Float64Array(INITIAL_CAPACITY);
  /** Of two events at one time, the one that was scheduled first comes first. */
  #orders = new Float64Array(INITIAL_CAPACITY);
  #slots = new Int32Array(INITIAL_CAPACITY);
  #count = 0;
  #order = 0;
  #eventsAtThisTime = 0;
  readonly #calls: (() => void)[] = [];
  readonly #freeSlots: number[] = [];

  /** How many events wait. */
  get waiting(): number {
    return this.#count;
  }

  /** When the next thing happens; Infinity where nothing is left. */
  get nextAtMs(): number {
    return this.#count === 0 ? Infinity : this.#times[0]!;
  }

  /** Has something happen `delayMs` from now. */
  after(delayMs: number, happen: () => void): void {
    if (this.#count === this.#times.length) this.#grow();
    const slot = this.#freeSlots.pop() ?? this.#calls.length;
    this.#calls[slot] = happen;
    this.#rise(this.#count++, this.nowMs + Math.max(0, delayMs), this.#order++, slot);
  }

  /** Has the next thing happen. @returns false where nothing is left. **Errors**: an `Error` where time stands still. */
  step(): boolean {
    if (this.#count === 0) return false;
    const slot = this.#slots[0]!;
    const atMs = this.#times[0]!;
    if (atMs > this.nowMs) this.#eventsAtThisTime = 0;
    else if (++this.#eventsAtThisTime > EVENTS_AT_ONE_TIME_MAX) {
      throw new Error(`Time stands still at ${atMs} ms`);
    }
    this.nowMs = atMs;
    const last = --this.#count;
    if (last > 0) this.#sink(this.#times[last]!, this.#orders[last]!, this.#slots[last]!);
    this.#freeSlots.push(slot);
    this.eventCount++;
    this.#calls[slot]!();
    return true;
  }

  /** Lets an entry rise from the hole at `at` to where it belongs. */
  #rise(at: number, atMs: number, order: number, slot: number): void {
    while (at > 0) {
      const parent = (at - 1) >> 1;
      // An entry that rises is the newest: at equal times it stays behind.
      if (this.#times[parent]! <= atMs) break;
      this.#move(parent, at);
      at = parent;
    }
    this.#place(at, atMs, order, slot);
  }

  /** Lets an entry sink from the first place to where it belongs. */
  #sink(atMs: number, order: number, slot: number): void {
    const count = this.#count;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= count) break;
      if (
        child + 1 < count && this.#isBefore(child + 1, this.#times[child]!, this.#orders[child]!)
      ) {
        child++;
      }
      if (!this.#isBefore(child, atMs, order)) break;
      this.#move(child, at);
      at = child;
    }
    this.#place(at, atMs, order, slot);
  }

  #isBefore(index: number, atMs: number, order: number): boolean {
    const time = this.#times[index]!;
    return time < atMs || (time === atMs && this.#orders[index]! < order);
  }

  #move(from: number, to: number): void {
    this.#times[to] = this.#times[from]!;
    this.#orders[to] = this.#orders[from]!;
    this.#slots[to] = this.#slots[from]!;
  }

  #place(at: number, atMs: number, order: number, slot: number): void {
    this.#times[at] = atMs;
    this.#orders[at] = order;
    this.#slots[at] = slot;
  }

  #grow(): void {
    const capacity = 2 * this.#times.length;
    const [times, orders, slots] = [this.#times, this.#orders, this.#slots];
    this.#times = new Float64Array(capacity);
    this.#orders = new Float64Array(capacity);
    this.#slots = new Int32Array(capacity);
    this.#times.set(times);
    this.#orders.set(orders);
    this.#slots.set(slots);
  }
}

/** Uniform numbers in [0, 1), the same for the same seed: a counter whose bits are well mixed. */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x85ebca6b);
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
    return ((mixed ^ (mixed >>> 16)) >>> 0) / 2 ** 32;
  };
}

/** An integer of `least` to `most`, both included. */
export function integerOf(random: () => number, least: number, most: number): number {
  return least + Math.floor(random() * (most - least + 1));
}

/** One of several. */
export function oneOf<T>(random: () => number, choices: readonly T[]): T {
  return choices[Math.floor(random() * choices.length)]!;
}
