import { assert, assertEquals, assertThrows } from "@std/assert";
import { BLOCK_BYTES } from "@enjambre/metainfo";
import fc from "fast-check";
import { type BegunPiece, decodeBegun, encodeBegun } from "./begun.ts";
import { makeTorrent, pieceOf } from "./store_conformance_test.ts";

/** Pieces of three blocks, the last one of one and a bit. */
const torrent = makeTorrent(3 * BLOCK_BYTES, [{ path: "one", bytes: 10 * BLOCK_BYTES + 5 }]);
const { geometry } = torrent;

/** A piece with some of its blocks; the others are zero. */
function begunPiece(piece: number, bits: number): BegunPiece {
  const data = pieceOf(torrent, piece);
  for (let block = 0; block < geometry.blockCount(piece); block++) {
    if ((bits & (0x80 >> block)) !== 0) continue;
    data.fill(0, block * BLOCK_BYTES, (block + 1) * BLOCK_BYTES);
  }
  return { piece, received: new Uint8Array([bits]), data };
}

/** One array of several. */
function joined(stretches: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(stretches.flatMap((stretch) => [...stretch]));
}

const somePieces = fc.uniqueArray(
  fc.record({ piece: fc.nat({ max: 3 }), bits: fc.integer({ min: 1, max: 7 }) }),
  { selector: ({ piece }) => piece, maxLength: 4 },
).map((list) =>
  list.map(({ piece, bits }) => begunPiece(piece, piece === 3 ? 0b0100_0000 : bits << 5))
);

Deno.test("decodeBegun() gives back the blocks that encodeBegun() was given", () => {
  fc.assert(
    fc.property(somePieces, (pieces) => {
      assertEquals(decodeBegun(geometry, joined(encodeBegun(geometry, pieces))), pieces);
    }),
    { numRuns: 20 },
  );
});

Deno.test("decodeBegun() takes nothing that is cut or of another torrent, and never throws", () => {
  const bytes = joined(encodeBegun(geometry, [begunPiece(0, 0b1010_0000)]));
  for (const length of [0, 1, 10, bytes.length - 1]) {
    assertEquals(decodeBegun(geometry, bytes.slice(0, length)), []);
  }
  assertEquals(decodeBegun(geometry, new Uint8Array([...bytes, 0])), []);
  const shorter = makeTorrent(2 * BLOCK_BYTES, [{ path: "one", bytes: 40 }]).geometry;
  assertEquals(decodeBegun(shorter, bytes), []);
  const words = ["le", "de", "i5e", "l3:abce", "ld5:piecei9e8:received1:aee", "ld5:piecei-1eee"];
  for (const word of words) {
    assertEquals(decodeBegun(geometry, new TextEncoder().encode(word)), [], word);
  }
});

Deno.test("encodeBegun() copies nothing and joins blocks that touch", () => {
  const begun = begunPiece(1, 0b1110_0000);
  const [, ...stretches] = encodeBegun(geometry, [begun]);
  assertEquals(stretches.length, 1);
  assert(stretches[0]!.buffer === begun.data.buffer);
});

Deno.test("encodeBegun() leaves out what does not fit, and pieces of no block", () => {
  const pieces = [begunPiece(0, 0), begunPiece(1, 0b1100_0000), begunPiece(2, 0b0100_0000)];
  const kept = encodeBegun(geometry, pieces, BLOCK_BYTES);
  assertEquals(decodeBegun(geometry, joined(kept)), [pieces[2]!]);
});

Deno.test("encodeBegun() refuses pieces of the wrong size", () => {
  const begun = begunPiece(0, 0b1000_0000);
  assertThrows(
    () => encodeBegun(geometry, [{ ...begun, data: new Uint8Array(5) }]),
    RangeError,
    "Cannot keep piece 0: data are 5 bytes, bitfield 1 bytes, 49152 and 1 bytes are due",
  );
  assertThrows(() => encodeBegun(geometry, [{ ...begun, piece: 4 }]), RangeError);
});
