/** The set of marks, beside the standard library's. */
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { MarkSet } from "./mark_set.ts";

Deno.test("MarkSet finds the next number over any distance, and none behind the last", () => {
  for (const length of [0, 1, 31, 32, 33, 1024, 1025, 32_768, 40_000]) {
    const set = new MarkSet(length);
    assertEquals([set.isEmpty, set.nextSet(0)], [true, -1], `${length}`);
    if (length === 0) continue;
    set.set(length - 1);
    assertEquals([set.nextSet(0), set.nextSet(length - 1)], [length - 1, length - 1]);
    assertEquals([set.nextSet(length), set.nextSet(length + 5000), set.isEmpty], [-1, -1, false]);
    set.clear(length - 1);
    assertEquals([set.nextSet(0), set.isEmpty], [-1, true]);
  }
});

Deno.test("MarkSet.setAll() puts in every number and no other", () => {
  for (const length of [0, 1, 31, 32, 33, 64, 1000, 1024, 2049]) {
    const set = new MarkSet(length);
    set.setAll();
    let count = 0;
    for (let i = set.nextSet(0); i >= 0; i = set.nextSet(i + 1)) assertEquals(i, count++);
    assertEquals(count, length);
    for (let i = 0; i < length; i++) set.clear(i);
    assertEquals(set.isEmpty, true);
  }
});

Deno.test("MarkSet holds what a Set holds, whatever is done", () => {
  const length = 5000;
  const numbers = fc.integer({ min: 0, max: length - 1 });
  const deeds = fc.array(fc.tuple(fc.boolean(), numbers, numbers), { maxLength: 200 });
  fc.assert(fc.property(deeds, (list) => {
    const set = new MarkSet(length);
    const expected = new Set<number>();
    for (const [isIn, i, from] of list) {
      if (isIn) set.set(i), expected.add(i);
      else set.clear(i), expected.delete(i);
      const later = [...expected].filter((each) => each >= from);
      assertEquals(set.nextSet(from), later.length === 0 ? -1 : Math.min(...later));
      assertEquals(set.isEmpty, expected.size === 0);
    }
  }));
});
