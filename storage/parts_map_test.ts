import { assert, assertEquals } from "@std/assert";
import { Geometry } from "@enjambre/metainfo";
import fc from "fast-check";
import { PartsMap } from "./parts_map.ts";

function geometryOf(
  pieceLength: number,
  files: readonly { bytes: number; padding?: boolean }[],
): Geometry {
  let offset = 0;
  return new Geometry(
    pieceLength,
    files.map(({ bytes, padding = false }, i) => {
      const file = { path: `${i}`, bytes, offset, padding, executable: false, symlink: null };
      offset += bytes;
      return file;
    }),
  );
}

Deno.test("PartsMap has places for the pieces that files share, side by side, and for no others", () => {
  // Pieces of 10: 0 and 1 in a, 1 and 2 in b, 2 in c, 3 to 5 in d alone.
  const map = new PartsMap(geometryOf(10, [{ bytes: 15 }, { bytes: 10 }, { bytes: 5 }, {
    bytes: 30,
  }]));
  assert(map.isNeeded);
  assertEquals([map.placeOf(0, 9), map.placeOf(0, 10), map.placeOf(0, 14)], [-1, 0, 4]);
  assertEquals([map.placeOf(1, 0), map.placeOf(1, 5), map.placeOf(2, 4)], [5, 10, 19]);
  assertEquals([map.placeOf(3, 0), map.placeOf(3, 29)], [-1, -1]);
  assertEquals([map.runBytes(1, 0, 10), map.runBytes(0, 0, 15), map.runBytes(0, 12, 3)], [
    10,
    0,
    3,
  ]);
});

Deno.test("PartsMap needs no file where each piece is one file's, padding apart", () => {
  assert(!new PartsMap(geometryOf(10, [{ bytes: 500 }])).isNeeded);
  const aligned = [{ bytes: 7 }, { bytes: 3, padding: true }, { bytes: 0 }, { bytes: 12 }];
  assert(!new PartsMap(geometryOf(10, aligned)).isNeeded);
  assert(!new PartsMap(geometryOf(10, [])).isNeeded);
});

Deno.test("PartsMap remembers what it holds of each file", () => {
  const map = new PartsMap(geometryOf(10, [{ bytes: 5 }, { bytes: 30 }, { bytes: 5 }]));
  map.hold(1, 0);
  map.hold(1, 1); // no other file has bytes in it
  assertEquals(map.spansOf(1), [{ fileOffset: 0, partsOffset: 5, bytes: 5, isSure: true }]);
  assertEquals([map.heldFiles, map.holds(1, 0), map.holds(1, 1), map.holds(1, 3)], [
    1,
    true,
    false,
    false,
  ]);
  map.holdAll(1);
  assertEquals(map.spansOf(1), [
    { fileOffset: 0, partsOffset: 5, bytes: 5, isSure: true },
    { fileOffset: 25, partsOffset: 10, bytes: 5, isSure: false },
  ]);
  map.release(1, 0);
  assertEquals([map.holdsAny(1), map.heldFiles], [true, 1]);
  map.releaseAll(1);
  assertEquals([map.holdsAny(1), map.heldFiles], [false, 0]);
});

Deno.test("PartsMap gives no two bytes one place", () => {
  const someFiles = fc.array(fc.record({ bytes: fc.nat(25), padding: fc.boolean() }), {
    maxLength: 8,
  });
  fc.assert(fc.property(fc.integer({ min: 1, max: 12 }), someFiles, (pieceLength, files) => {
    const geometry = geometryOf(pieceLength, files);
    const map = new PartsMap(geometry);
    const seen = new Set<number>();
    const owners = new Map<number, Set<number>>();
    files.forEach(({ bytes, padding }, i) => {
      for (let offset = 0; offset < bytes && !padding; offset++) {
        const piece = map.pieceAt(i, offset);
        owners.set(piece, (owners.get(piece) ?? new Set()).add(i));
      }
    });
    files.forEach(({ bytes, padding }, i) => {
      for (let offset = 0; offset < bytes && !padding; offset++) {
        const place = map.placeOf(i, offset);
        assertEquals(place !== -1, owners.get(map.pieceAt(i, offset))!.size > 1);
        if (place === -1) continue;
        assert(!seen.has(place));
        seen.add(place);
      }
    });
  }));
});
