import { formatIp } from "./address.ts";
import { readSighting } from "./_redis_codec.ts";
import { MemorySwarmStore } from "./swarm.ts";
import {
  COMPACT4_BYTES,
  COMPACT6_BYTES,
  IMPOSTOR_REFUSAL,
  NUM_WANT_MAX,
  type SwarmAnnounce,
  type SwarmAnswer,
  type SwarmCounts,
} from "./swarm_store.ts";

/** How many swarms are remembered; of those beyond, the ones that were not asked about for longest go. */
export const CACHED_SWARMS_MAX = 20_000;
/** How many peers of each are remembered, of either family: twice what clients usually want. */
export const CACHED_PEERS_MAX = 100;
/** How long peers are remembered: for an interval, in which each peer that is still there announces. */
export const CACHE_AGE_MS = 1_800_000;
/** What is remembered of a swarm is not renewed more often, unless more peers are seen. */
export const CACHE_RENEWAL_MS = 5000;
/** How many peers that announce while the store is out of reach are kept, and of how many swarms. */
export const OUTAGE_PEERS_MAX = 65_536;
/** See {@link OUTAGE_PEERS_MAX}. */
export const OUTAGE_SWARMS_MAX = 16_384;

/** What was seen of a swarm last. */
interface CachedSwarm {
  counts: SwarmCounts;
  countsMs: number;
  peersMs: number;
  /** {@link COMPACT4_BYTES} each, leechers first. */
  four: Uint8Array;
  leechers4: number;
  /** {@link COMPACT6_BYTES} each, leechers first. */
  six: Uint8Array;
  leechers6: number;
}

/** How a {@link SwarmCache} works. */
export interface SwarmCacheOptions {
  /** How long a peer may be silent. */
  readonly peerTtlMs: number;
  /** Random numbers from 0 up to 1. */
  readonly random: () => number;
}

const NO_BYTES: Uint8Array = new Uint8Array(0);

/**
 * What a tracker answers from while its store is out of reach: the peers that it saw last of each swarm, and
 * those that announce meanwhile.
 */
export class SwarmCache {
  readonly #options: SwarmCacheOptions;
  /** In the order in which they were renewed. */
  readonly #swarms: Map<string, CachedSwarm> = new Map();
  #peerCount = 0;
  /** Who announced since the store got out of reach; `null` while it is not. */
  #meanwhile: MemorySwarmStore | null = null;

  /** Remembers nothing. */
  constructor(options: SwarmCacheOptions) {
    this.#options = options;
  }

  /** Of how many swarms something is remembered. */
  get swarmCount(): number {
    return this.#swarms.size;
  }

  /** How many peers these had when they were looked at last. */
  get peerCount(): number {
    return this.#peerCount;
  }

  /** Remembers what the store answered to an announce that was not `stopped`; the reply is borrowed. */
  remember(
    hash: string,
    announce: SwarmAnnounce,
    answer: SwarmAnswer,
    reply: Uint8Array,
    nowMs: number,
  ): void {
    const { seeders, completed, leechers } = answer;
    const known = this.#swarms.get(hash);
    const peers = answer.count4 + answer.count6 + answer.peers.length + 1;
    if (known !== undefined) {
      this.#peerCount += seeders + leechers - known.counts.seeders - known.counts.leechers;
      known.counts = { seeders, completed, leechers };
      known.countsMs = nowMs;
      const isOld = nowMs - known.peersMs > CACHE_RENEWAL_MS;
      // A seed is not told of other seeds, so that its answer says less.
      const isLess = peers <= peersOf(known);
      if (isLess && (!isOld || announce.seed && nowMs - known.peersMs < CACHE_AGE_MS)) return;
    } else this.#peerCount += seeders + leechers;
    const cached = known ?? {
      counts: { seeders, completed, leechers },
      countsMs: nowMs,
      peersMs: nowMs,
      four: NO_BYTES,
      leechers4: 0,
      six: NO_BYTES,
      leechers6: 0,
    };
    cached.peersMs = nowMs;
    const { four, leechers4, six, leechers6 } = readSighting(reply, announce.form);
    const is4 = announce.address.length === 4;
    if (four !== null) {
      [cached.four, cached.leechers4] = withAsker(four, leechers4, is4, announce);
    }
    if (six !== null) {
      [cached.six, cached.leechers6] = withAsker(six, leechers6, !is4, announce);
    }
    this.#swarms.delete(hash);
    this.#swarms.set(hash, cached);
    this.#forget(nowMs);
  }

  /** Forgets swarms that nobody asked about for long, and those that are too many. */
  #forget(nowMs: number): void {
    for (const [hash, { counts, countsMs }] of this.#swarms) {
      const isOld = nowMs - countsMs > CACHE_AGE_MS;
      if (!isOld && this.#swarms.size <= CACHED_SWARMS_MAX) return;
      this.#swarms.delete(hash);
      this.#peerCount -= counts.seeders + counts.leechers;
    }
  }

  /** Answers an announce from memory, and enters it there; refuses who is not the peer that it says it is. */
  answer(hash: string, announce: SwarmAnnounce, nowMs: number, answer: SwarmAnswer): void {
    this.#meanwhile ??= new MemorySwarmStore({
      ...this.#options,
      peersMax: OUTAGE_PEERS_MAX,
      swarmsMax: OUTAGE_SWARMS_MAX,
    });
    this.#meanwhile.announce(announce, nowMs, answer);
    if (answer.refusal === IMPOSTOR_REFUSAL) return;
    // Where it is full, peers are answered all the same.
    if (answer.refusal !== null) answer.clear();
    const cached = this.#swarms.get(hash);
    if (cached === undefined || nowMs - cached.countsMs > CACHE_AGE_MS) return;
    answer.seeders = Math.max(answer.seeders, cached.counts.seeders);
    answer.leechers = Math.max(answer.leechers, cached.counts.leechers);
    answer.completed = Math.max(answer.completed, cached.counts.completed);
    if (announce.event === "stopped" || nowMs - cached.peersMs > CACHE_AGE_MS) return;
    this.#fill(cached, announce, answer);
  }

  /** Adds peers that were seen, as many as are wanted. */
  #fill(cached: CachedSwarm, announce: SwarmAnnounce, answer: SwarmAnswer): void {
    const { form, seed, address, port } = announce;
    let left = Math.min(announce.numWant, NUM_WANT_MAX) - answer.peers.length;
    if (form !== "list") left -= Math.max(answer.count4, answer.count6);
    const own = Uint8Array.of(...address, port >> 8, port & 0xff);
    const given = new Set<Key>(answer.peers.map(({ host, port }) => `${host} ${port}`));
    const keyAt = form === "list" ? textAt : packedAt;
    given.add(keyAt(own, 0, own.length));
    for (const bytes of [COMPACT4_BYTES, COMPACT6_BYTES]) {
      const is4 = bytes === COMPACT4_BYTES;
      if (form === (is4 ? "compact6" : "compact4")) continue;
      const target = is4 ? answer.compact4 : answer.compact6;
      const source = is4 ? cached.four : cached.six;
      const leechers = is4 ? cached.leechers4 : cached.leechers6;
      const count = seed ? leechers : source.length / bytes;
      const there = is4 ? answer.count4 : answer.count6;
      for (let i = 0; i < there; i++) given.add(keyAt(target, i * bytes, bytes));
      const first = Math.floor(this.#options.random() * count);
      for (let i = 0; i < count && left > 0; i++) {
        const at = (first + i) % count * bytes;
        const key = keyAt(source, at, bytes);
        if (given.has(key)) continue;
        given.add(key);
        left--;
        if (form === "list") {
          const portAt = at + bytes - 2;
          const host = formatIp(source.slice(at, portAt));
          answer.peers.push({
            host,
            port: source[portAt]! << 8 | source[portAt + 1]!,
            peerId: null,
          });
          continue;
        }
        const place = is4 ? answer.count4++ : answer.count6++;
        target.set(source.subarray(at, at + bytes), place * bytes);
      }
    }
  }

  /** What is remembered of the size of a swarm. */
  countsOf(hash: string, infoHash: Uint8Array, nowMs: number): SwarmCounts | null {
    const cached = this.#swarms.get(hash);
    if (cached !== undefined && nowMs - cached.countsMs <= CACHE_AGE_MS) return cached.counts;
    return this.#meanwhile?.scrape([infoHash], nowMs)[0] ?? null;
  }

  /** All that is remembered of the sizes of swarms, by info-hash in hex. */
  *all(nowMs: number): Iterable<[hash: string, counts: SwarmCounts]> {
    for (const [hash, { counts, countsMs }] of this.#swarms) {
      if (nowMs - countsMs <= CACHE_AGE_MS) yield [hash, counts];
    }
  }

  /** Forgets who announced while the store was out of reach: it knows them now. */
  endOutage(): void {
    this.#meanwhile = null;
  }
}

function peersOf({ four, six }: CachedSwarm): number {
  return four.length / COMPACT4_BYTES + six.length / COMPACT6_BYTES;
}

/** The peers, with the asker among those of its kind; of too many, leechers and seeds in proportion. */
function withAsker(
  peers: Uint8Array,
  leechers: number,
  isItsFamily: boolean,
  { address, port, seed }: SwarmAnnounce,
): [peers: Uint8Array, leechers: number] {
  const is4 = address.length === 4 === isItsFamily;
  const bytes = is4 ? COMPACT4_BYTES : COMPACT6_BYTES;
  const own = isItsFamily ? [...address, port >> 8, port & 0xff] : [];
  const all = Uint8Array.of(
    ...(seed ? [] : own),
    ...peers.subarray(0, leechers * bytes),
    ...(seed ? own : []),
    ...peers.subarray(leechers * bytes),
  );
  const leechersAll = leechers + (isItsFamily && !seed ? 1 : 0);
  const count = all.length / bytes;
  if (count <= CACHED_PEERS_MAX) return [all, leechersAll];
  const leechersKept = Math.round(leechersAll * CACHED_PEERS_MAX / count);
  const from = (leechersAll - leechersKept) * bytes;
  return [all.slice(from, from + CACHED_PEERS_MAX * bytes), leechersKept];
}

/** Tells a peer from others: its address and port. */
type Key = string | number;

/** As in a list. */
function textAt(peers: Uint8Array, at: number, bytes: number): Key {
  const portAt = at + bytes - 2;
  return `${formatIp(peers.slice(at, portAt))} ${peers[portAt]! << 8 | peers[portAt + 1]!}`;
}

/** As a number where it fits into one. */
function packedAt(peers: Uint8Array, at: number, bytes: number): Key {
  if (bytes !== COMPACT4_BYTES) return textAt(peers, at, bytes);
  let key = 0;
  for (let i = at; i < at + bytes; i++) key = key * 256 + peers[i]!;
  return key;
}
