/**
 * What `deno task bench` runs.
 *
 * `deno run -A bench/main.ts [PART… | all] [--save] [--report] [OPTIONS]` measures parts, keeps what came of it, makes the page.
 * `deno run -A bench/main.ts --report` makes the page out of what was kept; `--quick` says whether something got worse.
 */
import { parseArgs } from "@std/cli/parse-args";
import { both } from "./both.ts";
import { check } from "./check.ts";
import { codec } from "./codec.ts";
import { create } from "./create.ts";
import { idle } from "./idle.ts";
import { leech, peers } from "./leech.ts";
import { OthersMeter, thisMachine, versionsHere } from "./machine.ts";
import { formatValue, type Part, type PartContext } from "./part.ts";
import { printOutcome } from "./print.ts";
import { compare, QuickRun, TOLERANCE } from "./quick.ts";
import { writeReport } from "./report.ts";
import { readResults, savePart, saveQuick, today } from "./results.ts";
import { seed } from "./seed.ts";
import { start } from "./start.ts";
import { swarm } from "./swarm.ts";
import { tracker } from "./tracker.ts";

/** All parts, in the order of the page. */
const PARTS: readonly Part[] = [
  ...[leech, seed, both, peers, idle, start, codec, check, create, tracker, swarm],
];
const ALL = "all";

/** Options of every part that are numbers, as those of the parts themselves are. */
const NUMBERS: readonly string[] = ["runs", "warm-ups"];
/** Those of all numbers that cannot be 0. */
const POSITIVE: readonly string[] = ["runs", "mebibytes", "piece-length", "leechers", "seconds"];
const TEXTS: readonly string[] = ["only", "beside", "deno-flags"];
const SWITCHES: readonly string[] = ["save", "report", "quick"];

type Flags = Record<string, string | boolean | undefined>;

async function main(): Promise<void> {
  const own = [...new Set(PARTS.flatMap(({ options }) => Object.keys(options)))];
  const { _: names, ...flags } = parseArgs(Deno.args, {
    string: [...NUMBERS, ...TEXTS, ...own],
    boolean: [...SWITCHES],
  }) as { _: (string | number)[] } & Flags;
  const complaint = complaintAbout(names.map(String), flags, own);
  if (complaint !== null) {
    console.error(complaint);
    Deno.exit(2);
  }
  if (flags["quick"]) return await runQuick(Boolean(flags["save"]));
  const isPageOnly = names.length === 0 && flags["report"];
  const isAll = names.length === 0 || names.includes(ALL);
  const asked = isPageOnly ? [] : PARTS.filter(({ name }) => isAll || names.includes(name));
  for (const part of asked) await runPart(part, flags);
  if (flags["report"]) await writeReport(await readResults(), PARTS);
}

/** What is wrong with what was asked for; null where nothing is. */
function complaintAbout(
  names: readonly string[],
  flags: Flags,
  own: readonly string[],
): string | null {
  const parts = [...PARTS.map(({ name }) => name), ALL];
  const part = names.find((name) => !parts.includes(name));
  if (part !== undefined) return `Cannot measure ${part}: parts are ${parts.join(", ")}`;
  const numbers = [...NUMBERS, ...own];
  const known = [...numbers, ...TEXTS, ...SWITCHES];
  for (const [name, value] of Object.entries(flags)) {
    if (!known.includes(name)) return `Cannot take --${name}: options are ${known.join(", ")}`;
    if (numbers.includes(name) && value !== undefined && !/^\d+$/.test(String(value))) {
      return `Cannot take --${name} ${value}: it is a number`;
    }
    if (POSITIVE.includes(name) && value !== undefined && Number(value) === 0) {
      return `Cannot take --${name} ${value}: at least 1 is due`;
    }
  }
  const { beside } = flags;
  if (typeof beside === "string" && !isCheckout(beside)) {
    return `Cannot measure beside ${beside}: it is no checkout, client/main.ts is not there`;
  }
  return null;
}

/** Whether a folder is a checkout of this repository. */
function isCheckout(folder: string): boolean {
  try {
    return Deno.statSync(`${folder}/client/main.ts`).isFile;
  } catch {
    return false;
  }
}

/** Measures a part, prints it, and keeps it where that was asked for. */
async function runPart(part: Part, flags: Flags): Promise<void> {
  const number = (name: string, otherwise: number): number =>
    flags[name] === undefined ? otherwise : Number(flags[name]);
  const text = (name: string): string | null =>
    flags[name] === undefined ? null : String(flags[name]);
  const options: Record<string, number> = {};
  for (const [name, value] of Object.entries(part.options)) options[name] = number(name, value);
  const context: PartContext = {
    runs: number("runs", part.runs),
    warmUps: number("warm-ups", part.warmUps),
    only: text("only"),
    beside: text("beside"),
    denoFlags: text("deno-flags")?.split(" ") ?? [],
    option: (name) => options[name]!,
    log: (line) => console.log(line),
  };
  const others = new OthersMeter();
  const outcome = await part.measure(context);
  const othersShare = await others.share();
  if (outcome.rows.length === 0) {
    throw new Error(
      `Cannot measure ${context.only}: the part ${part.name} has no such program here`,
    );
  }
  printOutcome(part, outcome);
  console.log(`  others took ${Math.round(othersShare * 100)} % of the machine`);
  if (!flags["save"]) return;
  const { runs, warmUps } = context;
  await savePart(part.name, {
    day: today(),
    machine: await thisMachine(),
    versions: await versionsHere(),
    options: { ...options, runs, warmUps },
    othersShare,
    ...outcome,
  });
}

/** Compares with what was committed, or commits; exits with 1 where something got worse. */
async function runQuick(isSaving: boolean): Promise<void> {
  const { quick } = await readResults();
  const committed = quick?.ratios ?? {};
  const others = new OthersMeter();
  const run = new QuickRun((line) => console.log(line));
  await run.measureAll();
  if (!isSaving) await run.measureAgain(committed);
  const { machine } = run;
  const readings = run.readings();
  const found = Object.entries(machine).map(([name, value]) => `${name} ${value.toFixed(2)}`);
  console.log(`the machine itself: ${found.join(", ")}`);
  console.log(`others took ${Math.round(await others.share() * 100)} % of it`);
  const comparisons = compare(readings, committed);
  for (const [i, { id, value, metric }] of readings.entries()) {
    const { change, isWorse } = comparisons[i]!;
    const said = change === null ? "new" : `${change.toFixed(2)} of the committed`;
    console.log(
      `${id.padEnd(38)} ${formatValue(value, metric).padStart(14)}  ${said}${
        isWorse ? "  WORSE" : ""
      }`,
    );
  }
  if (isSaving) {
    const ratios = Object.fromEntries(readings.map(({ id, ratio }) => [id, ratio]));
    return await saveQuick({ day: today(), machine: await thisMachine(), ratios });
  }
  const worse = comparisons.filter(({ isWorse }) => isWorse);
  if (worse.length === 0) return console.log("Nothing got worse");
  const ids = worse.map(({ id }) => id).join("; ");
  console.error(`More than ${TOLERANCE * 100} % worse than what was committed: ${ids}`);
  Deno.exit(1);
}

if (import.meta.main) {
  try {
    await main();
  } catch (error) {
    // What a program printed before it failed is in the message.
    console.error(error instanceof Error ? error.message : error);
    Deno.exit(1);
  }
}
