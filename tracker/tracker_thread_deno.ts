import { HttpAnswers } from "./http_answers.ts";
import { HttpServer } from "./http_server_deno.ts";
import { TrackerMetrics } from "./metrics.ts";
import { INTERVAL_SECONDS_DEFAULT } from "./response.ts";
import { statsOf, type TrackerStats } from "./stats_page.ts";
import type { ReplicaStatus } from "./swarm_replica.ts";
import type { SwarmStore } from "./swarm_store.ts";
import { TrackerCore } from "./tracker_core.ts";
import type { TrackerServerOptions } from "./tracker_server_options.ts";

/** How long a peer may be silent, in intervals: it may miss one announce. */
export const PEER_TTL_INTERVALS = 2;
/** What comes on top of that: for a slow network, and for clients that add jitter. */
export const PEER_TTL_MARGIN_MS = 60_000;

/** How long a peer may be silent by the rules of a tracker. */
export function peerTtlMsOf(
  { intervalSeconds }: Pick<TrackerServerOptions, "intervalSeconds">,
): number {
  const intervalMs = (intervalSeconds ?? INTERVAL_SECONDS_DEFAULT) * 1000;
  return intervalMs * PEER_TTL_INTERVALS + PEER_TTL_MARGIN_MS;
}

/** What one thread of a tracker works with. */
export interface ThreadParts {
  /** Where the swarms are. */
  readonly store: SwarmStore;
  /** What each thread counts. */
  readonly metrics: readonly TrackerMetrics[];
  /** Which of the threads this is. */
  readonly index: number;
  /** The monotonic clock. */
  readonly nowMs: () => number;
}

/** What every thread of a tracker has: the rules, and a server for HTTP. */
export class TrackerThread {
  /** Whom it serves. */
  readonly core: TrackerCore;
  /** Its connections. */
  readonly http: HttpServer;
  /** How the replica is, where there is one. */
  replicaStatus: () => ReplicaStatus | null = () => null;
  readonly #parts: ThreadParts;
  readonly #startMs: number;

  /**
   * Puts it together.
   *
   * **Errors**: `RangeError` for options that make no sense.
   */
  constructor(options: TrackerServerOptions, parts: ThreadParts) {
    const { store, metrics, index, nowMs } = parts;
    const random = options.random ?? Math.random;
    const own = metrics[index]!;
    this.#parts = parts;
    this.#startMs = nowMs();
    this.core = new TrackerCore(store, own, options, random, options.onRequest ?? null);
    const { connectionsMax, connectionsPerAddress } = options;
    this.http = new HttpServer(new HttpAnswers(this.core, () => this.stats), own, {
      ...(connectionsMax !== undefined && { connectionsMax }),
      ...(connectionsPerAddress !== undefined && { connectionsPerAddress }),
      readsForwarded: (options.trustedProxies ?? []).length > 0,
      nowMs,
      random,
      onError: options.onError ?? (() => {}),
    });
  }

  /** What is counted, by all threads. */
  get metrics(): TrackerMetrics {
    return TrackerMetrics.sumOf(this.#parts.metrics);
  }

  /** How the tracker is doing. */
  get stats(): TrackerStats {
    const { store, nowMs } = this.#parts;
    const uptimeSeconds = (nowMs() - this.#startMs) / 1000;
    const replica = this.replicaStatus();
    const { swarmCount, peerCount, health } = store;
    const stats = statsOf(this.metrics, swarmCount, peerCount, uptimeSeconds, replica);
    if (health === undefined) return stats;
    // Where the store is, is nobody's business.
    const { isUp, downSeconds, cacheAnswers, keptAnnounces } = health;
    return { ...stats, store: { isUp, downSeconds, cacheAnswers, keptAnnounces } };
  }
}
