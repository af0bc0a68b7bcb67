import type { AnnounceAnswer, AnnounceRequest, AnnounceResult, ScrapeResult } from "./announce.ts";
import { PROBE_TIMEOUT_MS } from "./announcer.ts";
import { announceHttp, HTTP_TIMEOUT_MS, probeHttp, scrapeHttp } from "./http_client_deno.ts";
import { resolveHost, type TrackerAddress } from "./tracker_hosts_deno.ts";
import { UdpTrackerClient } from "./udp_client_deno.ts";

/** How to ask a tracker, over whatever it speaks. */
export interface TrackerClientOptions {
  /** Ends the exchange early. */
  signal?: AbortSignal;
  /** Time limit over all of the exchange. */
  timeoutMs?: number;
}

/** How to announce to a tracker. */
export interface TrackerAnnounceOptions extends TrackerClientOptions {
  /** Receives what the tracker answers over its other family of addresses, after the first answer. */
  handleLate?: (answer: AnnounceAnswer) => void;
}

/**
 * Asks trackers, over HTTP, HTTPS or UDP as their URLs say.
 *
 * A tracker that has addresses of both families is announced to over both at the same time, as BEP 7 and
 * BEP 15 want it: peers reach us on either, and `key` says that it is one of us. The first answer is the
 * result. So that HTTP keeps to a family, requests are sent from its wildcard address; where a proxy
 * stands between (`HTTP_PROXY`), it decides which family the tracker sees.
 *
 * **Errors**: as `announceHttp` and `UdpTrackerClient`: `TrackerError`, `RangeError`.
 */
export class TrackerClient {
  readonly #udp: UdpTrackerClient = new UdpTrackerClient();
  readonly #resolve: typeof resolveHost;

  /** Takes what resolves host names; left out: the system. */
  constructor(resolve: typeof resolveHost = resolveHost) {
    this.#resolve = resolve;
  }

  /**
   * Announces. The result is the first answer of the families, else a refusal, else the first error; a
   * `stopped` waits for both. The time limit is 15 s unless told otherwise.
   */
  async announce(
    url: string,
    request: AnnounceRequest,
    options: TrackerAnnounceOptions = {},
  ): Promise<AnnounceResult> {
    const { handleLate, ...limits } = options;
    const addresses = await this.#addressesOf(url, limits);
    const exchanges = addresses.map((address) => this.#announce(url, request, limits, address));
    if (exchanges.length === 1) return await exchanges[0]!;
    let first: AnnounceResult | null = null;
    const answered = exchanges.map(async (exchange) => {
      const result = await exchange;
      if (!result.ok) throw result;
      if (first === null) first = result;
      else handleLate?.(result);
      return result;
    });
    const all = Promise.allSettled(answered);
    if (request.event === "stopped") await all;
    try {
      return await Promise.any(answered);
    } catch {
      const results = await Promise.allSettled(exchanges);
      const refusal = results.find((result) => result.status === "fulfilled");
      return refusal?.value ?? await exchanges[0]!;
    }
  }

  /** Asks how large swarms are: 1 to 74 of them. The time limit is 15 s unless told otherwise. */
  scrape(
    url: string,
    infoHashes: readonly Uint8Array[],
    options: TrackerClientOptions = {},
  ): Promise<ScrapeResult> {
    if (!isUdp(url)) return scrapeHttp(url, infoHashes, options);
    return this.#udp.scrape(url, infoHashes, { timeoutMs: HTTP_TIMEOUT_MS, ...options });
  }

  /**
   * Resolves as soon as a tracker answers anything, over either family of addresses: HTTP to a HEAD (or a GET,
   * where that is refused), UDP to a connect. The time limit is 3 s unless told otherwise.
   */
  async probe(url: string, options: TrackerClientOptions = {}): Promise<void> {
    const { timeoutMs = PROBE_TIMEOUT_MS, signal } = options;
    const won = new AbortController();
    const limits = {
      timeoutMs,
      signal: signal === undefined ? won.signal : AbortSignal.any([signal, won.signal]),
    };
    const probes = (await this.#addressesOf(url, limits)).map((address) =>
      isUdp(url)
        ? this.#udp.probe(url, { ...limits, ...(address !== null && { address }) })
        : probeHttp(url, { ...limits, ...familyOf(address) })
    );
    try {
      await Promise.any(probes);
    } catch (error) {
      throw error instanceof AggregateError ? error.errors[0] : error;
    } finally {
      won.abort();
    }
  }

  /** Closes what is open for UDP. The client can be used again. */
  close(): void {
    this.#udp.close();
  }

  #announce(
    url: string,
    request: AnnounceRequest,
    limits: TrackerClientOptions,
    address: TrackerAddress | null,
  ): Promise<AnnounceResult> {
    if (!isUdp(url)) return announceHttp(url, request, { ...limits, ...familyOf(address) });
    const options = { timeoutMs: HTTP_TIMEOUT_MS, ...limits };
    return this.#udp.announce(url, request, { ...options, ...(address !== null && { address }) });
  }

  /**
   * The addresses that a tracker is to be asked at, one of each family; one `null` where there is no choice,
   * or where the name is not known here in time: then whoever asks says so, or a proxy knows it.
   */
  async #addressesOf(
    url: string,
    { signal, timeoutMs = HTTP_TIMEOUT_MS }: TrackerClientOptions,
  ): Promise<readonly (TrackerAddress | null)[]> {
    const ended = Promise.withResolvers<readonly TrackerAddress[]>();
    const end = (): void => ended.resolve([]);
    const timer = setTimeout(end, timeoutMs);
    if (signal?.aborted) end();
    signal?.addEventListener("abort", end);
    try {
      const hostname = URL.parse(url)?.hostname ?? "";
      const addresses = await Promise.race([this.#resolve(hostname), ended.promise]);
      return addresses.length === 2 ? addresses : [null];
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", end);
    }
  }
}

function familyOf(address: TrackerAddress | null): { family?: 4 | 6 } {
  return address === null ? {} : { family: address.family };
}

function isUdp(url: string): boolean {
  return URL.parse(url)?.protocol === "udp:";
}
