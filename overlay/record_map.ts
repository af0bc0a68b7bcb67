/**
 * The replicated map: the latest word of every owner about every swarm, for as long as the owner lives.
 *
 * @module
 */

import { type Beat, BeatTable, type Hash } from "./beats.ts";
import { Digests } from "./digests.ts";
import { type Entry, expiryMsOf, lastSeenMsOf } from "./entry.ts";
import { compareRecords, keyOf, LEFT_GONE, type SignedRecord } from "./record.ts";

/** Records a node keeps unless told otherwise: some 100 MB of heap. */
export const RECORDS_MAX = 100_000;
/** Records of one owner that a node keeps unless told otherwise: more torrents than a client shares. */
export const RECORDS_PER_OWNER_MAX = 2000;
/** How long a record that expired is not believed again without a newer beat: longer than any copy lives elsewhere. */
const GHOST_MS = 600_000;
/** Records that one call of `expire` looks at: a few milliseconds. */
const EXPIRE_MAX = 1000;
/** Ghosts that are kept; the oldest goes first. */
const GHOSTS_MAX = 100_000;

/** Somebody who provides an info-hash, as a lookup or a subscription tells of it. */
export interface Provider {
  /** The swarm. */
  readonly infoHash: string;
  /** Where it is reached, `host:port`. */
  readonly address: string;
  /** Its peer id, 40 hexadecimal digits. */
  readonly peerId: string;
  /** Bytes that it lacks; 0 for a seed. */
  readonly left: number;
  /** Who says so: a public key; `null` where nobody signed it (an old node). */
  readonly owner: string | null;
  /** When its owner was last heard of, by our clock. */
  readonly lastSeenMs: number;
}

/** What became of a provider. */
export interface ProviderChange {
  /** Whether it is new here, says something else than before, or is gone. */
  readonly kind: "added" | "changed" | "removed";
  /** The provider, as it is now or was last. */
  readonly provider: Provider;
}

/** What the map did with a record: took it, or why not. */
export type Verdict =
  /** It is new, or newer than what was there. */
  | "taken"
  /** We have it already. */
  | "known"
  /** We have a newer one. */
  | "old"
  /** It expired here, and nothing shows that its owner was heard of since. */
  | "expired"
  /** Its owner, or all owners together, have as many as we keep. */
  | "full";

/** A record and when its owner was last heard of, by our clock. */
export interface HeardRecord {
  /** The record. */
  readonly record: SignedRecord;
  /** When. */
  readonly heardMs: number;
}

/** What a {@linkcode RecordMap} is made from. */
export interface RecordMapOptions {
  /** SHA-256. */
  readonly hash: Hash;
  /** Records of this owner are never refused for want of room: our own. */
  readonly ownKey?: string;
  /** Default: {@linkcode RECORDS_MAX}. */
  readonly recordsMax?: number;
  /** Whether an owner may have as many as there is room for, unless the next says otherwise. */
  readonly isTrusted?: boolean;
  /** Default: {@linkcode RECORDS_PER_OWNER_MAX}. */
  readonly recordsPerOwnerMax?: number;
  /** Is told of every provider that comes, changes or goes. It does not call back into the map. */
  readonly onChange?: (change: ProviderChange) => void;
  /**
   * Is told of every record that is taken, those of providers that left too, and (`isTaken` false) of every one
   * that expired. It may read the map and does not change it.
   */
  readonly onRecord?: (heard: HeardRecord, isTaken: boolean) => void;
}

interface Ghost {
  readonly sequence: number;
  readonly counter: number;
  readonly untilMs: number;
}

/**
 * Keeps records by (info-hash, owner, slot): the last writer wins, whoever is not heard of expires, and what
 * expired does not come back on the strength of an old copy.
 *
 * What it holds is a function of the records it was given and not of their order; {@linkcode compareRecords}
 * decides. Signatures are verified before: it believes what it gets.
 *
 * **Cost**: a merge is a few map operations; `expire` touches what may have expired.
 */
export class RecordMap {
  /** The chains of beats that keep the records alive. */
  readonly beats: BeatTable;
  /** What is compared with other nodes. */
  readonly digests: Digests = new Digests();
  readonly #options:
    & Required<Pick<RecordMapOptions, "recordsMax" | "recordsPerOwnerMax">>
    & RecordMapOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #byInfoHash = new Map<string, Set<Entry>>();
  readonly #byOwner = new Map<string, Set<Entry>>();
  /** Records of an owner up to this sequence were given up for newer ones. */
  readonly #floors = new Map<string, number>();
  /** Entries by the second in which they may expire. */
  readonly #due = new Map<number, Set<Entry>>();
  #dueFrom = Infinity;
  readonly #ghosts = new Map<string, Ghost>();

  /** Makes an empty map. */
  constructor(options: RecordMapOptions) {
    this.#options = {
      recordsMax: RECORDS_MAX,
      recordsPerOwnerMax: options.isTrusted === true ? Infinity : RECORDS_PER_OWNER_MAX,
      ...options,
    };
    this.beats = new BeatTable(options.hash);
  }

  /** Records in the map, those of owners that left included. */
  get size(): number {
    return this.#entries.size;
  }

  /** Whether no further record is taken, but from owners that are here. */
  get isFull(): boolean {
    return this.#entries.size >= this.#options.recordsMax;
  }

  /** What is under a key. */
  get(key: string): SignedRecord | null {
    return this.#entries.get(key)?.record ?? null;
  }

  /** The same, with what we know besides. */
  entry(key: string): Entry | null {
    return this.#entries.get(key) ?? null;
  }

  /** What would become of a record; to be asked before its signature is verified, which costs more. */
  judge(record: SignedRecord, beat: Beat | null, nowMs: number): Verdict {
    const key = keyOf(record);
    const present = this.#entries.get(key);
    if (present !== undefined) {
      const order = compareRecords(record, present.record);
      if (order < 0) return "old";
      if (order > 0) return "taken";
      const counter = present.chain?.counter ?? Infinity;
      return beat !== null && beat.counter > counter ? "taken" : "known";
    }
    // Whatever goes about in our name has to reach whoever answers it.
    if (record.owner === this.#options.ownKey) return "taken";
    const ghost = this.#ghosts.get(key);
    if (ghost !== undefined && ghost.untilMs > nowMs && record.sequence <= ghost.sequence) {
      const isAlive = record.sequence === ghost.sequence && (beat?.counter ?? 0) > ghost.counter;
      if (!isAlive) return "expired";
    }
    if (record.sequence <= (this.#floors.get(record.owner) ?? -1)) return "full";
    return this.isFull ? "full" : "taken";
  }

  /**
   * Takes a record whose signature is right.
   *
   * @param ageMs how long ago its owner was last heard of, as whoever gave it to us says
   * @param beat the last beat of its chain, known to be genuine
   */
  merge(record: SignedRecord, beat: Beat | null, ageMs: number, nowMs: number): Verdict {
    const heardMs = nowMs - ageMs;
    const verdict = heardMs + 1000 * record.ttlSeconds <= nowMs
      ? "expired"
      : this.judge(record, beat, nowMs);
    if (verdict !== "taken") return verdict;
    const key = keyOf(record);
    const present = this.#entries.get(key) ?? null;
    if (present === null || compareRecords(record, present.record) > 0) {
      this.#replace(key, present, record, heardMs, nowMs);
    }
    const entry = this.#entries.get(key)!;
    if (beat !== null && entry.chain !== null) {
      this.beats.advance(entry.chain, beat, heardMs);
    }
    this.#dropOldest(record.owner);
    return this.#entries.has(key) ? "taken" : "full";
  }

  /** Forgets what has expired, {@linkcode EXPIRE_MAX} at most; `nextExpiryMs` says whether there is more. */
  expire(nowMs: number): void {
    const nowSeconds = Math.floor(nowMs / 1000);
    let looked = 0;
    while (this.#dueFrom <= nowSeconds && this.#due.size > 0 && looked < EXPIRE_MAX) {
      for (const entry of this.#due.get(this.#dueFrom) ?? []) {
        if (looked++ === EXPIRE_MAX) break;
        if (expiryMsOf(entry) > nowMs) {
          removeFrom(this.#due, entry.dueSecond, entry);
          this.#schedule(entry);
        } else this.#expireEntry(keyOf(entry.record), entry, nowMs);
      }
      if (!this.#due.has(this.#dueFrom)) this.#dueFrom++;
    }
    if (this.#due.size === 0) this.#dueFrom = Infinity;
    for (const [key, { untilMs }] of this.#ghosts) {
      if (untilMs > nowMs) break;
      this.#ghosts.delete(key);
    }
  }

  /** When `expire` may find something; `Infinity` where nothing is kept. */
  get nextExpiryMs(): number {
    return 1000 * this.#dueFrom;
  }

  /** Who provides an info-hash, the most recently heard of first. */
  providers(infoHash: string, nowMs: number): Provider[] {
    const providers: Provider[] = [];
    for (const entry of this.#byInfoHash.get(infoHash) ?? []) {
      if (isProvider(entry, nowMs)) providers.push(providerOf(entry));
    }
    return providers.sort((one, other) => other.lastSeenMs - one.lastSeenMs);
  }

  /** The records about an info-hash, those of providers that left included. */
  entriesOf(infoHash: string): Iterable<Entry> {
    return this.#byInfoHash.get(infoHash) ?? [];
  }

  /**
   * What all owners say under one slot of an info-hash, those who say that it left included.
   *
   * **Cost**: linear in the owners that have any record.
   */
  recordsIn(infoHash: string, slot: string): HeardRecord[] {
    const records: HeardRecord[] = [];
    for (const owner of this.#byOwner.keys()) {
      const entry = this.#entries.get(infoHash + owner + slot);
      if (entry !== undefined) {
        records.push({ record: entry.record, heardMs: lastSeenMsOf(entry) });
      }
    }
    return records;
  }

  /** The info-hashes of which we know a record. */
  infoHashes(): Iterable<string> {
    return this.#byInfoHash.keys();
  }

  #replace(
    key: string,
    present: Entry | null,
    record: SignedRecord,
    heardMs: number,
    nowMs: number,
  ) {
    // The new chain is held before the old one is let go: it may be the same.
    const chain = this.beats.hold(record.anchor, record.owner, heardMs);
    if (present !== null) this.#remove(key, present);
    const entry: Entry = { record, heardMs, chain, dueSecond: 0 };
    this.#entries.set(key, entry);
    addTo(this.#byInfoHash, record.infoHash, entry);
    addTo(this.#byOwner, record.owner, entry);
    this.digests.add(entry);
    this.#schedule(entry);
    this.#ghosts.delete(key);
    const was = present !== null && isProvider(present, nowMs);
    if (record.left !== LEFT_GONE) this.#tell(was ? "changed" : "added", entry);
    else if (was) this.#tell("removed", present);
    this.#options.onRecord?.({ record, heardMs }, true);
  }

  #remove(key: string, entry: Entry): void {
    this.#entries.delete(key);
    removeFrom(this.#byInfoHash, entry.record.infoHash, entry);
    removeFrom(this.#byOwner, entry.record.owner, entry);
    removeFrom(this.#due, entry.dueSecond, entry);
    // There is room again for what was given up.
    this.#floors.delete(entry.record.owner);
    this.digests.remove(entry);
    if (entry.chain !== null) this.beats.release(entry.chain);
  }

  #expireEntry(key: string, entry: Entry, nowMs: number): void {
    const counter = entry.chain?.counter ?? Infinity;
    this.#remove(key, entry);
    this.#ghosts.set(key, { sequence: entry.record.sequence, counter, untilMs: nowMs + GHOST_MS });
    if (this.#ghosts.size > GHOSTS_MAX) this.#ghosts.delete(this.#ghosts.keys().next().value!);
    if (entry.record.left !== LEFT_GONE) this.#tell("removed", entry);
    const { record } = entry;
    this.#options.onRecord?.({ record, heardMs: lastSeenMsOf(entry) }, false);
  }

  /**
   * Keeps the newest of an owner that has too many. Which those are does not depend on the order in which
   * they came: nodes that kept different ones would offer them to each other for ever.
   */
  #dropOldest(owner: string): void {
    if (owner === this.#options.ownKey) return;
    const entries = this.#byOwner.get(owner);
    if (entries === undefined || entries.size <= this.#options.recordsPerOwnerMax) return;
    let oldest: Entry | null = null;
    for (const entry of entries) {
      if (oldest === null || compareRecords(entry.record, oldest.record) < 0) oldest = entry;
    }
    this.#remove(keyOf(oldest!.record), oldest!);
    this.#floors.set(owner, oldest!.record.sequence);
    if (oldest!.record.left !== LEFT_GONE) this.#tell("removed", oldest!);
  }

  #schedule(entry: Entry): void {
    entry.dueSecond = Math.ceil(expiryMsOf(entry) / 1000);
    addTo(this.#due, entry.dueSecond, entry);
    this.#dueFrom = Math.min(this.#dueFrom, entry.dueSecond);
  }

  #tell(kind: ProviderChange["kind"], entry: Entry): void {
    this.#options.onChange?.({ kind, provider: providerOf(entry) });
  }
}

function isProvider(entry: Entry, nowMs: number): boolean {
  return entry.record.left !== LEFT_GONE && expiryMsOf(entry) > nowMs;
}

function providerOf(entry: Entry): Provider {
  const { infoHash, address, peerId, left, owner } = entry.record;
  return { infoHash, address, peerId, left, owner, lastSeenMs: lastSeenMsOf(entry) };
}

function addTo<Key>(sets: Map<Key, Set<Entry>>, key: Key, entry: Entry): void {
  const set = sets.get(key);
  if (set === undefined) sets.set(key, new Set([entry]));
  else set.add(entry);
}

function removeFrom<Key>(sets: Map<Key, Set<Entry>>, key: Key, entry: Entry): void {
  const set = sets.get(key)!;
  set.delete(entry);
  if (set.size === 0) sets.delete(key);
}
