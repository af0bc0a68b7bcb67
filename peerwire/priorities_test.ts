import { assertEquals, assertThrows } from "@std/assert";
import { Geometry } from "@enjambre/metainfo";
import { piecePriorities } from "./priorities.ts";

/** A torrent of pieces of ten bytes, drawn as the sizes of its files; a negative size is padding. */
function torrentOf(...sizes: readonly number[]): Geometry {
  let offset = 0;
  const files = sizes.map((size, i) => {
    const bytes = Math.abs(size);
    const file = { path: `${i}`, bytes, offset, padding: size < 0 };
    offset += bytes;
    return { ...file, executable: false, symlink: null };
  });
  return new Geometry(10, files);
}

Deno.test("piecePriorities() gives a piece the highest priority of its files", () => {
  const geometry = torrentOf(25, 3, 0, 12, 20);
  for (
    const [files, pieces] of [
      [[2, 2, 2, 2, 2], [2, 2, 2, 2, 2, 2]],
      [[1, 0, 3, 0, 0], [1, 1, 1, 0, 0, 0]],
      [[0, 3, 0, 1, 2], [0, 0, 3, 1, 2, 2]],
      [[1, 0, 0, 3, 0], [1, 1, 3, 3, 0, 0]],
    ] as const
  ) assertEquals([...piecePriorities(geometry, files)], [...pieces]);
});

Deno.test("piecePriorities() wants no piece for its padding alone", () => {
  assertEquals([...piecePriorities(torrentOf(5, -25, 10), [2, 3, 1])], [2, 0, 0, 1]);
});

Deno.test("piecePriorities() maps nothing to nothing", () => {
  assertEquals(piecePriorities(torrentOf(), []).length, 0);
  assertEquals(piecePriorities(torrentOf(0), [3]).length, 0);
});

Deno.test("piecePriorities() refuses priorities that are none, and too few of them", () => {
  const geometry = torrentOf(1, 2);
  assertThrows(() => piecePriorities(geometry, [1]), RangeError, "1 are given");
  for (const wrong of [-1, 4, 1.5, NaN]) {
    assertThrows(() => piecePriorities(geometry, [wrong, 1]), RangeError, "0 to 3");
  }
});
