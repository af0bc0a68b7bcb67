/**
 * The part `start`: how long it takes until a program is of use.
 */
import { Fixture, MIB } from "./fixture.ts";
import {
  type Contestant,
  type Figures,
  inTurns,
  type Outcome,
  type Part,
  type PartContext,
} from "./part.ts";
import { costOf } from "./process_cost.ts";
import { allOfOurs, type Enjambre, libtorrent, present, type SwarmProgram } from "./programs.ts";
import { RunningProcess } from "../tests/kit/running_process.ts";
import { findExecutable } from "../tests/kit/program.ts";

const START_LIMIT_MS = 120_000;

/** From launch to being of use. */
export const start: Part = {
  name: "start",
  about: "From the start of a process until it is of use",
  notes:
    "A bare deno runs nothing, and is what every program on Deno takes. Seed listening is from the start to " +
    "the line that says where it listens, for a torrent of 1 GiB that an earlier run verified; libtorrent " +
    "is told that all is there and does not look. Demo is `enjambre demo`, which is bound by the limits " +
    "that its peers are given.",
  metrics: [
    { id: "time", name: "time", unit: "ms", better: "less", digits: 0 },
    { id: "cpu", name: "CPU", unit: "s", better: "less", digits: 2 },
    { id: "memory", name: "memory", unit: "MiB", better: "less", digits: 0 },
  ],
  options: { mebibytes: 1024, demos: 1 },
  runs: 7,
  warmUps: 1,
  async measure(context: PartContext): Promise<Outcome> {
    const { programs, absent } = await present([...allOfOurs(context), libtorrent], context);
    await using fixture = await Fixture.make(context.option("mebibytes"), MIB);
    const ours = programs.filter((program): program is Enjambre => program !== libtorrent);
    const contestants: Contestant[] = [];
    for (const program of ours) {
      contestants.push(processOf(program.name, "--version", () => program.start(["--version"])));
    }
    contestants.push(
      processOf(
        "bare deno",
        "--version",
        () => RunningProcess.start(Deno.execPath(), ["eval", ""]),
      ),
    );
    if (findExecutable("aria2c") !== null) {
      contestants.push(
        processOf("aria2", "--version", () => RunningProcess.start("aria2c", ["--version"])),
      );
    }
    for (const program of programs) {
      contestants.push({
        program: program.name,
        case: "seed listening",
        measure: () => measureSeed(program, fixture),
      });
    }
    const rows = await inTurns(start.metrics, contestants, context);
    const demos = ours.map((program) =>
      processOf(program.name, "demo", () => program.start(["demo"]))
    );
    const runs = context.option("demos");
    rows.push(...await inTurns(start.metrics, demos, { ...context, runs, warmUps: 0 }));
    return { rows, absent };
  },
};

/** A process from its start to its end. */
function processOf(program: string, name: string, begin: () => RunningProcess): Contestant {
  return {
    program,
    case: name,
    async measure(): Promise<Figures> {
      const { wholeSeconds, cpuSeconds, peakMebibytes } = await costOf(begin, START_LIMIT_MS);
      return {
        time: wholeSeconds * 1000,
        cpu: cpuSeconds,
        // It may be over before anybody looked.
        ...(peakMebibytes > 0 ? { memory: peakMebibytes } : {}),
      };
    },
  };
}

async function measureSeed(
  program: SwarmProgram,
  { torrent, folder }: Fixture,
): Promise<Figures> {
  const startMs = performance.now();
  const { process } = await program.seed({ torrent, folder });
  const time = performance.now() - startMs;
  await process.end();
  return { time };
}
