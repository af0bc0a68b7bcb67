import { assert, assertEquals, assertThrows } from "@std/assert";
import { encode } from "@enjambre/bencode";
import bencode from "bencode";
import fc from "fast-check";
import { buildTorrent, comparePaths, type FileSpec, type TorrentSpec } from "./build.ts";
import { contentOf, torrentV2 } from "./fixtures_test.ts";
import { pieceLayerOfContent, rootOfContent } from "./merkle.ts";
import { padFiles } from "./pad.ts";
import { parseTorrent } from "./torrent.ts";

const SINGLE: TorrentSpec = {
  name: "a.txt",
  files: [{ path: [], bytes: 40000 }],
  pieceLength: 16384,
  pieceHashes: new Uint8Array(60).fill(7),
};

const FOLDER: TorrentSpec = {
  name: "t",
  files: [{ path: ["b"], bytes: 5 }, { path: ["d", "a"], bytes: 7 }],
  pieceLength: 16384,
  pieceHashes: new Uint8Array(20).fill(7),
};

const text = (bytes: Uint8Array): string => String.fromCharCode(...bytes);

Deno.test("buildTorrent() writes a single-file torrent, keys in order and nothing else", () => {
  assertEquals(
    text(buildTorrent(SINGLE)),
    "d4:infod6:lengthi40000e4:name5:a.txt12:piece lengthi16384e6:pieces60:" +
      "\x07".repeat(60) + "ee",
  );
});

Deno.test("buildTorrent() writes a folder, files in the order given", () => {
  assertEquals(
    text(buildTorrent(FOLDER)),
    "d4:infod5:filesld6:lengthi5e4:pathl1:beed6:lengthi7e4:pathl1:d1:aeee4:name1:t" +
      "12:piece lengthi16384e6:pieces20:" + "\x07".repeat(20) + "ee",
  );
});

Deno.test("buildTorrent() writes announce-list only for several trackers, tiers as given", () => {
  const one = bencode.decode(buildTorrent({ ...SINGLE, trackers: [["http://a/"]] }));
  assertEquals(text(one.announce), "http://a/");
  assertEquals(one["announce-list"], undefined);
  const many = buildTorrent({ ...SINGLE, trackers: [["http://a/", "udp://b:1"], ["http://c/"]] });
  const tiers = bencode.decode(many)["announce-list"] as Uint8Array[][];
  assertEquals(tiers.map((tier) => tier.map(text)), [["http://a/", "udp://b:1"], ["http://c/"]]);
  assertEquals(text(bencode.decode(many).announce), "http://a/");
});

Deno.test("buildTorrent() writes private only when true, so that others make the same info-hash", () => {
  assertEquals(buildTorrent({ ...SINGLE, private: false }), buildTorrent(SINGLE));
  assertEquals(bencode.decode(buildTorrent({ ...SINGLE, private: true })).info.private, 1);
});

Deno.test("what buildTorrent() writes, parseTorrent() reads, and so does npm:bencode", async () => {
  const name = fc.string({ unit: "grapheme-ascii", minLength: 1, maxLength: 8 })
    .filter((s) => /^[a-z0-9_]+$/i.test(s) && !/^(con|nul|aux|prn|(com|lpt)\d)$/i.test(s));
  const file = fc.record({
    path: fc.array(name, { minLength: 1, maxLength: 3 }),
    bytes: fc.integer({ min: 0, max: 100000 }),
  });
  const property = fc.asyncProperty(
    name,
    fc.uniqueArray(file, { minLength: 1, maxLength: 5, selector: (f) => f.path[0]!.toLowerCase() }),
    fc.constantFrom(1000, 16384, 65536),
    fc.record({
      private: fc.boolean(),
      comment: fc.constantFrom("a comment", "ü"),
      createdBy: fc.constant("maker"),
      creationDateSeconds: fc.nat(),
      trackers: fc.constantFrom([["http://a/"]], [["http://a/"], ["udp://b:1/"]]),
      webSeeds: fc.constant(["http://w/"]),
    }, { requiredKeys: [] }),
    async (torrentName, files, pieceLength, options) => {
      const total = files.reduce((sum, { bytes }) => sum + bytes, 0);
      const pieceHashes = new Uint8Array(20 * Math.ceil(total / pieceLength)).fill(3);
      const bytes = buildTorrent({
        name: torrentName,
        files,
        pieceLength,
        pieceHashes,
        ...options,
      });
      const torrent = await parseTorrent(bytes);
      assertEquals(torrent.name, torrentName);
      assertEquals(
        torrent.geometry.files.map(({ path, bytes }) => [path, bytes]),
        files.map(({ path, bytes }) => [[torrentName, ...path].join("/"), bytes]),
      );
      assertEquals(torrent.pieceHashes!.slice(), pieceHashes);
      assertEquals(torrent.private, options.private ?? false);
      assertEquals(torrent.comment, options.comment ?? null);
      assertEquals(torrent.createdBy, options.createdBy ?? null);
      assertEquals(torrent.creationDateSeconds, options.creationDateSeconds ?? null);
      assertEquals(torrent.trackers, options.trackers ?? []);
      assertEquals(torrent.webSeeds, options.webSeeds ?? []);
      assertEquals(bencode.encode(bencode.decode(bytes)), bytes);
    },
  );
  await fc.assert(property, { numRuns: 60 });
});

Deno.test("buildTorrent() refuses numbers that do not fit one another", () => {
  const wrong: Partial<TorrentSpec>[] = [
    { pieceLength: 0 },
    { pieceLength: -16384 },
    { pieceLength: 1.5 },
    { pieceLength: 2 ** 29 },
    { pieceHashes: new Uint8Array(40) },
    { pieceHashes: new Uint8Array(61) },
    { files: [{ path: [], bytes: -1 }] },
    { files: [{ path: [], bytes: 0.5 }] },
    { files: [{ path: [], bytes: NaN }] },
    { creationDateSeconds: 0.5 },
  ];
  for (const change of wrong) {
    assertThrows(() => buildTorrent({ ...SINGLE, ...change }), RangeError);
  }
});

Deno.test("buildTorrent() refuses names that are none, paths that are one, URLs that are none", () => {
  const file = (...path: string[]) => ({ path, bytes: 6 });
  const wrong: Partial<TorrentSpec>[] = [
    { name: "" },
    { name: ".." },
    { name: "a/b" },
    { name: "a\0" },
    { files: [] },
    { files: [file("a"), file("a")] },
    { files: [file(), file("a")] },
    { files: [file("a", ""), file("b")] },
    { files: [file("a", ".."), file("b")] },
    { trackers: [["tracker.example"]] },
    { trackers: [["http://a/"], [""]] },
    { webSeeds: ["ftp://w/"] },
  ];
  for (const change of wrong) {
    assertThrows(() => buildTorrent({ ...FOLDER, ...change }), TypeError);
  }
  assert(buildTorrent(FOLDER).length > 0);
});

/** What is known of the content of a v2 torrent of these files (path with `/`, length). */
async function specV2(
  files: readonly (readonly [path: string, bytes: number])[],
  pieceLength: number = 16384,
): Promise<TorrentSpec> {
  const fileRoots: (Uint8Array | null)[] = [];
  const pieceLayers: (Uint8Array | null)[] = [];
  for (const [path, bytes] of files) {
    const content = contentOf(path, bytes);
    fileRoots.push(bytes === 0 ? null : await rootOfContent(content));
    pieceLayers.push(bytes > pieceLength ? await pieceLayerOfContent(content, pieceLength) : null);
  }
  const specs = files.map(([path, bytes]): FileSpec => ({ path: path.split("/"), bytes }));
  return { name: "t", files: specs, pieceLength, fileRoots, pieceLayers };
}

/** In the order of a file tree, in which `a` is a folder. */
const FILES_V2 = [["a/z", 40000], ["a-b", 0], ["a.txt", 5], ["ñ", 16384]] as const;

/** Adds what a hybrid torrent of the files has: padding, hashes of pieces. */
function hybridOf(spec: TorrentSpec): TorrentSpec {
  const files = padFiles(spec.files, spec.pieceLength, { afterLast: true });
  const real = [...spec.files.keys()];
  const at = files.map(({ padding }) => padding ? -1 : real.shift()!);
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  return {
    ...spec,
    files,
    pieceHashes: new Uint8Array(20 * Math.ceil(bytes / spec.pieceLength)).fill(7),
    fileRoots: at.map((i) => spec.fileRoots![i] ?? null),
    pieceLayers: at.map((i) => spec.pieceLayers![i] ?? null),
  };
}

Deno.test("buildTorrent() writes the v2 torrent that other code writes, whatever the order of files", async () => {
  const spec = await specV2(FILES_V2);
  const due = encode(await torrentV2("t", FILES_V2));
  assertEquals(buildTorrent(spec), due);
  assertEquals(buildTorrent(await specV2(FILES_V2.toReversed())), due);
  const torrent = await parseTorrent(buildTorrent(spec));
  assertEquals([torrent.infoHash, torrent.geometry.pieceCount], [null, 5]);
});

Deno.test("buildTorrent() writes hybrid torrents that parseTorrent() finds right", async () => {
  const torrent = await parseTorrent(buildTorrent(hybridOf(await specV2(FILES_V2))));
  assertEquals([torrent.infoHash!.length, torrent.infoHashV2!.length], [20, 32]);
  assertEquals(
    torrent.geometry.files.filter(({ padding }) => !padding).map((
      { path, bytes },
    ) => [path, bytes]),
    FILES_V2.map(([path, bytes]) => [`t/${path}`, bytes]),
  );
  // A folder that holds one file of its own name is told from that file by its v1 half.
  const same = await parseTorrent(buildTorrent(hybridOf(await specV2([["t", 5]]))));
  assertEquals(same.geometry.files[0]!.path, "t/t");
});

Deno.test("buildTorrent() tells of programs in v2 and hybrid torrents, and not in v1", async () => {
  const spec = await specV2([["run", 5]]);
  const files = [{ ...spec.files[0]!, executable: true }];
  for (const each of [{ ...spec, files }, hybridOf({ ...spec, files })]) {
    const { geometry } = await parseTorrent(buildTorrent(each));
    assertEquals(geometry.files.map(({ executable }) => executable)[0], true);
  }
  assertEquals(
    buildTorrent({ ...SINGLE, files: [{ ...SINGLE.files[0]!, executable: true }] }),
    buildTorrent(SINGLE),
  );
});

Deno.test("buildTorrent() refuses v2 numbers and layouts that do not fit", async () => {
  const spec = await specV2(FILES_V2);
  const hybrid = hybridOf(spec);
  const none = spec.files.map(() => null);
  const numbers: TorrentSpec[] = [
    { ...spec, pieceLength: 8192 },
    { ...spec, pieceLength: 20000 },
    { ...spec, fileRoots: none },
    { ...spec, fileRoots: spec.fileRoots!.map((root) => root?.subarray(1) ?? null) },
    { ...spec, fileRoots: spec.fileRoots!.map(() => new Uint8Array(32).fill(1)) },
    { ...spec, pieceLayers: none },
    { ...spec, pieceLayers: spec.fileRoots! },
    { ...spec, files: [{ path: Array(101).fill("d"), bytes: 5 }] },
  ];
  for (const wrong of numbers) assertThrows(() => buildTorrent(wrong), RangeError);
  const { fileRoots: _, ...noHashes } = spec;
  const layouts: TorrentSpec[] = [
    noHashes,
    { ...spec, ...await specV2([["a", 5], ["a/b", 5]]) },
    { ...hybrid, files: spec.files, pieceHashes: new Uint8Array(80), fileRoots: spec.fileRoots! },
    hybridOf(await specV2(FILES_V2.toReversed())),
  ];
  for (const wrong of layouts) assertThrows(() => buildTorrent(wrong), TypeError);
});

Deno.test("comparePaths() orders as a file tree does: name by name, by bytes", () => {
  const paths = ["\u{1F600}", "a.txt", "a-b", "\uFF5E", "a/b", "B", "a/a/z"];
  assertEquals(
    paths.map((path) => path.split("/")).sort(comparePaths).map((path) => path.join("/")),
    ["B", "a/a/z", "a/b", "a-b", "a.txt", "\uFF5E", "\u{1F600}"],
  );
  assertEquals(comparePaths(["a"], ["a"]), 0);
});
