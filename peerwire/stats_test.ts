import { assertEquals } from "@std/assert";
import { SwarmStats } from "./stats.ts";

Deno.test("SwarmStats.recovery is all zero before a block was lost", () => {
  assertEquals(new SwarmStats().recovery, { count: 0, p50Ms: 0, p99Ms: 0, maxMs: 0 });
});

Deno.test("SwarmStats.recovery tells what half, 99 in 100 and all of the blocks waited at most", () => {
  const stats = new SwarmStats();
  for (let ms = 100; ms >= 1; ms--) stats.addRecovery(ms);
  assertEquals(stats.recovery, { count: 100, p50Ms: 51, p99Ms: 100, maxMs: 100 });
  for (let i = 0; i < 900; i++) stats.addRecovery(0);
  assertEquals(stats.recovery, { count: 1000, p50Ms: 0, p99Ms: 91, maxMs: 100 });
});

Deno.test("SwarmStats.recovery sorts by number, not by text", () => {
  const stats = new SwarmStats();
  for (const ms of [9, 10, 100]) stats.addRecovery(ms);
  assertEquals(stats.recovery.p50Ms, 10);
});

Deno.test("SwarmStats.recovery keeps the latest 4,096 for the percentiles, and all for count and maximum", () => {
  const stats = new SwarmStats();
  for (let i = 0; i < 5000; i++) stats.addRecovery(1000);
  for (let i = 0; i < 4096; i++) stats.addRecovery(3);
  assertEquals(stats.recovery, { count: 9096, p50Ms: 3, p99Ms: 3, maxMs: 1000 });
});

Deno.test("SwarmStats.addRequeued() counts a departure only when it left blocks behind", () => {
  const stats = new SwarmStats();
  stats.addRequeued(0);
  stats.addRequeued(3);
  stats.addRequeued(2);
  assertEquals([stats.disconnectsWithBlocks, stats.requeuedBlocks], [2, 5]);
});
