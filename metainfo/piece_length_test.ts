import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { choosePieceLength } from "./piece_length.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;

Deno.test("choosePieceLength() makes 2048 pieces or fewer while pieces can grow", () => {
  assertEquals(choosePieceLength(0), 16 * KIB);
  assertEquals(choosePieceLength(32 * MIB), 16 * KIB);
  assertEquals(choosePieceLength(32 * MIB + 1), 32 * KIB);
  assertEquals(choosePieceLength(GIB), 512 * KIB);
  assertEquals(choosePieceLength(4 * GIB), 2 * MIB);
  assertEquals(choosePieceLength(32 * GIB), 16 * MIB);
  assertEquals(choosePieceLength(1024 * GIB), 16 * MIB);
});

Deno.test("choosePieceLength() is a power of two and never shrinks as content grows", () => {
  const size = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
  fc.assert(fc.property(size, size, (a, b) => {
    assert(Number.isInteger(Math.log2(choosePieceLength(a))));
    assert(choosePieceLength(Math.min(a, b)) <= choosePieceLength(Math.max(a, b)));
  }));
});

Deno.test("choosePieceLength() refuses what is no size", () => {
  for (const size of [-1, 0.5, NaN, Infinity, 2 ** 53]) {
    assertThrows(() => choosePieceLength(size), RangeError);
  }
});
