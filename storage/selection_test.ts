import { assertEquals, assertThrows } from "@std/assert";
import { Geometry } from "@enjambre/metainfo";
import fc from "fast-check";
import { Selection } from "./selection.ts";

const plain = { padding: false, executable: false, symlink: null };

Deno.test("Selection counts bytes of wanted files and the pieces that they need", () => {
  const geometry = new Geometry(10, [
    { path: "a", bytes: 15, offset: 0, ...plain },
    { path: "p", bytes: 5, offset: 15, ...plain, padding: true },
    { path: "b", bytes: 12, offset: 20, ...plain },
    { path: "c", bytes: 30, offset: 32, ...plain },
  ]);
  const selection = new Selection(geometry);
  assertEquals([selection.wantedBytes, selection.wantedPieces], [57, 7]);
  selection.set(new Uint8Array([0, 1, 3, 0]));
  assertEquals([selection.wantedBytes, selection.wantedPieces], [12, 2]);
  assertEquals([1, 2, 3, 4].map((piece) => selection.isPieceWanted(piece)), [
    false,
    true,
    true,
    false,
  ]);
  assertEquals([selection.isWanted(0), selection.isWanted(2)], [false, true]);
  // Piece 3 is there: two bytes of it are b's.
  assertEquals(selection.wantedBytesIn(new Uint8Array([0b1001_0000])), 2);
  assertThrows(() => selection.set(new Uint8Array(3)), RangeError, "3 priorities");
  assertEquals(selection.wantedBytes, 12);
});

Deno.test("Selection agrees with counting byte by byte", () => {
  const someFiles = fc.array(
    fc.record({
      bytes: fc.nat(25),
      padding: fc.boolean(),
      priority: fc.nat(3),
      have: fc.boolean(),
    }),
    { maxLength: 8 },
  );
  fc.assert(fc.property(fc.integer({ min: 1, max: 12 }), someFiles, (pieceLength, files) => {
    let offset = 0;
    const geometry = new Geometry(
      pieceLength,
      files.map(({ bytes, padding }, i) => {
        const file = { path: `${i}`, bytes, offset, ...plain, padding };
        offset += bytes;
        return file;
      }),
    );
    const selection = new Selection(geometry);
    selection.set(Uint8Array.from(files, ({ priority }) => priority));
    const pieces = new Set<number>();
    const have = new Uint8Array(Math.ceil(geometry.pieceCount / 8)).fill(0b0101_0101);
    let wanted = 0;
    let there = 0;
    files.forEach(({ bytes, padding, priority }, i) => {
      for (let at = 0; at < bytes && !padding && priority > 0; at++) {
        const piece = Math.floor((geometry.files[i]!.offset + at) / pieceLength);
        pieces.add(piece);
        wanted++;
        if (piece % 2 === 1) there++;
      }
    });
    assertEquals([selection.wantedBytes, selection.wantedPieces], [wanted, pieces.size]);
    assertEquals(selection.wantedBytesIn(have), there);
  }));
});
