/**
 * What a map keeps: a record, and what is known of it besides.
 *
 * @module
 */

import type { Beat, Chain } from "./beats.ts";
import type { SignedRecord } from "./record.ts";

/** One record and what we know of it besides. */
export interface Entry {
  readonly record: SignedRecord;
  /** When it was last heard of without its chain, by our clock. */
  heardMs: number;
  /** What keeps it alive; `null` where it lives once. */
  readonly chain: Chain | null;
  /** The second in which it is looked at whether it expired. */
  dueSecond: number;
}

/** When a record's owner was last heard of, by our clock. */
export function lastSeenMsOf(entry: Entry): number {
  return Math.max(entry.heardMs, entry.chain?.heardMs ?? -Infinity);
}

/** When a record expires, unless its owner is heard of again. */
export function expiryMsOf(entry: Entry): number {
  return lastSeenMsOf(entry) + 1000 * entry.record.ttlSeconds;
}

/** The last beat of a record's chain, to go with it to others. */
export function beatOf({ chain }: Entry): Beat | null {
  return chain === null ? null : { counter: chain.counter, value: chain.value };
}
