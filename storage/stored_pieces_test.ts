import { assert, assertEquals, assertRejects } from "@std/assert";
import { Geometry } from "@enjambre/metainfo";
import { Selection } from "./selection.ts";
import { StoredPieces } from "./stored_pieces.ts";

const plain = { padding: false, executable: false, symlink: null };
/** Pieces: 0 in a, 1 in a and b, 2 in b. */
const geometry = new Geometry(10, [
  { path: "a", bytes: 15, offset: 0, ...plain },
  { path: "b", bytes: 15, offset: 15, ...plain },
]);

Deno.test("StoredPieces counts what is bad of each file, and what is missing of wanted ones", () => {
  const selection = new Selection(geometry);
  const bad = [2, 2];
  const pieces = new StoredPieces(geometry, selection, (file, change) => bad[file]! += change);
  pieces.set(1, true);
  pieces.set(1, true);
  assertEquals(bad, [1, 1]);
  pieces.set(0, true);
  assertEquals([...bad, pieces.isComplete], [0, 1, false]);
  selection.set(new Uint8Array([1, 0]));
  pieces.recount();
  assert(pieces.isComplete);
  pieces.loseFrom(0, 12);
  assertEquals([...bad, pieces.isComplete, pieces.good.has(0)], [1, 2, false, true]);
  pieces.loseFrom(0, 0);
  assertEquals([...bad, pieces.good.count], [2, 2, 0]);
});

Deno.test("StoredPieces takes a piece as good that was written while it was checked", async () => {
  const pieces = new StoredPieces(geometry, new Selection(geometry), () => {});
  await pieces.whileChecking(async (conclude) => {
    await pieces.whileWriting(2, () => {
      assert(pieces.isTaken(2) && !pieces.good.has(2));
      return Promise.resolve(true);
    });
    assertEquals([conclude(0, true), conclude(1, false), conclude(2, false)], [true, false, true]);
  });
  await assertRejects(() => pieces.whileWriting(1, () => Promise.reject(new Error("full"))));
  assertEquals([0, 1, 2].map((piece) => pieces.isTaken(piece)), [true, false, true]);
});
