/** What a tracker is asked. */
export const REQUEST_KINDS = [
  "http-announce",
  "http-scrape",
  "http-other",
  "udp-connect",
  "udp-announce",
  "udp-scrape",
  "udp-other",
] as const;

/** A kind of request. */
export type RequestKind = typeof REQUEST_KINDS[number];

/**
 * What became of a request: answered; refused (by a list, a passkey or the store); not understood; or
 * dropped: over the rate of its address, or sent from an address that its sender does not have.
 */
export const REQUEST_OUTCOMES = ["answered", "refused", "malformed", "dropped"] as const;

/** What became of a request. */
export type RequestOutcome = typeof REQUEST_OUTCOMES[number];

/** What happens to connections over HTTP. */
export const CONNECTION_EVENTS = ["opened", "closed", "refused", "evicted", "timed-out"] as const;

/** What happens to a connection. */
export type ConnectionEvent = typeof CONNECTION_EVENTS[number];

/** The upper bounds of the histogram of latencies, in seconds; there is one more without bound. */
export const LATENCY_BOUNDS_SECONDS: readonly number[] = [
  ...[0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 1],
];

const REQUESTS_AT = 0;
const CONNECTIONS_AT: number = REQUEST_KINDS.length * REQUEST_OUTCOMES.length;
const LATENCIES_AT: number = CONNECTIONS_AT + CONNECTION_EVENTS.length;
const LATENCY_SUM_AT: number = LATENCIES_AT + LATENCY_BOUNDS_SECONDS.length + 1;
const NUMBERS: number = LATENCY_SUM_AT + 1;

/** How many bytes of shared memory the counters of one thread take. */
export const METRICS_BYTES: number = NUMBERS * 8;

/**
 * The counters of a tracker. In shared memory each thread has its own, and anyone may add them up.
 */
export class TrackerMetrics {
  readonly #numbers: Float64Array;

  /** Begins at zero, or takes the numbers of thread `index` in shared memory. */
  constructor(shared: SharedArrayBuffer | null = null, index: number = 0) {
    this.#numbers = shared === null
      ? new Float64Array(NUMBERS)
      : new Float64Array(shared, index * METRICS_BYTES, NUMBERS);
  }

  /** Adds up what several threads counted. */
  static sumOf(all: readonly TrackerMetrics[]): TrackerMetrics {
    const sum = new TrackerMetrics();
    for (const each of all) {
      each.#numbers.forEach((number, i) => sum.#numbers[i] = sum.#numbers[i]! + number);
    }
    return sum;
  }

  /** Counts a request. */
  countRequest(kind: RequestKind, outcome: RequestOutcome): void {
    const at = placeOf(kind, outcome);
    this.#numbers[at] = this.#numbers[at]! + 1;
  }

  /** How many requests of a kind had an outcome. */
  requests(kind: RequestKind, outcome: RequestOutcome): number {
    return this.#numbers[placeOf(kind, outcome)]!;
  }

  /** Counts what happened to a connection. */
  countConnection(event: ConnectionEvent): void {
    const at = CONNECTIONS_AT + CONNECTION_EVENTS.indexOf(event);
    this.#numbers[at] = this.#numbers[at]! + 1;
  }

  /** How often something happened to a connection. */
  connections(event: ConnectionEvent): number {
    return this.#numbers[CONNECTIONS_AT + CONNECTION_EVENTS.indexOf(event)]!;
  }

  /** How many connections are open. */
  get openConnections(): number {
    return this.connections("opened") - this.connections("closed");
  }

  /** Enters how long some requests took, each of them: from when they were read until they were answered. */
  observeLatency(seconds: number, requests: number): void {
    let bucket = 0;
    while (
      bucket < LATENCY_BOUNDS_SECONDS.length && seconds > LATENCY_BOUNDS_SECONDS[bucket]!
    ) bucket++;
    const numbers = this.#numbers;
    numbers[LATENCIES_AT + bucket] = numbers[LATENCIES_AT + bucket]! + requests;
    numbers[LATENCY_SUM_AT] = numbers[LATENCY_SUM_AT]! + seconds * requests;
  }

  /** How many requests took no longer than each of the bounds, and last how many there were. */
  get latencyCounts(): number[] {
    const counts: number[] = [];
    let sum = 0;
    for (let bucket = 0; bucket <= LATENCY_BOUNDS_SECONDS.length; bucket++) {
      sum += this.#numbers[LATENCIES_AT + bucket]!;
      counts.push(sum);
    }
    return counts;
  }

  /** How long all requests took together. */
  get latencySumSeconds(): number {
    return this.#numbers[LATENCY_SUM_AT]!;
  }
}

function placeOf(kind: RequestKind, outcome: RequestOutcome): number {
  return REQUESTS_AT + REQUEST_KINDS.indexOf(kind) * REQUEST_OUTCOMES.length +
    REQUEST_OUTCOMES.indexOf(outcome);
}
