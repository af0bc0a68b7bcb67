/**
 * Under a limit of the upload: whose block is sent next.
 *
 * @module
 */

import type { Geometry } from "@enjambre/metainfo";
import type { Connection } from "./connection.ts";

/**
 * Every third block goes to whoever has waited the longest, so that each of n peers has a third of its even share at
 * least. Without that a peer that lacks what all others have would wait for ever.
 */
const FAIR_EVERY = 3;

/**
 * A piece that fewer of our peers have than this is the sooner sent the fewer they are; of those above, all are alike.
 * A few copies are enough: from there on it spreads by itself.
 */
const RARE_COPIES = 4;

/** What is sent in this time at the limit is the most that one peer is given before others: pieces are large and limits small at times. */
const AHEAD_SECONDS = 1;

/** What {@linkcode UploadTurns} are made from. */
export interface UploadTurnsOptions {
  /** The arithmetic of the torrent. */
  readonly geometry: Geometry;
  /** The limit. */
  readonly bytesPerSecond: number;
  /** How many connected peers have a piece. */
  readonly availabilityOf: (piece: number) => number;
}

/**
 * The connections that wait for a block, and their order.
 *
 * Blocks in strict turn would bring pieces to all who ask at about the same, late time, and a peer can pass on only whole
 * pieces. So two of three blocks finish what is begun: they go to the request that is furthest into its piece, pieces
 * that hardly anybody has before others. Of a seed and 50 leechers at 4 MB/s, a piece had its second copy 0.15 s
 * after the first and not 0.8 s, and the last leecher was complete after 1.14 times the bound and not 1.19
 * (`tests/sim/distribution.ts`).
 *
 * **Cost**: O(connections that wait) for each block.
 */
export class UploadTurns {
  readonly #geometry: Geometry;
  readonly #aheadBytes: number;
  readonly #availabilityOf: (piece: number) => number;
  /** Who has waited the longest comes first. */
  readonly #waiting = new Set<Connection>();
  #sentCount = 0;

  constructor(options: UploadTurnsOptions) {
    this.#geometry = options.geometry;
    this.#aheadBytes = options.bytesPerSecond * AHEAD_SECONDS;
    this.#availabilityOf = options.availabilityOf;
  }

  /** A connection may have something to be sent; if it waits already, it keeps its place. */
  add(connection: Connection): void {
    this.#waiting.add(connection);
  }

  /** A connection was sent a block: it waits anew. */
  handleSent(connection: Connection): void {
    this.#sentCount++;
    this.#waiting.delete(connection);
    this.#waiting.add(connection);
  }

  /**
   * Says whose oldest request is to be answered next; null where none can be.
   *
   * @param isReady whether it can be answered at once
   * @param canSend the same, and what is not in memory for it is sent for
   */
  next(
    isReady: (connection: Connection) => boolean,
    canSend: (connection: Connection) => boolean,
  ): Connection | null {
    const isFair = this.#sentCount % FAIR_EVERY === 0;
    return (isFair ? null : this.#mostUrgent(isReady)) ?? this.#longestWaiting(canSend);
  }

  #longestWaiting(canSend: (connection: Connection) => boolean): Connection | null {
    for (const connection of this.#waiting) {
      const isOver = connection.isClosed || connection.uploads.count === 0;
      if (isOver) this.#waiting.delete(connection);
      else if (canSend(connection)) return connection;
    }
    return null;
  }

  #mostUrgent(isReady: (connection: Connection) => boolean): Connection | null {
    let first: Connection | null = null;
    let least = Infinity;
    for (const connection of this.#waiting) {
      const { uploads } = connection;
      if (connection.isClosed || uploads.count === 0) continue;
      const piece = uploads.pieceAt(0);
      const left = this.#geometry.pieceBytes(piece) - uploads.beginAt(0);
      if (left > this.#aheadBytes) continue;
      const rank = Math.min(this.#availabilityOf(piece), RARE_COPIES) +
        left / (this.#geometry.pieceLength + 1); // the part that is left, below 1
      if (rank >= least || !isReady(connection)) continue;
      first = connection;
      least = rank;
    }
    return first;
  }
}
