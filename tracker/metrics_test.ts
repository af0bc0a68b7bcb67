import { assertEquals, assertStringIncludes } from "@std/assert";
import { METRICS_BYTES, TrackerMetrics } from "./metrics.ts";
import { statsOf, statsPage } from "./stats_page.ts";

Deno.test("TrackerMetrics counts requests and connections, and sorts latencies into buckets", () => {
  const metrics = new TrackerMetrics();
  metrics.countRequest("udp-announce", "dropped");
  metrics.countRequest("udp-announce", "dropped");
  metrics.countConnection("opened");
  metrics.countConnection("opened");
  metrics.countConnection("closed");
  for (const seconds of [0, 0.00005, 0.0003, 5]) metrics.observeLatency(seconds, 2);
  assertEquals(metrics.requests("udp-announce", "dropped"), 2);
  assertEquals(metrics.requests("udp-announce", "answered"), 0);
  assertEquals(metrics.openConnections, 1);
  assertEquals(metrics.latencyCounts, [4, 4, 4, 6, 6, 6, 6, 6, 6, 6, 6, 8]);
  assertEquals(Math.round(metrics.latencySumSeconds * 1e5), 1_000_070);
});

Deno.test("TrackerMetrics.sumOf() adds up what threads counted in shared memory", () => {
  const shared = new SharedArrayBuffer(2 * METRICS_BYTES);
  const all = [new TrackerMetrics(shared, 0), new TrackerMetrics(shared, 1)];
  all[0]!.countRequest("http-scrape", "answered");
  new TrackerMetrics(shared, 1).countRequest("http-scrape", "answered");
  const sum = TrackerMetrics.sumOf(all);
  assertEquals(sum.requests("http-scrape", "answered"), 2);
  assertEquals(all[1]!.requests("http-scrape", "answered"), 1);
});

Deno.test("statsPage() shows what statsOf() puts together", () => {
  const metrics = new TrackerMetrics();
  for (let i = 0; i < 1234; i++) metrics.countRequest("http-announce", "answered");
  const stats = statsOf(metrics, 7, 123_456, 7250.7);
  assertEquals([stats.swarms, stats.peers, stats.uptimeSeconds, stats.connections], [
    7,
    123_456,
    7250,
    0,
  ]);
  assertEquals(stats.requests["http-announce"].answered, 1234);
  const page = statsPage(stats);
  for (const words of ["123,456", "<tr><th>http announce<td>1,234<td>0", "2 h"]) {
    assertStringIncludes(page, words);
  }
});
