/** The download folder is on a volume that is not mounted now: nothing is written to the mount point. */
import { assert, assertEquals } from "@std/assert";
import { scoped } from "../kit/scoped.ts";
import { RunningProcess } from "../kit/running_process.ts";
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
const STORE_LIMIT_MS = 30_000;
const LIMIT_MS = 90_000;
const CONTENT = {
  name: "content",
  files: [{ path: "a.bin", bytes: 7 * MB }, { path: "b.bin", bytes: 5 * MB }],
  bytes: 0,
};

const ignore = !canMount("the vanished volume");

Deno.test({
  name:
    "a volume that is unmounted: a store writes nothing where it was, and goes on when it is back",
  ignore,
  fn: () =>
    scoped(STORE_LIMIT_MS, async (scope) => {
      const folder = await scope.use(TempFolder.make());
      const program = new URL("vanished_volume.ts", import.meta.url).pathname;
      const args = ["--mount", Deno.execPath(), "run", "-A", program, folder.path];
      const process = await scope.use(RunningProcess.start("unshare", args));
      await process.waitForSuccess(STORE_LIMIT_MS);
    }),
});

Deno.test({
  name:
    "a volume that is unmounted under a download, and is not there for the next: it is waited for",
  ignore,
  fn: () =>
    scoped(LIMIT_MS, async (scope) => {
      const swarm = await DiskSwarm.start(scope, CONTENT, 1.2 * MB);
      const space = await MountSpace.open(scope);
      const [volume, mountPoint] = [
        await swarm.folder.folder("volume"),
        await swarm.folder.folder("mnt"),
      ];
      const output = `${mountPoint}/downloads`;
      await space.mountMemory(volume, 16 * MB);
      await space.mountFolder(volume, mountPoint);
      const names = () => Array.from(Deno.readDirSync(mountPoint), ({ name }) => name);

      const first = await swarm.download(output, { space });
      await swarm.untilHas(first, 0.2);
      await space.unmount(mountPoint);
      const paused = await first.waitForEvent("paused", NOTICE_LIMIT_MS);
      assertEquals(paused.code, "volume-missing");
      assertEquals(names(), []);
      console.log(`  ${paused.message}`);
      await space.mountFolder(volume, mountPoint);
      await first.waitForEvent("resumed", NOTICE_LIMIT_MS);
      const { downloadedBytes } = await nextProgress(first);
      await first.end("SIGINT");

      await space.unmount(mountPoint);
      const refused = await swarm.download(output, { space });
      assertEquals((await refused.waitForExit(NOTICE_LIMIT_MS)).code, 1);
      const { code, message } = lastEvent(refused, "error")!;
      console.log(`  ${message}`);
      assertEquals(code, "volume-missing");
      assertEquals(names(), []);

      await space.mountFolder(volume, mountPoint);
      const second = await swarm.download(output, { space });
      const complete = await second.waitForEvent("complete", DOWNLOAD_LIMIT_MS);
      await second.waitForSuccess(NOTICE_LIMIT_MS);
      await swarm.assertSame(space.seen(output));
      // More may have come between the last that it told and its end.
      const bytes = Number(downloadedBytes) + Number(complete.downloadedBytes);
      assert(bytes <= swarm.bytes, `${bytes} of ${swarm.bytes} bytes were fetched`);
    }),
});
