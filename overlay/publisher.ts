/**
 * Telling others what we provide, and keeping it known for as long as we say that we live.
 *
 * @module
 */

import { type Chain, packBeats } from "./beats.ts";
import type { Carried } from "./messages.ts";
import type { Announcement, OwnRecords } from "./own_records.ts";
import { namesOf, type Reconciler, type Send } from "./reconciler.ts";
import type { SignedRecord } from "./record.ts";
import type { RecordMap } from "./record_map.ts";
import type { Holders } from "./replication.ts";
import { ROUND_MS } from "./rounds.ts";
import type { Rumors } from "./rumors.ts";

/** What a {@linkcode Publisher} is made from. */
export interface PublisherParts {
  /** What we say. */
  readonly own: OwnRecords;
  /** Takes it like what others say. */
  readonly map: RecordMap;
  /** Has exchanges tell of it. */
  readonly reconciler: Reconciler;
  /** Who is to hold it, where not all hold all. */
  readonly holders: Holders;
  /** Tells it where all hold all. */
  readonly rumors: Rumors;
  /** Where messages to those who hold it go. */
  readonly send: Send;
}

/** Publishes our own records: into the map, and to all or to those who are to hold them. */
export class Publisher {
  readonly #parts: PublisherParts;
  /** When those who hold our records were last told because we learnt of members. */
  #learntMs = -Infinity;

  /** Makes one that has nothing to tell yet. */
  constructor(parts: PublisherParts) {
    this.#parts = parts;
  }

  /** Announces a provider, ourselves or one that we speak for. @returns the record, as it travels */
  announce(announcement: Announcement, nowMs: number, wallMs: number): SignedRecord {
    const record = this.#parts.own.announce(announcement, wallMs);
    this.#publish(record, nowMs);
    return record;
  }

  /** Tells that a provider left; nothing where it is not known. */
  leave(infoHash: string, slot: string, nowMs: number, wallMs: number): void {
    const { own, map } = this.#parts;
    const present = map.get(infoHash + own.owner + slot);
    if (present !== null) this.#publish(own.leave(present, wallMs), nowMs);
  }

  /** Tells that all that we provide ourselves has left, as before the end. */
  leaveAll(nowMs: number, wallMs: number): void {
    for (const { infoHash, slot } of [...this.#parts.own.kept()]) {
      this.leave(infoHash, slot, nowMs, wallMs);
    }
    this.#parts.rumors.handleTime(Infinity);
  }

  /** Answers a record in our name that somebody else brought, where something else holds. */
  outbid(record: SignedRecord, nowMs: number): void {
    const answer = this.#parts.own.outbid(record);
    if (answer !== null) this.#publish(answer, nowMs);
  }

  /** Says that we are alive. */
  beat(nowMs: number): void {
    const { own, map } = this.#parts;
    for (const record of own.advance()) this.#publish(record, nowMs);
    const { beat } = own;
    const chain = this.#chain();
    if (beat === null || chain === null) return;
    map.beats.advance(chain, beat, nowMs);
    this.#sayKept();
  }

  /** Tells those who hold our records, which we may not have known before we learnt of all members. Once in a round. */
  handleLearnt(nowMs: number): void {
    if (nowMs < this.#learntMs + ROUND_MS) return;
    this.#learntMs = nowMs;
    this.#sayKept();
  }

  /** The chain that keeps our records alive; `null` where none is kept. */
  #chain(): Chain | null {
    const { own, map } = this.#parts;
    const [first] = own.kept();
    return first === undefined ? null : map.beats.find(first.anchor, own.owner);
  }

  /** With replication: tells those who hold our records that we hold to them. */
  #sayKept(): void {
    const { own, holders, send } = this.#parts;
    const { replicas } = holders;
    const chain = this.#chain();
    if (replicas === null || chain === null) return;
    const beats = packBeats([chain]);
    const recordsOf = new Map<string, SignedRecord[]>();
    for (const record of own.kept()) {
      for (const holder of holders.othersOf(record.infoHash, replicas)) {
        const records = recordsOf.get(holder);
        if (records === undefined) recordsOf.set(holder, [record]);
        else records.push(record);
      }
    }
    for (const [to, records] of recordsOf) {
      send(to, { type: "keep", ...namesOf(records), beats });
    }
  }

  /** Puts a record of ours into the map and tells it to others. */
  #publish(record: SignedRecord, nowMs: number): void {
    const { own, map, reconciler, holders, rumors, send } = this.#parts;
    const beat = record.anchor === "" ? null : own.beat;
    map.merge(record, beat, 0, nowMs);
    reconciler.note(record);
    const carried: Carried = { record, beat, ageMs: 0 };
    const { replicas } = holders;
    if (replicas === null) return rumors.add(carried, null, nowMs);
    for (const to of holders.othersOf(record.infoHash, replicas)) {
      send(to, { type: "push", records: [carried] });
    }
  }
}
