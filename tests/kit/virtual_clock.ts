/**
 * Virtual time: a queue of things that happen, in the order of their times, and random numbers that a seed
 * replays.
 */

/** Something that happens at a time. */
interface Event {
  readonly atMs: number;
  /** Of two events at one time, the one that was scheduled first comes first. */
  readonly order: number;
  readonly happen: () => void;
}

/** What happens next, and when: a binary heap. Nothing here depends on the machine or on its clock. */
export class VirtualClock {
  /** The time of the event that is happening. */
  nowMs = 0;
  /** How many events have happened. */
  eventCount = 0;
  readonly #heap: Event[] = [];
  #order = 0;

  /** Has something happen `delayMs` from now. */
  after(delayMs: number, happen: () => void): void {
    const event: Event = { atMs: this.nowMs + Math.max(0, delayMs), order: this.#order++, happen };
    const heap = this.#heap;
    let at = heap.push(event) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(event, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = event;
  }

  /** Has the next thing happen. @returns false where nothing is left */
  step(): boolean {
    const heap = this.#heap;
    const event = heap[0];
    if (event === undefined) return false;
    const last = heap.pop()!;
    if (heap.length > 0) this.#sink(last);
    this.nowMs = event.atMs;
    this.eventCount++;
    event.happen();
    return true;
  }

  /** Puts `event` in the place of the first and lets it sink to where it belongs. */
  #sink(event: Event): void {
    const heap = this.#heap;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, event)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = event;
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
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
