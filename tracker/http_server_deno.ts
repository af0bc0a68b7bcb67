import { formatHostPort, parseIp } from "./address.ts";
import { QuerySyntaxError, TrackerError } from "./errors.ts";
import { type AnnounceQuery, parseAnnounceQuery, parseScrapeQuery } from "./query.ts";
import {
  INTERVAL_SECONDS_DEFAULT,
  INTERVAL_SECONDS_MAX,
  writeAnnounceResponse,
  writeFailure,
  writeScrapeResponse,
} from "./response.ts";
import { MemorySwarmStore, NUM_WANT_DEFAULT, type SwarmCounts, type SwarmStore } from "./swarm.ts";

/** The min interval as a part of the interval: a peer without peers may ask again every minute of 30. */
export const MIN_INTERVAL_PART: number = 1 / 30;
/** How long a peer may be silent, in intervals: it may miss one announce. */
export const PEER_TTL_INTERVALS = 2;
/** What comes on top of that: for a slow network, and for clients that add jitter. */
export const PEER_TTL_MARGIN_MS = 60_000;
/** How long `close` waits for answers that are being sent before it cuts them off. */
export const CLOSE_TIMEOUT_MS = 1000;

/** The least time between two sweeps for silent peers, so that many small ones become one. */
const SWEEP_MS_MIN = 1000;
/** The pause after a sweep that left silent peers over, in which requests are answered. */
const SWEEP_MORE_MS = 10;
/** The greatest delay that a timer takes. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/** How a {@link TrackerServer} works. */
export interface TrackerServerOptions {
  /** The address to listen on. Default: `0.0.0.0`, all of IPv4; `::` is all of both families on Linux. */
  hostname?: string;
  /** The port to listen on; 0 lets the system choose. Default: 0. */
  port?: number;
  /** How often peers are to announce. Default: `INTERVAL_SECONDS_DEFAULT`. */
  intervalSeconds?: number;
  /** Whether a scrape that names no info-hash gets all swarms. Default: `false`. */
  fullScrape?: boolean;
  /** Where the swarms are. Default: a `MemorySwarmStore`. */
  store?: SwarmStore;
  /** The monotonic clock. Default: `performance.now`. */
  nowMs?: () => number;
  /** The random numbers of the default store. Default: `Math.random`. */
  random?: () => number;
  /** Called with what should not happen: an exception in the server itself. Default: nothing. */
  onError?: (error: unknown) => void;
}

/**
 * A tracker over HTTP: `/announce`, `/scrape`, and `/health`, which answers `ok`.
 *
 * A request that cannot be read gets a `failure reason` that names the parameter, with HTTP 200, as
 * clients expect of trackers. A peer's address is the one that its connection comes from; neither the
 * `ip` parameter nor `X-Forwarded-For` counts. A peer that gives a `hostname` is known under that name in
 * answers that are not compact, and under its address in compact ones, which cannot carry names.
 *
 * **Limits**: of its store (`SWARMS_MAX`, `PEERS_KEPT_MAX`, `NUM_WANT_MAX`) and of queries
 * (`QUERY_CHARACTERS_MAX`, `SCRAPE_HASHES_MAX`).
 *
 * **Source**: BEP 3, BEP 7, BEP 23, BEP 48.
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
  readonly #intervalSeconds: number;
  readonly #minIntervalSeconds: number;
  readonly #nowMs: () => number;
  readonly #store: SwarmStore;
  #server: Deno.HttpServer<Deno.NetAddr> | null = null;
  readonly #cutOff = new AbortController();
  #sweepTimer: ReturnType<typeof setTimeout> | null = null;

  /**
   * Makes a server that does not listen yet.
   *
   * **Errors**: `RangeError` for an interval that is not 1 to 86,400 seconds.
   */
  constructor(options: TrackerServerOptions = {}) {
    const intervalSeconds = options.intervalSeconds ?? INTERVAL_SECONDS_DEFAULT;
    if (
      !Number.isInteger(intervalSeconds) || intervalSeconds < 1 ||
      intervalSeconds > INTERVAL_SECONDS_MAX
    ) {
      throw new RangeError(
        `Cannot make tracker: interval is ${intervalSeconds} s, should be 1 to ${INTERVAL_SECONDS_MAX} s`,
      );
    }
    this.#options = options;
    this.#intervalSeconds = intervalSeconds;
    this.#minIntervalSeconds = Math.max(1, Math.floor(intervalSeconds * MIN_INTERVAL_PART));
    this.#nowMs = options.nowMs ?? (() => performance.now());
    this.#store = options.store ?? new MemorySwarmStore({
      peerTtlMs: intervalSeconds * 1000 * PEER_TTL_INTERVALS + PEER_TTL_MARGIN_MS,
      random: options.random ?? Math.random,
    });
  }

  /**
   * Begins to listen, and says where.
   *
   * **Errors**: `TrackerError` with `port-in-use`, or `listen` for any other reason why it cannot;
   * `TypeError` when it listens already or was closed.
   */
  listen(): Promise<{ hostname: string; port: number }> {
    // Not `async`: all of it happens at once, and only its failure takes the form of a promise.
    return new Promise((resolve) => {
      if (this.#server !== null) throw new TypeError("Cannot listen: listen() was called before");
      const { hostname = "0.0.0.0", port = 0 } = this.#options;
      try {
        this.#server = Deno.serve(
          {
            hostname,
            port,
            signal: this.#cutOff.signal,
            onListen: () => {},
            onError: (error) => this.#handleFault(error),
          },
          (request, info) => this.#handle(request, info.remoteAddr),
        );
      } catch (cause) {
        throw listenError(hostname, port, cause);
      }
      const { addr } = this.#server;
      resolve({ hostname: addr.hostname, port: addr.port });
    });
  }

  /** Stops listening; answers that are being sent get {@link CLOSE_TIMEOUT_MS}. Again: no effect. */
  async close(): Promise<void> {
    const server = this.#server;
    if (server === null) return;
    const cutOffTimer = setTimeout(() => this.#cutOff.abort(), CLOSE_TIMEOUT_MS);
    await server.shutdown();
    clearTimeout(cutOffTimer);
    // Only now: an answer on its way may have armed it.
    if (this.#sweepTimer !== null) clearTimeout(this.#sweepTimer);
    this.#sweepTimer = null;
  }

  async #handle(request: Request, remote: Deno.NetAddr): Promise<Response> {
    // By hand: `URL` and `URLSearchParams` would make text of an info-hash and lose bytes.
    const { method, url } = request;
    const pathStart = url.indexOf("/", url.indexOf("://") + 3);
    const queryStart = url.indexOf("?", pathStart);
    const path = queryStart < 0 ? url.slice(pathStart) : url.slice(pathStart, queryStart);
    const query = queryStart < 0 ? "" : url.slice(queryStart + 1);
    if (path !== "/announce" && path !== "/scrape" && path !== "/health") {
      return new Response("Not found. A tracker: /announce, /scrape, /health\n", { status: 404 });
    }
    // A probe; it changes nothing.
    if (method === "HEAD") return new Response(null);
    if (method !== "GET") {
      const headers = { allow: "GET, HEAD" };
      return new Response("Method not allowed\n", { status: 405, headers });
    }
    if (path === "/health") return new Response("ok\n");
    try {
      const body = path === "/announce"
        ? await this.#announce(parseAnnounceQuery(query), remote)
        : await this.#scrape(parseScrapeQuery(query));
      return bencoded(body);
    } catch (error) {
      if (error instanceof QuerySyntaxError) return bencoded(writeFailure(error.message));
      throw error;
    }
  }

  async #announce(
    query: AnnounceQuery,
    remote: Deno.NetAddr,
  ): Promise<Uint8Array<ArrayBuffer>> {
    const address = parseIp(remote.hostname);
    if (address === null) throw new TypeError(`Cannot read address ${remote.hostname}`);
    const answer = await this.#store.announce({
      infoHash: query.infoHash,
      peerId: query.peerId,
      address,
      port: query.port,
      hostname: query.hostname,
      seed: query.left === 0,
      event: query.event,
      numWant: query.numWant ?? NUM_WANT_DEFAULT,
      compact: query.compact,
    }, this.#nowMs());
    this.#armSweep();
    if ("refused" in answer) return writeFailure(answer.refused);
    const { compact4, compact6 } = answer;
    const peers = query.noPeerId
      ? answer.peers.map(({ host, port }) => ({ host, port, peerId: null }))
      : answer.peers;
    return writeAnnounceResponse({
      intervalSeconds: this.#intervalSeconds,
      minIntervalSeconds: this.#minIntervalSeconds,
      seeders: answer.seeders,
      leechers: answer.leechers,
      completed: answer.completed,
      peers: query.compact ? { compact4, compact6 } : peers,
    });
  }

  async #scrape(infoHashes: Uint8Array<ArrayBuffer>[]): Promise<Uint8Array<ArrayBuffer>> {
    const nowMs = this.#nowMs();
    if (infoHashes.length === 0) {
      if (this.#options.fullScrape) return writeScrapeResponse(await this.#store.scrapeAll(nowMs));
      return writeFailure("Cannot read info_hash: it is missing, and a full scrape is not allowed");
    }
    const entries: [Uint8Array, SwarmCounts][] = [];
    for (const infoHash of infoHashes) {
      const counts = await this.#store.scrape(infoHash, nowMs);
      if (counts !== null) entries.push([infoHash, counts]);
    }
    return writeScrapeResponse(entries);
  }

  /** Arms the one timer for the peer that expires next. */
  #armSweep(): void {
    if (this.#sweepTimer !== null || this.#server === null) return;
    const dueMs = this.#store.nextExpiryMs - this.#nowMs();
    if (dueMs === Infinity) return;
    const delayMs = dueMs <= 0 ? SWEEP_MORE_MS : Math.max(dueMs, SWEEP_MS_MIN);
    this.#sweepTimer = setTimeout(() => {
      this.#sweepTimer = null;
      this.#store.expire(this.#nowMs());
      this.#armSweep();
    }, Math.min(delayMs, TIMER_MS_MAX));
  }

  #handleFault(error: unknown): Response {
    this.#options.onError?.(error);
    return new Response("Internal error\n", { status: 500 });
  }
}

function bencoded(body: Uint8Array<ArrayBuffer>): Response {
  return new Response(body, { headers: { "content-type": "text/plain" } });
}

function listenError(hostname: string, port: number, cause: unknown): TrackerError {
  const address = formatHostPort(hostname, port);
  if (cause instanceof Deno.errors.AddrInUse) {
    const message = `Cannot listen on ${address}: the port is in use; choose another port, or 0`;
    return new TrackerError("port-in-use", address, message, { cause });
  }
  const reason = reasonOf(cause);
  return new TrackerError("listen", address, `Cannot listen on ${address}: ${reason}`, { cause });
}

function reasonOf(cause: unknown): string {
  const text = cause instanceof Error ? cause.message : String(cause);
  if (cause instanceof Deno.errors.AddrNotAvailable) {
    return "it is no address of this machine; 0.0.0.0 is every one of them";
  }
  if (cause instanceof Deno.errors.PermissionDenied) {
    return "permission is missing; ports below 1024 are often reserved";
  }
  if (/lookup/i.test(text)) {
    return "the host name cannot be resolved; 0.0.0.0 is every address of this machine";
  }
  return text;
}
