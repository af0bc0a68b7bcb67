import { assertEquals, assertThrows } from "@std/assert";
import { BencodeSyntaxError, decode, type DecodeOptions, sourceRange } from "./mod.ts";

function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

/** The part of the text that stands at the path. */
function sourceOf(
  text: string,
  path: (string | number)[],
  options?: DecodeOptions,
): string | null {
  const range = sourceRange(bytesOf(text), path, options);
  return range === null ? null : text.slice(range.start, range.end);
}

const text =
  "d0:3:abc4:infod5:filesld6:lengthi7e4:pathl1:aeed4:pathleee4:name1:xe4:listli-1eldeeee";

const table: [path: (string | number)[], source: string | null][] = [
  [[], text],
  [[""], "3:abc"],
  [["info"], "d5:filesld6:lengthi7e4:pathl1:aeed4:pathleee4:name1:xe"],
  [["info", "files"], "ld6:lengthi7e4:pathl1:aeed4:pathleee"],
  [["info", "files", 0], "d6:lengthi7e4:pathl1:aee"],
  [["info", "files", 0, "length"], "i7e"],
  [["info", "files", 0, "path", 0], "1:a"],
  [["info", "files", 1], "d4:pathlee"],
  [["info", "files", 1, "path"], "le"],
  [["info", "name"], "1:x"],
  [["list", 0], "i-1e"],
  [["list", 1, 0], "de"],
  // Nothing there: no such key or index, an index into a dictionary, a key into a list, a way through a leaf.
  [["x"], null],
  [["length"], null],
  [["info", "files", 2], null],
  [["info", "files", 1, "length"], null],
  [["info", "files", 1, "path", 0], null],
  [["info", "files", -1], null],
  [["info", "files", 0.5], null],
  [["info", "files", "0"], null],
  [["info", 0], null],
  [[0], null],
  [["", 0], null],
  [["", "a"], null],
  [["info", "name", 0], null],
  [["list", 1, 0, "a"], null],
];

Deno.test("sourceRange() finds the value at a path, or null", () => {
  for (const [path, source] of table) {
    assertEquals(sourceOf(text, path), source, JSON.stringify(path));
    assertEquals(sourceOf(text, path, { lenient: true }), source, JSON.stringify(path));
  }
});

Deno.test("sourceRange() finds a leaf as the outermost value", () => {
  assertEquals(sourceOf("i12e", []), "i12e");
  assertEquals(sourceOf("2:ab", []), "2:ab");
  assertEquals(sourceOf("i12e", [0]), null);
});

Deno.test("sourceRange() is not misled by the bytes of a key inside of a byte string", () => {
  assertEquals(sourceOf("d1:a10:4:infod1:x4:infodee", ["info"]), "de");
  assertEquals(sourceOf("d1:ad4:infoi1ee4:infoi2ee", ["info"]), "i2e");
});

Deno.test("sourceRange() takes the same of two equal keys as decode(), the first", () => {
  const twice = "d4:infod1:xi1ee4:infod1:xi2e1:yi3eee";
  const lenient = { lenient: true };
  assertEquals(sourceOf(twice, ["info"], lenient), "d1:xi1ee");
  assertEquals(sourceOf(twice, ["info", "x"], lenient), "i1e");
  assertEquals(sourceOf(twice, ["info", "y"], lenient), null);
  assertEquals(sourceOf("d1:ai1e1:ad1:bi2eee", ["a", "b"], lenient), null);
  assertEquals(
    decode(bytesOf(twice), lenient),
    new Map([["info", new Map([["x", 1]])]]),
  );
});

Deno.test("sourceRange() leaves out the bytes after the value", () => {
  assertEquals(sourceOf("d1:alee\n", [], { lenient: true }), "d1:alee");
  assertEquals(sourceOf("d1:alee\n", ["a"], { lenient: true }), "le");
});

Deno.test("sourceRange() refuses what decode() refuses, with the same error, whatever the path", () => {
  const inputs = [
    "",
    "d1:ai1e1:ai2ee",
    "d1:ai1e1:bi-0ee",
    "d1:ai1ee ",
    "d1:ai1e",
    "d1:ali1e2:xe",
    "e",
  ];
  const paths = [[], ["a"], ["a", 0], ["nothing"]];
  for (const input of inputs) {
    const expected = assertThrows(() => decode(bytesOf(input)), BencodeSyntaxError);
    for (const path of paths) {
      const error = assertThrows(() => sourceOf(input, path), BencodeSyntaxError);
      assertEquals([error.message, error.offset], [expected.message, expected.offset]);
    }
  }
  for (const limits of [{ maxDepth: 1 }, { maxBytes: 5 }, { maxValues: 2 }]) {
    assertThrows(() => sourceOf("d1:alleee", ["a"], limits), BencodeSyntaxError);
  }
});
