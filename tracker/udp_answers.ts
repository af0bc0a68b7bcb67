import { ConnectionIds } from "./connection_id.ts";
import { Exchange, EXCHANGES_KEPT_MAX } from "./exchange.ts";
import type { RequestKind } from "./metrics.ts";
import { COMPACT4_BYTES, COMPACT6_BYTES, NUM_WANT_DEFAULT, NUM_WANT_MAX } from "./swarm_store.ts";
import type { SwarmCounts } from "./swarm_store.ts";
import type { TrackerCore } from "./tracker_core.ts";
import {
  decodeUdpRequest,
  encodeUdpConnectResponse,
  encodeUdpError,
  encodeUdpScrapeResponse,
  UDP_ANNOUNCE_HEAD_BYTES,
  type UdpAnnounceRequest,
  type UdpScrapeRequest,
  writeUdpAnnounceHead,
} from "./udp_packets.ts";

/** How many peers with IPv6 addresses an answer holds at most: 1,352 bytes, one packet on any link. */
export const UDP_NUM_WANT6_MAX = 74;

/** How long an answer may be. */
export const UDP_ANSWER_BYTES_MAX: number = UDP_ANNOUNCE_HEAD_BYTES +
  Math.max(NUM_WANT_MAX * COMPACT4_BYTES, UDP_NUM_WANT6_MAX * COMPACT6_BYTES);

const NO_COUNTS: SwarmCounts = { seeders: 0, completed: 0, leechers: 0 };

/**
 * Answers packets (BEP 15).
 *
 * Who does not send a connection id of ours from the address that it was sent to gets no answer at all, so
 * nobody can be flooded with answers that they did not ask for. The answer to a connect is as long as the
 * request.
 */
export class UdpAnswers {
  readonly #core: TrackerCore;
  readonly #ids: ConnectionIds;
  /** Those that are free: with a store in memory there is always the one that is needed. */
  readonly #exchanges: Exchange[] = [];

  /** Answers with what `core` says; `connectionKey` is the secret of its connection ids. */
  constructor(core: TrackerCore, connectionKey: Uint8Array) {
    this.#core = core;
    this.#ids = new ConnectionIds(connectionKey);
  }

  /**
   * Answers a packet from an address of 4 or 16 bytes into `target`, {@link UDP_ANSWER_BYTES_MAX} long: how
   * long the answer is, 0 for none. A promise where the store needs time; the packet may be used for
   * others then.
   */
  answer(
    packet: Uint8Array,
    address: Uint8Array,
    nowMs: number,
    target: Uint8Array,
  ): number | Promise<number> {
    const core = this.#core;
    const request = decodeUdpRequest(packet);
    if (request.action === "connect") {
      if (!core.admits(address, nowMs)) return this.#drop("udp-connect", address);
      this.#ids.make(address, nowMs);
      core.record("udp-connect", "answered", address);
      const { high, low } = this.#ids;
      return put(target, encodeUdpConnectResponse(request.transactionId, high, low));
    }
    const { connectionHigh, connectionLow } = request;
    const kind: RequestKind = request.action === "announce"
      ? "udp-announce"
      : request.action === "scrape"
      ? "udp-scrape"
      : "udp-other";
    if (!this.#ids.isValid(address, connectionHigh, connectionLow, nowMs)) {
      return this.#drop(kind, address);
    }
    if (!core.admits(address, nowMs)) return this.#drop(kind, address);
    if (request.action === "invalid") {
      core.record(kind, "malformed", address);
      const { transactionId, reason } = request;
      if (transactionId === null) return 0;
      return put(target, encodeUdpError(transactionId, `Cannot read packet: ${reason}`));
    }
    if (request.action === "scrape") return this.#scrape(request, address, nowMs, target);
    return this.#announce(request, address, nowMs, target);
  }

  #announce(
    request: UdpAnnounceRequest,
    address: Uint8Array,
    nowMs: number,
    target: Uint8Array,
  ): number | Promise<number> {
    const core = this.#core;
    const { transactionId } = request;
    const passkey = /^\/([A-Za-z0-9_-]+)\/announce/.exec(request.urlData)?.[1] ?? null;
    if (core.lists.passkeys !== undefined && !core.takesPasskey(passkey)) {
      core.record("udp-announce", "refused", address);
      return put(target, encodeUdpError(transactionId, "this passkey is not known here"));
    }
    const is4 = address.length === 4;
    const exchange = this.#exchanges.pop() ?? new Exchange();
    exchange.infoHash.set(request.infoHash);
    exchange.peerId.set(request.peerId);
    exchange.address = address;
    exchange.port = request.port;
    exchange.key = request.key;
    exchange.hostname = null;
    exchange.seed = request.left === 0;
    exchange.event = request.event;
    exchange.form = is4 ? "compact4" : "compact6";
    exchange.ip = request.ip === 0 || !is4 ? null : bytesOf(request.ip);
    const wanted = request.numWant ?? NUM_WANT_DEFAULT;
    exchange.numWant = is4 ? wanted : Math.min(wanted, UDP_NUM_WANT6_MAX);
    const finish = (): number => {
      const { answer } = exchange;
      core.record(
        "udp-announce",
        answer.refusal === null ? "answered" : "refused",
        address,
        exchange,
      );
      if (this.#exchanges.length < EXCHANGES_KEPT_MAX) this.#exchanges.push(exchange);
      if (answer.refusal !== null) {
        return put(target, encodeUdpError(transactionId, answer.refusal));
      }
      const { seeders, leechers } = answer;
      writeUdpAnnounceHead(target, transactionId, core.intervalSeconds, leechers, seeders);
      const peers = is4 ? answer.compact4 : answer.compact6;
      const bytes = is4 ? answer.count4 * COMPACT4_BYTES : answer.count6 * COMPACT6_BYTES;
      for (let i = 0; i < bytes; i++) target[UDP_ANNOUNCE_HEAD_BYTES + i] = peers[i]!;
      return UDP_ANNOUNCE_HEAD_BYTES + bytes;
    };
    const done = core.announce(exchange, nowMs);
    return done instanceof Promise ? done.then(finish) : finish();
  }

  #scrape(
    request: UdpScrapeRequest,
    address: Uint8Array,
    nowMs: number,
    target: Uint8Array,
  ): number | Promise<number> {
    const core = this.#core;
    if (core.lists.passkeys !== undefined) {
      // A scrape has no room for one (BEP 41).
      core.record("udp-scrape", "refused", address);
      return put(
        target,
        encodeUdpError(request.transactionId, "this tracker scrapes over HTTP only"),
      );
    }
    const finish = (counts: (SwarmCounts | null)[]): number => {
      core.record("udp-scrape", "answered", address);
      const known = counts.map((each) => each ?? NO_COUNTS);
      return put(target, encodeUdpScrapeResponse(request.transactionId, known));
    };
    const infoHashes = request.infoHashes.map((infoHash) => infoHash.slice());
    const counts = core.scrape(infoHashes, nowMs);
    return counts instanceof Promise ? counts.then(finish) : finish(counts);
  }

  #drop(kind: RequestKind, address: Uint8Array): number {
    this.#core.record(kind, "dropped", address);
    return 0;
  }
}

function put(target: Uint8Array, packet: Uint8Array): number {
  target.set(packet);
  return packet.length;
}

function bytesOf(ip: number): Uint8Array {
  return new Uint8Array([ip >>> 24, ip >>> 16, ip >>> 8, ip]);
}
