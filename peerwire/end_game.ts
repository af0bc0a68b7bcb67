/**
 * Which blocks are asked of a second peer while the first may still send them: in the end game, and of pieces that slow
 * peers hold up.
 *
 * @module
 */

import type { Connection } from "./connection.ts";
import { expectedMs } from "./pipeline.ts";
import { type BegunPiece, REQUESTED, type RequestTable } from "./requests.ts";

/** How many peers are asked for one block at once. */
const END_GAME_REQUESTS_MAX = 3;

/** A piece is nearly complete when no more than this part of its blocks is missing, or one block. */
const HOSTAGE_PART = 0.25;

/** How long a nearly complete piece waits for a block before a quicker peer is asked too. */
const HOSTAGE_MS = 5000;

/** Whether a nearly complete piece waits for slow peers and nothing comes. */
export function isHostage(begun: BegunPiece, nowMs: number): boolean {
  const left = begun.blockCount - begun.received;
  return begun.missing === 0 && left <= Math.max(1, begun.blockCount * HOSTAGE_PART) &&
    nowMs - begun.progressAtMs >= HOSTAGE_MS;
}

/** Chooses such blocks. It asks for none itself. */
export class EndGame {
  readonly #table: RequestTable;
  readonly #connections: ReadonlyMap<number, Connection>;
  readonly #isFor: (connection: Connection, begun: BegunPiece) => boolean;

  /** @param isFor whether a connection may be asked for blocks of a piece */
  constructor(
    table: RequestTable,
    connections: ReadonlyMap<number, Connection>,
    isFor: (connection: Connection, begun: BegunPiece) => boolean,
  ) {
    this.#table = table;
    this.#connections = connections;
    this.#isFor = isFor;
  }

  /** The block that will come last as things stand, if this connection would bring it sooner. */
  latestBlock(
    connection: Connection,
    isNew: boolean,
    nowMs: number,
  ): { begun: BegunPiece; block: number } | null {
    const ownMs = expectedMs(connection, connection.requests.live + 1, nowMs);
    let latestMs = isNew ? 0 : ownMs;
    let latest: { begun: BegunPiece; block: number } | null = null;
    let latestAsked = 0;
    for (const begun of this.#table.begun) {
      if (!connection.has.has(begun.piece) || !this.#isFor(connection, begun)) continue;
      for (let block = 0; block < begun.blockCount; block++) {
        if (begun.states[block] !== REQUESTED) continue;
        if (this.#table.wasAsked(connection.requests, begun, block)) continue;
        const asked = this.#table.liveRequests(begun, block);
        const ms = this.#expectedMs(begun, block, nowMs);
        // Slow peers must not keep out one that is far quicker than all of them.
        if (asked >= END_GAME_REQUESTS_MAX && ms < 2 * ownMs) continue;
        if (ms < latestMs || (ms === latestMs && (latest === null || asked >= latestAsked))) {
          continue;
        }
        latestMs = ms;
        latestAsked = asked;
        latest = { begun, block };
      }
    }
    return latest;
  }

  /** In what time the soonest of those who were asked will have sent this block. */
  #expectedMs(begun: BegunPiece, block: number, nowMs: number): number {
    let soonestMs = Infinity;
    this.#table.forEachAsked(begun, block, (id) => {
      const connection = this.#connections.get(id)!;
      soonestMs = Math.min(soonestMs, expectedMs(connection, connection.requests.live, nowMs));
    });
    return soonestMs;
  }

  /** Whether one more peer may be asked for a block that is asked for. */
  mayAskMore(begun: BegunPiece, block: number): boolean {
    return begun.states[block] === REQUESTED &&
      this.#table.liveRequests(begun, block) < END_GAME_REQUESTS_MAX;
  }

  /** Whether a connection would bring a block before those who were asked. */
  isQuicker(connection: Connection, begun: BegunPiece, block: number, nowMs: number): boolean {
    const withinMs = expectedMs(connection, connection.requests.live + 1, nowMs);
    return withinMs < this.#expectedMs(begun, block, nowMs);
  }
}
