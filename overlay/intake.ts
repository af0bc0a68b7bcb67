/**
 * The way of a record into the map: judged by what costs nothing, queued, verified in small portions.
 *
 * @module
 */

import type { Beat } from "./beats.ts";
import type { Carried } from "./messages.ts";
import type { RecordMap, Verdict } from "./record_map.ts";
import { isSameRecord, keyOf, signedBytes, type SignedRecord } from "./record.ts";
import { Allowance, type Offence } from "./senders.ts";

/** Tells whether `owner` signed these bytes. */
export type Verify = (owner: string, signature: string, bytes: Uint8Array) => boolean;

/** Records of one connection that wait; more are dropped, and come again with a later exchange. */
const WAITING_PER_SENDER_MAX = 4096;
/** Records that wait, of all connections together, also of those that have closed since. */
const WAITING_MAX = 16_384;
/** Records that are verified in one go: about a millisecond. */
const PORTION = 32;
/** Pause between two portions: a flood takes a fifth of a core at most. */
const PORTION_INTERVAL_MS = 5;
/** Records of one owner that are taken at once: all that one may have. */
const OWNER_BURST = 2000;
/** Records of one owner that are taken each second after that. */
const OWNER_RECORDS_PER_SECOND = 20;
/** Owners whose pace is watched. */
const OWNERS_WATCHED_MAX = 10_000;

/** How a record came. */
export type Way = "push" | "records";

/** Who is told what became of the records. */
export interface IntakeSink {
  /** The map took a record. */
  taken(carried: Carried, from: string, way: Way): void;
  /** A connection sent what it should not have. */
  blame(from: string, offence: Offence): void;
}

/** What an {@linkcode Intake} is made from. */
export interface IntakeOptions {
  /** Checks signatures. */
  readonly verify: Verify;
  /** Our own key: its records have no limit. */
  readonly ownKey: string;
  /** Whether nobody's pace is limited. */
  readonly isTrusted?: boolean;
}

interface Waiting {
  readonly carried: Carried;
  readonly way: Way;
}

/**
 * Verifies what connections send, each in its turn, so that one that floods delays itself.
 *
 * **Cost**: a signature takes 26 µs (`node:crypto`, 2-core build machine), ten more for a key that is new.
 */
export class Intake {
  readonly #map: RecordMap;
  readonly #sink: IntakeSink;
  readonly #options: IntakeOptions;
  /** What waits, by connection; the first is next, and goes to the end after its turn. */
  readonly #waiting = new Map<string, Waiting[]>();
  /** Signatures of what waits: the same news comes from several neighbours. */
  readonly #signatures = new Set<string>();
  readonly #owners = new Map<string, Allowance>();
  #nextPortionMs = -Infinity;
  /** Signatures verified. */
  verified = 0;
  /** Records that did not get in for want of room, or came faster than their owner may speak. */
  refused = 0;
  #hasDropped = false;

  /** Makes an intake for a map. */
  constructor(map: RecordMap, options: IntakeOptions, sink: IntakeSink) {
    this.#map = map;
    this.#options = options;
    this.#sink = sink;
  }

  /** When the next portion is due; `Infinity` where nothing waits. */
  get nextDeadlineMs(): number {
    return this.#waiting.size === 0 ? Infinity : this.#nextPortionMs;
  }

  /** Whether something was dropped since this was asked last, because too much waits. */
  takeDropped(): boolean {
    const hasDropped = this.#hasDropped;
    this.#hasDropped = false;
    return hasDropped;
  }

  /** Takes a record that came. */
  offer(from: string, carried: Carried, way: Way, nowMs: number): void {
    const { record, beat } = carried;
    if (!this.#isWelcome(from, this.#map.judge(record, beat, nowMs))) return;
    if (this.#signatures.has(record.signature)) return;
    const queue = this.#waiting.get(from) ?? [];
    const isFull = queue.length >= WAITING_PER_SENDER_MAX || this.#signatures.size >= WAITING_MAX;
    if (isFull) this.#hasDropped = true;
    if (isFull || !this.#ownerMay(record.owner, nowMs)) {
      this.refused++;
      return;
    }
    if (queue.push({ carried, way }) === 1) this.#waiting.set(from, queue);
    this.#signatures.add(record.signature);
  }

  /** Verifies a portion, if it is time. */
  work(nowMs: number): void {
    if (nowMs < this.nextDeadlineMs) return;
    this.#nextPortionMs = nowMs + (this.#options.isTrusted === true ? 0 : PORTION_INTERVAL_MS);
    for (let count = 0; count < PORTION && this.#waiting.size > 0; count++) {
      const [from, queue] = this.#waiting.entries().next().value!;
      const { carried, way } = queue.shift()!;
      this.#waiting.delete(from);
      if (queue.length > 0) this.#waiting.set(from, queue);
      this.#signatures.delete(carried.record.signature);
      if (this.takeNow(from, carried, nowMs)) this.#sink.taken(carried, from, way);
    }
  }

  /** Verifies one record without waiting. @returns whether the map took it */
  takeNow(from: string, { record, beat, ageMs }: Carried, nowMs: number): boolean {
    // It may have come from elsewhere while it waited.
    if (!this.#isWelcome(from, this.#map.judge(record, beat, nowMs))) return false;
    if (!this.#isTrue(record, beat)) {
      this.#sink.blame(from, "forged");
      return false;
    }
    return this.#isWelcome(from, this.#map.merge(record, beat, ageMs, nowMs));
  }

  /** Forgets what a connection sent. */
  drop(from: string): void {
    for (const { carried } of this.#waiting.get(from) ?? []) {
      this.#signatures.delete(carried.record.signature);
    }
    this.#waiting.delete(from);
  }

  #isWelcome(from: string, verdict: Verdict): boolean {
    if (verdict === "expired") this.#sink.blame(from, "expired");
    if (verdict === "full") this.refused++;
    return verdict === "taken";
  }

  #isTrue(record: SignedRecord, beat: Beat | null): boolean {
    this.verified++;
    // Only the whole record: with a known signature, anything could be sent.
    const present = this.#map.get(keyOf(record));
    const isKnown = present !== null && isSameRecord(present, record);
    if (!isKnown && !this.#options.verify(record.owner, record.signature, signedBytes(record))) {
      return false;
    }
    if (beat === null || record.anchor === "") return beat === null;
    return this.#map.beats.isGenuine(record.anchor, record.owner, beat);
  }

  #ownerMay(owner: string, nowMs: number): boolean {
    if (owner === this.#options.ownKey || this.#options.isTrusted === true) return true;
    let allowance = this.#owners.get(owner);
    if (allowance === undefined) {
      allowance = new Allowance(OWNER_BURST, OWNER_RECORDS_PER_SECOND, nowMs);
      this.#owners.set(owner, allowance);
      if (this.#owners.size > OWNERS_WATCHED_MAX) this.#forgetOwner(nowMs);
    }
    return allowance.take(nowMs);
  }

  /** Forgets an owner whose pace gives no reason to be watched, else the one watched longest. */
  #forgetOwner(nowMs: number): void {
    let looked = 0;
    for (const [owner, allowance] of this.#owners) {
      if (allowance.isFull(nowMs) || ++looked === 100) {
        this.#owners.delete(owner);
        return;
      }
    }
  }
}
