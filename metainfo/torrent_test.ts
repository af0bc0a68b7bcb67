import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import fc from "fast-check";
import { type Encodable, encode, sourceRange } from "@enjambre/bencode";
import { TorrentSyntaxError } from "./errors.ts";
import { type Fields, infoOfFiles, infoV1, torrentOf, torrentV2 } from "./fixtures_test.ts";
import { hexOfHash } from "./hash.ts";
import { parseInfo, parseTorrent } from "./torrent.ts";

const text = (value: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(value);

async function sha1(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return hexOfHash(new Uint8Array(await crypto.subtle.digest("SHA-1", bytes)));
}

Deno.test("parseTorrent() reads a single-file torrent", async () => {
  const info = infoV1();
  const torrent = await parseTorrent(torrentOf(info, {
    announce: "http://tracker.example/announce",
    comment: "hi",
    "created by": "maker",
    "creation date": 1700000000,
  }));

  assertEquals(torrent.name, "a.txt");
  assertEquals(hexOfHash(torrent.infoHash!), await sha1(encode(info)));
  assertEquals(torrent.swarmHash, torrent.infoHash!);
  assertEquals(torrent.infoHashV2, null);
  assertEquals(torrent.infoBytes, encode(info));
  assertEquals(torrent.pieceHashes!.length, 60);
  assertEquals(torrent.geometry.pieceCount, 3);
  assertEquals([...torrent.geometry.files], [{
    path: "a.txt",
    bytes: 40000,
    offset: 0,
    padding: false,
    executable: false,
    symlink: null,
  }]);
  assertEquals(torrent.private, false);
  assertEquals(torrent.trackers, [["http://tracker.example/announce"]]);
  assertEquals([torrent.comment, torrent.createdBy, torrent.creationDateSeconds], [
    "hi",
    "maker",
    1700000000,
  ]);
});

Deno.test("parseTorrent() reads a folder, its paths beginning with the torrent's name", async () => {
  const torrent = await parseTorrent(torrentOf(infoOfFiles([
    { length: 5, path: ["a"] },
    { length: 0, path: ["sub", "empty"] },
    { length: 7, path: ["sub", "b"], attr: "x" },
    { length: 3, path: [".pad", "3"], attr: "p" },
  ])));

  assertEquals(
    torrent.geometry.files.map((f) => [f.path, f.bytes, f.offset, f.padding, f.executable]),
    [
      ["t/a", 5, 0, false, false],
      ["t/sub/empty", 0, 5, false, false],
      ["t/sub/b", 7, 5, false, true],
      ["t/.pad/3", 3, 12, true, false],
    ],
  );
  assertEquals([torrent.geometry.totalBytes, torrent.geometry.contentBytes], [15, 12]);
});

Deno.test("parseTorrent() takes the info-hash over the bytes as they stand", async () => {
  const hashes = new Uint8Array(20).fill(0x61);
  const odd = "d6:pieces20:" + "a".repeat(20) +
    "4:name1:x6:lengthi5e12:piece lengthi16384e4:name1:ye";
  const torrent = await parseTorrent(text(`d4:info${odd}8:announce10:http://h/ae\n trailing`));

  assertEquals(hexOfHash(torrent.infoHash!), await sha1(text(odd)));
  assertEquals(torrent.name, "x"); // the first of two keys counts, as in decode()
  assertEquals(torrent.pieceHashes!.slice(), hashes);
  assertEquals(torrent.trackers, [["http://h/a"]]);
});

Deno.test("parseTorrent() keeps nothing of the caller's bytes", async () => {
  const bytes = torrentOf(infoV1());
  const parsing = parseTorrent(bytes);
  bytes.fill(0);
  const torrent = await parsing;

  assertEquals(torrent.pieceHashes!.slice(), new Uint8Array(60).fill(7));
  assertEquals(torrent.infoBytes, encode(infoV1()));
});

Deno.test("parseTorrent() prefers name.utf-8 and path.utf-8 where they are valid", async () => {
  const files = [
    { length: 5, path: [Uint8Array.of(0xff)], "path.utf-8": ["ü"] },
    { length: 5, path: ["b"], "path.utf-8": [Uint8Array.of(0xff)] },
    { length: 5, path: ["c"], "path.utf-8": 7 },
  ];
  const good = infoOfFiles(files, { name: Uint8Array.of(0xff), "name.utf-8": "é" });
  const torrent = await parseTorrent(torrentOf(good));
  assertEquals(torrent.name, "é");
  assertEquals(torrent.geometry.files.map((file) => file.path), ["é/ü", "é/b", "é/c"]);

  const bad = infoV1({ name: "n", "name.utf-8": Uint8Array.of(0xff) });
  assertEquals((await parseTorrent(torrentOf(bad))).name, "n");
});

Deno.test("parseTorrent() leaves out what is optional and malformed", async () => {
  const torrent = await parseTorrent(torrentOf(infoV1({ private: "yes" }), {
    announce: 7,
    "announce-list": "none",
    "creation date": "29.03.2018",
    comment: ["a"],
    "created by": 1,
    "url-list": { a: 1 },
    httpseeds: 3,
    nodes: [["h", "p"], ["h"], 1, ["h", 0], ["h", 65536], ["bad host", 1]],
  }));

  assertEquals(torrent.private, false);
  assertEquals(torrent.trackers, []);
  assertEquals(torrent.webSeeds, []);
  assertEquals(torrent.httpSeeds, []);
  assertEquals(torrent.nodes, []);
  assertEquals([torrent.comment, torrent.createdBy, torrent.creationDateSeconds], [
    null,
    null,
    null,
  ]);
});

Deno.test("parseTorrent() makes comments fit to be shown and keeps their lines", async () => {
  const torrent = await parseTorrent(torrentOf(infoV1(), {
    comment: "one\r\ntwo\u001b[2J\u202e",
    "created by": "m\u0007",
  }));

  assertEquals(torrent.comment, "one\ntwo [2J");
  assertEquals(torrent.createdBy, "m ");
});

Deno.test("parseTorrent() reads private only where it is 1", async () => {
  for (
    const [value, due] of [[1, true], [0, false], ["1", true], [2, false], [[], false]] as const
  ) {
    const torrent = await parseTorrent(torrentOf(infoV1({ private: value as Encodable })));
    assertEquals(torrent.private, due);
  }
});

Deno.test("parseTorrent() keeps where symbolic links lead, inside the torrent and to final names", async () => {
  const torrent = await parseTorrent(torrentOf(infoOfFiles([
    { length: 5, path: ["d", "file"] },
    { length: 5, path: ["d", "FILE"] },
    { length: 5, path: ["d", "file"] },
    { length: 5, path: ["e"] },
    { length: 5, path: ["e", "in"] },
    { path: ["moved"], attr: "l", "symlink path": ["e"] },
    { path: ["root"], attr: "l", "symlink path": ["d", "FILE"] },
    { length: 99, path: ["d", "near"], attr: "xl", "symlink path": ["file"] },
    { length: 0, path: ["out"], attr: "l", "symlink path": ["..", "..", "etc", "passwd"] },
    { length: 0, path: ["dir"], attr: "l", "symlink path": ["d"] },
  ])));

  assertEquals(torrent.geometry.files.map((file) => [file.path, file.bytes, file.symlink]), [
    ["t/d/file", 5, null],
    // Decided: the names differ, if in case only; the store leads the link on where it has to number one.
    ["t/d/FILE", 5, null],
    ["t/d/file.1", 5, null],
    ["t/e.1", 5, null],
    ["t/e/in", 5, null],
    ["t/moved", 0, "t/e"],
    ["t/root", 0, "t/d/FILE"],
    ["t/d/near", 0, "t/d/file"],
    ["t/out", 0, "t/etc/passwd"],
    ["t/dir", 0, "t/d"],
  ]);
});

Deno.test("parseTorrent() takes long names, and refuses those that nobody could read", async () => {
  const long = "x".repeat(4096);
  const torrent = await parseTorrent(torrentOf(infoOfFiles([{ length: 5, path: [long] }])));
  assertEquals(torrent.geometry.files[0]!.path, `t/${long}`);
  const link = { path: ["l"], attr: "l", "symlink path": [`${long}x`] };
  for (
    const info of [
      infoV1({ name: `${long}x` }),
      infoOfFiles([{ length: 5, path: ["a", `${long}x`] }]),
      infoOfFiles([{ length: 5, path: ["a"] }, link]),
    ]
  ) {
    await assertRejects(
      () => parseTorrent(torrentOf(info)),
      TorrentSyntaxError,
      "a name is 4097 bytes, limit is 4096",
    );
  }
});

Deno.test("parseTorrent() refuses paths that would take the machine's memory", async () => {
  // A megabyte of torrent whose paths come to half a gigabyte.
  const deep = Array.from({ length: 99 }, () => "x".repeat(250));
  const files = Array.from({ length: 250 }, () => ({ length: 0, path: deep }));
  await assertRejects(
    () => parseTorrent(torrentOf({ ...infoOfFiles(files) as Fields, pieces: "" })),
    TorrentSyntaxError,
    "limit is 268435456",
  );
});

Deno.test("parseTorrent() reads a torrent without content as one of no pieces", async () => {
  const torrent = await parseTorrent(torrentOf(infoV1({ length: 0, pieces: "" })));

  assertEquals(torrent.geometry.pieceCount, 0);
  assertEquals(torrent.geometry.files.length, 1);
});

/** What is refused: a change of a right torrent, what the message says, and of which value the offset is. */
const REFUSED: [name: string, info: Encodable, says: string, at: (string | number)[]][] = [
  ["no piece length", infoV1({ "piece length": undefined }), "piece length is missing", []],
  ["piece length 0", infoV1({ "piece length": 0 }), "piece length is 0", ["piece length"]],
  ["a negative piece length", infoV1({ "piece length": -1 }), "is -1", ["piece length"]],
  ["a huge piece length", infoV1({ "piece length": 2 ** 29 }), "536870912", ["piece length"]],
  ["piece length 2^64", infoV1({ "piece length": 2n ** 64n }), "1844674", ["piece length"]],
  ["piece length as text", infoV1({ "piece length": "16384" }), "is a string", ["piece length"]],
  ["no pieces", infoV1({ pieces: undefined }), '"pieces" is missing', []],
  ["61 bytes of pieces", infoV1({ pieces: new Uint8Array(61) }), "multiple of 20", ["pieces"]],
  ["a hash too few", infoV1({ pieces: new Uint8Array(40) }), "2 hashes, 3 are due", ["pieces"]],
  ["a hash too many", infoV1({ pieces: new Uint8Array(80) }), "4 hashes, 3 are due", ["pieces"]],
  ["a negative length", infoV1({ length: -1 }), "length of file is -1", ["length"]],
  ["length 2^53", infoV1({ length: 2n ** 53n }), "9007199254740992", ["length"]],
  ["neither length nor files", infoV1({ length: undefined }), "neither", []],
  ["files that are no list", infoV1({ files: 1 }), "list of files is an integer", ["files"]],
  ["no files", infoOfFiles([]), "no files", ["files"]],
  ["a file that is none", infoV1({ files: [7] }), "file 0 is an integer", ["files", 0]],
  ["a file without length", infoOfFiles([{ path: ["a"] }]), "length of file is missing", [
    "files",
    0,
  ]],
  ["a file without path", infoOfFiles([{ length: 1 }]), "path of file 0 is missing", ["files", 0]],
  ["an empty path", infoOfFiles([{ length: 1, path: [] }]), "path of file 0 is empty", [
    "files",
    0,
    "path",
  ]],
  ["a path of numbers", infoOfFiles([{ length: 1, path: ["a", 1] }]), "name 1 in the path", [
    "files",
    0,
    "path",
    1,
  ]],
  ["a deep path", infoOfFiles([{ length: 1, path: Array(101).fill("a") }]), "limit is 100", [
    "files",
    0,
    "path",
  ]],
  ["a link to nowhere", infoOfFiles([{ path: ["a"], attr: "l" }]), "symlink path is missing", [
    "files",
    0,
  ]],
  [
    "sums of 2^53",
    infoOfFiles([{ length: 2 ** 52, path: ["a"] }, { length: 2 ** 52, path: ["b"] }], {
      "piece length": 2 ** 28,
    }),
    "pieces or more, limit is",
    ["files", 0],
  ],
  ["too many pieces", infoV1({ length: 2 ** 40, "piece length": 1024 }), "limit is 2097152", []],
  ["no name", infoV1({ name: undefined }), '"name" is missing', []],
  ["a name that is none", infoV1({ name: ".." }), '"name" is empty or nothing but', ["name"]],
  ["an unprintable name", infoV1({ name: "\0\0" }), '"name" is empty or nothing but', ["name"]],
  ["a name that is a list", infoV1({ name: ["a"] }), '"name" is a list', ["name"]],
  ["meta version 3", infoV1({ "meta version": 3 }), '"meta version" is 3', ["meta version"]],
  ["info that is text", "info", '"info" is a string', []],
];

for (const [name, info, says, at] of REFUSED) {
  Deno.test(`parseTorrent() refuses ${name} and says where`, async () => {
    const bytes = torrentOf(info);
    const error = await assertRejects(() => parseTorrent(bytes), TorrentSyntaxError);
    assertStringIncludes(error.message, says);
    assertEquals(error.offset, sourceRange(bytes, ["info", ...at])!.start);
    assertStringIncludes(error.message, `(at byte ${error.offset})`);
  });
}

Deno.test("parseTorrent() refuses what is no torrent", async () => {
  const inputs: [string, string][] = [
    ["", "input ends"],
    ["<!DOCTYPE html>", "found"],
    ["4:spam", "the file is a string"],
    ["de", '"info" is missing'],
    ["d4:infod4:name1:aee", "piece length is missing"],
    ["d4:info" + "l".repeat(500) + "e".repeat(500) + "e", "deeper than"],
  ];
  for (const [input, says] of inputs) {
    const error = await assertRejects(() => parseTorrent(text(input)), TorrentSyntaxError);
    assertStringIncludes(error.message, says);
  }
});

Deno.test("parseTorrent() refuses a torrent cut off anywhere", async () => {
  const v2 = await torrentV2("t", [["a", 40000], ["d/b", 5]]);
  for (const whole of [torrentOf(infoV1(), { comment: "c" }), encode(v2)]) {
    for (let end = 0; end < whole.length; end++) {
      await assertRejects(() => parseTorrent(whole.subarray(0, end)), TorrentSyntaxError);
    }
    await parseTorrent(whole);
  }
});

Deno.test("parseTorrent() of damaged torrents gives a torrent or a TorrentSyntaxError, nothing else", async () => {
  const v2 = await torrentV2("t", [["a", 40000], ["d/b", 5]]);
  const wholes = [
    torrentOf(infoOfFiles([{ length: 5, path: ["a", "b"] }]), { "announce-list": [["http://a/"]] }),
    encode(v2),
  ];
  const edit = fc.record({ at: fc.nat(), byte: fc.nat(255) });
  const property = fc.asyncProperty(
    fc.constantFrom(...wholes),
    fc.array(edit, { minLength: 1, maxLength: 4 }),
    async (whole, edits) => {
      const bytes = whole.slice();
      for (const { at, byte } of edits) bytes[at % bytes.length] = byte;
      try {
        const torrent = await parseTorrent(bytes);
        assert(torrent.geometry.files.length > 0);
      } catch (error) {
        if (!(error instanceof TorrentSyntaxError)) throw error;
        assert(error.offset >= 0 && error.offset <= bytes.length);
      }
    },
  );
  await fc.assert(property, { numRuns: 500 });
});

Deno.test("parseInfo() reads an info dictionary alone, as a magnet link's peers send it", async () => {
  const fields: Fields = infoV1();
  const whole = await parseTorrent(torrentOf(fields));
  const torrent = await parseInfo(encode(fields));

  assertEquals(torrent.infoHash, whole.infoHash);
  assertEquals([...torrent.geometry.files], [...whole.geometry.files]);
  assertEquals(torrent.trackers, []);
  const error = await assertRejects(
    () => parseInfo(encode(infoV1({ length: -1 }))),
    TorrentSyntaxError,
  );
  assertEquals(error.offset, sourceRange(encode(infoV1({ length: -1 })), ["length"])!.start);
});
