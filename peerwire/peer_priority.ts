/**
 * Which connection yields when there are more peers than places (BEP 40), and how many one host may have.
 *
 * @module
 */

import type { Connection } from "./connection.ts";
import { addressOf, parseIpAddress } from "./ip_address.ts";
import type { PeerAddress } from "./peer_book.ts";

/** What BEP 40 leaves of the bytes that are not compared exactly: every other bit. */
const MASK = 0x55;

/** Bytes of an address that BEP 40 always keeps: a /16 of IPv4. */
const KEPT_BYTES_IPV4 = 2;

/** Bytes of an address that BEP 40 always keeps: a /48 of IPv6. */
const KEPT_BYTES_IPV6 = 6;

/** CRC32-C's polynomial, reflected (RFC 3720, appendix B.4). */
const CASTAGNOLI = 0x82f63b78;

/** A connection this young does not yield: greetings, interest and a first unchoke (10 s a round) come first. */
export const PROTECTED_MS = 30_000;

/**
 * A peer that lets us ask for nothing in so long gives its place to a newcomer, whatever it says it has: eighteen of its
 * rounds (10 s), six of its optimistic slots (30 s).
 */
export const BARREN_MS = 180_000;

/** The CRC32-C of a few bytes, 0 to 2^32 - 1. */
export function crc32c(bytes: Uint8Array): number {
  let crc = ~0;
  for (let i = 0; i < bytes.length; i++) {
    crc ^= bytes[i]!;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? CASTAGNOLI : 0);
  }
  return ~crc >>> 0;
}

/**
 * The canonical priority of a connection between two addresses: the same at both ends, so that both agree on
 * what to keep, and as good as random, so that no peer is everybody's favourite and a newcomer's chances are as
 * good as anybody's.
 *
 * @returns 0 to 2^32 - 1, the higher the dearer; null where an address is a name, or where one is IPv4 and the other IPv6
 *
 * @example
 * ```ts
 * import { peerPriority } from "./peer_priority.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const self = { host: "123.213.32.10", port: 6881 };
 * assertEquals(peerPriority(self, { host: "98.76.54.32", port: 6881 }), 0xec2d7224);
 * ```
 */
export function peerPriority(client: PeerAddress, peer: PeerAddress): number | null {
  const own = parseIpAddress(client.host);
  const other = parseIpAddress(peer.host);
  if (own === null || other === null || own.length !== other.length) return null;
  return priorityOfBytes(own, client.port, other, peer.port);
}

/** {@linkcode peerPriority} of addresses of one family, as bytes. */
function priorityOfBytes(
  own: Uint8Array,
  ownPort: number,
  other: Uint8Array,
  otherPort: number,
): number {
  let common = 0;
  while (common < own.length && own[common] === other[common]) common++;
  if (common === own.length) return priorityOfPorts(ownPort, otherPort);
  const kept = Math.max(own.length === 4 ? KEPT_BYTES_IPV4 : KEPT_BYTES_IPV6, common + 1);
  const isOwnFirst = isBefore(own, other, kept);
  const hashed = new Uint8Array(2 * own.length);
  hashed.set(isOwnFirst ? own : other);
  hashed.set(isOwnFirst ? other : own, own.length);
  for (let i = kept; i < own.length; i++) {
    hashed[i] = hashed[i]! & MASK;
    hashed[own.length + i] = hashed[own.length + i]! & MASK;
  }
  return crc32c(hashed);
}

/** Whether one masked address comes before the other. */
function isBefore(one: Uint8Array, other: Uint8Array, kept: number): boolean {
  for (let i = 0; i < one.length; i++) {
    const mask = i < kept ? 0xff : MASK;
    const difference = (one[i]! & mask) - (other[i]! & mask);
    if (difference !== 0) return difference < 0;
  }
  return true;
}

/** One host: the ports decide, in network order. */
function priorityOfPorts(one: number, other: number): number {
  const low = Math.min(one, other);
  const high = Math.max(one, other);
  return crc32c(Uint8Array.of(low >> 8, low & 0xff, high >> 8, high & 0xff));
}

/**
 * How many connections one host may have when so many places are left: as many as are left, and one at least.
 *
 * So the first host can take half of all places, the second half of the rest, and so on: while there is room
 * nobody is refused, and no host can take the last places from others.
 *
 * @param freeCount places that nobody has
 */
export function connectionsPerHostMax(freeCount: number): number {
  return Math.max(1, freeCount);
}

/** What {@linkcode worstConnection} compares with. */
export interface PlaceQuery {
  /** The newcomer, or null where only a connection that is of no use shall yield. */
  readonly newcomer: PeerAddress | null;
  /** Where others reach us; null where nobody has told us. */
  readonly self: PeerAddress | null;
  /** Now, in milliseconds of the monotonic clock. */
  readonly nowMs: number;
}

/**
 * The connection that gives its place to a newcomer, or null where none should: then the newcomer is refused.
 *
 * In this order: one that is of no use to either side, idle for the longest time; one of a host that has more than
 * its share; one that has what we want, wants nothing, and has given us nothing since it came, for the longest time
 * ({@linkcode BARREN_MS} at least); and (BEP 40) the one of the lowest canonical priority, if the newcomer's is higher. What is
 * younger than {@linkcode PROTECTED_MS}, or has carried blocks in the last 20 seconds, does not yield to a newcomer's
 * priority.
 *
 * **Cost**: one pass over the connections.
 */
export function worstConnection(
  connections: Iterable<Connection>,
  query: PlaceQuery,
): Connection | null {
  const all = [...connections];
  const { newcomer, nowMs } = query;
  const useless = idlest(all, nowMs);
  if (useless !== null || newcomer === null) return useless;
  return crowding(all, newcomer, nowMs) ?? barrenest(all, nowMs) ??
    lowestPriority(all, newcomer, query);
}

/** Of the connections that are of no use, the one that has been idle for the longest time. */
function idlest(connections: readonly Connection[], nowMs: number): Connection | null {
  let worst: Connection | null = null;
  for (const connection of connections) {
    if (!isUseless(connection, nowMs)) continue;
    if (worst === null || idleSinceMs(connection) < idleSinceMs(worst)) worst = connection;
  }
  return worst;
}

/** Whether neither side wants anything of the other, and has not for a while. */
function isUseless(connection: Connection, nowMs: number): boolean {
  if (connection.amInterested || connection.isInterested) return false;
  return nowMs - idleSinceMs(connection) >= PROTECTED_MS && !isCarrying(connection, nowMs);
}

/** Of the connections that never brought us anything and never will as things stand, the oldest. */
function barrenest(connections: readonly Connection[], nowMs: number): Connection | null {
  let worst: Connection | null = null;
  for (const connection of connections) {
    const { isWanting, isChoking, downloadedBytes, openedAtMs } = connection;
    if (isWanting || !isChoking || downloadedBytes > 0) continue;
    if (nowMs - openedAtMs < BARREN_MS) continue;
    if (worst === null || openedAtMs < worst.openedAtMs) worst = connection;
  }
  return worst;
}

/** Whether blocks went either way in the last 20 seconds. */
function isCarrying(connection: Connection, nowMs: number): boolean {
  return connection.downRate.bytesPerSecond(nowMs) > 0 ||
    connection.upRate.bytesPerSecond(nowMs) > 0;
}

/** When the connection last did anything that we know the time of. */
function idleSinceMs(connection: Connection): number {
  return Math.max(connection.openedAtMs, connection.lastBlockAtMs, connection.chokeChangedAtMs);
}

/**
 * Of a host that has two connections more than the newcomer's would have, the youngest that carries nothing;
 * so a host that came first with many does not keep all others out.
 */
function crowding(
  connections: readonly Connection[],
  newcomer: PeerAddress,
  nowMs: number,
): Connection | null {
  const counts = new Map<string, number>();
  for (const { address } of connections) {
    const { host } = addressOf(address);
    counts.set(host, (counts.get(host) ?? 0) + 1);
  }
  const spare = (counts.get(newcomer.host) ?? 0) + 2;
  let worst: Connection | null = null;
  let worstCount = 0;
  for (const connection of connections) {
    const count = counts.get(addressOf(connection.address).host)!;
    if (count < spare || isCarrying(connection, nowMs)) continue;
    const isWorse = worst === null || count > worstCount ||
      (count === worstCount && connection.openedAtMs > worst.openedAtMs);
    if (!isWorse) continue;
    worst = connection;
    worstCount = count;
  }
  return worst;
}

/** The connection of the lowest canonical priority, if that is lower than the newcomer's. */
function lowestPriority(
  connections: readonly Connection[],
  newcomer: PeerAddress,
  { self, nowMs }: PlaceQuery,
): Connection | null {
  if (self === null) return null;
  const bar = peerPriority(self, newcomer);
  if (bar === null) return null;
  let worst: Connection | null = null;
  let worstPriority = bar;
  for (const connection of connections) {
    if (nowMs - connection.openedAtMs < PROTECTED_MS || isCarrying(connection, nowMs)) continue;
    // Not by what the peer says our address is (BEP 10): it could say what suits it.
    const priority = peerPriority(self, addressOf(connection.address));
    if (priority === null || priority >= worstPriority) continue;
    worst = connection;
    worstPriority = priority;
  }
  return worst;
}
