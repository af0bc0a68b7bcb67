/**
 * One torrent's swarm: joins the connections, the downloader, the uploader, the choker and the peer book.
 *
 * A synchronous machine. Its contract: *one input, then what it asks of its sink, then its deadline is read
 * again, then the next input.* The sink must not call back into the manager before the input has returned.
 *
 * @module
 */

import { Admission, type Refusal, type Verdict } from "./admission.ts";
import type { Bitfield } from "./bitfield.ts";
import { CHOKE_ROUND_MS, Choker } from "./choker.ts";
import { Connection, type ConnectionEvents } from "./connection.ts";
import { Downloader } from "./downloader.ts";
import { PeerProtocolError } from "./errors.ts";
import { Interest } from "./interest.ts";
import type { Arrival, CloseReason, ManagerOptions, ManagerSink } from "./manager_options.ts";
import { formatAddress, type PeerAddress, PeerBook } from "./peer_book.ts";
import { worstConnection } from "./peer_priority.ts";
import { adaptPipeline } from "./pipeline.ts";
import { describeSwarm, type SwarmStatistics } from "./statistics.ts";
import { SwarmStats } from "./stats.ts";
import { SuperSeeder } from "./super_seeder.ts";
import { UploadSlots } from "./upload_slots.ts";
import { Uploader } from "./uploader.ts";

/** How often rates, stalls and dials are looked at while there is anything to look at. */
const TICK_MS = 1000;

/** Silence after which a keep-alive is sent (BEP 3: generally two minutes). */
const KEEP_ALIVE_MS = 110_000;

/** Silence of a peer after which its connection is closed: a keep-alive and its delay. */
const SILENCE_MS_MAX = 180_000;

/** Dials of one torrent that may be under way at once. */
const DIALS_MAX = 16;

/** Bytes that may wait for one line: more than blocks, haves and rejects ever come to for a peer that reads at all. */
const BACKLOG_BYTES_MAX = 4 * 1024 * 1024;

/** Bytes of pieces in memory unless told otherwise (design: the pool is the back-pressure). */
const DOWNLOAD_MEMORY_BYTES = 64 * 1024 * 1024;

/** Bytes of spans read for upload that are kept unless told otherwise. */
const UPLOAD_MEMORY_BYTES = 32 * 1024 * 1024;

/**
 * Peers that the only seed serves at least: with fewer, the uplinks of those who get each piece first are what the swarm
 * waits for. Of a seed and 50 leechers at 4 MB/s, the last was complete after 1.25 times the bound with 4, after 1.20
 * with 8 (`tests/sim/distribution.ts`).
 */
const SUPER_SEED_SLOTS_MIN = 8;

/** Connections of one torrent unless told otherwise. */
export const CONNECTIONS_MAX_DEFAULT = 100;

/** What an arrival is told once the torrent has ended. */
const ENDED: Verdict = { refusal: "full" };

/** One torrent's swarm. */
export class Manager {
  /** What happened so far. */
  readonly stats: SwarmStats = new SwarmStats();
  readonly #options: ManagerOptions;
  readonly #sink: ManagerSink;
  readonly #have: Bitfield;
  readonly #connections = new Map<number, Connection>();
  readonly #book = new PeerBook();
  readonly #choker: Choker;
  readonly #downloader: Downloader;
  readonly #uploader: Uploader;
  readonly #interest: Interest;
  readonly #admission: Admission;
  readonly #slots: UploadSlots;
  readonly #events: ConnectionEvents;
  readonly #touched: Connection[] = [];
  #superSeeder: SuperSeeder | null = null;
  #shouldFillAll = false;
  /** Whether something is wanted and not here. */
  #isOpen: boolean;
  #isEnded = false;
  #nextId = 0;
  #nextTickMs = 0;
  #nextChokeMs = 0;

  constructor(options: ManagerOptions) {
    this.#options = options;
    this.#sink = options.sink;
    this.#have = options.have;
    this.#slots = new UploadSlots(options.uploadBucket?.bytesPerSecond ?? null);
    this.#choker = new Choker(() => this.#slotCount, options.random);
    this.#admission = new Admission(options.peerId, this.#connectionsMax, this.#connections);
    const { geometry, have, random } = options;
    const connections = this.#connections;
    const { stats } = this;
    const touch = (connection: Connection) => this.#touch(connection);
    this.#downloader = new Downloader({
      geometry,
      have,
      connections,
      random,
      stats,
      memoryBytes: options.downloadMemoryBytes ?? DOWNLOAD_MEMORY_BYTES,
      bucket: options.downloadBucket ?? null,
      sink: {
        touch,
        storePiece: (piece, data) => this.#sink.storePiece(piece, data),
        identityOf: (id) => this.#admission.identityOf(id),
        ban: (identity, atMs) => this.#ban(identity, atMs),
      },
    });
    this.#uploader = new Uploader({
      geometry,
      have,
      connections,
      stats,
      memoryBytes: options.uploadMemoryBytes ?? UPLOAD_MEMORY_BYTES,
      bucket: options.uploadBucket ?? null,
      sink: { touch, readSpan: (...span) => this.#sink.readSpan(...span) },
    });
    this.#interest = new Interest({
      have,
      picker: this.#downloader.picker,
      isUploadOnly: options.isUploadOnly ?? false,
      touch,
    });
    this.#isOpen = this.#interest.isOpen;
    this.#events = this.#makeEvents();
  }

  /** The live connections. */
  get connections(): IterableIterator<Connection> {
    return this.#connections.values();
  }

  /** How many connections are live. */
  get connectionCount(): number {
    return this.#connections.size;
  }

  /** The pieces that we have. */
  get have(): Bitfield {
    return this.#have;
  }

  /** Says where others reach us, as a tracker sees it (BEP 24): by that the canonical priority of peers counts (BEP 40). */
  setOwnAddress(address: PeerAddress): void {
    this.#admission.ownAddress = address;
  }

  /**
   * Says whether we are the only seed: then peers that come are shown our pieces one by one, so that each leaves us
   * once before any leaves us twice (BEP 16). Has no effect while we lack something.
   */
  superSeed(isOn: boolean, nowMs: number): void {
    if (isOn === (this.#superSeeder !== null) || !this.#have.isFull) return;
    if (isOn) {
      const { geometry, random } = this.#options;
      const { picker } = this.#downloader;
      const touch = (connection: Connection) => this.#touch(connection);
      this.#superSeeder = new SuperSeeder({ geometry, picker, random, touch });
      return;
    }
    this.#superSeeder!.end();
    this.#superSeeder = null;
    this.#drain(nowMs);
  }

  /**
   * Says how much each piece is wanted, by `PRIORITY`; for files, see `piecePriorities`. What is begun is finished.
   *
   * **Errors**: `RangeError` for a wrong number of pieces or a priority that is none.
   */
  setPriorities(priorities: Uint8Array, nowMs: number): void {
    this.#downloader.picker.setPriorities(priorities);
    this.#isOpen = this.#interest.isOpen;
    for (const connection of this.#connections.values()) this.#interest.recount(connection);
    this.#closeUseless(nowMs);
    this.#shouldFillAll = true;
    this.#drain(nowMs);
  }

  /** Fetches pieces in order and not the rarest first, or so no longer. */
  setSequential(isSequential: boolean): void {
    this.#downloader.picker.isSequential = isSequential;
  }

  /** Wants a piece by a time, before everything that has no such time; null takes it back. For streaming. */
  setDeadline(piece: number, atMs: number | null, nowMs: number): void {
    if (atMs === null) return this.#downloader.picker.clearDeadline(piece);
    if (!this.#have.has(piece)) this.#downloader.picker.setDeadline(piece, atMs);
    this.#shouldFillAll = true;
    this.#drain(nowMs);
  }

  /** What the swarm looks like now. **Cost**: O(pieces + connections). */
  statistics(nowMs: number): SwarmStatistics {
    const { stats } = this;
    const { picker } = this.#downloader;
    return describeSwarm(stats, this.#have, picker, this.#connections.values(), nowMs);
  }

  /** Whether more peers would be welcome: fewer are connected or known than could be. */
  get wantsPeers(): boolean {
    return !this.#isEnded &&
      this.#connections.size + this.#book.diallingCount < this.#connectionsMax;
  }

  /** When {@linkcode handleDeadline} has to be called; Infinity while there is nothing to wait for. */
  get nextDeadlineMs(): number {
    const isAlone = this.#connections.size === 0;
    if (this.#isEnded || (isAlone && this.#book.nextDialAtMs() === Infinity)) return Infinity;
    return Math.min(
      this.#nextTickMs,
      this.#nextChokeMs,
      this.#uploader.nextDeadlineMs,
      this.#downloader.nextDeadlineMs,
    );
  }

  /** Peers became known. */
  addPeers(addresses: readonly PeerAddress[], nowMs: number): void {
    for (const address of addresses) this.#book.add(address);
    this.#dial(nowMs);
  }

  /**
   * A connection came about, in either direction, and both handshakes are done.
   *
   * @returns the connection, or why it is refused: then the driver closes the socket
   */
  attach(arrival: Arrival, nowMs: number): Connection | Refusal {
    const address = formatAddress(arrival.address);
    const verdict = this.#isEnded ? ENDED : this.#admission.judge(arrival, nowMs);
    if (verdict.refusal !== null) {
      const { refusal } = verdict;
      if (refusal === "self" || refusal === "banned") this.#book.ban(address);
      else if (!arrival.isIncoming) this.#book.handleDialFailed(address, nowMs);
      return refusal;
    }
    if (verdict.replaces !== null) {
      this.#close(verdict.replaces, "useless", "another connection needs its place", nowMs);
    }
    if (!arrival.isIncoming) this.#book.handleConnected(address);
    const id = this.#nextId++;
    const connection = new Connection({
      id,
      geometry: this.#options.geometry,
      peerId: arrival.peerId,
      address,
      isIncoming: arrival.isIncoming,
      isFast: arrival.isFast,
      isExtended: arrival.isExtended,
      requests: this.#downloader.table.open(id),
      events: this.#events,
      nowMs,
    });
    this.#connections.set(id, connection);
    this.#admission.note(connection);
    this.#greet(connection);
    this.#drain(nowMs);
    return connection;
  }

  /** A dial led to nothing. */
  handleDialFailed(address: PeerAddress, nowMs: number): void {
    this.#book.handleDialFailed(formatAddress(address), nowMs);
    this.#dial(nowMs);
  }

  /** `bytes` bytes were read into {@linkcode Connection.receiveSpace}. */
  handleReceived(connection: Connection, bytes: number, nowMs: number): void {
    this.#receive(connection, nowMs, () => connection.handleReceived(bytes, nowMs));
  }

  /** Bytes came that are not in {@linkcode Connection.receiveSpace}: behind a handshake, or in a simulation. */
  feed(connection: Connection, bytes: Uint8Array, nowMs: number): void {
    this.#receive(connection, nowMs, () => connection.feed(bytes, nowMs));
  }

  /** What {@linkcode ManagerSink.flush} asked for is sent. */
  handleWritten(connection: Connection, nowMs: number): void {
    if (connection.isClosed) return;
    connection.nowMs = nowMs;
    this.#uploader.pump(connection, nowMs);
    if (connection.writer.pendingBytes > 0) this.#touch(connection);
    this.#drain(nowMs);
  }

  /** The socket is closed or broken. */
  handleClosed(connection: Connection, message: string, nowMs: number): void {
    this.#close(connection, "gone", message, nowMs);
    this.#drain(nowMs);
  }

  /** What became of {@linkcode ManagerSink.storePiece}. After `"failed"` the piece is fetched again. */
  handleStored(piece: number, outcome: "stored" | "corrupt" | "failed", nowMs: number): void {
    if (this.#downloader.handleStored(piece, outcome, nowMs)) {
      this.stats.addStored(this.#have.count, this.#have.length, nowMs);
      for (const connection of this.#connections.values()) {
        connection.writer.have(piece);
        this.#touch(connection);
        this.#interest.handleStored(connection, piece);
      }
      this.#sink.pieceDone(piece);
      this.#isOpen &&= this.#interest.isOpen;
      if (!this.#isOpen) this.#closeUseless(nowMs);
      if (this.#downloader.isShortOfMemory) this.#shouldFillAll = true;
    } else {
      this.#shouldFillAll = true;
    }
    this.#drain(nowMs);
  }

  /** What became of {@linkcode ManagerSink.readSpan}. */
  handleRead(key: number, isGood: boolean, nowMs: number): void {
    this.#uploader.handleRead(key, isGood, nowMs);
    this.#drain(nowMs);
  }

  /** The time of {@linkcode nextDeadlineMs} has come. */
  handleDeadline(nowMs: number): void {
    if (nowMs >= this.#uploader.nextDeadlineMs) this.#uploader.handleDeadline(nowMs);
    if (nowMs >= this.#downloader.nextDeadlineMs) this.#shouldFillAll = true;
    if (nowMs >= this.#nextTickMs) {
      this.#nextTickMs = nowMs + TICK_MS;
      for (const connection of this.#connections.values()) this.#tick(connection, nowMs);
      this.#downloader.relieveHostages(nowMs);
      this.#superSeeder?.handleTick(nowMs);
      this.#serveWaiting(nowMs);
      this.#shouldFillAll = true;
      this.#makePlace(nowMs);
      this.#dial(nowMs);
    }
    if (nowMs >= this.#nextChokeMs) {
      this.#nextChokeMs = nowMs + CHOKE_ROUND_MS;
      this.#handleChokeRound(nowMs);
    }
    this.#drain(nowMs);
  }

  /** Ends: closes all connections and asks for nothing more. Pieces at the store may still be completed. */
  end(nowMs: number): void {
    this.#isEnded = true;
    for (const connection of [...this.#connections.values()]) {
      this.#close(connection, "ended", "the torrent was stopped", nowMs);
    }
    this.#drain(nowMs);
  }

  /** Counts everything anew and throws where the books do not agree. For tests: it costs too much for anything else. */
  audit(nowMs: number): void {
    this.#downloader.audit(nowMs);
  }

  get #slotCount(): number {
    const { count } = this.#slots;
    return this.#superSeeder === null ? count : Math.max(count, SUPER_SEED_SLOTS_MIN);
  }

  get #connectionsMax(): number {
    return this.#options.connectionsMax ?? CONNECTIONS_MAX_DEFAULT;
  }

  #greet(connection: Connection): void {
    const { writer } = connection;
    const { listenPort, version } = this.#options;
    if (connection.isExtended) connection.sendExtensionHandshake(listenPort, version);
    const showsNothing = this.#superSeeder !== null || this.#have.isEmpty;
    if (connection.isFast && showsNothing) writer.haveNone();
    else if (connection.isFast && this.#have.isFull) writer.haveAll();
    else if (!showsNothing) writer.bitfield(this.#have.bytes);
    this.#touch(connection);
    if (this.#superSeeder === null) return;
    this.#superSeeder.add(connection);
    connection.isLured = true;
    this.#serveWaiting(connection.nowMs);
  }

  #makeEvents(): ConnectionEvents {
    const downloader = this.#downloader;
    const uploader = this.#uploader;
    const interest = this.#interest;
    return {
      handleChoked: (connection) => {
        if (downloader.handleChoked(connection, connection.nowMs)) this.#shouldFillAll = true;
      },
      // Lost blocks may wait for this, beyond what the pipeline takes.
      handleUnchoked: () => {
        this.#shouldFillAll = true;
      },
      // One that wants nothing any more is not choked before the round ends: interest may flip.
      handleInterest: (connection) => this.#serveWaiting(connection.nowMs),
      handleHave: (connection, piece) => {
        interest.handleHave(connection, piece);
        if ((downloader.table.piece(piece)?.missing ?? 0) > 0) this.#shouldFillAll = true;
        this.#superSeeder?.handleHave(connection, piece, connection.nowMs);
      },
      handleHasReplacing: (connection) => interest.uncount(connection),
      handleHasReplaced: (connection) => {
        interest.count(connection);
        this.#superSeeder?.show(connection, connection.nowMs);
      },
      handleRequest: (connection, piece, begin, length) =>
        uploader.handleRequest(connection, piece, begin, length),
      handleCancel: (connection, piece, begin, length) =>
        uploader.handleCancel(connection, piece, begin, length),
      handlePiece: (connection, piece, begin, buffer, start, end) =>
        downloader.handlePiece(connection, piece, begin, buffer, start, end),
      handleReject: (connection, piece, begin, length) => {
        if (downloader.handleReject(connection, piece, begin, length, connection.nowMs)) {
          this.#shouldFillAll = true;
        }
      },
    };
  }

  #receive(connection: Connection, nowMs: number, decode: () => void): void {
    if (connection.isClosed) return;
    try {
      decode();
    } catch (error) {
      if (!(error instanceof PeerProtocolError)) throw error;
      this.#close(connection, "protocol", error.message, nowMs);
    }
    if (!connection.isClosed) {
      this.#closeIfUseless(connection, nowMs);
      adaptPipeline(connection, nowMs);
      this.#downloader.fill(connection, nowMs);
      if (connection.uploads.count > 0) this.#uploader.pump(connection, nowMs);
    }
    if (connection.writer.pendingBytes > BACKLOG_BYTES_MAX) {
      const message = `it reads too little: more than ${BACKLOG_BYTES_MAX} bytes wait for it`;
      this.#close(connection, "protocol", message, nowMs);
    }
    this.#drain(nowMs);
  }

  /** Gives the slots that nobody uses to those who wait, at once and not when the round ends. */
  #serveWaiting(nowMs: number): void {
    for (;;) {
      const connections = this.#connections.values();
      const next = this.#choker.chooseNext(connections, !this.#isOpen, nowMs);
      if (next === null) return;
      this.#setChoking(next, false, nowMs);
    }
  }

  #handleChokeRound(nowMs: number): void {
    let bytesPerSecond = 0;
    let waiting = 0;
    for (const connection of this.#connections.values()) {
      bytesPerSecond += connection.upRate.bytesPerSecond(nowMs);
      if (connection.isWanting && connection.amChoking) waiting++;
    }
    this.#slots.handleRound(bytesPerSecond, waiting);
    const chosen = this.#choker.choose(this.#connections.values(), !this.#isOpen, nowMs);
    for (const connection of this.#connections.values()) {
      this.#setChoking(connection, !chosen.has(connection), nowMs);
    }
  }

  #setChoking(connection: Connection, isChoking: boolean, nowMs: number): void {
    if (connection.amChoking === isChoking) return;
    connection.amChoking = isChoking;
    connection.chokeChangedAtMs = nowMs;
    if (isChoking) {
      connection.writer.choke();
      this.#uploader.handleChoking(connection);
      this.#superSeeder?.handleChoked(connection);
    } else {
      connection.writer.unchoke();
      this.#superSeeder?.show(connection, nowMs);
    }
    this.#touch(connection);
  }

  #tick(connection: Connection, nowMs: number): void {
    if (nowMs - connection.lastReceivedAtMs >= SILENCE_MS_MAX) {
      return this.#close(connection, "silent", "nothing came for three minutes", nowMs);
    }
    if (nowMs - connection.lastSentAtMs >= KEEP_ALIVE_MS) {
      connection.writer.keepAlive();
      this.#touch(connection);
    }
    this.#downloader.handleTick(connection, nowMs);
  }

  #ban(identity: string, nowMs: number): void {
    const { address, connections } = this.#admission.ban(identity);
    this.#book.ban(address);
    for (const connection of connections) {
      this.#close(connection, "corrupt", "it sent data that fails its hash", nowMs);
    }
  }

  #closeUseless(nowMs: number): void {
    for (const connection of [...this.#connections.values()]) {
      this.#closeIfUseless(connection, nowMs);
    }
  }

  #closeIfUseless(connection: Connection, nowMs: number): void {
    if (this.#isOpen || !connection.has.isFull) return;
    this.#close(connection, "useless", "both sides are complete", nowMs);
  }

  #close(connection: Connection, reason: CloseReason, message: string, nowMs: number): void {
    if (connection.isClosed) return;
    connection.close();
    this.#connections.delete(connection.id);
    this.#interest.uncount(connection);
    this.#superSeeder?.remove(connection);
    if (this.#downloader.handleClosed(connection, nowMs)) this.#shouldFillAll = true;
    connection.uploads.clear();
    this.stats.receivedBytes += connection.receivedBytes;
    this.stats.sentBytes += connection.writer.takenBytes;
    const isGood = connection.downloadedBytes + connection.uploadedBytes > 0 &&
      reason !== "protocol";
    this.#book.handleClosed(connection.address, isGood, reason === "useless", nowMs);
    this.#sink.closed(connection, reason, message);
    if (!this.#isEnded) this.#serveWaiting(nowMs);
  }

  /** Closes a connection that is of no use where all places are taken and other peers wait to be dialled. */
  #makePlace(nowMs: number): void {
    if (this.#connections.size < this.#connectionsMax || !this.#book.isWaiting(nowMs)) return;
    const query = { newcomer: null, self: null, nowMs };
    const useless = worstConnection(this.#connections.values(), query);
    if (useless === null) return;
    this.#close(useless, "useless", "other peers wait for its place", nowMs);
  }

  #dial(nowMs: number): void {
    while (!this.#isEnded && this.wantsPeers && this.#book.diallingCount < DIALS_MAX) {
      const address = this.#book.takeNext(nowMs);
      if (address === null) return;
      this.#sink.dial(address);
    }
  }

  #touch(connection: Connection): void {
    if (connection.isTouched) return;
    connection.isTouched = true;
    this.#touched.push(connection);
  }

  /** Ends an input: asks others for what was lost, then has every connection that was written to flushed. */
  #drain(nowMs: number): void {
    if (this.#shouldFillAll && !this.#isEnded) {
      this.#shouldFillAll = false;
      this.#downloader.fillAll(nowMs);
    }
    this.#downloader.fillRelieved(nowMs);
    for (let i = 0; i < this.#touched.length; i++) {
      const connection = this.#touched[i]!;
      connection.isTouched = false;
      if (connection.isClosed || connection.writer.pendingBytes === 0) continue;
      connection.lastSentAtMs = nowMs;
      this.#sink.flush(connection);
    }
    this.#touched.length = 0;
  }
}
