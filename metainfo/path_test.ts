import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { PathResolver, printableText, safeName, safePath } from "./path.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

Deno.test("safeName() leaves names alone that every file system takes", () => {
  for (
    const name of ["a", "a.txt", ".hidden", "a b", "ünïcödé", "日本語.mp3", "a..b", "-rf", "~"]
  ) {
    assertEquals(safeName(name), name);
  }
});

Deno.test("safeName() answers null for what must not be a name", () => {
  for (const name of [".", "..", "/", "\\", "//", "./", "../", "/..", "./."]) {
    assertEquals(safeName(name), null);
  }
});

Deno.test("safeName() makes hostile names safe", () => {
  const table: [stated: string, safe: string][] = [
    ["", "_"],
    ["...", "_"],
    [" ", "_"],
    ["/etc/passwd", "etcpasswd"],
    ["..\\..\\boot.ini", "....boot.ini"],
    ["a\u0000b", "a_b"],
    ["a\nb\u001b[31m", "a_b_[31m"],
    ["a\u0085\u2028b", "a__b"],
    ["photo\u202egpj.exe", "photogpj.exe"],
    ["\u2066a\u2069\u200b\ufeff", "a"],
    [".\u200b.", "_"],
    ["a. ", "a"],
    ["a .. . ", "a"],
    ["CON", "_CON"],
    ["con.txt", "_con.txt"],
    ["Aux . ", "_Aux"],
    ["nul:stream", "_nul:stream"],
    ["COM1", "_COM1"],
    ["lpt\u00b9.log", "_lpt\u00b9.log"],
    ["CONIN$", "_CONIN$"],
    ["console", "console"],
    ["com10", "com10"],
    ["\ud800", "_"],
  ];
  for (const [stated, safe] of table) {
    assertEquals(safeName(stated), safe, JSON.stringify(stated));
  }
});

Deno.test("safeName() replaces what only Windows refuses when told to", () => {
  assertEquals(safeName('a<b>c:d"e|f?g*h'), 'a<b>c:d"e|f?g*h');
  assertEquals(safeName('a<b>c:d"e|f?g*h', { windows: true }), "a_b_c_d_e_f_g_h");
});

// Decided: what a file system cannot hold is for the store to cut, which knows it and tells.
Deno.test("safeName() leaves long names as they are", () => {
  for (const name of ["x".repeat(4096), "é".repeat(200) + ".flac"]) {
    assertEquals(safeName(name), name);
  }
});

Deno.test("safePath() drops what must not be there and is never empty", () => {
  assertEquals(safePath(["a", "..", "b"].map(bytes)), ["a", "b"]);
  assertEquals(safePath(["..", "/"].map(bytes)), ["_"]);
  assertEquals(safePath([]), ["_"]);
  assertEquals(safePath([Uint8Array.of(0x61, 0xff, 0x62)]), ["a\ufffdb"]);
});

/** Names that tempt: separators, dots, controls, devices, letters that fold in odd ways. */
const temptation = fc.array(
  fc.oneof(
    fc.constantFrom(
      ..."./\\ :\u0000\n\u202e\u200b\u0301",
      "e\u0301",
      "é",
      "ß",
      "SS",
      "Σ",
      "ς",
      "ı",
      "İ",
      "K",
      "\u212a",
      "con",
      "a",
      "A",
      "x".repeat(120),
    ),
    fc.string({ unit: "binary", maxLength: 3 }),
  ),
  { maxLength: 5 },
).map((parts) => parts.join(""));

Deno.test("safeName() makes every name safe, and a safe name stays as it is", () => {
  fc.assert(
    fc.property(temptation, fc.boolean(), (text, windows) => {
      const name = safeName(text, { windows });
      if (name === null) return;
      assert(!/[/\\\p{Cc}\p{Cf}\p{Cs}]/u.test(name));
      assert(name !== "" && !/^\.+$/.test(name) && !/[. ]$/.test(name));
      assertEquals(safeName(name, { windows }), name);
    }),
    { numRuns: 500 },
  );
});

function place(paths: readonly string[]): string[] {
  const names = paths.map((path) => path.split("/"));
  const resolver = new PathResolver(names);
  return names.map((path) => resolver.place(path));
}

Deno.test("PathResolver gives later files of one path a number before the extension", () => {
  assertEquals(place(["t/a.txt", "t/a.txt", "t/a.txt", "t/b"]), [
    "t/a.txt",
    "t/a.1.txt",
    "t/a.2.txt",
    "t/b",
  ]);
});

Deno.test("PathResolver steps over numbers that are taken", () => {
  assertEquals(place(["t/a.1", "t/a", "t/a", "t/a"]), ["t/a.1", "t/a", "t/a.2", "t/a.3"]);
});

// Decided: most file systems tell them apart; the store numbers them on those that do not.
Deno.test("PathResolver leaves names that differ in case or Unicode form alone", () => {
  for (
    const paths of [
      ["t/a.txt", "t/A.TXT"],
      ["t/caf\u00e9", "t/cafe\u0301"],
      ["t/ΟΔΟΣ", "t/οδος", "t/οδοσ"],
      ["t/a/b", "t/A"],
    ]
  ) {
    assertEquals(place(paths), paths);
  }
});

Deno.test("PathResolver lets a file give way to another's directory, whichever comes first", () => {
  assertEquals(place(["t/a", "t/a/b"]), ["t/a.1", "t/a/b"]);
  assertEquals(place(["t/a/b", "t/a"]), ["t/a/b", "t/a.1"]);
  assertEquals(place(["t/a/b", "t/a", "t/a.1/c"]), ["t/a/b", "t/a.2", "t/a.1/c"]);
});

Deno.test("PathResolver gives thousands of files of one name a path each, without a search each", () => {
  const paths = place(Array.from({ length: 20000 }, () => "t/same"));
  assertEquals(new Set(paths).size, 20000);
  assertEquals(paths[19999], "t/same.19999");
});

Deno.test("PathResolver never gives two files one path, nor a file the path of a directory", () => {
  const name = fc.constantFrom(
    "a",
    "A",
    "b",
    "a.1",
    "e\u0301",
    "\u00e9",
    "É",
    "ss",
    "ß",
    "a.txt",
    "A.1.TXT",
  );
  const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((names) => ["t", ...names]);
  fc.assert(
    fc.property(fc.array(path, { maxLength: 12 }), (paths) => {
      const placed = place(paths.map((names) => names.join("/")));
      assertEquals(placed, place(paths.map((names) => names.join("/"))));
      const taken = new Set(placed);
      assertEquals(taken.size, placed.length);
      for (const file of placed) {
        const names = file.split("/");
        for (let end = 1; end < names.length; end++) {
          assert(!taken.has(names.slice(0, end).join("/")), `${file} among ${placed}`);
        }
      }
    }),
    { numRuns: 500 },
  );
});

Deno.test("printableText() lets no control character survive", () => {
  assertEquals(printableText("a\u001b[2J\r\nb\u202ec\u009b"), "a [2J  bc ");
});
