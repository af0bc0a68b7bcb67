/**
 * One torrent's swarm: joins the places, the downloader, the uploader, the interest and who is served.
 *
 * A synchronous machine. Its contract: *one input, then what it asks of its sink, then its deadline is read
 * again, then the next input.* The sink must not call back into the manager before the input has returned.
 *
 * @module
 */

import type { PartialPiece } from "./assembly.ts";
import type { Refusal } from "./admission.ts";
import type { Bitfield } from "./bitfield.ts";
import { Connection, type ConnectionEvents } from "./connection.ts";
import { Downloader } from "./downloader.ts";
import { PeerProtocolError } from "./errors.ts";
import { Interest } from "./interest.ts";
import type { Arrival, CloseReason, ManagerOptions, ManagerSink } from "./manager_options.ts";
import { formatAddress, type PeerAddress } from "./peer_book.ts";
import { adaptPipeline } from "./pipeline.ts";
import { Places } from "./places.ts";
import { Serving } from "./serving.ts";
import {
  describePeers,
  describeSwarm,
  type SwarmStatistics,
  type SwarmSummary,
} from "./statistics.ts";
import { SwarmStats } from "./stats.ts";
import { Uploader } from "./uploader.ts";

/** How often rates, stalls and dials are looked at while there is anything to look at. */
const TICK_MS = 1000;

/** Silence after which a keep-alive is sent (BEP 3: generally two minutes). */
const KEEP_ALIVE_MS = 110_000;

/** Silence of a peer after which its connection is closed: a keep-alive and its delay. */
const SILENCE_MS_MAX = 180_000;

/** Bytes that may wait for one line: more than blocks, haves and rejects ever come to for a peer that reads at all. */
const BACKLOG_BYTES_MAX = 4 * 1024 * 1024;

/** Bytes of pieces in memory unless told otherwise (design: the pool is the back-pressure). */
const DOWNLOAD_MEMORY_BYTES = 64 * 1024 * 1024;

/** Bytes of spans read for upload that are kept unless told otherwise. */
const UPLOAD_MEMORY_BYTES = 32 * 1024 * 1024;

/** Connections of one torrent unless told otherwise. */
export const CONNECTIONS_MAX_DEFAULT = 100;

/** One torrent's swarm. */
export class Manager {
  /** What happened so far. */
  readonly stats: SwarmStats;
  readonly #options: ManagerOptions;
  readonly #sink: ManagerSink;
  readonly #have: Bitfield;
  readonly #places: Places;
  readonly #downloader: Downloader;
  readonly #uploader: Uploader;
  readonly #interest: Interest;
  readonly #serving: Serving;
  readonly #events: ConnectionEvents;
  readonly #touched: Connection[] = [];
  /** Whether something is wanted and not here. */
  #isOpen: boolean;
  #nextId = 0;
  #nextTickMs = 0;

  constructor(options: ManagerOptions) {
    this.#options = options;
    this.#sink = options.sink;
    this.#have = options.have;
    this.stats = options.stats ?? new SwarmStats();
    const { geometry, have, random, peerId, connectionsMax = CONNECTIONS_MAX_DEFAULT } = options;
    const { stats } = this;
    const dial = (address: PeerAddress) => this.#sink.dial(address);
    this.#places = new Places({ peerId, connectionsMax, dial });
    const { connections } = this.#places;
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
        identityOf: (id) => this.#places.identityOf(id),
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
      availabilityOf: (piece) => this.#downloader.picker.availabilityOf(piece),
      sink: { touch, readSpan: (...span) => this.#sink.readSpan(...span) },
    });
    const { picker } = this.#downloader;
    this.#serving = new Serving({
      geometry,
      have,
      picker,
      connections,
      limitBytesPerSecond: options.uploadBucket?.bytesPerSecond ?? null,
      random,
      isSeed: () => !this.#isOpen,
      handleChoking: (connection) => this.#uploader.handleChoking(connection),
      touch,
    });
    this.#interest = new Interest({
      have,
      picker,
      isUploadOnly: options.isUploadOnly ?? false,
      touch,
    });
    this.#isOpen = this.#interest.isOpen;
    this.#events = this.#makeEvents();
  }

  /** The live connections. */
  get connections(): IterableIterator<Connection> {
    return this.#places.connections.values();
  }

  /** How many connections are live. */
  get connectionCount(): number {
    return this.#places.connections.size;
  }

  /** The pieces that we have. */
  get have(): Bitfield {
    return this.#have;
  }

  /** Says where others reach us, as a tracker sees it (BEP 24): by that the canonical priority of peers counts (BEP 40). */
  setOwnAddress(address: PeerAddress): void {
    this.#places.setOwnAddress(address);
  }

  /**
   * Says whether we are the only seed: then peers that come are shown our pieces one by one, so that each leaves us
   * once before any leaves us twice (BEP 16). Has no effect while we lack something.
   */
  superSeed(isOn: boolean, nowMs: number): void {
    this.#serving.superSeed(isOn);
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
    for (const connection of this.connections) this.#interest.recount(connection);
    this.#closeUseless(nowMs);
    this.#downloader.handleWishes();
    if (this.#isOpen) this.#places.reconsider();
    this.#places.dial(nowMs);
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
    this.#downloader.handleWishes();
    this.#drain(nowMs);
  }

  /** What the swarm and each of its peers look like now. **Cost**: O(pieces + connections). */
  statistics(nowMs: number): SwarmStatistics {
    return { ...this.summary(), peers: describePeers(this.connections, nowMs) };
  }

  /** What the swarm as a whole looks like now. **Cost**: O(pieces + connections), and nothing is made for a connection. */
  summary(): SwarmSummary {
    const { picker } = this.#downloader;
    return describeSwarm(this.stats, this.#have, picker, this.connections);
  }

  /** Goes on with pieces that an earlier run began. **Ownership**: copied. */
  restore(pieces: readonly PartialPiece[], nowMs: number): void {
    this.#downloader.restore(pieces, nowMs);
    this.#drain(nowMs);
  }

  /**
   * The pieces of which some blocks are here and that are not stored, for {@linkcode restore} of another run.
   *
   * **Ownership**: the data are views; nothing changes them after {@linkcode end}.
   */
  partialPieces(): PartialPiece[] {
    return this.#downloader.partialPieces();
  }

  /** The peers that are known, banned ones apart: for whoever goes on with the torrent. */
  knownPeers(): PeerAddress[] {
    return this.#places.knownPeers();
  }

  /** Whether more peers would be welcome: fewer are connected or known than could be. */
  get wantsPeers(): boolean {
    return this.#places.wantsPeers;
  }

  /** When {@linkcode handleDeadline} has to be called; Infinity while there is nothing to wait for. */
  get nextDeadlineMs(): number {
    if (this.#places.isDeserted) return Infinity;
    return Math.min(
      this.#nextTickMs,
      this.#serving.nextRoundMs,
      this.#uploader.nextDeadlineMs,
      this.#downloader.nextDeadlineMs,
    );
  }

  /** Peers became known. */
  addPeers(addresses: readonly PeerAddress[], nowMs: number): void {
    this.#places.addPeers(addresses, nowMs);
  }

  /**
   * A connection came about, in either direction, and both handshakes are done.
   *
   * @returns the connection, or why it is refused: then the driver closes the socket
   */
  attach(arrival: Arrival, nowMs: number): Connection | Refusal {
    const verdict = this.#places.judge(arrival, nowMs);
    if (verdict.refusal !== null) return verdict.refusal;
    if (verdict.replaces !== null) {
      this.#close(verdict.replaces, "useless", "another connection needs its place", nowMs);
    }
    const id = this.#nextId++;
    const connection = new Connection({
      ...arrival,
      id,
      address: formatAddress(arrival.address),
      geometry: this.#options.geometry,
      requests: this.#downloader.table.open(id),
      events: this.#events,
      nowMs,
    });
    this.#places.take(connection);
    const { listenPort, version } = this.#options;
    if (connection.isExtended) connection.sendExtensionHandshake(listenPort, version);
    this.#serving.greet(connection);
    this.#places.dial(nowMs); // one dial less is under way
    this.#drain(nowMs);
    return connection;
  }

  /** A dial led to nothing. */
  handleDialFailed(address: PeerAddress, nowMs: number): void {
    this.#places.handleDialFailed(address, nowMs);
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
      for (const connection of this.connections) {
        connection.writer.have(piece);
        // A seed wants nothing: it hears of it with its next message, or with the next tick. hot: bench/leech.ts, `peers`
        if (!connection.has.isFull) this.#touch(connection);
        this.#interest.handleStored(connection, piece);
      }
      this.#sink.pieceDone(piece);
      this.#isOpen &&= this.#interest.isOpen;
      if (!this.#isOpen) this.#closeUseless(nowMs);
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
    if (nowMs >= this.#nextTickMs) {
      this.#nextTickMs = nowMs + TICK_MS;
      for (const connection of this.connections) this.#tick(connection, nowMs);
      this.#downloader.handleTick(nowMs);
      this.#serving.handleTick(nowMs);
      const useless = this.#places.findUseless(nowMs);
      if (useless !== null) {
        this.#close(useless, "useless", "other peers wait for its place", nowMs);
      }
      this.#places.dial(nowMs);
    }
    if (nowMs >= this.#serving.nextRoundMs) this.#serving.handleRound(nowMs);
    this.#drain(nowMs);
  }

  /** Ends: closes all connections and asks for nothing more. Pieces at the store may still be completed. */
  end(nowMs: number): void {
    this.#places.end();
    for (const connection of [...this.connections]) {
      this.#close(connection, "ended", "the torrent was stopped", nowMs);
    }
    this.#drain(nowMs);
  }

  /** Counts everything anew and throws where the books do not agree. For tests: it costs too much for anything else. */
  audit(nowMs: number): void {
    this.#downloader.audit(nowMs);
  }

  #makeEvents(): ConnectionEvents {
    const downloader = this.#downloader;
    const uploader = this.#uploader;
    const interest = this.#interest;
    const serving = this.#serving;
    return {
      handleChoked: (connection) => downloader.handleChoked(connection, connection.nowMs),
      handleUnchoked: () => downloader.handleUnchoked(),
      // One that wants nothing any more is not choked before the round ends: interest may flip.
      handleInterest: (connection) => serving.serveWaiting(connection.nowMs),
      handleHave: (connection, piece) => {
        interest.handleHave(connection, piece);
        downloader.handleHave(connection, piece);
        serving.handleHave(connection, piece);
      },
      handleHasReplacing: (connection) => interest.uncount(connection),
      handleHasReplaced: (connection) => {
        interest.count(connection);
        downloader.handleHasReplaced(connection);
        serving.handleHasReplaced(connection);
      },
      handleRequest: (connection, piece, begin, length) =>
        uploader.handleRequest(connection, piece, begin, length),
      handleCancel: (connection, piece, begin, length) =>
        uploader.handleCancel(connection, piece, begin, length),
      handlePiece: (connection, piece, begin, buffer, start, end) =>
        downloader.handlePiece(connection, piece, begin, buffer, start, end),
      handleReject: (connection, piece, begin, length) =>
        downloader.handleReject(connection, piece, begin, length, connection.nowMs),
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
      this.#downloader.refill(connection, nowMs);
      if (connection.uploads.count > 0) this.#uploader.pump(connection, nowMs);
    }
    if (connection.writer.pendingBytes > BACKLOG_BYTES_MAX) {
      const message = `it reads too little: more than ${BACKLOG_BYTES_MAX} bytes wait for it`;
      this.#close(connection, "protocol", message, nowMs);
    }
    this.#drain(nowMs);
  }

  #tick(connection: Connection, nowMs: number): void {
    if (nowMs - connection.lastReceivedAtMs >= SILENCE_MS_MAX) {
      return this.#close(connection, "silent", "nothing came for three minutes", nowMs);
    }
    if (nowMs - connection.lastSentAtMs >= KEEP_ALIVE_MS) connection.writer.keepAlive();
    if (connection.writer.pendingBytes > 0) this.#touch(connection);
  }

  #ban(identity: string, nowMs: number): void {
    for (const connection of this.#places.ban(identity)) {
      this.#close(connection, "corrupt", "it sent data that fails its hash", nowMs);
    }
  }

  #closeUseless(nowMs: number): void {
    for (const connection of [...this.connections]) {
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
    this.#places.handleClosed(connection, reason, nowMs);
    this.#interest.uncount(connection);
    this.#serving.handleClosed(connection);
    this.#downloader.handleClosed(connection, nowMs);
    connection.uploads.clear();
    this.stats.receivedBytes += connection.receivedBytes;
    this.stats.sentBytes += connection.writer.takenBytes;
    this.#sink.closed(connection, reason, message);
    if (!this.#places.isEnded) this.#serving.serveWaiting(nowMs);
  }

  #touch(connection: Connection): void {
    if (connection.isTouched) return;
    connection.isTouched = true;
    this.#touched.push(connection);
  }

  /** Ends an input: asks others for what was lost, then has every connection that was written to flushed. */
  #drain(nowMs: number): void {
    this.#downloader.fillDue(nowMs);
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
