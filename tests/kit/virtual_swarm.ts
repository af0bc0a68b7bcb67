/**
 * A swarm of real managers over a virtual network and a virtual clock.
 *
 * Lines have a rate and a delay; a peer's content is a function of piece and place, so nothing is stored; reads and
 * writes take their time. After every event the books of the peer that it happened to are audited, and its
 * deadline must lie ahead. One seed decides everything.
 */
import { BLOCK_BYTES, Geometry } from "@enjambre/metainfo";
import {
  Bitfield,
  type Connection,
  formatAddress,
  Manager,
  type ManagerSink,
  type PeerAddress,
} from "@enjambre/peerwire";
import { randomOf, VirtualClock } from "./virtual_clock.ts";

/** What a {@linkcode VirtualSwarm} is made from. */
export interface SwarmOptions {
  /** Decides everything that is left to chance. */
  readonly seed: number;
  /** How many pieces the torrent has. */
  readonly pieces: number;
  /** Blocks of 16 KiB in each piece. */
  readonly blocksPerPiece: number;
  /** What each direction of a line carries, bytes per second. */
  readonly lineBytesPerSecond: number;
  /** One-way delay of a line: each line's is drawn between these. */
  readonly delayMs: readonly [least: number, most: number];
}

/** What a {@linkcode VirtualPeer} is like. */
export interface VirtualPeerOptions {
  /** What it has at first: everything, or nothing. */
  readonly has: "everything" | "nothing";
  /** What carries what it sends and receives, where that is not the swarm's usual. */
  readonly lineBytesPerSecond?: number;
}

/** Bytes that travel together. */
const SEGMENT_BYTES = 16 * 1024;

/** How long a read or a write takes, and a dial that nobody answers. */
const DISK_MS = 2;
const DIAL_TIMEOUT_MS = 5000;

/** Managers, lines between them, and the clock. */
export class VirtualSwarm {
  readonly clock: VirtualClock = new VirtualClock();
  readonly geometry: Geometry;
  readonly options: SwarmOptions;
  readonly random: () => number;
  readonly peers: VirtualPeer[] = [];

  constructor(options: SwarmOptions) {
    this.options = options;
    this.random = randomOf(options.seed);
    const pieceLength = options.blocksPerPiece * BLOCK_BYTES;
    // The last piece is shorter, and does not end with a whole block.
    const bytes = options.pieces * pieceLength - BLOCK_BYTES - 100;
    const file = { path: "virtual", bytes, offset: 0, padding: false };
    this.geometry = new Geometry(pieceLength, [{ ...file, executable: false, symlink: null }]);
  }

  /** Adds a peer that nobody knows of yet. */
  add(options: VirtualPeerOptions): VirtualPeer {
    const peer = new VirtualPeer(this, this.peers.length, options);
    this.peers.push(peer);
    return peer;
  }

  /** Tells every peer of every other, itself included, as a tracker would. */
  introduceAll(): void {
    const addresses = this.peers.map((peer) => peer.address);
    for (const peer of this.peers) {
      peer.input((manager, nowMs) => manager.addPeers(addresses, nowMs));
    }
  }

  /** Runs until `isDone` says so. **Errors**: an `Error` when that takes longer than `limitMs` of virtual time. */
  runUntil(isDone: () => boolean, limitMs = 3_600_000): void {
    while (!isDone()) {
      if (!this.clock.step()) throw new Error(`Nothing happens any more at ${this.#state()}`);
      if (this.clock.nowMs > limitMs) throw new Error(`Not done at ${this.#state()}`);
    }
  }

  /** Runs until every peer that is up has everything. */
  runUntilComplete(limitMs?: number): void {
    this.runUntil(() => this.peers.every((peer) => !peer.isUp || peer.isComplete), limitMs);
  }

  /** Who is at an address. */
  at(address: PeerAddress): VirtualPeer | undefined {
    return this.peers.find((peer) => formatAddress(peer.address) === formatAddress(address));
  }

  #state(): string {
    const counts = this.peers.map((peer) => peer.isUp ? `${peer.manager.have.count}` : "down");
    return `${this.clock.nowMs} ms, pieces: ${counts.join(" ")}`;
  }
}

/** A manager and its driver. */
export class VirtualPeer implements ManagerSink {
  readonly address: PeerAddress;
  readonly swarm: VirtualSwarm;
  /** Whether it takes part. */
  isUp = true;
  /** Pieces that came together here and are not what the torrent says. */
  corruptPieces = 0;
  /** When it had everything; -1 before. */
  completedAtMs = -1;
  #manager: Manager;
  readonly #options: VirtualPeerOptions;
  readonly #ends = new Map<Connection, LineEnd>();
  /** Grows with each start: what was under way before means nothing to the peer that came back. */
  #life = 0;
  #wakeAtMs = Infinity;

  constructor(swarm: VirtualSwarm, index: number, options: VirtualPeerOptions) {
    this.swarm = swarm;
    this.address = { host: `10.0.${index >> 8}.${index & 255}`, port: 6881 };
    this.#options = options;
    const have = new Bitfield(swarm.geometry.pieceCount);
    if (options.has === "everything") have.setAll();
    this.#manager = this.#start(have);
  }

  /** The manager of its present life. */
  get manager(): Manager {
    return this.#manager;
  }

  /** Whether it has everything. */
  get isComplete(): boolean {
    return this.#manager.have.isFull;
  }

  /** What its lines carry. */
  get lineBytesPerSecond(): number {
    return this.#options.lineBytesPerSecond ?? this.swarm.options.lineBytesPerSecond;
  }

  /** Gives the manager one input, then audits its books and looks when it wants to be woken. */
  input(give: (manager: Manager, nowMs: number) => void): void {
    if (!this.isUp) return;
    const { nowMs } = this.swarm.clock;
    give(this.#manager, nowMs);
    this.#manager.audit(nowMs);
    if (this.completedAtMs < 0 && this.isComplete) this.completedAtMs = nowMs;
    this.#arm();
  }

  /** Stops as a process that is killed does: its lines break, it says nothing more. */
  stop(): void {
    this.isUp = false;
    this.#life++;
    for (const end of [...this.#ends.values()]) end.break();
    this.#ends.clear();
  }

  /** Starts again, with what it had stored, under another peer id. */
  restart(): void {
    this.isUp = true;
    this.#wakeAtMs = Infinity;
    const have = Bitfield.fromBytes(this.#manager.have.bytes, this.swarm.geometry.pieceCount);
    this.#manager = this.#start(have);
    const addresses = this.swarm.peers.map((peer) => peer.address);
    this.input((manager, nowMs) => manager.addPeers(addresses, nowMs));
  }

  /** A handshake came to its end: the manager decides whether the line is used. */
  attach(end: LineEnd, from: PeerAddress, peerId: Uint8Array, isIncoming: boolean): void {
    this.input((manager, nowMs) => {
      const arrival = { address: from, peerId, isIncoming, isFast: true, isExtended: true };
      const connection = manager.attach(arrival, nowMs);
      if (typeof connection === "string") return end.break();
      end.connection = connection;
      this.#ends.set(connection, end);
      end.flush();
    });
  }

  /** The peer id of its present life. */
  get peerId(): Uint8Array {
    const id = new Uint8Array(20);
    new DataView(id.buffer).setUint32(0, this.swarm.options.seed);
    id.set([...this.address.host.split(".").map(Number), this.#life], 4);
    // Who has the larger id is to be no matter of who came first.
    id[0] = Math.imul(id[6]! * 256 + id[7]! + 1, 167) & 0xff;
    return id;
  }

  // What the manager asks for.

  flush(connection: Connection): void {
    this.#ends.get(connection)?.flush();
  }

  closed(connection: Connection): void {
    this.#ends.get(connection)?.break();
    this.#ends.delete(connection);
  }

  dial(address: PeerAddress): void {
    const { swarm } = this;
    const target = swarm.at(address);
    const delayMs = this.#drawDelay();
    const life = this.#life;
    const isStill = () => this.isUp && this.#life === life;
    const fail = () => {
      if (isStill()) this.input((manager, nowMs) => manager.handleDialFailed(address, nowMs));
    };
    swarm.clock.after(delayMs, () => {
      if (target === undefined || !target.isUp) return swarm.clock.after(DIAL_TIMEOUT_MS, fail);
      const rate = Math.min(this.lineBytesPerSecond, target.lineBytesPerSecond);
      const [ours, theirs] = makeLine(this, target, delayMs, rate);
      const theirId = target.peerId;
      const from = { host: this.address.host, port: 50_000 + Math.floor(swarm.random() * 10_000) };
      if (isStill()) target.attach(theirs, from, this.peerId, true);
      swarm.clock.after(delayMs, () => {
        if (isStill()) this.attach(ours, address, theirId, false);
        else ours.break();
      });
    });
  }

  storePiece(piece: number, data: Uint8Array<ArrayBuffer>): void {
    this.#later(DISK_MS, (manager, nowMs) => {
      const isGood = isContent(data, piece);
      if (!isGood) this.corruptPieces++;
      manager.handleStored(piece, isGood ? "stored" : "corrupt", nowMs);
    });
  }

  readSpan(key: number, piece: number, begin: number, target: Uint8Array<ArrayBuffer>): void {
    this.#later(DISK_MS, (manager, nowMs) => {
      fillContent(target, piece, begin);
      manager.handleRead(key, true, nowMs);
    });
  }

  pieceDone(): void {}

  #start(have: Bitfield): Manager {
    return new Manager({
      geometry: this.swarm.geometry,
      have,
      peerId: this.peerId,
      listenPort: this.address.port,
      version: "virtual",
      random: this.swarm.random,
      sink: this,
    });
  }

  #later(delayMs: number, give: (manager: Manager, nowMs: number) => void): void {
    const life = this.#life;
    this.swarm.clock.after(delayMs, () => {
      if (this.#life === life) this.input(give);
    });
  }

  #drawDelay(): number {
    const [least, most] = this.swarm.options.delayMs;
    return least + this.swarm.random() * (most - least);
  }

  #arm(): void {
    const { clock } = this.swarm;
    const deadlineMs = this.#manager.nextDeadlineMs;
    if (deadlineMs >= this.#wakeAtMs) return;
    this.#wakeAtMs = deadlineMs;
    const life = this.#life;
    clock.after(deadlineMs - clock.nowMs, () => {
      if (this.#life !== life || this.#wakeAtMs !== deadlineMs) return;
      this.#wakeAtMs = Infinity;
      this.input((manager, nowMs) => {
        if (manager.nextDeadlineMs > nowMs) return; // it was put off
        manager.handleDeadline(nowMs);
        if (manager.nextDeadlineMs > nowMs) return;
        throw new Error(
          `A deadline was handled at ${nowMs} and is still ${manager.nextDeadlineMs}`,
        );
      });
    });
  }
}

/** One end of a line between two peers. */
export class LineEnd {
  /** What the manager at this end made of it; null before it has. */
  connection: Connection | null = null;
  readonly #peer: VirtualPeer;
  readonly #delayMs: number;
  readonly #bytesPerSecond: number;
  #other!: LineEnd;
  #isBroken = false;
  #isWriting = false;
  /** What came before the manager at this end knew of the line. */
  readonly #early: Uint8Array[] = [];

  constructor(peer: VirtualPeer, delayMs: number, bytesPerSecond: number) {
    this.#peer = peer;
    this.#delayMs = delayMs;
    this.#bytesPerSecond = bytesPerSecond;
  }

  /** For {@linkcode makeLine}. */
  join(other: LineEnd): void {
    this.#other = other;
  }

  /** Sends what the connection has written, and what it writes while that is under way. */
  flush(): void {
    const { connection } = this;
    if (connection === null) return;
    for (const bytes of this.#early.splice(0)) {
      this.#peer.swarm.clock.after(0, () => this.#receive(bytes));
    }
    if (this.#isWriting || this.#isBroken) return;
    const bytes = connection.writer.take();
    if (bytes === null) return;
    this.#isWriting = true;
    this.#sendSegment(bytes.slice(), 0);
    connection.writer.release();
  }

  /** Breaks the line: the other side hears of it after the delay, behind what is on its way. */
  break(): void {
    if (this.#isBroken) return;
    this.#isBroken = true;
    this.#peer.swarm.clock.after(this.#delayMs, () => this.#other.#handleBroken());
  }

  #sendSegment(bytes: Uint8Array, start: number): void {
    const { clock } = this.#peer.swarm;
    const end = Math.min(start + SEGMENT_BYTES, bytes.length);
    clock.after((end - start) * 1000 / this.#bytesPerSecond, () => {
      if (this.#isBroken) return;
      clock.after(this.#delayMs, () => this.#other.#receive(bytes.subarray(start, end)));
      if (end < bytes.length) return this.#sendSegment(bytes, end);
      this.#isWriting = false;
      this.#peer.input((manager, nowMs) => manager.handleWritten(this.connection!, nowMs));
      this.flush();
    });
  }

  #receive(bytes: Uint8Array): void {
    if (this.#isBroken) return;
    const { connection } = this;
    if (connection === null) this.#early.push(bytes);
    else this.#peer.input((manager, nowMs) => manager.feed(connection, bytes, nowMs));
  }

  #handleBroken(): void {
    if (this.#isBroken) return;
    this.#isBroken = true;
    const { connection } = this;
    if (connection === null) return;
    this.#peer.input((manager, nowMs) => manager.handleClosed(connection, "the line broke", nowMs));
  }
}

function makeLine(
  one: VirtualPeer,
  other: VirtualPeer,
  delayMs: number,
  bytesPerSecond: number,
): [LineEnd, LineEnd] {
  const ends: [LineEnd, LineEnd] = [
    new LineEnd(one, delayMs, bytesPerSecond),
    new LineEnd(other, delayMs, bytesPerSecond),
  ];
  ends[0].join(ends[1]);
  ends[1].join(ends[0]);
  return ends;
}

/** What is at `begin` of a piece: each block is one value, and no two neighbours in any direction are alike. */
function contentAt(piece: number, begin: number): number {
  return (piece * 67 + Math.floor(begin / BLOCK_BYTES) * 5 + 1) & 0xff;
}

/** Fills `target` with what the torrent has from `begin` of `piece`. */
function fillContent(target: Uint8Array, piece: number, begin: number): void {
  let at = 0;
  while (at < target.length) {
    const blockEnd = (Math.floor((begin + at) / BLOCK_BYTES) + 1) * BLOCK_BYTES - begin;
    const end = Math.min(blockEnd, target.length);
    target.fill(contentAt(piece, begin + at), at, end);
    at = end;
  }
}

/** Whether `data` is the whole of a piece. */
function isContent(data: Uint8Array, piece: number): boolean {
  for (let i = 0; i < data.length; i++) if (data[i] !== contentAt(piece, i)) return false;
  return true;
}
