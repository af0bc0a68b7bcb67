/**
 * A real manager and its virtual driver: its lines, its disk, its clock, and what may happen to it.
 */
import {
  type Bitfield,
  type CloseReason,
  type Connection,
  Manager,
  type ManagerSink,
  type PeerAddress,
  TokenBucket,
} from "@enjambre/peerwire";
import { checkInput } from "./virtual_checks.ts";
import { type Segment, segmentsOf } from "./virtual_content.ts";
import { type DiskOptions, GOOD_DISK, VirtualDisk } from "./virtual_disk.ts";
import type { LineEnd, LineHost } from "./virtual_line.ts";
import { SharedLink } from "./virtual_link.ts";
import type { VirtualSwarm } from "./virtual_swarm.ts";

/** What a {@linkcode VirtualPeer} is like. Rates are in bytes per second. */
export interface VirtualPeerOptions {
  /** What it has at first: everything, or nothing. */
  readonly has: "everything" | "nothing";
  /** What its lines carry together away from it, and towards it, where that is not the swarm's usual. */
  readonly upBytesPerSecond?: number;
  readonly downBytesPerSecond?: number;
  /** The limit of its upload, as `--upload-limit` sets it. */
  readonly uploadLimitBytesPerSecond?: number;
  /** What its disk is like. */
  readonly disk?: DiskOptions;
  /** Most connections at once. */
  readonly connectionsMax?: number;
}

/** Whoever is at an address: an honest peer, or a {@linkcode VirtualLiar}. */
export interface SwarmMember extends LineHost {
  readonly address: PeerAddress;
  /** The peer id of its present life. */
  readonly peerId: Uint8Array;
  /** Whether it answers a dial. */
  readonly isReachable: boolean;
  /** Whether it keeps to the protocol and gives what the torrent says. */
  readonly isHonest: boolean;
  /** A handshake came to its end: it decides whether the line is used. */
  attach(end: LineEnd, from: PeerAddress, isIncoming: boolean): void;
}

/** A manager and its driver. */
export class VirtualPeer implements ManagerSink, SwarmMember {
  readonly address: PeerAddress;
  readonly swarm: VirtualSwarm;
  readonly uplink: SharedLink;
  readonly downlink: SharedLink;
  readonly isHonest: boolean;
  /** Whether it takes part. */
  isUp = true;
  /** Its disk: what was written stays written when it starts again. */
  disk: VirtualDisk;
  /** When it had everything; -1 before. */
  completedAtMs = -1;
  /** When it had 99 % of the pieces; -1 before. */
  nearlyAtMs = -1;
  /** Dials that are under way. */
  dialling = 0;
  /** Payload of blocks that came over its lines in its present life. */
  arrivedBytes = 0;
  /** Connections that its managers closed, by reason. */
  readonly closings: Record<CloseReason, number> = {
    gone: 0,
    protocol: 0,
    silent: 0,
    useless: 0,
    corrupt: 0,
    ended: 0,
  };
  readonly #options: VirtualPeerOptions;
  readonly #ends = new Map<Connection, LineEnd>();
  readonly #connections = new Map<LineEnd, Connection>();
  readonly #writing = new Set<LineEnd>();
  /** What came before the manager knew of the line. */
  readonly #early = new Map<LineEnd, (Segment | null)[]>();
  readonly #bucket: TokenBucket | null;
  #manager: Manager;
  #peerId: Uint8Array;
  /** Grows with each start: what was under way before means nothing to the peer that came back. */
  #life = 0;
  #wakeAtMs = Infinity;
  #isFrozen = false;
  #postponed: ((manager: Manager, nowMs: number) => void)[] = [];

  constructor(swarm: VirtualSwarm, index: number, options: VirtualPeerOptions) {
    this.swarm = swarm;
    this.address = { host: `10.${index >> 16}.${(index >> 8) & 255}.${index & 255}`, port: 6881 };
    this.#options = options;
    const { upBytesPerSecond, downBytesPerSecond } = swarm.options;
    this.uplink = new SharedLink(swarm.clock, options.upBytesPerSecond ?? upBytesPerSecond);
    this.downlink = new SharedLink(swarm.clock, options.downBytesPerSecond ?? downBytesPerSecond);
    const limit = options.uploadLimitBytesPerSecond ?? swarm.options.uploadLimitBytesPerSecond;
    this.#bucket = limit === undefined ? null : new TokenBucket(limit, swarm.geometry.pieceLength);
    const { liesOneIn } = options.disk ?? GOOD_DISK;
    this.isHonest = liesOneIn === 0;
    this.disk = this.#makeDisk();
    if (options.has === "everything") this.disk.stored.setAll();
    this.#peerId = swarm.makePeerId(this.address, this.#life);
    this.#manager = this.#start(this.disk.copyStored());
  }

  /** The manager of its present life. */
  get manager(): Manager {
    return this.#manager;
  }

  /** See {@linkcode SwarmMember}. */
  get peerId(): Uint8Array {
    return this.#peerId;
  }

  /** The limit of its upload; null where there is none. */
  get bucket(): TokenBucket | null {
    return this.#bucket;
  }

  /** Whether it has everything. */
  get isComplete(): boolean {
    return this.#manager.have.isFull;
  }

  /** Whether it answers a dial. */
  get isReachable(): boolean {
    return this.isUp && !this.#isFrozen;
  }

  /** Whether it takes what comes. */
  get isReading(): boolean {
    return !this.#isFrozen;
  }

  /** Its ends of its live lines. */
  get ends(): LineEnd[] {
    return [...this.#ends.values()];
  }

  /** Its end of the line of a connection. */
  endOf(connection: Connection): LineEnd | undefined {
    return this.#ends.get(connection);
  }

  /** Gives the manager one input, then checks its books and looks when it wants to be woken. */
  input(give: (manager: Manager, nowMs: number) => void): void {
    if (!this.isUp) return;
    if (this.#isFrozen) {
      this.#postponed.push(give);
      return;
    }
    const { nowMs } = this.swarm.clock;
    give(this.#manager, nowMs);
    checkInput(this);
    this.#arm();
  }

  /** Stops as a process that is killed does: its lines close, it says nothing more. */
  stop(): void {
    for (const end of this.ends) end.close();
    for (const end of this.#early.keys()) end.close();
    this.#die();
  }

  /** Stops as a machine does that loses its power: nobody hears of it. */
  vanish(): void {
    for (const end of [...this.ends, ...this.#early.keys()]) end.freeze();
    this.#die();
  }

  /** Starts again: with what it had stored or without, under the same peer id or another. */
  restart(how: { keepsData?: boolean; keepsId?: boolean } = {}): void {
    const { keepsData = true, keepsId = false } = how;
    this.isUp = true;
    this.#isFrozen = false;
    this.#wakeAtMs = Infinity;
    this.arrivedBytes = 0;
    if (keepsData) {
      const stored = this.disk.copyStored();
      this.disk = this.#makeDisk();
      stored.forEachSet((piece) => this.disk.stored.set(piece));
    } else {
      this.disk = this.#makeDisk();
      this.completedAtMs = -1;
      this.nearlyAtMs = -1;
    }
    if (!keepsId) this.#peerId = this.swarm.makePeerId(this.address, this.#life);
    this.#manager = this.#start(this.disk.copyStored());
    this.swarm.announce(this);
  }

  /** Holds it as SIGSTOP does: it stays connected, takes nothing and says nothing. */
  freeze(): void {
    this.#isFrozen = true;
  }

  /** Lets it go on. */
  thaw(): void {
    if (!this.#isFrozen) return;
    this.#isFrozen = false;
    const postponed = this.#postponed;
    this.#postponed = [];
    for (const give of postponed) this.input(give);
    for (const end of this.ends) end.resume();
    for (const end of [...this.#early.keys()]) end.resume();
  }

  /** See {@linkcode SwarmMember}. */
  attach(end: LineEnd, from: PeerAddress, isIncoming: boolean): void {
    const { peerId } = end.otherHost as SwarmMember;
    this.input((manager, nowMs) => {
      const arrival = { address: from, peerId, isIncoming, isFast: true, isExtended: true };
      const connection = manager.attach(arrival, nowMs);
      const early = this.#early.get(end);
      this.#early.delete(end);
      if (typeof connection === "string") return end.close();
      this.#ends.set(connection, end);
      this.#connections.set(end, connection);
      this.flush(connection);
      if (early === undefined) return;
      this.#later(0, () => {
        for (const segment of early) {
          if (segment === null) this.handleEnd(end);
          else this.handleSegment(end, segment);
        }
      });
    });
  }

  // What its lines tell it.

  handleSegment(end: LineEnd, segment: Segment): void {
    const connection = this.#connections.get(end);
    if (connection === undefined) return this.#keepEarly(end, segment);
    if (connection.isClosed) return;
    this.arrivedBytes += segment.payloadBytes;
    this.input((manager, nowMs) => {
      const bytes = segment.expand(connection.receiveSpace());
      manager.handleReceived(connection, bytes, nowMs);
    });
  }

  handleRoom(end: LineEnd): void {
    if (!this.#writing.delete(end)) return;
    const connection = this.#connections.get(end);
    if (connection !== undefined) this.#handleWritten(connection);
  }

  handleEnd(end: LineEnd): void {
    const connection = this.#connections.get(end);
    if (connection === undefined) return this.#keepEarly(end, null);
    this.input((manager, nowMs) => manager.handleClosed(connection, "the line ended", nowMs));
    end.close();
  }

  // What the manager asks for.

  flush(connection: Connection): void {
    const end = this.#ends.get(connection);
    if (end === undefined || this.#writing.has(end)) return;
    const bytes = connection.writer.take();
    if (bytes === null) return;
    let hasRoom = true;
    segmentsOf(bytes, (segment) => hasRoom = end.send(segment));
    connection.writer.release();
    this.#writing.add(end);
    if (hasRoom) this.#later(0, () => this.handleRoom(end));
  }

  closed(connection: Connection, reason: CloseReason, message: string): void {
    this.closings[reason]++;
    const end = this.#ends.get(connection)!;
    const other = end.otherHost as SwarmMember;
    const isBlame = reason === "protocol" || reason === "corrupt";
    if (isBlame && this.isHonest && other.isHonest) {
      throw new Error(`${this.address.host} closed honest ${other.address.host}: ${message}`);
    }
    this.#ends.delete(connection);
    this.#connections.delete(end);
    this.#writing.delete(end);
    end.close();
  }

  dial(address: PeerAddress): void {
    this.dialling++;
    const life = this.#life;
    this.swarm.connect(this, address, (end) => {
      if (this.#life !== life) return end?.close();
      this.dialling--;
      if (end !== null) return this.attach(end, address, false);
      this.input((manager, nowMs) => manager.handleDialFailed(address, nowMs));
    });
  }

  storePiece(piece: number, data: Uint8Array<ArrayBuffer>): void {
    const delayMs = this.disk.order(data.length, this.swarm.clock.nowMs);
    this.#later(delayMs, () => {
      this.input((manager, nowMs) => {
        manager.handleStored(piece, this.disk.write(piece, data), nowMs);
      });
    });
  }

  readSpan(key: number, piece: number, begin: number, target: Uint8Array<ArrayBuffer>): void {
    const delayMs = this.disk.order(target.length, this.swarm.clock.nowMs);
    this.#later(delayMs, () => {
      this.input((manager, nowMs) => {
        this.disk.read(piece, begin, target);
        manager.handleRead(key, true, nowMs);
      });
    });
  }

  pieceDone(): void {
    const { nowMs } = this.swarm.clock;
    const { have } = this.#manager;
    if (this.nearlyAtMs < 0 && have.count >= 0.99 * have.length) this.nearlyAtMs = nowMs;
    if (this.completedAtMs < 0 && have.isFull) this.completedAtMs = nowMs;
  }

  #makeDisk(): VirtualDisk {
    const { geometry, random } = this.swarm;
    return new VirtualDisk(geometry, this.#options.disk ?? GOOD_DISK, random);
  }

  #start(have: Bitfield): Manager {
    const { options, geometry, random } = this.swarm;
    const connectionsMax = this.#options.connectionsMax ?? options.connectionsMax;
    return new Manager({
      geometry,
      have,
      peerId: this.#peerId,
      listenPort: this.address.port,
      version: "virtual",
      random,
      sink: this,
      ...(connectionsMax !== undefined && { connectionsMax }),
      ...(options.downloadMemoryBytes !== undefined &&
        { downloadMemoryBytes: options.downloadMemoryBytes }),
      ...(options.uploadMemoryBytes !== undefined &&
        { uploadMemoryBytes: options.uploadMemoryBytes }),
      ...(this.#bucket !== null && { uploadBucket: this.#bucket }),
    });
  }

  #die(): void {
    this.isUp = false;
    this.#isFrozen = false;
    this.#life++;
    this.dialling = 0;
    this.#ends.clear();
    this.#connections.clear();
    this.#writing.clear();
    this.#early.clear();
    this.#postponed = [];
  }

  /** Has something happen in this life. */
  #later(delayMs: number, happen: () => void): void {
    const life = this.#life;
    this.swarm.clock.after(delayMs, () => {
      if (this.#life === life) happen();
    });
  }

  #keepEarly(end: LineEnd, segment: Segment | null): void {
    if (end.isClosed || !this.isUp) return;
    const early = this.#early.get(end);
    if (early === undefined) this.#early.set(end, [segment]);
    else early.push(segment);
  }

  #handleWritten(connection: Connection): void {
    this.input((manager, nowMs) => {
      manager.handleWritten(connection, nowMs);
      this.flush(connection);
    });
  }

  #arm(): void {
    const { clock } = this.swarm;
    const deadlineMs = this.#manager.nextDeadlineMs;
    if (deadlineMs >= this.#wakeAtMs) return;
    this.#wakeAtMs = deadlineMs;
    this.#later(deadlineMs - clock.nowMs, () => {
      if (this.#wakeAtMs !== deadlineMs) return;
      this.#wakeAtMs = Infinity;
      this.input((manager, nowMs) => {
        if (manager.nextDeadlineMs > nowMs) return; // it was put off
        manager.handleDeadline(nowMs);
        if (manager.nextDeadlineMs > nowMs) return;
        const stillMs = manager.nextDeadlineMs;
        throw new Error(`A deadline was handled at ${nowMs} ms and is still ${stillMs} ms`);
      });
    });
  }
}
