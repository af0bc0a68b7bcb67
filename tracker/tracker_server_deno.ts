import { type AccessLists, isServed } from "./access.ts";
import { CONNECTION_KEY_BYTES } from "./connection_id.ts";
import { openSockets } from "./listen_deno.ts";
import { TrackerMetrics } from "./metrics.ts";
import type { TrackerStats } from "./stats_page.ts";
import { MemorySwarmStore } from "./swarm.ts";
import type { ReplicatedAnnounce, SwarmReplica } from "./swarm_replica.ts";
import { SwarmAnswer } from "./swarm_store.ts";
import type { TrackerServerOptions } from "./tracker_server_options.ts";
import { peerTtlMsOf, TrackerThread } from "./tracker_thread_deno.ts";
import {
  SharedSwarms,
  startWorkers,
  type TrackerWorker,
  type WorkerSetup,
} from "./tracker_workers_deno.ts";
import { UdpAnswers } from "./udp_answers.ts";
import { UdpServer } from "./udp_server_deno.ts";

/** The least time between two sweeps for silent peers, so that many small ones become one. */
const SWEEP_MS_MIN = 1000;
/** The pause after a sweep that left silent peers over, in which requests are answered. */
const SWEEP_MORE_MS = 2;
/** The greatest time between two looks at whether a peer is silent for too long. */
const SWEEP_MS_MAX = 10_000;

/** Where a server listens. */
export interface ListenAddress {
  /** The address. */
  readonly hostname: string;
  /** The port of HTTP or HTTPS. */
  readonly port: number;
  /** The port of UDP; `null` without. */
  readonly udpPort: number | null;
}

/**
 * A tracker over HTTP and UDP: `/announce`, `/scrape`, `/health`, which answers `ok`, and `/stats`.
 *
 * A request that cannot be read gets a `failure reason` that names the parameter, with HTTP 200, as
 * clients expect of trackers. A peer's address is the one that its request comes from; the `ip` parameter
 * and `X-Forwarded-For` count only from addresses that the options name. A peer that gives a `hostname` is
 * known under that name in answers that are not compact, and under its address in compact ones, which
 * cannot carry names.
 *
 * UDP and several workers need `--unstable-net`.
 *
 * **Limits**: of its store (`SWARMS_MAX`, `PEERS_KEPT_MAX`, `NUM_WANT_MAX`), of requests
 * (`HTTP_REQUEST_BYTES_MAX`, `QUERY_CHARACTERS_MAX`, `SCRAPE_HASHES_MAX`) and of connections
 * (`CONNECTIONS_MAX` and timeouts).
 *
 * **Source**: BEP 3, BEP 7, BEP 15, BEP 23, BEP 41, BEP 48.
 *
 * @example
 * ```ts
 * import { TrackerServer } from "@enjambre/tracker";
 * import { assertEquals } from "@std/assert";
 *
 * const server = new TrackerServer({ hostname: "127.0.0.1", port: 0, intervalSeconds: 600 });
 * const { port } = await server.listen();
 * const health = await fetch(`http://127.0.0.1:${port}/health`);
 * assertEquals(await health.text(), "ok\n");
 * await server.close();
 * ```
 */
export class TrackerServer {
  readonly #options: TrackerServerOptions;
  readonly #workerCount: number;
  readonly #nowMs: () => number;
  readonly #thread: TrackerThread;
  readonly #udp: UdpServer;
  readonly #shared: SharedSwarms | null;
  #workers: TrackerWorker[] = [];
  #isListening = false;
  #isClosed = false;
  #closing: Promise<void> | null = null;
  #sweepTimer: ReturnType<typeof setTimeout> | null = null;

  /**
   * Makes a server that does not listen yet.
   *
   * **Errors**: `RangeError` for an interval that is not 1 to 86,400 seconds, and other options that make
   * no sense.
   */
  constructor(options: TrackerServerOptions = {}) {
    checkWorkers(options);
    const random = options.random ?? Math.random;
    this.#options = options;
    this.#workerCount = options.workers ?? 1;
    this.#nowMs = options.nowMs ?? (() => performance.now());
    this.#shared = this.#workerCount > 1 ? SharedSwarms.make(this.#workerCount) : null;
    const peerTtlMs = peerTtlMsOf(options);
    const store = options.store ?? this.#shared?.openStore(peerTtlMs, random) ??
      new MemorySwarmStore({ peerTtlMs, random });
    const metrics = this.#shared?.openMetrics() ?? [new TrackerMetrics()];
    this.#thread = new TrackerThread(options, { store, metrics, index: 0, nowMs: this.#nowMs });
    const connectionKey = crypto.getRandomValues(new Uint8Array(CONNECTION_KEY_BYTES));
    const { core } = this.#thread;
    const onError = options.onError ?? (() => {});
    const answers = new UdpAnswers(core, connectionKey);
    this.#udp = new UdpServer(answers, core.metrics, this.#nowMs, onError);
    if (options.replica !== undefined) this.#join(options.replica);
  }

  /** What is counted, by all threads. */
  get metrics(): TrackerMetrics {
    return this.#thread.metrics;
  }

  /** How it is doing. */
  get stats(): TrackerStats {
    return this.#thread.stats;
  }

  /** Replaces the lists of torrents and passkeys, from now on. */
  setLists(lists: AccessLists): void {
    this.#thread.core.lists = lists;
    for (const worker of this.#workers) worker.setLists(lists);
  }

  /**
   * Begins to listen, and says where.
   *
   * **Errors**: `TrackerError` with `port-in-use`, or `listen` for any other reason why it cannot;
   * `TypeError` when it listens already or was closed.
   */
  async listen(): Promise<ListenAddress> {
    if (this.#isListening) throw new TypeError("Cannot listen: listen() was called before");
    const { hostname = "0.0.0.0" } = this.#options;
    const { listener, socket } = openSockets(this.#options);
    this.#isListening = true;
    const { port } = listener.addr as Deno.NetAddr;
    if (this.#shared !== null) {
      try {
        this.#workers = await startWorkers(
          this.#setupFor(this.#shared, hostname, port),
          this.#workerCount,
          {
            request: (record) => this.#options.onRequest?.(record),
            accepted: (announce) => this.#options.replica?.handleAnnounce(announce),
            error: (error) => this.#options.onError?.(error),
          },
        );
      } catch (error) {
        listener.close();
        socket?.close();
        throw error;
      }
    }
    this.#thread.http.serve(listener);
    if (socket !== null) this.#udp.serve(socket);
    this.#armSweep();
    return {
      hostname: (listener.addr as Deno.NetAddr).hostname,
      port,
      udpPort: socket === null ? null : (socket.addr as Deno.NetAddr).port,
    };
  }

  /** Stops listening; answers that are being sent get `CLOSE_TIMEOUT_MS`. Again: no effect. */
  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  async #close(): Promise<void> {
    if (!this.#isListening) return;
    const workers = this.#workers.map((worker) => worker.close());
    await Promise.all([this.#thread.http.close(), this.#udp.close(), ...workers]);
    this.#isClosed = true;
    if (this.#sweepTimer !== null) clearTimeout(this.#sweepTimer);
    this.#sweepTimer = null;
  }

  /** Tells the replica of what is announced here, and takes what it has from others. */
  #join(replica: SwarmReplica): void {
    const { core } = this.#thread;
    core.onAccepted = (announce) => replica.handleAnnounce(announce);
    this.#thread.replicaStatus = () => replica.status;
    const answer = new SwarmAnswer();
    replica.attach((announce: ReplicatedAnnounce) => {
      // Others may serve more than we do.
      if (!isServed(core.lists, announce.infoHash)) return;
      // What this store refuses, such as an impostor's word, is not ours to answer.
      core.store.announce({ ...announce, numWant: 0, form: "compact" }, this.#nowMs(), answer);
    });
  }

  #setupFor(shared: SharedSwarms, hostname: string, port: number): WorkerSetup {
    const { intervalSeconds, fullScrape, trustedProxies, trustedClients } = this.#options;
    const { requestsPerSecond, connectionsMax, connectionsPerAddress, tls } = this.#options;
    return {
      options: {
        hostname,
        port,
        ...(intervalSeconds !== undefined && { intervalSeconds }),
        ...(fullScrape !== undefined && { fullScrape }),
        ...(trustedProxies !== undefined && { trustedProxies }),
        ...(trustedClients !== undefined && { trustedClients }),
        ...(requestsPerSecond !== undefined && { requestsPerSecond }),
        ...(connectionsMax !== undefined && { connectionsMax }),
        ...(connectionsPerAddress !== undefined && { connectionsPerAddress }),
        ...(tls !== undefined && { tls }),
        lists: this.#thread.core.lists,
      },
      logs: this.#options.onRequest !== undefined,
      replicates: this.#options.replica !== undefined,
      shared,
    };
  }

  /** Tells the other threads how the replica is: each answers `/stats`. */
  #tellReplicaStatus(): void {
    const { replica } = this.#options;
    if (replica === undefined || this.#workers.length === 0) return;
    const status = replica.status;
    for (const worker of this.#workers) worker.setReplicaStatus(status);
  }

  /** Arms the one timer for the peer that expires next. */
  #armSweep(): void {
    if (this.#isClosed) return;
    const { store } = this.#thread.core;
    const dueMs = store.nextExpiryMs - this.#nowMs();
    const delayMs = dueMs <= 0 ? SWEEP_MORE_MS : Math.max(dueMs, SWEEP_MS_MIN);
    this.#sweepTimer = setTimeout(() => {
      store.expire(this.#nowMs());
      this.#tellReplicaStatus();
      this.#armSweep();
    }, Math.min(delayMs, SWEEP_MS_MAX));
  }
}

/** How many threads may answer; more do not help one port. */
export const WORKERS_MAX = 64;

function checkWorkers({ workers = 1, store, replica, nowMs }: TrackerServerOptions): void {
  if (!Number.isInteger(workers) || workers < 1 || workers > WORKERS_MAX) {
    throw new RangeError(
      `Cannot make tracker: there are ${workers} workers, should be 1 to ${WORKERS_MAX}`,
    );
  }
  if (replica !== undefined && store !== undefined) {
    throw new RangeError("Cannot make tracker: a replica is for swarms in memory alone");
  }
  if (workers > 1 && (store !== undefined || nowMs !== undefined)) {
    throw new RangeError("Cannot make tracker: workers have a store and a clock of their own");
  }
  // Where that is missing, `reusePort` ends the process.
  if (workers > 1 && typeof Deno.listenDatagram !== "function") {
    throw new RangeError(
      "Cannot make tracker: workers need Deno to be started with --unstable-net",
    );
  }
}
