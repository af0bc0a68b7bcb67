/** Torrents that other programs made of known content: the same info dictionary comes out here. */
import { assert, assertEquals } from "@std/assert";
import { type BencodeValue, decode } from "@enjambre/bencode";
import {
  buildTorrent,
  type FileSpec,
  hexOfHash,
  parseInfo,
  parseTorrent,
  pieceLayerOfContent,
  rootOfContent,
  type Torrent,
} from "@enjambre/metainfo";
import { bytesOfHex, readCases, readTestdata, type VectorCase, vectorTest } from "./testdata.ts";

const FOLDER = "webtorrent/";

/** Reads the content that a torrent describes, files in its order; padding is zeros. */
function contentOf(torrent: Torrent, input: string): Uint8Array {
  const content = new Uint8Array(torrent.geometry.totalBytes);
  for (const file of torrent.geometry.files) {
    if (file.padding) continue;
    const inner = file.path.split("/").slice(1).map((name) => `/${name}`).join("");
    content.set(readTestdata(FOLDER + input + inner), file.offset);
  }
  return content;
}

async function hashPieces(content: Uint8Array, pieceLength: number): Promise<Uint8Array> {
  const hashes = new Uint8Array(20 * Math.ceil(content.length / pieceLength));
  for (let piece = 0; piece * pieceLength < content.length; piece++) {
    const bytes = content.slice(piece * pieceLength, (piece + 1) * pieceLength);
    hashes.set(new Uint8Array(await crypto.subtle.digest("SHA-1", bytes)), 20 * piece);
  }
  return hashes;
}

for (const test of readCases("vectors/create_torrent.json")) {
  const kind = test.options.kind ?? "v1";
  vectorTest(`${kind} torrent of ${test.id} has the stated content and hashes`, async () => {
    const torrent = test.info_hex === undefined
      ? await parseTorrent(readTestdata(`${FOLDER}leaves.torrent`)) // the case states only its hash
      : await parseInfo(bytesOfHex(test.info_hex));
    assertEquals(torrent.infoHash && hexOfHash(torrent.infoHash), test.infohash_v1 ?? null);
    assertEquals(torrent.infoHashV2 && hexOfHash(torrent.infoHashV2), test.infohash_v2 ?? null);
    const content = contentOf(torrent, test.input);
    const { geometry } = torrent;
    if (torrent.pieceHashes !== null) {
      assertEquals(await hashPieces(content, geometry.pieceLength), torrent.pieceHashes.slice());
    }
    for (const [i, file] of geometry.files.entries()) {
      const root = torrent.fileRoots[i];
      if (!root) continue;
      const bytes = content.subarray(file.offset, file.offset + file.bytes);
      assertEquals(hexOfHash(await rootOfContent(bytes)), hexOfHash(root));
      const layerHash: string | undefined = test.piece_layers?.[hexOfHash(root)];
      if (layerHash === undefined) continue;
      const layer = await pieceLayerOfContent(bytes, geometry.pieceLength);
      const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", layer));
      assertEquals(hexOfHash(digest), layerHash);
    }
    await checkBuilt(test, torrent, content);
  });
}

/** Builds the torrent again from its content. */
async function checkBuilt(test: VectorCase, torrent: Torrent, content: Uint8Array): Promise<void> {
  const isV2 = torrent.infoHashV2 !== null;
  const pieceLength: number = test.options.piece_length;
  const files: FileSpec[] = [];
  const fileRoots: (Uint8Array | null)[] = [];
  const pieceLayers: (Uint8Array | null)[] = [];
  for (const { path, bytes, offset, padding } of torrent.geometry.files) {
    // The padding of a torrent that is only v2 is the geometry's own.
    if (padding && torrent.infoHash === null) continue;
    // Padding of one size has one path in a torrent; read, each has a path of its own.
    const inner = padding ? [".pad", String(bytes)] : path.split("/").slice(1);
    files.push({ path: inner, bytes, padding });
    const data = content.subarray(offset, offset + bytes);
    const hasTree = !padding && bytes > 0;
    fileRoots.push(hasTree ? await rootOfContent(data) : null);
    const hasLayer = hasTree && bytes > pieceLength;
    pieceLayers.push(hasLayer ? await pieceLayerOfContent(data, pieceLength) : null);
  }
  const built = await parseTorrent(buildTorrent({
    name: torrent.name,
    files,
    pieceLength,
    pieceHashes: torrent.infoHash === null ? null : await hashPieces(content, pieceLength),
    ...(isV2 ? { fileRoots, pieceLayers } : {}),
    private: test.options.private === 1,
    trackers: [["http://tracker.example/announce"]],
    comment: "does not change the info-hash",
  }));
  if (test.options.private === 0) {
    // Transmission wrote `private: 0`, which is the default; here only 1 is written.
    const stated = decode(torrent.infoBytes) as Map<string, BencodeValue>;
    assertEquals(stated.get("private"), 0);
    stated.delete("private");
    assertEquals(decode(built.infoBytes), stated);
  } else {
    assertEquals(built.infoHash && hexOfHash(built.infoHash), test.infohash_v1 ?? null);
    assertEquals(built.infoHashV2 && hexOfHash(built.infoHashV2), test.infohash_v2 ?? null);
  }
}

vectorTest("creation: there are cases of v1, v2 and hybrid torrents", () => {
  const kinds = readCases("vectors/create_torrent.json").map((test) => test.options.kind ?? "v1");
  for (const kind of ["v1", "v2", "hybrid"]) assert(kinds.includes(kind), kind);
});
