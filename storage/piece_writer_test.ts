/** Pieces that are verified and written by worker threads. */
import { assert, assertEquals } from "@std/assert";
import { Geometry } from "@enjambre/metainfo";
import { openDiskStore } from "./disk_store_deno.ts";
import { StorageError } from "./errors.ts";
import { PieceCrew } from "./piece_crew_deno.ts";
import { beginPiece } from "./piece_hasher_deno.ts";
import {
  type PutJob,
  type PutPlace,
  servePieceJobs,
  type WorkerAnswer,
} from "./piece_worker_deno.ts";
import {
  assertReadable,
  assertStorageError,
  makeTorrent,
  pieceOf,
} from "./store_conformance_test.ts";
import {
  exists,
  folderTest,
  goodPieces,
  list,
  mountSmallDisk,
  sharedCopy,
  startCrew,
} from "./test_folder_test.ts";

const MIB = 1024 * 1024;

folderTest(
  "DiskStore has worker threads write what is good, many at a time",
  async (downloads, folder) => {
    const crew = await startCrew(folder);
    const torrent = makeTorrent(65536, [{ path: "t/a", bytes: 3 * MIB }, {
      path: "t/b",
      bytes: MIB,
    }]);
    const pieces = [...Array(torrent.geometry.pieceCount).keys()];
    const store = await openDiskStore(torrent, downloads);
    const wrong = sharedCopy(pieceOf(torrent, 5));
    wrong[wrong.length - 1]! ^= 1;
    assertEquals(await store.write(5, wrong), "corrupt");
    assertEquals(await exists(downloads), false);
    const shared = pieces.map((piece) => sharedCopy(pieceOf(torrent, piece)));
    // The first one has the store look whether there are threads, and join them.
    while (crew.puts() === 0) assertEquals(await store.write(0, shared[0]!), "stored");
    const stored = await Promise.all(pieces.map((piece) => store.write(piece, shared[piece]!)));
    assertEquals(new Set(stored), new Set(["stored"]));
    // Once more where the file is there: this time the thread finds out, and writes nothing of it.
    assertEquals(await store.write(5, wrong), "corrupt");
    await assertReadable(store, torrent, pieces);
    await store.close();
    assert(crew.puts() >= pieces.length);
    crew.end();
    assertEquals(await goodPieces(downloads, torrent), pieces);
  },
);

folderTest("DiskStore starts worker threads when there is enough to do", async (downloads) => {
  const torrent = makeTorrent(MIB, [{ path: "one", bytes: 24 * MIB }]);
  const store = await openDiskStore(torrent, downloads);
  for (let piece = 0; piece < torrent.geometry.pieceCount; piece++) {
    assertEquals(await store.write(piece, sharedCopy(pieceOf(torrent, piece))), "stored");
  }
  await store.close();
  assertEquals(await Deno.readFile(`${downloads}/one`), torrent.data);
});

folderTest(
  "DiskStore starts worker threads at once for a large download",
  async (downloads, folder) => {
    const file = { path: "one", bytes: 160 * MIB, offset: 0 };
    const geometry = new Geometry(MIB, [
      { ...file, padding: false, executable: false, symlink: null },
    ]);
    const zeros = new Uint8Array(MIB);
    const hash = new Uint8Array(await crypto.subtle.digest("SHA-1", zeros));
    const pieceHashes = new Uint8Array(20 * geometry.pieceCount);
    for (let piece = 0; piece < geometry.pieceCount; piece++) pieceHashes.set(hash, 20 * piece);
    const torrent = { geometry, pieceHashes, swarmHash: new Uint8Array(20) };
    const store = await openDiskStore(torrent, downloads);
    await store.check();
    const { dev } = await Deno.stat(folder);
    assert(PieceCrew.isRunning(dev));
    assertEquals(await store.write(0, sharedCopy(zeros)), "stored");
    await store.close();
    assert(!PieceCrew.isRunning(dev));
  },
);

folderTest(
  "DiskStore has worker threads close a file that gets another name",
  async (downloads, folder) => {
    const crew = await startCrew(folder);
    const torrent = makeTorrent(65536, [{ path: "t/a", bytes: MIB }, { path: "t/b", bytes: MIB }]);
    const store = await openDiskStore(torrent, downloads);
    for (const piece of [0, 1, 2, 16]) {
      assertEquals(await store.write(piece, sharedCopy(pieceOf(torrent, piece))), "stored");
    }
    await store.renameTorrent("u");
    for (const piece of [3, 4, 17]) {
      assertEquals(await store.write(piece, sharedCopy(pieceOf(torrent, piece))), "stored");
    }
    await store.move(`${downloads}2`);
    assertEquals(await store.write(5, sharedCopy(pieceOf(torrent, 5))), "stored");
    const names = store.names();
    await store.close();
    crew.end();
    assertEquals(await goodPieces(`${downloads}2`, torrent, { names }), [0, 1, 2, 3, 4, 5, 16, 17]);
    assertEquals(await list(downloads), []);
  },
);

folderTest("DiskStore says what a worker thread was told when it wrote", async (_, folder) => {
  const disk = `${folder}/disk`;
  if (!await mountSmallDisk(disk)) {
    return console.log("skipped: mounting a small tmpfs is not allowed here");
  }
  const crew = await startCrew(disk);
  try {
    await Deno.writeFile(`${disk}/ballast`, new Uint8Array(800_000));
    const torrent = makeTorrent(65536, [{ path: "t/a", bytes: 600_000 }]);
    const store = await openDiskStore(torrent, disk);
    const write = (piece: number) => store.write(piece, sharedCopy(pieceOf(torrent, piece)));
    const outcomes: unknown[] = [];
    for (let piece = 0; piece < torrent.geometry.pieceCount; piece++) {
      outcomes.push(await write(piece).catch((error: unknown) => error));
    }
    const failure = outcomes.at(-1);
    assert(failure instanceof StorageError);
    assertEquals(failure.code, "disk-full");
    assertEquals(
      failure.message,
      `Cannot write ${disk}/t/a.part: the disk is full; free some room`,
    );
    await assertReadable(
      store,
      torrent,
      outcomes.flatMap((outcome, i) => outcome === "stored" ? i : []),
    );
    await Deno.truncate(`${disk}/t/a.part`, 100);
    await assertStorageError(() => write(0), "truncated");
    await Deno.remove(`${disk}/ballast`);
    await store.check();
    for (let piece = 0; piece < torrent.geometry.pieceCount; piece++) await write(piece);
    await store.close();
    assertEquals(await Deno.readFile(`${disk}/t/a`), torrent.data);
  } finally {
    crew.end();
    await new Deno.Command("umount", { args: [disk] }).output();
  }
});

folderTest("a worker thread writes nothing but what is good, where it may", async (root) => {
  await Deno.mkdir(root);
  const torrent = makeTorrent(65536, [{ path: "one", bytes: 65536 }]);
  const answers: WorkerAnswer[] = [];
  const scope: Parameters<typeof servePieceJobs>[1] = {
    onmessage: null,
    postMessage: (answer) => void answers.push(answer),
    close: () => {},
  };
  servePieceJobs(beginPiece, scope);
  const answerTo = (job: Partial<PutJob>): WorkerAnswer => {
    const tree = { contentBytes: 0, leafCount: 1 };
    const full = {
      format: "v1",
      tree,
      data: torrent.data,
      due: torrent.pieceHashes,
      place: null,
    } as const;
    scope.onmessage!({ data: { ...full, ...job } });
    return answers.at(-1)!;
  };
  const names = Array.from({ length: 20 }, (_, i) => `${root}/${i}`);
  for (const path of names) await Deno.writeFile(path, new Uint8Array(3));

  const placeIn = (file: number, path: string, inode: number | null = null): PutPlace => {
    return { file, path, device: null, inode, offset: 10 };
  };
  assertEquals(answerTo({}), true);
  assertEquals(answerTo({ due: new Uint8Array(20) }), false);
  assertEquals(answerTo({ due: new Uint8Array(20), place: placeIn(0, names[0]!) }), false);
  assertEquals((await Deno.stat(names[0]!)).size, 3);
  // More files than it keeps open, each twice.
  for (const [file, path] of [...names, ...names].entries()) {
    const { ino } = await Deno.stat(path);
    assertEquals(answerTo({ place: placeIn(file % names.length, path, ino) }), true);
  }
  for (const path of names) {
    assertEquals((await Deno.readFile(path)).subarray(10), torrent.data);
  }
  // A file that was closed is opened anew under the path that it has then, if it is that file.
  scope.onmessage!({ data: { close: 19 } });
  assertEquals(answers.at(-1), true);
  const { ino } = await Deno.stat(names[19]!);
  await Deno.rename(names[19]!, `${root}/moved`);
  assertEquals(answerTo({ place: placeIn(19, names[19]!, ino) }), null);
  await Deno.writeTextFile(names[19]!, "somebody else's");
  assertEquals(answerTo({ place: placeIn(19, names[19]!, ino) }), null);
  assertEquals(await Deno.readTextFile(names[19]!), "somebody else's");
  assertEquals(answerTo({ place: placeIn(19, `${root}/moved`, ino) }), true);
  scope.onmessage!({ data: null });
});
