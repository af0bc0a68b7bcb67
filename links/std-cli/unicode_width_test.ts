import { assertEquals } from "@std/assert";
import { unicodeWidth } from "@std/cli/unicode-width";

const cases: [string, number][] = [
  ["", 0],
  ["hello world", 11],
  ["天地玄黃", 8],
  ["ｆｕｌｌ", 8],
  ["ﾊﾝｶｸ", 4],
  ["한국어", 6],
  ["голубой", 7],
  ["á".normalize("NFC"), 1],
  ["á".normalize("NFD"), 1],
  ["👩", 2],
  ["👩🔬", 4],
  ["█▌░", 3],
  ["…–↓↑", 4],
  ["\0\t\n\r\u007f\u0080\u009f", 0],
  ["a\u200bb\ufe0f", 2],
  ["\u00ad", 1],
];

for (const [text, columns] of cases) {
  Deno.test(`unicodeWidth() of ${JSON.stringify(text)} is ${columns}`, () => {
    assertEquals(unicodeWidth(text), columns);
  });
}
