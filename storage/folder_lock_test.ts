import { assertEquals } from "@std/assert";
import { FolderLock } from "./folder_lock_deno.ts";
import { assertStorageError } from "./store_conformance_test.ts";
import { folderTest, list } from "./test_folder_test.ts";

const hash = new Uint8Array(20).fill(0xab);
const other = new Uint8Array(20).fill(0xcd);

folderTest("FolderLock refuses a second one, and leaves nothing behind", async (downloads) => {
  const first = await FolderLock.take(downloads, hash);
  assertEquals(await list(downloads), [".enjambre-abababab.lock"]);
  const error = await assertStorageError(() => FolderLock.take(downloads, hash), "locked");
  assertEquals(
    error.message,
    `Cannot use ${downloads}: another process is at work on this torrent there; end that one first`,
  );
  await first.release(true);
  await first.release(true);
  assertEquals(await list(downloads), []);
  const second = await FolderLock.take(downloads, hash);
  assertEquals([first.wasLeft, second.wasLeft], [false, false]);
  await second.release(true);
});

folderTest("FolderLock lets two torrents share a folder", async (downloads) => {
  const locks = [await FolderLock.take(downloads, hash), await FolderLock.take(downloads, other)];
  for (const lock of locks) await lock.release(true);
});

folderTest("FolderLock knows that the last one did not end well", async (downloads) => {
  const first = await FolderLock.take(downloads, hash);
  await first.release(false);
  assertEquals(await FolderLock.isLeft(downloads, hash), true);
  const second = await FolderLock.take(downloads, hash);
  assertEquals(second.wasLeft, true);
  await second.release(true);
  assertEquals(await FolderLock.isLeft(downloads, hash), false);
});

folderTest("FolderLock lets one of many in, however they come and go", async (downloads) => {
  let holders = 0;
  let entries = 0;
  await Promise.all(Array.from({ length: 8 }, async () => {
    for (let i = 0; i < 40; i++) {
      const lock = await FolderLock.take(downloads, hash).catch((error) => {
        if (error.code !== "locked") throw error;
        return null;
      });
      if (lock === null) continue;
      holders++;
      entries++;
      assertEquals(holders, 1);
      await Deno.lstat(downloads);
      holders--;
      await lock.release(true);
    }
  }));
  assertEquals([entries > 0, await list(downloads)], [true, []]);
});

/** A program that locks the folder of its first argument, says so, and holds on until it is ended. */
const program = `
import { FolderLock } from "./folder_lock_deno.ts";
try {
  const lock = await FolderLock.take(Deno.args[0], new Uint8Array(20).fill(0xab));
  console.log(lock.wasLeft ? "left" : "free");
  await new Response(Deno.stdin.readable).text();
  await lock.release(true);
} catch (error) {
  console.log(error.code);
}
`;

/** Starts the program; resolves with its first words. */
async function startHolder(
  downloads: string,
): Promise<{ child: Deno.ChildProcess; said: string; end: () => Promise<void> }> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["eval", "--ext=ts", program, downloads],
    cwd: new URL(".", import.meta.url),
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const reader = child.stdout.getReader();
  const { value } = await reader.read();
  const end = async (): Promise<void> => {
    await child.stdin.close().catch(() => {});
    while (!(await reader.read()).done);
    await child.status;
  };
  return { child, said: new TextDecoder().decode(value).trim(), end };
}

folderTest("FolderLock keeps two processes apart, and kill -9 frees it", async (downloads) => {
  const first = await startHolder(downloads);
  assertEquals(first.said, "free");
  const second = await startHolder(downloads);
  assertEquals(second.said, "locked");
  await second.end();
  await assertStorageError(() => FolderLock.take(downloads, hash), "locked");
  first.child.kill("SIGKILL");
  await first.end();
  const third = await startHolder(downloads);
  assertEquals(third.said, "left");
  await third.end();
  assertEquals(await list(downloads), []);
});
