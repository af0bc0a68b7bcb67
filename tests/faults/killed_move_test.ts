/** A store that is killed again and again while it is being moved. */
import { assert, assertEquals } from "@std/assert";
import { type JsonEvent, RunningProcess } from "../kit/running_process.ts";
import { scoped } from "../kit/scoped.ts";
import { TempFolder } from "../kit/temp_folder.ts";

const KILLS = 40;
const TEST_LIMIT_MS = 120_000;
const RUN_LIMIT_MS = 30_000;
/** So long after it began to move, a run is killed at the latest: a few moves. */
const MOVING_MS_MAX = 60;

for (const isAcross of [false, true]) {
  const what = isAcross ? "to another volume and back" : "within a volume";
  Deno.test(`kill -9 while a store moves ${what}: no stored piece is lost`, () =>
    scoped(TEST_LIMIT_MS, async (scope) => {
      const folder = await scope.use(TempFolder.make());
      const onDisk = await Deno.makeTempDir({ prefix: "enjambre-" });
      const other = {
        path: onDisk,
        [Symbol.asyncDispose]: () => Deno.remove(onDisk, { recursive: true }),
      };
      await scope.use(other);
      const [here, there] = await Promise.all([Deno.stat(folder.path), Deno.stat(onDisk)]);
      if (isAcross && here.dev === there.dev) {
        return console.log("  skipped: temporary files and memory are one volume here");
      }
      const second = isAcross ? onDisk : folder.path;
      const program = new URL("moved_store.ts", import.meta.url).pathname;
      const args = [folder.join("state"), folder.join("a"), `${second}/b`];
      const stored = new Set<number>();
      let moves = 0;
      for (let kill = 0; kill < KILLS; kill++) {
        const command = ["run", "-A", "--no-check", program, ...args];
        const run = await scope.use(RunningProcess.start(Deno.execPath(), command));
        await run.waitForEvent("checked", RUN_LIMIT_MS);
        await new Promise((resolve) => setTimeout(resolve, Math.random() * MOVING_MS_MAX));
        assert(!run.isOver, `run ${kill} ended by itself:\n${run.errorLines.join("\n")}`);
        await run.end("SIGKILL");
        assertEquals(run.errorLines, [], `run ${kill}`);
        const events = run.lines.filter((line) => line.endsWith("}"))
          .map((line) => JSON.parse(line) as JsonEvent);
        const good = new Set(events.find(({ event }) => event === "checked")!.good as number[]);
        assertEquals([...stored].filter((piece) => !good.has(piece)), [], `run ${kill}`);
        for (const { event, piece } of events) if (event === "stored") stored.add(piece as number);
        moves += events.filter(({ event }) => event === "moved").length;
      }
      console.log(`  ${KILLS} kills in ${moves} moves; ${stored.size} pieces came meanwhile`);
      assert(stored.size > 0);
    }));
}
