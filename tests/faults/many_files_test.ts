/** Far more files than the system lets a process have open. */
import { assert, assertEquals } from "@std/assert";
import { RunningProcess } from "../kit/running_process.ts";
import { scoped } from "../kit/scoped.ts";
import { TempFolder } from "../kit/temp_folder.ts";

const FILES = 50_000;
/** The strictest limit that is common, as `ulimit -n` says it. */
const OPEN_FILES = 256;
const TEST_LIMIT_MS = 180_000;

Deno.test({
  name: `a torrent of ${FILES} files under ulimit -n ${OPEN_FILES}`,
  ignore: Deno.build.os === "windows",
  fn: () =>
    scoped(TEST_LIMIT_MS, async (scope) => {
      const folder = await scope.use(TempFolder.make());
      const program = new URL("many_files.ts", import.meta.url).pathname;
      const run = await scope.use(RunningProcess.start("sh", [
        "-c",
        `ulimit -n ${OPEN_FILES} && exec "$0" "$@"`,
        Deno.execPath(),
        ...["run", "-A", "--no-check", program, folder.join("downloads"), String(FILES)],
      ]));
      await run.waitForSuccess(TEST_LIMIT_MS);
      const { good, pieceCount } = await run.waitForEvent("checked", 1000);
      assertEquals(good, pieceCount);
      const { openMax } = await run.waitForEvent("done", 1000);
      console.log(`  at most ${openMax} files open`);
      assert((openMax as number) < OPEN_FILES * 0.75);
    }),
});
