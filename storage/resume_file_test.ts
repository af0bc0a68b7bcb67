import { assertEquals, assertNotEquals } from "@std/assert";
import { realFolder, StateFile, statePath } from "./resume_file_deno.ts";
import { assertStorageError } from "./store_conformance_test.ts";
import { exists, folderTest, list } from "./test_folder_test.ts";

const bytes = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text);

folderTest("StateFile gives back what it was given, and the newest of it", async (_, folder) => {
  const file = new StateFile(`${folder}/a/b/state`, 100);
  assertEquals(await file.load(), null);
  await file.save([bytes("one"), bytes(""), bytes("two")]);
  assertEquals(await file.load(), bytes("onetwo"));
  await file.save([bytes("three")]);
  assertEquals(await file.load(), bytes("three"));
  assertEquals(await list(folder), ["a/", "a/b/", "a/b/state"]);
  await file.remove();
  await file.remove();
  assertEquals(await file.load(), null);
});

folderTest(
  "StateFile reads nothing that is damaged, cut, too big or no file",
  async (_, folder) => {
    const path = `${folder}/state`;
    const file = new StateFile(path, 10);
    await file.save([bytes("0123456789")]);
    const whole = await Deno.readFile(path);
    for (let i = 0; i < whole.length; i++) {
      const damaged = whole.slice();
      damaged[i]! ^= 1;
      await Deno.writeFile(path, damaged);
      assertEquals(await file.load(), null, `byte ${i}`);
      await Deno.writeFile(path, whole.slice(0, i));
      assertEquals(await file.load(), null, `cut at ${i}`);
    }
    await file.save([bytes("0123456789+")]);
    assertEquals(await file.load(), null);
    await file.remove();
    await Deno.mkdir(path);
    assertEquals(await file.load(), null);
  },
);

folderTest("StateFile keeps the old content when it cannot write the new", async (_, folder) => {
  const file = new StateFile(`${folder}/state`, 100);
  await file.save([bytes("old")]);
  await Deno.mkdir(`${folder}/state.new`);
  await assertStorageError(() => file.save([bytes("new")]), "is-directory");
  assertEquals(await file.load(), bytes("old"));
});

folderTest("StateFile takes away what a crash left behind", async (_, folder) => {
  const file = new StateFile(`${folder}/state`, 100);
  await Deno.writeTextFile(`${folder}/state.new`, "torn, and longer than what follows");
  await file.save([bytes("new")]);
  assertEquals([await file.load(), await list(folder)], [bytes("new"), ["state"]]);
});

folderTest("StateFile lets nobody else read what it keeps", async (_, folder) => {
  const file = new StateFile(`${folder}/deep/state`, 100);
  await file.save([bytes("secret")]);
  if (Deno.build.os === "windows") return;
  assertEquals((await Deno.stat(file.path)).mode! & 0o777, 0o600);
  assertEquals((await Deno.stat(`${folder}/deep`)).mode! & 0o777, 0o700);
});

folderTest("statePath() is one for each torrent and folder", (_, folder) => {
  const hash = new Uint8Array(20).fill(0xa5);
  const path = statePath(folder, hash, "/downloads");
  assertEquals(path, statePath(folder, hash.slice(), "/downloads"));
  assertNotEquals(path, statePath(folder, hash, "/downloads2"));
  assertNotEquals(path, statePath(folder, new Uint8Array(20), "/downloads"));
  assertEquals(path.startsWith(`${folder}/${"a5".repeat(20)}-`), true);
  return Promise.resolve();
});

folderTest("realFolder() follows links, also where the rest is not there", async (_, folder) => {
  const real = await Deno.realPath(folder);
  await Deno.mkdir(`${folder}/data`);
  await Deno.symlink(`${folder}/data`, `${folder}/link`);
  assertEquals(await realFolder(`${folder}/link/../link`), `${real}/data`);
  assertEquals(await realFolder(`${folder}/link/x/y`), `${real}/data/x/y`);
  assertEquals(await exists(`${folder}/data/x`), false);
});
