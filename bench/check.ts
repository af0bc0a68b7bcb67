/**
 * The part `check`: a check of content that is all there.
 */
import { libtorrentCheckArgs } from "../tests/interop/libtorrent.ts";
import { type Requirement, SYSTEM_PYTHON } from "../tests/kit/program.ts";
import { RunningProcess } from "../tests/kit/running_process.ts";
import { Fixture, MIB } from "./fixture.ts";
import { inTurns, type Metric, type Outcome, type Part, type PartContext } from "./part.ts";
import { costOf } from "./process_cost.ts";
import { allOfOurs, COMPLETE_LIMIT_MS, present } from "./programs.ts";

/** What is measured of a program that reads everything once. */
export const WORK_METRICS: readonly Metric[] = [
  { id: "work", name: "work", unit: "GB/s", better: "more", digits: 2 },
  { id: "whole", name: "whole", unit: "GB/s", better: "more", digits: 2 },
  { id: "cpu", name: "CPU", unit: "s/GiB", better: "less", digits: 2 },
  { id: "memory", name: "memory", unit: "MiB", better: "less", digits: 0 },
];

/** A program that reads all of the content once and ends. */
export interface Worker {
  readonly name: string;
  readonly requires: Requirement | null;
  start(): RunningProcess;
  /** Seconds that it says the work itself took; null where it does not say. */
  workSeconds(process: RunningProcess): number | null;
  /** Takes away what a run left, before the next one. */
  tidy(): Promise<void>;
}

/** A check of everything. */
export const check: Part = {
  name: "check",
  about: "A check of content that is all there",
  notes:
    "Work is the check itself as the program tells it, without its start-up; aria2 does not tell. Whole is " +
    "from the start of the process to its end. libtorrent maps the file, which counts as memory.",
  metrics: WORK_METRICS,
  options: { mebibytes: 1024, "piece-length": MIB },
  runs: 5,
  warmUps: 1,
  async measure(context: PartContext): Promise<Outcome> {
    await using fixture = await Fixture.make(
      context.option("mebibytes"),
      context.option("piece-length"),
    );
    const { torrent, folder, totalBytes } = fixture;
    const ours: Worker[] = allOfOurs(context).map((program) => ({
      name: program.name,
      requires: null,
      start: () => program.start(["verify", torrent, folder, "--json"]),
      workSeconds: (process) => workSecondsOfOurs(process, totalBytes),
      tidy: nothing,
    }));
    const all = [...ours, aria2(torrent, folder), libtorrent(torrent, folder)];
    return await measureWork(all, fixture, context);
  },
};

/** Measures programs that read all of a fixture once. */
export async function measureWork(
  all: readonly Worker[],
  { totalBytes, gibibytes }: Fixture,
  context: PartContext,
): Promise<Outcome> {
  const { programs, absent } = await present(all, context);
  const contestants = programs.map((worker) => ({
    program: worker.name,
    case: "",
    async measure() {
      let workSeconds: number | null = null;
      const cost = await costOf(worker.start, COMPLETE_LIMIT_MS, async (process) => {
        await process.exited;
        workSeconds = worker.workSeconds(process);
      });
      await worker.tidy();
      return {
        ...(workSeconds === null ? {} : { work: totalBytes / 1e9 / workSeconds }),
        whole: totalBytes / 1e9 / cost.wholeSeconds,
        cpu: cost.cpuSeconds / gibibytes,
        memory: cost.peakMebibytes,
      };
    },
  }));
  return { rows: await inTurns(WORK_METRICS, contestants, context), absent };
}

/** Seconds that the last progress of our program on so many bytes tells of. */
export function workSecondsOfOurs(process: RunningProcess, totalBytes: number): number | null {
  const progress = process.lines.map((line) => JSON.parse(line)).filter((each) =>
    each.event === "progress" && each.bytesPerSecond !== null
  ).at(-1);
  return progress === undefined ? null : totalBytes / progress.bytesPerSecond;
}

const nothing = async (): Promise<void> => {};

function aria2(torrent: string, folder: string): Worker {
  const args = [
    "--no-conf",
    "--enable-dht=false",
    "--enable-dht6=false",
    "--bt-enable-lpd=false",
    "--check-integrity=true",
    "--hash-check-only=true",
    "--bt-hash-check-seed=false",
    "--seed-time=0",
    "--summary-interval=0",
    `--dir=${folder}`,
    torrent,
  ];
  return {
    name: "aria2",
    requires: "aria2c",
    start: () => RunningProcess.start("aria2c", args),
    workSeconds: () => null,
    tidy: nothing,
  };
}

function libtorrent(torrent: string, folder: string): Worker {
  return {
    name: "libtorrent",
    requires: "libtorrent",
    start: () => RunningProcess.start(SYSTEM_PYTHON, libtorrentCheckArgs(torrent, folder)),
    workSeconds: (process) => JSON.parse(process.lines.at(-1)!).seconds,
    tidy: nothing,
  };
}
