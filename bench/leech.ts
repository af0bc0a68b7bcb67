/**
 * The parts `leech` and `peers`: a download from the ideal seed, over one connection and over many.
 *
 * The seed serves out of memory, in a process of its own, on as many addresses of loopback as there shall be
 * connections, and unchokes everybody when all of them are there.
 */
import { eventually } from "../tests/kit/deadline.ts";
import { Fixture, type IdealSeed, MIB } from "./fixture.ts";
import { type Contestant, type Figures, inTurns, type Metric } from "./part.ts";
import type { Outcome, Part, PartContext } from "./part.ts";
import { costOf, cpuSecondsOf } from "./process_cost.ts";
import {
  allOfOurs,
  aria2,
  COMPLETE_LIMIT_MS,
  libtorrent,
  present,
  type SwarmProgram,
} from "./programs.ts";

const SEED_REPORT_LIMIT_MS = 10_000;
/** Connections of the part `peers`. */
const CONNECTIONS: readonly number[] = [1, 10, 50, 500];

const METRICS: readonly Metric[] = [
  { id: "transfer", name: "transfer", unit: "MB/s", better: "more", digits: 0 },
  { id: "whole", name: "whole", unit: "MB/s", better: "more", digits: 0 },
  { id: "cpu", name: "CPU", unit: "s/GiB", better: "less", digits: 2 },
  { id: "memory", name: "memory", unit: "MiB", better: "less", digits: 0 },
];

/** A download over one connection. */
export const leech: Part = {
  name: "leech",
  about: "A download from the ideal seed, over one connection, verified and stored",
  notes:
    "Transfer is from the first request to the moment when the program says that all is stored, whole is " +
    "from the start of the process to its end, tracker included. aria2 waits two seconds before it begins; " +
    "libtorrent maps the file, which counts as memory. The ideal leecher neither verifies nor stores: " +
    "it shows what the seed and the machine have room for.",
  metrics: METRICS,
  options: { mebibytes: 1024, "piece-length": MIB },
  runs: 5,
  warmUps: 1,
  async measure(context: PartContext): Promise<Outcome> {
    const all = [...allOfOurs(context), aria2, libtorrent];
    return await measureDownloads(context, METRICS, all, [1]);
  },
};

/** The same download over more connections. */
export const peers: Part = {
  name: "peers",
  about: "The same download over 1, 10, 50 and 500 connections (aria2 makes 30 at most)",
  notes:
    "The seed unchokes everybody when all connections are there, and transfer begins then; making " +
    "them is in whole alone. CPU is what came after the unchoke. Connections are those over which blocks came.",
  metrics: [...METRICS, {
    id: "connections",
    name: "connections",
    unit: "",
    better: "more",
    digits: 0,
  }],
  options: { mebibytes: 1024, "piece-length": MIB, connections: 0 },
  runs: 3,
  warmUps: 1,
  async measure(context: PartContext): Promise<Outcome> {
    const one = context.option("connections");
    const all = [...allOfOurs(context), aria2, libtorrent];
    return await measureDownloads(context, peers.metrics, all, one === 0 ? CONNECTIONS : [one]);
  },
};

async function measureDownloads(
  context: PartContext,
  metrics: readonly Metric[],
  all: readonly SwarmProgram[],
  connectionCounts: readonly number[],
): Promise<Outcome> {
  const { programs, absent } = await present(all, context);
  await using fixture = await Fixture.make(
    context.option("mebibytes"),
    context.option("piece-length"),
  );
  await using seed = await fixture.startIdealSeed(connectionCounts);
  const isOne = metrics === METRICS;
  const contestants: Contestant[] = connectionCounts.flatMap((connections) =>
    programs.filter(({ connectionsMax }) => connections <= connectionsMax).map((program) => ({
      program: program.name,
      case: isOne ? "" : `${connections} ${connections === 1 ? "connection" : "connections"}`,
      measure: () => measureDownload(program, fixture, seed, connections, !isOne),
    }))
  );
  if (isOne && context.only === null) {
    contestants.push({
      program: "ideal leecher",
      case: "",
      measure: async () => ({ transfer: await fixture.leechIdeally(seed.port(1)) / 1e6 }),
    });
  }
  return { rows: await inTurns(metrics, contestants, context), absent };
}

/** Runs one download from start to end. */
async function measureDownload(
  program: SwarmProgram,
  fixture: Fixture,
  seed: IdealSeed,
  connections: number,
  countsFromUnchoke: boolean,
): Promise<Figures> {
  const { torrent, totalBytes, gibibytes } = fixture;
  fixture.tracker.peers = seed.places(connections);
  const startMs = Date.now();
  let completeMs = 0;
  let cpuBefore = 0;
  const cost = await fixture.withTarget((folder) =>
    costOf(
      () => program.leech({ torrent, folder, connectionsMax: Math.max(connections, 10) }),
      COMPLETE_LIMIT_MS,
      async (process) => {
        await seed.unchoking(startMs);
        if (countsFromUnchoke) cpuBefore = await cpuSecondsOf(process.pid);
        await program.complete(process);
        completeMs = Date.now();
      },
    )
  );
  const served = await eventually(SEED_REPORT_LIMIT_MS, "the seed's report", () => {
    const all = seed.servedSince(startMs);
    return all.reduce((sum, { bytes }) => sum + bytes, 0) < totalBytes ? null : all;
  });
  const firstRequestMs = Math.min(...served.map(({ firstRequestMs }) => firstRequestMs));
  return {
    transfer: totalBytes / 1e3 / (completeMs - firstRequestMs),
    whole: totalBytes / 1e6 / cost.wholeSeconds,
    cpu: (cost.cpuSeconds - cpuBefore) / gibibytes,
    memory: cost.peakMebibytes,
    connections: served.length,
  };
}
