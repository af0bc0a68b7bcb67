/** Files that are not wanted, and the parts file. */
import { assertEquals, assertRejects } from "@std/assert";
import { type DiskStore, openDiskStore } from "./disk_store_deno.ts";
import {
  assertReadable,
  assertStorageError,
  makeTorrent,
  piecesIn,
  type TestTorrent,
  writeAll,
  writePieces,
} from "./store_conformance_test.ts";
import { exists, folderTest, goodPieces, list } from "./test_folder_test.ts";

/** Pieces: 0 in a, 1 in a and b, 2 in b, 3 in b and c, 4 in c. */
const threeFiles = (): TestTorrent =>
  makeTorrent(64, [
    { path: "t/a", bytes: 100 },
    { path: "t/b", bytes: 100 },
    { path: "t/c", bytes: 100 },
    { path: "t/empty", bytes: 0 },
  ]);

const onlyB = new Uint8Array([0, 2, 0, 0]);
const all = new Uint8Array([2, 2, 2, 2]);

function partsOf({ swarmHash }: TestTorrent): string {
  return `.enjambre-${swarmHash.slice(0, 4).toHex()}.parts`;
}

async function openWithB(torrent: TestTorrent, downloads: string): Promise<DiskStore> {
  return await openDiskStore(torrent, downloads, { priorities: onlyB });
}

folderTest(
  "DiskStore makes no file of what is not wanted, and can read it all the same",
  async (downloads) => {
    const torrent = threeFiles();
    const store = await openWithB(torrent, downloads);
    assertEquals([store.selection.wantedBytes, store.selection.wantedPieces], [100, 3]);
    await writePieces(store, torrent, [3, 1, 2]);
    assertEquals(await list(downloads), [partsOf(torrent), "t/", "t/b"]);
    await assertReadable(store, torrent, [1, 2, 3]);
    assertEquals(piecesIn(await store.check()), [1, 2, 3]);
    await assertReadable(store, torrent, [1, 2, 3]);
    await store.close();
    assertEquals(await list(downloads), [partsOf(torrent), "t/", "t/b"]);
    // Opened again: whatever is wanted then, nothing of it is lost.
    assertEquals(await goodPieces(downloads, torrent), [1, 2, 3]);
    assertEquals(await goodPieces(downloads, torrent, { priorities: onlyB }), [1, 2, 3]);
  },
);

folderTest(
  "DiskStore.setPriorities() takes out of the parts file what is wanted now",
  async (downloads) => {
    const torrent = threeFiles();
    const store = await openWithB(torrent, downloads);
    await writePieces(store, torrent, [1, 2, 3]);
    await store.setPriorities(new Uint8Array([2, 2, 0, 0]));
    assertEquals(await list(downloads), [partsOf(torrent), "t/", "t/a.part", "t/b"]);
    await assertReadable(store, torrent, [1, 2, 3]);
    await writePieces(store, torrent, [0]);
    assertEquals(await list(downloads), [partsOf(torrent), "t/", "t/a", "t/b"]);
    await store.setPriorities(all);
    assertEquals(await list(downloads), ["t/", "t/a", "t/b", "t/c.part"]);
    await writePieces(store, torrent, [4]);
    await store.close();
    assertEquals(await list(downloads), ["t/", "t/a", "t/b", "t/c", "t/empty"]);
    assertEquals(await Deno.readFile(`${downloads}/t/c`), torrent.data.slice(200));
  },
);

folderTest(
  "DiskStore takes out of the parts file what is wanted when it is opened",
  async (downloads) => {
    const torrent = threeFiles();
    const first = await openWithB(torrent, downloads);
    await writePieces(first, torrent, [1, 2, 3]);
    await first.close();
    const second = await openDiskStore(torrent, downloads);
    assertEquals(piecesIn(await second.check()), [1, 2, 3]);
    assertEquals(await list(downloads), ["t/", "t/a.part", "t/b", "t/c.part"]);
    await writeAll(second, torrent);
    await second.close();
    assertEquals(await goodPieces(downloads, torrent), [0, 1, 2, 3, 4]);
  },
);

folderTest("DiskStore leaves a file where it is that is no longer wanted", async (downloads) => {
  const torrent = threeFiles();
  const store = await openDiskStore(torrent, downloads);
  await writePieces(store, torrent, [0]);
  await store.setPriorities(onlyB);
  await writePieces(store, torrent, [1, 2, 3]);
  assertEquals(await list(downloads), [partsOf(torrent), "t/", "t/a", "t/b"]);
  // A piece that came too late to be not wanted is kept like any other.
  await writePieces(store, torrent, [4]);
  assertEquals(
    await list(downloads),
    ["t/", "t/a", "t/b", "t/c"].toSpliced(0, 0, partsOf(torrent)),
  );
  await assertReadable(store, torrent, [0, 1, 2, 3, 4]);
  await store.check();
  assertEquals(await list(downloads), ["t/", "t/a", "t/b", "t/c"]);
  await store.close();
});

folderTest(
  "DiskStore finds bad what the parts file has lost, and fetches it again",
  async (downloads) => {
    const torrent = threeFiles();
    const store = await openWithB(torrent, downloads);
    await writePieces(store, torrent, [1, 2, 3]);
    const path = `${downloads}/${partsOf(torrent)}`;
    assertEquals(await store.inspect(), []);
    assertEquals(
      (await store.stamps()).map(({ place, bytes }) => `${place} ${bytes}`),
      [
        "part 128",
        "final 100",
        "part 128",
        "none 0",
      ].map((text) => text.replaceAll("128", String(Deno.statSync(path).size))),
    );
    await Deno.remove(path);
    assertEquals((await store.inspect()).map(({ fileIndex, kind }) => `${fileIndex} ${kind}`), [
      "0 vanished",
      "2 vanished",
    ]);
    await assertStorageError(() => store.read(1, 0, new Uint8Array(1)), "not-stored");
    await assertReadable(store, torrent, [2]);
    assertEquals(piecesIn(await store.check()), [2]);
    await writePieces(store, torrent, [1, 3]);
    await assertReadable(store, torrent, [1, 2, 3]);
    await store.close();
  },
);

folderTest("DiskStore that is read-only takes nothing out of the parts file", async (downloads) => {
  const torrent = threeFiles();
  const first = await openWithB(torrent, downloads);
  await writePieces(first, torrent, [1, 2, 3]);
  await first.close();
  const store = await openDiskStore(torrent, downloads, { readOnly: true, priorities: onlyB });
  await store.check();
  await store.setPriorities(all);
  await assertReadable(store, torrent, [1, 2, 3]);
  await store.close();
  assertEquals(await list(downloads), [partsOf(torrent), "t/", "t/b"]);
});

folderTest("DiskStore needs no parts file where every piece is one file's", async (downloads) => {
  const torrent = makeTorrent(64, [
    { path: "t/a", bytes: 70 },
    { path: "t/.pad/58", bytes: 58, padding: true },
    { path: "t/b", bytes: 64 },
  ]);
  const store = await openDiskStore(torrent, downloads, { priorities: new Uint8Array([2, 0, 0]) });
  await writePieces(store, torrent, [0, 1]);
  await store.close();
  assertEquals(await list(downloads), ["t/", "t/a"]);
});

folderTest(
  "DiskStore makes wanted empty files when all that is wanted is there",
  async (downloads) => {
    const torrent = makeTorrent(64, [
      { path: "t/a", bytes: 64 },
      { path: "t/b", bytes: 64 },
      { path: "t/e", bytes: 0 },
      { path: "t/f", bytes: 0 },
    ]);
    const priorities = new Uint8Array([2, 0, 2, 0]);
    const store = await openDiskStore(torrent, downloads, { priorities });
    await writePieces(store, torrent, [0]);
    assertEquals(await list(downloads), ["t/", "t/a", "t/e"]);
    await store.close();
  },
);

folderTest("DiskStore.setPriorities() refuses a choice for another torrent", async (downloads) => {
  const store = await openDiskStore(threeFiles(), downloads);
  await assertRejects(() => store.setPriorities(new Uint8Array(2)), RangeError, "4 files");
  await store.close();
  await assertStorageError(() => store.setPriorities(all), "closed");
  assertEquals(await exists(downloads), false);
});
