import { assert, assertEquals, assertRejects } from "@std/assert";
import { BLOCK_BYTES } from "@enjambre/metainfo";
import { createHash } from "node:crypto";
import type { StorageError } from "./errors.ts";
import { KeptPlace } from "./kept_place_deno.ts";
import type { KeptStore } from "./kept_store_deno.ts";
import { type KeptStoreOptions, openKeptStore } from "./open_kept_store_deno.ts";
import { COMPLETION_UNKNOWN, decodeResume, encodeResume, resumeBytesMax } from "./resume.ts";
import { realFolder, StateFile, statePath } from "./resume_file_deno.ts";
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
import { exists, folderTest, list, twoFiles } from "./test_folder_test.ts";

/** A name for a test torrent, as its info-hash is one. */
function hashOf(torrent: TestTorrent): Uint8Array<ArrayBuffer> {
  const { files, pieceLength } = torrent.geometry;
  const layout = JSON.stringify([files, pieceLength]);
  return new Uint8Array(createHash("sha1").update(layout).digest());
}

/** Opens a store whose state is kept beside its folder. */
function open(
  torrent: TestTorrent,
  downloads: string,
  options: Partial<KeptStoreOptions> = {},
): Promise<KeptStore> {
  const kept = { ...torrent, swarmHash: hashOf(torrent) };
  return openKeptStore(kept, downloads, { stateDirectory: stateOf(downloads), ...options });
}

/** Opens, checks and closes; what was good, and which pieces were not taken on trust. */
async function reopen(
  torrent: TestTorrent,
  downloads: string,
  options: Partial<KeptStoreOptions> = {},
): Promise<number[]> {
  const store = await open(torrent, downloads, options);
  const good = piecesIn(await store.check());
  await store.close();
  return good;
}

/** Downloads some pieces and closes. */
async function download(
  torrent: TestTorrent,
  downloads: string,
  pieces: readonly number[],
): Promise<void> {
  const store = await open(torrent, downloads);
  await store.check();
  await writePieces(store, torrent, pieces);
  await store.close();
}

const stateOf = (downloads: string): string => downloads.replace(/[^/]*$/, "state");
const ALL = [0, 1, 2, 3];

/** Changes a byte of a file; with `isHidden` its time of change is as before. */
async function damage(path: string, offset: number, isHidden: boolean): Promise<void> {
  const { atime, mtime } = await Deno.stat(path);
  const bytes = await Deno.readFile(path);
  bytes[offset]! ^= 0xff;
  await Deno.writeFile(path, bytes);
  const later = new Date(mtime!.getTime() + 60_000);
  await Deno.utime(path, atime!, isHidden ? mtime! : later);
}

/** The file of resume data. */
async function resumeFile(torrent: TestTorrent, downloads: string): Promise<StateFile> {
  const path = statePath(stateOf(downloads), hashOf(torrent), await realFolder(downloads));
  return new StateFile(`${path}.resume`, resumeBytesMax(torrent.geometry));
}

testPieceStore("KeptStore", async () => {
  const folder = await Deno.makeTempDir();
  return {
    open: (torrent) => open(torrent, `${folder}/downloads`),
    keeps: true,
    tearDown: () => Deno.remove(folder, { recursive: true }),
  };
});

folderTest("KeptStore believes without reading what the files agree with", async (downloads) => {
  const torrent = twoFiles();
  await download(torrent, downloads, ALL);
  // Nobody can see that, so whoever says it is good has not read it.
  await damage(`${downloads}/t/a`, 5, true);
  assertEquals(await reopen(torrent, downloads), ALL);
});

folderTest("KeptStore verifies a file that changed, and only that", async (downloads) => {
  const torrent = twoFiles();
  await download(torrent, downloads, ALL);
  await damage(`${downloads}/t/a`, 5, true);
  await damage(`${downloads}/t/deep/b`, 149, false);
  // Piece 0 lies in `a` alone; what is verified lies in `b`, piece 1 in both.
  assertEquals(await reopen(torrent, downloads), [0, 1, 2]);
  // What was found is remembered.
  await damage(`${downloads}/t/deep/b`, 149, true);
  assertEquals(await reopen(torrent, downloads), [0, 1, 2]);
});

folderTest("KeptStore reads nothing that was missing when it ended well", async (downloads) => {
  const torrent = twoFiles();
  await download(torrent, downloads, [0, 3]);
  const path = `${downloads}/t/deep/b.part`;
  const { atime, mtime } = await Deno.stat(path);
  const { offset } = torrent.geometry.files[2]!;
  await Deno.writeFile(path, torrent.data.subarray(offset));
  await Deno.utime(path, atime!, mtime!);
  assertEquals(await reopen(torrent, downloads), [0, 3]);
});

folderTest("KeptStore looks for missing pieces after a crash", async (downloads) => {
  const torrent = twoFiles();
  await download(torrent, downloads, [0, 3]);
  const path = `${downloads}/t/deep/b.part`;
  const { atime, mtime } = await Deno.stat(path);
  const { offset } = torrent.geometry.files[2]!;
  await Deno.writeFile(path, torrent.data.subarray(offset));
  await Deno.utime(path, atime!, mtime!);
  const lock = `${downloads}/.enjambre-${hashOf(torrent).subarray(0, 4).toHex()}.lock`;
  await Deno.writeTextFile(lock, "");
  assertEquals(await reopen(torrent, downloads, { readOnly: true }), [0, 2, 3]);
  assertEquals(await reopen(torrent, downloads), [0, 2, 3]);
  assertEquals(await exists(lock), false);
});

folderTest("KeptStore takes damaged resume data for none", async (downloads) => {
  const torrent = twoFiles();
  await download(torrent, downloads, [1, 2, 3]);
  const file = await resumeFile(torrent, downloads);
  await damage(file.path, 60, true);
  await damage(`${downloads}/t/deep/b`, 149, true);
  assertEquals(await reopen(torrent, downloads), [1, 2]);
  await Deno.writeTextFile(file.path, "");
  assertEquals(await reopen(torrent, downloads), [1, 2]);
});

folderTest("KeptStore misses what was deleted, and believes the rest", async (downloads) => {
  const torrent = twoFiles();
  await download(torrent, downloads, ALL);
  await Deno.remove(`${downloads}/t/deep`, { recursive: true });
  await damage(`${downloads}/t/a`, 5, true);
  assertEquals(await reopen(torrent, downloads), [0]);
  await download(torrent, downloads, [1, 2, 3]);
  await damage(`${downloads}/t/a`, 5, true);
  assertEquals(await reopen(torrent, downloads), ALL);
});

folderTest("KeptStore writes nothing where its volume is missing", async (downloads, folder) => {
  const torrent = twoFiles();
  await download(torrent, downloads, ALL);
  // As if the data had been on another volume: the folder that is there is the mount point.
  const file = await resumeFile(torrent, downloads);
  const key = { swarmHash: hashOf(torrent), folder: await realFolder(downloads) };
  const data = decodeResume((await file.load())!, key, torrent.geometry)!;
  await file.save([encodeResume(key, { ...data, device: data.device! + 1 })]);
  const saved = await Deno.readFile(file.path);
  await Deno.rename(downloads, `${folder}/volume`);
  for (const isMountPoint of [false, true]) {
    if (isMountPoint) await Deno.mkdir(downloads);
    for (const readOnly of [false, true]) {
      const error = await assertStorageError(
        () => open(torrent, downloads, { readOnly }),
        "volume-missing",
      );
      assertEquals(
        error.message,
        `Cannot use ${downloads}: what was there is gone, and the folder is on another disk than ` +
          "before; mount the disk that it was on, or choose another folder",
      );
    }
    assertEquals(await exists(downloads), isMountPoint);
  }
  assertEquals([await list(downloads), await Deno.readFile(file.path)], [[], saved]);
  await Deno.remove(downloads);
  await Deno.rename(`${folder}/volume`, downloads);
  await damage(`${downloads}/t/a`, 5, true);
  assertEquals(await reopen(torrent, downloads), ALL);
});

folderTest(
  "KeptStore does not believe what others changed while it was open",
  async (downloads) => {
    const torrent = twoFiles();
    await download(torrent, downloads, [0, 1]);
    const store = await open(torrent, downloads);
    await store.check();
    await damage(`${downloads}/t/a`, 5, false);
    await writePieces(store, torrent, [3]);
    await store.close();
    assertEquals(await reopen(torrent, downloads), [1, 3]);
  },
);

folderTest("KeptStore believes in a later check what did not change since", async (downloads) => {
  const torrent = twoFiles();
  const store = await open(torrent, downloads);
  await store.check();
  await writeAll(store, torrent);
  assert(await store.save());
  await damage(`${downloads}/t/a`, 5, true);
  await Deno.remove(`${downloads}/t/deep/b`);
  assertEquals((await store.inspect()).map(({ fileIndex }) => fileIndex), [2]);
  assertEquals(piecesIn(await store.check()), [0]);
  await store.close();
});

folderTest("KeptStore refuses a second one on the same torrent and folder", async (downloads) => {
  const torrent = twoFiles();
  const store = await open(torrent, downloads);
  await assertStorageError(() => open(torrent, downloads), "locked");
  const other = await open(makeTorrent(64, [{ path: "other", bytes: 5 }]), downloads);
  await other.close();
  const reader = await open(torrent, downloads, { readOnly: true });
  await reader.close();
  await store.close();
  assertEquals(await reopen(torrent, downloads), []);
  assertEquals(await list(downloads), []);
});

folderTest("KeptStore saves by itself soon after progress", async (downloads) => {
  const torrent = twoFiles();
  const store = await open(torrent, downloads);
  await store.check();
  assert(await store.save());
  await writePieces(store, torrent, [1]);
  const file = await resumeFile(torrent, downloads);
  const key = { swarmHash: hashOf(torrent), folder: await realFolder(downloads) };
  const before = await file.load();
  for (;;) {
    const bytes = await file.load();
    if (bytes!.join() === before!.join()) continue;
    assertEquals(piecesIn(decodeResume(bytes!, key, torrent.geometry)!.good), [1]);
    break;
  }
  await store.close();
});

folderTest("KeptStore saves nothing where nothing is new", async (downloads) => {
  const torrent = twoFiles();
  await download(torrent, downloads, [0, 3]);
  const file = await resumeFile(torrent, downloads);
  const before = await Deno.stat(file.path);
  assertEquals(await reopen(torrent, downloads), [0, 3]);
  assertEquals((await Deno.stat(file.path)).ino, before.ino);
});

folderTest("KeptStore remembers totals", async (downloads) => {
  const torrent = twoFiles();
  const nothing = { downloadedBytes: 0, uploadedBytes: 0, completion: COMPLETION_UNKNOWN };
  const completion = { state: "to-come", toldTo: ["http://a/"] } as const;
  const totals = { downloadedBytes: 250, uploadedBytes: 7e12, completion };
  const first = await open(torrent, downloads);
  assertEquals(first.totals, nothing);
  await first.check();
  first.setTotals(totals);
  await first.close();
  const second = await open(torrent, downloads);
  assertEquals(second.totals, totals);
  await second.close();
});

folderTest("KeptStore keeps begun pieces for the next run alone", async (downloads) => {
  const torrent = makeTorrent(2 * BLOCK_BYTES, [{ path: "one", bytes: 6 * BLOCK_BYTES }]);
  const begun = [0, 2].map((piece) => {
    const data = pieceOf(torrent, piece);
    data.fill(0, BLOCK_BYTES);
    return { piece, received: new Uint8Array([0x80]), data };
  });
  const first = await open(torrent, downloads);
  await first.check();
  assertEquals(await first.takeBegun(), []);
  await first.saveBegun(begun);
  await first.close();
  const second = await open(torrent, downloads);
  await second.check();
  await writePieces(second, torrent, [0]);
  assertEquals(await second.takeBegun(), [begun[1]!]);
  assertEquals(await second.takeBegun(), []);
  await second.saveBegun([]);
  await second.close();
  const [name] = await list(stateOf(downloads));
  assertEquals(await list(stateOf(downloads)), [name!.replace(/\.begun$/, ".resume")]);
});

folderTest("KeptStore goes on where it cannot save, and says so", async (downloads, folder) => {
  const torrent = twoFiles();
  await Deno.writeTextFile(`${folder}/file`, "");
  const failures: StorageError[] = [];
  const options = {
    stateDirectory: `${folder}/file/state`,
    onSaveFailed: (error: StorageError) => failures.push(error),
  };
  const store = await open(torrent, downloads, options);
  await store.check();
  await writeAll(store, torrent);
  assertEquals(await store.save(), false);
  assertEquals(failures.map(({ code }) => code), ["not-directory"]);
  await assertReadable(store, torrent, ALL);
  await store.close();
  // The lock tells the next one that it cannot rely on what is saved.
  assertEquals((await list(downloads)).filter((name) => name.endsWith(".lock")).length, 1);
  assertEquals(await reopen(torrent, downloads), ALL);
});

folderTest("KeptStore that is read-only changes nothing but its state", async (downloads) => {
  const torrent = twoFiles();
  assertEquals(await reopen(torrent, downloads, { readOnly: true }), []);
  assertEquals(await exists(downloads), false);
  await download(torrent, downloads, ALL);
  const before = await list(downloads);
  await Deno.remove(stateOf(downloads), { recursive: true });
  assertEquals(await reopen(torrent, downloads, { readOnly: true }), ALL);
  await damage(`${downloads}/t/a`, 5, true);
  assertEquals(await reopen(torrent, downloads, { readOnly: true }), ALL);
  assertEquals(await list(downloads), before);
});

folderTest(
  "KeptStore ends a check when it is closed, and keeps what it knew",
  async (downloads) => {
    const torrent = twoFiles();
    await download(torrent, downloads, [0, 3]);
    const store = await open(torrent, downloads);
    const check = store.check().then(() => null, (error: StorageError) => error.code);
    await store.close();
    assertEquals(["closed", null].includes(await check), true);
    assertEquals(await reopen(torrent, downloads), [0, 3]);
  },
);

folderTest(
  "KeptStore remembers which files are wanted, and what it keeps of others",
  async (downloads) => {
    const torrent = twoFiles();
    const first = await open(torrent, downloads);
    await first.check();
    await first.setPriorities(new Uint8Array([2, 2, 0]));
    await writePieces(first, torrent, [0, 1]);
    await first.close();
    assertEquals((await list(downloads)).includes("t/deep/"), false);
    await damage(`${downloads}/t/a`, 5, true);
    const second = await open(torrent, downloads);
    assertEquals(second.disk.selection.priorities, new Uint8Array([2, 2, 0]));
    assertEquals(piecesIn(await second.check()), [0, 1]);
    await second.setPriorities(new Uint8Array([2, 2, 3]));
    await writePieces(second, torrent, [3]);
    await second.close();
    assertEquals(await reopen(torrent, downloads), [0, 1, 3]);
    const third = await open(torrent, downloads, { priorities: new Uint8Array([1, 2, 3]) });
    assertEquals(third.disk.selection.priorities, new Uint8Array([1, 2, 3]));
    await third.close();
  },
);

folderTest("KeptStore moves with all that it remembers", async (downloads, folder) => {
  const torrent = twoFiles();
  const store = await open(torrent, downloads);
  await store.check();
  await writePieces(store, torrent, [0, 3]);
  await store.move(`${folder}/elsewhere`);
  await assertStorageError(() => open(torrent, `${folder}/elsewhere`), "locked");
  await writePieces(store, torrent, [1]);
  await store.close();
  assertEquals(await list(downloads), []);
  assertEquals((await list(stateOf(downloads))).length, 1);
  await damage(`${folder}/elsewhere/t/a`, 5, true);
  assertEquals(await reopen(torrent, `${folder}/elsewhere`), [0, 1, 3]);
});

folderTest("KeptStore is where it was when a move fails", async (downloads, folder) => {
  const torrent = twoFiles();
  const store = await open(torrent, downloads);
  await store.check();
  await writePieces(store, torrent, [0, 3]);
  const reason = new Error("not now");
  for (const commit of [undefined, () => Promise.reject(reason)]) {
    const options = commit ? { commit } : { signal: AbortSignal.abort(reason) };
    const failure = await store.move(`${folder}/elsewhere`, options).catch((error) => error);
    assertEquals(failure, reason);
    assertEquals(await list(`${folder}/elsewhere`), []);
  }
  await assertReadable(store, torrent, [0, 3]);
  await store.close();
  assertEquals((await list(stateOf(downloads))).length, 1);
  await damage(`${downloads}/t/a.part`, 5, true);
  assertEquals(await reopen(torrent, downloads), [0, 3]);
});

folderTest("KeptStore remembers other names", async (downloads) => {
  const torrent = twoFiles();
  await download(torrent, downloads, ALL);
  const store = await open(torrent, downloads);
  await store.check();
  await store.rename(0, "t/first");
  await store.renameTorrent("mine");
  const refused = store.rename(2, "mine/other", { commit: () => Promise.reject(new Error("no")) });
  await refused.catch(() => {});
  await store.close();
  const names = ["mine/", "mine/deep/", "mine/deep/b", "mine/empty", "mine/first"];
  assertEquals(await list(downloads), names);
  await damage(`${downloads}/mine/first`, 5, true);
  assertEquals(await reopen(torrent, downloads), ALL);
});

folderTest(
  "KeptStore remembers a new name from the moment on when the files have it",
  async (downloads) => {
    const torrent = twoFiles();
    await download(torrent, downloads, ALL);
    const store = await open(torrent, downloads);
    await store.check();
    const place = await KeptPlace.of(
      { ...torrent, swarmHash: hashOf(torrent) },
      downloads,
      stateOf(downloads),
    );
    const saved: unknown[] = [];
    await store.renameTorrent("mine", {
      commit: async () => {
        saved.push((await place.load())!.names.get(2), await exists(`${downloads}/mine/deep/b`));
      },
    });
    assertEquals(saved, ["mine/deep/b", true]);
    await store.close();
  },
);

folderTest("KeptStore believes what it allocated", async (downloads) => {
  const torrent = twoFiles();
  const store = await open(torrent, downloads);
  await store.check();
  await writePieces(store, torrent, [0]);
  await store.allocate("full");
  await store.close();
  await damage(`${downloads}/t/a.part`, 5, true);
  assertEquals(await reopen(torrent, downloads), [0]);
});

folderTest("openKeptStore() leaves no lock behind when it fails", async (downloads) => {
  const torrent = { ...twoFiles(), pieceHashes: new Uint8Array(1) };
  await assertRejects(() => open(torrent, downloads), RangeError);
  assertEquals(await list(downloads), []);
});

/** A program that keeps a piece in the folder of its first argument, and its state in that of its second. */
const program = `
import { Geometry } from "@enjambre/metainfo";
import { openKeptStore } from "./mod.ts";

const data = new TextEncoder().encode("hello swarm");
const plain = { padding: false, executable: false, symlink: null };
const geometry = new Geometry(16384, [{ path: "t/hi", bytes: data.length, offset: 0, ...plain }]);
const pieceHashes = new Uint8Array(await crypto.subtle.digest("SHA-1", data));
const torrent = { geometry, pieceHashes, swarmHash: new Uint8Array(20) };
for (const expected of [0, 128]) {
  const store = await openKeptStore(torrent, Deno.args[0], { stateDirectory: Deno.args[1] });
  const [good] = await store.check();
  if (good !== expected) throw new Error("Good pieces are " + good);
  if (good === 0) console.log(await store.write(0, data), await store.save());
  await store.close();
}
`;

folderTest(
  "KeptStore needs permission for its folder and its state, no other",
  async (downloads) => {
    const folders = `${downloads},${stateOf(downloads)}`;
    const child = new Deno.Command(Deno.execPath(), {
      args: [
        ...[
          "run",
          "--no-prompt",
          "--ext=ts",
          `--allow-read=${folders}`,
          `--allow-write=${folders}`,
        ],
        ...["-", downloads, stateOf(downloads)],
      ],
      cwd: new URL(".", import.meta.url),
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(program));
    await writer.close();
    const { stdout, stderr } = await child.output();
    const [said, failure] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
    assertEquals(said, "stored true\n", failure);
  },
);
