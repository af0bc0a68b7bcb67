/** The disk of a download can only be read for a while. */
import { assertEquals } from "@std/assert";
import { scoped } from "../kit/scoped.ts";
import { DiskSwarm, DOWNLOAD_LIMIT_MS, NOTICE_LIMIT_MS } from "./disk_swarm.ts";
import { canMount, MountSpace } from "./mount_space.ts";

const MB = 1_000_000;
const LIMIT_MS = 90_000;
/** Many: a file that is open already can still be written to. */
const FILES = 60;
const FILE_BYTES = 150_000;
const CONTENT = {
  name: "content",
  files: Array.from({ length: FILES }, (_, i) => ({ path: `${i}.bin`, bytes: FILE_BYTES })),
  bytes: 0,
};

Deno.test({
  name: "a disk that becomes read-only: the download waits, and goes on when it can be written to",
  ignore: !canMount("the read-only disk"),
  fn: () =>
    scoped(LIMIT_MS, async (scope) => {
      const swarm = await DiskSwarm.start(scope, CONTENT, 3 * MB);
      const space = await MountSpace.open(scope);
      const output = await swarm.folder.folder("disk");
      const download = await swarm.download(output, { space });
      await swarm.untilHas(download, 0.1);
      await space.makeReadOnly(output, await swarm.folder.folder("aside"));
      const paused = await download.waitForEvent("paused", NOTICE_LIMIT_MS);
      assertEquals(paused.code, "read-only");
      console.log(`  ${paused.message}`);
      await space.unmount(output);
      await download.waitForEvent("resumed", NOTICE_LIMIT_MS);
      const complete = await download.waitForEvent("complete", DOWNLOAD_LIMIT_MS);
      assertEquals(complete.downloadedBytes, swarm.bytes);
      await download.waitForSuccess(NOTICE_LIMIT_MS);
      await swarm.assertSame(output);
    }),
});
