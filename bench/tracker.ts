/**
 * Measures the tracker: announces per second over HTTP and UDP, all with 50 peers in the answer.
 *
 * `deno run -A --unstable-net bench/tracker.ts [--seconds 4] [--connections 32] [--workers 1] [--runs 1]`
 *
 * The tracker is the program itself, started as an operator does, in a process of its own; this process asks,
 * over raw connections that it keeps, from requests that it made beforehand. Beside it, in turns and asked
 * the same way, a bare `Deno.serve` that gives one and the same answer to everything. The columns:
 *
 * - *announces/s*: as this process counted answers;
 * - *CPU*: user and system time of the tracker's process for one announce, what a core alone could do follows
 *   from it (`1 / CPU`): on a machine that does other things too, that is the figure to compare;
 * - *peers*: in an answer, on average.
 *
 * "one at a time" waits for each answer before it asks again, on each connection; "pipelined" asks 8 times
 * before. Needs Linux.
 */
import { parseArgs } from "@std/cli/parse-args";
import { REPOSITORY } from "../tests/kit/enjambre.ts";
import { peakMemoryBytes } from "../tests/kit/memory.ts";
import { RunningProcess } from "../tests/kit/running_process.ts";
import { median } from "./in_turns.ts";
import {
  loadHttp,
  type LoadOptions,
  type LoadResult,
  loadUdp,
  type Population,
} from "./tracker_load.ts";

const MIB = 1024 * 1024;
const READY_LIMIT_MS = 60_000;
/** 1000 swarms of 90, of which 60 are leechers: 50 for everyone. */
const POPULATION: Population = { swarms: 1000, peersPerSwarm: 90 };
/** Clock ticks in a second as `/proc` counts them: 100 on every Linux that there is. */
const TICKS_PER_SECOND = 100;

/** Something to ask. */
interface Contestant {
  readonly name: string;
  readonly process: RunningProcess;
  readonly port: number;
  readonly depth: number;
  load(options: LoadOptions): Promise<LoadResult>;
}

/** What came of one run. */
interface Measurement extends LoadResult {
  readonly cpuMicrosecondsPerAnnounce: number;
}

async function main(): Promise<void> {
  const flags = parseArgs(Deno.args, {
    string: ["seconds", "connections", "workers", "runs"],
    boolean: ["bare"],
    default: { seconds: "4", connections: "32", workers: "1", runs: "1" },
  });
  if (flags.bare) return serveBare();
  const connections = Number(flags.connections);
  const own = ["run", "-A", "--unstable-net"];
  const where = ["tracker", "--hostname", "127.0.0.1", "--port", "0", "--json"];
  await using tracker = RunningProcess.start(
    Deno.execPath(),
    [...own, "client/main.ts", ...where, "--workers", flags.workers],
    { cwd: REPOSITORY },
  );
  await using bare = RunningProcess.start(
    Deno.execPath(),
    [...own, "bench/tracker.ts", "--bare"],
    { cwd: REPOSITORY },
  );
  const { port, udpPort } = await tracker.waitForEvent("listening", READY_LIMIT_MS) as unknown as {
    port: number;
    udpPort: number;
  };
  const barePort = Number((await bare.waitForEvent("listening", READY_LIMIT_MS)).port);
  const options = { population: POPULATION, connections, durationMs: Number(flags.seconds) * 1000 };
  // So that all swarms are full.
  await loadHttp({ ...options, port, depth: 16, isMeasuring: false });
  const http = (name: string, depth: number): Contestant => (
    { name, process: tracker, port, depth, load: loadHttp }
  );
  const contestants: Contestant[] = [
    http("HTTP, one at a time", 1),
    {
      name: "bare Deno.serve, one at a time",
      process: bare,
      port: barePort,
      depth: 1,
      load: loadHttp,
    },
    http("HTTP, pipelined", 8),
    { name: "UDP", process: tracker, port: udpPort, depth: 12, load: loadUdpOnFew },
  ];
  const measured = new Map<Contestant, Measurement[]>(contestants.map((each) => [each, []]));
  for (let run = 1; run <= Number(flags.runs); run++) {
    for (const contestant of contestants) {
      const { depth, port: at } = contestant;
      const measurement = await measure(contestant, {
        ...options,
        port: at,
        depth,
        isMeasuring: true,
      });
      measured.get(contestant)!.push(measurement);
      console.log(`run ${run}  ${row(contestant.name, measurement)}`);
    }
  }
  if (Number(flags.runs) > 1) {
    console.log("\nmedians");
    for (const [{ name }, all] of measured) {
      const of = (value: (each: Measurement) => number): number => median(all.map(value));
      const middle = {
        announcesPerSecond: of((each) => each.announcesPerSecond),
        peersPerAnswer: of((each) => each.peersPerAnswer),
        cpuMicrosecondsPerAnnounce: of((each) => each.cpuMicrosecondsPerAnnounce),
      };
      console.log(`       ${row(name, middle)}`);
    }
  }
  const peakBytes = await peakMemoryBytes(tracker.pid) ?? 0;
  const peers = POPULATION.swarms * POPULATION.peersPerSwarm;
  console.log(
    `\n${peers} peers in ${POPULATION.swarms} swarms, peak ${(peakBytes / MIB).toFixed(0)} MiB`,
  );
}

/** Over UDP fewer sockets ask more at a time each: that costs this process less, and the tracker the same. */
function loadUdpOnFew(options: LoadOptions): Promise<LoadResult> {
  return loadUdp({ ...options, connections: Math.ceil(options.connections / 4) });
}

async function measure(contestant: Contestant, options: LoadOptions): Promise<Measurement> {
  const { pid } = contestant.process;
  const cpuBefore = await cpuSeconds(pid);
  const startMs = performance.now();
  const result = await contestant.load(options);
  // All of what was answered counts, the warm-up too.
  const announces = result.announcesPerSecond * (performance.now() - startMs) / 1000;
  const cpu = await cpuSeconds(pid) - cpuBefore;
  return { ...result, cpuMicrosecondsPerAnnounce: cpu / announces * 1e6 };
}

/** User and system time of a process and all of its threads. */
async function cpuSeconds(pid: number): Promise<number> {
  const stat = await Deno.readTextFile(`/proc/${pid}/stat`);
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

function row(name: string, measurement: Measurement): string {
  const { announcesPerSecond, cpuMicrosecondsPerAnnounce, peersPerAnswer } = measurement;
  return `${name.padEnd(31)} ${announcesPerSecond.toFixed(0).padStart(7)} announces/s` +
    `  CPU ${cpuMicrosecondsPerAnnounce.toFixed(1).padStart(5)} us` +
    `  peers ${peersPerAnswer.toFixed(0).padStart(3)}`;
}

/** Gives one and the same answer to everything, as long as that of the tracker. */
function serveBare(): void {
  const body = new Uint8Array(392);
  const { addr } = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    () => new Response(body, { headers: { "content-type": "text/plain" } }),
  );
  console.log(JSON.stringify({ event: "listening", port: addr.port }));
}

if (import.meta.main) await main();
