import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { Deadlines, DEADLINES_MAX } from "./deadlines.ts";

Deno.test("Deadlines keeps pieces in the order of their times, and of one time in their own", () => {
  const deadlines = new Deadlines();
  for (const [piece, atMs] of [[5, 30], [2, 10], [9, 20], [1, 20], [7, -1]]) {
    deadlines.set(piece!, atMs!);
  }
  assertEquals(deadlines.pieces, [7, 2, 1, 9, 5]);
  deadlines.set(5, 15);
  assertEquals(deadlines.pieces, [7, 2, 5, 1, 9]);
  assertEquals([deadlines.clear(2), deadlines.clear(2)], [true, false]);
  assertEquals([deadlines.of(2), deadlines.of(9), deadlines.pieces], [null, 20, [7, 5, 1, 9]]);
  deadlines.clearAll();
  assertEquals([deadlines.of(9), deadlines.pieces], [null, []]);
});

Deno.test("Deadlines agrees with sorting, whatever is set and cleared", () => {
  const step = fc.tuple(fc.nat(12), fc.option(fc.nat(5)));
  fc.assert(fc.property(fc.array(step), (steps) => {
    const deadlines = new Deadlines();
    const model = new Map<number, number>();
    for (const [piece, atMs] of steps) {
      if (atMs === null) {
        assertEquals(deadlines.clear(piece), model.delete(piece));
      } else {
        deadlines.set(piece, atMs);
        model.set(piece, atMs);
      }
      const sorted = [...model].sort((a, b) => a[1] - b[1] || a[0] - b[0]);
      assertEquals(deadlines.pieces, sorted.map(([piece]) => piece));
    }
  }));
});

Deno.test("Deadlines.set() refuses one more than it may hold, and what is no time", () => {
  const deadlines = new Deadlines();
  for (let piece = 0; piece < DEADLINES_MAX; piece++) deadlines.set(piece, 0);
  assertThrows(() => deadlines.set(DEADLINES_MAX, 0), RangeError, "limit is 1024");
  deadlines.set(0, 9); // anew, so that it is no more than before
  assertEquals(deadlines.pieces.at(-1), 0);
  assertThrows(() => deadlines.set(0, NaN), RangeError);
});
