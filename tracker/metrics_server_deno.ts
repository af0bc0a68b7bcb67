import type { Registry } from "prom-client";
import { listenError } from "./listen_deno.ts";
import {
  CONNECTION_EVENTS,
  LATENCY_BOUNDS_SECONDS,
  REQUEST_KINDS,
  REQUEST_OUTCOMES,
  type TrackerMetrics,
} from "./metrics.ts";
import type { TrackerStats } from "./stats_page.ts";

/** What tells of itself: a `TrackerServer`. */
export interface MetricsSource {
  /** What was counted. */
  readonly metrics: TrackerMetrics;
  /** How it is doing. */
  readonly stats: TrackerStats;
}

/**
 * Tells Prometheus, at `/metrics` on a port of its own, what a tracker counts:
 *
 * - `tracker_requests_total` by `kind` and `outcome`,
 * - `tracker_request_seconds`, a histogram: from when a request was read until its answer was ready,
 * - `tracker_connections_total` by `event`, `tracker_connections`,
 * - `tracker_peers`, `tracker_swarms`,
 * - with a replica `tracker_replica_members`, `tracker_replica_lag_seconds`, `tracker_replica_records`,
 *   `tracker_replica_refused_total`, `tracker_replica_bytes_total` by `direction`,
 * - with a store elsewhere `tracker_store_up`, `tracker_store_kept_announces`,
 *   `tracker_store_cache_answers_total`,
 * - and of the process `process_resident_memory_bytes`, `process_start_time_seconds`.
 */
export class MetricsServer {
  readonly #source: MetricsSource;
  #server: Deno.HttpServer<Deno.NetAddr> | null = null;

  /** Makes a server that does not listen yet. */
  constructor(source: MetricsSource) {
    this.#source = source;
  }

  /**
   * Begins to listen, and says where.
   *
   * **Errors**: `TrackerError`, as those of a `TrackerServer`.
   */
  async listen(hostname: string, port: number): Promise<{ hostname: string; port: number }> {
    // Only who wants metrics waits for the library to be loaded.
    const registry = makeRegistry(await import("prom-client"), this.#source);
    try {
      this.#server = Deno.serve(
        { hostname, port, onListen: () => {} },
        (request) => respond(request, registry),
      );
    } catch (cause) {
      throw listenError(hostname, port, cause);
    }
    const { addr } = this.#server;
    return { hostname: addr.hostname, port: addr.port };
  }

  /** Stops listening. */
  async close(): Promise<void> {
    await this.#server?.shutdown();
  }
}

async function respond(request: Request, registry: Registry): Promise<Response> {
  if (new URL(request.url).pathname !== "/metrics") {
    return new Response("Not found. Metrics: /metrics\n", { status: 404 });
  }
  const headers = { "content-type": registry.contentType };
  return new Response(await registry.metrics(), { headers });
}

/** Registers metrics that read what is counted when they are asked for. */
function makeRegistry(
  { Counter, Gauge, Histogram, Registry }: typeof import("prom-client"),
  source: MetricsSource,
): Registry {
  const registry = new Registry();
  const registers = [registry];
  new Counter({
    name: "tracker_requests_total",
    help: "Requests by kind and outcome",
    labelNames: ["kind", "outcome"],
    registers,
    collect() {
      this.reset();
      const { metrics } = source;
      for (const kind of REQUEST_KINDS) {
        for (const outcome of REQUEST_OUTCOMES) {
          this.inc({ kind, outcome }, metrics.requests(kind, outcome));
        }
      }
    },
  });
  new Counter({
    name: "tracker_connections_total",
    help: "What happened to connections over HTTP",
    labelNames: ["event"],
    registers,
    collect() {
      this.reset();
      const { metrics } = source;
      for (const event of CONNECTION_EVENTS) this.inc({ event }, metrics.connections(event));
    },
  });
  const gauge = (name: string, help: string, value: () => number): void => {
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(value());
      },
    });
  };
  gauge("tracker_connections", "Open connections", () => source.metrics.openConnections);
  gauge("tracker_peers", "Peers in all swarms", () => source.stats.peers);
  gauge("tracker_swarms", "Swarms with peers", () => source.stats.swarms);
  if (source.stats.cluster !== undefined) registerReplica({ Counter, Gauge }, registry, source);
  if (source.stats.store !== undefined) registerStore({ Counter, Gauge }, registry, source);
  gauge("process_resident_memory_bytes", "Memory in use", () => Deno.memoryUsage().rss);
  const startSeconds = performance.timeOrigin / 1000;
  gauge("process_start_time_seconds", "When the process began", () => startSeconds);
  // They are counted already, so nothing is observed here: what is told are our own buckets.
  const tell = () => Promise.resolve(histogramOf(source.metrics));
  const name = LATENCY_NAME;
  const buckets = [...LATENCY_BOUNDS_SECONDS];
  const latency = new Histogram({ name, help: LATENCY_HELP, buckets, registers });
  Object.assign(latency, { get: tell, getForPromString: tell });
  return registry;
}

/** Registers what there is to tell of a tracker that replicates to others. */
function registerReplica(
  { Counter, Gauge }: Pick<typeof import("prom-client"), "Counter" | "Gauge">,
  registry: Registry,
  source: MetricsSource,
): void {
  const registers = [registry];
  const gauges: [name: string, help: string, of: "members" | "lagSeconds" | "records"][] = [
    ["members", "Other trackers of the group that answer", "members"],
    ["lag_seconds", "How late announces of others came, the latest of a minute", "lagSeconds"],
    ["records", "Announces of all trackers that are kept", "records"],
  ];
  for (const [name, help, of] of gauges) {
    new Gauge({
      name: `tracker_replica_${name}`,
      help,
      registers,
      collect() {
        this.set(source.stats.cluster?.[of] ?? 0);
      },
    });
  }
  new Counter({
    name: "tracker_replica_refused_total",
    help: "Announces of others that there was no room for",
    registers,
    collect() {
      this.reset();
      this.inc(source.stats.cluster?.refused ?? 0);
    },
  });
  new Counter({
    name: "tracker_replica_bytes_total",
    help: "What trackers of the group told one another",
    labelNames: ["direction"],
    registers,
    collect() {
      this.reset();
      this.inc({ direction: "sent" }, source.stats.cluster?.bytesSent ?? 0);
      this.inc({ direction: "received" }, source.stats.cluster?.bytesReceived ?? 0);
    },
  });
}

/** Registers what there is to tell of a store on another machine. */
function registerStore(
  { Counter, Gauge }: Pick<typeof import("prom-client"), "Counter" | "Gauge">,
  registry: Registry,
  source: MetricsSource,
): void {
  const registers = [registry];
  new Gauge({
    name: "tracker_store_up",
    help: "Whether all of the store is in reach",
    registers,
    collect() {
      this.set(source.stats.store?.isUp ? 1 : 0);
    },
  });
  new Gauge({
    name: "tracker_store_kept_announces",
    help: "Announces that wait for the store",
    registers,
    collect() {
      this.set(source.stats.store?.keptAnnounces ?? 0);
    },
  });
  new Counter({
    name: "tracker_store_cache_answers_total",
    help: "Announces that were answered from the cache",
    registers,
    collect() {
      this.reset();
      this.inc(source.stats.store?.cacheAnswers ?? 0);
    },
  });
}

const LATENCY_NAME = "tracker_request_seconds";
const LATENCY_HELP = "From when a request was read until its answer was ready";

/** The histogram in the form in which the library tells of its own. */
function histogramOf(metrics: TrackerMetrics): Record<string, unknown> {
  const counts = metrics.latencyCounts;
  const value = (suffix: string, value: number, labels: Record<string, unknown>) => (
    { metricName: `${LATENCY_NAME}_${suffix}`, value, labels }
  );
  return {
    name: LATENCY_NAME,
    help: LATENCY_HELP,
    type: "histogram",
    aggregator: "sum",
    values: [
      ...counts.map((count, i) => (
        value("bucket", count, { le: LATENCY_BOUNDS_SECONDS[i] ?? "+Inf" })
      )),
      value("sum", metrics.latencySumSeconds, {}),
      value("count", counts.at(-1)!, {}),
    ],
  };
}
