/** A disk that takes half a second for each write. */
import { assert } from "@std/assert";
import { findExecutable } from "../kit/program.ts";
import { RunningProcess } from "../kit/running_process.ts";
import { scoped } from "../kit/scoped.ts";
import { TempFolder } from "../kit/temp_folder.ts";

const PIECES = 20;
/** Files that the program writes to at once, */
const FILES = 4;
/** and writes to each of them that overlap. */
const WRITES_PER_FILE = 2;
const DELAY_MS = 500;
const TEST_LIMIT_MS = 60_000;
/** A write that held up the event loop would do so for `DELAY_MS`. */
const LAG_MS_MAX = 100;

Deno.test(`a disk that takes ${DELAY_MS} ms for each write does not hold up the event loop`, () =>
  scoped(TEST_LIMIT_MS, async (scope) => {
    const strace = findExecutable("strace");
    if (strace === null) return console.log("  skipped: strace, which delays writes, is not there");
    const folder = await scope.use(TempFolder.make());
    const program = new URL("slow_disk.ts", import.meta.url).pathname;
    const paths = Array.from({ length: FILES }, (_, i) => `${folder.path}/t/${i}.part`);
    // It follows paths of files that are there already.
    await Deno.mkdir(`${folder.path}/t`);
    for (const path of paths) await Deno.writeFile(path, new Uint8Array(0));
    const run = await scope.use(RunningProcess.start(strace, [
      ...["-f", "-qq", "-o", "/dev/null", "-e", "trace=write"],
      ...paths.flatMap((path) => ["-P", path]),
      ...["-e", `inject=write:delay_enter=${DELAY_MS * 1000}`],
      ...[Deno.execPath(), "run", "-A", "--no-check", program, folder.path, String(PIECES)],
    ]));
    const { success } = await run.waitForExit(TEST_LIMIT_MS);
    const events = run.lines.filter((line) => line.startsWith("{"));
    if (!success && events.length === 0) {
      return console.log(`  skipped: strace cannot run it here: ${run.errorLines[0]}`);
    }
    const { tookMs, p99LagMs, maxLagMs } = JSON.parse(events[0]!);
    console.log(
      `  ${PIECES} writes in ${Math.round(tookMs)} ms; event loop late by ` +
        `${p99LagMs.toFixed(1)} ms (p99), ${maxLagMs.toFixed(1)} ms at most`,
    );
    const leastMs = DELAY_MS * PIECES / (FILES * WRITES_PER_FILE);
    assert(tookMs >= leastMs, "the writes were not delayed");
    assert(p99LagMs < LAG_MS_MAX);
  }));
