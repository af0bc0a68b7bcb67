/** What a disk store tells of its files: stamps, the device, damage; and pieces that it believes. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { openDiskStore } from "./disk_store_deno.ts";
import { NO_FILE } from "./file_stamp.ts";
import {
  assertReadable,
  assertStorageError,
  makeTorrent,
  pieceOf,
  piecesIn,
  writeAll,
  writePieces,
} from "./store_conformance_test.ts";
import { folderTest, putFile, twoFiles } from "./test_folder_test.ts";

folderTest(
  "DiskStore believes pieces without reading them, if their files are long enough",
  async (downloads) => {
    const torrent = twoFiles();
    await putFile(downloads, torrent, 0);
    await Deno.mkdir(`${downloads}/t/deep`);
    // Zeros: reading would find them bad.
    await Deno.writeFile(`${downloads}/t/deep/b`, new Uint8Array(140));
    const store = await openDiskStore(torrent, downloads);
    const verdicts: string[] = [];
    const good = await store.check({
      believed: new Uint8Array([0b0011_0000]),
      onPiece: (piece, isGood) => verdicts.push(`${piece} ${isGood}`),
    });
    assertEquals(piecesIn(good), [0, 2]);
    assertEquals(verdicts.sort(), ["0 true", "1 false", "2 true", "3 false"]);
    await store.read(2, 0, new Uint8Array(64));
    await assertStorageError(() => store.read(3, 0, new Uint8Array(1)), "not-stored");
    await store.close();
  },
);

folderTest("DiskStore.check() refuses believed pieces of another torrent", async (downloads) => {
  const store = await openDiskStore(twoFiles(), downloads);
  await assertRejects(() => store.check({ believed: new Uint8Array(2) }), RangeError, "1 are due");
  await store.close();
});

folderTest("DiskStore.stamps() tells where each file is and how it looks", async (downloads) => {
  const torrent = makeTorrent(64, [
    { path: "t/a", bytes: 100 },
    { path: "t/.pad/28", bytes: 28, padding: true },
    { path: "t/link", bytes: 0, symlink: "t/a" },
    { path: "t/b", bytes: 100 },
    { path: "t/c", bytes: 100 },
  ]);
  const store = await openDiskStore(torrent, downloads);
  assertEquals(await store.stamps(), Array(5).fill(NO_FILE));
  await writePieces(store, torrent, [0, 1, 2]);
  const stamps = await store.stamps();
  assertEquals(stamps.map(({ place, bytes }) => `${place} ${bytes}`), [
    "final 100",
    "none 0",
    "none 0",
    "part 64",
    "none 0",
  ]);
  const info = await Deno.stat(`${downloads}/t/b.part`);
  assertEquals(stamps[3]!.modifiedMs, info.mtime!.getTime());
  assertEquals(stamps[3]!.inode, info.ino);
  await store.close();
  await assertStorageError(() => store.stamps(), "closed");
});

folderTest(
  "DiskStore.folderDevice() tells the device of a folder that is not there yet",
  async (downloads, folder) => {
    const store = await openDiskStore(twoFiles(), `${downloads}/deep/er`);
    assertEquals(await store.folderDevice(), (await Deno.stat(folder)).dev);
    await store.close();
  },
);

folderTest(
  "DiskStore.sync() takes files that grow and are finished meanwhile",
  async (downloads) => {
    const torrent = twoFiles();
    const store = await openDiskStore(torrent, downloads);
    await store.sync();
    const syncs = [];
    for (const piece of [0, 3, 1, 2]) {
      await writePieces(store, torrent, [piece]);
      syncs.push(store.sync());
    }
    await Promise.all(syncs);
    await Deno.remove(downloads, { recursive: true });
    await store.sync(); // nothing was written since, so nothing is opened
    await store.close().catch(() => {}); // the empty file cannot be made again
  },
);

folderTest("DiskStore.sync() fails where a written file is gone, each time", async (downloads) => {
  const torrent = twoFiles();
  const store = await openDiskStore(torrent, downloads);
  await writePieces(store, torrent, [0]);
  await Deno.remove(`${downloads}/t/a.part`);
  await assertStorageError(() => store.sync(), "not-found");
  await assertStorageError(() => store.sync(), "not-found");
  await store.close();
});

folderTest(
  "DiskStore.inspect() finds files that vanished, shrank or were replaced, once",
  async (downloads) => {
    const torrent = makeTorrent(64, ["a", "b", "c", "d"].map((path) => ({ path, bytes: 192 })));
    for (const i of [0, 1, 2, 3]) await putFile(downloads, torrent, i);
    const store = await openDiskStore(torrent, downloads);
    await store.check();
    assertEquals(await store.inspect(), []);
    await assertReadable(store, torrent, [0, 3, 6]); // files are open now
    await Deno.remove(`${downloads}/a`);
    await Deno.truncate(`${downloads}/b`, 100);
    await Deno.writeFile(`${downloads}/new`, new Uint8Array(192));
    await Deno.rename(`${downloads}/new`, `${downloads}/c`);
    assertEquals(await store.inspect(), [
      { fileIndex: 0, path: `${downloads}/a`, kind: "vanished", fromOffset: 0 },
      { fileIndex: 1, path: `${downloads}/b`, kind: "shrank", fromOffset: 100 },
      { fileIndex: 2, path: `${downloads}/c`, kind: "replaced", fromOffset: 0 },
    ]);
    assertEquals(await store.inspect(), []);
    for (const piece of [0, 2, 4, 5, 6, 7, 8]) {
      await assertStorageError(() => store.read(piece, 0, new Uint8Array(1)), "not-stored");
    }
    await assertReadable(store, torrent, [3, 9, 10, 11]);
    assertEquals(piecesIn(await store.check()), [3, 9, 10, 11]);
    await writeAll(store, torrent);
    await store.close();
  },
);

folderTest(
  "DiskStore.inspect() finds nothing wrong with what the store did itself",
  async (downloads) => {
    const torrent = twoFiles();
    const store = await openDiskStore(torrent, downloads);
    assertEquals(await store.inspect(), []);
    for (const piece of [3, 0, 1, 2]) {
      await writePieces(store, torrent, [piece]);
      assertEquals(await store.inspect(), []);
    }
    await store.close();
  },
);

folderTest(
  "DiskStore.write() refuses a file that was cut, so that no hole is hidden, until a check",
  async (downloads) => {
    const torrent = makeTorrent(64, [{ path: "a", bytes: 256 }, { path: "b", bytes: 64 }]);
    const store = await openDiskStore(torrent, downloads);
    await writePieces(store, torrent, [0, 1, 4]);
    await Deno.truncate(`${downloads}/a.part`, 10);
    // It would make the file longer than it was.
    const write = () => store.write(3, pieceOf(torrent, 3));
    await assertStorageError(write, "truncated");
    await assertStorageError(write, "truncated");
    assertEquals((await store.inspect()).map(({ kind }) => kind), ["shrank"]);
    assertEquals(piecesIn(await store.check()), [4]);
    await writeAll(store, torrent);
    await assertReadable(store, torrent, [0, 1, 2, 3, 4]);
    await store.close();
  },
);

folderTest("DiskStore.inspect() gives all files their turn", async (downloads) => {
  const files = Array.from({ length: 700 }, (_, i) => ({ path: `t/${i}`, bytes: 1 }));
  const torrent = makeTorrent(1024, files);
  const store = await openDiskStore(torrent, downloads);
  await writeAll(store, torrent);
  await Deno.remove(`${downloads}/t/3`);
  await Deno.remove(`${downloads}/t/650`);
  const found = [...await store.inspect(), ...await store.inspect()];
  assertEquals(found.map(({ fileIndex }) => fileIndex), [3, 650]);
  assert(found.every(({ kind }) => kind === "vanished"));
  await store.close();
});
