/** What was measured, as JSON: `bench/results.json`, out of which the page is made and against which `--quick` compares. */
import { REPOSITORY } from "../tests/kit/enjambre.ts";
import type { Machine, Versions } from "./machine.ts";
import type { Outcome } from "./part.ts";

/** Where the committed results are. */
export const RESULTS_PATH: string = `${REPOSITORY}/bench/results.json`;
/** Digits that are kept of a figure: more would be noise. */
const DIGITS = 5;

/** One part, measured. */
export interface MeasuredPart extends Outcome {
  /** The day, as `2026-11-21`. */
  readonly day: string;
  readonly machine: Machine;
  readonly versions: Versions;
  /** What it was asked to do: its options, `runs` and `warmUps`. */
  readonly options: Readonly<Record<string, number>>;
  /** How much of the machine others took meanwhile, from 0 to 1. */
  readonly othersShare: number;
}

/** What `--quick` compares with. */
export interface QuickResults {
  readonly day: string;
  readonly machine: Machine;
  /** By figure: how it stood to what the machine gave by itself; more is better. */
  readonly ratios: Readonly<Record<string, number>>;
}

/** All that was kept. */
export interface Results {
  readonly parts: Readonly<Record<string, MeasuredPart>>;
  readonly quick: QuickResults | null;
}

/** Reads the committed results; none where there is no file. */
export async function readResults(path: string = RESULTS_PATH): Promise<Results> {
  try {
    return JSON.parse(await Deno.readTextFile(path));
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    return { parts: {}, quick: null };
  }
}

/** Keeps a part beside those that are there. */
export async function savePart(
  name: string,
  part: MeasuredPart,
  path: string = RESULTS_PATH,
): Promise<void> {
  const results = await readResults(path);
  await write({ ...results, parts: { ...results.parts, [name]: part } }, path);
}

/** Keeps what `--quick` compares with. */
export async function saveQuick(quick: QuickResults, path: string = RESULTS_PATH): Promise<void> {
  await write({ ...await readResults(path), quick }, path);
}

/** The day now, as results name it. */
export function today(): string {
  return new Date().toISOString().slice(0, 10);
}

/** Results as text, their figures rounded. */
export function formatResults(results: Results): string {
  const round = (_: string, value: unknown): unknown =>
    typeof value === "number" && !Number.isInteger(value)
      ? Number(value.toPrecision(DIGITS))
      : value;
  return JSON.stringify(results, round, 2) + "\n";
}

async function write(results: Results, path: string): Promise<void> {
  await Deno.writeTextFile(path, formatResults(results));
  // As everything that is committed; so what fits is on one line.
  await new Deno.Command(Deno.execPath(), { args: ["fmt", "--quiet", path] }).output();
}
