/** Allocation, and the figures about room. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { openDiskStore } from "./disk_store_deno.ts";
import { assertReadable, makeTorrent, pieceOf, writePieces } from "./store_conformance_test.ts";
import { exists, folderTest, goodPieces, list } from "./test_folder_test.ts";

const pieceLength = 256 * 1024;
const twoBig = () =>
  makeTorrent(pieceLength, [
    { path: "t/a", bytes: 9 * pieceLength + 100 },
    { path: "t/b", bytes: 3 * pieceLength },
  ]);

folderTest(
  "DiskStore.allocate(full) takes the room of wanted files and spares what is stored",
  async (downloads) => {
    const torrent = twoBig();
    const priorities = new Uint8Array([2, 0]);
    const store = await openDiskStore(torrent, downloads, { priorities });
    await writePieces(store, torrent, [3, 4]);
    const total = torrent.geometry.files[0]!.bytes;
    assertEquals(await store.bytesMissing(), total - 2 * pieceLength + pieceLength - 100);
    const progress: number[][] = [];
    await store.allocate("full", { onProgress: (...figures) => progress.push(figures) });
    assertEquals(progress.at(-1), [total, total]);
    const { size, blocks } = await Deno.stat(`${downloads}/t/a.part`);
    assertEquals(size, total);
    if (blocks !== null) assert(blocks * 512 >= total);
    assertEquals(await exists(`${downloads}/t/b.part`), false);
    // What piece 9 shares with the file that is not wanted goes elsewhere.
    assertEquals(await store.bytesMissing(), pieceLength - 100);
    await assertReadable(store, torrent, [3, 4]);
    await store.close();
    assertEquals(await goodPieces(downloads, torrent), [3, 4]);
  },
);

folderTest(
  "DiskStore.allocate(full) writes no zeros over pieces that come meanwhile",
  async (downloads) => {
    const torrent = twoBig();
    const store = await openDiskStore(torrent, downloads);
    const pieces = [...Array(torrent.geometry.pieceCount).keys()];
    await Promise.all([
      store.allocate("full"),
      ...pieces.map((piece) => store.write(piece, pieceOf(torrent, piece))),
    ]);
    await store.close();
    assertEquals(await goodPieces(downloads, torrent), pieces);
  },
);

folderTest(
  "DiskStore.allocate(sparse) makes nothing, and a signal ends the full one",
  async (downloads) => {
    const store = await openDiskStore(twoBig(), downloads);
    await store.allocate("sparse");
    assertEquals(await exists(downloads), false);
    const reason = new Error("enough");
    const signal = AbortSignal.abort(reason);
    assertEquals(await assertRejects(() => store.allocate("full", { signal })), reason);
    await store.close();
  },
);

folderTest(
  "DiskStore tells how much room is left, also for a folder that is not there",
  async (downloads) => {
    const torrent = twoBig();
    const store = await openDiskStore(torrent, `${downloads}/deep`);
    assertEquals(await store.bytesMissing(), torrent.geometry.totalBytes);
    assert((await store.freeBytes())! > 0);
    await writePieces(store, torrent, [...Array(torrent.geometry.pieceCount).keys()]);
    assertEquals(await store.bytesMissing(), 0);
    await store.close();
    assertEquals((await list(`${downloads}/deep`)).length, 3);
  },
);
