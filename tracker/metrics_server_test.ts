import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { TrackerError } from "./errors.ts";
import { MetricsServer } from "./metrics_server_deno.ts";
import { TrackerServer } from "./tracker_server_deno.ts";

Deno.test("MetricsServer tells Prometheus what the tracker counts", async () => {
  const tracker = new TrackerServer({ hostname: "127.0.0.1" });
  const { port } = await tracker.listen();
  const metrics = new MetricsServer(tracker);
  const at = await metrics.listen("127.0.0.1", 0);
  try {
    for (let i = 0; i < 3; i++) await (await fetch(`http://127.0.0.1:${port}/health`)).text();
    const response = await fetch(`http://127.0.0.1:${at.port}/metrics`);
    const text = await response.text();
    assert(response.headers.get("content-type")!.startsWith("text/plain; version=0.0.4"));
    for (
      const line of [
        'tracker_requests_total{kind="http-other",outcome="answered"} 3',
        'tracker_requests_total{kind="udp-scrape",outcome="dropped"} 0',
        "# TYPE tracker_request_seconds histogram",
        'tracker_request_seconds_bucket{le="+Inf"} 3',
        "tracker_request_seconds_count 3",
        "tracker_peers 0",
        "tracker_swarms 0",
      ]
    ) assertStringIncludes(text, `${line}\n`);
    // Asked again, nothing is counted twice.
    const again = await (await fetch(`http://127.0.0.1:${at.port}/metrics`)).text();
    assertStringIncludes(again, 'kind="http-other",outcome="answered"} 3\n');
    const other = await fetch(`http://127.0.0.1:${at.port}/`);
    assertEquals([other.status, await other.text()], [404, "Not found. Metrics: /metrics\n"]);
    const second = new MetricsServer(tracker);
    const error = await assertRejects(() => second.listen("127.0.0.1", at.port), TrackerError);
    assertEquals(error.code, "port-in-use");
  } finally {
    await metrics.close();
    await tracker.close();
  }
});
