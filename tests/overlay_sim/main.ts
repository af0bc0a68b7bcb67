/**
 * Runs the overlay's scenarios on virtual time and prints what they found.
 *
 *     deno run -A tests/overlay_sim/main.ts [--nodes=100,1000] [--only=NAME,NAME] [--seed=1] [--json]
 *
 * With `--json` each finding is one JSON object a line on standard output.
 */
import { parseArgs } from "@std/cli";
import { scenarios } from "./scenarios.ts";

const flags = parseArgs(Deno.args, {
  string: ["nodes", "only", "seed"],
  boolean: ["json"],
  default: { nodes: "100", only: "", seed: "1" },
});
const seed = Number(flags.seed);
const only = flags.only === "" ? null : flags.only.split(",");

for (const nodes of flags.nodes.split(",").map(Number)) {
  for (const { name, says, run } of scenarios) {
    if (only !== null && !only.includes(name)) continue;
    const beganMs = performance.now();
    let reachedMs: number[] | undefined;
    const findings = run({ nodes, seed, spread: (each) => void (reachedMs = each) });
    const tookSeconds = Math.round((performance.now() - beganMs) / 100) / 10;
    if (flags.json) {
      console.log(JSON.stringify({ event: "scenario", name, nodes, seed, findings, reachedMs }));
    } else {
      const found = Object.entries(findings).map(([what, value]) => `${what} ${value ?? "never"}`);
      console.log(`${name}, ${nodes} nodes (${says}; took ${tookSeconds} s)`);
      console.log(`  ${found.join(", ")}`);
    }
  }
}
