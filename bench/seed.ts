/**
 * The part `seed`: the upload of a seed to the ideal leecher, which asks for everything and keeps nothing.
 *
 * All seeds run at the same time, and are asked in turns.
 */
import { Scope } from "../tests/kit/scoped.ts";
import { Fixture, MIB } from "./fixture.ts";
import { type Figures, inTurns, type Outcome, type Part, type PartContext } from "./part.ts";
import { cpuSecondsOf, peakMebibytesOf } from "./process_cost.ts";
import {
  allOfOurs,
  aria2,
  libtorrent,
  present,
  type RunningSeed,
  seedingContestants,
} from "./programs.ts";

/** An upload over one connection. */
export const seed: Part = {
  name: "seed",
  about: "An upload to the ideal leecher, which keeps nothing, over one connection",
  notes:
    "Transfer is from the unchoke to the last block, as the leecher saw it, and CPU that of the seed " +
    "meanwhile. The ideal seed, out of memory and with nothing to decide, shows what the leecher and the " +
    "machine have room for.",
  metrics: [
    { id: "transfer", name: "transfer", unit: "MB/s", better: "more", digits: 0 },
    { id: "cpu", name: "CPU", unit: "s/GiB", better: "less", digits: 2 },
    { id: "memory", name: "memory", unit: "MiB", better: "less", digits: 0 },
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
    const contestants = await seedingContestants(programs, fixture, scope, measureUpload);
    if (context.only === null) {
      const ideal = await fixture.startIdealSeed([1]);
      await scope.use(ideal);
      contestants.push({
        program: "ideal seed",
        case: "",
        measure: () => measureUpload({ process: ideal.process, port: ideal.port(1) }, fixture),
      });
    }
    return { rows: await inTurns(seed.metrics, contestants, context), absent };
  },
};

async function measureUpload(
  { process, port }: RunningSeed,
  fixture: Fixture,
): Promise<Figures> {
  const cpuBefore = await cpuSecondsOf(process.pid);
  const bytesPerSecond = await fixture.leechIdeally(port);
  return {
    transfer: bytesPerSecond / 1e6,
    cpu: (await cpuSecondsOf(process.pid) - cpuBefore) / fixture.gibibytes,
    memory: await peakMebibytesOf(process.pid),
  };
}
