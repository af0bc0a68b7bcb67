/**
 * Who may have a place among the connections of a torrent: bans, one connection for a peer, and shares when it is full.
 *
 * @module
 */

import type { Connection } from "./connection.ts";
import { hostKeyOf } from "./host_key.ts";
import { isLoopback } from "./ip_address.ts";
import type { Arrival } from "./manager_options.ts";
import type { PeerAddress } from "./peer_book.ts";
import { connectionsPerHostMax, worstConnection } from "./peer_priority.ts";

/** Banned peers, and hosts with bans, that are remembered; the oldest is forgotten, so that liars cannot fill our memory. */
const BANS_MAX = 4096;

/**
 * Bans after which a host's other peers are refused too. Fewer could be one liar that came back under new ids behind the
 * same address as honest peers; each time costs us a piece or so.
 */
export const HOST_BANS_MAX = 3;

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

/** Who a peer is: its id and its host. */
interface Identity {
  readonly name: string;
  readonly hostKey: string;
  readonly address: string;
}

/**
 * The door of one torrent's swarm.
 *
 * Peer ids are public: whoever is in the swarm can use any of them. So a peer is its id *and* its host, and an id alone
 * is held against nobody: the one who lies under it is banned at its own host, and the one who is connected under it
 * keeps nobody out who comes from another. A peer with two addresses (IPv4 and IPv6, or one that has moved) may have a
 * connection from each; one who uses an id from many hosts gets no more by that than by as many ids.
 */
export class Admission {
  readonly #ownKey: string;
  readonly #connectionsMax: number;
  readonly #connections: ReadonlyMap<number, Connection>;
  readonly #banned = new Set<string>();
  /** How many peers of a host were banned. */
  readonly #hostBans = new Map<string, number>();
  readonly #identities = new Map<number, Identity>();
  /** Where others reach us; null while nobody has told us, and then no priority counts (BEP 40). */
  ownAddress: PeerAddress | null = null;

  /**
   * @param peerId our own, 20 bytes
   * @param connectionsMax how many places there are
   * @param connections those that are taken, kept by its places
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
    const host = hostOf(arrival);
    const hostKey = hostKeyOf(host);
    const name = nameOf(key, hostKey);
    if (this.#banned.has(name) || this.#isHostBanned(host, hostKey)) return { refusal: "banned" };
    for (const other of this.#connections.values()) {
      if (this.identityOf(other.id) !== name) continue;
      // Both dialled: both keep the connection that the side with the larger id opened.
      const isOurs = !arrival.isIncoming;
      const isKept = arrival.isIncoming !== other.isIncoming && isOurs === this.#ownKey > key;
      return isKept ? { refusal: null, replaces: other } : { refusal: "duplicate" };
    }
    return this.#judgePlace(arrival, hostKey, nowMs);
  }

  /** A connection was made: its peer is remembered even when it is over. */
  note(connection: Connection): void {
    const { id, peerId, hostKey, address } = connection;
    this.#identities.set(id, { name: nameOf(keyOf(peerId), hostKey), hostKey, address });
    if (this.#identities.size <= IDENTITIES_MAX) return;
    for (const old of this.#identities.keys()) {
      if (this.#connections.has(old)) continue;
      this.#identities.delete(old);
      return;
    }
  }

  /** The same text for the same peer: its id and its host. */
  identityOf(connectionId: number): string {
    return this.#identities.get(connectionId)?.name ?? `connection ${connectionId}`;
  }

  /**
   * Takes no connection of this peer any more; after {@linkcode HOST_BANS_MAX} bans, none of its host.
   *
   * @returns where it was, and its live connections, to be closed; others of its host have done nothing
   */
  ban(identity: string): { addresses: string[]; connections: Connection[] } {
    const addresses = new Set<string>();
    const connections: Connection[] = [];
    let hostKey: string | null = null;
    for (const [id, known] of this.#identities) {
      if (known.name !== identity) continue;
      hostKey = known.hostKey;
      addresses.add(known.address);
      const connection = this.#connections.get(id);
      if (connection !== undefined) connections.push(connection);
    }
    if (!this.#banned.has(identity) && hostKey !== null) {
      this.#hostBans.set(hostKey, (this.#hostBans.get(hostKey) ?? 0) + 1);
    }
    this.#banned.add(identity);
    if (this.#banned.size > BANS_MAX) deleteFirst(this.#banned);
    if (this.#hostBans.size > BANS_MAX) deleteFirst(this.#hostBans);
    return { addresses: [...addresses], connections };
  }

  /** The connection that is of no use to either side for the longest time; null where none is. */
  leastUseful(nowMs: number): Connection | null {
    const query = { newcomer: null, self: null, nowMs };
    return worstConnection(this.#connections.values(), query);
  }

  /** The programs of this machine are its owner's: one of them is not held against the others. */
  #isHostBanned(host: string, hostKey: string): boolean {
    return (this.#hostBans.get(hostKey) ?? 0) >= HOST_BANS_MAX && !isLoopback(host);
  }

  #judgePlace(arrival: Arrival, hostKey: string, nowMs: number): Verdict {
    const host = hostOf(arrival);
    const freeCount = this.#connectionsMax - this.#connections.size;
    if (freeCount <= 0) {
      const query = { newcomer: arrival.address, self: this.ownAddress, nowMs };
      const replaces = worstConnection(this.#connections.values(), query);
      return replaces === null ? { refusal: "full" } : { refusal: null, replaces };
    }
    if (!isLoopback(host) && this.#countOf(hostKey) >= connectionsPerHostMax(freeCount)) {
      return { refusal: "full" };
    }
    return { refusal: null, replaces: null };
  }

  #countOf(hostKey: string): number {
    let count = 0;
    for (const connection of this.#connections.values()) {
      if (connection.hostKey === hostKey) count++;
    }
    return count;
  }
}

/** Where an arrival is: what the socket says, where that is known. */
function hostOf({ host, address }: Arrival): string {
  return host ?? address.host;
}

/** A peer id as text. */
function keyOf(peerId: Uint8Array): string {
  return String.fromCharCode(...peerId);
}

function nameOf(key: string, hostKey: string): string {
  return `${key}@${hostKey}`;
}

/** Forgets the oldest. */
function deleteFirst(all: Set<string> | Map<string, number>): void {
  for (const oldest of all.keys()) {
    all.delete(oldest);
    return;
  }
}
