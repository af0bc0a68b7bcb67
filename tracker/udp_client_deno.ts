import { createSocket, type Socket } from "node:dgram";
import { formatHostPort, formatIp, parseIp } from "./address.ts";
import type { AnnounceRequest, AnnounceResult, ScrapeResult, TrackerFailure } from "./announce.ts";
import { TrackerError, type TrackerErrorCode } from "./errors.ts";
import { checkRequest, hostOf } from "./query.ts";
import { INTERVAL_SECONDS_DEFAULT, intervalOf, PEERS_MAX, textOf } from "./response.ts";
import { resolveHost, type TrackerAddress } from "./tracker_hosts_deno.ts";
import { UDP_CONNECTION_MS, UdpEndpoint, type UdpQuestion, urlDataOf } from "./udp_endpoint.ts";
import { encodeUdpScrape, UDP_URL_DATA_BYTES_MAX, type UdpResponse } from "./udp_packets.ts";

/** How many addresses of trackers are remembered, with their connection ids, while nothing is asked of them. */
const ENDPOINTS_IDLE_MAX = 256;

/** How to ask a tracker over UDP. */
export interface TrackerUdpOptions {
  /** Ends the exchange early; the error then has the code `aborted`. */
  signal?: AbortSignal;
  /** Time limit over all of the exchange. Default: none but that of BEP 15, which is more than two hours. */
  timeoutMs?: number;
  /** The address to ask. Default: the first that the name has. */
  address?: TrackerAddress;
}

/** One address of a tracker, and who waits for its answers. */
interface Line {
  readonly address: TrackerAddress;
  readonly port: number;
  readonly endpoint: UdpEndpoint;
  readonly waiting: Map<number, (response: UdpResponse | null | Error) => void>;
}

/**
 * Asks trackers over UDP: any number at a time, over one socket for each family of addresses.
 *
 * Sockets are opened when they are needed and closed when nothing was asked for a minute; they do not
 * keep the process alive. A connection id is used for a minute, whoever asks.
 *
 * **Errors**: `TrackerError` when no answer comes; `RangeError` for a field of a request outside its range.
 * Both reject the promise. A refusal is a result with `ok: false`.
 *
 * **Source**: BEP 15, BEP 41. Over `node:dgram`, because Deno's own datagrams need a flag, and so would every
 * program that imports this module; an announce in half an hour has no use for their speed.
 */
export class UdpTrackerClient {
  readonly #lines: Map<string, Line> = new Map();
  readonly #sockets: Map<4 | 6, Socket> = new Map();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #idleTimer: ReturnType<typeof setTimeout> | undefined;

  /** Announces a peer to a tracker. The host name that a peer may have (`hostname`) has no place in UDP. */
  async announce(
    url: string,
    request: AnnounceRequest,
    options: TrackerUdpOptions = {},
  ): Promise<AnnounceResult> {
    checkRequest(request);
    const urlData = urlDataOf(url);
    if (urlData.length > UDP_URL_DATA_BYTES_MAX) {
      const what = `its path is ${urlData.length} bytes, limit is ${UDP_URL_DATA_BYTES_MAX}`;
      throw errorFor("announce to", url, "bad-url", what);
    }
    const { infoHash, peerId, uploaded, downloaded, left, event, port, numWant } = request;
    const response = await this.#ask("announce to", url, {
      action: "announce",
      request: {
        ...{ infoHash, peerId, uploaded, downloaded, left, event, port, numWant },
        key: request.key ?? 0,
        ip: 0,
        urlData,
      },
    }, options);
    if (response.action === "error") return failureOf(response.message);
    if (response.action !== "announce") {
      throw new Error("The endpoint took another action's answer");
    }
    return {
      ok: true,
      intervalSeconds: intervalOf(response.intervalSeconds) ?? INTERVAL_SECONDS_DEFAULT,
      minIntervalSeconds: null,
      seeders: response.seeders,
      leechers: response.leechers,
      peers: response.peers.slice(0, PEERS_MAX),
      warning: null,
      trackerId: null,
    };
  }

  /** Asks a tracker how large swarms are: 1 to 74 of them. One that it does not know has zeros. */
  async scrape(
    url: string,
    infoHashes: readonly Uint8Array[],
    options: TrackerUdpOptions = {},
  ): Promise<ScrapeResult> {
    // Refuses at once what could not be sent later.
    encodeUdpScrape({ connectionHigh: 0, connectionLow: 0, transactionId: 0, infoHashes });
    const question: UdpQuestion = { action: "scrape", infoHashes };
    const response = await this.#ask("scrape", url, question, options);
    if (response.action === "error") return failureOf(response.message);
    if (response.action !== "scrape") throw new Error("The endpoint took another action's answer");
    const { counts } = response;
    return new Map(infoHashes.map((infoHash, i) => [infoHash.toHex(), { ...counts[i]! }]));
  }

  /** Asks for a connection id, to see whether a tracker answers at all; an announce then makes use of it. */
  async probe(url: string, options: TrackerUdpOptions = {}): Promise<void> {
    const response = await this.#ask("probe", url, { action: "connect" }, options);
    if (response.action !== "error") return;
    const { failureReason } = failureOf(response.message);
    throw errorFor("probe", url, "bad-response", `the tracker refused: ${failureReason}`);
  }

  /** Closes the sockets; what is being asked then gets no answer. The client can be used again. */
  close(): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#idleTimer);
    for (const socket of this.#sockets.values()) socket.close();
    this.#sockets.clear();
    for (const line of this.#lines.values()) {
      for (const answer of line.waiting.values()) answer(new Error("the client was closed"));
    }
    this.#lines.clear();
  }

  async #ask(
    doing: string,
    url: string,
    question: UdpQuestion,
    options: TrackerUdpOptions,
  ): Promise<UdpResponse> {
    const { signal, timeoutMs } = options;
    const fail = (code: TrackerErrorCode, what: string, cause?: unknown): TrackerError =>
      errorFor(doing, url, code, what, cause);
    const { hostname, port } = partsOf(url);
    if (hostname === "") throw fail("bad-url", "its URL should be udp://HOST:PORT");
    const ended = Promise.withResolvers<never>();
    ended.promise.catch(() => {});
    const abort = (): void => ended.reject(fail("aborted", "it was aborted"));
    if (signal?.aborted) abort();
    signal?.addEventListener("abort", abort);
    const timer = timeoutMs === undefined ? undefined : setTimeout(() => {
      ended.reject(fail("timeout", `no answer within ${timeoutMs / 1000} s`));
    }, timeoutMs);
    let forget = (): void => {};
    try {
      const address = options.address ??
        (await Promise.race([resolveHost(hostname), ended.promise]))[0];
      if (address === undefined) throw fail("unreachable", "the host name cannot be resolved");
      const line = this.#lineTo(address, port);
      const answered = Promise.withResolvers<UdpResponse | null | Error>();
      forget = this.#begin(line, question, answered.resolve);
      const response = await Promise.race([answered.promise, ended.promise]);
      if (response === null) throw fail("timeout", "no answer, however often it was asked");
      if (response instanceof Error) throw fail("unreachable", reasonOf(response), response);
      return response;
    } finally {
      forget();
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
    }
  }

  /** Asks an endpoint; the function that is returned gives it up. */
  #begin(
    line: Line,
    question: UdpQuestion,
    answer: (response: UdpResponse | null | Error) => void,
  ): () => void {
    clearTimeout(this.#idleTimer);
    const id = line.endpoint.ask(question, performance.now());
    line.waiting.set(id, answer);
    this.#drain(line);
    return () => {
      line.endpoint.cancel(id);
      line.waiting.delete(id);
      this.#arm();
    };
  }

  #lineTo(address: TrackerAddress, port: number): Line {
    const name = formatHostPort(address.ip, port);
    let line = this.#lines.get(name);
    if (line === undefined) {
      this.#forgetIdle();
      const endpoint = new UdpEndpoint(address.family === 4 ? 4 : 16, secretRandom);
      line = { address, port, endpoint, waiting: new Map() };
      this.#lines.set(name, line);
    }
    return line;
  }

  #forgetIdle(): void {
    if (this.#lines.size < ENDPOINTS_IDLE_MAX) return;
    for (const [name, { endpoint }] of this.#lines) {
      if (!endpoint.isBusy) this.#lines.delete(name);
    }
  }

  /** Sends and hands on what an endpoint has to give, and has the timer set anew. */
  #drain(line: Line): void {
    const { endpoint, waiting, address, port } = line;
    for (let packet; (packet = endpoint.takePacket()) !== null;) {
      this.#socket(address.family).send(packet, port, address.ip, (error) => {
        if (error !== null) this.#fail(line, error);
      });
    }
    for (let outcome; (outcome = endpoint.takeOutcome()) !== null;) {
      waiting.get(outcome.id)?.(outcome.response);
    }
    this.#arm();
  }

  /** A packet could not even be sent: whoever waits for this address need not wait longer. */
  #fail(line: Line, error: Error): void {
    for (const answer of line.waiting.values()) answer(error);
  }

  #socket(family: 4 | 6): Socket {
    let socket = this.#sockets.get(family);
    if (socket === undefined) {
      socket = family === 4 ? createSocket("udp4") : createSocket({ type: "udp6", ipv6Only: true });
      socket.on("message", (packet, { address, port }) => {
        const ip = parseIp(address);
        const line = ip && this.#lines.get(formatHostPort(formatIp(ip), port));
        if (!line) return;
        line.endpoint.handlePacket(packet, performance.now());
        this.#drain(line);
      });
      socket.on("error", (error) => {
        for (const line of this.#lines.values()) {
          if (line.address.family === family) this.#fail(line, error);
        }
      });
      socket.bind(0);
      socket.unref();
      this.#sockets.set(family, socket);
    }
    return socket;
  }

  /** Sets the timer for the nearest deadline; with nothing asked, that which closes the sockets. */
  #arm(): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#idleTimer);
    let deadlineMs = Infinity;
    for (const { endpoint } of this.#lines.values()) {
      deadlineMs = Math.min(deadlineMs, endpoint.nextDeadlineMs);
    }
    if (Number.isFinite(deadlineMs)) {
      const delayMs = Math.max(0, deadlineMs - performance.now());
      this.#timer = setTimeout(() => this.#handleTimer(), delayMs);
    } else if (this.#sockets.size > 0) {
      this.#idleTimer = setTimeout(() => this.close(), UDP_CONNECTION_MS);
      Deno.unrefTimer(Number(this.#idleTimer));
    }
  }

  #handleTimer(): void {
    const nowMs = performance.now();
    for (const line of [...this.#lines.values()]) {
      if (line.endpoint.nextDeadlineMs > nowMs) continue;
      line.endpoint.handleDeadline(nowMs);
      this.#drain(line);
    }
    this.#arm();
  }
}

/** Host without brackets and port of a `udp:` URL; an empty host where it is none. */
function partsOf(url: string): { hostname: string; port: number } {
  const parsed = URL.parse(url);
  if (parsed?.protocol !== "udp:" || parsed.port === "") return { hostname: "", port: 0 };
  return { hostname: parsed.hostname.replace(/^\[(.*)\]$/, "$1"), port: Number(parsed.port) };
}

function failureOf(message: Uint8Array): TrackerFailure {
  return { ok: false, failureReason: textOf(message) || "no reason given" };
}

function errorFor(
  doing: string,
  url: string,
  code: TrackerErrorCode,
  what: string,
  cause?: unknown,
): TrackerError {
  const message = `Cannot ${doing} ${hostOf(url)}: ${what}`;
  return new TrackerError(code, url, message, cause === undefined ? {} : { cause });
}

/** Says in few words what the network stack says in its own. */
function reasonOf({ message }: Error): string {
  if (/unreachable|ENETUNREACH|EHOSTUNREACH|EADDRNOTAVAIL/i.test(message)) {
    return "network unreachable";
  }
  return message;
}

/** Random numbers that nobody can guess: an answer is believed by its transaction id alone. */
function secretRandom(): number {
  return crypto.getRandomValues(new Uint32Array(1))[0]! / 2 ** 32;
}
