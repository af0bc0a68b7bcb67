/**
 * A swarm of real managers over a virtual network and a virtual clock.
 *
 * Links have rates and lines delays; a peer's content is a function of piece and place, so nothing is stored; reads
 * and writes take their time. After every event the books of the peer that it happened to are checked, and its
 * deadline must lie ahead. One seed decides everything.
 */
import { BLOCK_BYTES, Geometry } from "@enjambre/metainfo";
import { formatAddress, type PeerAddress } from "@enjambre/peerwire";
import { checkComplete } from "./virtual_checks.ts";
import { randomOf, VirtualClock } from "./virtual_clock.ts";
import { type LineEnd, makeLine } from "./virtual_line.ts";
import { type SwarmMember, VirtualPeer, type VirtualPeerOptions } from "./virtual_peer.ts";

export type { SwarmMember, VirtualPeer, VirtualPeerOptions } from "./virtual_peer.ts";

/** What a {@linkcode VirtualSwarm} is made from. */
export interface SwarmOptions {
  /** Decides everything that is left to chance. */
  readonly seed: number;
  /** How many pieces the torrent has. */
  readonly pieces: number;
  /** Blocks of 16 KiB in each piece. */
  readonly blocksPerPiece: number;
  /** Bytes that the last piece lacks; a block and a bit unless told otherwise, so that it ends within a block. */
  readonly lastPieceLacksBytes?: number;
  /** What a peer's uplink and downlink carry, bytes per second. */
  readonly upBytesPerSecond: number;
  readonly downBytesPerSecond: number;
  /** The limit of every peer's upload, as `--upload-limit` sets it; none unless told otherwise. */
  readonly uploadLimitBytesPerSecond?: number;
  /** One-way delay of a line: each line's is drawn between these. */
  readonly delayMs: readonly [least: number, most: number];
  /** What may be added to it, for each segment anew. */
  readonly jitterMs?: number;
  /** Most connections of each peer. */
  readonly connectionsMax?: number;
  /** See `ManagerOptions`. */
  readonly downloadMemoryBytes?: number;
  readonly uploadMemoryBytes?: number;
  /** Of how many inputs one is followed by a full audit; 1 unless told otherwise. */
  readonly auditOneIn?: number;
  /** Peers that an announce gives; 50 unless told otherwise, as most trackers. */
  readonly peersPerAnnounce?: number;
  /** Whether the tracker tells how many seeds there are, as real ones do, so that the only one super-seeds. */
  readonly tellsSeeds?: boolean;
}

/** How long a dial waits that nobody answers. */
const DIAL_TIMEOUT_MS = 5000;

/** Peers that a tracker gives at once. */
const PEERS_PER_ANNOUNCE = 50;

/** How often a peer that would like more peers asks the tracker again. */
const ANNOUNCE_INTERVAL_MS = 30_000;

/** How often what is awaited is looked for, where looking costs more than an event. */
const LOOK_EVENTS = 64;

/** Managers, lines between them, and the clock. */
export class VirtualSwarm {
  readonly clock: VirtualClock = new VirtualClock();
  readonly geometry: Geometry;
  readonly options: SwarmOptions;
  readonly random: () => number;
  /** Those that run a manager. */
  readonly peers: VirtualPeer[] = [];
  /** Whether nobody is there who lies. */
  hasOnlyHonest = true;
  readonly #members = new Map<string, SwarmMember>();
  #inputs = 0;

  constructor(options: SwarmOptions) {
    this.options = options;
    this.random = randomOf(options.seed);
    const pieceLength = options.blocksPerPiece * BLOCK_BYTES;
    const lacks = options.lastPieceLacksBytes ?? Math.min(pieceLength - 1, BLOCK_BYTES + 100);
    const bytes = options.pieces * pieceLength - lacks;
    const file = { path: "virtual", bytes, offset: 0, padding: false };
    this.geometry = new Geometry(pieceLength, [{ ...file, executable: false, symlink: null }]);
  }

  /** Adds a peer that nobody knows of yet. */
  add(options: VirtualPeerOptions): VirtualPeer {
    const peer = new VirtualPeer(this, this.#members.size, options);
    this.peers.push(peer);
    this.addMember(peer);
    return peer;
  }

  /** Adds somebody whom nobody knows of yet. */
  addMember(member: SwarmMember): void {
    this.#members.set(formatAddress(member.address), member);
    if (!member.isHonest) this.hasOnlyHonest = false;
  }

  /** How many have an address here. */
  get memberCount(): number {
    return this.#members.size;
  }

  /** Tells every peer of every other, itself included, as a tracker would. */
  introduceAll(): void {
    const addresses = [...this.#members.values()].map((member) => member.address);
    for (const peer of this.peers) {
      peer.input((manager, nowMs) => manager.addPeers(addresses, nowMs));
    }
  }

  /** Tells a peer of some that are here, as a tracker does, now and whenever it wants more. */
  announce(peer: VirtualPeer): void {
    const life = peer.manager;
    const ask = (): void => {
      if (!peer.isUp || peer.manager !== life) return;
      if (life.wantsPeers) {
        const addresses = this.#drawAddresses();
        peer.input((manager, nowMs) => manager.addPeers(addresses, nowMs));
      }
      if (this.options.tellsSeeds) {
        const seeds = this.peers.filter(({ isUp, isComplete }) => isUp && isComplete).length;
        peer.input((manager, nowMs) => manager.superSeed(seeds <= 1, nowMs));
      }
      if (!peer.isComplete) this.clock.after(ANNOUNCE_INTERVAL_MS, ask);
    };
    ask();
  }

  /**
   * Connects `from` to whoever is at `address`: a round trip for the line, another for the handshakes.
   *
   * `done` is called with the caller's end, or with null where nobody answers.
   */
  connect(from: SwarmMember, address: PeerAddress, done: (end: LineEnd | null) => void): void {
    const { clock, random } = this;
    const [least, most] = this.options.delayMs;
    const delayMs = least + random() * (most - least);
    clock.after(3 * delayMs, () => {
      const target = this.#members.get(formatAddress(address));
      if (target === undefined || !target.isReachable) {
        return clock.after(DIAL_TIMEOUT_MS - 3 * delayMs, () => done(null));
      }
      const jitterMs = this.options.jitterMs ?? 0;
      const [ours, theirs] = makeLine(clock, from, target, { delayMs, jitterMs, random });
      const port = 50_000 + Math.floor(random() * 10_000);
      target.attach(theirs, { host: from.address.host, port }, true);
      clock.after(delayMs, () => done(ours));
    });
  }

  /** Makes the peer id of one life at one address; who has the larger one is no matter of who came first. */
  makePeerId(address: PeerAddress, life: number): Uint8Array {
    const id = new Uint8Array(20);
    const numbers = address.host.split(".").map(Number);
    const index = numbers[1]! * 65536 + numbers[2]! * 256 + numbers[3]!;
    id[0] = Math.imul(index + 1, 167);
    new DataView(id.buffer).setUint32(4, this.options.seed);
    id.set([...numbers, life], 8);
    return id;
  }

  /** Whether the input that just was is one of those that are followed by a full audit. */
  isAuditDue(): boolean {
    return this.#inputs++ % (this.options.auditOneIn ?? 1) === 0;
  }

  /** Runs until `isDone` says so. **Errors**: an `Error` when that takes longer than `limitMs` of virtual time. */
  runUntil(isDone: () => boolean, limitMs = 3_600_000): void {
    while (!isDone()) {
      if (!this.clock.step()) throw new Error(`Nothing happens any more at ${this.describe()}`);
      if (this.clock.nowMs > limitMs) throw new Error(`Not done at ${this.describe()}`);
    }
  }

  /** Runs until this time. */
  runTo(timeMs: number): void {
    while (this.clock.nextAtMs <= timeMs) this.clock.step();
  }

  /** Runs until every honest peer that is up has everything, and its books are closed. */
  runUntilComplete(limitMs?: number): void {
    const honest = this.peers.filter((peer) => peer.isHonest);
    let look = 0;
    this.runUntil(() => {
      if (look++ % LOOK_EVENTS !== 0) return false;
      return honest.every((peer) => !peer.isUp || peer.isComplete);
    }, limitMs);
    for (const peer of honest) if (peer.isUp) checkComplete(peer);
  }

  /** The time, and who has how many pieces. */
  describe(): string {
    const counts = this.peers.map((peer) => peer.isUp ? `${peer.manager.have.count}` : "down");
    return `${this.clock.nowMs} ms, pieces: ${counts.join(" ")}`;
  }

  #drawAddresses(): PeerAddress[] {
    const members = [...this.#members.values()];
    const count = Math.min(this.options.peersPerAnnounce ?? PEERS_PER_ANNOUNCE, members.length);
    for (let i = 0; i < count; i++) {
      const j = i + Math.floor(this.random() * (members.length - i));
      [members[i], members[j]] = [members[j]!, members[i]!];
    }
    return members.slice(0, count).map((member) => member.address);
  }
}
