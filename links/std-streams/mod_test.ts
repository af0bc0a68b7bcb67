import { assertEquals } from "@std/assert";
import { TextLineStream, type TextLineStreamOptions } from "@std/streams";
import { TextLineStream as FromSubpath } from "@std/streams/text-line-stream";

function linesOf(
  parts: string[],
  options?: TextLineStreamOptions,
): Promise<string[]> {
  return Array.fromAsync(
    ReadableStream.from(parts).pipeThrough(new TextLineStream(options)),
  );
}

/** Text, its lines, and its lines when `\r` ends one. */
const cases: [string, string[], string[]][] = [
  ["", [], []],
  ["one", ["one"], ["one"]],
  ["one\n", ["one"], ["one"]],
  ["\n", [""], [""]],
  ["\n\n", ["", ""], ["", ""]],
  ["one\r\ntwo\nthree", ["one", "two", "three"], ["one", "two", "three"]],
  ["one\rtwo\n", ["one\rtwo"], ["one", "two"]],
  ["one\r\r\ntwo", ["one\r", "two"], ["one", "", "two"]],
  ["one\n\rtwo", ["one", "\rtwo"], ["one", "", "two"]],
  ["one\r", ["one\r"], ["one"]],
  ["one\r\r", ["one\r\r"], ["one", ""]],
  ["\r", ["\r"], [""]],
];

for (const [text, lines, linesWithCr] of cases) {
  Deno.test(`TextLineStream cuts ${JSON.stringify(text)}, in two parts at every place`, async () => {
    for (let at = 0; at <= text.length; at++) {
      const parts = [text.slice(0, at), text.slice(at)];
      assertEquals(await linesOf(parts), lines, `cut at ${at}`);
      assertEquals(
        await linesOf(parts, { allowCR: false }),
        lines,
        `cut at ${at}`,
      );
      assertEquals(
        await linesOf(parts, { allowCR: true }),
        linesWithCr,
        `allowCR, cut at ${at}`,
      );
    }
  });
}

Deno.test("TextLineStream joins a line that comes in many parts", async () => {
  assertEquals(await linesOf([..."first line\nsecond"]), [
    "first line",
    "second",
  ]);
});

Deno.test("TextLineStream is the same under both names", () => {
  assertEquals(FromSubpath, TextLineStream);
});
