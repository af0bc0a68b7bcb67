import { assert, assertEquals, assertThrows } from "@std/assert";
import bencode from "bencode";
import fc from "fast-check";
import { buildTorrent, type TorrentSpec } from "./build.ts";
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
