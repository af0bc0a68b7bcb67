/**
 * The part `tracker`: announces per second over HTTP and UDP, all with 50 peers in the answer.
 *
 * The tracker is the program itself, started as an operator does, in a process of its own; this process asks,
 * over raw connections that it keeps, from requests that it made beforehand. `deno run -A bench/tracker.ts --bare` is the
 * bare server alone.
 */
import { REPOSITORY } from "../tests/kit/enjambre.ts";
import { RunningProcess } from "../tests/kit/running_process.ts";
import { Scope } from "../tests/kit/scoped.ts";
import {
  type Contestant,
  type Figures,
  inTurns,
  type Outcome,
  type Part,
  type PartContext,
} from "./part.ts";
import { cpuSecondsOf, peakMebibytesOf } from "./process_cost.ts";
import { allOfOurs } from "./programs.ts";
import {
  loadHttp,
  type LoadOptions,
  type LoadResult,
  loadUdp,
  type Population,
} from "./tracker_load.ts";

const READY_LIMIT_MS = 60_000;
/** 1000 swarms of 90, of which 60 are leechers: 50 for everyone. */
const POPULATION: Population = { swarms: 1000, peersPerSwarm: 90 };
/** What each connection or socket has under way at a time. */
const PIPELINED_DEPTH = 8;
const UDP_DEPTH = 12;
/** As many bytes as the tracker's answer with 50 peers has. */
const BARE_BODY_BYTES = 392;

/** Announces to our tracker. */
export const tracker: Part = {
  name: "tracker",
  about: "Announces to the tracker from 32 connections, 50 peers in every answer",
  notes:
    "One at a time waits for each answer before it asks again, on each connection; pipelined asks 8 times " +
    "before. A bare Deno.serve gives one and the same answer to everything. CPU is the tracker's for " +
    "one announce: what a core alone could do is its inverse, and the rate is bound by whoever asks, on " +
    "the same machine. Memory is with 90,000 peers in 1,000 swarms.",
  metrics: [
    { id: "rate", name: "rate", unit: "/s", better: "more", digits: 0 },
    { id: "cpu", name: "CPU", unit: "us", better: "less", digits: 1 },
    { id: "peers", name: "peers", unit: "", better: "more", digits: 0 },
    { id: "memory", name: "memory", unit: "MiB", better: "less", digits: 0 },
  ],
  options: { seconds: 4, connections: 32, workers: 1 },
  runs: 3,
  warmUps: 1,
  async measure(context: PartContext): Promise<Outcome> {
    await using scope = new Scope();
    const connections = context.option("connections");
    const options = {
      population: POPULATION,
      connections,
      durationMs: context.option("seconds") * 1000,
    };
    const contestants: Contestant[] = [];
    const add = (
      program: string,
      name: string,
      process: RunningProcess,
      load: (options: LoadOptions) => Promise<LoadResult>,
      at: { port: number; depth: number },
    ) =>
      contestants.push({
        program,
        case: name,
        measure: () => measure(process, load, { ...options, ...at, isMeasuring: true }),
      });
    for (const ours of allOfOurs(context)) {
      const process = await scope.use(ours.start([
        ...["tracker", "--hostname", "127.0.0.1", "--port", "0", "--json"],
        ...["--workers", String(context.option("workers"))],
      ]));
      const listening = await process.waitForEvent("listening", READY_LIMIT_MS);
      const port = Number(listening["port"]);
      // So that all swarms are full.
      await loadHttp({ ...options, port, depth: 16, isMeasuring: false });
      add(ours.name, "HTTP, one at a time", process, loadHttp, { port, depth: 1 });
      add(ours.name, "HTTP, pipelined", process, loadHttp, { port, depth: PIPELINED_DEPTH });
      const udpPort = Number(listening["udpPort"]);
      add(ours.name, "UDP", process, loadUdpOnFew, { port: udpPort, depth: UDP_DEPTH });
    }
    const bare = await scope.use(RunningProcess.start(
      Deno.execPath(),
      ["run", "-A", "bench/tracker.ts", "--bare"],
      { cwd: REPOSITORY },
    ));
    const port = Number((await bare.waitForEvent("listening", READY_LIMIT_MS)).port);
    add("bare Deno.serve", "HTTP, one at a time", bare, loadHttp, { port, depth: 1 });
    return { rows: await inTurns(tracker.metrics, contestants, context), absent: [] };
  },
};

/** Over UDP fewer sockets ask more at a time each: that costs this process less, and the tracker the same. */
function loadUdpOnFew(options: LoadOptions): Promise<LoadResult> {
  return loadUdp({ ...options, connections: Math.ceil(options.connections / 4) });
}

async function measure(
  { pid }: RunningProcess,
  load: (options: LoadOptions) => Promise<LoadResult>,
  options: LoadOptions,
): Promise<Figures> {
  const cpuBefore = await cpuSecondsOf(pid);
  const startMs = performance.now();
  const { announcesPerSecond, peersPerAnswer } = await load(options);
  // All of what was answered counts, the warm-up too.
  const announces = announcesPerSecond * (performance.now() - startMs) / 1000;
  const cpu = await cpuSecondsOf(pid) - cpuBefore;
  return {
    rate: announcesPerSecond,
    cpu: cpu / announces * 1e6,
    peers: peersPerAnswer,
    memory: await peakMebibytesOf(pid),
  };
}

/** Gives one and the same answer to everything, as long as that of the tracker. */
function serveBare(): void {
  const body = new Uint8Array(BARE_BODY_BYTES);
  const { addr } = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    () => new Response(body, { headers: { "content-type": "text/plain" } }),
  );
  console.log(JSON.stringify({ event: "listening", port: addr.port }));
}

if (import.meta.main && Deno.args.includes("--bare")) serveBare();
