/**
 * What to ask of whom: joins the picker, the request table and the piece buffers.
 *
 * @module
 */

import { BLOCK_BYTES, type Geometry } from "@enjambre/metainfo";
import { auditDownload } from "./audit.ts";
import type { Bitfield } from "./bitfield.ts";
import type { Connection } from "./connection.ts";
import { EndGame, isHostage } from "./end_game.ts";
import { PeerProtocolError } from "./errors.ts";
import { Picker, RANDOM_FIRST_PIECES } from "./picker.ts";
import {
  answerMs,
  canBeAsked,
  followRate,
  handleAnswer,
  requestsMax,
  room,
  snub,
} from "./pipeline.ts";
import { PiecePool } from "./piece_pool.ts";
import type { TokenBucket } from "./rate.ts";
import { type BegunPiece, MISSING, RECEIVED, RequestTable } from "./requests.ts";
import type { SwarmStats } from "./stats.ts";
import { Suspects } from "./suspects.ts";

/** A peer that rejected a request is left alone for this long, so that the two do not spin. */
const REJECT_PAUSE_MS = 1000;

/** End game: requests that a connection has when it is given other peers' blocks too, so that it is never idle. */
const END_GAME_PIPELINE_BLOCKS = 4;

/** Blocks nobody asked for that a peer may send before the connection is closed. */
const UNASKED_BLOCKS_MAX = 32;

/** What a {@linkcode Downloader} asks its owner to do. */
export interface DownloaderSink {
  /** Messages for `connection` were written. */
  touch(connection: Connection): void;
  /** Verify this piece and store it, then call {@linkcode Downloader.handleStored}; `data` is borrowed until then. */
  storePiece(piece: number, data: Uint8Array<ArrayBuffer>): void;
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

/** What is on its way from a buffer to the disk. */
interface PieceAtStore {
  readonly begun: BegunPiece;
  readonly buffer: Uint8Array<ArrayBuffer>;
}

/** The fetching side of one torrent. */
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
  readonly #pool: PiecePool;
  readonly #suspects: Suspects;
  readonly #endGame: EndGame;
  readonly #bucket: TokenBucket | null;
  /** Under a limit: when the next block may be asked for; Infinity while none waits for that. */
  #allowedAtMs = Infinity;
  /** When the first of the peers that rejected something may be asked again; Infinity while there is none. */
  #pausedUntilMs = Infinity;
  /** Whether a piece was not begun for want of a buffer since all pipelines were last filled. */
  #isShortOfMemory = false;
  readonly #buffers = new Map<number, Uint8Array<ArrayBuffer>>();
  readonly #storing = new Map<number, PieceAtStore>();
  /** Connections that have room because a request was cancelled. */
  readonly #relieved = new Set<Connection>();

  constructor(options: DownloaderOptions) {
    const { geometry, have, stats } = options;
    this.#geometry = geometry;
    this.#have = have;
    this.#connections = options.connections;
    this.#stats = stats;
    this.#sink = options.sink;
    this.#bucket = options.bucket;
    this.#suspects = new Suspects({ random: options.random });
    this.#pool = new PiecePool(geometry.pieceLength, options.memoryBytes);
    this.picker = new Picker({
      pieceCount: geometry.pieceCount,
      random: options.random,
      randomFirstPieces: RANDOM_FIRST_PIECES,
    });
    have.forEachSet((piece) => this.picker.begin(piece));
    this.table = new RequestTable(geometry, {
      cancel: (id, piece, block) => this.#cancel(id, piece, block),
      recovered: (delayMs) => stats.addRecovery(delayMs),
    });
    this.#endGame = new EndGame(
      this.table,
      this.#connections,
      (connection, begun) => this.#isFor(connection, begun),
    );
  }

  /** How many pieces are being verified and stored. */
  get storingCount(): number {
    return this.#storing.size;
  }

  /** Whether a connection has room in its pipeline and could not be given a piece, as no buffer was free. */
  get isShortOfMemory(): boolean {
    return this.#isShortOfMemory;
  }

  /** When the limit allows to ask for more, or a peer that rejected may be asked again; Infinity while neither is so. */
  get nextDeadlineMs(): number {
    return Math.min(this.#allowedAtMs, this.#pausedUntilMs);
  }

  /** Keeps a connection's pipeline full, as far as there is anything to ask it for. */
  fill(connection: Connection, nowMs: number): void {
    if (!canBeAsked(connection, nowMs)) return;
    const { requests } = connection;
    const hadNone = requests.live === 0;
    let asked = 0;
    while (requests.live < connection.pipelineBlocks && this.#isAllowed(nowMs)) {
      const begun = this.#pieceFor(connection, nowMs);
      if (begun === null) {
        asked += this.#fillInEndGame(connection, nowMs);
        break;
      }
      asked += this.#askMissing(connection, begun, nowMs);
    }
    if (asked === 0) return;
    if (hadNone) connection.lastBlockAtMs = nowMs;
    this.#sink.touch(connection);
  }

  /** Asks others for what was lost, then fills every pipeline, those with the most room first. */
  fillAll(nowMs: number): void {
    this.#allowedAtMs = Infinity;
    this.#pausedUntilMs = Infinity;
    this.#isShortOfMemory = false;
    this.#askForLost(nowMs);
    const byRoom: Connection[] = [];
    for (const connection of this.#connections.values()) {
      if (!connection.isChoking && room(connection) > 0) byRoom.push(connection);
      this.#notePause(connection, nowMs);
    }
    byRoom.sort((a, b) => room(b) - room(a));
    for (const connection of byRoom) this.fill(connection, nowMs);
  }

  #notePause({ askAgainAtMs }: Connection, nowMs: number): void {
    if (askAgainAtMs > nowMs) this.#pausedUntilMs = Math.min(this.#pausedUntilMs, askAgainAtMs);
  }

  /** Fills the pipelines from which something was cancelled since the last time. */
  fillRelieved(nowMs: number): void {
    for (const connection of this.#relieved) this.fill(connection, nowMs);
    this.#relieved.clear();
  }

  /**
   * Once a second: where a nearly complete piece waits for slow peers and nothing comes, asks a quicker one for its last
   * blocks too, so that no piece is held hostage.
   */
  relieveHostages(nowMs: number): void {
    for (const begun of this.table.begun) {
      if (!isHostage(begun, nowMs)) continue;
      for (let block = 0; block < begun.blockCount; block++) {
        if (!this.#endGame.mayAskMore(begun, block)) continue;
        const quicker = this.#roomiest(begun, block, nowMs);
        if (quicker === null || !this.#endGame.isQuicker(quicker, begun, block, nowMs)) continue;
        this.#ask(quicker, begun, block, nowMs);
        this.#sink.touch(quicker);
      }
    }
  }

  /** Counts everything anew, and throws where the books do not agree. */
  audit(nowMs: number): void {
    auditDownload({
      geometry: this.#geometry,
      have: this.#have,
      connections: [...this.#connections.values()],
      picker: this.picker,
      table: this.table,
      storing: [...this.#storing.keys()],
      buffers: [...this.#buffers.keys()],
      buffersInUse: this.#pool.inUse,
      isWaiting: this.#allowedAtMs < Infinity,
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
    begun!.data.set(buffer.subarray(start, end), begin);
    if (begun!.received === begun!.blockCount) this.#store(begun!);
  }

  /** A peer will not send a block. @returns whether it has to be asked of another */
  handleReject(
    connection: Connection,
    piece: number,
    begin: number,
    length: number,
    nowMs: number,
  ): boolean {
    const begun = this.table.piece(piece);
    const block = this.#geometry.blockAt(piece, begin, length);
    if (begun === undefined || block < 0) return false;
    // What we cancelled is rejected too, and so is everything with a choke: neither is a refusal.
    if (!this.table.wasAsked(connection.requests, begun, block)) return false;
    if (!connection.isChoking) connection.askAgainAtMs = nowMs + REJECT_PAUSE_MS;
    this.#notePause(connection, nowMs);
    const isLost = this.table.giveBack(connection.requests, begun, block, nowMs);
    if (isLost) this.#stats.requeuedBlocks++;
    return isLost;
  }

  /** A peer choked us. @returns whether blocks have to be asked of others */
  handleChoked(connection: Connection, nowMs: number): boolean {
    // With BEP 6 each request is still answered or rejected; what comes in spite of the choke is welcome.
    const { requests } = connection;
    if (!connection.isFast) connection.unaskedBlocks -= requests.live + requests.late;
    const lost = connection.isFast
      ? this.table.expire(requests, nowMs)
      : this.table.giveBackAll(requests, nowMs);
    this.#stats.addRequeued(lost);
    return lost > 0;
  }

  /** A connection is over. @returns whether blocks have to be asked of others */
  handleClosed(connection: Connection, nowMs: number): boolean {
    const lost = this.table.close(connection.requests, nowMs);
    this.#stats.addRequeued(lost);
    return lost > 0;
  }

  /**
   * Once a second and connection: follows its rate, and gives up on what it owes for longer than that rate leads
   * one to expect. Late answers stay welcome.
   *
   * @returns whether blocks have to be asked of others
   */
  handleTick(connection: Connection, nowMs: number): boolean {
    const { requests } = connection;
    followRate(connection, nowMs);
    if (requests.live + requests.late === 0) return false;
    const patienceMs = answerMs(connection, connection.pipelineBlocks);
    const isStalled = nowMs - connection.lastBlockAtMs >= patienceMs;
    if (isStalled) snub(connection, nowMs);
    connection.unaskedBlocks -= this.table.forgetLate(requests, nowMs - patienceMs);
    const lost = this.table.expire(requests, nowMs, isStalled ? Infinity : nowMs);
    this.#stats.addRequeued(lost);
    return lost > 0;
  }

  /**
   * What became of a piece: stored, not what the torrent says it is, or not storable now.
   *
   * @returns whether we have the piece now
   */
  handleStored(
    piece: number,
    outcome: "stored" | "corrupt" | "failed",
    nowMs: number,
  ): boolean {
    const { begun, buffer } = this.#storing.get(piece)!;
    this.#storing.delete(piece);
    const liars = this.#judge(begun, outcome);
    this.#pool.release(buffer);
    if (outcome === "stored") {
      this.#have.set(piece);
      this.picker.clearDeadline(piece);
      this.#stats.verifiedBytes += this.#geometry.pieceBytes(piece);
      if (this.#have.isFull) this.#pool.trim();
    } else {
      this.picker.giveBack(piece);
    }
    for (const identity of liars) this.#sink.ban(identity, nowMs);
    return outcome === "stored";
  }

  /** Who is to be banned, now that a piece was stored or failed its hash. */
  #judge(begun: BegunPiece, outcome: "stored" | "corrupt" | "failed"): string[] {
    const { piece, data, senders } = begun;
    if (outcome === "stored") return this.#suspects.handleVerified(piece, data, BLOCK_BYTES);
    if (outcome === "failed") return [];
    this.#stats.wasted.corrupt += data.length;
    const senderOf = (block: number) => this.#sink.identityOf(senders[block]!);
    return this.#suspects.handleCorrupt(piece, data, BLOCK_BYTES, senderOf);
  }

  /** A begun piece with missing blocks that the peer has, beginning one where there is none or one is due sooner. */
  #pieceFor(connection: Connection, nowMs: number): BegunPiece | null {
    const { picker } = this;
    const { has } = connection;
    let best: BegunPiece | null = null;
    let bestAtMs = Infinity;
    for (const begun of this.table.withMissing) {
      if (!has.has(begun.piece) || !this.#canAsk(connection, begun)) continue;
      const dueAtMs = picker.deadlineOf(begun.piece) ?? Infinity;
      if (best === null || dueAtMs < bestAtMs) {
        best = begun;
        bestAtMs = dueAtMs;
      }
      if (!picker.hasDeadlines) break;
    }
    const urgent = picker.pickUrgent(has);
    const isUrgent = urgent >= 0 && picker.deadlineOf(urgent)! < bestAtMs;
    if (best !== null && !isUrgent) return best;
    const piece = isUrgent ? urgent : picker.pick(has, connection.prospects);
    return piece < 0 ? best : this.#begin(piece, connection, nowMs) ?? best;
  }

  /** Begins a piece, if there is memory for it. */
  #begin(piece: number, connection: Connection, nowMs: number): BegunPiece | null {
    const buffer = this.#pool.acquire() ?? this.#abandonOne();
    if (buffer === null) {
      this.#isShortOfMemory = true;
      return null;
    }
    this.picker.begin(piece);
    this.#buffers.set(piece, buffer);
    const begun = this.table.begin(piece, buffer.subarray(0, this.#geometry.pieceBytes(piece)));
    begun.progressAtMs = nowMs;
    if (this.#suspects.has(piece)) begun.soleConnection = connection.id;
    return begun;
  }

  /**
   * Whether a connection may be asked for blocks of this piece. One that failed its hash is fetched from one peer alone
   * as long as that lets us ask: then either it verifies, which names who lied, or the one who lied is known.
   */
  #isFor(connection: Connection, begun: BegunPiece): boolean {
    if (begun.soleConnection < 0 || begun.soleConnection === connection.id) return true;
    const sole = this.#connections.get(begun.soleConnection);
    return sole === undefined || sole.isChoking || sole.isSnubbed;
  }

  /**
   * Asks for every block that was lost, each of the peer with the most room; beyond its pipeline if need be, for
   * these blocks were due already, and no piece is to wait for a line that is free only later.
   */
  #askForLost(nowMs: number): void {
    for (const begun of this.table.withMissing) {
      for (let block = begun.cursor; block < begun.blockCount; block++) {
        if (begun.states[block] !== MISSING || begun.lostAtMs[block]! < 0) continue;
        const connection = this.#roomiest(begun, block, nowMs);
        if (connection === null) continue;
        if (connection.requests.live === 0) connection.lastBlockAtMs = nowMs;
        this.#ask(connection, begun, block, nowMs);
        this.#sink.touch(connection);
      }
    }
  }

  /** Of the peers that would send this block, the one with the most room; null where there is none. */
  #roomiest(begun: BegunPiece, block: number, nowMs: number): Connection | null {
    let best: Connection | null = null;
    for (const connection of this.#connections.values()) {
      if (!canBeAsked(connection, nowMs) || !connection.has.has(begun.piece)) continue;
      if (!this.#isFor(connection, begun)) continue;
      if (connection.requests.live >= requestsMax(connection)) continue;
      if (this.table.wasAsked(connection.requests, begun, block)) continue;
      if (best === null || room(connection) > room(best)) best = connection;
    }
    return best;
  }

  /** Whether some missing block of the piece is not one that this peer still owes us, late. */
  #canAsk(connection: Connection, begun: BegunPiece): boolean {
    if (!this.#isFor(connection, begun)) return false;
    if (connection.requests.late === 0) return true;
    for (let block = begun.cursor; block < begun.blockCount; block++) {
      if (
        begun.states[block] === MISSING && !this.table.wasAsked(connection.requests, begun, block)
      ) {
        return true;
      }
    }
    return false;
  }

  /** Asks for missing blocks of one piece, in order, as far as the pipeline goes. @returns how many */
  #askMissing(connection: Connection, begun: BegunPiece, nowMs: number): number {
    const { requests } = connection;
    let asked = 0;
    let block = this.table.firstMissing(begun);
    for (; block < begun.blockCount && requests.live < connection.pipelineBlocks; block++) {
      if (!this.#isAllowed(nowMs)) break;
      if (begun.states[block] !== MISSING) continue;
      if (requests.late > 0 && this.table.wasAsked(requests, begun, block)) continue;
      this.#ask(connection, begun, block, nowMs);
      asked++;
      if (begun.missing === 0) break;
    }
    return asked;
  }

  /**
   * Asks for blocks that others were asked for, when there is nothing else left to ask of anybody: a few, of a
   * connection that is about to be idle, and those first that would otherwise come last.
   */
  #fillInEndGame(connection: Connection, nowMs: number): number {
    if (this.picker.reachableCount > 0) return 0;
    const { requests } = connection;
    // Nothing is known yet of a peer that was never asked: then it is given the chance.
    const isNew = connection.downloadedBytes === 0 && !connection.isSnubbed &&
      requests.live + requests.late === 0;
    let asked = 0;
    while (requests.live < END_GAME_PIPELINE_BLOCKS) {
      const latest = this.#endGame.latestBlock(connection, isNew, nowMs);
      if (latest === null) break;
      this.#ask(connection, latest.begun, latest.block, nowMs);
      asked++;
    }
    return asked;
  }

  /** Whether the limit allows to ask for one more block; if not, it is noted when it will. */
  #isAllowed(nowMs: number): boolean {
    if (this.#bucket === null || this.#bucket.has(BLOCK_BYTES, nowMs)) return true;
    this.#allowedAtMs = this.#bucket.readyAtMs(BLOCK_BYTES, nowMs);
    return false;
  }

  #ask(connection: Connection, begun: BegunPiece, block: number, nowMs: number): void {
    const { requests } = connection;
    this.#bucket?.spend(BLOCK_BYTES, nowMs);
    const dueAtMs = nowMs + answerMs(connection, requests.live + 1);
    this.table.ask(requests, begun, block, nowMs, dueAtMs);
    const bytes = this.#geometry.blockBytes(begun.piece, block);
    connection.writer.request(begun.piece, block * BLOCK_BYTES, bytes);
  }

  /** Frees the buffer of a begun piece that nobody is asked for a block of; null where there is none. */
  #abandonOne(): Uint8Array<ArrayBuffer> | null {
    let least: BegunPiece | null = null;
    for (const begun of this.table.withMissing) {
      if (begun.missing + begun.received < begun.blockCount) continue;
      if (least === null || begun.received < least.received) least = begun;
    }
    if (least === null) return null;
    for (let block = 0; block < least.blockCount; block++) {
      if (least.states[block] !== RECEIVED) continue;
      this.#stats.wasted.abandoned += this.#geometry.blockBytes(least.piece, block);
    }
    this.table.end(least);
    this.picker.giveBack(least.piece);
    const buffer = this.#buffers.get(least.piece)!;
    this.#buffers.delete(least.piece);
    return buffer;
  }

  #store(begun: BegunPiece): void {
    const { piece } = begun;
    this.table.end(begun);
    this.#storing.set(piece, { begun, buffer: this.#buffers.get(piece)! });
    this.#buffers.delete(piece);
    this.#sink.storePiece(piece, begun.data);
  }

  #handleUnasked(connection: Connection, piece: number, block: number, bytes: number): void {
    const isHere = this.#have.has(piece) || this.#storing.has(piece) ||
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
