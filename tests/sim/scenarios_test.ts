/**
 * A part of `deno task sim` that is quick enough for every test run. `SEED=n` replays the run that a failure names.
 */
import { assertEquals } from "@std/assert";
import { randomFaults } from "./random_faults.ts";
import { simulate } from "./scenario.ts";
import { scenarios } from "./scenarios.ts";

/** Random swarms; the rest are in `deno task sim`. */
const RANDOM_SEEDS = 6;

const seedText = Deno.env.get("SEED");
const fixedSeed = seedText === undefined ? 1 : Number(seedText);
const randomSeeds = seedText === undefined
  ? Array.from({ length: RANDOM_SEEDS }, (_, i) => i + 1)
  : [fixedSeed];

for (const scenario of scenarios) {
  if (scenario.isLong) continue;
  Deno.test(`swarm: ${scenario.name}`, () => void simulate(scenario, fixedSeed));
}

for (const seed of randomSeeds) {
  Deno.test(`swarm: mixed faults of seed ${seed}`, () => void simulate(randomFaults, seed));
}

Deno.test("swarm: the same seed gives the same run", () => {
  const run = () => {
    const swarm = randomFaults.run(fixedSeed);
    return [swarm.clock.eventCount, ...swarm.peers.map((peer) => peer.completedAtMs)];
  };
  assertEquals(run(), run());
});
