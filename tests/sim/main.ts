/**
 * The simulator: the fixed scenarios and random swarms with mixed faults, on a virtual clock.
 *
 *     deno task sim [--runs 200] [--only NAME] [--seed N] [--plant BUG]
 *
 * `SEED=N` or `--seed N` replays one seed; `--only` takes a part of a name; `--plant` plants a bug that must be found
 * (see `planted_bugs.ts`). Exits with 1 where anything does not hold, and says how to see it again.
 */
import { parseArgs } from "@std/cli/parse-args";
import { plant, PLANTED_BUGS } from "./planted_bugs.ts";
import { randomFaults } from "./random_faults.ts";
import {
  addReport,
  type Report,
  type Scenario,
  simulate,
  TABLE_HEAD,
  tableRow,
} from "./scenario.ts";
import { scenarios } from "./scenarios.ts";

/** Random swarms unless told otherwise: what CI has time for. */
const RUNS_DEFAULT = 200;

/** The seed of the fixed scenarios unless told otherwise. */
const SEED_DEFAULT = 1;

/** Failures that are told of in full; the table counts the others. */
const FAILURES_SHOWN_MAX = 20;

function main(): void {
  const args = parseArgs(Deno.args, {
    string: ["runs", "only", "seed", "plant"],
    default: { runs: `${RUNS_DEFAULT}` },
  });
  const seedText = args.seed ?? Deno.env.get("SEED");
  const seed = seedText === undefined ? null : Number(seedText);
  const runs = Number(args.runs);
  const isWanted = ({ name }: Scenario) => args.only === undefined || name.includes(args.only);
  const bug = PLANTED_BUGS.find((name) => name === args.plant);
  if (args.plant !== undefined && bug === undefined) {
    throw new RangeError(`Cannot plant ${args.plant}: known are ${PLANTED_BUGS.join(", ")}`);
  }
  if (bug !== undefined) plant(bug);
  const failures: string[] = [];
  console.log(TABLE_HEAD);
  for (const scenario of scenarios.filter(isWanted)) {
    runAll(scenario, [seed ?? SEED_DEFAULT], failures);
  }
  if (isWanted(randomFaults)) {
    const seeds = seed === null ? Array.from({ length: runs }, (_, i) => i + 1) : [seed];
    runAll(randomFaults, seeds, failures);
  }
  for (const failure of failures.slice(0, FAILURES_SHOWN_MAX)) console.error(failure);
  if (failures.length > 0) Deno.exit(1);
}

/** Runs a scenario with each seed and prints one line for all. */
function runAll(scenario: Scenario, seeds: readonly number[], failures: string[]): void {
  let sum: Report | null = null;
  let failed = 0;
  for (const seed of seeds) {
    try {
      const report = simulate(scenario, seed);
      if (sum === null) sum = report;
      else addReport(sum, report);
    } catch (error) {
      failed++;
      failures.push(error instanceof Error ? error.message : String(error));
    }
  }
  const name = seeds.length === 1 ? scenario.name : `${scenario.name} (${seeds.length} seeds)`;
  console.log(tableRow(name, sum, failed === 0 ? "ok" : `${failed} FAILED`));
}

if (import.meta.main) main();
