/**
 * Lookups: who provides this, when what we know is not enough.
 *
 * @module
 */

import type { Provider } from "./record_map.ts";

/** How long others may take to answer. */
export const LOOKUP_MS = 2000;
/** How many others are asked. */
export const LOOKUP_ASKED = 3;
/** Lookups under way at a time; a further one is answered with what is known here. */
const LOOKUPS_MAX = 1000;

interface Lookup {
  readonly infoHash: string;
  readonly asked: Set<string>;
  readonly untilMs: number;
  readonly done: (nowMs: number) => void;
}

/** The lookups under way. */
export class Lookups {
  readonly #lookups = new Map<number, Lookup>();
  #nextId = 1;

  /** When the next one ends; `Infinity` where none is under way. */
  get nextDeadlineMs(): number {
    // They all take equally long: the first that began ends first.
    return this.#lookups.values().next().value?.untilMs ?? Infinity;
  }

  /** Begins one. @returns its id; `null` where nobody is asked or too many are under way: it is done then */
  begin(
    infoHash: string,
    asked: readonly string[],
    done: (nowMs: number) => void,
    nowMs: number,
  ): number | null {
    if (asked.length === 0 || this.#lookups.size >= LOOKUPS_MAX) {
      done(nowMs);
      return null;
    }
    const id = this.#nextId++;
    this.#lookups.set(id, { infoHash, asked: new Set(asked), untilMs: nowMs + LOOKUP_MS, done });
    return id;
  }

  /** Whether this is an answer to a question of ours; each may be answered once. @returns what was asked for */
  answered(id: number, from: string): string | null {
    const lookup = this.#lookups.get(id);
    return lookup !== undefined && lookup.asked.delete(from) ? lookup.infoHash : null;
  }

  /** Ends one whose answers are all there. */
  settle(id: number, nowMs: number): void {
    const lookup = this.#lookups.get(id);
    if (lookup === undefined || lookup.asked.size > 0) return;
    this.#lookups.delete(id);
    lookup.done(nowMs);
  }

  /** Ends those whose time is over. */
  handleTime(nowMs: number): void {
    for (const [id, lookup] of this.#lookups) {
      if (lookup.untilMs > nowMs) break;
      this.#lookups.delete(id);
      lookup.done(nowMs);
    }
  }

  /** Goes on without one who cannot be reached. */
  handleUnreachable(address: string, nowMs: number): void {
    for (const [id, lookup] of this.#lookups) {
      if (lookup.asked.delete(address)) this.settle(id, nowMs);
    }
  }
}

/** What a lookup finds: one entry per address, the most recently heard of first. */
export function merged(providers: readonly Provider[], wanted: number): Provider[] {
  const byAddress = new Map<string, Provider>();
  for (const provider of providers) {
    const known = byAddress.get(provider.address);
    if (known === undefined || isBetter(provider, known)) byAddress.set(provider.address, provider);
  }
  return [...byAddress.values()]
    .sort((one, other) => other.lastSeenMs - one.lastSeenMs)
    .slice(0, wanted);
}

/** Whether the one is to be believed rather than the other: a signed word before an unsigned one, then the fresher. */
function isBetter(one: Provider, other: Provider): boolean {
  if ((one.owner === null) !== (other.owner === null)) return one.owner !== null;
  return one.lastSeenMs > other.lastSeenMs;
}
