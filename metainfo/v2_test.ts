import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { type Encodable, encode } from "@enjambre/bencode";
import { TorrentSyntaxError } from "./errors.ts";
import { contentOf, type Fields, torrentV2 } from "./fixtures_test.ts";
import { hexOfHash } from "./hash.ts";
import { pieceLayerOfContent, rootOfContent, rootOfPieceLayer } from "./merkle.ts";
import { parseInfo, parseTorrent } from "./torrent.ts";

type Parts = Awaited<ReturnType<typeof torrentV2>>;

/** Adds the v1 half to a v2 torrent of these files; padding after each but the last. */
function addV1(parts: Parts, files: readonly (readonly [path: string, length: number])[]): Parts {
  const list: Fields[] = [];
  let total = 0;
  files.forEach(([path, length], i) => {
    list.push({ length, path: path.split("/") });
    total += length;
    const gap = (16384 - total % 16384) % 16384;
    if (gap === 0 || i === files.length - 1) return;
    list.push({ length: gap, path: [".pad", String(gap)], attr: "p" });
    total += gap;
  });
  const pieces = new Uint8Array(20 * Math.ceil(total / 16384));
  return { ...parts, info: { ...parts.info, files: list, pieces } };
}

async function refusal(parts: Encodable): Promise<string> {
  return (await assertRejects(() => parseTorrent(encode(parts)), TorrentSyntaxError)).message;
}

Deno.test("parseTorrent() lays v2 files at piece boundaries, padding in between", async () => {
  const parts = await torrentV2("t", [["a", 20000], ["d/b", 5], ["d/empty", 0], ["z", 32768]]);
  const torrent = await parseTorrent(encode(parts));

  assertEquals(torrent.infoHash, null);
  assertEquals(torrent.infoHashV2!.length, 32);
  assertEquals(torrent.swarmHash, torrent.infoHashV2!.slice(0, 20));
  assertEquals(torrent.pieceHashes, null);
  assertEquals(
    torrent.geometry.files.map((file) => [file.path, file.bytes, file.offset, file.padding]),
    [
      ["t/a", 20000, 0, false],
      ["t/.pad/12768", 12768, 20000, true],
      ["t/d/b", 5, 32768, false],
      ["t/.pad/16379", 16379, 32773, true],
      ["t/d/empty", 0, 49152, false],
      ["t/z", 32768, 49152, false],
    ],
  );
  assertEquals(torrent.geometry.pieceCount, 5);
  assertEquals(torrent.geometry.contentBytes, 52773);
  assertEquals(torrent.fileRoots.map((root) => root !== null), [
    true,
    false,
    true,
    false,
    false,
    true,
  ]);
  assertEquals(torrent.pieceLayers.map((layer) => layer?.length ?? 0), [64, 0, 0, 0, 0, 64]);
  assertEquals(torrent.fileRoots[0]!.slice(), await rootOfContent(contentOf("a", 20000)));
});

Deno.test("parseTorrent() reads a v2 file of the torrent's own name as a single file", async () => {
  const single = await parseTorrent(encode(await torrentV2("a.txt", [["a.txt", 16384]])));
  assertEquals(single.geometry.files.map((file) => file.path), ["a.txt"]);
  const folder = await parseTorrent(encode(await torrentV2("t", [["a.txt", 16384]])));
  assertEquals(folder.geometry.files.map((file) => file.path), ["t/a.txt"]);
});

Deno.test("parseTorrent() reads a hybrid torrent with both hashes", async () => {
  const files = [["a", 20000], ["b", 0], ["c", 5]] as const;
  const torrent = await parseTorrent(encode(addV1(await torrentV2("t", files), files)));

  assertEquals([torrent.infoHash!.length, torrent.infoHashV2!.length], [20, 32]);
  assertEquals(torrent.swarmHash, torrent.infoHash!);
  assertEquals(torrent.geometry.files.map((file) => [file.path, file.offset]), [
    ["t/a", 0],
    ["t/.pad/12768", 20000],
    ["t/b", 32768],
    ["t/c", 32768],
  ]);
  assertEquals(torrent.fileRoots.map((root) => root !== null), [true, false, false, true]);
  assertEquals(torrent.pieceLayers.map((layer) => layer?.length ?? 0), [64, 0, 0, 0]);
});

Deno.test("parseTorrent() refuses a hybrid torrent whose halves differ", async () => {
  const files = [["a", 20000], ["c", 5]] as const;
  const parts = await torrentV2("t", files);
  const others: [string, readonly (readonly [string, number])[]][] = [
    ["another name", [["a", 20000], ["d", 5]]],
    ["another length", [["a", 20000], ["c", 6]]],
    ["a file too many", [...files, ["d", 5]]],
    ["a file too few", [["a", 20000]]],
    ["another order", [["c", 5], ["a", 20000]]],
    ["a deeper path", [["a", 20000], ["c/c", 5]]],
  ];
  for (const [what, v1] of others) {
    assertStringIncludes(await refusal(addV1(parts, v1)), "v1 half", what);
  }
  const noPadding = {
    ...parts,
    info: {
      ...parts.info,
      files: files.map(([path, length]) => ({ length, path: [path] })),
      pieces: new Uint8Array(40),
    },
  };
  assertStringIncludes(await refusal(noPadding), "begins inside a piece");
});

Deno.test("parseTorrent() refuses v2 torrents that break BEP 52", async () => {
  const parts = await torrentV2("t", [["a", 20000], ["b", 5]]);
  const { info } = parts;
  const layers = parts["piece layers"];
  const [key, layer] = [...layers][0] as [string, Uint8Array];
  const tree = info["file tree"] as { a: { "": Fields } };
  const withTree = (value: Encodable) => ({ ...parts, info: { ...info, "file tree": value } });
  const withEntry = (entry: Fields) =>
    withTree({ ...tree, a: { "": { ...tree.a[""], ...entry } } });
  const withLayers = (value: Encodable | undefined) => ({ ...parts, "piece layers": value });
  const withInfo = (changes: Fields) => ({ ...parts, info: { ...info, ...changes } });

  const table: [parts: Encodable, says: string][] = [
    [withInfo({ "piece length": 20000 }), "power of two from 16384"],
    [withInfo({ "piece length": 8192 }), "power of two from 16384"],
    [withInfo({ "meta version": undefined }), '"meta version" is missing'],
    [withInfo({ "meta version": "2" }), '"meta version" is a string'],
    [withInfo({ "file tree": undefined }), '"file tree" is missing'],
    [withTree({}), "no files"],
    [withTree({ a: {} }), "no files"],
    [withTree({ "": { length: 1 } }), "empty name"],
    [withTree({ a: 5 }), "entry of the file tree is an integer"],
    [withTree({ a: { "": 5 } }), "file in the file tree is an integer"],
    [withTree({ a: { "": { length: 0 }, b: {} } }), "is file and directory"],
    [withEntry({ length: -1 }), "length of file is -1"],
    [withEntry({ length: undefined }), "length of file is missing"],
    [withEntry({ "pieces root": undefined }), '"pieces root" is missing'],
    [withEntry({ "pieces root": new Uint8Array(31) }), "31 bytes, 32 are due"],
    [withEntry({ "pieces root": new Uint8Array(32) }), "all zero"],
    [withEntry({ length: 40000 }), "piece layer is 64 bytes, 96 are due"],
    [withLayers(undefined), '"piece layers" is missing'],
    [withLayers(new Map()), "piece layer of a file is missing"],
    [withLayers(new Map([[key, layer.subarray(1)]])), "63 bytes, 64 are due"],
    [withLayers(new Map([[key, layer.map((byte) => byte ^ 1)]])), "does not hash to its root"],
    [withLayers(new Map([...layers, ["x".repeat(32), layer]])), "belongs to no file"],
  ];
  for (const [broken, says] of table) assertStringIncludes(await refusal(broken), says);
});

Deno.test("parseTorrent() refuses a file tree deeper than 100 names", async () => {
  const right = await torrentV2("t", [[Array(100).fill("d").join("/"), 5]]);
  assertEquals((await parseTorrent(encode(right))).geometry.contentBytes, 5);
  const deep = await torrentV2("t", [[Array(101).fill("d").join("/"), 5]]);
  assertStringIncludes(await refusal(deep), "deeper than 100");
});

Deno.test("parseInfo() reads a v2 info dictionary without piece layers", async () => {
  const parts = await torrentV2("t", [["a", 20000]]);
  const torrent = await parseInfo(encode(parts.info));

  assertEquals(torrent.infoHashV2, (await parseTorrent(encode(parts))).infoHashV2);
  assert(torrent.fileRoots[0] !== null);
  assertEquals(torrent.pieceLayers[0], null);
});

Deno.test("hash trees have the same root by leaves and by piece layers", async () => {
  for (const bytes of [1, 16384, 16385, 32768, 100000, 16384 * 9]) {
    const content = contentOf("x", bytes);
    const root = hexOfHash(await rootOfContent(content));
    for (const pieceLength of [16384, 32768, 65536]) {
      if (bytes <= pieceLength) continue;
      const layer = await pieceLayerOfContent(content, pieceLength);
      assertEquals(layer.length, 32 * Math.ceil(bytes / pieceLength));
      assertEquals(hexOfHash(await rootOfPieceLayer(layer, pieceLength)), root);
    }
  }
});

Deno.test("the root of one block is its SHA-256, that of two the SHA-256 of both", async () => {
  const digest = async (bytes: Uint8Array<ArrayBuffer>) =>
    new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  const content = contentOf("x", 20000);
  const [a, b] = [await digest(content.slice(0, 16384)), await digest(content.slice(16384))];

  assertEquals(await rootOfContent(content.slice(0, 16384)), a);
  assertEquals(await rootOfContent(content), await digest(Uint8Array.of(...a, ...b)));
});
