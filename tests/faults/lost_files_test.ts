/** Files are cut and removed under programs that are at work on them. */
import { assert, assertEquals } from "@std/assert";
import { READY_LIMIT_MS } from "../interop/peer_program.ts";
import { startEnjambre } from "../kit/enjambre.ts";
import type { JsonEvent, RunningProcess } from "../kit/running_process.ts";
import { scoped } from "../kit/scoped.ts";
import { DiskSwarm, DOWNLOAD_LIMIT_MS, NOTICE_LIMIT_MS } from "./disk_swarm.ts";

const MB = 1_000_000;
const LIMIT_MS = 90_000;
/** Slow enough that there is more than one look at the files before all is here. */
const BYTES_PER_SECOND = 1.5 * MB;
const CONTENT = {
  name: "content",
  files: [
    { path: "a.bin", bytes: 4 * MB },
    { path: "b.bin", bytes: 8 * MB },
    { path: "c.bin", bytes: 100 },
  ],
  bytes: 0,
};

/** What is done to the folder of a download; gives bytes that are lost, and how many files that is told of. */
const losses: Record<string, (folder: string) => Promise<void>> = {
  "a file that is cut": (folder) => Deno.truncate(`${folder}/content/b.bin.part`, MB),
  "a file that is removed": (folder) => Deno.remove(`${folder}/content/b.bin.part`),
  "the folder that is removed": (folder) => Deno.remove(folder, { recursive: true }),
};

for (const [what, lose] of Object.entries(losses)) {
  Deno.test(`${what} under a download: it is noticed, and fetched again`, () =>
    scoped(LIMIT_MS, async (scope) => {
      const swarm = await DiskSwarm.start(scope, CONTENT, BYTES_PER_SECOND);
      const output = swarm.folder.join("output");
      const download = await swarm.download(output);
      await swarm.untilHas(download, 0.3);
      await lose(output);
      await told(download, "damaged");
      const complete = await download.waitForEvent("complete", DOWNLOAD_LIMIT_MS);
      await download.waitForSuccess(NOTICE_LIMIT_MS);
      await swarm.assertSame(output);
      const twice = Number(complete.downloadedBytes) - swarm.bytes;
      console.log(`  ${twice} bytes were fetched twice`);
    }));
}

Deno.test("a file that is removed under a complete download that seeds: it is fetched again", () =>
  scoped(LIMIT_MS, async (scope) => {
    const swarm = await DiskSwarm.start(scope, CONTENT, 6 * MB);
    const output = swarm.folder.join("output");
    const download = await swarm.download(output, { args: ["--seed"] });
    await download.waitForEvent("complete", DOWNLOAD_LIMIT_MS);
    await Deno.remove(`${output}/content/b.bin`);
    await told(download, "damaged");
    const have = (isAll: boolean) => (event: JsonEvent) =>
      event.phase === "seeding" && Number(event.haveBytes) < swarm.bytes !== isAll;
    await download.waitForEvent("progress", NOTICE_LIMIT_MS, have(false));
    const before = download.lines.length;
    const isAgain = (event: JsonEvent) => download.lines.length > before && have(true)(event);
    await download.waitForEvent("progress", DOWNLOAD_LIMIT_MS, isAgain);
    await download.end("SIGINT");
    await swarm.assertSame(output);
  }));

for (const isCut of [true, false]) {
  const what = isCut ? "cut" : "removed";
  Deno.test(`a file that is ${what} under a seed: it is noticed, and seeded no more`, () =>
    scoped(LIMIT_MS, async (scope) => {
      const swarm = await DiskSwarm.start(scope, CONTENT, BYTES_PER_SECOND);
      const archives = swarm.folder.join("seed");
      const path = `${archives}/content/b.bin`;
      const seed = await scope.use(startEnjambre([
        ...["seed", swarm.torrent, "--archives", archives, "--port", "0"],
        ...["--upload-limit", String(BYTES_PER_SECOND), "--state", swarm.state],
      ]));
      const { port } = await seed.waitForEvent("listening", READY_LIMIT_MS);
      const output = swarm.folder.join("output");
      const leecher = await scope.use(startEnjambre([
        ...["download", swarm.torrent, "--output", output, "--port", "0"],
        ...["--peer", `127.0.0.1:${port}`],
      ]));
      await swarm.untilHas(leecher, 0.2);
      if (isCut) await Deno.truncate(path, MB);
      else await Deno.remove(path);
      await told(seed, "damaged");
      // It gives the rest, and nothing that is wrong.
      const rest = CONTENT.files[0]!.bytes + (isCut ? MB : 0);
      const isThere = (event: JsonEvent) => Number(event.haveBytes) > rest - 3 * 65536;
      const { wastedBytes } = await leecher.waitForEvent("progress", DOWNLOAD_LIMIT_MS, isThere);
      assertEquals(wastedBytes, 0);
      const { haveBytes } = await seed.waitForEvent(
        "progress",
        NOTICE_LIMIT_MS,
        (event) => Number(event.haveBytes) < swarm.bytes,
      );
      assert(Number(haveBytes) <= rest, `${haveBytes} bytes are seeded`);
    }));
}

/** Waits until a program tells of it, and shows how. */
async function told(process: RunningProcess, event: string): Promise<void> {
  const { path, message } = await process.waitForEvent(event, NOTICE_LIMIT_MS);
  console.log(`  ${path}: ${message}`);
}
