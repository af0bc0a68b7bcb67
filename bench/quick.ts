/**
 * `deno task bench --quick`: whether something got worse, in less than a minute.
 *
 * It runs short forms of some parts, ours alone, and takes the best of several runs, since what others do to a machine
 * only ever makes a run worse. Each figure is held against what the machine gives by itself, measured in between: a
 * download of a GiB can take no less than to carry it over loopback, hash it and copy it. So what is compared with
 * the committed results is a ratio, and it fails where one is more than a quarter worse.
 */
import { Calibration, type Yardsticks } from "./calibration.ts";
import { check } from "./check.ts";
import { codec } from "./codec.ts";
import { create } from "./create.ts";
import { leech, peers } from "./leech.ts";
import { type Metric, OURS, type Part, type PartContext, type Row } from "./part.ts";
import { seed } from "./seed.ts";
import { start } from "./start.ts";

/** How much worse a figure may be. */
export const TOLERANCE = 0.25;
/** After this no part is measured again: the whole is to take less than a minute. */
const AGAIN_UNTIL_MS = 45_000;

/** A figure of one part. */
interface QuickFigure {
  readonly metric: string;
  /** The case; empty where there is one only. */
  readonly case: string;
  /** What the machine itself would give, in any unit: more is better. */
  readonly yardstick: (machine: Yardsticks) => number;
}

/** A part in its short form. */
interface QuickPart {
  readonly part: Part;
  readonly runs: number;
  readonly options: Readonly<Record<string, number>>;
  readonly figures: readonly QuickFigure[];
}

/** What one byte goes through after the other, at their rates. */
const chain = (...rates: number[]): number => 1 / rates.reduce((sum, rate) => sum + 1 / rate, 0);
const downloading = ({ copy, sha1, loopback }: Yardsticks): number => chain(copy, sha1, loopback);
const uploading = ({ copy, loopback }: Yardsticks): number => chain(copy, loopback);
const hashing = ({ sha1 }: Yardsticks): number => sha1;
const computing = ({ loop }: Yardsticks): number => loop;
const copying = ({ copy }: Yardsticks): number => copy;
const starting = ({ start }: Yardsticks): number => start;

const of = (
  metric: string,
  yardstick: QuickFigure["yardstick"],
  name = "",
): QuickFigure => ({ metric, case: name, yardstick });

const QUICK_PARTS: readonly QuickPart[] = [
  {
    part: leech,
    runs: 5,
    options: { mebibytes: 512 },
    figures: [of("transfer", downloading), of("cpu", downloading)],
  },
  {
    part: peers,
    runs: 3,
    options: { mebibytes: 256, connections: 10 },
    figures: [of("cpu", downloading, "10 connections")],
  },
  {
    part: seed,
    runs: 5,
    options: { mebibytes: 1024 },
    figures: [of("transfer", uploading), of("cpu", uploading)],
  },
  { part: check, runs: 5, options: { mebibytes: 256 }, figures: [of("cpu", hashing)] },
  { part: create, runs: 5, options: { mebibytes: 256 }, figures: [of("cpu", hashing)] },
  {
    part: start,
    runs: 7,
    options: { mebibytes: 16, demos: 0 },
    figures: [of("time", starting, "--version"), of("time", starting, "seed listening")],
  },
  {
    part: codec,
    runs: 1,
    options: { picker: 0 },
    figures: [
      of("least", computing, "decode"),
      of("least", computing, "encode"),
      of("least", computing, "decode: requests"),
      of("least", computing, "encode: requests"),
      of("least", copying, "encode: blocks of 16 KiB"),
    ],
  },
];

/** One figure, held against the machine. */
export interface QuickReading {
  readonly id: string;
  readonly value: number;
  readonly metric: Metric;
  /** The value, or what it is the inverse of, over the yardstick; more is better. */
  readonly ratio: number;
}

/** One figure, held against what was committed. */
export interface Comparison {
  readonly id: string;
  /** Over the committed ratio: 1 is as it was, less is worse; null where none was committed. */
  readonly change: number | null;
  readonly isWorse: boolean;
}

/** Looks at figures until the time is over. */
export class QuickRun {
  readonly #startMs: number = performance.now();
  readonly #calibration: Calibration = new Calibration();
  /** All runs so far, by part. */
  readonly #rows: Map<QuickPart, Row[]> = new Map();
  readonly #log: (line: string) => void;

  constructor(log: (line: string) => void) {
    this.#log = log;
  }

  /** What the machine has shown so far. */
  get machine(): Yardsticks {
    return this.#calibration.best;
  }

  /** Measures every part once. **Cost**: half a minute. */
  async measureAll(): Promise<void> {
    for (const quick of QUICK_PARTS) await this.#measure(quick);
  }

  /** Measures those parts again of which a figure seems worse, while there is time: it may have been bad luck. */
  async measureAgain(committed: Readonly<Record<string, number>>): Promise<void> {
    for (const quick of QUICK_PARTS) {
      const isOver = performance.now() - this.#startMs > AGAIN_UNTIL_MS;
      const isWorse = compare(this.#readingsOf(quick), committed).some((each) => each.isWorse);
      if (isWorse && !isOver) await this.#measure(quick);
    }
  }

  /** The best of what was measured so far. */
  readings(): QuickReading[] {
    return QUICK_PARTS.flatMap((quick) => this.#readingsOf(quick));
  }

  async #measure(quick: QuickPart): Promise<void> {
    await this.#calibration.look();
    const { rows } = await quick.part.measure(contextOf(quick));
    await this.#calibration.look();
    this.#rows.set(quick, [...this.#rows.get(quick) ?? [], ...rows]);
    const seconds = (performance.now() - this.#startMs) / 1000;
    this.#log(`${quick.part.name} measured, ${seconds.toFixed(0)} s`);
  }

  #readingsOf(quick: QuickPart): QuickReading[] {
    const rows = this.#rows.get(quick) ?? [];
    return quick.figures.map((figure) => readingOf(quick.part, figure, rows, this.machine));
  }
}

/** Holds readings against committed ratios. */
export function compare(
  readings: readonly QuickReading[],
  committed: Readonly<Record<string, number>>,
): Comparison[] {
  return readings.map(({ id, ratio }) => {
    const before = committed[id];
    if (before === undefined) return { id, change: null, isWorse: false };
    const change = ratio / before;
    return { id, change, isWorse: change < 1 / (1 + TOLERANCE) };
  });
}

function contextOf({ part, runs, options }: QuickPart): PartContext {
  return {
    runs,
    warmUps: part.warmUps,
    only: OURS,
    beside: null,
    denoFlags: [],
    option: (name) => options[name] ?? part.options[name]!,
    log: () => {},
  };
}

function readingOf(
  part: Part,
  figure: QuickFigure,
  rows: readonly Row[],
  machine: Yardsticks,
): QuickReading {
  const own = rows.filter((each) => each.case === figure.case && each.program === OURS);
  const metric = part.metrics.find(({ id }) => id === figure.metric)!;
  const runs = own.flatMap((row) => row.runs[metric.id]!);
  const isMore = metric.better === "more";
  const value = isMore ? Math.max(...runs) : Math.min(...runs);
  const yardstick = figure.yardstick(machine);
  const name = figure.case === "" ? "" : ` ${figure.case}`;
  return {
    id: `${part.name}${name}, ${metric.name}`,
    value,
    metric,
    ratio: isMore ? value / yardstick : 1 / (value * yardstick),
  };
}
