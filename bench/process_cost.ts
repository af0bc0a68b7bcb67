/** What processes cost: their processor time and their memory, as Linux counts them. */
import { peakMemoryBytes } from "../tests/kit/memory.ts";
import type { RunningProcess } from "../tests/kit/running_process.ts";

const MIB = 1024 * 1024;
/** Clock ticks in a second as `/proc` counts them: 100 on every Linux that there is. */
const TICKS_PER_SECOND = 100;
/** How often the memory of a process is looked at; the kernel keeps the peak itself. */
const MEMORY_INTERVAL_MS = 20;

/** What a process cost from its start to its end. */
export interface ProcessCost {
  readonly wholeSeconds: number;
  /** User and system time of the process and all of its threads and children. */
  readonly cpuSeconds: number;
  readonly peakMebibytes: number;
}

/**
 * Starts a process, waits for its success and says what it cost.
 *
 * Nothing else that this program started may end meanwhile: the kernel adds up the time of children that have ended.
 *
 * @param during is called when it has been started; its end is waited for too
 */
export async function costOf(
  start: () => RunningProcess,
  limitMs: number,
  during: (process: RunningProcess) => Promise<void> = async () => {},
): Promise<ProcessCost> {
  const cpuBefore = await cpuSecondsOfEndedChildren();
  const startMs = performance.now();
  await using process = start();
  let peakBytes = 0;
  const look = async (): Promise<void> => {
    peakBytes = Math.max(peakBytes, await peakMemoryBytes(process.pid) ?? 0);
  };
  const watching = setInterval(look, MEMORY_INTERVAL_MS);
  try {
    await Promise.all([process.waitForSuccess(limitMs), during(process)]);
  } finally {
    clearInterval(watching);
  }
  const wholeSeconds = (performance.now() - startMs) / 1000;
  const cpuSeconds = await cpuSecondsOfEndedChildren() - cpuBefore;
  return { wholeSeconds, cpuSeconds, peakMebibytes: peakBytes / MIB };
}

/** User and system time so far of a process that runs, and of all of its threads. */
export async function cpuSecondsOf(pid: number): Promise<number> {
  const fields = await statFields(String(pid));
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/** Most memory that a process that runs has had resident, in MiB. */
export async function peakMebibytesOf(pid: number): Promise<number> {
  return (await peakMemoryBytes(pid) ?? 0) / MIB;
}

/** User and system time of all children of this process that have ended and been waited for. */
async function cpuSecondsOfEndedChildren(): Promise<number> {
  const fields = await statFields("self");
  return (Number(fields[13]) + Number(fields[14])) / TICKS_PER_SECOND;
}

/** The fields of proc(5) from the third on: the second, the name, may hold anything. */
async function statFields(process: string): Promise<string[]> {
  const stat = await Deno.readTextFile(`/proc/${process}/stat`);
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
}
