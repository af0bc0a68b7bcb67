import { formatIp } from "./address.ts";
import { AddressRanges } from "./address_ranges.ts";
import { AddressRates } from "./address_rates.ts";
import { type AccessLists, isServed } from "./access.ts";
import type { TrackerEvent } from "./announce.ts";
import type { Exchange } from "./exchange.ts";
import type { RequestKind, RequestOutcome, TrackerMetrics } from "./metrics.ts";
import { INTERVAL_SECONDS_DEFAULT, INTERVAL_SECONDS_MAX } from "./response.ts";
import type { Awaitable, SwarmCounts, SwarmStore } from "./swarm_store.ts";
import type { ReplicatedAnnounce } from "./swarm_replica.ts";

/** The min interval as a part of the interval: a peer without peers may ask again every minute of 30. */
export const MIN_INTERVAL_PART: number = 1 / 30;

/** What a tracker is asked and by whom, over whatever protocol. */
export interface TrackerRules {
  /** How often peers are to announce. Default: `INTERVAL_SECONDS_DEFAULT`. */
  intervalSeconds?: number;
  /** Whether a scrape over HTTP that names no info-hash gets all swarms. Default: `false`. */
  fullScrape?: boolean;
  /** Which torrents are served, and to whom. Default: all, to all. */
  lists?: AccessLists;
  /** Proxies whose `X-Forwarded-For` counts, as addresses and ranges. Default: none. */
  trustedProxies?: readonly string[];
  /** Who may announce another address by `ip`, as addresses and ranges. Default: nobody. */
  trustedClients?: readonly string[];
  /** How many requests an address may send in a second, on average. Default: any number. */
  requestsPerSecond?: number;
}

/** A request, for an access log. */
export interface RequestRecord {
  /** What was asked. */
  readonly kind: RequestKind;
  /** What became of it. */
  readonly outcome: RequestOutcome;
  /** The address that asked. */
  readonly address: string;
  /** What was announced, in hex; absent for other requests. */
  readonly infoHash?: string;
  /** Why it was announced; absent for other requests. */
  readonly event?: TrackerEvent;
  /** The port that was announced; absent for other requests. */
  readonly port?: number;
  /** How many peers were given; absent for other requests. */
  readonly peers?: number;
}

const NOT_SERVED = "this tracker does not serve this torrent";

/** What the HTTP server and the UDP server of a tracker have in common: whom they serve, and from where. */
export class TrackerCore {
  /** How often peers are to announce. */
  readonly intervalSeconds: number;
  /** How often they may. */
  readonly minIntervalSeconds: number;
  /** Whether a scrape may ask for all swarms. */
  readonly fullScrape: boolean;
  /** Whose `X-Forwarded-For` counts. */
  readonly trustedProxies: AddressRanges;
  /** Whose `ip` counts. */
  readonly trustedClients: AddressRanges;
  /** Where the swarms are. */
  readonly store: SwarmStore;
  /** What happens is counted here. */
  readonly metrics: TrackerMetrics;
  /** Which torrents are served, and to whom; may be replaced at any time. */
  lists: AccessLists;
  /** Is told of every announce that the store accepted, which is borrowed; `null` where nobody is. */
  onAccepted: ((announce: ReplicatedAnnounce) => void) | null = null;
  readonly #rates: AddressRates | null;
  readonly #onRequest: ((record: RequestRecord) => void) | null;

  /**
   * Puts it together.
   *
   * **Errors**: `RangeError` for an interval, a rate or a range that makes no sense.
   */
  constructor(
    store: SwarmStore,
    metrics: TrackerMetrics,
    rules: TrackerRules,
    random: () => number,
    onRequest: ((record: RequestRecord) => void) | null,
  ) {
    const { intervalSeconds = INTERVAL_SECONDS_DEFAULT, requestsPerSecond } = rules;
    if (
      !Number.isInteger(intervalSeconds) || intervalSeconds < 1 ||
      intervalSeconds > INTERVAL_SECONDS_MAX
    ) {
      throw new RangeError(
        `Cannot make tracker: interval is ${intervalSeconds} s, should be 1 to ${INTERVAL_SECONDS_MAX} s`,
      );
    }
    if (requestsPerSecond !== undefined && !(requestsPerSecond > 0)) {
      throw new RangeError(
        `Cannot make tracker: rate is ${requestsPerSecond} requests/s, should be more than 0`,
      );
    }
    this.intervalSeconds = intervalSeconds;
    this.minIntervalSeconds = Math.max(1, Math.floor(intervalSeconds * MIN_INTERVAL_PART));
    this.fullScrape = rules.fullScrape ?? false;
    this.trustedProxies = new AddressRanges(rules.trustedProxies ?? []);
    this.trustedClients = new AddressRanges(rules.trustedClients ?? []);
    this.lists = rules.lists ?? {};
    this.store = store;
    this.metrics = metrics;
    this.#rates = requestsPerSecond === undefined
      ? null
      : new AddressRates(requestsPerSecond, random);
    this.#onRequest = onRequest;
  }

  /** Whether an address may send one more request now. */
  admits(address: Uint8Array, nowMs: number): boolean {
    return this.#rates === null || this.#rates.take(address, nowMs);
  }

  /** Whether the path of an announce begins rightly: with a passkey where those are wanted, else without. */
  takesPasskey(passkey: string | null): boolean {
    const { passkeys } = this.lists;
    return passkeys === undefined ? passkey === null : passkey !== null && passkeys.has(passkey);
  }

  /** Announces; the answer, or why there is none, is in the exchange then. */
  announce(exchange: Exchange, nowMs: number): Awaitable<void> {
    if (exchange.ip !== null && this.trustedClients.has(exchange.address)) {
      exchange.address = exchange.ip;
    }
    if (!isServed(this.lists, exchange.infoHash)) {
      exchange.answer.clear();
      exchange.answer.refusal = NOT_SERVED;
      return;
    }
    const done = this.store.announce(exchange, nowMs, exchange.answer);
    // Who is told of it keeps the swarms in memory, where the answer is there at once.
    if (exchange.answer.refusal === null) this.onAccepted?.(exchange);
    return done;
  }

  /** Scrapes; torrents that are not served count as unknown. */
  scrape(
    infoHashes: readonly Uint8Array[],
    nowMs: number,
  ): Awaitable<(SwarmCounts | null)[]> {
    const counts = this.store.scrape(infoHashes, nowMs);
    const { lists } = this;
    if (lists.allowed === undefined && lists.denied === undefined) return counts;
    const onlyServed = (all: (SwarmCounts | null)[]) =>
      all.map((each, i) => isServed(lists, infoHashes[i]!) ? each : null);
    return counts instanceof Promise ? counts.then(onlyServed) : onlyServed(counts);
  }

  /** Counts a request, and logs it where there is a log. */
  record(
    kind: RequestKind,
    outcome: RequestOutcome,
    address: Uint8Array,
    exchange: Exchange | null = null,
  ): void {
    this.metrics.countRequest(kind, outcome);
    if (this.#onRequest === null) return;
    const announced = exchange === null ? {} : {
      infoHash: exchange.infoHash.toHex(),
      event: exchange.event,
      port: exchange.port,
      peers: exchange.answer.refusal !== null
        ? 0
        : exchange.form === "list"
        ? exchange.answer.peers.length
        : exchange.answer.count4 + exchange.answer.count6,
    };
    this.#onRequest({ kind, outcome, address: formatIp(address), ...announced });
  }
}
