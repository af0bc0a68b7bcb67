/** That what measures is right: the ideal peers between themselves, and each with the command line. */
import { assertEquals } from "@std/assert";
import { assertSameTree } from "../tests/kit/compare.ts";
import { contentBytes, FOLDER, writeContent } from "../tests/kit/content.ts";
import { REPOSITORY, runEnjambre, startEnjambre } from "../tests/kit/enjambre.ts";
import { RunningProcess } from "../tests/kit/running_process.ts";
import { type Scope, scoped } from "../tests/kit/scoped.ts";
import { TempFolder } from "../tests/kit/temp_folder.ts";

const TEST_LIMIT_MS = 60_000;
const STEP_LIMIT_MS = 30_000;

/** A folder as a torrent, on disk. */
interface Made {
  folder: TempFolder;
  torrent: string;
  content: string;
}

async function make(scope: Scope): Promise<Made> {
  const folder = await scope.use(TempFolder.make());
  const content = await writeContent(await folder.folder("seed"), FOLDER);
  const torrent = folder.join("content.torrent");
  await runEnjambre(["create", content, "--output", torrent, "--piece-length", "65536"]);
  return { folder, torrent, content };
}

/** Starts one of the programs of this folder. */
async function startBench(scope: Scope, name: string, args: string[]): Promise<RunningProcess> {
  return await scope.use(
    RunningProcess.start(Deno.execPath(), ["run", "-A", `bench/${name}`, ...args], {
      cwd: REPOSITORY,
    }),
  );
}

async function portOf(process: RunningProcess): Promise<string> {
  return String((await process.waitForEvent("listening", STEP_LIMIT_MS)).port);
}

Deno.test("the ideal seed serves two ideal leechers at once and says what they took", () =>
  scoped(TEST_LIMIT_MS, async (scope) => {
    const { torrent, content } = await make(scope);
    const seed = await startBench(scope, "ideal_seed.ts", [torrent, content]);
    const port = await portOf(seed);
    const leechers = await Promise.all(
      ["--pipeline=4", "--pipeline=256"].map((pipeline) =>
        startBench(scope, "ideal_leech.ts", [torrent, "127.0.0.1", port, pipeline])
      ),
    );
    for (const leecher of leechers) {
      const { bytes } = await leecher.waitForEvent("complete", STEP_LIMIT_MS);
      assertEquals(bytes, contentBytes(FOLDER));
    }
    assertEquals((await seed.waitForEvent("served", STEP_LIMIT_MS)).bytes, contentBytes(FOLDER));
  }));

Deno.test("download takes a folder from the ideal seed", () =>
  scoped(TEST_LIMIT_MS, async (scope) => {
    const { folder, torrent, content } = await make(scope);
    const port = await portOf(await startBench(scope, "ideal_seed.ts", [torrent, content]));
    const output = await folder.folder("output");
    await runEnjambre(
      ["download", torrent, "--output", output, "--port", "0", "--peer", `127.0.0.1:${port}`],
    );
    await assertSameTree(content, `${output}/${FOLDER.name}`);
  }));

Deno.test("the ideal leecher takes a folder from seed", () =>
  scoped(TEST_LIMIT_MS, async (scope) => {
    const { folder, torrent } = await make(scope);
    const archives = folder.join("seed");
    const seed = await scope.use(
      startEnjambre(["seed", torrent, "--archives", archives, "--port", "0"]),
    );
    const port = await portOf(seed);
    const leecher = await startBench(scope, "ideal_leech.ts", [torrent, "127.0.0.1", port]);
    const { bytes } = await leecher.waitForEvent("complete", STEP_LIMIT_MS);
    assertEquals(bytes, contentBytes(FOLDER));
  }));
