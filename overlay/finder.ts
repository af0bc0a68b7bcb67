/**
 * Finding providers: in what we know, and by asking those who may know more; and answering who asks us.
 *
 * @module
 */

import type { Intake } from "./intake.ts";
import { LOOKUP_ASKED, Lookups, merged } from "./lookups.ts";
import { LOOKUP_RECORDS_MAX, type Message } from "./messages.ts";
import { carriedOf, type Send } from "./reconciler.ts";
import { isHash } from "./record.ts";
import type { Provider, RecordMap } from "./record_map.ts";
import type { Holders } from "./replication.ts";

/** What a {@linkcode Finder} is made from. */
export interface FinderParts {
  /** What we know. */
  readonly map: RecordMap;
  /** Who is asked. */
  readonly holders: Holders;
  /** Takes what others answer. */
  readonly intake: Intake;
  /** Where questions and answers go. */
  readonly send: Send;
}

/** Looks up info-hashes, those that are watched again and again. */
export class Finder {
  readonly #parts: FinderParts;
  readonly #lookups = new Lookups();
  readonly #watched = new Set<string>();

  /** Makes one that looks for nothing yet. */
  constructor(parts: FinderParts) {
    this.#parts = parts;
  }

  /** When the next lookup ends; `Infinity` where none is under way. */
  get nextDeadlineMs(): number {
    return this.#lookups.nextDeadlineMs;
  }

  /**
   * Finds providers: those known here; where they are too few, also those that {@linkcode LOOKUP_ASKED} of the
   * nodes know to which the info-hash is nearest.
   *
   * @param done is told within {@linkcode LOOKUP_MS}; at once where enough are known
   */
  lookup(
    infoHash: string,
    wanted: number,
    done: (providers: Provider[]) => void,
    nowMs: number,
  ): void {
    if (!isHash(infoHash)) throw new TypeError("Cannot look up: info-hash is not 40 hex digits");
    const { map, holders, send } = this.#parts;
    const finish = (endMs: number) => done(merged(map.providers(infoHash, endMs), wanted));
    if (map.providers(infoHash, nowMs).length >= wanted) return finish(nowMs);
    const others = holders.othersOf(infoHash, LOOKUP_ASKED);
    const id = this.#lookups.begin(infoHash, others, finish, nowMs);
    if (id === null) return;
    const count = Math.min(wanted, LOOKUP_RECORDS_MAX);
    for (const to of others) send(to, { type: "lookup", id, infoHash, wanted: count });
  }

  /** Keeps up with an info-hash, also where its records are on other nodes; `unwatch` ends it. */
  watch(infoHash: string, nowMs: number): void {
    this.#watched.add(infoHash);
    if (this.#parts.holders.replicas !== null) this.#lookUpAll(infoHash, nowMs);
  }

  /** Ends what `watch` began. */
  unwatch(infoHash: string): void {
    this.#watched.delete(infoHash);
  }

  /** Looks up anew what is watched, where its records may be on other nodes. */
  lookUpWatched(nowMs: number): void {
    if (this.#parts.holders.replicas === null) return;
    for (const infoHash of this.#watched) this.#lookUpAll(infoHash, nowMs);
  }

  /** Tells who asks what we know. */
  handleLookup(from: string, lookup: Message & { type: "lookup" }, nowMs: number): void {
    const { id, infoHash, wanted } = lookup;
    const records = [...this.#parts.map.entriesOf(infoHash)]
      .map((entry) => carriedOf(entry, nowMs))
      .filter(({ record, ageMs }) => record.left >= 0 && ageMs < 1000 * record.ttlSeconds)
      .sort((one, other) => one.ageMs - other.ageMs)
      .slice(0, wanted);
    this.#parts.send(from, { type: "providers", id, records });
  }

  /** Takes an answer, where it is one to a question of ours. */
  handleProviders(from: string, answer: Message & { type: "providers" }, nowMs: number): void {
    const { id, records } = answer;
    const infoHash = this.#lookups.answered(id, from);
    if (infoHash === null) return;
    for (const carried of records.slice(0, LOOKUP_RECORDS_MAX)) {
      if (carried.record.infoHash === infoHash) this.#parts.intake.takeNow(from, carried, nowMs);
    }
    this.#lookups.settle(id, nowMs);
  }

  /** Goes on without one who cannot be reached. */
  handleUnreachable(address: string, nowMs: number): void {
    this.#lookups.handleUnreachable(address, nowMs);
  }

  /** Ends the lookups whose time is over. */
  handleTime(nowMs: number): void {
    this.#lookups.handleTime(nowMs);
  }

  #lookUpAll(infoHash: string, nowMs: number): void {
    this.lookup(infoHash, LOOKUP_RECORDS_MAX, () => {}, nowMs);
  }
}
