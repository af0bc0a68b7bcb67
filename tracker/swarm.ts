import { bytesOfKey, keyOfBytes } from "@enjambre/bencode";
import { formatIp } from "./address.ts";
import type { TrackerEvent, TrackerPeer } from "./announce.ts";

/** How many peers an answer holds when the asker does not say. */
export const NUM_WANT_DEFAULT = 50;
/** How many peers an answer holds at most: 1,200 bytes in the compact form of IPv4, one packet. */
export const NUM_WANT_MAX = 200;
/** How many swarms a tracker keeps unless told otherwise; an empty one is forgotten at once. */
export const SWARMS_MAX = 100_000;
/** How many peers a tracker keeps unless told otherwise: at 0.7 KB of heap each, 175 MB. */
export const PEERS_KEPT_MAX = 250_000;
/** How many silent peers one call of `expire` forgets unless told otherwise: a matter of milliseconds. */
export const EXPIRE_PEERS_MAX = 2000;

/** What a tracker's server tells the store about one announce. */
export interface SwarmAnnounce {
  /** 20 bytes; borrowed for the call. */
  readonly infoHash: Uint8Array;
  /** 20 bytes; borrowed for the call. Who it is: there is one peer of an id in a swarm. */
  readonly peerId: Uint8Array;
  /** 4 or 16 bytes: the address that the request came from; borrowed for the call. */
  readonly address: Uint8Array;
  /** 1 to 65535. */
  readonly port: number;
  /** The name that the peer gave. */
  readonly hostname: string | null;
  /** Whether it has all of it. */
  readonly seed: boolean;
  /** Why it announces. */
  readonly event: TrackerEvent;
  /** How many peers it wants; {@link NUM_WANT_MAX} at most are given. */
  readonly numWant: number;
  /** Which form of the peers it wants. */
  readonly compact: boolean;
}

/** How large a swarm is. */
export interface SwarmCounts {
  /** Peers with all of it. */
  readonly seeders: number;
  /** How many of its peers completed, each counted once; lost with the swarm's last peer. */
  readonly completed: number;
  /** Peers without all of it. */
  readonly leechers: number;
}

/** The store's answer to an announce; what is not in the form that was asked for is empty. */
export interface SwarmAnswer extends SwarmCounts {
  /** 6 bytes for each peer with an IPv4 address. */
  readonly compact4: Uint8Array;
  /** 18 bytes for each peer with an IPv6 address. */
  readonly compact6: Uint8Array;
  /** The peers under their names, else their addresses. */
  readonly peers: readonly TrackerPeer[];
}

/** The store has no room for a new swarm or peer. */
export interface SwarmRefusal {
  /** Why, in words for the peer. */
  readonly refused: string;
}

/** A result that a store in memory has at once, and one on another machine later. */
export type Awaitable<T> = T | Promise<T>;

/**
 * Where a tracker's server keeps its swarms.
 *
 * Rules for all of them: a peer is known by its id within the swarm, and its last announce counts; the
 * peers of an answer are chosen at random, without the asker itself (its id, or its address and port)
 * and, for a seed, without other seeds; an answer to `stopped` holds none. A compact answer has each peer
 * under the address that its announce came from, even if it gave a name: it cannot carry names.
 *
 * **Units**: times are milliseconds of one monotonic clock.
 */
export interface SwarmStore {
  /** Enters, updates or (with `stopped`) removes a peer, and chooses others for it. */
  announce(announce: SwarmAnnounce, nowMs: number): Awaitable<SwarmAnswer | SwarmRefusal>;
  /** How large a swarm is; `null` for one without peers. */
  scrape(infoHash: Uint8Array, nowMs: number): Awaitable<SwarmCounts | null>;
  /** All swarms; at once, so a matter for small trackers. */
  scrapeAll(nowMs: number): Awaitable<[infoHash: Uint8Array, counts: SwarmCounts][]>;
  /** Forgets peers that were silent for too long, `peersMax` at most. */
  expire(nowMs: number, peersMax?: number): void;
  /** When the next peer may expire; `Infinity` with no peer. */
  readonly nextExpiryMs: number;
}

/** How a {@link MemorySwarmStore} works. */
export interface MemorySwarmStoreOptions {
  /** How long a peer may be silent. */
  peerTtlMs: number;
  /** Random numbers from 0 up to 1: the choice of peers. */
  random: () => number;
  /** Default: {@link SWARMS_MAX}. */
  swarmsMax?: number;
  /** Default: {@link PEERS_KEPT_MAX}. */
  peersMax?: number;
}

interface Peer {
  readonly swarm: Swarm;
  /** Its index in `swarm.peers`. */
  index: number;
  readonly peerId: Uint8Array;
  address: Uint8Array;
  port: number;
  hostname: string | null;
  /** Whether its completion has been counted. */
  completed: boolean;
  lastSeenMs: number;
}

interface Swarm {
  readonly key: string;
  /** The leechers first, then the seeds: a prefix is what a seed is offered. */
  readonly peers: Peer[];
  leecherCount: number;
  completed: number;
}

/**
 * A {@link SwarmStore} in memory.
 *
 * **Cost**: an announce is linear in the number of peers that it returns, and in those that expire.
 */
export class MemorySwarmStore implements SwarmStore {
  readonly #peerTtlMs: number;
  readonly #random: () => number;
  readonly #swarmsMax: number;
  readonly #peersMax: number;
  readonly #swarms: Map<string, Swarm>;
  /** By info-hash and peer id, the one that was silent for longest first. */
  readonly #peers: Map<string, Peer>;

  /** Makes an empty store. */
  constructor(options: MemorySwarmStoreOptions) {
    this.#peerTtlMs = options.peerTtlMs;
    this.#random = options.random;
    this.#swarmsMax = options.swarmsMax ?? SWARMS_MAX;
    this.#peersMax = options.peersMax ?? PEERS_KEPT_MAX;
    this.#swarms = new Map();
    this.#peers = new Map();
  }

  /** How many swarms have peers. */
  get swarmCount(): number {
    return this.#swarms.size;
  }

  /** How many peers there are in all swarms. */
  get peerCount(): number {
    return this.#peers.size;
  }

  /** When the peer that was silent for longest expires. */
  get nextExpiryMs(): number {
    for (const peer of this.#peers.values()) return peer.lastSeenMs + this.#peerTtlMs;
    return Infinity;
  }

  /** See {@link SwarmStore}. */
  announce(announce: SwarmAnnounce, nowMs: number): SwarmAnswer | SwarmRefusal {
    this.expire(nowMs);
    const swarmKey = keyOfBytes(announce.infoHash);
    const peerKey = swarmKey + keyOfBytes(announce.peerId);
    if (announce.event === "stopped") {
      this.#remove(peerKey);
      return answerOf(this.#swarms.get(swarmKey), [], announce.compact);
    }
    const peer = this.#touch(peerKey) ?? this.#add(swarmKey, peerKey, announce);
    if ("refused" in peer) return peer;
    peer.lastSeenMs = nowMs;
    peer.port = announce.port;
    peer.hostname = announce.hostname;
    if (!equalBytes(peer.address, announce.address)) peer.address = announce.address.slice();
    if (announce.event === "completed" && !peer.completed) {
      peer.completed = true;
      peer.swarm.completed++;
    }
    place(peer, announce.seed);
    return answerOf(peer.swarm, this.#choose(peer, announce), announce.compact);
  }

  /** See {@link SwarmStore}. */
  scrape(infoHash: Uint8Array, nowMs: number): SwarmCounts | null {
    this.expire(nowMs);
    const swarm = this.#swarms.get(keyOfBytes(infoHash));
    return swarm === undefined ? null : countsOf(swarm);
  }

  /** See {@link SwarmStore}. */
  scrapeAll(nowMs: number): [infoHash: Uint8Array, counts: SwarmCounts][] {
    this.expire(nowMs);
    return [...this.#swarms].map(([key, swarm]) => [bytesOfKey(key), countsOf(swarm)]);
  }

  /** See {@link SwarmStore}; `peersMax` is {@link EXPIRE_PEERS_MAX} by default. */
  expire(nowMs: number, peersMax: number = EXPIRE_PEERS_MAX): void {
    let count = 0;
    for (const [key, peer] of this.#peers) {
      if (peer.lastSeenMs + this.#peerTtlMs > nowMs || count++ === peersMax) return;
      this.#remove(key);
    }
  }

  /** Finds a peer and makes it the last one to expire. */
  #touch(peerKey: string): Peer | null {
    const peer = this.#peers.get(peerKey);
    if (peer === undefined) return null;
    this.#peers.delete(peerKey);
    this.#peers.set(peerKey, peer);
    return peer;
  }

  #add(swarmKey: string, peerKey: string, announce: SwarmAnnounce): Peer | SwarmRefusal {
    let swarm = this.#swarms.get(swarmKey);
    if (this.#peers.size >= this.#peersMax || !swarm && this.#swarms.size >= this.#swarmsMax) {
      return { refused: "the tracker is full; try again later" };
    }
    if (swarm === undefined) {
      swarm = { key: swarmKey, peers: [], leecherCount: 0, completed: 0 };
      this.#swarms.set(swarmKey, swarm);
    }
    const peer: Peer = {
      swarm,
      index: swarm.peers.length,
      peerId: announce.peerId.slice(),
      address: announce.address.slice(),
      port: announce.port,
      hostname: announce.hostname,
      completed: false,
      lastSeenMs: 0,
    };
    // Enters among the seeds, at the end; `place` moves it.
    swarm.peers.push(peer);
    this.#peers.set(peerKey, peer);
    return peer;
  }

  #remove(peerKey: string): void {
    const peer = this.#peers.get(peerKey);
    if (peer === undefined) return;
    this.#peers.delete(peerKey);
    const { swarm } = peer;
    place(peer, true);
    swap(swarm, peer.index, swarm.peers.length - 1);
    swarm.peers.pop();
    if (swarm.peers.length === 0) this.#swarms.delete(swarm.key);
  }

  /** Picks peers for one of them, at random and each once (Floyd's sampling). */
  #choose(asker: Peer, { numWant, seed }: SwarmAnnounce): Peer[] {
    const { peers, leecherCount } = asker.swarm;
    const candidates = seed ? leecherCount : peers.length;
    const wanted = Math.min(Math.max(numWant, 0), NUM_WANT_MAX);
    // One more, because the asker may be among them.
    const picks = Math.min(wanted + 1, candidates);
    const picked: Set<number> = new Set();
    for (let limit = candidates - picks; limit < candidates; limit++) {
      const index = Math.floor(this.#random() * (limit + 1));
      picked.add(picked.has(index) ? limit : index);
    }
    const chosen: Peer[] = [];
    for (const index of picked) {
      const peer = peers[index]!;
      if (chosen.length < wanted && !isSame(peer, asker)) chosen.push(peer);
    }
    return chosen;
  }
}

/** Whether a peer is the asker, or what the asker was before it started again under another id. */
function isSame(peer: Peer, asker: Peer): boolean {
  if (peer === asker) return true;
  return peer.port === asker.port && peer.hostname === asker.hostname &&
    equalBytes(peer.address, asker.address);
}

/** Moves a peer to where the seeds are, or the leechers. */
function place(peer: Peer, seed: boolean): void {
  const { swarm } = peer;
  const isSeed = peer.index >= swarm.leecherCount;
  if (isSeed === seed) return;
  if (seed) swap(swarm, peer.index, --swarm.leecherCount);
  else swap(swarm, peer.index, swarm.leecherCount++);
}

function swap({ peers }: Swarm, a: number, b: number): void {
  const first = peers[a]!;
  const second = peers[b]!;
  peers[a] = second;
  peers[b] = first;
  second.index = a;
  first.index = b;
}

function countsOf(swarm: Swarm): SwarmCounts {
  const { peers, leecherCount, completed } = swarm;
  return { seeders: peers.length - leecherCount, completed, leechers: leecherCount };
}

function answerOf(swarm: Swarm | undefined, chosen: Peer[], compact: boolean): SwarmAnswer {
  const counts = swarm === undefined ? { seeders: 0, completed: 0, leechers: 0 } : countsOf(swarm);
  if (compact) {
    return { ...counts, compact4: pack(chosen, 4), compact6: pack(chosen, 16), peers: [] };
  }
  const none = new Uint8Array(0);
  const peers = chosen.map(({ hostname, address, port, peerId }) => (
    { host: hostname ?? formatIp(address), port, peerId }
  ));
  return { ...counts, compact4: none, compact6: none, peers };
}

/** The addresses of one family, each followed by the port. */
function pack(peers: readonly Peer[], addressBytes: 4 | 16): Uint8Array {
  const family = peers.filter(({ address }) => address.length === addressBytes);
  const packed = new Uint8Array(family.length * (addressBytes + 2));
  family.forEach(({ address, port }, i) => {
    const at = i * (addressBytes + 2);
    packed.set(address, at);
    packed[at + addressBytes] = port >> 8;
    packed[at + addressBytes + 1] = port & 0xff;
  });
  return packed;
}

function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
