/**
 * What two nodes compare to learn whether they hold the same records: a digest per bucket of info-hashes, kept
 * with every change, and one over all.
 *
 * A signature is as random as a hash of what it signs, so its first digits serve as the record's digest; a
 * bucket's is the XOR of its records'.
 *
 * @module
 */

import { DIGEST_CHARACTERS, digestOf, digestText } from "./base64.ts";
import type { Entry } from "./entry.ts";
import type { SignedRecord } from "./record.ts";

/** Buckets; an info-hash belongs to that of its first byte. */
export const BUCKETS = 256;
/** Digits of a signature by which a record is named to another node: 48 bits. */
export const MARK_CHARACTERS = 8;

/** The digests of a map's records. */
export class Digests {
  /** Per bucket, and last over all: the XOR of the first digits of the signatures. */
  readonly #sums = new Int32Array(BUCKETS + 1);
  /** The XOR over all of the digits that follow: the root is what is compared most often. */
  #rootTail = 0;
  readonly #buckets: (Map<string, Entry> | null)[] = new Array(BUCKETS).fill(null);

  /** Counts a record in. */
  add(entry: Entry): void {
    const bucket = this.#toggle(entry);
    (this.#buckets[bucket] ??= new Map()).set(markOf(entry.record), entry);
  }

  /** Counts a record out. */
  remove(entry: Entry): void {
    this.#buckets[this.#toggle(entry)]!.delete(markOf(entry.record));
  }

  /** The digest over all: the same text on nodes that hold the same records. */
  get root(): string {
    return digestText(this.#sums[BUCKETS]!) + digestText(this.#rootTail);
  }

  /** The digests of all buckets: five characters each. */
  get bucketTexts(): string {
    let text = "";
    for (let bucket = 0; bucket < BUCKETS; bucket++) text += digestText(this.#sums[bucket]!);
    return text;
  }

  /** The buckets in which another node's {@linkcode bucketTexts} differ. */
  differing(texts: string): number[] {
    const buckets: number[] = [];
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      if (digestOf(texts, DIGEST_CHARACTERS * bucket) !== this.#sums[bucket]) buckets.push(bucket);
    }
    return buckets;
  }

  /** The records of a bucket, by their marks. */
  bucket(bucket: number): ReadonlyMap<string, Entry> {
    return this.#buckets[bucket] ?? NOTHING;
  }

  /** Whether a record of this mark is in one of these buckets. */
  has(mark: string, buckets: readonly number[]): boolean {
    return buckets.some((bucket) => this.#buckets[bucket]?.has(mark) === true);
  }

  #toggle(entry: Entry): number {
    const bucket = bucketOf(entry.record.infoHash);
    const digest = digestOf(entry.record.signature, 0);
    this.#sums[bucket]! ^= digest;
    this.#sums[BUCKETS]! ^= digest;
    this.#rootTail ^= digestOf(entry.record.signature, DIGEST_CHARACTERS);
    return bucket;
  }
}

const NOTHING: ReadonlyMap<string, Entry> = new Map();

/** The bucket of an info-hash. */
export function bucketOf(infoHash: string): number {
  return parseInt(infoHash.slice(0, 2), 16);
}

/** How a record is named to another node. */
export function markOf(record: SignedRecord): string {
  return record.signature.slice(0, MARK_CHARACTERS);
}
