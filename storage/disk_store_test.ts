import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { type DiskStore, openDiskStore } from "./disk_store_deno.ts";
import type { DiskStoreOptions } from "./disk_store_options.ts";
import {
  assertReadable,
  assertStorageError,
  makeTorrent,
  pieceOf,
  piecesIn,
  testPieceStore,
  type TestTorrent,
  writeAll,
  writePieces,
} from "./store_conformance_test.ts";
import {
  exists,
  folderTest,
  goodPieces,
  list,
  putFile,
  sharedCopy,
  startCrew,
  twoFiles,
} from "./test_folder_test.ts";

/** Where the data of one torrent are, and how they are used; kept from one opening to the next. */
interface Kept {
  directory: string;
  options: DiskStoreOptions;
}

/** Whatever a disk store does beside storing: none of it may change what can be read. */
async function disturb(
  store: DiskStore,
  torrent: TestTorrent,
  kept: Kept,
  root: string,
  choice: number,
): Promise<void> {
  const kind = choice % 8;
  const variant = choice >>> 3;
  const { files } = torrent.geometry;
  if (kind < 3) {
    const priorities = Uint8Array.from(files, (_, i) => (variant >>> (i % 16)) & 1);
    kept.options = { ...kept.options, priorities };
    await store.setPriorities(priorities);
  } else if (kind === 3) {
    await store.move(`${root}/downloads${variant % 3}`);
    kept.directory = store.directory;
  } else if (kind === 4) {
    await store.renameTorrent(`u${variant % 3}-${torrent.geometry.files[0]!.path.split("/")[0]}`);
    kept.options = { ...kept.options, names: store.names() };
  } else if (kind === 5) {
    await store.allocate("full");
  } else if (kind === 6) {
    await store.sync();
  } else {
    assertEquals(await store.inspect(), []);
  }
}

/** Has a store be given its pieces as a download gives them: in memory that threads share. */
function givenShared(store: DiskStore): DiskStore {
  const write = store.write.bind(store);
  store.write = (piece, data) => write(piece, sharedCopy(data));
  return store;
}

for (
  const { openFilesMax, isShared } of [
    { openFilesMax: 1, isShared: false },
    { openFilesMax: 128, isShared: false },
    { openFilesMax: 1, isShared: true },
    { openFilesMax: 128, isShared: true },
  ]
) {
  const where = isShared ? ", on worker threads" : "";
  testPieceStore(`DiskStore with ${openFilesMax} open files at most${where}`, async () => {
    const root = await Deno.makeTempDir();
    const crew = isShared ? await startCrew(root) : null;
    const places = new WeakMap<TestTorrent, Kept>();
    const placeOf = (torrent: TestTorrent): Kept => {
      const kept = places.get(torrent) ?? { directory: `${root}/downloads0`, options: {} };
      places.set(torrent, kept);
      return kept;
    };
    return {
      open: async (torrent) => {
        const { directory, options } = placeOf(torrent);
        const store = await openDiskStore(torrent, directory, { ...options, openFilesMax });
        return isShared ? givenShared(store) : store;
      },
      keeps: true,
      disturb: (store, torrent, choice) =>
        disturb(store as DiskStore, torrent, placeOf(torrent), root, choice),
      tearDown: () => {
        crew?.end();
        return Deno.remove(root, { recursive: true });
      },
    };
  });
}

folderTest("DiskStore makes nothing before the first write", async (downloads) => {
  const store = await openDiskStore(twoFiles(), downloads);
  assertEquals(piecesIn(await store.check()), []);
  await store.close();
  assertEquals(await exists(downloads), false);
});

folderTest("DiskStore calls a file .part until its last piece is there", async (downloads) => {
  const torrent = twoFiles();
  const store = await openDiskStore(torrent, downloads);
  await writePieces(store, torrent, [0]);
  assertEquals(await list(downloads), ["t/", "t/a.part"]);
  await writePieces(store, torrent, [1]);
  assertEquals(await list(downloads), ["t/", "t/a", "t/deep/", "t/deep/b.part"]);
  await assertReadable(store, torrent, [0, 1]);
  await writePieces(store, torrent, [3]);
  await writePieces(store, torrent, [2]);
  assertEquals(await list(downloads), ["t/", "t/a", "t/deep/", "t/deep/b", "t/empty"]);
  await assertReadable(store, torrent, [0, 1, 2, 3]);
  await store.close();
  assertEquals(await Deno.readFile(`${downloads}/t/a`), torrent.data.slice(0, 100));
  assertEquals(await Deno.readFile(`${downloads}/t/deep/b`), torrent.data.slice(100));
  assertEquals(await Deno.readFile(`${downloads}/t/empty`), new Uint8Array(0));
});

folderTest("DiskStore goes on from .part files", async (downloads) => {
  const torrent = twoFiles();
  const first = await openDiskStore(torrent, downloads);
  await writePieces(first, torrent, [3, 0]);
  await first.close();
  assertEquals(await list(downloads), ["t/", "t/a.part", "t/deep/", "t/deep/b.part", "t/empty"]);
  const second = await openDiskStore(torrent, downloads);
  assertEquals(piecesIn(await second.check()), [0, 3]);
  await writePieces(second, torrent, [1, 2]);
  await second.close();
  assertEquals(await list(downloads), ["t/", "t/a", "t/deep/", "t/deep/b", "t/empty"]);
});

folderTest("DiskStore renames what a check finds whole under its .part name", async (downloads) => {
  const torrent = twoFiles();
  await putFile(downloads, torrent, 0);
  await Deno.rename(`${downloads}/t/a`, `${downloads}/t/a.part`);
  await putFile(downloads, torrent, 2);
  assertEquals(await goodPieces(downloads, torrent), [0, 1, 2, 3]);
  assertEquals(await list(downloads), ["t/", "t/a.part", "t/deep/", "t/deep/b"]);
  assertEquals(await goodPieces(downloads, torrent, {}), [0, 1, 2, 3]);
  assertEquals(await list(downloads), ["t/", "t/a", "t/deep/", "t/deep/b", "t/empty"]);
});

folderTest(
  "DiskStore repairs a damaged file in place, and only its bad pieces",
  async (downloads) => {
    const torrent = twoFiles();
    await putFile(downloads, torrent, 0);
    await putFile(downloads, torrent, 2);
    const file = await Deno.open(`${downloads}/t/deep/b`, { write: true });
    await file.seek(60, Deno.SeekMode.Start); // in piece 2
    await file.write(new Uint8Array(3));
    file.close();
    const store = await openDiskStore(torrent, downloads);
    assertEquals(piecesIn(await store.check()), [0, 1, 3]);
    assertEquals(await list(downloads), ["t/", "t/a", "t/deep/", "t/deep/b"]);
    await writePieces(store, torrent, [2]);
    await store.close();
    assertEquals(await Deno.readFile(`${downloads}/t/deep/b`), torrent.data.slice(100));
    assertEquals(await list(downloads), ["t/", "t/a", "t/deep/", "t/deep/b", "t/empty"]);
  },
);

folderTest(
  "DiskStore completes a file that is too short under its final name",
  async (downloads) => {
    const torrent = twoFiles();
    await putFile(downloads, torrent, 2);
    await Deno.truncate(`${downloads}/t/deep/b`, 149);
    await putFile(downloads, torrent, 0);
    const store = await openDiskStore(torrent, downloads);
    assertEquals(piecesIn(await store.check()), [0, 1, 2]);
    await writePieces(store, torrent, [3]);
    await store.close();
    assertEquals(await Deno.readFile(`${downloads}/t/deep/b`), torrent.data.slice(100));
  },
);

folderTest("DiskStore leaves a file that is too long as it is, and says so", async (downloads) => {
  const torrent = makeTorrent(64, [{ path: "one", bytes: 100 }]);
  await putFile(downloads, torrent, 0);
  await Deno.writeTextFile(`${downloads}/one`, "more of mine", { append: true });
  const store = await openDiskStore(torrent, downloads);
  assertEquals(piecesIn(await store.check()), [0, 1]);
  assertEquals(await store.files(), [
    {
      fileIndex: 0,
      path: `${downloads}/one`,
      bytes: 100,
      foundBytes: 112,
      badPieces: 0,
      isPart: false,
    },
  ]);
  await writeAll(store, torrent);
  await store.close();
  assertStringIncludes(await Deno.readTextFile(`${downloads}/one`), "more of mine");
});

folderTest("DiskStore cuts a .part file that is too long when it is whole", async (downloads) => {
  const torrent = makeTorrent(64, [{ path: "one", bytes: 100 }]);
  await Deno.mkdir(downloads);
  await Deno.writeFile(`${downloads}/one.part`, new Uint8Array(500));
  const store = await openDiskStore(torrent, downloads);
  assertEquals(piecesIn(await store.check()), []);
  await writeAll(store, torrent);
  await store.close();
  assertEquals(await Deno.readFile(`${downloads}/one`), torrent.data);
});

folderTest(
  "DiskStore uses the final name where both are there, and leaves the other alone",
  async (downloads) => {
    const torrent = makeTorrent(64, [{ path: "one", bytes: 100 }]);
    await putFile(downloads, torrent, 0);
    await Deno.writeTextFile(`${downloads}/one.part`, "old");
    assertEquals(await goodPieces(downloads, torrent, {}), [0, 1]);
    assertEquals(await Deno.readTextFile(`${downloads}/one.part`), "old");
  },
);

folderTest("DiskStore says so where another process finished its file", async (downloads) => {
  const torrent = makeTorrent(64, [{ path: "one", bytes: 100 }]);
  const [first, second] = [
    await openDiskStore(torrent, downloads),
    await openDiskStore(torrent, downloads),
  ];
  await writePieces(first, torrent, [0]);
  await second.check();
  await writePieces(second, torrent, [1]);
  await second.close();
  await writePieces(first, torrent, [1]).catch(() => {});
  await assertStorageError(() => first.close(), "changed");
  assertEquals(await Deno.readFile(`${downloads}/one`), torrent.data);
});

folderTest("DiskStore never renames over a file that appeared meanwhile", async (downloads) => {
  const torrent = makeTorrent(64, [{ path: "one", bytes: 100 }]);
  const store = await openDiskStore(torrent, downloads);
  await writePieces(store, torrent, [0]);
  await Deno.writeTextFile(`${downloads}/one`, "mine");
  await writePieces(store, torrent, [1]);
  await assertReadable(store, torrent, [0, 1]);
  await assertStorageError(() => store.close(), "exists");
  assertEquals(await Deno.readTextFile(`${downloads}/one`), "mine");
  assertEquals(await Deno.readFile(`${downloads}/one.part`), torrent.data);
});

folderTest(
  "DiskStore keeps apart a file and another that is called like its .part",
  async (downloads) => {
    const torrent = makeTorrent(64, [
      { path: "t/a", bytes: 100 },
      { path: "t/a.part", bytes: 100 },
      { path: "t/A.1.PART/x", bytes: 100 },
    ]);
    const store = await openDiskStore(torrent, downloads);
    for (const piece of [3, 1, 0, 2]) {
      await writePieces(store, torrent, [piece]);
      await assertReadable(store, torrent, [piece]);
    }
    assertEquals(await list(downloads), [
      "t/",
      "t/A.1.PART/",
      "t/A.1.PART/x.part",
      "t/a",
      "t/a.part",
    ]);
    await writeAll(store, torrent);
    await store.close();
    assertEquals(await goodPieces(downloads, torrent), [0, 1, 2, 3, 4]);
  },
);

folderTest("DiskStore stores a file whose name leaves no room for .part", async (downloads) => {
  const torrent = makeTorrent(64, [{ path: "t/" + "ñ".repeat(127), bytes: 100 }]);
  const store = await openDiskStore(torrent, downloads);
  await writePieces(store, torrent, [1]);
  assertEquals((await list(downloads))[1], "t/" + "ñ".repeat(125) + ".part");
  await writePieces(store, torrent, [0]);
  await store.close();
  assertEquals((await list(downloads))[1], "t/" + "ñ".repeat(127));
});

folderTest("DiskStore writes no padding", async (downloads) => {
  const torrent = makeTorrent(64, [
    { path: "t/a", bytes: 70 },
    { path: "t/.pad/58", bytes: 58, padding: true },
    { path: "t/b", bytes: 10 },
  ]);
  const store = await openDiskStore(torrent, downloads);
  await writeAll(store, torrent);
  await store.close();
  assertEquals(await list(downloads), ["t/", "t/a", "t/b"]);
});

folderTest("DiskStore leaves holes where nothing is written", async (downloads) => {
  const pieceLength = 1 << 20;
  const torrent = makeTorrent(pieceLength, [{ path: "one", bytes: 8 * pieceLength }]);
  const store = await openDiskStore(torrent, downloads);
  await writePieces(store, torrent, [7]);
  const info = await Deno.stat(`${downloads}/one.part`);
  assertEquals(info.size, 8 * pieceLength);
  if (info.blocks !== null) assert(info.blocks * 512 < 2 * pieceLength);
  await store.close();
});

folderTest("DiskStore that is read-only changes nothing", async (downloads) => {
  const torrent = twoFiles();
  const store = await openDiskStore(torrent, downloads, { readOnly: true });
  await assertStorageError(() => store.write(0, pieceOf(torrent, 0)), "read-only");
  await store.check();
  await store.close();
  assertEquals(await exists(downloads), false);
});

folderTest("DiskStore goes on when more files are touched than may be open", async (downloads) => {
  const files = Array.from({ length: 60 }, (_, i) => ({ path: `t/${i}`, bytes: 90 }));
  const torrent = makeTorrent(64, files);
  const store = await openDiskStore(torrent, downloads, { openFilesMax: 3 });
  const pieces = [...Array(torrent.geometry.pieceCount).keys()];
  await Promise.all(pieces.map((piece) => writePieces(store, torrent, [piece])));
  await Promise.all(pieces.map((piece) => assertReadable(store, torrent, [piece])));
  assertEquals(piecesIn(await store.check()), pieces);
  await store.close();
});
