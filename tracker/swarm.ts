import { formatIp } from "./address.ts";
import { IdTable } from "./_id_table.ts";
import { BLOCK_MEMBERS_MIN, MemberBlocks } from "./_member_blocks.ts";
import { MemoryCutter } from "./_memory.ts";
import { PeerTable } from "./_peer_table.ts";
import {
  COMPACT4_BYTES,
  COMPACT6_BYTES,
  IMPOSTOR_REFUSAL,
  NUM_WANT_MAX,
  type PeerForm,
  type SwarmAnnounce,
  type SwarmAnswer,
  type SwarmCounts,
  type SwarmStore,
} from "./swarm_store.ts";

/** How many swarms a tracker keeps unless told otherwise; an empty one is forgotten at once. */
export const SWARMS_MAX = 262_144;
/** How many peers a tracker keeps unless told otherwise: 200 MB where there are so many. */
export const PEERS_KEPT_MAX = 2_000_000;
/** How many silent peers one call of `expire` forgets unless told otherwise: about a millisecond. */
export const EXPIRE_PEERS_MAX = 500;
/** How many silent peers an announce or a scrape forgets, so that it never counts many that are gone. */
const EXPIRE_PEERS_IN_PASSING = 16;
/** How many members an announce looks at when few of them have an address of the wanted family. */
const VISITS_MAX = 4 * NUM_WANT_MAX;
/** Room for the lists of members, by peer: a quarter of it is in use at least, and half may be in pieces. */
const MEMBERS_PER_PEER = 8;

/** What a member's number has besides the number of the peer, where that has an IPv6 address. */
const HAS_6 = 0x40000000;
const PEER_MASK: number = HAS_6 - 1;

const FULL = "the tracker is full; try again later";

/** Lets one thread at a time at what threads share. */
export interface Lock {
  /** Waits for it. */
  acquire(): void;
  /** Lets the next one. */
  release(): void;
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
  /**
   * Where the swarms are, when several threads keep them together: all zeros, or what another store with
   * the same limits has begun to use; {@link MemorySwarmStore.bytesFor} long.
   */
  shared?: { readonly buffer: SharedArrayBuffer; readonly lock: Lock };
}

/**
 * A {@link SwarmStore} in memory.
 *
 * Peers and swarms are numbers, and what is known of them is in typed arrays: nothing that a garbage
 * collector has to look at. The arrays have their full length from the start; the system gives memory
 * where they are first written to.
 *
 * **Cost**: about 100 bytes per peer; an announce is linear in the number of peers that it returns.
 */
export class MemorySwarmStore implements SwarmStore {
  readonly #peerTtlMs: number;
  readonly #random: () => number;
  readonly #lock: Lock | null;
  readonly #peers: PeerTable;
  readonly #swarms: IdTable;
  readonly #blocks: MemberBlocks;
  /** By swarm: where its list of members begins, leechers first, then seeds. */
  readonly #block: Int32Array;
  /** By swarm: the order of its block. */
  readonly #order: Uint8Array;
  readonly #memberCount: Int32Array;
  readonly #leecherCount: Int32Array;
  readonly #completed: Int32Array;

  /** Makes an empty store, or one over swarms that other threads keep too. */
  constructor(options: MemorySwarmStoreOptions) {
    const { shared, peersMax = PEERS_KEPT_MAX, swarmsMax = SWARMS_MAX } = options;
    const buffer = shared?.buffer ??
      new ArrayBuffer(MemorySwarmStore.bytesFor(peersMax, swarmsMax));
    const cutter = new MemoryCutter(buffer);
    this.#peerTtlMs = options.peerTtlMs;
    this.#random = options.random;
    this.#lock = shared?.lock ?? null;
    const head = cutter.int32(1);
    this.#peers = new PeerTable(cutter, peersMax);
    this.#swarms = new IdTable(cutter, swarmsMax);
    this.#blocks = new MemberBlocks(cutter, membersFor(peersMax));
    this.#block = cutter.int32(swarmsMax + 1);
    this.#order = cutter.uint8(swarmsMax + 1);
    this.#memberCount = cutter.int32(swarmsMax + 1);
    this.#leecherCount = cutter.int32(swarmsMax + 1);
    this.#completed = cutter.int32(swarmsMax + 1);
    this.#locked(() => {
      if (head[0] === 1) return;
      head[0] = 1;
      this.#peers.ids.format(this.#random);
      this.#swarms.format(this.#random);
      this.#blocks.format();
    });
  }

  /** How long the buffer of a store with these limits is. */
  static bytesFor(peersMax: number = PEERS_KEPT_MAX, swarmsMax: number = SWARMS_MAX): number {
    const cutter = new MemoryCutter(null);
    cutter.int32(1);
    new PeerTable(cutter, peersMax);
    new IdTable(cutter, swarmsMax);
    new MemberBlocks(cutter, membersFor(peersMax));
    cutter.int32(swarmsMax + 1);
    cutter.uint8(swarmsMax + 1);
    for (let i = 0; i < 3; i++) cutter.int32(swarmsMax + 1);
    return cutter.bytes;
  }

  /** How many swarms have peers. */
  get swarmCount(): number {
    return this.#swarms.count;
  }

  /** How many peers there are in all swarms. */
  get peerCount(): number {
    return this.#peers.ids.count;
  }

  /** When the peer that was silent for longest expires. */
  get nextExpiryMs(): number {
    const { oldest, seenMs } = this.#peers;
    return oldest === 0 ? Infinity : seenMs[oldest]! + this.#peerTtlMs;
  }

  /** See {@link SwarmStore}. */
  announce(announce: SwarmAnnounce, nowMs: number, answer: SwarmAnswer): void {
    answer.clear();
    this.#lock?.acquire();
    try {
      this.#expire(nowMs, EXPIRE_PEERS_IN_PASSING);
      this.#announce(announce, nowMs, answer);
    } finally {
      this.#lock?.release();
    }
  }

  /** See {@link SwarmStore}. */
  scrape(infoHashes: readonly Uint8Array[], nowMs: number): (SwarmCounts | null)[] {
    return this.#locked(() => {
      this.#expire(nowMs, EXPIRE_PEERS_IN_PASSING);
      return infoHashes.map((infoHash) => {
        const swarm = this.#swarms.find(0, infoHash);
        return swarm === 0 ? null : this.#countsOf(swarm);
      });
    });
  }

  /** See {@link SwarmStore}. */
  scrapeAll(nowMs: number): [infoHash: Uint8Array, counts: SwarmCounts][] {
    return this.#locked(() => {
      this.#expire(nowMs, EXPIRE_PEERS_IN_PASSING);
      const all: [Uint8Array, SwarmCounts][] = [];
      for (let swarm = 1; swarm <= this.#swarms.top; swarm++) {
        if (this.#swarms.has(swarm)) all.push([this.#swarms.idOf(swarm), this.#countsOf(swarm)]);
      }
      return all;
    });
  }

  /** See {@link SwarmStore}; `peersMax` is {@link EXPIRE_PEERS_MAX} by default. */
  expire(nowMs: number, peersMax: number = EXPIRE_PEERS_MAX): void {
    this.#locked(() => this.#expire(nowMs, peersMax));
  }

  #locked<T>(work: () => T): T {
    this.#lock?.acquire();
    try {
      return work();
    } finally {
      this.#lock?.release();
    }
  }

  #expire(nowMs: number, peersMax: number): void {
    const { seenMs } = this.#peers;
    for (let i = 0; i < peersMax; i++) {
      const { oldest } = this.#peers;
      if (oldest === 0 || seenMs[oldest]! + this.#peerTtlMs > nowMs) return;
      this.#remove(oldest);
    }
  }

  #announce(announce: SwarmAnnounce, nowMs: number, answer: SwarmAnswer): void {
    // hot: bench/tracker_store.ts
    const peers = this.#peers;
    const { address, key } = announce;
    let swarm = this.#swarms.find(0, announce.infoHash);
    let peer = swarm === 0 ? 0 : peers.ids.find(swarm, announce.peerId);
    if (peer !== 0) {
      const known = peers.keys[peer]!;
      if (
        known !== 0 && known !== (key | 0) &&
        !this.#hasAddress(this.#memberOf(swarm, peer), address)
      ) {
        answer.refusal = IMPOSTOR_REFUSAL;
        return;
      }
    }
    if (announce.event === "stopped") {
      if (peer !== 0) this.#remove(peer);
      this.#fillCounts(this.#swarms.find(0, announce.infoHash), answer);
      return;
    }
    if (peer === 0) {
      peer = this.#enter(swarm, announce);
      if (peer === 0) {
        answer.refusal = FULL;
        return;
      }
      swarm = peers.ids.scopeOf(peer);
    }
    peers.touch(peer, nowMs);
    if (key !== 0) peers.keys[peer] = key;
    this.#setAddress(this.#memberOf(swarm, peer), address, announce.port);
    peers.setName(peer, announce.hostname);
    if (announce.event === "completed" && peers.complete(peer)) {
      this.#completed[swarm] = this.#completed[swarm]! + 1;
    }
    this.#place(swarm, peer, announce.seed);
    this.#fillCounts(swarm, answer);
    this.#choose(swarm, peer, announce, answer);
  }

  /** Makes room for a newcomer, in a swarm that may be new too (0); 0 where there is none. */
  #enter(swarm: number, announce: SwarmAnnounce): number {
    const swarms = this.#swarms;
    if (this.#peers.ids.isFull) return 0;
    let entered = swarm;
    if (swarm === 0) {
      const block = swarms.isFull ? -1 : this.#blocks.take(0);
      if (block < 0) return 0;
      entered = swarms.add(0, announce.infoHash);
      this.#block[entered] = block;
      this.#order[entered] = 0;
      this.#memberCount[entered] = 0;
      this.#leecherCount[entered] = 0;
      this.#completed[entered] = 0;
    } else if (!this.#grow(swarm)) return 0;
    const peer = this.#peers.add(entered, announce.peerId);
    // Enters among the seeds, at the end; `#place` moves it.
    const place = this.#memberCount[entered]!;
    const member = this.#block[entered]! + place;
    this.#blocks.members[member] = peer;
    this.#blocks.compact4.fill(0, member * COMPACT4_BYTES, (member + 1) * COMPACT4_BYTES);
    this.#peers.places[peer] = place;
    this.#memberCount[entered] = place + 1;
    return peer;
  }

  #remove(peer: number): void {
    const swarm = this.#peers.ids.scopeOf(peer);
    this.#place(swarm, peer, true);
    const last = this.#memberCount[swarm]! - 1;
    this.#swap(swarm, this.#peers.places[peer]!, last);
    this.#memberCount[swarm] = last;
    this.#peers.remove(peer);
    if (last === 0) {
      this.#blocks.release(this.#block[swarm]!, this.#order[swarm]!);
      this.#swarms.remove(swarm);
    } else if (this.#order[swarm]! > 0 && last <= BLOCK_MEMBERS_MIN << this.#order[swarm]! >> 2) {
      this.#move(swarm, this.#order[swarm]! - 1);
    }
  }

  /** Sees to it that the list of a swarm has room for one more. */
  #grow(swarm: number): boolean {
    const order = this.#order[swarm]!;
    if (this.#memberCount[swarm]! < BLOCK_MEMBERS_MIN << order) return true;
    return this.#move(swarm, order + 1);
  }

  /** Moves the list of a swarm to a block of another order; whether there was one. */
  #move(swarm: number, order: number): boolean {
    const block = this.#blocks.take(order);
    if (block < 0) return false;
    const from = this.#block[swarm]!;
    this.#blocks.copy(from, block, this.#memberCount[swarm]!);
    this.#blocks.release(from, this.#order[swarm]!);
    this.#block[swarm] = block;
    this.#order[swarm] = order;
    return true;
  }

  /** Moves a peer to where the seeds are, or the leechers. */
  #place(swarm: number, peer: number, seed: boolean): void {
    const leechers = this.#leecherCount[swarm]!;
    const place = this.#peers.places[peer]!;
    if (place >= leechers === seed) return;
    this.#leecherCount[swarm] = seed ? leechers - 1 : leechers + 1;
    this.#swap(swarm, place, seed ? leechers - 1 : leechers);
  }

  #swap(swarm: number, a: number, b: number): void {
    const { members } = this.#blocks;
    const block = this.#block[swarm]!;
    this.#blocks.swap(block + a, block + b);
    this.#peers.places[members[block + a]! & PEER_MASK] = a;
    this.#peers.places[members[block + b]! & PEER_MASK] = b;
  }

  /** Where a peer stands among the members of all swarms. */
  #memberOf(swarm: number, peer: number): number {
    return this.#block[swarm]! + this.#peers.places[peer]!;
  }

  /** Whether an address, of either family, is the one that we know of a member. */
  #hasAddress(member: number, address: Uint8Array): boolean {
    const is4 = address.length === 4;
    if (!(is4 ? this.#has4(member) : this.#has6(member))) return false;
    const bytes = is4 ? this.#blocks.compact4 : this.#peers.compact6;
    const at = is4
      ? member * COMPACT4_BYTES
      : (this.#blocks.members[member]! & PEER_MASK) * COMPACT6_BYTES;
    for (let i = 0; i < address.length; i++) if (bytes[at + i] !== address[i]) return false;
    return true;
  }

  #has4(member: number): boolean {
    const { compact4 } = this.#blocks;
    const portAt = member * COMPACT4_BYTES + COMPACT4_BYTES - 2;
    return (compact4[portAt]! | compact4[portAt + 1]!) !== 0;
  }

  #has6(member: number): boolean {
    return (this.#blocks.members[member]! & HAS_6) !== 0;
  }

  /** Sets the address of one family. One of the other that was not told of for long is dropped. */
  #setAddress(member: number, address: Uint8Array, port: number): void {
    const { members, compact4 } = this.#blocks;
    const peer = members[member]! & PEER_MASK;
    const is4 = address.length === 4;
    if (is4) {
      let at = member * COMPACT4_BYTES;
      for (let i = 0; i < 4; i++) compact4[at++] = address[i]!;
      compact4[at] = port >> 8;
      compact4[at + 1] = port;
    } else {
      this.#peers.setAddress6(peer, address, port);
      members[member] = peer | HAS_6;
    }
    if (!(is4 ? this.#has6(member) : this.#has4(member))) return;
    if (!this.#peers.countFamily(peer, is4)) return;
    if (is4) {
      this.#peers.dropAddress6(peer);
      members[member] = peer;
    } else compact4.fill(0, member * COMPACT4_BYTES, (member + 1) * COMPACT4_BYTES);
  }

  /**
   * Picks peers for one of them, each once: from a random one on in steps of a random length that has no
   * divisor in common with their number, so that every one is reached before any comes again.
   */
  #choose(swarm: number, asker: number, announce: SwarmAnnounce, answer: SwarmAnswer): void {
    // hot: bench/tracker_store.ts
    const candidates = announce.seed ? this.#leecherCount[swarm]! : this.#memberCount[swarm]!;
    const wanted = Math.min(announce.numWant, NUM_WANT_MAX);
    if (candidates === 0 || wanted <= 0) return;
    const { members } = this.#blocks;
    const block = this.#block[swarm]!;
    const { form } = announce;
    let at = Math.floor(this.#random() * candidates);
    let step = 1 + Math.floor(this.#random() * (candidates - 1));
    while (greatestCommonDivisor(step, candidates) > 1) step--;
    let given = 0;
    for (let i = Math.min(candidates, VISITS_MAX); i > 0 && given < wanted; i--) {
      const member = block + at;
      at += step;
      if (at >= candidates) at -= candidates;
      if ((members[member]! & PEER_MASK) === asker) continue;
      if (this.#isFormer(member, asker, announce)) continue;
      if (form === "list") this.#list(member, announce, answer);
      else if (!this.#pack(member, form, answer)) continue;
      given++;
    }
  }

  /** Whether a member is what the asker was before it started again under another id. */
  #isFormer(member: number, asker: number, { address, port }: SwarmAnnounce): boolean {
    const peer = this.#blocks.members[member]! & PEER_MASK;
    if (address.length === 4) {
      const { compact4 } = this.#blocks;
      const portAt = member * COMPACT4_BYTES + 4;
      if (compact4[portAt] !== port >> 8 || compact4[portAt + 1] !== (port & 0xff)) return false;
    } else {
      const { compact6 } = this.#peers;
      const portAt = peer * COMPACT6_BYTES + 16;
      if (!this.#has6(member)) return false;
      if (compact6[portAt] !== port >> 8 || compact6[portAt + 1] !== (port & 0xff)) return false;
    }
    // Two containers behind one address are two peers, as their names say.
    return this.#hasAddress(member, address) &&
      this.#peers.nameOf(peer) === this.#peers.nameOf(asker);
  }

  /** Enters the addresses of a member that are wanted; whether there is one. */
  #pack(member: number, form: PeerForm, answer: SwarmAnswer): boolean {
    const { compact4, members } = this.#blocks;
    let isGiven = false;
    if (form !== "compact6") {
      const from = member * COMPACT4_BYTES;
      if ((compact4[from + 4]! | compact4[from + 5]!) !== 0) {
        const to = answer.count4++ * COMPACT4_BYTES;
        for (let i = 0; i < COMPACT4_BYTES; i++) answer.compact4[to + i] = compact4[from + i]!;
        isGiven = true;
      }
    }
    if (form !== "compact4" && (members[member]! & HAS_6) !== 0) {
      const { compact6 } = this.#peers;
      const from = (members[member]! & PEER_MASK) * COMPACT6_BYTES;
      const to = answer.count6++ * COMPACT6_BYTES;
      for (let i = 0; i < COMPACT6_BYTES; i++) answer.compact6[to + i] = compact6[from + i]!;
      isGiven = true;
    }
    return isGiven;
  }

  /** Enters a member into a list, under its name, else its address of the asker's family, else the other. */
  #list(member: number, announce: SwarmAnnounce, answer: SwarmAnswer): void {
    const peers = this.#peers;
    const peer = this.#blocks.members[member]! & PEER_MASK;
    const is4 = announce.address.length === 4 ? this.#has4(member) : !this.#has6(member);
    const bytes = is4 ? this.#blocks.compact4 : peers.compact6;
    const at = is4 ? member * COMPACT4_BYTES : peer * COMPACT6_BYTES;
    const portAt = at + (is4 ? 4 : 16);
    const host = peers.nameOf(peer) ?? formatIp(bytes.slice(at, portAt));
    const port = bytes[portAt]! << 8 | bytes[portAt + 1]!;
    answer.peers.push({ host, port, peerId: peers.ids.idOf(peer) });
  }

  #countsOf(swarm: number): SwarmCounts {
    const leechers = this.#leecherCount[swarm]!;
    const seeders = this.#memberCount[swarm]! - leechers;
    return { seeders, completed: this.#completed[swarm]!, leechers };
  }

  #fillCounts(swarm: number, answer: SwarmAnswer): void {
    if (swarm === 0) return;
    const leechers = this.#leecherCount[swarm]!;
    answer.leechers = leechers;
    answer.seeders = this.#memberCount[swarm]! - leechers;
    answer.completed = this.#completed[swarm]!;
  }
}

function membersFor(peersMax: number): number {
  return Math.max(peersMax, 1) * MEMBERS_PER_PEER;
}

/** Of two numbers from 0 up, by Euclid. */
function greatestCommonDivisor(a: number, b: number): number {
  while (b !== 0) {
    const rest = a % b;
    a = b;
    b = rest;
  }
  return a;
}
