/**
 * A client among trackers that die, slow down, come back and lie, on a virtual clock, as a table.
 *
 *     deno run -A tests/tracker_sim/main.ts [--runs 100] [--only NAME] [--seed N]
 *
 * Each figure is the greatest of all seeds. Exits with 1 where anything does not hold, and says the seed.
 */
import { parseArgs } from "@std/cli/parse-args";
import { playAll, scenarios } from "./scenarios.ts";

const COLUMNS = [24, 9, 9, 7, 9, 15, 13, 14, 7];

function main(): void {
  const args = parseArgs(Deno.args, {
    string: ["runs", "only", "seed"],
    default: { runs: "100" },
  });
  const seeds = args.seed === undefined
    ? Array.from({ length: Number(args.runs) }, (_, i) => i + 1)
    : [Number(args.seed)];
  const faults: string[] = [];
  console.log(row([
    "scenario",
    "announces",
    "answered",
    "probes",
    "switches",
    "first answer ms",
    "longest gap s",
    "busiest hour",
    "faults",
  ]));
  for (const scenario of scenarios) {
    if (args.only !== undefined && !scenario.name.includes(args.only)) continue;
    const { course, faults: found } = playAll(scenario, seeds);
    faults.push(...found);
    console.log(row([
      scenario.name,
      course.announces,
      course.answered,
      course.probes,
      course.switches,
      Math.round(course.firstAnswerMs ?? NaN),
      (course.longestGapMs / 1000).toFixed(1),
      course.busiestHour,
      found.length,
    ]));
  }
  for (const fault of faults.slice(0, 20)) console.error(fault);
  if (faults.length > 0) Deno.exit(1);
}

function row(cells: readonly (string | number)[]): string {
  return cells.map((cell, i) =>
    i === 0 ? String(cell).padEnd(COLUMNS[i]!) : String(cell).padStart(COLUMNS[i]!)
  ).join("  ");
}

if (import.meta.main) main();
