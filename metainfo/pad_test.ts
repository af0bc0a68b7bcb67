import { assertEquals } from "@std/assert";
import fc from "fast-check";
import type { FileSpec } from "./build.ts";
import { padFiles } from "./pad.ts";

const sizesOf = (files: readonly FileSpec[]): (number | string)[] =>
  files.map(({ bytes, padding }) => padding ? `pad ${bytes}` : bytes);

function specsOf(sizes: readonly number[]): FileSpec[] {
  return sizes.map((bytes, i) => ({ path: [`f${i}`], bytes }));
}

Deno.test("padFiles() pads behind files that end inside a piece, and the last one where it is told to", () => {
  const files = specsOf([5, 0, 16384, 20000, 0]);
  const between = padFiles(files, 16384, { afterLast: false });
  assertEquals(sizesOf(between), [5, "pad 16379", 0, 16384, 20000, 0]);
  const all = padFiles(files, 16384, { afterLast: true });
  assertEquals(sizesOf(all), [5, "pad 16379", 0, 16384, 20000, "pad 12768", 0]);
  assertEquals(all[1]!.path, [".pad", "16379"]);
});

Deno.test("padFiles() lets each file that is not empty begin at a piece, and changes none", () => {
  fc.assert(
    fc.property(
      fc.array(fc.nat(100), { minLength: 1, maxLength: 12 }),
      fc.integer({ min: 1, max: 40 }),
      fc.boolean(),
      (sizes, pieceLength, afterLast) => {
        const files = specsOf(sizes);
        const padded = padFiles(files, pieceLength, { afterLast });
        assertEquals(padded.filter(({ padding }) => !padding), files);
        let offset = 0;
        for (const { bytes, padding } of padded) {
          if (!padding && bytes > 0) assertEquals(offset % pieceLength, 0);
          if (padding) assertEquals(bytes > 0 && bytes < pieceLength, true);
          offset += bytes;
        }
        if (afterLast) assertEquals(offset % pieceLength, 0);
      },
    ),
  );
});
