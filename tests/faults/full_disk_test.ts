/** The disk of a download fills up. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { scoped } from "../kit/scoped.ts";
import { TempFolder } from "../kit/temp_folder.ts";
import {
  DiskSwarm,
  DOWNLOAD_LIMIT_MS,
  lastEvent,
  nextProgress,
  NOTICE_LIMIT_MS,
} from "./disk_swarm.ts";
import { canMount, MountSpace } from "./mount_space.ts";

const MB = 1_000_000;
const LIMIT_MS = 90_000;
const CONTENT = {
  name: "content",
  files: [{ path: "a.bin", bytes: 7 * MB }, { path: "b.bin", bytes: 5 * MB }],
  bytes: 0,
};
/** What the pieces that wait in memory may take. */
const MEMORY_BYTES = 2 * MB;

const ignore = !canMount("the full disk");

Deno.test({
  name:
    "a disk that fills up: the download waits, goes on when there is room, and fetches nothing twice",
  ignore,
  fn: () =>
    scoped(LIMIT_MS, async (scope) => {
      const swarm = await DiskSwarm.start(scope, CONTENT, 3 * MB);
      const space = await MountSpace.open(scope);
      const output = await swarm.folder.folder("disk");
      await space.mountMemory(output, 16 * MB);
      const args = ["--memory", String(MEMORY_BYTES)];
      const download = await swarm.download(output, { space, args });
      await swarm.untilHas(download, 0.2);
      const filler = space.seen(`${output}/filler`);
      await fill(filler);
      const paused = await download.waitForEvent("paused", NOTICE_LIMIT_MS);
      assertEquals(paused.code, "disk-full");
      console.log(`  ${paused.message}`);
      // It goes on to fetch what fits into memory, and no more.
      let before = await nextProgress(download);
      for (let quiet = 0; quiet < 3;) {
        const now = await nextProgress(download);
        quiet = now.downloadedBytes === before.downloadedBytes ? quiet + 1 : 0;
        before = now;
      }
      const heldBytes = Number(before.downloadedBytes) - Number(before.haveBytes);
      assert(heldBytes <= MEMORY_BYTES, `${heldBytes} bytes came and are not stored`);
      await Deno.remove(filler);
      const roomMs = performance.now();
      await download.waitForEvent("resumed", NOTICE_LIMIT_MS);
      console.log(`  went on ${Math.round(performance.now() - roomMs)} ms after there was room`);
      const complete = await download.waitForEvent("complete", DOWNLOAD_LIMIT_MS);
      assertEquals(complete.downloadedBytes, swarm.bytes);
      await download.waitForSuccess(NOTICE_LIMIT_MS);
      await swarm.assertSame(space.seen(output));
    }),
});

Deno.test({
  name:
    "a download that is interrupted on a full disk is refused while there is no room, then goes on",
  ignore,
  fn: () =>
    scoped(LIMIT_MS, async (scope) => {
      const swarm = await DiskSwarm.start(scope, CONTENT, 3 * MB);
      const space = await MountSpace.open(scope);
      const output = await swarm.folder.folder("disk");
      await space.mountMemory(output, 16 * MB);
      const first = await swarm.download(output, { space });
      await swarm.untilHas(first, 0.2);
      const filler = space.seen(`${output}/filler`);
      await fill(filler);
      await first.waitForEvent("paused", NOTICE_LIMIT_MS);
      await nextProgress(first);
      await first.end("SIGINT");
      const { downloadedBytes } = lastEvent(first, "progress")!;

      const refused = await swarm.download(output, { space });
      assertEquals((await refused.waitForExit(NOTICE_LIMIT_MS)).code, 1);
      const { code, message } = lastEvent(refused, "error")!;
      console.log(`  ${message}`);
      assertEquals(code, "disk-full");
      assertMatch(String(message), /it needs \d.* MB, 0 bytes are free; free some room/);

      await Deno.remove(filler);
      const second = await swarm.download(output, { space });
      const complete = await second.waitForEvent("complete", DOWNLOAD_LIMIT_MS);
      await second.waitForSuccess(NOTICE_LIMIT_MS);
      await swarm.assertSame(space.seen(output));
      // More may have come between the last that it told and its end.
      const bytes = Number(downloadedBytes) + Number(complete.downloadedBytes);
      assert(bytes <= swarm.bytes, `${bytes} of ${swarm.bytes} bytes were fetched`);
    }),
});

Deno.test({
  name: "a full disk stops one torrent of a session, and not the other",
  ignore,
  fn: () =>
    scoped(LIMIT_MS, async (scope) => {
      const folder = await scope.use(TempFolder.make());
      const space = await MountSpace.open(scope);
      const [disk, elsewhere] = [await folder.folder("disk"), await folder.folder("elsewhere")];
      await space.mountMemory(disk, 4 * MB);
      const args = [disk, elsewhere, folder.join("state")];
      const program = await scope.use(space.startProgram("tests/faults/full_disk.ts", args));
      await program.waitForEvent("paused", NOTICE_LIMIT_MS);
      await program.waitForEvent("other-complete", DOWNLOAD_LIMIT_MS);
      await Deno.remove(space.seen(`${disk}/filler`));
      await program.waitForEvent("complete", NOTICE_LIMIT_MS);
      await program.waitForSuccess(NOTICE_LIMIT_MS);
    }),
});

/** Writes a file that takes all the room that is left. */
async function fill(path: string): Promise<void> {
  using file = await Deno.open(path, { write: true, createNew: true });
  const zeros = new Uint8Array(4096);
  try {
    for (;;) file.writeSync(zeros);
  } catch (error) {
    if ((error as { code?: unknown }).code !== "ENOSPC") throw error;
  }
}
