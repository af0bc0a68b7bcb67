/**
 * Measures the tracker with its swarms in Redis beside the one with them in memory: the same load, in turns.
 *
 * `deno run -A --unstable-net bench/tracker_redis.ts [--seconds 4] [--connections 64] [--runs 3]`
 *
 * Each tracker is the program itself, started as an operator does; Redis is a `redis-server` beside it that
 * keeps nothing on disk. This process asks, as in `bench/tracker.ts`: 50 peers in every answer, 1,000 swarms
 * of 90. The columns, medians of the runs:
 *
 * - *announces/s*: as this process counted answers. Three or four programs share the machine's processors, so
 *   what a tracker or a Redis could do on one of its own follows from
 * - *CPU* of the tracker, and *Redis CPU*: user and system time for one announce (`1 / CPU`).
 *
 * Needs Linux, and `redis-server`.
 */
import { parseArgs } from "@std/cli/parse-args";
import { REPOSITORY } from "../tests/kit/enjambre.ts";
import { freePort } from "../tests/kit/free_port.ts";
import { RunningProcess } from "../tests/kit/running_process.ts";
import { median } from "./part.ts";
import { cpuSecondsOf } from "./process_cost.ts";
import { loadHttp, type LoadOptions, type LoadResult, loadUdp } from "./tracker_load.ts";

const READY_LIMIT_MS = 60_000;
const POPULATION = { swarms: 1000, peersPerSwarm: 90 };

/** A way to ask a tracker. */
interface Contestant {
  readonly name: string;
  readonly tracker: RunningProcess;
  readonly redis: RunningProcess | null;
  readonly options: LoadOptions;
  load(options: LoadOptions): Promise<LoadResult>;
}

/** What came of one run. */
interface Figures {
  readonly rate: number;
  readonly trackerUs: number;
  readonly redisUs: number;
  readonly peers: number;
}

function startTracker(...args: string[]): RunningProcess {
  const where = ["tracker", "--hostname", "127.0.0.1", "--port", "0", "--json"];
  return RunningProcess.start(
    Deno.execPath(),
    ["run", "-A", "--unstable-net", "client/main.ts", ...where, ...args],
    { cwd: REPOSITORY },
  );
}

async function measure({ tracker, redis, options, load }: Contestant): Promise<Figures> {
  const cpuOf = async (process: RunningProcess | null): Promise<number> =>
    process === null ? 0 : await cpuSecondsOf(process.pid);
  const before = [await cpuOf(tracker), await cpuOf(redis)];
  const startMs = performance.now();
  const { announcesPerSecond, peersPerAnswer } = await load(options);
  // All of what was answered counts, the warm-up too.
  const announces = announcesPerSecond * (performance.now() - startMs) / 1000;
  return {
    rate: announcesPerSecond,
    trackerUs: (await cpuOf(tracker) - before[0]!) / announces * 1e6,
    redisUs: (await cpuOf(redis) - before[1]!) / announces * 1e6,
    peers: peersPerAnswer,
  };
}

function row(name: string, runs: readonly Figures[]): string {
  const of = (pick: (figures: Figures) => number): number => median(runs.map(pick));
  return `${name.padEnd(24)} ${of(({ rate }) => rate).toFixed(0).padStart(7)} announces/s` +
    `  CPU ${of(({ trackerUs }) => trackerUs).toFixed(1).padStart(5)} us` +
    `  Redis CPU ${of(({ redisUs }) => redisUs).toFixed(1).padStart(5)} us` +
    `  peers ${of(({ peers }) => peers).toFixed(0).padStart(3)}`;
}

async function main(): Promise<void> {
  const flags = parseArgs(Deno.args, {
    string: ["seconds", "connections", "runs"],
    default: { seconds: "4", connections: "64", runs: "3" },
  });
  const connections = Number(flags.connections);
  const redisPort = freePort();
  await using redis = RunningProcess.start("redis-server", [
    ...["--port", String(redisPort), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"],
  ]);
  await redis.waitForLine(/Ready to accept connections/, READY_LIMIT_MS);
  await using inMemory = startTracker();
  await using inRedis = startTracker("--store", `redis://127.0.0.1:${redisPort}`);
  const contestants: Contestant[] = [];
  for (const [name, tracker] of [["memory", inMemory], ["Redis", inRedis]] as const) {
    const listening = await tracker.waitForEvent("listening", READY_LIMIT_MS);
    const options = {
      population: POPULATION,
      connections,
      depth: 1,
      durationMs: Number(flags.seconds) * 1000,
      port: Number(listening["port"]),
      isMeasuring: true,
    };
    await loadHttp({ ...options, depth: 16, isMeasuring: false });
    const place = { tracker, redis: tracker === inRedis ? redis : null };
    contestants.push({ ...place, name: `${name}, HTTP`, options, load: loadHttp });
    const udp = { port: Number(listening["udpPort"]), connections: connections / 4, depth: 12 };
    const udpOptions = { ...options, ...udp };
    contestants.push({ ...place, name: `${name}, UDP`, options: udpOptions, load: loadUdp });
  }
  const measured = new Map<Contestant, Figures[]>(contestants.map((each) => [each, []]));
  for (let run = 1; run <= Number(flags.runs); run++) {
    for (const contestant of contestants) {
      const figures = await measure(contestant);
      measured.get(contestant)!.push(figures);
      console.log(`run ${run}  ${row(contestant.name, [figures])}`);
    }
  }
  console.log("\nmedians");
  for (const [{ name }, runs] of measured) console.log(row(name, runs));
}

if (import.meta.main) await main();
