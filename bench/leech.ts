/**
 * Measures a download: our `download` and, where it is installed, aria2, in turns, from the ideal seed.
 *
 * `deno run -A bench/leech.ts [--mebibytes 1024] [--piece-length 1048576] [--runs 3]`
 *
 * Everything is on loopback and in memory (`/dev/shm` where there is one), three times the size in all. The
 * seed and each download are processes of their own. The columns:
 *
 * - *transfer*: from the first request to the last block, as the seed saw it;
 * - *whole*: from the start of the process to its end, start-up and tracker included;
 * - *CPU*: user and system time of the downloading process, as the kernel counted it at its end;
 * - *peak*: the most memory that it had resident (`VmHWM`).
 *
 * Needs Linux. The ratio of two programs tells more than either figure: machines differ, and so do days.
 */
import { parseArgs } from "@std/cli/parse-args";
import { encode } from "@enjambre/bencode";
import { aria2Options } from "../tests/interop/aria2.ts";
import { eventually } from "../tests/kit/deadline.ts";
import { REPOSITORY, runEnjambre, startEnjambre } from "../tests/kit/enjambre.ts";
import { freePort } from "../tests/kit/free_port.ts";
import { peakMemoryBytes } from "../tests/kit/memory.ts";
import { findExecutable } from "../tests/kit/program.ts";
import { RunningProcess } from "../tests/kit/running_process.ts";
import { TempFolder } from "../tests/kit/temp_folder.ts";
import { cpuSecondsOfEndedChildren, makeContent, median } from "./in_turns.ts";

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;
const SEED_READY_LIMIT_MS = 60_000;
const SEED_REPORT_LIMIT_MS = 5_000;
const DOWNLOAD_LIMIT_MS = 300_000;
/** How often the memory of a download is looked at; the kernel keeps the peak itself. */
const MEMORY_INTERVAL_MS = 20;
/** How long peers may wait until they ask the tracker again: longer than a run. */
const TRACKER_INTERVAL_SECONDS = 1800;

/** A program that downloads. */
interface Leecher {
  readonly name: string;
  start(torrent: string, folder: string): RunningProcess;
}

/** One download. */
interface Measurement {
  transferBytesPerSecond: number;
  wholeBytesPerSecond: number;
  cpuSecondsPerGib: number;
  peakBytes: number;
}

const enjambre: Leecher = {
  name: "enjambre",
  start: (torrent, folder) => startEnjambre(["download", torrent, "--output", folder]),
};

const aria2: Leecher = {
  name: "aria2",
  start: (torrent, folder) =>
    RunningProcess.start("aria2c", [...aria2Options(folder, freePort()), "--seed-time=0", torrent]),
};

async function main(): Promise<void> {
  const flags = parseArgs(Deno.args, {
    string: ["mebibytes", "piece-length", "runs"],
    default: { mebibytes: "1024", "piece-length": String(MIB), runs: "3" },
  });
  const totalBytes = Number(flags.mebibytes) * MIB;
  const leechers = findExecutable("aria2c") === null ? [enjambre] : [enjambre, aria2];
  await using folder = await TempFolder.make();
  const content = folder.join("content.bin");
  const torrent = folder.join("content.torrent");
  await makeContent(content, totalBytes);
  let seedPort = 0;
  await using tracker = startTracker(() => seedPort);
  await runEnjambre([
    ...["create", content, "--output", torrent, "--piece-length", flags["piece-length"]],
    ...["--tracker", `http://127.0.0.1:${tracker.addr.port}/announce`],
  ]);
  await using seed = RunningProcess.start(
    Deno.execPath(),
    ["run", "-A", "bench/ideal_seed.ts", torrent, content],
    { cwd: REPOSITORY },
  );
  seedPort = Number((await seed.waitForEvent("listening", SEED_READY_LIMIT_MS)).port);
  const measured = new Map<Leecher, Measurement[]>(leechers.map((leecher) => [leecher, []]));
  for (let run = 1; run <= Number(flags.runs); run++) {
    for (const leecher of leechers) {
      const target = await folder.folder("downloaded");
      const measurement = await measure(leecher, torrent, target, seed, totalBytes);
      await Deno.remove(target, { recursive: true });
      measured.get(leecher)!.push(measurement);
      console.log(`run ${run}  ${row(leecher.name, measurement)}`);
    }
  }
  printMedians(measured);
}

/** A tracker that knows one peer: the seed. */
function startTracker(seedPort: () => number): Deno.HttpServer<Deno.NetAddr> {
  return Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, () => {
    const port = seedPort();
    const peers = new Uint8Array([127, 0, 0, 1, port >> 8, port & 0xff]);
    return new Response(encode({ interval: TRACKER_INTERVAL_SECONDS, peers }));
  });
}

/** Runs one download from start to end. */
async function measure(
  leecher: Leecher,
  torrent: string,
  folder: string,
  seed: RunningProcess,
  totalBytes: number,
): Promise<Measurement> {
  const linesBefore = seed.lines.length;
  const cpuBefore = await cpuSecondsOfEndedChildren();
  const startMs = performance.now();
  await using process = leecher.start(torrent, folder);
  let peakBytes = 0;
  const watching = setInterval(async () => {
    peakBytes = Math.max(peakBytes, await peakMemoryBytes(process.pid) ?? 0);
  }, MEMORY_INTERVAL_MS);
  try {
    await process.waitForSuccess(DOWNLOAD_LIMIT_MS);
  } finally {
    clearInterval(watching);
  }
  const wholeSeconds = (performance.now() - startMs) / 1000;
  // Nothing else that this program started ended meanwhile.
  const cpuSeconds = await cpuSecondsOfEndedChildren() - cpuBefore;
  const transfer = await eventually(SEED_REPORT_LIMIT_MS, "the seed's report", () => {
    const served = seed.lines.slice(linesBefore).map((line) => JSON.parse(line));
    const bytes = served.reduce((sum, { bytes }) => sum + bytes, 0);
    if (bytes < totalBytes) return null;
    const first = Math.min(...served.map(({ firstRequestMs }) => firstRequestMs));
    const last = Math.max(...served.map(({ lastBlockMs }) => lastBlockMs));
    return { bytes, seconds: (last - first) / 1000 };
  });
  return {
    transferBytesPerSecond: transfer.bytes / transfer.seconds,
    wholeBytesPerSecond: totalBytes / wholeSeconds,
    cpuSecondsPerGib: cpuSeconds / (totalBytes / GIB),
    peakBytes,
  };
}

function printMedians(measured: Map<Leecher, Measurement[]>): void {
  const medians = [...measured].map(([leecher, runs]) => ({
    name: leecher.name,
    median: Object.fromEntries(
      (Object.keys(runs[0]!) as (keyof Measurement)[]).map((key) => [
        key,
        median(runs.map((run) => run[key])),
      ]),
    ) as unknown as Measurement,
  }));
  console.log("\nmedians");
  for (const { name, median } of medians) console.log(`       ${row(name, median)}`);
  const [ours, theirs] = medians;
  if (ours === undefined || theirs === undefined) return;
  const ratio = (key: keyof Measurement) => (ours.median[key] / theirs.median[key]).toFixed(2);
  console.log(
    `\n${ours.name} : ${theirs.name}  transfer ${ratio("transferBytesPerSecond")}, ` +
      `whole ${ratio("wholeBytesPerSecond")}, CPU ${ratio("cpuSecondsPerGib")}, ` +
      `peak ${ratio("peakBytes")}`,
  );
}

function row(name: string, measurement: Measurement): string {
  const megabytes = (bytes: number) => (bytes / 1e6).toFixed(0).padStart(5);
  return `${name.padEnd(9)}  transfer ${megabytes(measurement.transferBytesPerSecond)} MB/s` +
    `  whole ${megabytes(measurement.wholeBytesPerSecond)} MB/s` +
    `  CPU ${measurement.cpuSecondsPerGib.toFixed(2).padStart(5)} s/GiB` +
    `  peak ${(measurement.peakBytes / MIB).toFixed(0).padStart(5)} MiB`;
}

if (import.meta.main) await main();
