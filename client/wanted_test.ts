import { assert, assertEquals, assertThrows } from "@std/assert";
import { BLOCK_BYTES, Geometry } from "@enjambre/metainfo";
import { Bitfield, PRIORITY } from "@enjambre/peerwire";
import { Wanted } from "./wanted.ts";

/** Three files over four pieces of a block: the second file begins in the middle of the second piece. */
function threeFiles(): Geometry {
  let offset = 0;
  return new Geometry(
    BLOCK_BYTES,
    [1.5, 1.5, 0.5].map((pieces, i) => {
      const bytes = pieces * BLOCK_BYTES;
      const file = { path: `t/${i}`, bytes, offset, padding: false, executable: false };
      offset += bytes;
      return { ...file, symlink: null };
    }),
  );
}

const { unwanted, normal } = PRIORITY;

Deno.test("Wanted counts pieces that straddle a wanted and an unwanted file whole", () => {
  const wanted = new Wanted(threeFiles(), Uint8Array.of(normal, unwanted, unwanted));
  assertEquals(wanted.totalBytes, 2 * BLOCK_BYTES);
  assertEquals([...wanted.piecePriorities], [normal, normal, unwanted, unwanted]);
});

Deno.test("Wanted counts the last piece, which is shorter, as it is", () => {
  const geometry = threeFiles();
  assertEquals(
    new Wanted(geometry, Uint8Array.of(unwanted, unwanted, normal)).totalBytes,
    BLOCK_BYTES / 2,
  );
  assertEquals(
    new Wanted(geometry, Uint8Array.of(normal, normal, normal)).totalBytes,
    3.5 * BLOCK_BYTES,
  );
});

Deno.test("Wanted tells how much is here of what is wanted, and nothing of the rest", () => {
  const wanted = new Wanted(threeFiles(), Uint8Array.of(normal, unwanted, unwanted));
  const have = new Bitfield(4);
  have.set(2);
  have.set(3);
  assertEquals(wanted.haveBytes(have), 0);
  assert(!wanted.isIn(have), "as many as are wanted, but others");
  have.set(0);
  assertEquals(wanted.haveBytes(have), BLOCK_BYTES);
  assert(!wanted.isIn(have));
  have.set(1);
  assert(wanted.isIn(have));
});

Deno.test("Wanted.set() chooses anew, and changes nothing where it refuses", () => {
  const wanted = new Wanted(threeFiles(), Uint8Array.of(unwanted, unwanted, unwanted));
  assertEquals(wanted.totalBytes, 0);
  assert(wanted.isIn(new Bitfield(4)), "nothing is wanted, and that is here");
  wanted.set(Uint8Array.of(unwanted, normal, unwanted));
  assertEquals(wanted.totalBytes, 2 * BLOCK_BYTES);
  assertThrows(() => wanted.set(Uint8Array.of(normal)), RangeError);
  assertEquals(wanted.totalBytes, 2 * BLOCK_BYTES);
});
