import { assert, assertAlmostEquals } from "@std/assert";
import { costOfAll, costOfFullPush, costOfReplicas } from "./on_paper.ts";
import { scenarios } from "./scenarios.ts";

/** What a node sends each second in a scenario. */
function simulated(name: string, nodes: number): number {
  const { run } = scenarios.find((scenario) => scenario.name === name)!;
  return run({ nodes, seed: 1 })["bytes/node/round"]! / 8;
}

for (
  const [name, cost, torrents] of [
    ["owners", costOfAll, 1],
    ["replicas", (nodes: number, torrents: number) => costOfReplicas(nodes, torrents, 8), 10],
  ] as const
) {
  Deno.test(`the formula and the simulator say the same of ${name}, to a tenth`, () => {
    const [paper, found] = [cost(80, torrents).bytesPerSecond, simulated(name, 80)];
    assert(Math.abs(found - paper) < 0.1 * paper, `${found} B/s found, ${paper} B/s by formula`);
  });
}

Deno.test("costOfFullPush() is 200 kB to each neighbour in a round, of 1000 records", () => {
  assertAlmostEquals(costOfFullPush(100, 10).bytesPerSecond, 3 * 200_000 / 8);
});

Deno.test("costOfReplicas() is all hold all where there are as many replicas as nodes", () => {
  assertAlmostEquals(
    costOfReplicas(8, 10, 8).memoryBytes,
    // Nobody needs to be told of itself.
    costOfAll(8, 10).memoryBytes - 1400,
  );
});
