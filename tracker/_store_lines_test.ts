import { assert, assertEquals } from "@std/assert";
import { LINES_MAX, slotOf, StoreLines } from "./_store_lines.ts";

Deno.test("slotOf() gives the slots that Redis does", () => {
  // As `CLUSTER KEYSLOT` tells them.
  const table: [string, number][] = [["123456789", 12739], ["foo", 12182], ["", 0]];
  for (const [tag, slot] of table) assertEquals(slotOf(tag), slot);
});

Deno.test("StoreLines has one line for one server, and many for a cluster", () => {
  const hashes = Array.from({ length: 1000 }, (_, n) => n.toString(16).padStart(40, "0"));
  const one = new StoreLines(false);
  assertEquals(new Set(hashes.map((hash) => one.lineOf(hash))).size, 1);
  const many = new StoreLines(true);
  const lines = hashes.map((hash) => many.lineOf(hash));
  assertEquals([new Set(lines).size, Math.min(...lines), Math.max(...lines)], [LINES_MAX, 0, 63]);
});

Deno.test("StoreLines loses and regains lines one by one", () => {
  const lines = new StoreLines(true);
  assert(lines.isUp(3));
  assertEquals([lines.lose(3, "a"), lines.lose(3, "b"), lines.lose(5, "c")], [true, false, true]);
  assertEquals(lines.lost, [{ line: 3, hash: "a" }, { line: 5, hash: "c" }]);
  assertEquals([lines.isUp(3), lines.isUp(4)], [false, true]);
  lines.regain(3);
  assertEquals([lines.isUp(3), lines.lost.length], [true, 1]);
});
