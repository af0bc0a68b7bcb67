/**
 * The one shape of everything that is measured here: a part has metrics and gives rows.
 *
 * A part is measured in rounds: in each, every contestant runs once, so that what the machine does meanwhile meets all
 * of them. One round before the others warms up and is not counted: the first write into fresh memory is several
 * times slower on a virtual machine.
 */

/** What rows call our program. */
export const OURS = "enjambre";
/** Digits of a figure that are shown, where its metric has as many. */
const SIGNIFICANT_DIGITS = 4;

/** Something that is measured of a run. */
export interface Metric {
  /** How figures name it. */
  readonly id: string;
  /** How tables name it. */
  readonly name: string;
  readonly unit: string;
  readonly better: "more" | "less";
  /** Digits behind the point in tables. */
  readonly digits: number;
}

/** What one run gave, by metric; what a program does not tell is left out. */
export type Figures = Readonly<Record<string, number>>;

/** All counted runs of one program in one case. */
export interface Row {
  /** What was asked of it; empty in a part with one case. */
  readonly case: string;
  readonly program: string;
  /** By metric: what each run gave. */
  readonly runs: Readonly<Record<string, readonly number[]>>;
}

/** What came of measuring a part. */
export interface Outcome {
  readonly rows: readonly Row[];
  /** Programs to compare with that are not installed. */
  readonly absent: readonly string[];
}

/** Something to be measured, once in each round. */
export interface Contestant {
  readonly program: string;
  readonly case: string;
  measure(): Promise<Figures>;
}

/** What is asked of a part. */
export interface PartContext {
  /** Rounds that count. */
  readonly runs: number;
  /** Rounds before them. */
  readonly warmUps: number;
  /** The one program to measure; null for all. */
  readonly only: string | null;
  /** Another checkout of this repository that is measured beside it; null for none. */
  readonly beside: string | null;
  /** What `deno run` of our program is told besides. */
  readonly denoFlags: readonly string[];
  /** The value of one of the part's own options. */
  option(name: string): number;
  /** Tells whoever is watching. */
  log(line: string): void;
}

/** One part of `deno task bench`. */
export interface Part {
  readonly name: string;
  /** One sentence: what is measured, and how. */
  readonly about: string;
  /** What the columns are, as far as their names do not say. */
  readonly notes: string;
  readonly metrics: readonly Metric[];
  /** Its options and their defaults: `mebibytes` is `--mebibytes N`. */
  readonly options: Readonly<Record<string, number>>;
  /** Rounds, where nobody says how many. */
  readonly runs: number;
  /** Rounds that are not counted. */
  readonly warmUps: number;
  measure(context: PartContext): Promise<Outcome>;
}

/** Measures contestants in turns: the rounds that warm up, then those that count. */
export async function inTurns(
  metrics: readonly Metric[],
  contestants: readonly Contestant[],
  context: PartContext,
): Promise<Row[]> {
  const rows = contestants.map((contestant) => ({
    contestant,
    runs: {} as Record<string, number[]>,
  }));
  for (let round = 1 - context.warmUps; round <= context.runs; round++) {
    for (const { contestant, runs } of rows) {
      const figures = await contestant.measure();
      const name = round > 0 ? `run ${round}` : "warm-up";
      context.log(`${name.padEnd(8)} ${describe(contestant, figures, metrics)}`);
      if (round < 1) continue;
      for (const [id, value] of Object.entries(figures)) (runs[id] ??= []).push(value);
    }
  }
  return rows.map(({ contestant, runs }) => ({
    case: contestant.case,
    program: contestant.program,
    runs,
  }));
}

/** The middle one of some values, or the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** The median of a row's runs; null where it has none. */
export function medianOf(row: Row, metric: Metric): number | null {
  const runs = row.runs[metric.id];
  return runs === undefined || runs.length === 0 ? null : median(runs);
}

/** A value as tables show it, with its unit. */
export function formatValue(value: number | null, metric: Metric): string {
  return value === null ? "-" : `${formatNumber(value, metric)} ${metric.unit}`.trimEnd();
}

/** A value as tables and plots show it: no more digits than it is worth, thousands set apart. */
export function formatNumber(value: number, { digits }: Metric): string {
  const whole = value >= 1 ? Math.floor(Math.log10(value)) : 0;
  const shown = Math.min(digits, Math.max(0, SIGNIFICANT_DIGITS - 1 - whole));
  return value.toLocaleString("en-US", {
    minimumFractionDigits: shown,
    maximumFractionDigits: shown,
  });
}

/** Rows by case, ours first in each. */
export function byCase(rows: readonly Row[]): (readonly [name: string, group: Row[]])[] {
  return [...Map.groupBy(rows, (row) => row.case)].map(([name, group]) =>
    [name, group.toSorted((a, b) => Number(isOurs(b)) - Number(isOurs(a)))] as const
  );
}

function isOurs({ program }: Row): boolean {
  return program === OURS;
}

function describe(
  contestant: { program: string; case: string },
  figures: Figures,
  metrics: readonly Metric[],
): string {
  const told = metrics.filter(({ id }) => figures[id] !== undefined);
  const values = told.map((metric) => `${metric.name} ${formatValue(figures[metric.id]!, metric)}`);
  return `${contestant.program.padEnd(12)} ${contestant.case.padEnd(24)} ${values.join("  ")}`;
}
