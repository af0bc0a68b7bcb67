/**
 * Failure detection: who does not answer is asked through others, then suspected, then given up.
 *
 * As in SWIM, a member is gone when neither we nor three others reach it, and not before it had time to
 * refute that. Unlike there, nobody's word that another is dead counts: it makes the hearer ask for itself.
 * So a lie costs a ping, and a refutation needs no incarnation numbers: it is an answer.
 *
 * **Source**: Das, Gupta, Motivala, "SWIM: Scalable Weakly-consistent Infection-style Process Group Membership
 * Protocol" (2002).
 *
 * @module
 */

import type { Membership } from "./membership.ts";
import type { Message } from "./messages.ts";

/** How long an answer may take: a connection, a greeting and a message there and back on a bad line. */
const ANSWER_MS = 1500;
/** How long others may take to ask for us. */
const INDIRECT_MS = 3000;
/** How many others are asked. */
const HELPERS = 3;
/** How long a suspect has to refute it, where others do answer. */
const SUSPECT_MS = 12_000;
/**
 * Up to so many times longer where they do not: then it is rather our own line that is bad.
 *
 * **Source**: Dadgar, Phillips, Currey, "Lifeguard: Local Health Awareness for More Accurate Failure Detection"
 * (2018).
 */
const TROUBLE_MAX = 8;
/** How often it is asked in that time. */
const SUSPECT_PING_MS = 2000;
/** Members that are watched at a time; more is somebody's list of names. */
const WATCHED_MAX = 64;
/** Members that we ask for others at a time. */
const HELPED_MAX = 64;

/** What a {@linkcode Detector} asks for. */
export interface DetectorSink {
  /** Sends a message. */
  send(to: string, message: Message): void;
  /** A member did not answer in time: what it was to do, another may. */
  missed(address: string): void;
  /** A member has been given up. */
  gone(address: string): void;
}

interface Watch {
  phase: "direct" | "indirect" | "suspect";
  deadlineMs: number;
  /** When it is given up. */
  untilMs: number;
}

/** Watches those whose answer is due. */
export class Detector {
  readonly #membership: Membership;
  readonly #sink: DetectorSink;
  readonly #watches = new Map<string, Watch>();
  /** Whom we ask for whom, and until when. */
  readonly #helped = new Map<string, { readonly askers: Set<string>; untilMs: number }>();
  /** How bad our own line is, 0 to 8: up by one for an answer that did not come, down by one for one that did. */
  trouble = 0;
  /** Suspicions so far. */
  suspicions = 0;

  /** Makes one for these members. */
  constructor(membership: Membership, sink: DetectorSink) {
    this.#membership = membership;
    this.#sink = sink;
  }

  /** When something is due; `Infinity` where nobody is watched. */
  get nextDeadlineMs(): number {
    let nextMs = Infinity;
    for (const { deadlineMs } of this.#watches.values()) nextMs = Math.min(nextMs, deadlineMs);
    return nextMs;
  }

  /** Expects an answer of a member that something was just sent to. */
  expect(address: string, nowMs: number): void {
    if (this.#watches.has(address) || this.#watches.size >= WATCHED_MAX) return;
    this.#watches.set(address, {
      phase: "direct",
      deadlineMs: nowMs + ANSWER_MS,
      untilMs: Infinity,
    });
  }

  /** Asks a member whether it is there. */
  ping(address: string, nowMs: number): void {
    if (this.#watches.has(address) || this.#watches.size >= WATCHED_MAX) return;
    this.expect(address, nowMs);
    this.#sink.send(address, { type: "ping" });
  }

  /** Notes that a member itself was heard. */
  hear(address: string): void {
    if (this.#watches.delete(address)) this.trouble = Math.max(0, this.trouble - 1);
    const helped = this.#helped.get(address);
    if (helped === undefined) return;
    this.#helped.delete(address);
    for (const asker of helped.askers) this.#sink.send(asker, { type: "alive", address });
  }

  /** Notes that no connection could be made, which is as much as no answer. */
  handleUnreachable(address: string, nowMs: number): void {
    const watch = this.#watches.get(address);
    if (watch?.phase === "direct") this.#askOthers(address, watch, nowMs);
  }

  /** Asks a member for somebody else; only one that we know ourselves, so that nobody has us dial at will. */
  handleProbe(from: string, address: string, nowMs: number): void {
    if (this.#membership.get(address) === null) return;
    const helped = this.#helped.get(address);
    if (helped !== undefined) helped.askers.add(from);
    else if (this.#helped.size < HELPED_MAX) {
      this.#helped.set(address, { askers: new Set([from]), untilMs: nowMs + INDIRECT_MS });
    } else return;
    this.#sink.send(address, { type: "ping" });
  }

  /** Takes the word of one whom we asked that a member answered it. */
  handleAlive(address: string): void {
    const watch = this.#watches.get(address);
    if (watch === undefined || watch.phase === "direct") return;
    this.#watches.delete(address);
    this.#membership.clear(address);
  }

  /** Does what is due. */
  handleTime(nowMs: number): void {
    for (const [address, helped] of this.#helped) {
      if (helped.untilMs <= nowMs) this.#helped.delete(address);
    }
    for (const [address, watch] of [...this.#watches]) {
      if (watch.deadlineMs > nowMs) continue;
      if (this.#membership.get(address) === null && watch.phase !== "direct") {
        this.#watches.delete(address);
      } else if (watch.phase === "direct") this.#askOthers(address, watch, nowMs);
      else if (nowMs < watch.untilMs) this.#suspect(address, watch, nowMs);
      else {
        this.#watches.delete(address);
        this.#membership.remove(address, nowMs);
        this.#sink.gone(address);
      }
    }
  }

  #askOthers(address: string, watch: Watch, nowMs: number): void {
    watch.phase = "indirect";
    this.trouble = Math.min(TROUBLE_MAX, this.trouble + 1);
    watch.deadlineMs = nowMs + INDIRECT_MS;
    for (const helper of this.#membership.targets(HELPERS, address)) {
      this.#sink.send(helper, { type: "probe", address });
    }
    // Those may not know it, and it may have been this one message that was lost.
    this.#sink.send(address, { type: "ping" });
    this.#sink.missed(address);
  }

  #suspect(address: string, watch: Watch, nowMs: number): void {
    if (watch.phase === "indirect") {
      watch.phase = "suspect";
      watch.untilMs = nowMs + SUSPECT_MS * (1 + this.trouble);
      this.suspicions++;
      this.#membership.suspect(address);
    }
    watch.deadlineMs = Math.min(nowMs + SUSPECT_PING_MS, watch.untilMs);
    this.#sink.send(address, { type: "ping" });
  }
}
