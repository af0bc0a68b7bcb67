import { assertThrows } from "@std/assert";
import { lostPeers } from "./lost_peers.ts";
import { plant, PLANTED_BUGS } from "./planted_bugs.ts";
import { randomFaults } from "./random_faults.ts";
import { simulate, SimulationError } from "./scenario.ts";

/** Of the 200 random swarms of the CI set, as many as suffice. */
const SEEDS_MAX = 20;

for (const bug of PLANTED_BUGS) {
  Deno.test(`simulator: finds blocks of a leaving peer that are ${bug}`, () => {
    const remove = plant(bug);
    try {
      assertThrows(() => lostPeers.forEach((scenario) => simulate(scenario, 1)), SimulationError);
      assertThrows(() => {
        for (let seed = 1; seed <= SEEDS_MAX; seed++) simulate(randomFaults, seed);
      }, SimulationError);
    } finally {
      remove();
    }
    simulate(lostPeers[0]!, 1);
  });
}
