/**
 * Beats: how an owner says "I am alive, and what I said holds" in 21 bytes instead of a signature.
 *
 * The owner hashes a secret 1024 times and signs the last value, the anchor, as a part of each of its
 * records. A beat reveals the value before: whoever knows the anchor checks it with one hash, and nobody
 * else can make the next. A beat that was heard before says nothing, so replaying it keeps nothing alive.
 *
 * **Source**: Lamport, "Password Authentication with Insecure Communication" (1981).
 *
 * @module
 */

import { fromBase64, toBase64 } from "./base64.ts";

/** A cryptographic hash: SHA-256 in the driver, of which 16 bytes are used. */
export type Hash = (bytes: Uint8Array) => Uint8Array;

/** Values of a chain: at a beat every 30 s it lasts eight and a half hours; then everything is signed anew. */
export const CHAIN_LENGTH = 1024;
/** Bytes of a value: a preimage of 128 bits is out of reach. */
export const VALUE_BYTES = 16;
/** A beat on its way: three bytes of tag, two of counter, the value. */
export const BEAT_BYTES = 21;
/** A chain in a summary: its tag, and the low byte of its counter. */
export const SUMMARY_BYTES = 4;
/**
 * Chains of one owner that are kept alive: the one in use, and the one before while it is replaced. An owner
 * that makes one for each record would have everybody carry as many beats.
 */
export const CHAINS_PER_OWNER_MAX = 2;
/** Beats that may have been missed before one that comes: more than a record without them lives. */
const MISSED_BEATS_MAX = 16;
/** Chains that may share a tag: chance makes two among 5,000; more is somebody's work. */
const CHAINS_PER_TAG_MAX = 32;

/** One revealed value of a chain. */
export interface Beat {
  /** Which one: how many had been revealed before, and this one. */
  readonly counter: number;
  /** 16 bytes. */
  readonly value: Uint8Array;
}

/** One owner's chain, as far as it has been revealed. */
export interface Chain {
  readonly anchor: string;
  readonly owner: string;
  /** The first three bytes of the anchor: what summaries and beats call it. */
  readonly tag: number;
  /** How many values have been revealed. */
  counter: number;
  /** The value revealed last; the anchor itself at first. */
  value: Uint8Array;
  /** When a beat that was new here came, by our clock. */
  heardMs: number;
  /** Records that it keeps alive. */
  records: number;
}

/** Makes one owner's beats. */
export class BeatMaker {
  /** What the owner signs. */
  readonly anchor: string;
  /** One after the other, the anchor first: what the beat of each counter reveals. */
  readonly #values = new Uint8Array((CHAIN_LENGTH + 1) * VALUE_BYTES);

  /** @param secret 16 random bytes that nobody else knows */
  constructor(secret: Uint8Array, hash: Hash) {
    let value: Uint8Array = secret.slice(0, VALUE_BYTES);
    for (let counter = CHAIN_LENGTH; counter >= 0; counter--) {
      this.#values.set(value, counter * VALUE_BYTES);
      value = step(hash, value);
    }
    this.anchor = toBase64(this.#values.subarray(0, VALUE_BYTES));
  }

  /** What the beat of this counter reveals; `null` beyond the chain's end. */
  valueAt(counter: number): Uint8Array | null {
    if (counter > CHAIN_LENGTH) return null;
    return this.#values.slice(counter * VALUE_BYTES, (counter + 1) * VALUE_BYTES);
  }
}

/** The chains of all whose records we hold. */
export class BeatTable {
  readonly #hash: Hash;
  readonly #byTag = new Map<number, Chain[]>();
  readonly #chainsOfOwner = new Map<string, number>();
  #size = 0;

  /** Makes an empty table. */
  constructor(hash: Hash) {
    this.#hash = hash;
  }

  /** How many chains there are. */
  get size(): number {
    return this.#size;
  }

  /** An owner's chain with this anchor. Whoever copies another's anchor has a chain of its own by that name. */
  find(anchor: string, owner: string): Chain | null {
    const sameTag = this.#byTag.get(tagOf(anchor));
    return sameTag?.find((chain) => chain.anchor === anchor && chain.owner === owner) ?? null;
  }

  /**
   * Keeps a chain for one more record.
   *
   * @returns `null` where the record has no anchor, or its owner has too many chains
   */
  hold(anchor: string, owner: string, nowMs: number): Chain | null {
    if (anchor === "") return null;
    const known = this.find(anchor, owner);
    if (known !== null) {
      known.records++;
      return known;
    }
    const count = this.#chainsOfOwner.get(owner) ?? 0;
    const tag = tagOf(anchor);
    const sameTag = this.#byTag.get(tag) ?? [];
    if (count >= CHAINS_PER_OWNER_MAX || sameTag.length >= CHAINS_PER_TAG_MAX) return null;
    const value = fromBase64(anchor)!;
    const chain: Chain = { anchor, owner, tag, counter: 0, value, heardMs: nowMs, records: 1 };
    if (sameTag.push(chain) === 1) this.#byTag.set(tag, sameTag);
    this.#chainsOfOwner.set(owner, count + 1);
    this.#size++;
    return chain;
  }

  /** Gives up what `hold` kept. */
  release(chain: Chain): void {
    if (--chain.records > 0) return;
    const sameTag = this.#byTag.get(chain.tag)!;
    sameTag.splice(sameTag.indexOf(chain), 1);
    if (sameTag.length === 0) this.#byTag.delete(chain.tag);
    const count = this.#chainsOfOwner.get(chain.owner)! - 1;
    if (count === 0) this.#chainsOfOwner.delete(chain.owner);
    else this.#chainsOfOwner.set(chain.owner, count);
    this.#size--;
  }

  /** Takes a beat that is known to be right: our own, or one that {@linkcode isGenuine} has judged. */
  advance(chain: Chain, { counter, value }: Beat, heardMs: number): void {
    if (counter <= chain.counter) return;
    chain.counter = counter;
    chain.value = value;
    chain.heardMs = Math.max(chain.heardMs, heardMs);
  }

  /**
   * Whether a beat is what the owner's chain reveals at that counter.
   *
   * **Cost**: a hash per step that is not known yet, {@linkcode CHAIN_LENGTH} at most.
   */
  isGenuine(anchor: string, owner: string, beat: Beat): boolean {
    if (beat.counter > CHAIN_LENGTH) return false;
    const known = this.find(anchor, owner);
    return known !== null && beat.counter >= known.counter
      ? this.#leadsTo(known.value, beat.counter - known.counter, beat.value)
      : this.#leadsTo(fromBase64(anchor)!, beat.counter, beat.value);
  }

  #leadsTo(end: Uint8Array, steps: number, value: Uint8Array): boolean {
    for (; steps > 0; steps--) value = step(this.#hash, value);
    return isSame(value, end);
  }

  /**
   * Takes the beats of a message.
   *
   * **Cost**: {@linkcode MISSED_BEATS_MAX} hashes at most for each, and an end after `wrongMax` wrong ones.
   *
   * @returns how many were news, and how many fit no chain with their tag. That is no proof of a forgery:
   * two chains may share a tag, and we may hold the other one
   */
  take(packed: Uint8Array, wrongMax: number, nowMs: number): { news: number; wrong: number } {
    const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength);
    let [news, wrong] = [0, 0];
    for (let at = 0; at + BEAT_BYTES <= packed.length && wrong < wrongMax; at += BEAT_BYTES) {
      const chains = this.#byTag.get(view.getUint32(at) >>> 8);
      // A chain whose records went in the meantime: nothing to keep alive.
      if (chains === undefined) continue;
      const counter = view.getUint16(at + 3);
      const older = chains.filter((chain) =>
        counter > chain.counter && counter <= chain.counter + MISSED_BEATS_MAX
      );
      const value = packed.slice(at + 5, at + BEAT_BYTES);
      const right = older.filter((chain) =>
        this.#leadsTo(chain.value, counter - chain.counter, value)
      );
      for (const chain of right) this.advance(chain, { counter, value }, nowMs);
      if (right.length > 0) news++;
      else if (older.length > 0) wrong++;
    }
    return { news, wrong };
  }

  /**
   * Tells in four bytes each which beats we have: the tag, and the low byte of the counter.
   *
   * @param part which of `parts` to tell of, by the tag: more than a message holds is told in turns
   */
  summary(part: number, parts: number): Uint8Array {
    const words: number[] = [];
    for (const [tag, chains] of this.#byTag) {
      if (tag % parts !== part) continue;
      for (const { counter } of chains) words.push((tag * 256 + (counter & 255)) >>> 0);
    }
    const packed = new Uint8Array(SUMMARY_BYTES * words.length);
    const view = new DataView(packed.buffer);
    words.forEach((word, at) => view.setUint32(SUMMARY_BYTES * at, word));
    return packed;
  }

  /**
   * Compares somebody's summary with what we know.
   *
   * @returns the chains of which it has an older beat, the most recently heard first, and the tags of which
   * it has a newer one
   */
  compare(summary: Uint8Array): { newer: Chain[]; older: number[] } {
    const view = new DataView(summary.buffer, summary.byteOffset, summary.byteLength);
    const newer: Chain[] = [];
    const older: number[] = [];
    for (let at = 0; at + SUMMARY_BYTES <= summary.length; at += SUMMARY_BYTES) {
      const word = view.getUint32(at);
      for (const chain of this.#byTag.get(word >>> 8) ?? []) {
        const ahead = ((chain.counter - word) & 255) << 24 >> 24;
        if (ahead > 0) newer.push(chain);
        else if (ahead < 0) older.push(chain.tag);
      }
    }
    newer.sort((one, other) => other.heardMs - one.heardMs);
    return { newer, older };
  }

  /** The chains with these tags. */
  withTags(tags: Iterable<number>): Chain[] {
    return [...new Set(tags)].flatMap((tag) => this.#byTag.get(tag) ?? []);
  }
}

/** Packs the latest beats of chains for a message. */
export function packBeats(chains: readonly Chain[]): Uint8Array {
  const packed = new Uint8Array(BEAT_BYTES * chains.length);
  const view = new DataView(packed.buffer);
  chains.forEach(({ tag, counter, value }, index) => {
    const at = BEAT_BYTES * index;
    view.setUint32(at, tag * 256);
    view.setUint16(at + 3, counter);
    packed.set(value, at + 5);
  });
  return packed;
}

function tagOf(anchor: string): number {
  const bytes = fromBase64(anchor.slice(0, 4));
  return bytes === null ? -1 : (bytes[0]! << 16) | (bytes[1]! << 8) | bytes[2]!;
}

function step(hash: Hash, value: Uint8Array): Uint8Array {
  return hash(value).slice(0, VALUE_BYTES);
}

function isSame(one: Uint8Array, other: Uint8Array): boolean {
  for (let at = 0; at < VALUE_BYTES; at++) if (one[at] !== other[at]) return false;
  return one.length === VALUE_BYTES;
}
