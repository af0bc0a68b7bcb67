/**
 * An exchange between two nodes: they compare digests and give each other only what differs.
 *
 *     A                                          B
 *     | sync: root, summary of beats ----------> |
 *     | <-- answer: buckets if roots differ,     |
 *     |     newer beats, tags of older ones;     |
 *     |     the latest records that A lacks      |
 *     | beats -------------------------------->  |
 *     | list: marks in differing buckets ----->  |
 *     | <-- records that A lacks                 |
 *     | <-- want: marks that B lacks             |
 *     | records ------------------------------>  |
 *
 * @module
 */

import { packBeats, SUMMARY_BYTES } from "./beats.ts";
import { bucketOf, markOf } from "./digests.ts";
import { beatOf, type Entry, lastSeenMsOf } from "./entry.ts";
import { type Carried, lengthOf, LINE_CHARACTERS_MAX, type Message } from "./messages.ts";
import { keyOf, type SignedRecord } from "./record.ts";
import type { RecordMap } from "./record_map.ts";

/** Beats are passed on for so long after they came, so that the last one of an owner comes to rest. */
const BEAT_NEWS_MS = 45_000;
/** Beats that a message holds: 28 characters each. */
const BEATS_PER_MESSAGE = 2200;
/** Chains that a summary tells of; where there are more, each exchange tells of a random part. */
const SUMMARY_CHAINS_MAX = 11_000;
/** Marks that a list holds; with more differing records the exchange is about a random part of the buckets. */
const MARKS_MAX = 7000;
/** Messages of records that an exchange may bring one side, of 64 KiB each. */
const RECORD_MESSAGES_MAX = 8;
/**
 * Records that an exchange looks at for what one side lacks; where more differ it is about a part of them. Many
 * more would hold up the event loop: they are sorted, and measured.
 */
const RECORDS_LOOKED_AT_MAX = 8000;
/** Room in a message beside its records. */
const ENVELOPE_CHARACTERS = 64;
/** A record with less life left is not worth sending. */
const LIFE_MS_MIN = 3000;

/** Records that came last, which are given without a comparison: six kilobytes. */
const LATEST_MAX = 16;
/** For how long they count as news: three rounds. */
const NEWS_MS = 24_000;

/** What opens an exchange, as far as the map goes. */
export type Opening = Pick<
  Message & { type: "sync" },
  "root" | "marks" | "buckets" | "beats" | "full"
>;

/** Where an exchange's messages go. */
export type Send = (to: string, message: Message) => void;

/** Holds a node's side of all its exchanges. It keeps nothing of one between two messages. */
export class Reconciler {
  readonly #map: RecordMap;
  readonly #send: Send;
  readonly #random: () => number;
  /** Whether the last exchange that we opened was about a part of what differs. */
  isPartial = false;
  /** Keys of the records that came last. */
  readonly #latest: string[] = [];

  /** Makes one for a map. */
  constructor(map: RecordMap, send: Send, random: () => number) {
    this.#map = map;
    this.#send = send;
    this.#random = random;
  }

  /** Notes that the map took a record: it is news for a while. */
  note(record: SignedRecord): void {
    this.#latest.push(keyOf(record));
    if (this.#latest.length > LATEST_MAX) this.#latest.shift();
  }

  /** What a `sync` says of the map; nothing where records are not for everybody. */
  opening(isReplicated: boolean, nowMs: number): Opening {
    const nothing = { root: "", marks: [], buckets: [], beats: new Uint8Array(0), full: true };
    if (isReplicated) return nothing;
    const parts = Math.ceil(this.#map.beats.size / SUMMARY_CHAINS_MAX) || 1;
    const beats = this.#map.beats.summary(Math.floor(this.#random() * parts), parts);
    // Chains that share a tag may exceed the part by a few.
    const summary = beats.subarray(0, SUMMARY_BYTES * SUMMARY_CHAINS_MAX);
    return {
      root: this.#map.digests.root,
      ...namesOf(this.#news(nowMs).map(({ record }) => record)),
      beats: summary,
      full: this.#map.isFull,
    };
  }

  /**
   * Gives the news that a `sync` lacks and asks for what it has, where the roots differ: in half the messages
   * of a comparison, which counts where many are lost. @returns whether records are to be expected
   */
  giveNews(from: string, sync: Message & { type: "sync" }, nowMs: number): boolean {
    if (sync.root === "" || sync.root === this.#map.digests.root) return false;
    const theirs = new Set(sync.marks);
    if (!sync.full) {
      const lacked = this.#news(nowMs).filter(({ record }) => !theirs.has(markOf(record)));
      this.#sendRecords(from, lacked, nowMs);
    }
    const unknown = sync.marks.filter((mark) => !this.#map.digests.has(mark, sync.buckets));
    if (unknown.length === 0 || this.#map.isFull) return false;
    this.#send(from, { type: "want", buckets: sync.buckets, marks: unknown });
    return true;
  }

  /** What an `answer` says to a `sync`. */
  answer(
    sync: Message & { type: "sync" },
    nowMs: number,
  ): { buckets: string; beats: Uint8Array; older: Uint8Array } {
    const { newer, older } = this.#map.beats.compare(sync.beats);
    const news = newer.filter(({ heardMs }) => nowMs < heardMs + BEAT_NEWS_MS);
    const { root, bucketTexts } = this.#map.digests;
    return {
      buckets: sync.root === "" || sync.root === root ? "" : bucketTexts,
      beats: packBeats(news.slice(0, BEATS_PER_MESSAGE)),
      older: packTags(older),
    };
  }

  /** Goes on after an `answer`, whose beats the caller has taken. @returns whether records are to be expected */
  handleAnswer(from: string, answer: Message & { type: "answer" }, nowMs: number): boolean {
    const news = this.#map.beats.withTags(tagsOf(answer.older))
      .filter(({ heardMs }) => nowMs < heardMs + BEAT_NEWS_MS);
    if (news.length > 0) {
      this.#send(from, { type: "beats", beats: packBeats(news.slice(0, BEATS_PER_MESSAGE)) });
    }
    this.isPartial = false;
    if (answer.buckets === "") return false;
    const differing = this.#map.digests.differing(answer.buckets);
    const buckets: number[] = [];
    const marks: string[] = [];
    const first = Math.floor(this.#random() * differing.length);
    for (let at = 0; at < differing.length; at++) {
      const bucket = differing[(first + at) % differing.length]!;
      const records = this.#map.digests.bucket(bucket);
      if (marks.length + records.size > MARKS_MAX) {
        this.isPartial = true;
        break;
      }
      buckets.push(bucket);
      marks.push(...records.keys());
    }
    this.#send(from, { type: "list", buckets, marks, full: this.#map.isFull });
    return buckets.length > 0;
  }

  /** Gives what a list lacks and asks for what it has besides. @returns whether records are to be expected */
  handleList(from: string, list: Message & { type: "list" }, nowMs: number): boolean {
    const theirs = new Set(list.marks);
    const ours: Entry[] = [];
    for (const bucket of new Set(list.buckets)) {
      for (const [mark, entry] of this.#map.digests.bucket(bucket)) {
        if (!theirs.delete(mark) && ours.length < RECORDS_LOOKED_AT_MAX) ours.push(entry);
      }
    }
    if (!list.full) this.#sendRecords(from, ours, nowMs);
    if (theirs.size === 0 || this.#map.isFull) return false;
    this.#send(from, { type: "want", buckets: list.buckets, marks: [...theirs] });
    return true;
  }

  /** Gives what somebody asks for. */
  handleWant(from: string, want: Message & { type: "want" }, nowMs: number): void {
    const marks = new Set(want.marks);
    const entries: Entry[] = [];
    for (const bucket of new Set(want.buckets)) {
      for (const [mark, entry] of this.#map.digests.bucket(bucket)) {
        if (marks.has(mark)) entries.push(entry);
      }
    }
    this.#sendRecords(from, entries, nowMs);
  }

  /** What came lately and is still there. */
  #news(nowMs: number): Entry[] {
    return this.#latest.map((key) => this.#map.entry(key))
      .filter((entry) => entry !== null && nowMs < entry.heardMs + NEWS_MS) as Entry[];
  }

  /** Sends records, those that came last first. */
  #sendRecords(to: string, entries: Entry[], nowMs: number): void {
    const carried = entries.sort((one, other) => other.heardMs - one.heardMs)
      .map((entry) => carriedOf(entry, nowMs))
      .filter(({ record, ageMs }) => 1000 * record.ttlSeconds - ageMs >= LIFE_MS_MIN);
    const portions = portionsOf(carried, RECORD_MESSAGES_MAX);
    const sent = portions.reduce((sum, records) => sum + records.length, 0);
    portions.forEach((records, at) => {
      const more = at === portions.length - 1 && sent < carried.length;
      this.#send(to, { type: "records", records, more });
    });
  }
}

/** A record of the map as it goes to another node. */
export function carriedOf(entry: Entry, nowMs: number): Carried {
  return { record: entry.record, ageMs: nowMs - lastSeenMsOf(entry), beat: beatOf(entry) };
}

/** Cuts records into what one message each may hold; those beyond `portionsMax` messages are left out. */
export function portionsOf(
  records: readonly Carried[],
  portionsMax: number = Infinity,
): Carried[][] {
  const portions: Carried[][] = [];
  let room = 0;
  for (const carried of records) {
    const length = lengthOf(carried);
    if (length > room) {
      if (portions.length === portionsMax) break;
      portions.push([]);
      room = LINE_CHARACTERS_MAX - ENVELOPE_CHARACTERS;
    }
    portions.at(-1)!.push(carried);
    room -= length;
  }
  return portions;
}

/** The marks of records, and the buckets in which they are. */
export function namesOf(records: readonly SignedRecord[]): { buckets: number[]; marks: string[] } {
  const buckets = new Set(records.map(({ infoHash }) => bucketOf(infoHash)));
  return { buckets: [...buckets], marks: records.map(markOf) };
}

function packTags(tags: readonly number[]): Uint8Array {
  const packed = new Uint8Array(3 * tags.length);
  tags.forEach((tag, at) => packed.set([tag >> 16, tag >> 8, tag], 3 * at));
  return packed;
}

function tagsOf(packed: Uint8Array): number[] {
  const tags: number[] = [];
  for (let at = 0; at + 3 <= packed.length; at += 3) {
    tags.push((packed[at]! << 16) | (packed[at + 1]! << 8) | packed[at + 2]!);
  }
  return tags;
}
