import { assert, assertEquals } from "@std/assert";
import { LineSplitter } from "./lines.ts";

const encode = (text: string) => new TextEncoder().encode(text);

Deno.test("LineSplitter gives the same lines wherever the bytes are cut", () => {
  const bytes = encode("one\n\nthree ñ\nfo");
  for (let at = 0; at <= bytes.length; at++) {
    const splitter = new LineSplitter(10);
    const lines = [...splitter.push(bytes.subarray(0, at))!, ...splitter.push(bytes.subarray(at))!];
    assertEquals(lines, ["one", "", "three ñ"]);
    assertEquals(splitter.push(encode("ur\n")), ["four"]);
  }
});

Deno.test("LineSplitter gives up a line that is too long, with or without its end", () => {
  assertEquals(new LineSplitter(3).push(encode("abc\n")), ["abc"]);
  assertEquals(new LineSplitter(3).push(encode("abcd\n")), null);
  const splitter = new LineSplitter(5000);
  assert(splitter.push(new Uint8Array(4000)) !== null);
  assertEquals(splitter.push(new Uint8Array(1001)), null);
});

Deno.test("LineSplitter gives up bytes that are no text", () => {
  assertEquals(new LineSplitter(10).push(new Uint8Array([0xff, 0x0a])), null);
});
