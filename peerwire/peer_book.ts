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

/** Addresses that are remembered; what comes beyond is ignored, so that a tracker cannot fill our memory. */
export const KNOWN_PEERS_MAX = 2000;

/** Pause before a peer that could not be reached, or that left, is dialled again; doubles with each failure. */
const RETRY_MS = 10_000;

/** Longest pause before a peer is dialled again. */
const RETRY_MS_MAX = 30 * 60_000;

/** Pause after which a peer that was of no use to us (both complete) is tried again. */
const USELESS_MS = 10 * 60_000;

/** What is known of one peer. */
interface KnownPeer extends PeerAddress {
  state: "idle" | "dialling" | "connected" | "banned";
  failures: number;
  dialAtMs: number;
}

/** Writes an address as `host:port`, IPv6 in brackets. */
export function formatAddress(address: PeerAddress): string {
  const { host, port } = address;
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Known peers of one torrent, in the order in which they are to be dialled. */
export class PeerBook {
  readonly #peers = new Map<string, KnownPeer>();
  #dialling = 0;

  /** How many peers are known. */
  get size(): number {
    return this.#peers.size;
  }

  /** How many dials are under way. */
  get diallingCount(): number {
    return this.#dialling;
  }

  /** Remembers a peer. @returns whether it was unknown */
  add(address: PeerAddress): boolean {
    const key = formatAddress(address);
    if (this.#peers.has(key) || this.#peers.size >= KNOWN_PEERS_MAX) return false;
    const { host, port } = address;
    this.#peers.set(key, { host, port, state: "idle", failures: 0, dialAtMs: 0 });
    return true;
  }

  /** Takes the next peer to dial, or null where none may be dialled yet. */
  takeNext(nowMs: number): PeerAddress | null {
    for (const [key, peer] of this.#peers) {
      if (peer.state !== "idle" || peer.dialAtMs > nowMs) continue;
      peer.state = "dialling";
      this.#dialling++;
      this.#peers.delete(key); // to the end: the others come first next time
      this.#peers.set(key, peer);
      return peer;
    }
    return null;
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
    if (peer.state !== "banned") peer.state = "connected";
  }

  /** A dial led to nothing: it is tried again later, and later each time. */
  handleDialFailed(key: string, nowMs: number): void {
    this.#retire(key, nowMs + Math.min(RETRY_MS * 2 ** this.#failuresOf(key), RETRY_MS_MAX));
    const peer = this.#peers.get(key);
    if (peer !== undefined) peer.failures++;
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
    if (isGood || isUseless) peer.failures = 0;
    if (isUseless) this.#retire(key, nowMs + USELESS_MS);
    else this.handleDialFailed(key, nowMs);
  }

  /** Never dials this peer again. */
  ban(key: string): void {
    const peer = this.#peers.get(key);
    if (peer === undefined) return;
    if (peer.state === "dialling") this.#dialling--;
    peer.state = "banned";
  }

  #failuresOf(key: string): number {
    return this.#peers.get(key)?.failures ?? 0;
  }

  #retire(key: string, dialAtMs: number): void {
    const peer = this.#peers.get(key);
    if (peer === undefined || peer.state === "banned") return;
    if (peer.state === "dialling") this.#dialling--;
    peer.state = "idle";
    peer.dialAtMs = dialAtMs;
  }
}
