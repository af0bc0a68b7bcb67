/** Measures programs that do the same work, in turns: for `bench/check.ts` and `bench/create.ts`. */
import { pseudoRandomBytes } from "../tests/kit/content.ts";
import { peakMemoryBytes } from "../tests/kit/memory.ts";
import type { RunningProcess } from "../tests/kit/running_process.ts";

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;
/** How much content is made and written at a time. */
const MAKE_BYTES = 64 * MIB;
const PROGRAM_LIMIT_MS = 300_000;
/** How often the memory of a program is looked at; the kernel keeps the peak itself. */
const MEMORY_INTERVAL_MS = 10;
/** Clock ticks in a second as `/proc` counts them: 100 on every Linux that there is. */
const TICKS_PER_SECOND = 100;

/** A program to be measured. */
export interface Contestant {
  readonly name: string;
  start(): RunningProcess;
  /** Seconds that it says the work itself took, start-up left out; null where it does not say. */
  workSeconds(process: RunningProcess): number | null;
  /** Takes away what a run left, before the next one. */
  tidy(): Promise<void>;
}

/** One run. */
interface Measurement {
  /** From the start of the process to its end. */
  readonly wholeSeconds: number;
  readonly workSeconds: number | null;
  readonly cpuSeconds: number;
  readonly peakBytes: number;
}

/** Writes content of the size, a part at a time. */
export async function makeContent(path: string, totalBytes: number): Promise<void> {
  using file = await Deno.open(path, { write: true, createNew: true });
  for (let offset = 0; offset < totalBytes; offset += MAKE_BYTES) {
    const bytes = pseudoRandomBytes(Math.min(MAKE_BYTES, totalBytes - offset), 1 + offset);
    for (let written = 0; written < bytes.length;) {
      written += await file.write(bytes.subarray(written));
    }
  }
}

/** Runs each contestant once in each round, and prints every run, the medians, and the ratios to the first one. */
export async function measureInTurns(
  contestants: readonly Contestant[],
  totalBytes: number,
  runs: number,
): Promise<void> {
  const measured = new Map<Contestant, Measurement[]>(contestants.map((each) => [each, []]));
  for (let run = 1; run <= runs; run++) {
    for (const contestant of contestants) {
      const measurement = await measure(contestant);
      measured.get(contestant)!.push(measurement);
      console.log(`run ${run}  ${row(contestant.name, measurement, totalBytes)}`);
    }
  }
  console.log("\nmedians");
  const medians = [...measured].map(([{ name }, all]) => ({ name, median: medianOf(all) }));
  for (const { name, median } of medians) console.log(`       ${row(name, median, totalBytes)}`);
  const [ours, ...others] = medians;
  for (const { name, median } of others) {
    const ratio = (of: (each: Measurement) => number): string =>
      (of(ours!.median) / of(median)).toFixed(2);
    console.log(
      `${ours!.name} : ${name}  whole time ${ratio((each) => each.wholeSeconds)}, work ` +
        `${ratio((each) => each.workSeconds ?? each.wholeSeconds)}, CPU ${
          ratio((each) => each.cpuSeconds)
        }, peak ${ratio((each) => each.peakBytes)}`,
    );
  }
}

async function measure(contestant: Contestant): Promise<Measurement> {
  const cpuBefore = await cpuSecondsOfEndedChildren();
  const startMs = performance.now();
  await using process = contestant.start();
  let peakBytes = 0;
  const watching = setInterval(async () => {
    peakBytes = Math.max(peakBytes, await peakMemoryBytes(process.pid) ?? 0);
  }, MEMORY_INTERVAL_MS);
  try {
    await process.waitForSuccess(PROGRAM_LIMIT_MS);
  } finally {
    clearInterval(watching);
  }
  const wholeSeconds = (performance.now() - startMs) / 1000;
  // Nothing else that this program started ended meanwhile.
  const cpuSeconds = await cpuSecondsOfEndedChildren() - cpuBefore;
  const workSeconds = contestant.workSeconds(process);
  await contestant.tidy();
  return { wholeSeconds, workSeconds, cpuSeconds, peakBytes };
}

/** User and system time of all children of this process that have ended and been waited for. */
export async function cpuSecondsOfEndedChildren(): Promise<number> {
  const stat = await Deno.readTextFile("/proc/self/stat");
  // Fields 16 and 17 of proc(5), cutime and cstime; counted from behind the name, which may hold anything.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[13]) + Number(fields[14])) / TICKS_PER_SECOND;
}

/** Seconds that the last progress of our program on so many bytes tells of. */
export function workSecondsOfOurs(process: RunningProcess, totalBytes: number): number | null {
  const progress = process.lines.map((line) => JSON.parse(line)).filter((each) =>
    each.event === "progress" && each.bytesPerSecond !== null
  ).at(-1);
  return progress === undefined ? null : totalBytes / progress.bytesPerSecond;
}

function medianOf(measurements: readonly Measurement[]): Measurement {
  const of = (value: (each: Measurement) => number): number => median(measurements.map(value));
  const isTold = measurements.every(({ workSeconds }) => workSeconds !== null);
  return {
    wholeSeconds: of((each) => each.wholeSeconds),
    workSeconds: isTold ? of((each) => each.workSeconds!) : null,
    cpuSeconds: of((each) => each.cpuSeconds),
    peakBytes: of((each) => each.peakBytes),
  };
}

function row(name: string, measurement: Measurement, totalBytes: number): string {
  const { wholeSeconds, workSeconds, cpuSeconds, peakBytes } = measurement;
  const rate = (seconds: number): string => `${(totalBytes / seconds / 1e9).toFixed(2)} GB/s`;
  return `${name.padEnd(10)}  work ${
    (workSeconds === null ? "-" : rate(workSeconds)).padStart(9)
  }` +
    `  whole ${rate(wholeSeconds)} (${wholeSeconds.toFixed(2)} s)` +
    `  CPU ${(cpuSeconds / (totalBytes / GIB)).toFixed(2).padStart(5)} s/GiB` +
    `  peak ${(peakBytes / MIB).toFixed(0).padStart(5)} MiB`;
}

/** The middle one of some values, or the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
