/**
 * Which of many peers has the most room in its pipeline.
 *
 * @module
 */

import type { Connection } from "./connection.ts";
import { isUntried, room } from "./pipeline.ts";

/** A connection and the room that it had when they were put in order. */
interface Place {
  readonly connection: Connection;
  readonly room: number;
}

/**
 * The connections at one moment, those with the most room first. As they are asked for more, the order is caught up
 * with in {@linkcode find}: so many blocks go round among them, a block each, the roomiest first.
 *
 * **Ownership**: made for one input and thrown away; meanwhile rooms may shrink and not grow.
 * **Cost**: O(n log n) once; then a find looks at no more than those that were asked since, and those that do not suit.
 */
export class Roomiest {
  readonly #places: readonly Place[];

  constructor(connections: Iterable<Connection>) {
    const places: Place[] = [];
    for (const connection of connections) {
      if (!connection.isChoking) places.push({ connection, room: room(connection) });
    }
    this.#places = places.sort((a, b) => b.room - a.room);
  }

  /** Of those that suit, the one with the most room now; null where there is none. */
  find(suits: (connection: Connection) => boolean): Connection | null {
    let best: Connection | null = null;
    let bestRoom = -Infinity;
    for (const place of this.#places) {
      if (place.room <= bestRoom) break;
      const { connection } = place;
      if (room(connection) <= bestRoom || !suits(connection)) continue;
      best = connection;
      bestRoom = room(connection);
    }
    return best;
  }

  /** Those that had room, the roomiest first. */
  *withRoom(): IterableIterator<Connection> {
    for (const place of this.#places) {
      if (place.room <= 0) return;
      yield place.connection;
    }
  }

  /**
   * The same in turns with those that were never asked, while there is not enough for all: one of them may be quicker
   * than all others, and many may be slower.
   */
  *inTurns(): IterableIterator<Connection> {
    const all = [...this.withRoom()];
    const untried = all.filter(isUntried);
    const tried = untried.length === 0 ? all : all.filter((each) => !isUntried(each));
    for (let i = 0; i < Math.max(untried.length, tried.length); i++) {
      if (i < untried.length) yield untried[i]!;
      if (i < tried.length) yield tried[i]!;
    }
  }
}
