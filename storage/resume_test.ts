import { assert, assertEquals } from "@std/assert";
import { Geometry, type TorrentFile } from "@enjambre/metainfo";
import fc from "fast-check";
import type { FilePlace } from "./file_stamp.ts";
import {
  decodeResume,
  encodeResume,
  newResume,
  resumeBytesMax,
  type ResumeData,
  type ResumeKey,
} from "./resume.ts";

const key: ResumeKey = { swarmHash: new Uint8Array(20).fill(7), folder: "/home/ana/descargas/ñ" };

function geometryOf(pieceLength: number, sizes: readonly number[]): Geometry {
  let offset = 0;
  const files: TorrentFile[] = sizes.map((bytes, i) => {
    const file = {
      path: `t/${i}`,
      bytes,
      offset,
      padding: false,
      executable: false,
      symlink: null,
    };
    offset += bytes;
    return file;
  });
  return new Geometry(pieceLength, files);
}

/** Resume data of some torrent, with numbers of all kinds. */
const someResume = fc.array(fc.integer({ min: 0, max: 100 }), { maxLength: 6 }).chain((sizes) => {
  const geometry = geometryOf(16, sizes);
  const total = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
  const stamp = fc.record({
    place: fc.constantFrom<FilePlace>("none", "part", "final"),
    bytes: fc.nat({ max: 2 ** 53 - 1 }),
    modifiedMs: fc.double({ noNaN: true, noDefaultInfinity: true }),
  });
  const data: fc.Arbitrary<ResumeData> = fc.record({
    device: fc.option(fc.double({ noNaN: true })),
    good: fc.array(fc.boolean(), {
      minLength: geometry.pieceCount,
      maxLength: geometry.pieceCount,
    }).map(bitfieldOf),
    stamps: fc.array(stamp, { minLength: sizes.length, maxLength: sizes.length }),
    priorities: fc.option(fc.uint8Array({ minLength: sizes.length, maxLength: sizes.length })),
    names: fc.array(fc.string({ unit: "grapheme", maxLength: 9 }), { maxLength: sizes.length }).map(
      (paths) => new Map(paths.entries()),
    ),
    downloadedBytes: total,
    uploadedBytes: total,
    completion: fc.record({
      state: fc.constantFrom("unknown", "to-come", "told"),
      toldTo: fc.array(fc.webUrl(), { maxLength: 5 }),
    }),
  });
  return data.map((data) => ({ geometry, data }));
});

function bitfieldOf(bits: readonly boolean[]): Uint8Array {
  const bitfield = new Uint8Array(Math.ceil(bits.length / 8));
  for (const [i, bit] of bits.entries()) if (bit) bitfield[i >> 3]! |= 0x80 >> (i & 7);
  return bitfield;
}

Deno.test("decodeResume() gives back what encodeResume() was given", () => {
  fc.assert(fc.property(someResume, ({ geometry, data }) => {
    const bytes = encodeResume(key, data);
    assert(bytes.length <= resumeBytesMax(geometry));
    assertEquals(decodeResume(bytes, key, geometry), data);
  }));
});

Deno.test("decodeResume() takes no damaged data, and never throws", () => {
  fc.assert(
    fc.property(someResume, fc.nat(), fc.uint8Array({ maxLength: 9 }), (resume, where, junk) => {
      const { geometry, data } = resume;
      const bytes = encodeResume(key, data);
      const cut = bytes.slice(0, where % bytes.length);
      assertEquals(decodeResume(cut, key, geometry), null);
      assertEquals(decodeResume(new Uint8Array([...bytes, ...junk, 0]), key, geometry), null);
      bytes.set(junk, where % Math.max(1, bytes.length - junk.length));
      decodeResume(bytes, key, geometry);
    }),
  );
  assertEquals(decodeResume(new Uint8Array(0), key, geometryOf(16, [])), null);
});

Deno.test("decodeResume() takes no data of another torrent, folder or form", () => {
  const geometry = geometryOf(16, [20, 30]);
  const bytes = encodeResume(key, newResume(geometry));
  assert(decodeResume(bytes, key, geometry) !== null);
  const others: ResumeKey[] = [
    { ...key, swarmHash: new Uint8Array(20).fill(8) },
    { ...key, folder: "/home/ana/descargas" },
  ];
  for (const other of others) assertEquals(decodeResume(bytes, other, geometry), null);
  const layouts = [geometryOf(16, [50]), geometryOf(16, [20, 30, 0]), geometryOf(4, [20, 30])];
  for (const layout of layouts) assertEquals(decodeResume(bytes, key, layout), null);
});

Deno.test("decodeResume() takes no values that cannot be", () => {
  const geometry = geometryOf(16, [20, 30]);
  const wrong: Partial<Record<keyof ResumeData, unknown>>[] = [
    { good: new Uint8Array(2) },
    { good: new Uint8Array([0b0000_1000]) },
    { stamps: [] },
    { priorities: new Uint8Array(3) },
    { downloadedBytes: -1 },
    { uploadedBytes: "many" },
    { device: NaN },
    { names: new Map([[2, "beyond"]]) },
    { names: new Map([[0, 5]]) },
  ];
  for (const fields of wrong) {
    const data = { ...newResume(geometry), ...fields } as ResumeData;
    assertEquals(
      decodeResume(encodeResume(key, data), key, geometry),
      null,
      Object.keys(fields)[0],
    );
  }
  const text = new TextDecoder("latin1").decode(encodeResume(key, newResume(geometry)));
  const later = Uint8Array.from(text.replace("versioni1e", "versioni2e"), (c) => c.charCodeAt(0));
  assertEquals(decodeResume(later, key, geometry), null);
});

Deno.test("encodeResume() keeps no more trackers that were told than there is room for", () => {
  const geometry = geometryOf(16, [20]);
  const toldTo = Array.from({ length: 200 }, (_, i) => `http://${i}/${"x".repeat(1000)}`);
  const completion = { state: "to-come", toldTo } as const;
  const bytes = encodeResume(key, { ...newResume(geometry), completion });
  assert(bytes.length <= resumeBytesMax(geometry));
  assertEquals(decodeResume(bytes, key, geometry)?.completion.toldTo, toldTo.slice(0, 32));
});
