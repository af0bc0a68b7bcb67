/**
 * Which of many peers has the most room in its pipeline.
 *
 * @module
 */

import type { Connection } from "./connection.ts";
import { isUntried, room } from "./pipeline.ts";

/** A connection and the most room that it can have had when they were put in order. */
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
      if (connection.isChoking) continue;
      const blocks = room(connection);
      places.push({ connection, room: blocks > 0 && isUntried(connection) ? Infinity : blocks });
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

  /** Those that had room: first those that were never asked, who may be the quickest, then the roomiest first. */
  *withRoom(): IterableIterator<Connection> {
    for (const place of this.#places) {
      if (place.room <= 0) return;
      yield place.connection;
    }
  }
}
