import { assert, assertEquals } from "@std/assert";
import { unicodeWidth } from "@std/cli/unicode-width";
import fc from "fast-check";
import { fitText } from "./fit_text.ts";

Deno.test("fitText() never exceeds the columns, wide characters included", () => {
  assertEquals(fitText("hello", 5), "hello");
  assertEquals(fitText("hello", 4), "hel…");
  assertEquals(fitText("天地人", 4), "天…");
  fc.assert(fc.property(fc.string({ unit: "grapheme" }), fc.nat(30), (text, columns) => {
    assert(unicodeWidth(fitText(text, columns)) <= columns);
  }));
});
