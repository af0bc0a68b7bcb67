/** What is special about some files: links, programs, names that a file system cannot hold. */
import { assert, assertEquals } from "@std/assert";
import { Geometry } from "@enjambre/metainfo";
import { diskNames } from "./disk_names.ts";
import { DiskStore, openDiskStore } from "./disk_store_deno.ts";
import { probeFolding } from "./folding_deno.ts";
import {
  assertReadable,
  makeTorrent,
  type TestTorrent,
  writeAll,
  writePieces,
} from "./store_conformance_test.ts";
import { exists, folderTest, goodPieces, list } from "./test_folder_test.ts";

const isUnix = Deno.build.os !== "windows";

function unixTest(name: string, run: (downloads: string, folder: string) => Promise<void>): void {
  if (isUnix) folderTest(name, run);
}

async function downloadAll(torrent: TestTorrent, downloads: string): Promise<DiskStore> {
  const store = await openDiskStore(torrent, downloads);
  await writeAll(store, torrent);
  return store;
}

const withLinks = () =>
  makeTorrent(64, [
    { path: "t/lib/real", bytes: 100 },
    { path: "t/link", bytes: 0, symlink: "t/lib/real" },
    { path: "t/bin/up", bytes: 0, symlink: "t/lib" },
    { path: "t/other", bytes: 30 },
  ]);

unixTest(
  "DiskStore makes the torrent's links when all is there, and they are relative",
  async (downloads, folder) => {
    const torrent = withLinks();
    const store = await openDiskStore(torrent, downloads);
    await writePieces(store, torrent, [0, 1]);
    assertEquals(await exists(`${downloads}/t/link`), false);
    await writePieces(store, torrent, [2]);
    assertEquals(await Deno.readLink(`${downloads}/t/link`), "lib/real");
    assertEquals(await Deno.readLink(`${downloads}/t/bin/up`), "../lib");
    assertEquals(await Deno.readFile(`${downloads}/t/bin/up/real`), torrent.data.slice(0, 100));
    // They go along, and lead to where the files are now.
    await store.move(`${folder}/new`);
    await store.rename(0, "t/lib/renamed");
    assertEquals(await Deno.readLink(`${folder}/new/t/link`), "lib/renamed");
    assertEquals(await list(downloads), []);
    await store.close();
  },
);

unixTest(
  "DiskStore makes no link over a file, out of the folder, or to what is not the torrent's",
  async (downloads, folder) => {
    const torrent = makeTorrent(64, [
      { path: "t/a", bytes: 100 },
      { path: "t/taken", bytes: 0, symlink: "t/a" },
      { path: "t/lost", bytes: 0, symlink: "t/nothing" },
      { path: "t/self", bytes: 0, symlink: "t/self" },
      { path: "t/x/y/z", bytes: 0, symlink: "a" },
    ]);
    const { geometry } = torrent;
    // A torrent that was not parsed may say what it likes.
    const files = geometry.files.map((file, i) => i === 4 ? { ...file, symlink: "../../a" } : file);
    const evil = { ...torrent, geometry: new Geometry(64, files) };
    await Deno.mkdir(`${downloads}/t`, { recursive: true });
    await Deno.writeTextFile(`${downloads}/t/taken`, "mine");
    await Deno.writeTextFile(`${folder}/a`, "secret");
    const store = await downloadAll(evil, downloads);
    await store.close();
    assertEquals(await list(downloads), ["t/", "t/a", "t/taken"]);
    assertEquals(await Deno.readTextFile(`${downloads}/t/taken`), "mine");
  },
);

unixTest(
  "DiskStore makes no link that a link above it would lead out",
  async (downloads, folder) => {
    const torrent = makeTorrent(64, [
      { path: "t/a", bytes: 100 },
      { path: "t/x/y/link", bytes: 0, symlink: "t/a" },
    ]);
    // From here, "../../a" is outside the download folder.
    await Deno.mkdir(`${downloads}/t/x`, { recursive: true });
    await Deno.symlink("../..", `${downloads}/t/x/y`);
    await Deno.writeTextFile(`${folder}/a`, "secret");
    const store = await downloadAll(torrent, downloads);
    await store.close();
    assertEquals(await exists(`${downloads}/link`), false);
  },
);

unixTest(
  "DiskStore makes links to files and folders whose names it had to cut",
  async (downloads) => {
    const long = "n".repeat(300);
    const torrent = makeTorrent(64, [
      { path: `t/${long}/${long}.bin`, bytes: 100 },
      { path: "t/file", bytes: 0, symlink: `t/${long}/${long}.bin` },
      { path: "t/folder", bytes: 0, symlink: `t/${long}` },
      { path: `t/${long}l`, bytes: 0, symlink: `t/${long}` },
    ]);
    const store = await downloadAll(torrent, downloads);
    const [content, link] = [store.renamed[0]!.path, store.renamed[1]!.path];
    const [, folder, name] = content.split("/");
    assertEquals(await Deno.readLink(`${downloads}/t/file`), `${folder}/${name}`);
    assertEquals(await Deno.readLink(`${downloads}/t/folder`), folder);
    assertEquals(await Deno.readFile(`${downloads}/${link}/${name}`), torrent.data);
    // Another name for all of it takes the folder along.
    await store.renameTorrent("u");
    assertEquals(await Deno.readFile(`${downloads}/u/folder/${name}`), torrent.data);
    await store.close();
  },
);

unixTest("DiskStore marks programs as programs when they are whole", async (downloads) => {
  const torrent = makeTorrent(64, [
    { path: "t/run", bytes: 100 },
    { path: "t/read", bytes: 100 },
    { path: "t/nothing", bytes: 0 },
  ]);
  const files = torrent.geometry.files.map((file, i) => ({ ...file, executable: i !== 1 }));
  const store = await downloadAll({ ...torrent, geometry: new Geometry(64, files) }, downloads);
  await store.close();
  const isProgram = async (name: string): Promise<boolean> =>
    ((await Deno.stat(`${downloads}/t/${name}`)).mode! & 0o100) !== 0;
  assertEquals([await isProgram("run"), await isProgram("read"), await isProgram("nothing")], [
    true,
    false,
    true,
  ]);
});

folderTest("DiskStore shortens a name that is too long, and says so", async (downloads) => {
  const long = "n".repeat(300);
  const torrent = makeTorrent(64, [
    { path: `t/${long}a.txt`, bytes: 100 },
    { path: `t/${long}b.txt`, bytes: 100 },
  ]);
  const store = await downloadAll(torrent, downloads);
  assertEquals(store.renamed.map(({ fileIndex, reason }) => `${fileIndex} ${reason}`), [
    "0 too-long",
    "1 too-long",
  ]);
  for (const { path } of store.renamed) assert(await exists(`${downloads}/${path}`));
  await store.close();
  assertEquals(await goodPieces(downloads, torrent), [0, 1, 2, 3]);
});

const folding = () =>
  makeTorrent(64, [
    { path: "t/a", bytes: 100 },
    { path: "t/A", bytes: 100 },
    { path: "T/b", bytes: 100 },
    { path: "t/\u00e9", bytes: 100 },
    { path: "t/e\u0301", bytes: 100 },
  ]);

folderTest(
  "DiskStore keeps names as they are that its file system tells apart",
  async (downloads, folder) => {
    await Deno.writeTextFile(`${folder}/x`, "");
    if (await exists(`${folder}/X`)) return console.log("skipped: this file system folds names");
    const torrent = folding();
    const store = await downloadAll(torrent, downloads);
    assertEquals(store.renamed, []);
    await store.close();
    assertEquals((await list(downloads)).length, 7);
  },
);

folderTest("probeFolding() finds no folding here, and leaves nothing behind", async (_, folder) => {
  await Deno.writeTextFile(`${folder}/x`, "");
  if (await exists(`${folder}/X`)) return console.log("skipped: this file system folds names");
  assertEquals(await probeFolding(folder, "id"), { cases: false, forms: false });
  assertEquals(await list(folder), ["x"]);
  assertEquals(await probeFolding(`${folder}/nowhere`, "id"), { cases: false, forms: false });
});

folderTest("DiskStore keeps its files under the names that it is given", async (downloads) => {
  const torrent = folding();
  const names = diskNames(torrent.geometry.files, { cases: true, forms: true });
  const store = new DiskStore(torrent, downloads, {}, names);
  await writeAll(store, torrent);
  await store.close();
  assertEquals(await list(downloads), [
    "T/",
    "T/b",
    "t/",
    "t/A.1",
    "t/a",
    "t/e\u0301.1",
    "t/\u00e9",
  ]);
});

/** Mounts a small ext4 that folds names; false where that is not allowed. */
async function mountFolding(image: string, at: string): Promise<boolean> {
  const run = async (command: string, ...args: string[]): Promise<boolean> => {
    try {
      const options = { args, stdout: "null", stderr: "null" } as const;
      return (await new Deno.Command(command, options).output()).success;
    } catch {
      return false;
    }
  };
  await Deno.mkdir(at);
  await Deno.writeFile(image, new Uint8Array(0));
  await Deno.truncate(image, 16 * 1024 * 1024);
  return await run("mkfs.ext4", "-q", "-O", "casefold", image) &&
    await run("mount", "-o", "loop", image, at);
}

folderTest(
  "DiskStore gives files names of their own where the file system folds them",
  async (_, folder) => {
    const disk = `${folder}/disk`;
    if (!await mountFolding(`${folder}/image`, disk)) {
      return console.log("skipped: mounting a file system that folds names is not possible here");
    }
    try {
      await Deno.mkdir(`${disk}/downloads`);
      const chattr = new Deno.Command("chattr", { args: ["+F", `${disk}/downloads`] });
      if (!(await chattr.output()).success) {
        return console.log(
          "skipped: no folder that folds names",
        );
      }
      const torrent = folding();
      const store = await downloadAll(torrent, `${disk}/downloads`);
      assertEquals(store.renamed.map(({ path }) => path), ["t/A.1", "t/e\u0301.1"]);
      await assertReadable(store, torrent, [0, 1, 2, 3, 4, 5, 6, 7]);
      await store.close();
      assertEquals(await goodPieces(`${disk}/downloads`, torrent, {}), [0, 1, 2, 3, 4, 5, 6, 7]);
    } finally {
      await new Deno.Command("umount", { args: [disk] }).output();
    }
  },
);
