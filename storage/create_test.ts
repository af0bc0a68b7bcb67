import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { createHash } from "node:crypto";
import { hashScan, scanPath } from "./create_deno.ts";
import { StorageError } from "./errors.ts";
import { assertStorageError } from "./store_conformance_test.ts";
import { folderTest } from "./test_folder_test.ts";

const canLink = Deno.build.os !== "windows";

folderTest(
  "scanPath() finds files by path, byte by byte, hidden and empty ones included",
  async (root) => {
    await Deno.mkdir(`${root}/a/deep`, { recursive: true });
    await Deno.mkdir(`${root}/empty folder`);
    for (const name of ["a/deep/z", "a.txt", "a-b", ".hidden", "B", "\u{1F600}", "\uFF5E", "é"]) {
      await Deno.writeTextFile(`${root}/${name}`, name);
    }
    await Deno.writeTextFile(`${root}/a/nothing`, "");
    const scan = await scanPath(root);
    assertEquals(scan.name, "downloads");
    assertEquals(
      scan.files.map((file) => file.path.join("/")),
      [".hidden", "B", "a-b", "a.txt", "a/deep/z", "a/nothing", "é", "\uFF5E", "\u{1F600}"],
    );
    assertEquals(scan.totalBytes, 7 + 1 + 3 + 5 + 8 + 0 + 2 + 3 + 4);
    assertEquals(scan.skipped, []);
  },
);

folderTest("scanPath() takes a single file, and a path that ends in a dot", async (root) => {
  await Deno.mkdir(root);
  await Deno.writeTextFile(`${root}/one.txt`, "hello");
  const one = await scanPath(`${root}/one.txt`);
  assertEquals([one.name, one.totalBytes], ["one.txt", 5]);
  assertEquals(one.files.map((file) => file.path), [[]]);
  assertEquals((await scanPath(`${root}/.`)).name, "downloads");
  assertEquals((await scanPath(`${root}/`)).name, "downloads");
});

Deno.test({
  name: "scanPath() takes links to files, leaves out links to folders and to nothing",
  ignore: !canLink,
  fn: async () => {
    const root = await Deno.makeTempDir();
    await Deno.mkdir(`${root}/t/sub`, { recursive: true });
    await Deno.writeTextFile(`${root}/target`, "content");
    await Deno.symlink("../target", `${root}/t/file link`);
    await Deno.symlink("..", `${root}/t/sub/circle`);
    await Deno.symlink("nowhere", `${root}/t/broken`);
    await Deno.symlink("itself", `${root}/t/itself`);
    const scan = await scanPath(`${root}/t`);
    assertEquals(scan.files.map(({ path, bytes }) => [path, bytes]), [[["file link"], 7]]);
    assertEquals(scan.skipped, [`${root}/t/broken`, `${root}/t/itself`, `${root}/t/sub/circle`]);
    await Deno.remove(root, { recursive: true });
  },
});

Deno.test({
  name: "scanPath() says which name is not UTF-8, and what is neither a file nor a folder",
  ignore: Deno.build.os !== "linux",
  fn: async () => {
    const root = await Deno.makeTempDir();
    const made = await new Deno.Command("sh", {
      args: ["-c", "printf x > \"$(printf 'odd\\377')\""],
      cwd: root,
    }).output();
    assert(made.success);
    const odd = await assertStorageError(() => scanPath(root), "not-found");
    assertStringIncludes(odd.message, "its name is not UTF-8; rename it");
    const device = await assertStorageError(() => scanPath("/dev/null"), "is-directory");
    assertEquals(device.message, "Cannot read /dev/null: it is neither a file nor a folder");
    await Deno.remove(root, { recursive: true });
  },
});

folderTest("scanPath() says what is not there", async (root) => {
  const error = await assertStorageError(() => scanPath(root), "not-found");
  assertEquals(error.message, `Cannot read ${root}: it is not there, or no longer`);
});

folderTest("hashScan() hashes across files, in the order of the scan", async (root) => {
  await Deno.mkdir(`${root}/sub`, { recursive: true });
  const parts = { "a": "x".repeat(20000), "b": "", "c": "y".repeat(50000), "sub/d": "z" };
  for (const [name, text] of Object.entries(parts)) {
    await Deno.writeTextFile(`${root}/${name}`, text);
  }
  const all = new TextEncoder().encode(Object.values(parts).join(""));
  const scan = await scanPath(root);
  const told = new Set<number>();
  const { pieceHashes: hashes } = await hashScan(scan, 16384, {
    onPiece: (piece) => told.add(piece),
  });
  assertEquals(hashes!.length, 20 * 5);
  assertEquals([...told].sort(), [0, 1, 2, 3, 4]);
  for (let piece = 0; piece < 5; piece++) {
    const due = createHash("sha1").update(all.subarray(16384 * piece, 16384 * (piece + 1)))
      .digest();
    assertEquals(hashes!.slice(20 * piece, 20 * piece + 20), new Uint8Array(due));
  }
});

folderTest("hashScan() refuses a file that is not as it was scanned", async (root) => {
  await Deno.mkdir(root);
  const path = `${root}/one`;
  await Deno.writeTextFile(path, "x".repeat(40000));
  const scan = await scanPath(root);
  await Deno.truncate(path, 39999);
  const error = await assertStorageError(() => hashScan(scan, 16384), "changed");
  assertEquals(
    error.message,
    `Cannot hash ${path}: something else changed it meanwhile; try again when nothing writes to it`,
  );
  await Deno.writeTextFile(path, "x".repeat(40001));
  await assertStorageError(() => hashScan(scan, 16384), "changed");
  await Deno.writeTextFile(path, "y".repeat(40000));
  await Deno.utime(path, new Date(), new Date(Date.now() - 5000));
  await assertStorageError(() => hashScan(scan, 16384), "changed");
  await Deno.remove(path);
  await assertStorageError(() => hashScan(scan, 16384), "not-found");
});

folderTest("hashScan() ends when its signal says so", async (root) => {
  await Deno.mkdir(root);
  await Deno.writeFile(`${root}/one`, new Uint8Array(100000));
  const scan = await scanPath(root);
  const reason = new Error("enough");
  const error = await assertRejects(() =>
    hashScan(scan, 16384, { signal: AbortSignal.abort(reason) })
  );
  assertEquals(error, reason);
  assert(!(error instanceof StorageError));
});
