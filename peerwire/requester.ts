/**
 * Which block is asked of whom, and when: keeps every peer's pipeline full.
 *
 * @module
 */

import { BLOCK_BYTES, type Geometry } from "@enjambre/metainfo";
import type { Assembly } from "./assembly.ts";
import type { Connection } from "./connection.ts";
import { EndGame, isHostage } from "./end_game.ts";
import type { Picker } from "./picker.ts";
import { answerMs, canBeAsked, isDrained, isUntried, requestsMax } from "./pipeline.ts";
import type { TokenBucket } from "./rate.ts";
import { type BegunPiece, MISSING, type RequestTable } from "./requests.ts";
import { Roomiest } from "./roomiest.ts";

/** End game: requests that a connection has when it is given other peers' blocks too, so that it is never idle. */
const END_GAME_PIPELINE_BLOCKS = 4;

/** What a {@linkcode Requester} is made from. */
export interface RequesterOptions {
  /** The arithmetic of the torrent. */
  readonly geometry: Geometry;
  /** The live connections by id, kept by the manager. */
  readonly connections: ReadonlyMap<number, Connection>;
  /** What is begun next. */
  readonly picker: Picker;
  /** Who was asked for what. */
  readonly table: RequestTable;
  /** Where pieces are begun. */
  readonly assembly: Assembly;
  /** The limit of payload that is asked for; null where there is none. */
  readonly bucket: TokenBucket | null;
  /** Messages for `connection` were written. */
  readonly touch: (connection: Connection) => void;
}

/**
 * Asks. Lost blocks come before all others, begun pieces before new ones, and when every missing block is asked for,
 * what would come last is asked of a second peer.
 *
 * **Cost**: filling a pipeline as many steps as it has room, and one for each begun piece with missing blocks that the
 * peer lacks, once; the other peers are looked at once a second, and when blocks were lost.
 */
export class Requester {
  readonly #geometry: Geometry;
  readonly #connections: ReadonlyMap<number, Connection>;
  readonly #picker: Picker;
  readonly #table: RequestTable;
  readonly #assembly: Assembly;
  readonly #bucket: TokenBucket | null;
  readonly #touch: (connection: Connection) => void;
  readonly #endGame: EndGame;
  /** Connections that had room left when they were last filled, who had to wait the longest first. */
  readonly #hungry = new Set<Connection>();
  /** Under a limit: when the next block may be asked for; Infinity while none waits for that. */
  #allowedAtMs = Infinity;
  /** When the first of the peers that rejected something may be asked again; Infinity while there is none. */
  #pausedUntilMs = Infinity;
  #isShortOfMemory = false;
  /** Whether a piece was begun since hungry connections were last looked at. */
  #hasBegun = false;

  constructor(options: RequesterOptions) {
    this.#geometry = options.geometry;
    this.#connections = options.connections;
    this.#picker = options.picker;
    this.#table = options.table;
    this.#assembly = options.assembly;
    this.#bucket = options.bucket;
    this.#touch = options.touch;
    this.#endGame = new EndGame(
      this.#table,
      this.#connections,
      (connection, begun) => this.#isFor(connection, begun),
    );
  }

  /** Whether nothing is asked for until the limit allows it. */
  get isWaiting(): boolean {
    return this.#allowedAtMs < Infinity;
  }

  /** Whether a piece was not begun for want of a buffer since pipelines were last filled because of one. */
  get isShortOfMemory(): boolean {
    return this.#isShortOfMemory;
  }

  /** Whether a piece was begun of which others may be asked for what is left. */
  get hasLeftovers(): boolean {
    return this.#hasBegun && this.#table.hasMissing && this.#hungry.size > 0;
  }

  /** When {@linkcode handleDeadline} is due: the limit allows to ask for more, or a peer may be asked again; Infinity while neither is so. */
  get nextDeadlineMs(): number {
    return Math.min(this.#allowedAtMs, this.#pausedUntilMs);
  }

  /** The time of {@linkcode nextDeadlineMs} has come. */
  handleDeadline(nowMs: number): void {
    if (nowMs >= this.#pausedUntilMs) return this.fillAll(nowMs);
    this.#allowedAtMs = Infinity;
    this.#giveTurns(nowMs);
  }

  /** A peer is not to be asked before its `askAgainAtMs`. */
  notePause({ askAgainAtMs }: Connection, nowMs: number): void {
    if (askAgainAtMs > nowMs) this.#pausedUntilMs = Math.min(this.#pausedUntilMs, askAgainAtMs);
  }

  /** A peer has more than it had: what it lacked of the begun pieces has to be seen anew. */
  handleHas(connection: Connection): void {
    connection.lackedOrder = 0;
  }

  /** A connection is over. */
  handleClosed(connection: Connection): void {
    this.#hungry.delete(connection);
  }

  /** An input of a connection is handled: fills its pipeline where that is worth a message. */
  refill(connection: Connection, nowMs: number): void {
    if (isDrained(connection) || this.#hungry.has(connection)) this.fill(connection, nowMs);
  }

  /** Keeps a connection's pipeline full, as far as there is anything to ask it for. */
  fill(connection: Connection, nowMs: number): void {
    this.#fill(connection, true, nowMs);
  }

  #fill(connection: Connection, mayEndGame: boolean, nowMs: number): void {
    // hot: bench/requests_bench.ts
    if (!canBeAsked(connection, nowMs)) return;
    const { requests } = connection;
    const hadNone = requests.live === 0;
    let asked = 0;
    while (requests.live < connection.pipelineBlocks && this.#isAllowed(nowMs)) {
      const begun = this.#pieceFor(connection, nowMs);
      if (begun === null) {
        if (mayEndGame) asked += this.#fillInEndGame(connection, nowMs);
        break;
      }
      asked += this.#askMissing(connection, begun, nowMs);
    }
    this.#noteHunger(connection);
    if (asked === 0) return;
    if (hadNone) connection.lastBlockAtMs = nowMs;
    this.#touch(connection);
  }

  /** Asks others for what was lost, then fills every pipeline, those with the most room first. */
  fillAll(nowMs: number): void {
    this.#allowedAtMs = Infinity;
    this.#pausedUntilMs = Infinity;
    this.#isShortOfMemory = false;
    this.#hasBegun = false;
    const connections = new Roomiest(this.#connections.values());
    if (this.#table.lostCount > 0) this.#askForLost(connections, nowMs);
    for (const connection of this.#connections.values()) this.notePause(connection, nowMs);
    for (const connection of connections.withRoom()) this.fill(connection, nowMs);
  }

  /**
   * Fills the pipelines that had room left, those with the most room first: there is memory for another piece. What others
   * were asked for is not looked at: nothing about that has changed, and with hundreds of peers it is a long way round.
   */
  fillHungry(nowMs: number): void {
    this.#isShortOfMemory = false;
    this.#hasBegun = false;
    for (const connection of new Roomiest(this.#hungry).inTurns()) {
      this.#fill(connection, false, nowMs);
      // Nobody else gets a piece either, then.
      if (this.#isShortOfMemory && !this.#table.hasMissing) return;
    }
  }

  /**
   * Once a second: where a nearly complete piece waits for slow peers and nothing comes, asks a quicker one for its last
   * blocks too, so that no piece is held hostage.
   */
  relieveHostages(nowMs: number): void {
    for (const begun of this.#table.begun) {
      if (!isHostage(begun, nowMs)) continue;
      const connections = new Roomiest(this.#connections.values());
      for (let block = 0; block < begun.blockCount; block++) {
        if (!this.#endGame.mayAskMore(begun, block)) continue;
        const quicker = connections.find((each) => this.#canTake(each, begun, block, nowMs));
        if (quicker === null || !this.#endGame.isQuicker(quicker, begun, block, nowMs)) continue;
        this.#ask(quicker, begun, block, nowMs);
        this.#touch(quicker);
      }
    }
  }

  /** Gives the allowance to the peers that have room, one after another. */
  #giveTurns(nowMs: number): void {
    let left = this.#hungry.size;
    for (const connection of this.#hungry) {
      if (left-- === 0 || !this.#isAllowed(nowMs)) return;
      this.#hungry.delete(connection);
      this.fill(connection, nowMs); // it may be at the end now
    }
  }

  #noteHunger(connection: Connection): void {
    if (connection.requests.live < connection.pipelineBlocks) this.#hungry.add(connection);
    else this.#hungry.delete(connection);
  }

  /** A begun piece with missing blocks that the peer has, beginning one where there is none or one is due sooner. */
  #pieceFor(connection: Connection, nowMs: number): BegunPiece | null {
    const picker = this.#picker;
    const { has } = connection;
    let best: BegunPiece | null = null;
    let bestAtMs = Infinity;
    let lacksAll = true;
    for (const begun of this.#table.withMissing) {
      if (begun.order <= connection.lackedOrder) continue;
      if (!has.has(begun.piece)) {
        if (lacksAll) connection.lackedOrder = begun.order;
        continue;
      }
      lacksAll = false;
      if (!this.#canAsk(connection, begun)) continue;
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
    if (piece < 0) return best;
    const begun = this.#assembly.begin(piece, connection.id, nowMs);
    if (begun === null) this.#isShortOfMemory = true;
    else this.#hasBegun = true;
    return begun ?? best;
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
  #askForLost(connections: Roomiest, nowMs: number): void {
    for (const begun of this.#table.withMissing) {
      for (let block = begun.cursor; begun.lost > 0 && block < begun.blockCount; block++) {
        if (!this.#table.isLost(begun, block)) continue;
        const connection = connections.find((each) => this.#canTake(each, begun, block, nowMs));
        if (connection === null) continue;
        if (connection.requests.live === 0) connection.lastBlockAtMs = nowMs;
        this.#ask(connection, begun, block, nowMs);
        this.#touch(connection);
      }
    }
  }

  /** Whether a peer would send this block, was not asked for it and takes one more request, within its pipeline or not. */
  #canTake(connection: Connection, begun: BegunPiece, block: number, nowMs: number): boolean {
    const { requests } = connection;
    return canBeAsked(connection, nowMs) && connection.has.has(begun.piece) &&
      this.#isFor(connection, begun) && requests.live < requestsMax(connection) &&
      !this.#table.wasAsked(requests, begun, block);
  }

  /** Whether some missing block of the piece is not one that this peer still owes us, late. */
  #canAsk(connection: Connection, begun: BegunPiece): boolean {
    if (!this.#isFor(connection, begun)) return false;
    if (connection.requests.late === 0) return true;
    for (let block = begun.cursor; block < begun.blockCount; block++) {
      if (
        begun.states[block] === MISSING && !this.#table.wasAsked(connection.requests, begun, block)
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
    let block = this.#table.firstMissing(begun);
    for (; block < begun.blockCount && requests.live < connection.pipelineBlocks; block++) {
      if (!this.#isAllowed(nowMs)) break;
      if (begun.states[block] !== MISSING) continue;
      if (requests.late > 0 && this.#table.wasAsked(requests, begun, block)) continue;
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
    if (this.#picker.reachableCount > 0) return 0;
    const { requests } = connection;
    const isNew = isUntried(connection); // then it is given the chance
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
    this.#table.ask(requests, begun, block, nowMs, dueAtMs);
    const bytes = this.#geometry.blockBytes(begun.piece, block);
    connection.writer.request(begun.piece, block * BLOCK_BYTES, bytes);
  }
}
