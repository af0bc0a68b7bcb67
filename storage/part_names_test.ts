import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { partPaths } from "./part_names.ts";

Deno.test("partPaths() adds .part to the file's own name", () => {
  assertEquals(partPaths(["one", "t/a.b/c"]), ["one.part", "t/a.b/c.part"]);
  assertEquals(partPaths([]), []);
});

Deno.test("partPaths() takes no name that the torrent has, in whatever case", () => {
  assertEquals(partPaths(["a", "A.PART"]), ["a.1.part", "A.PART.part"]);
  assertEquals(partPaths(["t/a", "t/a.part/x", "t/a.1.part"]), [
    "t/a.2.part",
    "t/a.part/x.part",
    "t/a.1.part.part",
  ]);
});

Deno.test("partPaths() cuts a long name between characters", () => {
  const [path] = partPaths(["t/" + "é".repeat(127)]);
  assertEquals(path, "t/" + "é".repeat(125) + ".part");
  const twins = partPaths(["x".repeat(252) + "1", "x".repeat(252) + "2"]);
  assertEquals(twins, ["x".repeat(250) + ".part", "x".repeat(242) + ".1.part"]);
});

Deno.test("partPaths() searches no numbers for thousands of names that are cut alike", () => {
  const paths = Array.from({ length: 20_000 }, (_, i) => "x".repeat(249) + (100_000 + i));
  const parts = partPaths(paths);
  assertEquals(new Set(parts).size, paths.length);
  assertEquals(parts.at(-1), "x".repeat(242) + ".19999.part");
});

Deno.test("partPaths() gives distinct paths, none of them in the torrent", () => {
  const name = fc.constantFrom("a", "A", "a.part", "a.1.part", "b", "a.part.part");
  const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((names) => names.join("/"));
  fc.assert(fc.property(fc.uniqueArray(path, { maxLength: 12 }), (paths) => {
    const parts = partPaths(paths).map((part) => part.toLowerCase());
    assertEquals(new Set(parts).size, paths.length);
    for (const other of paths.map((each) => each.toLowerCase())) {
      assert(!parts.some((part) => part === other || other.startsWith(`${part}/`)));
    }
  }));
});
