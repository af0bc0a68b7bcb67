import { assertEquals, assertNotEquals } from "@std/assert";
import { pseudoRandomBytes } from "./content.ts";

Deno.test("pseudoRandomBytes() gives the same bytes for the same seed, whatever the length", () => {
  const long = pseudoRandomBytes(1001, 42);
  assertEquals(long.length, 1001);
  assertEquals(pseudoRandomBytes(10, 42), long.slice(0, 10));
  assertNotEquals(pseudoRandomBytes(10, 43), long.slice(0, 10));
  assertNotEquals(pseudoRandomBytes(10, 0), pseudoRandomBytes(10, 1));
  assertEquals(pseudoRandomBytes(0, 1).length, 0);
});

Deno.test("pseudoRandomBytes() has every byte about equally often", () => {
  const counts = new Uint32Array(256);
  for (const byte of pseudoRandomBytes(256 * 1000, 7)) counts[byte]!++;
  // Ten standard deviations: a defect fails it, chance has no part as the bytes are always the same.
  assertEquals(counts.filter((count) => Math.abs(count - 1000) > 316).length, 0);
});
