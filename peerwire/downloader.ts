/**
 * What comes of what was asked: joins the picker, the request table, the pieces in memory and who asks.
 *
 * @module
 */

import { BLOCK_BYTES, type Geometry } from "@enjambre/metainfo";
import { Assembly, type PartialPiece, type StoreOutcome } from "./assembly.ts";
import { auditDownload } from "./audit.ts";
import type { Bitfield } from "./bitfield.ts";
import type { Connection } from "./connection.ts";
import { PeerProtocolError } from "./errors.ts";
import { Picker, RANDOM_FIRST_PIECES } from "./picker.ts";
import { answerMs, followRate, handleAnswer, snub } from "./pipeline.ts";
import type { TokenBucket } from "./rate.ts";
import { Requester } from "./requester.ts";
import { type BegunPiece, RECEIVED, RequestTable } from "./requests.ts";
import type { SwarmStats } from "./stats.ts";

/** A peer that rejected a request is left alone for this long, so that the two do not spin. */
const REJECT_PAUSE_MS = 1000;

/** Blocks nobody asked for that a peer may send before the connection is closed. */
const UNASKED_BLOCKS_MAX = 32;

/** What a {@linkcode Downloader} asks its owner to do. */
export interface DownloaderSink {
  /** Messages for `connection` were written. */
  touch(connection: Connection): void;
  /** Verify this piece and store it, then call {@linkcode Downloader.handleStored}; `data` is borrowed until then. */
  storePiece(piece: number, data: Uint8Array): void;
  /** The same text for the same peer, also after its connection is over. */
  identityOf(connectionId: number): string;
  /** This peer sent data that fails its hash, and is to be banned. */
  ban(identity: string, nowMs: number): void;
}

/** What a {@linkcode Downloader} is made from. */
export interface DownloaderOptions {
  /** The arithmetic of the torrent. */
  readonly geometry: Geometry;
  /** The pieces that we have; the downloader adds to it. */
  readonly have: Bitfield;
  /** The live connections by id, kept by the manager. */
  readonly connections: ReadonlyMap<number, Connection>;
  /** Uniform numbers in [0, 1). */
  readonly random: () => number;
  /** Bytes that pieces may take in memory. */
  readonly memoryBytes: number;
  /** The limit of payload that is asked for; null where there is none. */
  readonly bucket: TokenBucket | null;
  /** Where what happens is counted. */
  readonly stats: SwarmStats;
  /** Who does what is asked. */
  readonly sink: DownloaderSink;
}

/** What has room to be filled when the input ends. */
type FillDue = "nothing" | "hungry" | "all";

/**
 * The fetching side of one torrent. An input ends with {@linkcode Downloader.fillDue}, which asks others for what was
 * lost in it.
 */
export class Downloader {
  /** Availability, for those who say what peers have. */
  readonly picker: Picker;
  /** Who was asked for what. */
  readonly table: RequestTable;
  readonly #geometry: Geometry;
  readonly #have: Bitfield;
  readonly #connections: ReadonlyMap<number, Connection>;
  readonly #stats: SwarmStats;
  readonly #sink: DownloaderSink;
  readonly #assembly: Assembly;
  readonly #requester: Requester;
  #due: FillDue = "nothing";
  /** Connections that have room because a request was cancelled. */
  readonly #relieved = new Set<Connection>();

  constructor(options: DownloaderOptions) {
    const { geometry, have, stats, random, connections, sink } = options;
    this.#geometry = geometry;
    this.#have = have;
    this.#connections = connections;
    this.#stats = stats;
    this.#sink = sink;
    this.picker = new Picker({
      pieceCount: geometry.pieceCount,
      random,
      randomFirstPieces: RANDOM_FIRST_PIECES,
    });
    have.forEachSet((piece) => this.picker.begin(piece));
    this.table = new RequestTable(geometry, {
      cancel: (id, piece, block) => this.#cancel(id, piece, block),
      recovered: (delayMs) => stats.addRecovery(delayMs),
    });
    const { picker, table } = this;
    this.#assembly = new Assembly({
      geometry,
      memoryBytes: options.memoryBytes,
      picker,
      table,
      stats,
      random,
      identityOf: (id) => sink.identityOf(id),
    });
    this.#requester = new Requester({
      geometry,
      connections,
      picker,
      table,
      assembly: this.#assembly,
      bucket: options.bucket,
      touch: (connection) => sink.touch(connection),
    });
  }

  /** How many pieces are being verified and stored. */
  get storingCount(): number {
    return this.#assembly.storingCount;
  }

  /** When {@linkcode fillDue} may ask for more, whatever comes; Infinity while nothing waits for a time. */
  get nextDeadlineMs(): number {
    return this.#requester.nextDeadlineMs;
  }

  /** An input of a connection is handled: see {@linkcode Requester.refill}. */
  refill(connection: Connection, nowMs: number): void {
    this.#requester.refill(connection, nowMs);
  }

  /** Ends an input: asks others for what was lost in it, and fills the pipelines that have room because of it or of the time. */
  fillDue(nowMs: number): void {
    const due = this.#due;
    this.#due = "nothing";
    if (due === "all") this.#requester.fillAll(nowMs);
    else if (due === "hungry" || this.#requester.hasLeftovers) this.#requester.fillHungry(nowMs);
    if (nowMs >= this.nextDeadlineMs) this.#requester.handleDeadline(nowMs);
    for (const connection of this.#relieved) this.#requester.fill(connection, nowMs);
    this.#relieved.clear();
  }

  /** What is wanted, and by when, has changed. */
  handleWishes(): void {
    this.#due = "all";
  }

  /** Counts everything anew, and throws where the books do not agree. */
  audit(nowMs: number): void {
    auditDownload({
      geometry: this.#geometry,
      have: this.#have,
      connections: [...this.#connections.values()],
      picker: this.picker,
      table: this.table,
      storing: [...this.#assembly.storing],
      buffers: [...this.#assembly.filling],
      buffersInUse: this.#assembly.buffersInUse,
      isWaiting: this.#requester.isWaiting,
      nowMs,
    });
  }

  /** A block came. `buffer` is borrowed. @throws {PeerProtocolError} */
  handlePiece(
    connection: Connection,
    piece: number,
    begin: number,
    buffer: Uint8Array,
    start: number,
    end: number,
  ): void {
    // hot: bench/leech.ts
    const bytes = end - start;
    const { nowMs } = connection;
    this.#stats.downloadedBytes += bytes;
    const block = this.#geometry.blockAt(piece, begin, bytes);
    const begun = this.table.piece(piece);
    const outcome = begun === undefined || block < 0
      ? "unasked"
      : this.table.receive(connection.requests, begun, block);
    if (connection.downloadedBytes === 0) this.#stats.sources++;
    connection.downloadedBytes += bytes;
    connection.downRate.add(bytes, nowMs);
    if (outcome === "unasked") return this.#handleUnasked(connection, piece, block, bytes);
    connection.pipelineRate.add(bytes, nowMs);
    connection.lastBlockAtMs = nowMs;
    connection.isSnubbed = false;
    handleAnswer(connection, this.table.receivedAskedAtMs, nowMs);
    begun!.progressAtMs = nowMs;
    copyAligned(begun!.data, begin, buffer, start, end);
    if (begun!.received === begun!.blockCount) this.#complete(begun!);
  }

  /** Goes on with pieces that an earlier run began; those that are not wanted are left out. */
  restore(pieces: readonly PartialPiece[], nowMs: number): void {
    for (const partial of pieces) {
      const begun = this.#assembly.restore(partial, nowMs);
      if (begun !== null && begun.received === begun.blockCount) this.#complete(begun);
    }
  }

  /** See {@linkcode Assembly.partialPieces}. */
  partialPieces(): PartialPiece[] {
    return this.#assembly.partialPieces();
  }

  /** A peer will not send a block. */
  handleReject(
    connection: Connection,
    piece: number,
    begin: number,
    length: number,
    nowMs: number,
  ): void {
    const begun = this.table.piece(piece);
    const block = this.#geometry.blockAt(piece, begin, length);
    if (begun === undefined || block < 0) return;
    // What we cancelled is rejected too, and so is everything with a choke: neither is a refusal.
    if (!this.table.wasAsked(connection.requests, begun, block)) return;
    if (!connection.isChoking) connection.askAgainAtMs = nowMs + REJECT_PAUSE_MS;
    this.#requester.notePause(connection, nowMs);
    if (!this.table.giveBack(connection.requests, begun, block, nowMs)) return;
    this.#stats.requeuedBlocks++;
    this.#due = "all";
  }

  /** A peer choked us. */
  handleChoked(connection: Connection, nowMs: number): void {
    // With BEP 6 each request is still answered or rejected; what comes in spite of the choke is welcome.
    const { requests } = connection;
    if (!connection.isFast) connection.unaskedBlocks -= requests.live + requests.late;
    this.#handleLost(
      connection.isFast
        ? this.table.expire(requests, nowMs)
        : this.table.giveBackAll(requests, nowMs),
    );
  }

  /** A peer lets us ask. Lost blocks may wait for this, beyond what its pipeline takes. */
  handleUnchoked(): void {
    if (this.table.lostCount > 0) this.#due = "all";
  }

  /** A peer has one more piece, of which blocks may wait for that. */
  handleHave(connection: Connection, piece: number): void {
    const begun = this.table.piece(piece);
    if (begun === undefined || begun.missing === 0) return;
    this.#requester.handleHas(connection);
    if (begun.lost > 0) this.#due = "all";
  }

  /** A peer said anew what it has. */
  handleHasReplaced(connection: Connection): void {
    this.#requester.handleHas(connection);
    this.handleUnchoked();
  }

  /** A connection is over. */
  handleClosed(connection: Connection, nowMs: number): void {
    this.#handleLost(this.table.close(connection.requests, nowMs));
    this.#requester.handleClosed(connection);
  }

  /** Once a second: looks at every peer and every pipeline. */
  handleTick(nowMs: number): void {
    for (const connection of this.#connections.values()) this.#look(connection, nowMs);
    this.#requester.relieveHostages(nowMs);
    this.#due = "all";
  }

  /**
   * What became of a piece.
   *
   * @returns whether we have the piece now
   */
  handleStored(piece: number, outcome: StoreOutcome, nowMs: number): boolean {
    const liars = this.#assembly.settle(piece, outcome);
    const isStored = outcome === "stored";
    if (isStored) {
      this.#have.set(piece);
      this.picker.clearDeadline(piece);
      this.#stats.verifiedBytes += this.#geometry.pieceBytes(piece);
      if (this.#have.isFull) this.#assembly.trim();
    }
    if (this.#due === "nothing" && (!isStored || this.#requester.isShortOfMemory)) {
      this.#due = "hungry";
    }
    for (const identity of liars) this.#sink.ban(identity, nowMs);
    return isStored;
  }

  /**
   * Follows a peer's rate, and gives up on what it owes for longer than that rate leads one to expect. Late answers stay
   * welcome.
   */
  #look(connection: Connection, nowMs: number): void {
    const { requests } = connection;
    followRate(connection, nowMs);
    if (requests.live + requests.late === 0) return;
    const patienceMs = answerMs(connection, connection.pipelineBlocks);
    const isStalled = nowMs - connection.lastBlockAtMs >= patienceMs;
    if (isStalled) snub(connection, nowMs);
    connection.unaskedBlocks -= this.table.forgetLate(requests, nowMs - patienceMs);
    this.#handleLost(this.table.expire(requests, nowMs, isStalled ? Infinity : nowMs));
  }

  #complete(begun: BegunPiece): void {
    this.#assembly.complete(begun);
    this.#sink.storePiece(begun.piece, begun.data);
  }

  /** So many blocks have to be asked of others. */
  #handleLost(blocks: number): void {
    if (blocks === 0) return;
    this.#stats.addRequeued(blocks);
    this.#due = "all";
  }

  #handleUnasked(connection: Connection, piece: number, block: number, bytes: number): void {
    const isHere = this.#have.has(piece) || this.#assembly.isStoring(piece) ||
      this.table.piece(piece)?.states[block] === RECEIVED;
    if (isHere) this.#stats.wasted.duplicate += bytes;
    else this.#stats.wasted.unasked += bytes;
    if (++connection.unaskedBlocks <= UNASKED_BLOCKS_MAX) return;
    throw new PeerProtocolError(
      "unrequested",
      `Cannot accept piece: ${UNASKED_BLOCKS_MAX} blocks came that nobody asked for`,
    );
  }

  #cancel(id: number, piece: number, block: number): void {
    const connection = this.#connections.get(id);
    if (connection === undefined) return;
    connection.unaskedBlocks--; // the answer may be on its way
    const bytes = this.#geometry.blockBytes(piece, block);
    connection.writer.cancel(piece, block * BLOCK_BYTES, bytes);
    this.#relieved.add(connection);
    this.#sink.touch(connection);
  }
}

/**
 * Copies `buffer[start, end)` to `target` from `at` on; what lies up to 7 bytes before `start` is lost.
 *
 * V8 copies into shared memory by words where both places are aligned, and by bytes where they are not, which takes six
 * times as long; to move the block into line first costs nothing next to that. hot: bench/leech.ts
 */
function copyAligned(
  target: Uint8Array,
  at: number,
  buffer: Uint8Array,
  start: number,
  end: number,
): void {
  const off = start & 7;
  if (off !== 0) buffer.copyWithin(start - off, start, end);
  target.set(buffer.subarray(start - off, end - off), at);
}
