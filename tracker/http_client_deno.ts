import { BencodeSyntaxError } from "@enjambre/bencode";
import type { AnnounceRequest, AnnounceResult, ScrapeResult } from "./announce.ts";
import { TrackerError, type TrackerErrorCode, TrackerResponseError } from "./errors.ts";
import { buildAnnounceUrl, buildScrapeUrl, checkHttpUrl, hostOf } from "./query.ts";
import { parseAnnounceResponse, parseFailure, parseScrapeResponse } from "./response.ts";

/** How long an announce or a scrape may take from the name lookup to the last byte of the body. */
export const HTTP_TIMEOUT_MS = 15_000;
/** How long a body may be, decompressed: 2 MiB are 20,000 peers, not compact. */
export const HTTP_BODY_BYTES_MAX: number = 2 * 1024 * 1024;

/** How to ask a tracker over HTTP. */
export interface TrackerHttpOptions {
  /** Ends the exchange early; the error then has the code `aborted`. */
  signal?: AbortSignal;
  /** Time limit over all of the exchange. Default: {@link HTTP_TIMEOUT_MS}. */
  timeoutMs?: number;
  /** Limit on the body. Default: {@link HTTP_BODY_BYTES_MAX}. */
  bodyBytesMax?: number;
  /** Ask over this family of addresses alone. Default: the one that the system prefers. */
  family?: 4 | 6;
}

/**
 * Announces a peer to a tracker over HTTP or HTTPS.
 *
 * A refusal (`failure reason`, be it with an HTTP error) is a result with `ok: false`.
 *
 * **Errors**: `TrackerError` when no answer comes that can be used; `RangeError` for a field of the
 * request outside its range. Both reject the promise.
 *
 * **Limits**: time and body as in {@link TrackerHttpOptions}; 20 redirects, to HTTP(S) only (`fetch`).
 *
 * **Source**: BEP 3, "trackers"; BEP 23; BEP 7.
 *
 * @example A tracker and its first peer
 * ```ts
 * import { announceHttp, TrackerServer } from "@enjambre/tracker";
 * import { assert, assertEquals } from "@std/assert";
 *
 * const server = new TrackerServer({ hostname: "127.0.0.1", port: 0 });
 * const { port } = await server.listen();
 *
 * const result = await announceHttp(`http://127.0.0.1:${port}/announce`, {
 *   infoHash: crypto.getRandomValues(new Uint8Array(20)),
 *   peerId: crypto.getRandomValues(new Uint8Array(20)),
 *   port: 6881,
 *   uploaded: 0,
 *   downloaded: 0,
 *   left: 0,
 *   event: "started",
 *   numWant: 50,
 * });
 * await server.close();
 *
 * assert(result.ok);
 * assertEquals(result.seeders, 1);
 * assertEquals(result.peers, []);
 * ```
 */
export async function announceHttp(
  url: string,
  request: AnnounceRequest,
  options: TrackerHttpOptions = {},
): Promise<AnnounceResult> {
  const exchange = new Exchange("announce to", url, options);
  return await exchange.run(buildAnnounceUrl(url, request), parseAnnounceResponse);
}

/**
 * Asks a tracker, named by its announce URL, how large swarms are.
 *
 * An info-hash that the tracker does not know is missing in the result, or has zeros, as the tracker
 * likes it. A refusal is a result with `ok: false`.
 *
 * **Errors**, **Limits**: as {@link announceHttp}; also `TrackerError` with `no-scrape`.
 *
 * **Source**: BEP 48.
 */
export async function scrapeHttp(
  url: string,
  infoHashes: readonly Uint8Array[],
  options: TrackerHttpOptions = {},
): Promise<ScrapeResult> {
  const exchange = new Exchange("scrape", url, options);
  return await exchange.run(buildScrapeUrl(url, infoHashes), parseScrapeResponse);
}

/**
 * Asks a tracker's announce URL for nothing but an answer, to see how fast one comes: by HEAD, and by GET
 * where that is refused. Any answer counts that a tracker may give to a question without an info-hash, an
 * error of the client's side included; one of the server's side does not.
 *
 * **Errors**: `TrackerError`, as {@link announceHttp}; it rejects the promise.
 */
export async function probeHttp(url: string, options: TrackerHttpOptions = {}): Promise<void> {
  const exchange = new Exchange("probe", url, options);
  await exchange.probe(checkHttpUrl(url));
}

/** What a request is sent by; `undefined` for what the process shares. */
type FetchClient = Deno.HttpClient | undefined;

/** One request and its answer, with everything that can end it. */
class Exchange {
  readonly #doing: string;
  readonly #url: string;
  readonly #signal: AbortSignal | undefined;
  readonly #timeoutMs: number;
  readonly #bodyBytesMax: number;
  readonly #family: 4 | 6 | undefined;
  readonly #controller = new AbortController();

  constructor(doing: string, url: string, options: TrackerHttpOptions) {
    this.#doing = doing;
    this.#url = url;
    this.#signal = options.signal;
    this.#timeoutMs = options.timeoutMs ?? HTTP_TIMEOUT_MS;
    this.#bodyBytesMax = options.bodyBytesMax ?? HTTP_BODY_BYTES_MAX;
    this.#family = options.family;
  }

  run<T>(requestUrl: string, parse: (body: Uint8Array) => T): Promise<T> {
    return this.#within((client) => this.#ask(requestUrl, parse, client));
  }

  probe(requestUrl: string): Promise<void> {
    return this.#within(async (client) => {
      const isRefused = await this.#look("HEAD", requestUrl, client).then(
        (status) => status >= 500 || status === 405,
        (error: unknown) => {
          // Who hangs up on a HEAD may answer a GET; who is not there does not.
          const isAway = /refused|unreachable|dns/i.test(this.#reasonOf(error));
          if (isAway || this.#controller.signal.aborted) throw error;
          return true;
        },
      );
      if (!isRefused) return;
      const status = await this.#look("GET", requestUrl, client);
      if (status >= 500) throw this.#error("http-status", `the answer is HTTP ${status}`);
    });
  }

  /** Sends a request and gives the status of the answer, whose body is not read. */
  async #look(method: string, requestUrl: string, client: FetchClient): Promise<number> {
    const response = await this.#fetch(requestUrl, client, method);
    await response.body?.cancel();
    return response.status;
  }

  /** Does something with everything that can end it. */
  async #within<T>(act: (client: FetchClient) => Promise<T>): Promise<T> {
    const abort = () => this.#controller.abort(this.#error("aborted", "it was aborted"));
    if (this.#signal?.aborted) abort();
    this.#signal?.addEventListener("abort", abort);
    const timer = setTimeout(() => {
      const what = `no complete answer within ${formatMs(this.#timeoutMs)}`;
      this.#controller.abort(this.#error("timeout", what));
    }, this.#timeoutMs);
    // An address to send from decides which of the other side's addresses can be asked.
    const client = this.#family === undefined
      ? undefined
      : Deno.createHttpClient({ localAddress: this.#family === 4 ? "0.0.0.0" : "::" });
    try {
      return await act(client);
    } catch (cause) {
      if (cause instanceof TrackerError) throw cause;
      // Whatever an abort looks like beneath, its reason is known.
      if (this.#controller.signal.aborted) throw this.#controller.signal.reason;
      throw this.#networkError(cause);
    } finally {
      client?.close();
      clearTimeout(timer);
      this.#signal?.removeEventListener("abort", abort);
    }
  }

  #fetch(requestUrl: string, client: FetchClient, method: string): Promise<Response> {
    return fetch(requestUrl, {
      method,
      signal: this.#controller.signal,
      headers: { accept: "*/*", "user-agent": "enjambre/0.1.0" },
      ...(client !== undefined && { client }),
    });
  }

  async #ask<T>(
    requestUrl: string,
    parse: (body: Uint8Array) => T | null,
    client: FetchClient,
  ): Promise<T> {
    const response = await this.#fetch(requestUrl, client, "GET");
    const body = await this.#readBody(response);
    if (!response.ok) {
      // "The tracker said no" with an HTTP error is still an answer.
      const failure = body === null ? null : parseFailure(body);
      if (failure !== null) return failure as T;
      const status = `${response.status} ${response.statusText}`.trim();
      throw this.#error("http-status", `the answer is HTTP ${status}`);
    }
    if (body === null) {
      throw this.#error("too-large", `the answer exceeds ${this.#bodyBytesMax} bytes`);
    }
    try {
      return parse(body) as T;
    } catch (cause) {
      throw this.#contentError(body, cause);
    }
  }

  /** All of the body; `null` as soon as it exceeds the limit. */
  async #readBody(response: Response): Promise<Uint8Array | null> {
    if (response.body === null) return new Uint8Array(0);
    const parts: Uint8Array[] = [];
    let length = 0;
    for await (const part of response.body) {
      length += part.length;
      if (length > this.#bodyBytesMax) return null;
      parts.push(part);
    }
    const body = new Uint8Array(length);
    let end = 0;
    for (const part of parts) {
      body.set(part, end);
      end += part.length;
    }
    return body;
  }

  #contentError(body: Uint8Array, cause: unknown): unknown {
    if (cause instanceof TrackerResponseError) {
      const where = `${cause.message} (byte ${cause.offset})`;
      return this.#error("bad-response", lowerFirst(where), cause);
    }
    if (!(cause instanceof BencodeSyntaxError)) return cause;
    if (body.length === 0) return this.#error("not-bencode", "the answer is empty", cause);
    const start = new TextDecoder().decode(body.subarray(0, 100)).trimStart();
    const what = start.startsWith("<")
      ? "the answer is a web page; is it a tracker's announce URL?"
      : `the answer is not bencode: ${withoutPrefix(cause.message)} (byte ${cause.offset})`;
    return this.#error("not-bencode", what, cause);
  }

  /** What the network stack says, in its own words. */
  #reasonOf(error: unknown): string {
    if (!(error instanceof Error)) return "";
    return error.cause instanceof Error ? error.cause.message : error.message;
  }

  #networkError(cause: unknown): unknown {
    if (cause instanceof Deno.errors.NotCapable) {
      return this.#error(
        "unreachable",
        `this program is not permitted to: ${cause.message}`,
        cause,
      );
    }
    if (!(cause instanceof Error)) return cause;
    const text = this.#reasonOf(cause);
    if (/redirect/i.test(text)) {
      return this.#error("redirects", "it redirects too often, or to something not HTTP", cause);
    }
    return this.#error("unreachable", reasonOf(text), cause);
  }

  #error(code: TrackerErrorCode, what: string, cause?: unknown): TrackerError {
    const message = `Cannot ${this.#doing} ${hostOf(this.#url)}: ${what}`;
    return new TrackerError(code, this.#url, message, cause === undefined ? {} : { cause });
  }
}

/** Says in few words what the network stack says in many. */
function reasonOf(text: string): string {
  if (/refused/i.test(text)) return "connection refused";
  if (/dns error|lookup|resolve/i.test(text)) return "the host name cannot be resolved";
  if (/ports? \d+ are blocked/i.test(text)) {
    return "no HTTP client asks on this port, it is reserved";
  }
  if (/certificate/i.test(text)) return "its TLS certificate is not valid";
  if (/InvalidContentType|tls|handshake/i.test(text)) {
    return "it does not speak TLS; is it http:// instead?";
  }
  if (/unreachable/i.test(text)) return "network unreachable";
  if (/timed out/i.test(text)) return "connection timed out";
  if (/reset|closed|broken pipe|incomplete|eof|reading a body/i.test(text)) {
    return "connection closed early";
  }
  return text.split(": ").at(-1)!;
}

/** What is wrong, of a decoder's message that begins with what could not be done, and where. */
function withoutPrefix(text: string): string {
  return text.replace(/^Cannot decode bencode(?: at offset \d+)?: /, "");
}

function formatMs(ms: number): string {
  return ms < 1000 ? `${ms} ms` : `${ms / 1000} s`;
}

function lowerFirst(text: string): string {
  return text.slice(0, 1).toLowerCase() + text.slice(1);
}
