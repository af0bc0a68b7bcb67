/**
 * The peers that a torrent knows of, and when each may be dialled.
 *
 * @module
 */

/** Where a peer is. */
export interface PeerAddress {
  /** An IP address or a host name. */
  readonly host: string;
  /** A TCP port, 1 to 65535. */
  readonly port: number;
}

/**
 * Addresses that are remembered, so that a tracker cannot fill our memory; for one more, the one that has failed most
 * often is forgotten, and where none has failed, the new one is ignored.
 */
export const KNOWN_PEERS_MAX = 2000;

/** Banned addresses that are remembered; beyond, the oldest ban is forgotten. */
export const BANNED_PEERS_MAX = 2000;

/** Pause before a peer that could not be reached, or that left, is dialled again; doubles with each failure. */
const RETRY_MS = 10_000;

/** Longest pause before a peer is dialled again. */
const RETRY_MS_MAX = 30 * 60_000;

/** Pause after which a peer that was of no use to us (both complete) is tried again. */
const USELESS_MS = 10 * 60_000;

/** What is known of one peer. */
interface KnownPeer extends PeerAddress {
  state: "idle" | "dialling" | "connected";
  failures: number;
  dialAtMs: number;
  /** Whether it waits because we had nothing for each other. */
  wasUseless: boolean;
}

/** Writes an address as `host:port`, IPv6 in brackets. */
export function formatAddress(address: PeerAddress): string {
  const { host, port } = address;
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/**
 * Known peers of one torrent, and which of them to dial next: hosts that we have the fewest connections to come first,
 * then those that failed least often, then those that have waited longest. So a thousand addresses of one host
 * do not keep us from the others.
 */
export class PeerBook {
  readonly #peers = new Map<string, KnownPeer>();
  /** Dials and connections by host. */
  readonly #hosts = new Map<string, number>();
  readonly #banned = new Set<string>();
  #dialling = 0;

  /** How many peers are known. */
  get size(): number {
    return this.#peers.size;
  }

  /** How many dials are under way. */
  get diallingCount(): number {
    return this.#dialling;
  }

  /** The addresses of all known peers. */
  addresses(): PeerAddress[] {
    return Array.from(this.#peers.values(), ({ host, port }) => ({ host, port }));
  }

  /** Remembers a peer. @returns whether it was unknown, is not banned and found room */
  add(address: PeerAddress): boolean {
    const key = formatAddress(address);
    if (this.#peers.has(key) || this.#banned.has(key)) return false;
    if (this.#peers.size >= KNOWN_PEERS_MAX && !this.#forgetOne()) return false;
    const { host, port } = address;
    this.#peers.set(key, {
      host,
      port,
      state: "idle",
      failures: 0,
      dialAtMs: 0,
      wasUseless: false,
    });
    return true;
  }

  /** Takes the next peer to dial, or null where none may be dialled yet. **Cost**: O(known peers). */
  takeNext(nowMs: number): PeerAddress | null {
    let next: KnownPeer | null = null;
    for (const peer of this.#peers.values()) {
      if (peer.state !== "idle" || peer.dialAtMs > nowMs) continue;
      if (next === null || this.#isBefore(peer, next)) next = peer;
    }
    if (next === null) return null;
    next.state = "dialling";
    this.#dialling++;
    this.#countHost(next.host, 1);
    const key = formatAddress(next);
    this.#peers.delete(key); // to the end: the others come first next time
    this.#peers.set(key, next);
    return next;
  }

  /** Whether some peer may be dialled now. */
  isWaiting(nowMs: number): boolean {
    for (const peer of this.#peers.values()) {
      if (peer.state === "idle" && peer.dialAtMs <= nowMs) return true;
    }
    return false;
  }

  /** When the next peer may be dialled, in milliseconds; Infinity where none waits. */
  nextDialAtMs(): number {
    let earliest = Infinity;
    for (const peer of this.#peers.values()) {
      if (peer.state === "idle" && peer.dialAtMs < earliest) earliest = peer.dialAtMs;
    }
    return earliest;
  }

  /** A dial led to a connection. */
  handleConnected(key: string): void {
    const peer = this.#peers.get(key);
    if (peer === undefined) return;
    if (peer.state === "dialling") this.#dialling--;
    if (peer.state === "idle") this.#countHost(peer.host, 1);
    peer.state = "connected";
  }

  /** A dial led to nothing: it is tried again later, and later each time. */
  handleDialFailed(key: string, nowMs: number): void {
    const peer = this.#peers.get(key);
    if (peer === undefined) return;
    this.#retire(peer, nowMs + Math.min(RETRY_MS * 2 ** peer.failures, RETRY_MS_MAX));
    peer.failures++;
  }

  /**
   * A connection ended.
   *
   * @param isGood whether it did any good: then it is not held against the peer
   * @param isUseless whether neither side has anything for the other
   */
  handleClosed(key: string, isGood: boolean, isUseless: boolean, nowMs: number): void {
    const peer = this.#peers.get(key);
    if (peer === undefined) return;
    if (!isGood && !isUseless) return this.handleDialFailed(key, nowMs);
    peer.failures = 0;
    peer.wasUseless = isUseless;
    this.#retire(peer, nowMs + (isUseless ? USELESS_MS : RETRY_MS));
  }

  /** What we want has changed: those that were of no use may be dialled now. */
  reconsider(): void {
    for (const peer of this.#peers.values()) {
      if (peer.wasUseless && peer.state === "idle") peer.dialAtMs = 0;
      peer.wasUseless = false;
    }
  }

  /** Forgets this peer, and takes it in no more, known before or not. */
  ban(key: string): void {
    const peer = this.#peers.get(key);
    if (peer !== undefined) {
      this.#retire(peer, Infinity);
      this.#peers.delete(key);
    }
    this.#banned.add(key);
    for (const oldest of this.#banned) {
      if (this.#banned.size <= BANNED_PEERS_MAX) break;
      this.#banned.delete(oldest);
    }
  }

  /** Whether this address was banned. */
  isBanned(key: string): boolean {
    return this.#banned.has(key);
  }

  /** Whether `peer` is to be dialled before `other`, which has waited longer. */
  #isBefore(peer: KnownPeer, other: KnownPeer): boolean {
    const hosts = this.#hostCount(peer.host) - this.#hostCount(other.host);
    return hosts !== 0 ? hosts < 0 : peer.failures < other.failures;
  }

  #hostCount(host: string): number {
    return this.#hosts.get(host) ?? 0;
  }

  #countHost(host: string, change: number): void {
    const count = this.#hostCount(host) + change;
    if (count === 0) this.#hosts.delete(host);
    else this.#hosts.set(host, count);
  }

  /** Forgets the idle peer that failed most often, of those the one that failed first. @returns whether there is one */
  #forgetOne(): boolean {
    let worst: KnownPeer | null = null;
    for (const peer of this.#peers.values()) {
      if (peer.state !== "idle" || peer.failures === 0) continue;
      if (worst === null || peer.failures > worst.failures) worst = peer;
    }
    return worst !== null && this.#peers.delete(formatAddress(worst));
  }

  #retire(peer: KnownPeer, dialAtMs: number): void {
    if (peer.state === "dialling") this.#dialling--;
    if (peer.state !== "idle") this.#countHost(peer.host, -1);
    peer.state = "idle";
    peer.dialAtMs = dialAtMs;
  }
}
