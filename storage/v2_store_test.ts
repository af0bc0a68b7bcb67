/** Stores of torrents that are v2 only or hybrid (BEP 52): pieces by the root of their part of a hash tree. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { buildTorrent, parseInfo, parseTorrent, type Torrent } from "@enjambre/metainfo";
import { hashScan, scanPath } from "./create_deno.ts";
import { openDiskStore } from "./disk_store_deno.ts";
import { MemoryStore } from "./memory_store.ts";
import type { HashFormat } from "./piece_hashes.ts";
import type { PieceStore } from "./store.ts";
import { piecesIn } from "./store_conformance_test.ts";
import { folderTest } from "./test_folder_test.ts";

const PIECE = 32768;
/** Below a block, below a piece, a piece, more than one, none. */
const SIZES = { a: 5, b: 20_000, c: PIECE, "d/e": 3 * PIECE + 1, f: 0 };

function contentOf(bytes: number, seed: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length: bytes }, (_, i) => 1 + (i * 31 + seed * 7) % 251);
}

/** Writes the files below `root/t` and makes a torrent of them. */
async function makeTorrent(root: string, format: HashFormat): Promise<Torrent> {
  await Deno.mkdir(`${root}/t/d`, { recursive: true });
  for (const [i, [path, bytes]] of Object.entries(SIZES).entries()) {
    await Deno.writeFile(`${root}/t/${path}`, contentOf(bytes, i));
  }
  const hashed = await hashScan(await scanPath(`${root}/t`), PIECE, { format });
  return await parseTorrent(buildTorrent({ ...hashed, name: "t", pieceLength: PIECE }));
}

/** A piece as the wire carries it, padding included. */
async function pieceOf(
  root: string,
  torrent: Torrent,
  piece: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const { geometry } = torrent;
  const data = new Uint8Array(geometry.pieceBytes(piece));
  const spans: [path: string, offset: number, begin: number, bytes: number][] = [];
  geometry.forEachSpan(piece, 0, data.length, (file, offset, begin, bytes) => {
    const { path, padding } = geometry.files[file]!;
    if (!padding) spans.push([path, offset, begin, bytes]);
  });
  for (const [path, offset, begin, bytes] of spans) {
    const content = await Deno.readFile(`${root}/${path}`);
    data.set(content.subarray(offset, offset + bytes), begin);
  }
  return data;
}

for (const format of ["v2", "hybrid"] as const) {
  folderTest(
    `openDiskStore() checks a ${format} torrent, and finds what is damaged`,
    async (root) => {
      const torrent = await makeTorrent(root, format);
      assertEquals(torrent.geometry.pieceCount, 7);
      const good = async (): Promise<number[]> => {
        const store = await openDiskStore(torrent, root, { readOnly: true });
        const found = piecesIn(await store.check());
        await store.close();
        return found;
      };
      assertEquals(await good(), [0, 1, 2, 3, 4, 5, 6]);
      using file = await Deno.open(`${root}/t/d/e`, { write: true });
      await file.seek(PIECE + 20_000, Deno.SeekMode.Start);
      await file.write(new Uint8Array([0]));
      await Deno.truncate(`${root}/t/b`, 19_999);
      await Deno.remove(`${root}/t/a`);
      assertEquals(await good(), [2, 3, 5, 6]);
    },
  );

  for (const kind of ["disk", "memory"]) {
    folderTest(
      `a ${kind} store of a ${format} torrent takes good pieces and no others`,
      async (root) => {
        const torrent = await makeTorrent(root, format);
        const store: PieceStore = kind === "memory"
          ? new MemoryStore(torrent)
          : await openDiskStore(torrent, `${root}/copy`);
        for (let piece = 0; piece < torrent.geometry.pieceCount; piece++) {
          const data = await pieceOf(root, torrent, piece);
          data[0]! ^= 1;
          assertEquals(await store.write(piece, data), "corrupt");
          data[0]! ^= 1;
          assertEquals(await store.write(piece, data), "stored");
          const read = new Uint8Array(data.length);
          await store.read(piece, 0, read);
          assertEquals(read, data);
        }
        assertEquals(piecesIn(await store.check()).length, torrent.geometry.pieceCount);
        await store.close();
        if (kind === "memory") return;
        for (const path of Object.keys(SIZES)) {
          assertEquals(
            await Deno.readFile(`${root}/copy/t/${path}`),
            await Deno.readFile(`${root}/t/${path}`),
          );
        }
      },
    );
  }
}

folderTest(
  "a v2 torrent of which only the info dictionary is known has too few hashes",
  async (root) => {
    const torrent = await parseInfo((await makeTorrent(root, "v2")).infoBytes);
    assertThrows(() => new MemoryStore(torrent), TypeError, "piece layers");
    const small = { ...torrent, pieceLayers: [new Uint8Array(32)] };
    assertThrows(() => new MemoryStore(small), TypeError, "piece layers");
  },
);

folderTest("hashScan() lays files at pieces where it is told to, and says where", async (root) => {
  await makeTorrent(root, "v2");
  const scan = await scanPath(`${root}/t`);
  const plain = await hashScan(scan, PIECE);
  assertEquals(plain.files, scan.files);
  assertEquals([plain.pieceHashes!.length, plain.fileRoots, plain.pieceLayers], [
    20 * 5,
    null,
    null,
  ]);
  const aligned = await hashScan(scan, PIECE, { align: true });
  assertEquals(aligned.files.map(({ bytes }) => bytes), [
    5,
    32763,
    20_000,
    12_768,
    PIECE,
    98_305,
    0,
  ]);
  const hybrid = await hashScan(scan, PIECE, { format: "hybrid" });
  assertEquals(hybrid.files.length, aligned.files.length + 1);
  assertEquals(hybrid.files.filter(({ padding }) => padding).length, 3);
  assertEquals(hybrid.fileRoots!.map((root) => root?.length ?? 0), [32, 0, 32, 0, 32, 32, 0, 0]);
  assertEquals(hybrid.pieceLayers!.map((layer) => layer?.length ?? 0), [0, 0, 0, 0, 0, 128, 0, 0]);
  const v2 = await hashScan(scan, PIECE, { format: "v2" });
  assertEquals([v2.pieceHashes, v2.files.length], [null, scan.files.length]);
  assertEquals(v2.fileRoots, hybrid.fileRoots!.filter((_, i) => !hybrid.files[i]!.padding));
  // Small files share no piece, so what comes before one does not change its hash.
  assert(v2.fileRoots!.every((root, i) => (root === null) === (v2.files[i]!.bytes === 0)));
});
