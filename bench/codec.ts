/**
 * The part `codec`: what runs for each message, piece or torrent, on its own. It runs files for `deno bench` of this
 * folder, whose names say what each measures.
 */
import { REPOSITORY } from "../tests/kit/enjambre.ts";
import { run } from "../tests/kit/running_process.ts";
import type { Outcome, Part, PartContext } from "./part.ts";

const LIMIT_MS = 300_000;

/** A file for `deno bench`. */
interface BenchFile {
  readonly path: string;
  /** What the names of its benches count: "1,000 haves" are a thousand things an iteration. */
  readonly isCounted: boolean;
  /** Whether `--picker 0` leaves it out. */
  readonly isOfPicker: boolean;
}

const FILES: readonly BenchFile[] = [
  { path: "bench/codec_bench.ts", isCounted: false, isOfPicker: false },
  { path: "bench/wire_bench.ts", isCounted: true, isOfPicker: false },
  { path: "bench/picker_bench.ts", isCounted: false, isOfPicker: true },
];

/** As much as is read of what `deno bench --json` prints. */
interface BenchOutput {
  readonly benches: readonly {
    readonly group: string | null;
    readonly name: string;
    readonly results: readonly ({ readonly ok: { readonly avg: number; readonly min: number } })[];
  }[];
}

/** One bench: nanoseconds for each thing that it counts. */
interface Timed {
  readonly group: string;
  readonly name: string;
  readonly average: number;
  readonly least: number;
}

type Runs = Record<"time" | "least" | "rate", number[]>;

/** What the names of the other library's benches begin with. */
const THEIRS = "npm:bencode ";

/** The codecs and the picker. */
export const codec: Part = {
  name: "codec",
  about: "What runs for each message, piece or torrent, on its own",
  notes:
    "Decode and encode by themselves are bencode, on a torrent of 10,000 files; behind a colon are the " +
    "messages of the wire. Time is the average over many iterations, least that of the fastest one.",
  metrics: [
    { id: "time", name: "time", unit: "us", better: "less", digits: 3 },
    { id: "least", name: "least", unit: "us", better: "less", digits: 3 },
    { id: "rate", name: "rate", unit: "/s", better: "more", digits: 0 },
  ],
  options: { picker: 1 },
  runs: 3,
  warmUps: 0,
  async measure(context: PartContext): Promise<Outcome> {
    const rows = new Map<string, { case: string; program: string; runs: Runs }>();
    for (let round = 1; round <= context.runs; round++) {
      for (const file of FILES) {
        if (file.isOfPicker && context.option("picker") === 0) continue;
        for (const { group, name, average, least } of await runFile(file, context)) {
          const isTheirs = name.startsWith(THEIRS);
          const program = isTheirs ? THEIRS.trim() : "enjambre";
          const what = isTheirs ? name.slice(THEIRS.length) : name;
          const inCase = group === "" || what.startsWith(group) ? what : `${group}: ${what}`;
          const row = rows.getOrInsert(`${program} ${inCase}`, {
            case: inCase,
            program,
            runs: { time: [], least: [], rate: [] },
          });
          row.runs.time.push(average / 1e3);
          row.runs.least.push(least / 1e3);
          row.runs.rate.push(1e9 / average);
        }
        context.log(`run ${round}    ${file.path}`);
      }
    }
    return { rows: [...rows.values()], absent: [] };
  },
};

async function runFile(
  { path, isCounted }: BenchFile,
  { denoFlags }: PartContext,
): Promise<Timed[]> {
  const args = ["bench", "-A", "--json", ...denoFlags, path];
  const lines = await run(Deno.execPath(), args, LIMIT_MS, { cwd: REPOSITORY });
  const { benches }: BenchOutput = JSON.parse(lines.join("\n"));
  return benches.map(({ group, name, results }) => {
    const [, count = "1", rest = name] = isCounted ? /^([\d,]+) (.*)$/.exec(name) ?? [] : [];
    const perIteration = Number(count.replace(",", ""));
    return {
      group: group ?? "",
      name: isCounted ? rest : name,
      average: results[0]!.ok.avg / perIteration,
      least: results[0]!.ok.min / perIteration,
    };
  });
}
