import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { openDiskStore } from "./disk_store_deno.ts";
import { StorageError } from "./errors.ts";
import {
  assertReadable,
  assertStorageError,
  makeTorrent,
  pieceOf,
  piecesIn,
  writeAll,
  writePieces,
} from "./store_conformance_test.ts";
import {
  exists,
  folderTest,
  goodPieces,
  list,
  mountSmallDisk,
  putFile,
  twoFiles,
} from "./test_folder_test.ts";

folderTest("DiskStore goes on after a check that found the files gone", async (downloads) => {
  const torrent = twoFiles();
  const store = await openDiskStore(torrent, downloads);
  await writePieces(store, torrent, [0, 3]);
  await Deno.remove(downloads, { recursive: true });
  assertEquals(piecesIn(await store.check()), []);
  await assertStorageError(() => store.read(0, 0, new Uint8Array(1)), "not-stored");
  await writeAll(store, torrent);
  await store.close();
  assertEquals(await goodPieces(downloads, torrent), [0, 1, 2, 3]);
});

folderTest("DiskStore does not make a file anew that vanished under it", async (downloads) => {
  const torrent = makeTorrent(64, [{ path: "t/a", bytes: 200 }, { path: "t/b", bytes: 100 }]);
  const store = await openDiskStore(torrent, downloads, { openFilesMax: 1 });
  await writePieces(store, torrent, [0, 4]); // one open file at most: t/a is closed again
  await Deno.remove(`${downloads}/t/a.part`);
  const error = await assertStorageError(() => store.write(1, pieceOf(torrent, 1)), "not-found");
  assertEquals(error.path, `${downloads}/t/a.part`);
  assertEquals(await exists(`${downloads}/t/a.part`), false);
  await store.close();
});

folderTest("DiskStore writes no more to a file that inspect() found gone", async (downloads) => {
  const torrent = makeTorrent(64, [{ path: "t/a", bytes: 200 }]);
  const store = await openDiskStore(torrent, downloads);
  await writePieces(store, torrent, [0]);
  await Deno.remove(`${downloads}/t/a.part`);
  assertEquals((await store.inspect()).map(({ kind }) => kind), ["vanished"]);
  await assertStorageError(() => store.write(1, pieceOf(torrent, 1)), "not-found");
  await store.close();
  assertEquals(await exists(`${downloads}/t/a.part`), false);
});

folderTest("DiskStore says that a file was cut between check and read", async (downloads) => {
  const torrent = makeTorrent(64, [{ path: "one", bytes: 200 }]);
  await putFile(downloads, torrent, 0);
  const store = await openDiskStore(torrent, downloads);
  await store.check();
  await Deno.truncate(`${downloads}/one`, 100);
  await assertReadable(store, torrent, [0]);
  const error = await assertStorageError(() => store.read(1, 0, new Uint8Array(64)), "truncated");
  assertEquals(
    error.message,
    `Cannot read ${downloads}/one: the file is shorter than it should be`,
  );
  await store.close();
});

folderTest("DiskStore finds a folder where a file should be", async (downloads) => {
  const torrent = twoFiles();
  await Deno.mkdir(`${downloads}/t/a`, { recursive: true });
  const store = await openDiskStore(torrent, downloads);
  await assertStorageError(() => store.check(), "is-directory");
  const error = await assertStorageError(() => store.write(0, pieceOf(torrent, 0)), "is-directory");
  assertEquals(error.path, `${downloads}/t/a`);
  await writePieces(store, torrent, [2]); // the other file is fine
  await store.close();
});

Deno.test({
  name: "DiskStore does not open what is neither file nor folder",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    const folder = await Deno.makeTempDir();
    const torrent = makeTorrent(64, [{ path: "one", bytes: 10 }]);
    const listener = Deno.listen({ transport: "unix", path: `${folder}/one` });
    const store = await openDiskStore(torrent, folder);
    await assertStorageError(() => store.write(0, pieceOf(torrent, 0)), "is-directory");
    await assertStorageError(() => store.check(), "is-directory");
    await store.close();
    listener.close();
    await Deno.remove(folder, { recursive: true });
  },
});

folderTest("DiskStore finds a file where a folder should be", async (downloads, folder) => {
  const torrent = twoFiles();
  await Deno.mkdir(downloads);
  await Deno.writeTextFile(`${downloads}/t`, "mine");
  const store = await openDiskStore(torrent, downloads);
  await assertStorageError(() => store.check(), "not-directory");
  await assertStorageError(() => store.write(0, pieceOf(torrent, 0)), "not-directory");
  // The empty file cannot be made either; nothing was written, so close() has nothing to finish but it.
  await assertStorageError(() => store.close(), "not-directory");
  assertEquals(await Deno.readTextFile(`${downloads}/t`), "mine");
  await Deno.writeTextFile(`${folder}/file`, "");
  await assertStorageError(() => openDiskStore(torrent, `${folder}/file`), "not-directory");
  await assertStorageError(() => openDiskStore(torrent, `${folder}/file/below`), "not-directory");
});

const canLink = Deno.build.os !== "windows";

for (
  const [what, link, code] of [
    ["folder", "t/deep", "outside"],
    ["file", "t/a", "outside"],
    [".part file", "t/a.part", "outside"],
  ] as const
) {
  Deno.test({
    name: `DiskStore follows no link to a ${what} outside its folder`,
    ignore: !canLink,
    fn: async () => {
      const folder = await Deno.makeTempDir();
      const downloads = `${folder}/downloads`;
      const torrent = twoFiles();
      await Deno.mkdir(`${folder}/outside`);
      await Deno.writeFile(`${folder}/outside/b`, torrent.data.slice(100));
      await Deno.writeTextFile(`${folder}/outside/mine`, "mine");
      await Deno.mkdir(`${downloads}/t`, { recursive: true });
      const target = what === "folder" ? "outside" : "outside/mine";
      await Deno.symlink(`${folder}/${target}`, `${downloads}/${link}`);
      const store = await openDiskStore(torrent, downloads);
      const piece = what === "folder" ? 2 : 0;
      const error = await assertStorageError(
        () => store.write(piece, pieceOf(torrent, piece)),
        code,
      );
      assertEquals(error.path, `${downloads}/${link}`);
      await assertStorageError(() => store.check(), code);
      await store.close();
      assertEquals(await list(`${folder}/outside`), ["b", "mine"]);
      assertEquals(await Deno.readTextFile(`${folder}/outside/mine`), "mine");
      await Deno.remove(folder, { recursive: true });
    },
  });
}

Deno.test({
  name: "DiskStore makes no file through a link to nothing",
  ignore: !canLink,
  fn: async () => {
    const folder = await Deno.makeTempDir();
    const torrent = makeTorrent(64, [{ path: "one", bytes: 10 }]);
    await Deno.mkdir(`${folder}/downloads`);
    await Deno.symlink(`${folder}/elsewhere`, `${folder}/downloads/one`);
    const store = await openDiskStore(torrent, `${folder}/downloads`);
    await assertStorageError(() => store.write(0, pieceOf(torrent, 0)), "outside");
    await store.close();
    assertEquals(await exists(`${folder}/elsewhere`), false);
    await Deno.remove(folder, { recursive: true });
  },
});

Deno.test({
  name: "DiskStore follows links that stay inside, and a folder that is itself a link",
  ignore: !canLink,
  fn: async () => {
    const folder = await Deno.makeTempDir();
    const torrent = twoFiles();
    await Deno.mkdir(`${folder}/real/t/other`, { recursive: true });
    await Deno.symlink("other", `${folder}/real/t/deep`);
    await Deno.symlink("real", `${folder}/downloads`);
    const store = await openDiskStore(torrent, `${folder}/downloads`);
    await writeAll(store, torrent);
    await store.close();
    assertEquals(await Deno.readFile(`${folder}/real/t/other/b`), torrent.data.slice(100));
    assertEquals(await goodPieces(`${folder}/downloads`, torrent), [0, 1, 2, 3]);
    await Deno.remove(folder, { recursive: true });
  },
});

Deno.test("DiskStore says that the disk is full, keeps what is good, and goes on when room came back", async () => {
  const folder = await Deno.makeTempDir();
  const disk = `${folder}/disk`;
  if (!await mountSmallDisk(disk)) {
    console.log("skipped: mounting a small tmpfs is not allowed here");
    await Deno.remove(folder, { recursive: true });
    return;
  }
  try {
    await Deno.writeFile(`${disk}/ballast`, new Uint8Array(800_000));
    const torrent = makeTorrent(65536, [{ path: "t/a", bytes: 600_000 }]);
    const store = await openDiskStore(torrent, disk);
    const stored: number[] = [];
    let failure: unknown;
    for (let piece = 0; piece < torrent.geometry.pieceCount && failure === undefined; piece++) {
      try {
        await store.write(piece, pieceOf(torrent, piece));
        stored.push(piece);
      } catch (error) {
        failure = error;
      }
    }
    assert(failure instanceof StorageError);
    assertEquals([failure.code, failure.path], ["disk-full", `${disk}/t/a.part`]);
    assertEquals(
      failure.message,
      `Cannot write ${disk}/t/a.part: the disk is full; free some room`,
    );
    await assertReadable(store, torrent, stored);
    assertEquals(piecesIn(await store.check()), stored);
    await Deno.remove(`${disk}/ballast`);
    await writeAll(store, torrent);
    await store.close();
    assertEquals(await Deno.readFile(`${disk}/t/a`), torrent.data);
  } finally {
    await new Deno.Command("umount", { args: [disk] }).output();
    await Deno.remove(folder, { recursive: true });
  }
});

/** A program that stores a piece in the folder of its first argument. */
const program = `
import { Geometry } from "@enjambre/metainfo";
import { openDiskStore } from "./mod.ts";

const data = new TextEncoder().encode("hello swarm");
const plain = { padding: false, executable: false, symlink: null };
const geometry = new Geometry(16384, [{ path: "t/hi", bytes: data.length, offset: 0, ...plain }]);
const pieceHashes = new Uint8Array(await crypto.subtle.digest("SHA-1", data));
try {
  const store = await openDiskStore({ geometry, pieceHashes, swarmHash: new Uint8Array(20) }, Deno.args[0]);
  const verdict = await store.write(0, data);
  const target = new Uint8Array(data.length);
  await store.read(0, 0, target);
  const bitfield = await store.check();
  await store.close();
  console.log(verdict + " " + new TextDecoder().decode(target) + " " + bitfield[0]);
} catch (error) {
  console.log(error.message);
}
`;

/** Runs the program with some permissions; what it prints. */
async function runProgram(permissions: string[], downloads: string): Promise<string> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", ...permissions, "-", downloads],
    cwd: new URL(".", import.meta.url),
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(program));
  await writer.close();
  const { stdout, stderr } = await child.output();
  const decoder = new TextDecoder();
  return decoder.decode(stdout).trim() || decoder.decode(stderr);
}

folderTest(
  "DiskStore needs permission to read and write its folder, no other",
  async (downloads, folder) => {
    const read = `--allow-read=${downloads}`;
    const elsewhere = `--allow-write=${folder}/elsewhere`;
    assertStringIncludes(await runProgram([read, elsewhere], downloads), "permission is missing");
    assertEquals(await exists(downloads), false);
    const write = `--allow-write=${downloads}`;
    assertEquals(await runProgram([read, write], downloads), "stored hello swarm 128");
  },
);

folderTest("openDiskStore() refuses a torrent without hashes", async (downloads) => {
  const torrent = { ...twoFiles(), pieceHashes: null };
  await assertRejects(() => openDiskStore(torrent, downloads), TypeError, "neither v1 hashes");
});
