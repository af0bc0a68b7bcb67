/**
 * The part `both`: a download from a seed of the same kind, ours from ours.
 */
import { Scope } from "../tests/kit/scoped.ts";
import { Fixture, MIB } from "./fixture.ts";
import { type Figures, inTurns, type Outcome, type Part, type PartContext } from "./part.ts";
import { costOf, cpuSecondsOf, peakMebibytesOf } from "./process_cost.ts";
import {
  allOfOurs,
  aria2,
  COMPLETE_LIMIT_MS,
  libtorrent,
  present,
  type RunningSeed,
  seedingContestants,
  type SwarmProgram,
} from "./programs.ts";

/** A download of each program from itself. */
export const both: Part = {
  name: "both",
  about: "A download from a seed of the same kind, over one connection, verified and stored",
  notes:
    "Transfer is from the moment when the leecher listens to the moment when it says that all is " +
    "stored; aria2 does not say when it listens. CPU and memory are those of both processes.",
  metrics: [
    { id: "transfer", name: "transfer", unit: "MB/s", better: "more", digits: 0 },
    { id: "whole", name: "whole", unit: "MB/s", better: "more", digits: 0 },
    { id: "cpu", name: "CPU of both", unit: "s/GiB", better: "less", digits: 2 },
    { id: "memory", name: "memory of both", unit: "MiB", better: "less", digits: 0 },
  ],
  options: { mebibytes: 1024, "piece-length": MIB },
  runs: 5,
  warmUps: 1,
  async measure(context: PartContext): Promise<Outcome> {
    const { programs, absent } = await present([...allOfOurs(context), libtorrent, aria2], context);
    await using fixture = await Fixture.make(
      context.option("mebibytes"),
      context.option("piece-length"),
    );
    await using scope = new Scope();
    const contestants = await seedingContestants(programs, fixture, scope, measureBoth);
    return { rows: await inTurns(both.metrics, contestants, context), absent };
  },
};

async function measureBoth(
  seed: RunningSeed,
  fixture: Fixture,
  program: SwarmProgram,
): Promise<Figures> {
  const { torrent, totalBytes, gibibytes } = fixture;
  fixture.tracker.peers = [{ host: "127.0.0.1", port: seed.port }];
  const seedCpuBefore = await cpuSecondsOf(seed.process.pid);
  let listeningMs: number | null = null;
  let completeMs = 0;
  const cost = await fixture.withTarget((folder) =>
    costOf(
      () => program.leech({ torrent, folder }),
      COMPLETE_LIMIT_MS,
      async (process) => {
        if (program !== aria2) {
          await process.waitForEvent("listening", COMPLETE_LIMIT_MS);
          listeningMs = performance.now();
        }
        await program.complete(process);
        completeMs = performance.now();
      },
    )
  );
  const seedCpu = await cpuSecondsOf(seed.process.pid) - seedCpuBefore;
  return {
    ...(listeningMs === null ? {} : { transfer: totalBytes / 1e3 / (completeMs - listeningMs) }),
    whole: totalBytes / 1e6 / cost.wholeSeconds,
    cpu: (cost.cpuSeconds + seedCpu) / gibibytes,
    memory: cost.peakMebibytes + await peakMebibytesOf(seed.process.pid),
  };
}
