/**
 * Measures how long a swarm takes: one seed and some leechers, each with the same upload limit, until the last
 * leecher has everything. Ours and, where they are installed, aria2 and libtorrent, in turns.
 *
 * `deno run -A bench/swarm.ts [--peers 8] [--mebibytes 64] [--rate 4000000] [--runs 3] [--only enjambre]`
 *
 * Every peer is a process of its own on loopback, in memory (`/dev/shm` where there is one: the size, once for
 * each peer), and finds the others through our tracker. The clock runs from the start of the leechers, all at once,
 * while the seed is known to the tracker already, to the moment when the last one says that it is complete; all
 * go on giving until then. Beside it stands what nobody can do better than: the seed has to send everything once,
 * and all together everything once for each leecher, `max(F/u, N·F/(u + N·u))`.
 *
 * The programs' start-up counts. Of ours more is told: *listening*, when the last leecher listened; *first piece*,
 * when the last one had a piece (they tell once a second); *duplicates*, what came twice to a leecher; *seed*, what the
 * seed sent, as a multiple of the content. Whatever that is above 1 was sent to several leechers, and is what the
 * bound is missed by while the seed is what everybody waits for.
 */
import { parseArgs } from "@std/cli/parse-args";
import { parseTorrent } from "@enjambre/metainfo";
import { announceUrl, ourTracker, scrape } from "../tests/interop/tracker_program.ts";
import { assertSameTree } from "../tests/kit/compare.ts";
import { writeContent } from "../tests/kit/content.ts";
import { eventually } from "../tests/kit/deadline.ts";
import { runEnjambre } from "../tests/kit/enjambre.ts";
import { onFreePort } from "../tests/kit/free_port.ts";
import { loopback } from "../tests/kit/network.ts";
import { requireProgram } from "../tests/kit/program.ts";
import type { JsonEvent, RunningProcess } from "../tests/kit/running_process.ts";
import { Scope } from "../tests/kit/scoped.ts";
import { TempFolder } from "../tests/kit/temp_folder.ts";
import {
  aria2,
  COMPLETE_LIMIT_MS,
  enjambre,
  libtorrent,
  type SwarmProgram,
} from "./swarm_program.ts";

const MIB = 1024 * 1024;
/** As in the measurements that this one continues. */
const PIECE_BYTES = 256 * 1024;
/** How long a seed may take to check its content and announce itself. */
const SEED_LIMIT_MS = 60_000;

/** What is measured. */
interface Experiment {
  readonly peers: number;
  readonly totalBytes: number;
  readonly uploadBytesPerSecond: number;
}

/** One run, in seconds since the start of the leechers. */
interface Measurement {
  /** When each leecher was complete. */
  readonly completeSeconds: readonly number[];
  /** What our leechers told; null for other programs. */
  readonly ours: OurFacts | null;
}

/** What only our leechers tell. */
interface OurFacts {
  readonly listeningSeconds: number;
  readonly firstPieceSeconds: number;
  readonly duplicateBytes: number;
  readonly seedSentBytes: number;
}

async function main(): Promise<void> {
  const flags = parseArgs(Deno.args, {
    string: ["peers", "mebibytes", "rate", "runs", "only"],
    default: { peers: "8", mebibytes: "64", rate: "4000000", runs: "3" },
  });
  const experiment: Experiment = {
    peers: Number(flags.peers),
    totalBytes: Number(flags.mebibytes) * MIB,
    uploadBytesPerSecond: Number(flags.rate),
  };
  const measured = new Map<SwarmProgram, Measurement[]>();
  for (const program of [enjambre, aria2, libtorrent]) {
    if (flags.only !== undefined && flags.only !== program.name) continue;
    const versions = await Promise.all(program.requires.map(requireProgram));
    if (versions.includes(null)) console.log(`${program.name} is not installed`);
    else measured.set(program, []);
  }
  console.log(describe(experiment));
  for (let run = 1; run <= Number(flags.runs); run++) {
    for (const [program, runs] of measured) {
      const measurement = await measure(program, experiment);
      runs.push(measurement);
      console.log(`run ${run}  ${runLine(program, measurement, experiment)}`);
    }
  }
  printTable(measured, experiment);
}

/** Runs one swarm from the start of its leechers until all are complete. */
async function measure(program: SwarmProgram, experiment: Experiment): Promise<Measurement> {
  const { totalBytes, uploadBytesPerSecond } = experiment;
  await using scope = new Scope();
  const folder = await scope.use(TempFolder.make());
  const seedFolder = await folder.folder("seed");
  const content = { name: "content.bin", files: [], bytes: totalBytes };
  const original = await writeContent(seedFolder, content);
  const torrent = folder.join("content.torrent");
  const counts = await startTracker(scope, original, torrent);

  const member = (folder: string) => ({ torrent, folder, uploadBytesPerSecond });
  const seed = await scope.use(program.seed(member(seedFolder)));
  await eventually(
    SEED_LIMIT_MS,
    "the seed to announce itself",
    async () => (await counts()).seeders === 1 || null,
  );
  const folders: string[] = [];
  for (let i = 1; i <= experiment.peers; i++) folders.push(await folder.folder(`leecher-${i}`));

  const startMs = performance.now();
  const sinceStart = () => (performance.now() - startMs) / 1000;
  const leechers = await Promise.all(folders.map((each) => scope.use(program.leech(member(each)))));
  const facts = program === enjambre ? factsOf(leechers, seed, sinceStart) : null;
  const completeSeconds = await Promise.all(
    leechers.map((leecher) => program.complete(leecher).then(sinceStart)),
  );
  const measurement = { completeSeconds, ours: await facts };
  // Whoever says that it is complete may still be writing; ended, it is not.
  await Promise.all(leechers.map((leecher) => leecher.end()));
  for (const each of folders) await assertSameTree(original, `${each}/${content.name}`);
  return measurement;
}

/** Starts a tracker, makes a torrent that names it, and gives the tracker's counts of it. */
async function startTracker(scope: Scope, content: string, torrent: string) {
  const place = loopback().left;
  return await onFreePort(async (port) => {
    const url = announceUrl(place, port);
    await Deno.remove(torrent).catch(() => {});
    await runEnjambre([
      ...["create", content, "--tracker", url, "--output", torrent],
      ...["--piece-length", String(PIECE_BYTES)],
    ]);
    const { swarmHash } = await parseTorrent(await Deno.readFile(torrent));
    await ourTracker.start(scope, place, port, swarmHash);
    return () => scrape(url, place, swarmHash);
  });
}

async function factsOf(
  leechers: readonly RunningProcess[],
  seed: RunningProcess,
  sinceStart: () => number,
): Promise<OurFacts> {
  const each = await Promise.all(leechers.map(async (leecher) => {
    await leecher.waitForEvent("listening", COMPLETE_LIMIT_MS);
    const listeningSeconds = sinceStart();
    const hasPiece = ({ haveBytes }: JsonEvent) => Number(haveBytes) > 0;
    await leecher.waitForEvent("progress", COMPLETE_LIMIT_MS, hasPiece);
    const firstPieceSeconds = sinceStart();
    const { wasted } = await leecher.waitForEvent("complete", COMPLETE_LIMIT_MS);
    const { duplicate } = wasted as { duplicate: number };
    return { listeningSeconds, firstPieceSeconds, duplicateBytes: duplicate };
  }));
  await seed.end();
  const { uploadedBytes } = await seed.waitForEvent("stopped", COMPLETE_LIMIT_MS);
  return {
    listeningSeconds: Math.max(...each.map(({ listeningSeconds }) => listeningSeconds)),
    firstPieceSeconds: Math.max(...each.map(({ firstPieceSeconds }) => firstPieceSeconds)),
    duplicateBytes: each.reduce((sum, { duplicateBytes }) => sum + duplicateBytes, 0),
    seedSentBytes: Number(uploadedBytes),
  };
}

/** What nobody can do better than. */
function boundSeconds({ peers, totalBytes, uploadBytesPerSecond }: Experiment): number {
  const fromSeed = totalBytes / uploadBytesPerSecond;
  return Math.max(fromSeed, peers * fromSeed / (1 + peers));
}

function describe(experiment: Experiment): string {
  const { peers, totalBytes, uploadBytesPerSecond } = experiment;
  return `1 seed and ${peers} leechers, ${totalBytes / MIB} MiB in pieces of ${
    PIECE_BYTES / 1024
  } KiB, each uploads ${uploadBytesPerSecond / 1e6} MB/s; bound ${
    boundSeconds(experiment).toFixed(1)
  } s`;
}

function runLine(
  { name }: SwarmProgram,
  { completeSeconds, ours }: Measurement,
  experiment: Experiment,
): string {
  const last = Math.max(...completeSeconds);
  const line = `${name.padEnd(10)} first complete ${Math.min(...completeSeconds).toFixed(1)} s, ` +
    `last ${last.toFixed(1)} s, ${(last / boundSeconds(experiment)).toFixed(2)} of the bound`;
  if (ours === null) return line;
  return `${line}; listening ${ours.listeningSeconds.toFixed(1)} s, ` +
    `first piece ${ours.firstPieceSeconds.toFixed(1)} s, ` +
    `duplicates ${(ours.duplicateBytes / MIB).toFixed(1)} MiB, ` +
    `seed ${(ours.seedSentBytes / experiment.totalBytes).toFixed(2)}`;
}

/** Prints the medians, as a table for `docs/measured.md`. */
function printTable(
  measured: ReadonlyMap<SwarmProgram, readonly Measurement[]>,
  experiment: Experiment,
): void {
  const bound = boundSeconds(experiment);
  const rows = [
    ["program", "median, s", "least, s", "most, s", "median : bound"],
    ["---", "--:", "--:", "--:", "--:"],
    ["bound", bound.toFixed(1), "", "", "1.00"],
  ];
  for (const [program, runs] of measured) {
    const seconds = runs.map(({ completeSeconds }) => Math.max(...completeSeconds));
    const numbers = [median(seconds), Math.min(...seconds), Math.max(...seconds)];
    rows.push([
      program.name,
      ...numbers.map((each) => each.toFixed(1)),
      (median(seconds) / bound).toFixed(2),
    ]);
  }
  console.log("\n" + rows.map((row) => `| ${row.join(" | ")} |`).join("\n"));
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

if (import.meta.main) await main();
