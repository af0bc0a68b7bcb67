/**
 * Rounds: with whom a node compares what it holds, and when.
 *
 * @module
 */

import type { Detector } from "./detector.ts";
import type { Membership } from "./membership.ts";
import type { Reconciler, Send } from "./reconciler.ts";
import type { Holders } from "./replication.ts";

/** Between two rounds, each up to a quarter more or less. */
export const ROUND_MS = 8000;
/** Members that each message of an exchange names. */
export const SAMPLE = 2;
/** Members below which a node asks for more of them. */
const FEW_MEMBERS = 32;
/** Members that it is told of then, and while it learns of all: as many as a message may name. */
export const MANY_MEMBERS = 64;
/** Others that a round's exchange is tried with when one does not answer. */
const TRIES = 4;
/** Rounds after which one that was lost, or where we began, is tried again. */
const LOST_EVERY_ROUNDS = 4;
/** Pause before the next exchange while there is more to fetch: a connection brings no more in a second. */
const SOON_MS = 200;
/** The same among those who do not limit each other: as long as the rest of the last exchange may take. */
const SOON_TRUSTED_MS = 50;

/** What rounds are made from. */
export interface RoundsParts {
  readonly membership: Membership;
  readonly reconciler: Reconciler;
  readonly detector: Detector;
  readonly holders: Holders;
  readonly random: () => number;
  readonly isTrusted: boolean;
  readonly send: Send;
}

/** Opens exchanges. Each also shows whether the other is there, so that no other pings are needed. */
export class Rounds {
  readonly #parts: RoundsParts;
  #tries = 0;
  #isLearning = false;
  #roundMs = Infinity;
  #soonMs = Infinity;
  /** Rounds so far. */
  count = 0;

  /** Makes them; they begin with `start`. */
  constructor(parts: RoundsParts) {
    this.#parts = parts;
  }

  /** When the next exchange is due. */
  get nextDeadlineMs(): number {
    return Math.min(this.#roundMs, this.#soonMs);
  }

  /** Begins with one member, sees which others are there, and goes on in rounds. */
  start(nowMs: number): void {
    this.#roundMs = nowMs + ROUND_MS * this.#parts.random();
    this.#tries = TRIES;
    const first = this.#parts.membership.next();
    this.#syncWith(first, nowMs);
    for (const { address } of this.#parts.membership.all()) {
      if (address !== first) this.#parts.detector.ping(address, nowMs);
    }
  }

  /** Has the next exchange follow at once: there is more to fetch. */
  hasten(nowMs: number): void {
    const pauseMs = this.#parts.isTrusted ? SOON_TRUSTED_MS : SOON_MS;
    this.#soonMs = Math.min(this.#soonMs, nowMs + pauseMs);
  }

  /**
   * Notes whether an answer named members that were new, where all are to be known: then more are asked for at
   * once, until one names none. @returns whether that is so now
   */
  learn(hasNews: boolean, nowMs: number): boolean {
    const wasLearning = this.#isLearning;
    this.#isLearning = hasNews && !this.#parts.membership.isFull;
    if (this.#isLearning) this.hasten(nowMs);
    return wasLearning && !this.#isLearning;
  }

  /** Tries another member where one did not answer. */
  handleMissed(nowMs: number): void {
    if (this.#tries-- > 0) this.#syncWithAny(nowMs);
  }

  /** Opens the exchanges that are due. */
  handleTime(nowMs: number): void {
    if (nowMs >= this.#soonMs) {
      this.#soonMs = Infinity;
      this.#syncWithAny(nowMs);
    }
    if (nowMs >= this.#roundMs) {
      this.#roundMs = nowMs + ROUND_MS * (0.75 + 0.5 * this.#parts.random());
      this.#begin(nowMs);
    }
  }

  #begin(nowMs: number): void {
    const { membership } = this.#parts;
    this.#tries = TRIES;
    const next = membership.next();
    this.#syncWith(next, nowMs);
    if (next === null || this.count % LOST_EVERY_ROUNDS === 0) {
      this.#syncWith(membership.lost(), nowMs);
    }
    this.count++;
  }

  #syncWithAny(nowMs: number): void {
    this.#syncWith(this.#parts.membership.targets(1, null)[0] ?? null, nowMs);
  }

  #syncWith(address: string | null, nowMs: number): void {
    if (address === null) return;
    const { membership, reconciler, holders, detector, send } = this.#parts;
    send(address, {
      type: "sync",
      ...reconciler.opening(holders.replicas !== null, nowMs),
      members: membership.sample(SAMPLE, address),
      few: this.#isLearning || (membership.size < FEW_MEMBERS && !membership.isFull),
    });
    detector.expect(address, nowMs);
  }
}
