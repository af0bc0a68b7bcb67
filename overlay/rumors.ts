/**
 * Rumors: what is new is told at once to a few random members, each of whom does the same, once.
 *
 * With six told by each, 99.7 % of the nodes hear of it within as many steps as it takes to multiply by six;
 * exchanges find the rest.
 *
 * @module
 */

import type { Membership } from "./membership.ts";
import type { Carried } from "./messages.ts";
import { portionsOf, type Send } from "./reconciler.ts";

/** Members that a node tells. */
export const FANOUT = 6;
/** How long news waits for more news, so that what is announced together travels together. */
const GATHER_MS = 20;
/** Records that wait at most; what is beyond travels with the next exchange. */
const WAITING_MAX = 2000;

/** Passes news on. */
export class Rumors {
  readonly #membership: Membership;
  readonly #send: Send;
  readonly #extra: () => number;
  #waiting: { readonly carried: Carried; readonly exceptAddress: string | null }[] = [];
  #flushMs = Infinity;

  /** @param extra how many more than {@linkcode FANOUT} are to be told, since much of what is said is lost */
  constructor(membership: Membership, send: Send, extra: () => number) {
    this.#membership = membership;
    this.#send = send;
    this.#extra = extra;
  }

  /** When what waits is told; `Infinity` with no news. */
  get nextDeadlineMs(): number {
    return this.#flushMs;
  }

  /** Takes news. @param exceptAddress who told us */
  add(carried: Carried, exceptAddress: string | null, nowMs: number): void {
    if (this.#waiting.length >= WAITING_MAX) return;
    if (this.#waiting.push({ carried, exceptAddress }) === 1) this.#flushMs = nowMs + GATHER_MS;
  }

  /** Tells the news, if it is time. */
  handleTime(nowMs: number): void {
    if (nowMs < this.#flushMs) return;
    for (const to of this.#membership.targets(FANOUT + this.#extra(), null)) {
      const news = this.#waiting.filter(({ exceptAddress }) => exceptAddress !== to);
      for (const records of portionsOf(news.map(({ carried }) => carried))) {
        this.#send(to, { type: "push", records });
      }
    }
    this.#waiting = [];
    this.#flushMs = Infinity;
  }
}
