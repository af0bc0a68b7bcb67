/**
 * The overlay's scenarios at a size that is quick enough for every test run; larger ones are for `main.ts`.
 * `SEED=n` replays the run that a failure names.
 */
import { assert, assertEquals } from "@std/assert";
import { type Findings, scenarios } from "./scenarios.ts";
import { GOOD_LINES, VirtualOverlay } from "./virtual_overlay.ts";

const seed = Number(Deno.env.get("SEED") ?? "1");

/** By name: how many nodes, and what a run must not exceed. */
const bounds: Readonly<Record<string, { nodes: number; most: Findings }>> = {
  spread: { nodes: 100, most: { "99 % s": 2, "all s": 16, "given up falsely": 0 } },
  loss10: { nodes: 40, most: { "99 % s": 20, "all s": 40, "given up falsely": 0 } },
  loss50: { nodes: 100, most: { "99 % s": 60, "all s": 180 } },
  "pushed": { nodes: 100, most: { "all s": 120 } },
  "pushed10": { nodes: 100, most: { "all s": 120 } },
  "pushed50": { nodes: 100, most: { "all s": 240 } },
  owners: { nodes: 40, most: { "bytes/node/round": 2048, "suspected falsely": 0 } },
  crowded: { nodes: 130, most: { "records/node most": 130 } },
  quiet: {
    nodes: 20,
    most: { "bytes/node/round": 2048, "suspected falsely": 0, "given up falsely": 0 },
  },
  join: { nodes: 10, most: { "all s": 2, "bytes received": 600_000 } },
  partition: { nodes: 20, most: { "healed s": 120 } },
  churn: {
    nodes: 20,
    most: {
      "99 % s": 20,
      "all s": 40,
      "lasting record missing %": 0,
      "suspected falsely": 0,
      "given up falsely": 0,
    },
  },
  bootstrap: { nodes: 20, most: { "all s": 40, "given up falsely": 0 } },
  leave: { nodes: 20, most: { "all s": 40 } },
  replicas: { nodes: 30, most: { "records/node most": 300 * 8 / 30 * 3 } },
  newcomers: {
    nodes: 120,
    most: { "do not find % after 10 s": 0, "are not found % after 10 s": 0 },
  },
  everywhere: { nodes: 20, most: { "records/node most": 200, "bytes/node/round": 1000 } },
  liars: { nodes: 40, most: { "99 % s": 20, "honest refused by honest": 0 } },
};

for (const { name, says, run } of scenarios) {
  const { nodes, most } = bounds[name]!;
  Deno.test(`overlay of ${nodes}: ${says}, seed ${seed}`, () => {
    const findings = run({ nodes, seed });
    for (const [what, limit] of Object.entries(most)) {
      const found = findings[what];
      const isMet = found !== null && found !== undefined && found <= limit!;
      assert(isMet, `${what} is ${found}, the limit is ${limit} (SEED=${seed} replays it)`);
    }
    if ("lookups found %" in findings) assertEquals(findings["lookups found %"], 100);
  });
}

Deno.test("overlay: the same seed gives the same run", () => {
  const run = () => {
    const overlay = new VirtualOverlay({ ...GOOD_LINES, loss: 0.2, seed });
    for (let index = 0; index < 20; index++) overlay.add();
    overlay.run(20_000);
    overlay.announce(overlay.some());
    overlay.run(20_000);
    return [overlay.clock.eventCount, ...overlay.statuses().map(({ traffic }) => traffic)];
  };
  assertEquals(run(), run());
});
