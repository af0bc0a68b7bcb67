/**
 * The part `swarm`: how long a swarm takes, of one seed and some leechers, each with the same upload limit, until the last
 * leecher has everything.
 *
 * Every peer is a process of its own on loopback, in memory (`/dev/shm` where there is one: the size, once for
 * each peer), and finds the others through our tracker. The clock runs from the start of the leechers, all at once,
 * while the seed is known to the tracker already, to the moment when the last one says that it is complete; all
 * go on giving until then.
 */
import { parseTorrent } from "@enjambre/metainfo";
import { announceUrl, ourTracker, scrape } from "../tests/interop/tracker_program.ts";
import { assertSameTree } from "../tests/kit/compare.ts";
import { writeContent } from "../tests/kit/content.ts";
import { eventually } from "../tests/kit/deadline.ts";
import { runEnjambre } from "../tests/kit/enjambre.ts";
import { onFreePort } from "../tests/kit/free_port.ts";
import { loopback } from "../tests/kit/network.ts";
import type { JsonEvent, RunningProcess } from "../tests/kit/running_process.ts";
import { Scope } from "../tests/kit/scoped.ts";
import { TempFolder } from "../tests/kit/temp_folder.ts";
import { MIB } from "./fixture.ts";
import { type Figures, inTurns, type Outcome, type Part, type PartContext } from "./part.ts";
import {
  allOfOurs,
  aria2,
  COMPLETE_LIMIT_MS,
  Enjambre,
  libtorrent,
  present,
  type SwarmProgram,
} from "./programs.ts";

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

/** A swarm with limited uploads. */
export const swarm: Part = {
  name: "swarm",
  about: "One seed and 8 leechers, each uploads 4 MB/s, until the last one has all of 64 MiB",
  notes:
    "The programs' start-up counts. Nobody gets past the bound: the seed has to send everything once, and " +
    "all together everything once for each leecher. Of ours, when the last leecher listened and when it had " +
    "a piece (they tell once a second), what came twice to a leecher, and what the seed sent, as a " +
    "multiple of the content.",
  metrics: [
    { id: "seconds", name: "last complete", unit: "s", better: "less", digits: 1 },
    { id: "bound", name: "to the bound", unit: "", better: "less", digits: 2 },
    { id: "first", name: "first complete", unit: "s", better: "less", digits: 1 },
    { id: "listening", name: "listening", unit: "s", better: "less", digits: 1 },
    { id: "firstPiece", name: "first piece", unit: "s", better: "less", digits: 1 },
    { id: "twice", name: "twice", unit: "MiB", better: "less", digits: 1 },
    { id: "seedSent", name: "seed sent", unit: "", better: "less", digits: 2 },
  ],
  options: { mebibytes: 64, leechers: 8, rate: 4_000_000 },
  runs: 2,
  warmUps: 0,
  async measure(context: PartContext): Promise<Outcome> {
    const { programs, absent } = await present([...allOfOurs(context), aria2, libtorrent], context);
    const experiment: Experiment = {
      peers: context.option("leechers"),
      totalBytes: context.option("mebibytes") * MIB,
      uploadBytesPerSecond: context.option("rate"),
    };
    context.log(`the bound is ${boundSeconds(experiment).toFixed(1)} s`);
    const contestants = programs.map((program) => ({
      program: program.name,
      case: "",
      measure: () => measure(program, experiment),
    }));
    return { rows: await inTurns(swarm.metrics, contestants, context), absent };
  },
};

/** Runs one swarm from the start of its leechers until all are complete. */
async function measure(program: SwarmProgram, experiment: Experiment): Promise<Figures> {
  const { totalBytes, uploadBytesPerSecond } = experiment;
  await using scope = new Scope();
  const folder = await scope.use(TempFolder.make());
  const seedFolder = await folder.folder("seed");
  const content = { name: "content.bin", files: [], bytes: totalBytes };
  const original = await writeContent(seedFolder, content);
  const torrent = folder.join("content.torrent");
  const counts = await startTracker(scope, original, torrent);

  const task = (folder: string) => ({ torrent, folder, uploadBytesPerSecond, staysAsSeed: true });
  const { process: seed } = await program.seed(task(seedFolder));
  await scope.use(seed);
  await eventually(
    SEED_LIMIT_MS,
    "the seed to announce itself",
    async () => (await counts()).seeders === 1 || null,
  );
  const folders: string[] = [];
  for (let i = 1; i <= experiment.peers; i++) folders.push(await folder.folder(`leecher-${i}`));

  const startMs = performance.now();
  const sinceStart = () => (performance.now() - startMs) / 1000;
  const leechers = await Promise.all(folders.map((each) => scope.use(program.leech(task(each)))));
  const facts = program instanceof Enjambre ? factsOf(leechers, seed, sinceStart, totalBytes) : {};
  const seconds = await Promise.all(
    leechers.map((leecher) => program.complete(leecher).then(sinceStart)),
  );
  const last = Math.max(...seconds);
  const figures = {
    seconds: last,
    bound: last / boundSeconds(experiment),
    first: Math.min(...seconds),
    ...await facts,
  };
  // Whoever says that it is complete may still be writing; ended, it is not.
  await Promise.all(leechers.map((leecher) => leecher.end()));
  for (const each of folders) await assertSameTree(original, `${each}/${content.name}`);
  return figures;
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

/** What only our peers tell. */
async function factsOf(
  leechers: readonly RunningProcess[],
  seed: RunningProcess,
  sinceStart: () => number,
  totalBytes: number,
): Promise<Figures> {
  const each = await Promise.all(leechers.map(async (leecher) => {
    await leecher.waitForEvent("listening", COMPLETE_LIMIT_MS);
    const listening = sinceStart();
    const hasPiece = ({ haveBytes }: JsonEvent) => Number(haveBytes) > 0;
    await leecher.waitForEvent("progress", COMPLETE_LIMIT_MS, hasPiece);
    const firstPiece = sinceStart();
    const { wasted } = await leecher.waitForEvent("complete", COMPLETE_LIMIT_MS);
    return { listening, firstPiece, duplicate: (wasted as { duplicate: number }).duplicate };
  }));
  await seed.end();
  const { uploadedBytes } = await seed.waitForEvent("stopped", COMPLETE_LIMIT_MS);
  return {
    listening: Math.max(...each.map(({ listening }) => listening)),
    firstPiece: Math.max(...each.map(({ firstPiece }) => firstPiece)),
    twice: each.reduce((sum, { duplicate }) => sum + duplicate, 0) / MIB,
    seedSent: Number(uploadedBytes) / totalBytes,
  };
}

/** What nobody can do better than. */
function boundSeconds({ peers, totalBytes, uploadBytesPerSecond }: Experiment): number {
  const fromSeed = totalBytes / uploadBytesPerSecond;
  return Math.max(fromSeed, peers * fromSeed / (1 + peers));
}
