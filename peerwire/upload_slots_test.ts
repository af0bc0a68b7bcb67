import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { SLOTS_MAX, SLOTS_MIN, SLOTS_UNMEASURED, slotsFor, UploadSlots } from "./upload_slots.ts";

const MIB = 1024 * 1024;

Deno.test("slotsFor() grows with the root of the rate, within bounds", () => {
  const slots = [0, 1000, MIB, 4 * MIB, 16 * MIB, 64 * MIB, 125e6, 1e12].map(slotsFor);
  assertEquals(slots, [SLOTS_MIN, SLOTS_MIN, SLOTS_MIN, 4, 8, 16, 22, SLOTS_MAX]);
});

/** The number of slots after some rounds in which the upload is what `rateOf` says of that number. */
function after(rounds: number, limit: number | null, rateOf: (slots: number) => number): number {
  const slots = new UploadSlots(limit);
  for (let round = 0; round < rounds; round++) slots.handleRound(rateOf(slots.count), 10);
  return slots.count;
}

Deno.test("UploadSlots follows the limit", () => {
  assertEquals(new UploadSlots(16 * MIB).count, 8);
  assertEquals(new UploadSlots(100_000).count, SLOTS_MIN);
  assertEquals(after(100, 16 * MIB, () => 16 * MIB), 8, "what is reached needs no more slots");
});

Deno.test("UploadSlots follows the best rate that was measured where there is no limit", () => {
  const slots = new UploadSlots(null);
  assertEquals(slots.count, SLOTS_UNMEASURED);
  slots.handleRound(64 * MIB, 0);
  assertEquals(slots.count, 16);
  slots.handleRound(0, 0);
  assertEquals(slots.count, 16, "a pause says nothing of the line");
  for (let round = 0; round < 400; round++) slots.handleRound(0, 0);
  assertEquals(slots.count, SLOTS_UNMEASURED, "but an hour without that rate does");
});

Deno.test("UploadSlots tries more slots while each brings more", () => {
  const slow = (slots: number) => slots * 50_000;
  assertEquals(after(400, null, slow), SLOTS_MAX);
  assert(after(400, 4 * MIB, slow) > 60, "up to the limit");
  assertEquals(
    after(3, null, slow),
    SLOTS_UNMEASURED + 2,
    "one at a time, judged after two rounds",
  );
});

Deno.test("UploadSlots takes back a slot that brings nothing, and pauses", () => {
  const slots = new UploadSlots(null);
  const counts: number[] = [];
  for (let round = 0; round < 100; round++) {
    slots.handleRound(1_000_000, 10);
    counts.push(slots.count);
  }
  assert(Math.max(...counts) === SLOTS_UNMEASURED + 1, `${counts}`);
  assert(counts.filter((count) => count > SLOTS_UNMEASURED).length <= 30, `${counts}`);
});

Deno.test("UploadSlots tries nothing while nobody waits", () => {
  const slots = new UploadSlots(null);
  for (let round = 0; round < 50; round++) slots.handleRound(round * 10_000, 0);
  assertEquals(slots.count, SLOTS_UNMEASURED);
});

Deno.test("UploadSlots gives slots back once the limit is reached with fewer", () => {
  const slots = new UploadSlots(4 * MIB);
  for (let round = 0; round < 200; round++) slots.handleRound(slots.count * 50_000, 10);
  assert(slots.count > 30);
  for (let round = 0; round < 60; round++) slots.handleRound(4 * MIB, 10);
  assertEquals(slots.count, 4);
});

Deno.test("UploadSlots stays within its bounds, whatever happens", () => {
  const round = fc.tuple(fc.double({ min: 0, max: 1e9, noNaN: true }), fc.nat(20));
  const limit = fc.option(fc.integer({ min: 1, max: 1e9 }));
  fc.assert(
    fc.property(limit, fc.array(round, { maxLength: 200, size: "max" }), (limit, rounds) => {
      const slots = new UploadSlots(limit);
      for (const [rate, waiting] of rounds) {
        slots.handleRound(rate, waiting);
        assert(slots.count >= SLOTS_MIN && slots.count <= SLOTS_MAX);
      }
    }),
  );
});
