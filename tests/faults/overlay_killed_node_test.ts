/** A client that others began from is killed, and another is started: they find each other by the overlay all the same. */
import { assertSameTree } from "../kit/compare.ts";
import { SINGLE_FILE, writeContent } from "../kit/content.ts";
import { runEnjambre, startEnjambre } from "../kit/enjambre.ts";
import type { RunningProcess } from "../kit/running_process.ts";
import { scoped } from "../kit/scoped.ts";
import { TempFolder } from "../kit/temp_folder.ts";

const TEST_LIMIT_MS = 90_000;
const LIMIT_MS = 45_000;

Deno.test("kill -9 of the client that the others began from: the next one is found by those that are left", () =>
  scoped(TEST_LIMIT_MS, async (scope) => {
    const folder = await scope.use(TempFolder.make());
    const content = await writeContent(await folder.folder("first"), SINGLE_FILE);
    const torrent = folder.join("content.torrent");
    await runEnjambre(["create", content, "--output", torrent]);
    const start = async (name: string, bootstrap: readonly string[]) => {
      const process = await scope.use(startEnjambre([
        ...["download", torrent, "--output", folder.join(name), "--seed", "--port", "0"],
        ...["--discovery-mode", "overlay", "--hostname", "localhost", "--overlay-port", "0"],
        ...(bootstrap.length === 0 ? [] : ["--bootstrap", bootstrap.join(",")]),
      ]));
      const { overlay } = await process.waitForEvent("listening", LIMIT_MS);
      return { process, address: String(overlay) };
    };
    const untilComplete = async (name: string, { process }: { process: RunningProcess }) => {
      await process.waitForEvent("complete", LIMIT_MS);
      await assertSameTree(content, folder.join(name, SINGLE_FILE.name));
    };
    const first = await start("first", []);
    const second = await start("second", [first.address]);
    const third = await start("third", [first.address]);
    await untilComplete("second", second);
    await untilComplete("third", third);
    await first.process.end("SIGKILL");
    // It knows the dead one, and one that is alive.
    const fourth = await start("fourth", [first.address, third.address]);
    await untilComplete("fourth", fourth);
    // And whoever came last is as good to begin from.
    await second.process.end("SIGKILL");
    const fifth = await start("fifth", [fourth.address]);
    await untilComplete("fifth", fifth);
  }));
