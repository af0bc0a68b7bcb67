import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { randomOf, VirtualClock } from "./virtual_clock.ts";

Deno.test("VirtualClock has things happen in the order of their times, equal ones as scheduled", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 20 }), { maxLength: 3000 }), (times) => {
      const clock = new VirtualClock();
      const happened: [number, number][] = [];
      times.forEach((atMs, i) => clock.after(atMs, () => happened.push([clock.nowMs, i])));
      while (clock.step());
      const expected = times.map((atMs, i): [number, number] => [atMs, i])
        .sort((a, b) => a[0] - b[0] || a[1] - b[1]);
      assertEquals(happened, expected);
    }),
    { numRuns: 20 },
  );
});

Deno.test("VirtualClock has what an event schedules happen after it", () => {
  const clock = new VirtualClock();
  const happened: number[] = [];
  clock.after(10, () => {
    clock.after(0, () => happened.push(2));
    clock.after(5, () => happened.push(4));
    happened.push(1);
  });
  clock.after(12, () => happened.push(3));
  while (clock.step());
  assertEquals(happened, [1, 2, 3, 4]);
  assertEquals([clock.nowMs, clock.eventCount, clock.waiting], [15, 4, 0]);
});

Deno.test("VirtualClock finds out when time stands still", () => {
  const clock = new VirtualClock();
  const again = () => clock.after(0, again);
  again();
  assertThrows(
    () => {
      while (clock.step());
    },
    Error,
    "stands still",
  );
});

Deno.test("randomOf() gives the same numbers for the same seed, and others for another", () => {
  const draw = (seed: number) => Array.from({ length: 100 }, randomOf(seed));
  assertEquals(draw(7), draw(7));
  assert(draw(7).every((number, i) => number !== draw(8)[i] && number >= 0 && number < 1));
});
