import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { plainFiles } from "./fixtures_test.ts";
import { BLOCK_BYTES, Geometry } from "./geometry.ts";

/** Piece lengths, and sizes of files, empty ones among them. */
const layouts = fc.record({
  pieceLength: fc.oneof(
    fc.integer({ min: 1, max: 50 }),
    fc.constantFrom(16383, 16384, 16385, 40000, 65536),
  ),
  sizes: fc.array(
    fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 60 }), fc.integer({ min: 0, max: 90000 })),
    { maxLength: 12 },
  ),
});

Deno.test("Geometry counts pieces and blocks of a torrent with a short end", () => {
  const geometry = new Geometry(40000, plainFiles([40000, 20000]));

  assertEquals(geometry.pieceCount, 2);
  assertEquals(geometry.totalBytes, 60000);
  assertEquals(geometry.blocksPerPiece, 3);
  assertEquals([geometry.pieceBytes(0), geometry.pieceBytes(1)], [40000, 20000]);
  assertEquals([geometry.blockCount(0), geometry.blockCount(1)], [3, 2]);
  assertEquals([0, 1, 2].map((b) => geometry.blockBytes(0, b)), [16384, 16384, 7232]);
  assertEquals([0, 1].map((b) => geometry.blockBytes(1, b)), [16384, 3616]);
});

Deno.test("Geometry of a torrent without content has no pieces", () => {
  for (const sizes of [[], [0], [0, 0]]) {
    const geometry = new Geometry(16384, plainFiles(sizes));
    assertEquals(geometry.pieceCount, 0);
    assert(!geometry.isPiece(0));
    assertEquals(geometry.blockAt(0, 0, 16384), -1);
    assertThrows(() => geometry.pieceBytes(0), RangeError);
  }
  assertEquals(new Geometry(16384, plainFiles([0])).piecesOfFile(0), { first: 0, end: 0 });
});

Deno.test("Geometry counts padding in totalBytes and not in contentBytes", () => {
  const [first, padding, last] = plainFiles([5, 11, 7]);
  const geometry = new Geometry(16, [first!, { ...padding!, padding: true }, last!]);

  assertEquals(geometry.totalBytes, 23);
  assertEquals(geometry.contentBytes, 12);
});

Deno.test("Geometry holds sizes beyond 2^32", () => {
  const big = 2 ** 40 + 5;
  const geometry = new Geometry(2 ** 24, plainFiles([big, 3]));
  const spans: number[][] = [];
  geometry.forEachSpan(65536, 0, 8, (...span) => spans.push(span));

  assertEquals(spans, [[0, 2 ** 40, 0, 5], [1, 0, 5, 3]]);
});

Deno.test("piece and block sizes sum to the total", () => {
  fc.assert(
    fc.property(layouts, ({ pieceLength, sizes }) => {
      const geometry = new Geometry(pieceLength, plainFiles(sizes));
      let pieces = 0;
      let blocks = 0;
      for (let piece = 0; piece < geometry.pieceCount; piece++) {
        pieces += geometry.pieceBytes(piece);
        for (let block = 0; block < geometry.blockCount(piece); block++) {
          const bytes = geometry.blockBytes(piece, block);
          assertEquals(geometry.blockAt(piece, block * BLOCK_BYTES, bytes), block);
          assert(geometry.holds(piece, block * BLOCK_BYTES, bytes));
          blocks += bytes;
        }
      }
      assertEquals([pieces, blocks], [geometry.totalBytes, geometry.totalBytes]);
    }),
    { numRuns: 60 },
  );
});

Deno.test("forEachSpan() tiles the torrent exactly, as a plain array of owners has it", () => {
  const small = fc.record({
    pieceLength: fc.integer({ min: 1, max: 40 }),
    sizes: fc.array(fc.integer({ min: 0, max: 30 }), { maxLength: 15 }),
  });
  fc.assert(fc.property(small, fc.nat(), fc.nat(), ({ pieceLength, sizes }, from, count) => {
    const owners = sizes.flatMap((bytes, file) =>
      Array.from({ length: bytes }, (_, at) => [file, at] as const)
    );
    const geometry = new Geometry(pieceLength, plainFiles(sizes));
    for (let piece = 0; piece < geometry.pieceCount; piece++) {
      const begin = from % geometry.pieceBytes(piece);
      const length = 1 + count % (geometry.pieceBytes(piece) - begin);
      const seen: (readonly [number, number])[] = [];
      geometry.forEachSpan(piece, begin, length, (file, fileOffset, spanBegin, spanBytes) => {
        assertEquals(spanBegin, seen.length);
        assert(spanBytes > 0);
        for (let i = 0; i < spanBytes; i++) seen.push([file, fileOffset + i]);
      });
      const start = piece * pieceLength + begin;
      assertEquals(seen, owners.slice(start, start + length));
    }
  }));
});

Deno.test("piecesOfFile() names exactly the pieces that hold a byte of the file", () => {
  fc.assert(
    fc.property(layouts, ({ pieceLength, sizes }) => {
      const files = plainFiles(sizes);
      const geometry = new Geometry(pieceLength, files);
      files.forEach((file, i) => {
        const { first, end } = geometry.piecesOfFile(i);
        if (file.bytes === 0) return assertEquals(end, first);
        assertEquals(first, Math.floor(file.offset / pieceLength));
        assertEquals(end - 1, Math.floor((file.offset + file.bytes - 1) / pieceLength));
      });
    }),
    { numRuns: 60 },
  );
});

Deno.test("blockAt() and holds() refuse what a peer may make up", () => {
  const geometry = new Geometry(40000, plainFiles([60000]));

  assertEquals(geometry.blockAt(1, 16384, 3616), 1);
  const notBlocks = [
    [2, 0, 16384],
    [-1, 0, 16384],
    [0.5, 0, 16384],
    [NaN, 0, 16384],
    [0, 1, 16384],
    [0, -16384, 16384],
    [0, 16384.5, 100],
    [0, 49152, 16384],
    [0, 0, 0],
    [0, 0, 16383],
    [0, 32768, 16384],
    [1, 16384, 16384],
    [0, NaN, 16384],
    [0, 0, NaN],
    [0, 0, Infinity],
  ] as const;
  for (const [piece, begin, length] of notBlocks) {
    assertEquals(geometry.blockAt(piece, begin, length), -1, `${piece} ${begin} ${length}`);
  }
  assert(geometry.holds(0, 1, 39999));
  assert(geometry.holds(1, 19999, 1));
  const notHeld = [
    [0, 0, 40001],
    [0, 40000, 1],
    [1, 20000, 1],
    [0, -1, 2],
    [0, 0, 0],
    [0, 0, -1],
    [0, 0, 0.5],
    [2, 0, 1],
    [0, 2 ** 53, 1],
    [0, NaN, 1],
  ] as const;
  for (const [piece, begin, length] of notHeld) {
    assert(!geometry.holds(piece, begin, length), `${piece} ${begin} ${length}`);
  }
});

Deno.test("Geometry refuses indices outside the torrent", () => {
  const geometry = new Geometry(40000, plainFiles([60000]));

  for (const piece of [-1, 2, 0.5, NaN]) {
    assertThrows(() => geometry.pieceBytes(piece), RangeError);
    assertThrows(() => geometry.blockCount(piece), RangeError);
    assertThrows(() => geometry.forEachSpan(piece, 0, 1, () => {}), RangeError);
  }
  for (const block of [-1, 3, 0.5, NaN]) {
    assertThrows(() => geometry.blockBytes(0, block), RangeError);
  }
  for (const file of [-1, 1, 0.5, NaN]) {
    assertThrows(() => geometry.piecesOfFile(file), RangeError);
  }
  assertThrows(() => geometry.forEachSpan(1, 0, 20001, () => {}), RangeError);
  assertThrows(() => geometry.forEachSpan(1, 0, 0, () => {}), RangeError);
});

Deno.test("Geometry refuses files that do not tile the torrent", () => {
  const [a, b] = plainFiles([5, 5]);
  assertThrows(() => new Geometry(16, [a!, { ...b!, offset: 6 }]), RangeError);
  assertThrows(() => new Geometry(16, [a!, { ...b!, offset: 4 }]), RangeError);
  assertThrows(() => new Geometry(16, [{ ...a!, bytes: -1 }]), RangeError);
  assertThrows(() => new Geometry(16, [{ ...a!, bytes: 1.5 }]), RangeError);
  assertThrows(() => new Geometry(2 ** 30, plainFiles([2 ** 53 - 1, 1])), RangeError);
  assertThrows(() => new Geometry(1, plainFiles([2 ** 31])), RangeError);
  for (const pieceLength of [0, -1, 1.5, NaN, 2 ** 31]) {
    assertThrows(() => new Geometry(pieceLength, []), RangeError);
  }
});
