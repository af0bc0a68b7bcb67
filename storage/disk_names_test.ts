import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { assertDiskPaths, diskNames, foldSomewhere } from "./disk_names.ts";

const none = { cases: false, forms: false };
const both = { cases: true, forms: true };
const stated = (...paths: string[]): { path: string; padding: boolean }[] =>
  paths.map((path) => ({ path, padding: false }));

Deno.test("diskNames() leaves names alone that the file system tells apart", () => {
  const files = stated("t/a.txt", "t/A.TXT", "t/\u00e9", "t/e\u0301");
  assertEquals(diskNames(files, none), { paths: files.map(({ path }) => path), renamed: [] });
});

Deno.test("diskNames() numbers names that the file system takes for one", () => {
  const files = stated("t/a.txt", "t/A.TXT", "t/\u00e9", "t/e\u0301", "T/a.txt", "t/a.1.txt");
  assertEquals(diskNames(files, both).paths, [
    "t/a.txt",
    "t/A.1.TXT",
    "t/\u00e9",
    "t/e\u0301.1",
    "T/a.2.txt",
    "t/a.1.1.txt",
  ]);
  assertEquals(diskNames(files, { cases: false, forms: true }).renamed, [
    { fileIndex: 3, stated: "t/e\u0301", path: "t/e\u0301.1", reason: "same-name" },
  ]);
  assert(foldSomewhere(files));
  assert(!foldSomewhere(stated("t/a", "t/b")));
});

Deno.test("diskNames() lets a file give way to a folder, and passes over padding", () => {
  const files = [...stated("t/a", "t/A/b"), { path: "t/A/B", padding: true }];
  assertEquals(diskNames(files, both).paths, ["t/a.1", "t/A/b", "t/A/B"]);
});

Deno.test("diskNames() cuts a name that is too long before its extension, and marks it", () => {
  const long = "\u00f1".repeat(200);
  const { paths, renamed } = diskNames(
    stated(`t/${long}.flac`, `t/${long}1.flac`, `${long}/x`, `${long}/y`, "t/" + "n".repeat(255)),
    none,
  );
  const bytes = (text: string): number => new TextEncoder().encode(text).length;
  for (const path of paths) for (const name of path.split("/")) assert(bytes(name) <= 255);
  assert(paths[0] !== paths[1]);
  assert(/^t\/\u00f1+~[0-9a-f]{8}\.flac$/.test(paths[0]!));
  assertEquals(paths[2]!.split("/")[0], paths[3]!.split("/")[0]);
  assertEquals(renamed.map(({ fileIndex, reason }) => `${fileIndex} ${reason}`), [
    "0 too-long",
    "1 too-long",
    "2 too-long",
    "3 too-long",
  ]);
});

Deno.test("diskNames() cuts names so that .part fits behind them, and numbers them so too", () => {
  const long = "x".repeat(300);
  const [cut] = diskNames(stated(`t/${long}.flac`), none).paths;
  assertEquals(cut!.length - "t/".length, 250);
  const full = "y".repeat(255);
  const { paths } = diskNames(stated(`t/${full}`, `t/${full.toUpperCase()}`), both);
  assertEquals(paths, [`t/${full}`, `t/${"Y".repeat(242)}.1`]);
});

Deno.test("diskNames() searches no numbers for thousands of long names", () => {
  const word = "abcdefghijklmno";
  const cased = (i: number): string =>
    [...word].map((letter, bit) => (i >> bit) & 1 ? letter.toUpperCase() : letter).join("");
  // In cases alone apart; cut to one stem when they are numbered; far too long.
  for (
    const name of [
      (i: number) => cased(i),
      (i: number) => `${"x".repeat(235)}${i >> 1}${i & 1 ? "A" : "a"}`,
      (i: number) => `${"y".repeat(4081)}${cased(i)}`,
    ]
  ) {
    const files = stated(...Array.from({ length: 20_000 }, (_, i) => `t/${name(i)}`));
    const folded = diskNames(files, both).paths.map((path) => path.toLowerCase());
    assertEquals(new Set(folded).size, files.length);
    assertEquals(new Set(diskNames(files, none).paths).size, files.length);
  }
});

Deno.test("diskNames() tells apart what is the same only when it is cut", () => {
  // Their marks are the same too.
  const [one, other] = ["13zx", "gpad"].map((end) => `t/${"z".repeat(300)}${end}`);
  const [first, second] = diskNames(stated(one!, other!), none).paths;
  assertEquals(second, `${first!.slice(0, 2 + 250 - 8)}.1`);
  assert(foldSomewhere(stated(one!, other!)));
  // A file and a folder too.
  const [file, inside] = diskNames(stated(one!, `${other}/in`), none).paths;
  assertEquals([file, inside], [second, `${first}/in`]);
});

Deno.test("diskNames() gives every file a name of its own, the same each time", () => {
  const name = fc.constantFrom("a", "A", "b", "a.1", "A.1", "\u00e9", "e\u0301", "x".repeat(300));
  const somePaths = fc.array(fc.array(name, { minLength: 1, maxLength: 3 }), { maxLength: 12 });
  fc.assert(fc.property(somePaths, (paths) => {
    const files = stated(...paths.map((names) => names.join("/")));
    const result = diskNames(files, both);
    const folded = result.paths.map((path) => path.normalize("NFC").toLowerCase());
    assertEquals(new Set(folded).size, files.length);
    for (const path of folded) assert(!folded.some((other) => other.startsWith(`${path}/`)));
    assertEquals(diskNames(files, both), result);
  }));
});

Deno.test("assertDiskPaths() refuses paths that lead out, are taken, or are no names", () => {
  assertDiskPaths(["t/a", "t/b/c", "x y/\u00e9"]);
  for (
    const path of ["", "/a", "a/", "a//b", "..", "a/../b", ".", "a\\b", "a\0", "n".repeat(256)]
  ) {
    assertThrows(() => assertDiskPaths([path]), RangeError, "Cannot rename");
  }
  assertThrows(() => assertDiskPaths(["a", "a"]), RangeError, "another file");
  assertThrows(() => assertDiskPaths(["a/b", "a"]), RangeError, "another file");
});
