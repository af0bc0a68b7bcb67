/**
 * Who gets our upload: tit-for-tat with one optimistic slot (BEP 3).
 *
 * @module
 */

import type { Connection } from "./connection.ts";

/** How often the choice is made anew, in milliseconds (BEP 3: ten seconds, so that TCP gets up to speed). */
export const CHOKE_ROUND_MS = 10_000;

/** Rounds after which the optimistic slot goes to another peer: 30 seconds (BEP 3). */
const OPTIMISTIC_ROUNDS = 3;

/** A peer that connected this recently is three times as likely to get the optimistic slot (BEP 3). */
const NEWCOMER_MS = 60_000;

/** How often a newcomer stands in the draw for the optimistic slot. */
const NEWCOMER_TICKETS = 3;

/** Chooses whom to unchoke, once a round. */
export class Choker {
  readonly #slots: number;
  readonly #random: () => number;
  #optimistic: Connection | null = null;
  #roundsLeft = 0;

  /**
   * @param slots peers that are served at once, the optimistic one included
   * @param random uniform numbers in [0, 1)
   */
  constructor(slots: number, random: () => number) {
    this.#slots = slots;
    this.#random = random;
  }

  /** How many peers are served at once. */
  get slots(): number {
    return this.#slots;
  }

  /**
   * Chooses for the round that begins now, among the connections whose peers are interested: those that give
   * us most, or, as a seed, those that take most; one slot is drawn by lot.
   */
  choose(connections: Iterable<Connection>, isSeed: boolean, nowMs: number): Set<Connection> {
    const interested: Connection[] = [];
    for (const connection of connections) if (connection.isInterested) interested.push(connection);
    const rates = new Map<Connection, number>();
    for (const connection of interested) rates.set(connection, rateOf(connection, isSeed, nowMs));
    interested.sort((a, b) => rates.get(b)! - rates.get(a)!);

    const chosen = new Set(interested.slice(0, this.#slots - 1));
    const rest = interested.slice(this.#slots - 1);
    if (rest.length > 0) chosen.add(this.#drawOptimistic(rest, nowMs));
    return chosen;
  }

  #drawOptimistic(candidates: readonly Connection[], nowMs: number): Connection {
    const current = this.#optimistic;
    if (--this.#roundsLeft > 0 && current !== null && candidates.includes(current)) return current;
    const tickets: Connection[] = [];
    for (const connection of candidates) {
      const isNew = nowMs - connection.openedAtMs < NEWCOMER_MS;
      for (let i = isNew ? NEWCOMER_TICKETS : 1; i > 0; i--) tickets.push(connection);
    }
    const drawn = tickets[Math.floor(this.#random() * tickets.length)]!;
    this.#optimistic = drawn;
    this.#roundsLeft = OPTIMISTIC_ROUNDS;
    return drawn;
  }
}

/** What a peer is compared by. A peer that snubs us gives nothing. */
function rateOf(connection: Connection, isSeed: boolean, nowMs: number): number {
  if (isSeed) return connection.upRate.bytesPerSecond(nowMs);
  return connection.isSnubbed ? 0 : connection.downRate.bytesPerSecond(nowMs);
}
