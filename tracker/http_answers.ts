import { parseIp } from "./address.ts";
import { QuerySyntaxError } from "./errors.ts";
import { Exchange, EXCHANGES_KEPT_MAX } from "./exchange.ts";
import { readUsualAnnounce } from "./fast_query.ts";
import { type HttpOutput, intervalsPart } from "./http_output.ts";
import { type HttpRequestReader, textOf } from "./http_request.ts";
import type { RequestKind, RequestOutcome } from "./metrics.ts";
import { parseAnnounceQuery, parseScrapeQuery } from "./query.ts";
import { writeAnnounceResponse, writeFailure, writeScrapeResponse } from "./response.ts";
import { statsPage, type TrackerStats } from "./stats_page.ts";
import { NUM_WANT_DEFAULT, type SwarmCounts } from "./swarm_store.ts";
import type { TrackerCore } from "./tracker_core.ts";

const TEXT = "text/plain";
const OK = "200 OK";

/** What the status line says for the errors of a request reader. */
const ERRORS: ReadonlyMap<number, string> = new Map([
  [400, "400 Bad Request"],
  [413, "413 Content Too Large"],
  [414, "414 URI Too Long"],
  [431, "431 Request Header Fields Too Large"],
]);

const NOT_FOUND = "Not found. A tracker: /announce, /scrape, /health, /stats\n";

/**
 * Answers requests over HTTP: `/announce`, `/scrape` (both behind a passkey where those are wanted),
 * `/health` and `/stats`.
 *
 * A request that cannot be read gets a `failure reason` that names the parameter, with HTTP 200, as
 * clients expect of trackers.
 */
export class HttpAnswers {
  readonly #core: TrackerCore;
  readonly #stats: () => TrackerStats;
  readonly #intervals: string;
  /** Those that are free: with a store in memory there is always the one that is needed. */
  readonly #exchanges: Exchange[] = [];

  /** Answers with what `core` says; `stats` are told at `/stats`. */
  constructor(core: TrackerCore, stats: () => TrackerStats) {
    this.#core = core;
    this.#stats = stats;
    this.#intervals = intervalsPart(core.intervalSeconds, core.minIntervalSeconds);
  }

  /**
   * Answers the request that a reader has, sent from `remote`. A promise where the store needs time: the
   * reader and the output have to be left alone until then.
   */
  answer(
    reader: HttpRequestReader,
    remote: Uint8Array,
    nowMs: number,
    output: HttpOutput,
  ): Promise<void> | void {
    const { bytes, pathStart, pathEnd } = reader;
    const address = reader.forwardedFor === "" ? remote : this.#forwarded(reader, remote);
    if (reader.isGet && isAnnounce(bytes, pathStart, pathEnd)) {
      return this.#announce(reader, null, address, nowMs, output);
    }
    const path = textOf(bytes, pathStart, pathEnd);
    const match = /^(?:\/([A-Za-z0-9_-]+))?\/(announce|scrape|health|stats)$/.exec(path);
    const [, passkey = null, word] = match ?? [];
    const isTracker = word === "announce" || word === "scrape";
    if (match === null || passkey !== null && !isTracker) {
      return this.#other(reader, address, output, "404 Not Found", NOT_FOUND, "malformed");
    }
    // A probe; it changes nothing.
    if (reader.isHead) return this.#other(reader, address, output, OK, "", "answered");
    if (!reader.isGet) {
      const status = "405 Method Not Allowed";
      return this.#other(reader, address, output, status, "Method not allowed\n", "malformed");
    }
    if (word === "announce") return this.#announce(reader, passkey, address, nowMs, output);
    if (word === "scrape") return this.#scrape(reader, passkey, address, nowMs, output);
    if (word === "health") {
      return this.#other(reader, address, output, OK, this.#health, "answered");
    }
    const isPage = reader.takesHtml;
    const stats = this.#stats();
    const text = isPage ? statsPage(stats) : `${JSON.stringify(stats)}\n`;
    const type = isPage ? "text/html; charset=utf-8" : "application/json";
    output.respond(OK, type, encoder.encode(text), true, connectionOf(reader));
    this.#core.record("http-other", "answered", address);
  }

  /** Answers what the reader could not read, after which the connection is closed. */
  answerError(status: number, remote: Uint8Array, output: HttpOutput): void {
    const line = ERRORS.get(status) ?? "400 Bad Request";
    output.respond(line, TEXT, encoder.encode(`${line.slice(4)}\n`), true, "close");
    this.#core.record("http-other", "malformed", remote);
  }

  /** Answers that the server itself failed. */
  answerFault(output: HttpOutput): void {
    const status = "500 Internal Server Error";
    output.respond(status, TEXT, encoder.encode("Internal error\n"), true, "close");
  }

  /** Peers are answered in any case, so this is for people, and for those who look at the words. */
  get #health(): string {
    const { health } = this.#core.store;
    if (health === undefined || health.isUp) return "ok\n";
    const seconds = health.downSeconds.toFixed(0);
    return `answering from a cache: the store has been out of reach for ${seconds} s\n`;
  }

  #announce(
    reader: HttpRequestReader,
    passkey: string | null,
    address: Uint8Array,
    nowMs: number,
    output: HttpOutput,
  ): Promise<void> | void {
    const core = this.#core;
    if (!this.#isWelcome("http-announce", reader, passkey, address, nowMs, output)) return;
    const exchange = this.#exchanges.pop() ?? new Exchange();
    try {
      const { bytes, queryStart, queryEnd } = reader;
      if (!readUsualAnnounce(bytes, queryStart, queryEnd, exchange)) {
        fill(exchange, textOf(bytes, queryStart, queryEnd));
      }
    } catch (error) {
      this.#exchanges.push(exchange);
      return this.#fail(error, "http-announce", reader, address, output);
    }
    exchange.address = address;
    const done = core.announce(exchange, nowMs);
    const finish = (): void => {
      this.#respond(exchange, reader, output);
      const outcome = exchange.answer.refusal === null ? "answered" : "refused";
      core.record("http-announce", outcome, address, exchange);
      if (this.#exchanges.length < EXCHANGES_KEPT_MAX) this.#exchanges.push(exchange);
    };
    return done instanceof Promise ? done.then(finish) : finish();
  }

  #respond(exchange: Exchange, reader: HttpRequestReader, output: HttpOutput): void {
    const { answer } = exchange;
    const connection = connectionOf(reader);
    if (answer.refusal !== null) {
      output.respond(OK, TEXT, writeFailure(answer.refusal), true, connection);
    } else if (exchange.form !== "list") {
      output.respondCompact(answer, this.#intervals, connection);
    } else {
      const peers = exchange.noPeerId
        ? answer.peers.map(({ host, port }) => ({ host, port, peerId: null }))
        : answer.peers;
      const body = writeAnnounceResponse({
        intervalSeconds: this.#core.intervalSeconds,
        minIntervalSeconds: this.#core.minIntervalSeconds,
        seeders: answer.seeders,
        leechers: answer.leechers,
        completed: answer.completed,
        warning: answer.warning,
        peers,
      });
      output.respond(OK, TEXT, body, true, connection);
    }
  }

  #scrape(
    reader: HttpRequestReader,
    passkey: string | null,
    address: Uint8Array,
    nowMs: number,
    output: HttpOutput,
  ): Promise<void> | void {
    const core = this.#core;
    if (!this.#isWelcome("http-scrape", reader, passkey, address, nowMs, output)) return;
    let infoHashes: Uint8Array[];
    try {
      infoHashes = parseScrapeQuery(textOf(reader.bytes, reader.queryStart, reader.queryEnd));
    } catch (error) {
      return this.#fail(error, "http-scrape", reader, address, output);
    }
    const finish = (entries: (readonly [Uint8Array, SwarmCounts])[]): void => {
      output.respond(OK, TEXT, writeScrapeResponse(entries), true, connectionOf(reader));
      core.record("http-scrape", "answered", address);
    };
    if (infoHashes.length === 0) {
      if (!core.fullScrape) {
        const words = "Cannot read info_hash: it is missing, and a full scrape is not allowed";
        return this.#refuse(words, "http-scrape", "refused", reader, address, output);
      }
      const all = core.store.scrapeAll(nowMs);
      return all instanceof Promise ? all.then(finish) : finish(all);
    }
    const finishSome = (counts: (SwarmCounts | null)[]): void => {
      finish(infoHashes.flatMap((infoHash, i) => {
        const each = counts[i];
        return each === null || each === undefined ? [] : [[infoHash, each] as const];
      }));
    };
    const counts = core.scrape(infoHashes, nowMs);
    return counts instanceof Promise ? counts.then(finishSome) : finishSome(counts);
  }

  /** Whether an announce or a scrape is to be looked at; if not, it is answered here. */
  #isWelcome(
    kind: RequestKind,
    reader: HttpRequestReader,
    passkey: string | null,
    address: Uint8Array,
    nowMs: number,
    output: HttpOutput,
  ): boolean {
    const core = this.#core;
    if (!core.admits(address, nowMs)) {
      const body = writeFailure("too many requests from your address; try again later");
      const status = "429 Too Many Requests";
      output.respond(status, TEXT, body, true, connectionOf(reader), "Retry-After: 60\r\n");
      core.record(kind, "dropped", address);
      return false;
    }
    if (core.takesPasskey(passkey)) return true;
    const words = passkey === null
      ? "this tracker wants a passkey in its URL, /PASSKEY/announce"
      : "this passkey is not known here";
    this.#refuse(words, kind, "refused", reader, address, output);
    return false;
  }

  #fail(
    error: unknown,
    kind: RequestKind,
    reader: HttpRequestReader,
    address: Uint8Array,
    output: HttpOutput,
  ): void {
    if (!(error instanceof QuerySyntaxError)) throw error;
    this.#refuse(error.message, kind, "malformed", reader, address, output);
  }

  #refuse(
    words: string,
    kind: RequestKind,
    outcome: RequestOutcome,
    reader: HttpRequestReader,
    address: Uint8Array,
    output: HttpOutput,
  ): void {
    output.respond(OK, TEXT, writeFailure(words), true, connectionOf(reader));
    this.#core.record(kind, outcome, address);
  }

  #other(
    reader: HttpRequestReader,
    address: Uint8Array,
    output: HttpOutput,
    status: string,
    text: string,
    outcome: RequestOutcome,
  ): void {
    const more = status.startsWith("405") ? "Allow: GET, HEAD\r\n" : "";
    const hasBody = !reader.isHead;
    output.respond(status, TEXT, encoder.encode(text), hasBody, connectionOf(reader), more);
    this.#core.record("http-other", outcome, address);
  }

  /** The address that asked, where our own proxies forwarded it: the last one that is none of theirs. */
  #forwarded(reader: HttpRequestReader, remote: Uint8Array): Uint8Array {
    const { trustedProxies } = this.#core;
    if (!trustedProxies.has(remote)) return remote;
    let address = remote;
    for (const text of reader.forwardedFor.split(",").reverse()) {
      const each = parseIp(
        text.trim().replace(/^\[(.*)\](:\d+)?$/, "$1").replace(/^([\d.]+):\d+$/, "$1"),
      );
      if (each === null) return address;
      address = each;
      if (!trustedProxies.has(address)) return address;
    }
    return address;
  }
}

const encoder = new TextEncoder();

/** What `Connection` is to say: nothing where it is as the version has it. */
function connectionOf(reader: HttpRequestReader): string {
  if (!reader.isKept) return "close";
  return reader.isVersion10 ? "keep-alive" : "";
}

function isAnnounce(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start !== ANNOUNCE.length) return false;
  for (let i = 0; i < ANNOUNCE.length; i++) if (bytes[start + i] !== ANNOUNCE[i]) return false;
  return true;
}

const ANNOUNCE = encoder.encode("/announce");

/** Reads a query that is not quite usual. */
function fill(exchange: Exchange, text: string): void {
  const query = parseAnnounceQuery(text);
  exchange.infoHash.set(query.infoHash);
  exchange.peerId.set(query.peerId);
  exchange.port = query.port;
  exchange.key = query.key;
  exchange.hostname = query.hostname;
  exchange.seed = query.left === 0;
  exchange.event = query.event;
  exchange.numWant = query.numWant ?? NUM_WANT_DEFAULT;
  exchange.form = query.compact ? "compact" : "list";
  exchange.noPeerId = query.noPeerId;
  exchange.ip = query.ip;
}
