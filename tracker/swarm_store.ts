import type { TrackerEvent, TrackerPeer } from "./announce.ts";

/** How many peers an answer holds when the asker does not say. */
export const NUM_WANT_DEFAULT = 50;
/** How many peers an answer holds at most: 1,200 bytes in the compact form of IPv4, one packet. */
export const NUM_WANT_MAX = 200;

/** What an announce is refused with that comes from elsewhere than its peer did, without the peer's key. */
export const IMPOSTOR_REFUSAL = "another peer has this peer id; its key differs";

/** An IPv4 address and a port, as compact answers have them. */
export const COMPACT4_BYTES = 6;
/** An IPv6 address and a port, as compact answers have them. */
export const COMPACT6_BYTES = 18;

/**
 * The form in which peers are wanted: `compact` for both families, `compact4` or `compact6` for one of
 * them (all of the wanted peers are then of that family), `list` for addresses or names with peer ids.
 */
export type PeerForm = "compact" | "compact4" | "compact6" | "list";

/** What a tracker's server tells the store about one announce. */
export interface SwarmAnnounce {
  /** 20 bytes; borrowed until the announce is done. */
  readonly infoHash: Uint8Array;
  /** 20 bytes; borrowed until the announce is done. Who it is: there is one peer of an id in a swarm. */
  readonly peerId: Uint8Array;
  /** 4 or 16 bytes: the address that the request came from; borrowed until the announce is done. */
  readonly address: Uint8Array;
  /** 1 to 65535. */
  readonly port: number;
  /** What a peer proves by that it is itself under another address; 32 bits, 0 where it sends none. */
  readonly key: number;
  /** The name that the peer gave. */
  readonly hostname: string | null;
  /** Whether it has all of it. */
  readonly seed: boolean;
  /** Why it announces. */
  readonly event: TrackerEvent;
  /** How many peers it wants; {@link NUM_WANT_MAX} at most are given. */
  readonly numWant: number;
  /** Which form of the peers it wants. */
  readonly form: PeerForm;
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

/**
 * The answer to an announce; a store fills it in, and whoever asked may use it again for the next one.
 *
 * What is not in the form that was asked for is empty.
 */
export class SwarmAnswer implements SwarmCounts {
  /** Why the store refuses, in words for the peer; `null` where it does not, and else nothing counts. */
  refusal: string | null = null;
  /** What the peer should know of the answer, in words; `null` for nothing. */
  warning: string | null = null;
  /** Peers with all of it. */
  seeders: number = 0;
  /** How many of its peers completed. */
  completed: number = 0;
  /** Peers without all of it. */
  leechers: number = 0;
  /** {@link COMPACT4_BYTES} for each of the {@link count4} peers with an IPv4 address. */
  readonly compact4: Uint8Array<ArrayBuffer> = new Uint8Array(NUM_WANT_MAX * COMPACT4_BYTES);
  /** How many peers {@link compact4} holds. */
  count4: number = 0;
  /** {@link COMPACT6_BYTES} for each of the {@link count6} peers with an IPv6 address. */
  readonly compact6: Uint8Array<ArrayBuffer> = new Uint8Array(NUM_WANT_MAX * COMPACT6_BYTES);
  /** How many peers {@link compact6} holds. */
  count6: number = 0;
  /** The peers under their names, else their addresses. */
  readonly peers: TrackerPeer[] = [];

  /** Empties it. */
  clear(): void {
    this.refusal = null;
    this.warning = null;
    this.seeders = 0;
    this.completed = 0;
    this.leechers = 0;
    this.count4 = 0;
    this.count6 = 0;
    this.peers.length = 0;
  }
}

/** How a store on another machine is doing, in numbers that anybody may see. */
export interface StoreStats {
  /** Whether all of it is in reach. */
  readonly isUp: boolean;
  /** For how long it has not been; 0 where it is. */
  readonly downSeconds: number;
  /** How many announces were answered from the cache since the tracker began. */
  readonly cacheAnswers: number;
  /** How many announces wait for the store. */
  readonly keptAnnounces: number;
}

/** How a store on another machine is doing. */
export interface StoreHealth extends StoreStats {
  /** Where it is, without what is secret. */
  readonly place: string;
  /** Why it is not in reach; `null` where it is. */
  readonly reason: string | null;
}

/** A result that a store in memory has at once, and one on another machine later. */
export type Awaitable<T> = T | Promise<T>;

/**
 * Where a tracker's server keeps its swarms.
 *
 * Rules for all of them: a peer is known by its id within the swarm, and its last announce counts. It may
 * have an address of either family; an announce tells of the one that it came over. An announce that comes
 * from an unknown address with another `key` than before is refused: peer ids are no secret. The peers of
 * an answer are chosen at random, without the asker itself (its id, or its address and port) and, for a
 * seed, without other seeds; an answer to `stopped` holds none. Completions are counted once per peer. A
 * compact answer has each peer under the addresses that its announces came from, even if it gave a name:
 * it cannot carry names.
 *
 * A result that is no promise is there at once: a server needs no turn of the event loop for it. A store
 * on another machine may give promises, of which several may be under way.
 *
 * **Units**: times are milliseconds of one monotonic clock.
 */
export interface SwarmStore {
  /** How many swarms have peers, as far as the store can tell without asking anybody. */
  readonly swarmCount: number;
  /** How many peers there are in all swarms, as far as the store can tell without asking anybody. */
  readonly peerCount: number;
  /** When the next peer may expire; `Infinity` with no peer, or where that is not the caller's task. */
  readonly nextExpiryMs: number;
  /** How it is doing; absent where it cannot be out of reach. */
  readonly health?: StoreHealth;
  /** Enters, updates or (with `stopped`) removes a peer, and fills in `answer` for it. */
  announce(announce: SwarmAnnounce, nowMs: number, answer: SwarmAnswer): Awaitable<void>;
  /** How large swarms are, in the order of `infoHashes`; `null` for one without peers. */
  scrape(
    infoHashes: readonly Uint8Array[],
    nowMs: number,
  ): Awaitable<(SwarmCounts | null)[]>;
  /** All swarms; at once, so a matter for small trackers. */
  scrapeAll(nowMs: number): Awaitable<[infoHash: Uint8Array, counts: SwarmCounts][]>;
  /** Forgets peers that were silent for too long, `peersMax` at most, so that nobody waits for long. */
  expire(nowMs: number, peersMax?: number): void;
}
