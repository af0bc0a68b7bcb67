import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  formatBytes,
  formatDuration,
  formatPercent,
  formatPieceLength,
  formatRate,
  formatWait,
  sentence,
  shellWord,
  shown,
  SHOWN_CHARACTERS_MAX,
  withoutControls,
} from "./text.ts";

Deno.test("shown() takes escape sequences, line feeds and invisible characters out", () => {
  assertEquals(shown("a\x1b[31mb\nc\r\u0007\u009b2Jd\u202e\u200be"), "a [31mb c   2Jde");
});

Deno.test("shown() cuts what is too long", () => {
  assertEquals(shown("x".repeat(1000)).length, SHOWN_CHARACTERS_MAX);
});

Deno.test("withoutControls() leaves nothing that a terminal obeys but line feeds", () => {
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => {
    // deno-lint-ignore no-control-regex -- control characters are what it is about
    assert(!/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/.test(withoutControls(text)));
  }));
});

Deno.test("shellWord() quotes what a shell would take apart", () => {
  assertEquals(["a/b-1.torrent", "my data", "it's", "$HOME", ""].map(shellWord), [
    "a/b-1.torrent",
    "'my data'",
    "'it'\\''s'",
    "'$HOME'",
    "''",
  ]);
});

Deno.test("sentence() begins with a capital letter", () => {
  assertEquals(["there is", "", "X"].map(sentence), ["There is", "", "X"]);
});

Deno.test("formatBytes() writes decimal units", () => {
  const table: [number, string][] = [
    [0, "0 bytes"],
    [1, "1 byte"],
    [999, "999 bytes"],
    [1000, "1.00 kB"],
    [999_499, "999 kB"],
    [999_500, "1.00 MB"],
    [28_900_000, "28.9 MB"],
    [1_073_741_824, "1.07 GB"],
    [5e15, "5.00 PB"],
  ];
  for (const [bytes, text] of table) assertEquals(formatBytes(bytes), text);
});

Deno.test("formatRate() writes kB/s and more", () => {
  assertEquals([0, 500, 45_000, 28.9e6].map(formatRate), [
    "0 kB/s",
    "0.5 kB/s",
    "45.0 kB/s",
    "28.9 MB/s",
  ]);
});

Deno.test("formatDuration() writes the two greatest units", () => {
  const seconds = [0.048, 4.24, 45, 59.6, 80, 3600, 7500, 86_399, 86_400, 277_200];
  assertEquals(seconds.map(formatDuration), [
    "48 ms",
    "4.2 s",
    "45 s",
    "1 m 0 s",
    "1 m 20 s",
    "1 h 0 m",
    "2 h 5 m",
    "1 d 0 h",
    "1 d 0 h",
    "3 d 5 h",
  ]);
});

Deno.test("formatWait() rounds up to whole seconds", () => {
  assertEquals([0.1, 5.2, 59.5, 61].map(formatWait), ["1 s", "6 s", "1 m 0 s", "1 m 1 s"]);
});

Deno.test("formatPercent() says 100 only when all is there", () => {
  assertEquals([formatPercent(9999, 10_000), formatPercent(1, 1), formatPercent(0, 0)], [
    "99.9 %",
    "100 %",
    "100 %",
  ]);
});

Deno.test("formatPieceLength() writes binary units", () => {
  assertEquals([16384, 1 << 20, 1000].map(formatPieceLength), ["16 KiB", "1 MiB", "1000 bytes"]);
});
