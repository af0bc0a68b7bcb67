/**
 * Who may have a place among the connections of a torrent: bans, one connection for a peer, and shares when it is full.
 *
 * @module
 */

import type { Connection } from "./connection.ts";
import type { Arrival } from "./manager_options.ts";
import type { PeerAddress } from "./peer_book.ts";
import { addressOf, connectionsPerHostMax, isLoopback, worstConnection } from "./peer_priority.ts";

/** Banned peer ids that are remembered; the oldest is forgotten, so that liars cannot fill our memory. */
const BANNED_IDS_MAX = 4096;

/** Connections whose peers are known after they ended: longer than any piece takes from its first block to its hash. */
const IDENTITIES_MAX = 8192;

/** Why a connection is not taken. */
export type Refusal =
  /** It is this program. */
  | "self"
  /** It sent data that fails its hash. */
  | "banned"
  /** There is no place, or the torrent has ended. */
  | "full"
  /** The peer is connected already. */
  | "duplicate";

/** What {@linkcode Admission.judge} says of an arrival. */
export type Verdict =
  | { readonly refusal: Refusal }
  /** It is taken, in the place of a connection that is to be closed, or in a free one. */
  | { readonly refusal: null; readonly replaces: Connection | null };

/** The door of one torrent's swarm. */
export class Admission {
  readonly #ownKey: string;
  readonly #connectionsMax: number;
  readonly #connections: ReadonlyMap<number, Connection>;
  readonly #bannedKeys = new Set<string>();
  readonly #identities = new Map<number, string>();
  /** Where others reach us; null while nobody has told us, and then no priority counts (BEP 40). */
  ownAddress: PeerAddress | null = null;

  /**
   * @param peerId our own, 20 bytes
   * @param connectionsMax how many places there are
   * @param connections those that are taken, kept by the manager
   */
  constructor(
    peerId: Uint8Array,
    connectionsMax: number,
    connections: ReadonlyMap<number, Connection>,
  ) {
    this.#ownKey = keyOf(peerId);
    this.#connectionsMax = connectionsMax;
    this.#connections = connections;
  }

  /** Whether an arrival gets a place, and whose. */
  judge(arrival: Arrival, nowMs: number): Verdict {
    const key = keyOf(arrival.peerId);
    if (key === this.#ownKey) return { refusal: "self" };
    if (this.#bannedKeys.has(key)) return { refusal: "banned" };
    for (const other of this.#connections.values()) {
      if (keyOf(other.peerId) !== key) continue;
      // Both dialled: both keep the connection that the side with the larger id opened.
      const isOurs = !arrival.isIncoming;
      const isKept = arrival.isIncoming !== other.isIncoming && isOurs === this.#ownKey > key;
      return isKept ? { refusal: null, replaces: other } : { refusal: "duplicate" };
    }
    return this.#judgePlace(arrival, nowMs);
  }

  /** A connection was made: its peer is remembered even when it is over. */
  note(connection: Connection): void {
    const { id, peerId, address } = connection;
    this.#identities.set(id, `${keyOf(peerId)}@${address}`);
    if (this.#identities.size <= IDENTITIES_MAX) return;
    for (const old of this.#identities.keys()) {
      if (this.#connections.has(old)) continue;
      this.#identities.delete(old);
      return;
    }
  }

  /** The same text for the same peer: its id and its address. */
  identityOf(connectionId: number): string {
    return this.#identities.get(connectionId) ?? `connection ${connectionId}`;
  }

  /** Takes no connection of this peer any more. @returns its address, and its live connections, to be closed */
  ban(identity: string): { address: string; connections: Connection[] } {
    const key = identity.slice(0, KEY_LENGTH);
    this.#bannedKeys.add(key);
    if (this.#bannedKeys.size > BANNED_IDS_MAX) {
      for (const oldest of this.#bannedKeys) {
        this.#bannedKeys.delete(oldest);
        break;
      }
    }
    const connections = [...this.#connections.values()].filter((each) =>
      keyOf(each.peerId) === key
    );
    return { address: identity.slice(KEY_LENGTH + 1), connections };
  }

  #judgePlace(arrival: Arrival, nowMs: number): Verdict {
    const { host } = arrival.address;
    const freeCount = this.#connectionsMax - this.#connections.size;
    if (freeCount <= 0) {
      const query = { newcomer: arrival.address, self: this.ownAddress, nowMs };
      const replaces = worstConnection(this.#connections.values(), query);
      return replaces === null ? { refusal: "full" } : { refusal: null, replaces };
    }
    if (!isLoopback(host) && this.#countOf(host) >= connectionsPerHostMax(freeCount)) {
      return { refusal: "full" };
    }
    return { refusal: null, replaces: null };
  }

  #countOf(host: string): number {
    let count = 0;
    for (const { address } of this.#connections.values()) {
      if (addressOf(address).host === host) count++;
    }
    return count;
  }
}

/** Length of a peer id as a key. */
const KEY_LENGTH = 20;

/** A peer id as a key. */
function keyOf(peerId: Uint8Array): string {
  return String.fromCharCode(...peerId);
}
