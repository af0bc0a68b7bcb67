/** Moving and renaming the files of a store that is in use. */
import { assert, assertEquals, assertRejects } from "@std/assert";
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
import {
  exists,
  folderTest,
  goodPieces,
  list,
  mountSmallDisk,
  twoFiles,
} from "./test_folder_test.ts";

/** Goes on as a user would: some reads, then the rest is written, then all is right where it should be. */
async function goOn(store: DiskStore, torrent: TestTorrent, directory: string): Promise<void> {
  assertEquals(store.directory, directory);
  await writeAll(store, torrent);
  const all = [...Array(torrent.geometry.pieceCount).keys()];
  await assertReadable(store, torrent, all);
  assertEquals(await store.inspect(), []);
  const names = store.names();
  await store.close();
  assertEquals(await goodPieces(directory, torrent, { readOnly: true, names }), all);
}

folderTest(
  "DiskStore.move() takes files, folders and the rest of a download along",
  async (downloads, folder) => {
    const torrent = twoFiles();
    const store = await openDiskStore(torrent, downloads);
    await writePieces(store, torrent, [0, 1]);
    const progress: number[][] = [];
    await store.move(`${folder}/new/place`, { onProgress: (...figures) => progress.push(figures) });
    assertEquals(progress.at(-1), [128, 128]);
    assertEquals(await list(downloads), []);
    assertEquals(await list(`${folder}/new/place`), ["t/", "t/a", "t/deep/", "t/deep/b.part"]);
    await assertReadable(store, torrent, [0, 1]);
    await goOn(store, torrent, `${folder}/new/place`);
  },
);

folderTest(
  "DiskStore.move() leaves alone what is not the torrent's, and removes no full folder",
  async (downloads, folder) => {
    const torrent = twoFiles();
    const store = await openDiskStore(torrent, downloads);
    await writeAll(store, torrent);
    await Deno.writeTextFile(`${downloads}/t/deep/mine`, "mine");
    await store.move(`${folder}/new`);
    assertEquals(await list(downloads), ["t/", "t/deep/", "t/deep/mine"]);
    assertEquals(await list(`${folder}/new`), ["t/", "t/a", "t/deep/", "t/deep/b", "t/empty"]);
    await store.close();
  },
);

folderTest("DiskStore.move() to the folder where it is does nothing", async (downloads) => {
  const torrent = twoFiles();
  const store = await openDiskStore(torrent, downloads);
  await writeAll(store, torrent);
  const before = await store.stamps();
  await store.move(`${downloads}/`);
  assertEquals(await store.stamps(), before);
  await goOn(store, torrent, downloads);
});

folderTest("DiskStore.move() takes the parts file along", async (downloads, folder) => {
  const torrent = twoFiles();
  const priorities = new Uint8Array([2, 0, 0]);
  const store = await openDiskStore(torrent, downloads, { priorities });
  await writePieces(store, torrent, [0, 1]);
  await store.move(`${folder}/new`);
  assertEquals(await list(downloads), []);
  await assertReadable(store, torrent, [0, 1]);
  await store.setPriorities(new Uint8Array([2, 2, 2]));
  assertEquals(await list(`${folder}/new`), ["t/", "t/a", "t/deep/", "t/deep/b.part"]);
  await goOn(store, torrent, `${folder}/new`);
});

folderTest("DiskStore.move() writes over nothing", async (downloads, folder) => {
  const torrent = twoFiles();
  const store = await openDiskStore(torrent, downloads);
  await writePieces(store, torrent, [0, 1]);
  for (const name of ["t/deep/b", "t/deep/b.part"]) {
    await Deno.mkdir(`${folder}/new/t/deep`, { recursive: true });
    await Deno.writeTextFile(`${folder}/new/${name}`, "mine");
    const error = await assertStorageError(() => store.move(`${folder}/new`), "exists");
    assertEquals(error.path, `${folder}/new/${name}`);
    assertEquals(await list(`${folder}/new`), ["t/", "t/deep/", name]);
    assertEquals(await Deno.readTextFile(`${folder}/new/${name}`), "mine");
    await Deno.remove(`${folder}/new/${name}`);
  }
  await goOn(store, torrent, downloads);
});

for (
  const [what, fail] of [
    ["its commit fails", { commit: () => Promise.reject(new Error("enough")) }],
    ["its signal says so", { signal: AbortSignal.abort(new Error("enough")) }],
  ] as const
) {
  folderTest(
    `DiskStore.move() leaves everything where it was when ${what}`,
    async (downloads, folder) => {
      const torrent = twoFiles();
      const store = await openDiskStore(torrent, downloads);
      await writePieces(store, torrent, [0, 1]);
      const before = await store.stamps();
      await assertRejects(() => store.move(`${folder}/new`, fail), Error, "enough");
      assertEquals(await list(`${folder}/new`), []);
      assertEquals(await store.stamps(), before);
      await goOn(store, torrent, downloads);
    },
  );
}

folderTest(
  "DiskStore has everything at both places when a move is committed",
  async (downloads, folder) => {
    const torrent = twoFiles();
    const store = await openDiskStore(torrent, downloads);
    await writePieces(store, torrent, [0, 3]);
    await store.move(`${folder}/new`, {
      commit: async () => {
        // What is written now has to be right at whichever place the data are found.
        await writePieces(store, torrent, [1]);
        for (const place of [downloads, `${folder}/new`]) {
          assertEquals(await goodPieces(place, torrent), [0, 1, 3]);
        }
      },
    });
    assertEquals(await list(downloads), []);
    await goOn(store, torrent, `${folder}/new`);
  },
);

folderTest(
  "DiskStore.move() removes what a killed attempt left, and nothing else",
  async (downloads, folder) => {
    const torrent = twoFiles();
    const store = await openDiskStore(torrent, downloads);
    await writePieces(store, torrent, [0, 1]);
    // The state of a process that is killed in its commit.
    const copy = `${folder}/copy`;
    await store.move(`${folder}/new`, {
      commit: async () => {
        await Deno.mkdir(copy);
        const args = ["-a", downloads, `${folder}/new`, copy];
        assert((await new Deno.Command("cp", { args }).output()).success);
        throw new Error("killed");
      },
    }).catch(() => {});
    await store.close();
    assert((await list(`${copy}/new`)).includes("t/a"));
    await Deno.writeTextFile(`${copy}/new/t/mine`, "mine");
    const again = await openDiskStore(torrent, `${copy}/downloads`);
    assertEquals(piecesIn(await again.check()), [0, 1]);
    await again.move(`${copy}/new`);
    assert((await list(`${copy}/new`)).includes("t/mine"));
    await goOn(again, torrent, `${copy}/new`);
  },
);

folderTest(
  "DiskStore.rename() gives a file another path, .part name and all",
  async (downloads) => {
    const torrent = twoFiles();
    const store = await openDiskStore(torrent, downloads);
    await writePieces(store, torrent, [0, 1]);
    await store.rename(2, "t/other/c");
    await store.rename(0, "A");
    assertEquals(await list(downloads), ["A", "t/", "t/other/", "t/other/c.part"]);
    assertEquals([...store.names()], [[0, "A"], [2, "t/other/c"]]);
    await assertReadable(store, torrent, [0, 1]);
    const { names, close } = { names: store.names(), close: () => store.close() };
    await close();
    const again = await openDiskStore(torrent, downloads, { names });
    assertEquals(piecesIn(await again.check()), [0, 1]);
    await goOn(again, torrent, downloads);
  },
);

folderTest("DiskStore.rename() refuses paths that are taken or lead out", async (downloads) => {
  const torrent = makeTorrent(64, [
    { path: "t/a", bytes: 100 },
    { path: "t/b", bytes: 100 },
    { path: "t/.pad/56", bytes: 56, padding: true },
  ]);
  const store = await openDiskStore(torrent, downloads);
  await writePieces(store, torrent, [0]);
  await Deno.writeTextFile(`${downloads}/t/mine`, "mine");
  for (const path of ["../a", "/a", "t/b", "t/b/c", ""]) {
    await assertRejects(() => store.rename(0, path), RangeError, "Cannot rename");
  }
  await assertRejects(() => store.rename(2, "t/c"), RangeError, "padding");
  await assertStorageError(() => store.rename(1, "t/mine"), "exists");
  await assertStorageError(() => store.rename(1, "t/a.part"), "exists");
  await goOn(store, torrent, downloads);
  assertEquals(await Deno.readTextFile(`${downloads}/t/mine`), "mine");
});

folderTest("DiskStore.rename() keeps apart files and .part names", async (downloads) => {
  const torrent = makeTorrent(64, [{ path: "t/a", bytes: 100 }, { path: "t/b", bytes: 100 }]);
  const store = await openDiskStore(torrent, downloads);
  await writePieces(store, torrent, [0, 3]);
  await store.rename(1, "t/c.part");
  assertEquals(await list(downloads), ["t/", "t/a.part", "t/c.part.part"]);
  await store.rename(0, "t/c");
  assertEquals(await list(downloads), ["t/", "t/c.1.part", "t/c.part.part"]);
  // Now the other file's .part name would have to become the one that this file has.
  await assertStorageError(() => store.rename(1, "t/d"), "exists");
  assertEquals(await list(downloads), ["t/", "t/c.1.part", "t/c.part.part"]);
  await goOn(store, torrent, downloads);
});

folderTest(
  "DiskStore.renameTorrent() renames the torrent's folder, or its only file",
  async (downloads) => {
    const torrent = twoFiles();
    const store = await openDiskStore(torrent, downloads);
    await writePieces(store, torrent, [0, 1]);
    await store.renameTorrent("new name");
    assertEquals(await list(downloads), [
      "new name/",
      "new name/a",
      "new name/deep/",
      "new name/deep/b.part",
    ]);
    await goOn(store, torrent, downloads);
    const single = makeTorrent(64, [{ path: "one", bytes: 100 }]);
    const other = await openDiskStore(single, downloads);
    await writePieces(other, single, [1]);
    await other.renameTorrent("two");
    assert(await exists(`${downloads}/two.part`));
    await goOn(other, single, downloads);
  },
);

folderTest(
  "DiskStore that is read-only moves nothing, and none moves after close()",
  async (downloads, folder) => {
    const store = await openDiskStore(twoFiles(), downloads, { readOnly: true });
    await assertStorageError(() => store.move(`${folder}/new`), "read-only");
    await store.close();
    await assertStorageError(() => store.move(`${folder}/new`), "closed");
    assertEquals(await exists(`${folder}/new`), false);
  },
);

/** A folder on another volume than temporary files are on; null where there is none. */
async function otherVolume(folder: string): Promise<string | null> {
  try {
    const other = await Deno.makeTempDir({ dir: "/dev/shm" });
    if ((await Deno.stat(other)).dev !== (await Deno.stat(folder)).dev) return other;
    await Deno.remove(other);
  } catch {
    // no such folder
  }
  return null;
}

function volumeTest(name: string, run: (downloads: string, other: string) => Promise<void>): void {
  folderTest(name, async (downloads, folder) => {
    const other = await otherVolume(folder);
    if (other === null) {
      console.log("skipped: /dev/shm is not there, or on the volume of temporary files");
      return;
    }
    try {
      await run(downloads, other);
    } finally {
      await Deno.remove(other, { recursive: true });
    }
  });
}

const bigPiece = 1 << 20;
const big = () =>
  makeTorrent(bigPiece, [
    { path: "t/a", bytes: 12 * bigPiece + 5 },
    { path: "t/deep/b", bytes: 100 },
  ]);

volumeTest(
  "DiskStore.move() copies to another volume, holes and times and all",
  async (downloads, other) => {
    const torrent = big();
    const store = await openDiskStore(torrent, downloads);
    await writePieces(store, torrent, [0, 9]);
    const [before] = await store.stamps();
    const progress: number[][] = [];
    await store.move(`${other}/new`, { onProgress: (...figures) => progress.push(figures) });
    const [after] = await store.stamps();
    assertEquals([after!.bytes, after!.modifiedMs], [before!.bytes, before!.modifiedMs]);
    assertEquals(progress.at(-1), [before!.bytes, before!.bytes]);
    const { blocks } = await Deno.stat(`${other}/new/t/a.part`);
    if (blocks !== null) assert(blocks * 512 < 4 * bigPiece);
    assertEquals(await list(downloads), []);
    await goOn(store, torrent, `${other}/new`);
  },
);

volumeTest(
  "DiskStore writes to both places while it moves to another volume",
  async (downloads, other) => {
    const torrent = big();
    const store = await openDiskStore(torrent, downloads);
    await writePieces(store, torrent, [0, 5]);
    let isWriting = false;
    const writes: Promise<void>[] = [];
    await store.move(`${other}/new`, {
      onProgress: () => {
        if (!isWriting) writes.push(writePieces(store, torrent, [1, 5, 11]));
        isWriting = true;
      },
      commit: async () => {
        await writePieces(store, torrent, [12]); // makes a file, too
        await Promise.all(writes);
        for (const place of [downloads, `${other}/new`]) {
          assertEquals(await goodPieces(place, torrent), [0, 1, 5, 11, 12]);
        }
      },
    });
    await goOn(store, torrent, `${other}/new`);
  },
);

volumeTest(
  "DiskStore.move() to another volume leaves nothing there when it is ended",
  async (downloads, other) => {
    const torrent = big();
    const store = await openDiskStore(torrent, downloads);
    await writePieces(store, torrent, [0, 11]);
    const controller = new AbortController();
    const reason = new Error("enough");
    const moving = store.move(`${other}/new`, {
      signal: controller.signal,
      onProgress: () => controller.abort(reason),
    });
    assertEquals(await assertRejects(() => moving), reason);
    assertEquals(await list(`${other}/new`), []);
    await assertReadable(store, torrent, [0, 11]);
    await store.move(`${other}/new`);
    await goOn(store, torrent, `${other}/new`);
  },
);

volumeTest("DiskStore.close() ends a move", async (downloads, other) => {
  const torrent = big();
  const store = await openDiskStore(torrent, downloads);
  await writePieces(store, torrent, [0, 11]);
  const begun = Promise.withResolvers<void>();
  const moving = store.move(`${other}/new`, { onProgress: () => begun.resolve() });
  const failed = assertStorageError(() => moving, "closed");
  await begun.promise;
  await store.close();
  await failed;
  assertEquals(await goodPieces(downloads, torrent), [0, 11]);
});

folderTest(
  "DiskStore.move() to a volume that is too small leaves everything where it was",
  async (downloads, folder) => {
    const disk = `${folder}/disk`;
    if (!await mountSmallDisk(disk)) {
      return console.log("skipped: mounting a small tmpfs is not allowed here");
    }
    try {
      const torrent = big();
      const store = await openDiskStore(torrent, downloads);
      await writePieces(store, torrent, [0, 11]);
      await assertStorageError(() => store.move(`${disk}/new`), "disk-full");
      assertEquals(await list(`${disk}/new`), []);
      await assertReadable(store, torrent, [0, 11]);
      await goOn(store, torrent, downloads);
    } finally {
      await new Deno.Command("umount", { args: [disk] }).output();
    }
  },
);

folderTest(
  "DiskStore gives up a move, and no write, when the new volume gets full meanwhile",
  async (downloads, folder) => {
    const disk = `${folder}/disk`;
    if (!await mountSmallDisk(disk)) {
      return console.log("skipped: mounting a small tmpfs is not allowed here");
    }
    try {
      const torrent = makeTorrent(1 << 16, [
        { path: "t/a", bytes: 12 << 16 },
        { path: "t/b", bytes: 12 << 16 },
      ]);
      const store = await openDiskStore(torrent, downloads);
      await writePieces(store, torrent, [0, 11, 12]);
      let writes = Promise.resolve();
      let isWriting = false;
      const moving = store.move(disk, {
        onProgress: () => {
          if (!isWriting) writes = writePieces(store, torrent, [...Array(24).keys()]);
          isWriting = true;
          writes.catch(() => {});
        },
        // Where it got so far before the disk was full, this tells.
        commit: () => Promise.reject(new Error("it had room")),
      });
      await assertRejects(() => moving);
      // While the move is committed a write may fail; the next time it works, as after any failure.
      await writes.catch((error) => assertEquals(error.code, "disk-full"));
      assertEquals(await list(disk), []);
      await goOn(store, torrent, downloads);
    } finally {
      await new Deno.Command("umount", { args: [disk] }).output();
    }
  },
);
