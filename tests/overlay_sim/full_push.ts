/**
 * What the overlay is measured against: the way of the prototype, as far as it is known. Every node pushes all
 * that it knows to the same few neighbours, every eight seconds, and says nothing in between.
 *
 * What is assumed: each node has three neighbours and is one of three others' (the best case: with neighbours
 * drawn at random one node in twenty would be nobody's and never hear anything), 200 bytes for a record, and
 * nodes whose rounds do not coincide.
 */
import { randomOf, VirtualClock } from "../kit/virtual_clock.ts";
import { GOOD_LINES } from "./virtual_overlay.ts";

/** Neighbours that each node pushes to. */
export const NEIGHBOURS = 3;
/** Between two pushes. */
export const PUSH_MS = 8000;
/** What one record takes in a push. */
export const PUSHED_RECORD_BYTES = 200;
/** When nobody waits any longer for those whom nobody told. */
const GIVEN_UP_MS = 600_000;

/** What a node sends each second by full push, where so many nodes have so many torrents each. */
export function fullPushBytesPerSecond(nodes: number, torrents: number): number {
  return NEIGHBOURS * PUSHED_RECORD_BYTES * nodes * torrents / (PUSH_MS / 1000);
}

/**
 * Has one record spread by full push.
 *
 * @returns after how many milliseconds each node that came to know it did so, in order
 */
export function spreadByFullPush(nodes: number, seed: number, loss: number): number[] {
  const clock = new VirtualClock();
  const random = randomOf(seed);
  const neighbours = Array.from({ length: NEIGHBOURS }, () => shuffled(nodes, random));
  const knowsSinceMs = new Map<number, number>([[0, 0]]);
  const push = (from: number) => {
    for (const neighbour of neighbours) {
      const to = neighbour[from]!;
      if (random() < loss) continue;
      const { delayMs, jitterMs } = GOOD_LINES;
      clock.after(delayMs + random() * jitterMs, () => {
        if (!knowsSinceMs.has(to)) knowsSinceMs.set(to, clock.nowMs);
      });
    }
    clock.after(PUSH_MS, () => push(from));
  };
  for (let node = 0; node < nodes; node++) clock.after(random() * PUSH_MS, () => push(node));
  while (knowsSinceMs.size < nodes && clock.nextAtMs <= GIVEN_UP_MS) clock.step();
  return [...knowsSinceMs.values()].map(Math.round);
}

/** All numbers below `count`, in random order. */
function shuffled(count: number, random: () => number): number[] {
  const list = Array.from({ length: count }, (_, index) => index);
  for (let at = count - 1; at > 0; at--) {
    const other = Math.floor(random() * (at + 1));
    [list[at], list[other]] = [list[other]!, list[at]!];
  }
  return list;
}
