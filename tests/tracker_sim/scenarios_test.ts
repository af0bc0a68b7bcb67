/** The scenarios, with a few seeds each; `main.ts` has time for more. */
import { assertEquals } from "@std/assert";
import { playAll, scenarios } from "./scenarios.ts";

for (const scenario of scenarios) {
  Deno.test(`trackers, ${scenario.name}: events are told once, and the nearest is used`, () => {
    assertEquals(playAll(scenario, [1, 2, 3, 4, 5, 6, 7, 8]).faults, []);
  });
}
