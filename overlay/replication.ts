/**
 * Which nodes hold an info-hash's records where not all hold all.
 *
 * @module
 */

import type { Membership } from "./membership.ts";
import type { Replication } from "./options.ts";

/** Below so many nodes every node holds every record, unless told otherwise. */
export const ALL_BELOW = 64;
/** How many nodes hold an info-hash's records beyond that, unless told otherwise. */
export const REPLICAS = 8;

/**
 * The `count` nodes that rendezvous hashing gives an info-hash: each node's weight for it is a hash of both,
 * and the heaviest hold it. All who know the same members name the same nodes, and a node that comes or goes
 * moves only what it holds.
 *
 * **Source**: Thaler, Ravishankar, "Using Name-Based Mappings to Increase Hit Rates" (1998).
 */
export function nearest(infoHash: string, addresses: Iterable<string>, count: number): string[] {
  const heaviest: { address: string; weight: number }[] = [];
  const start = mixed(0x811c9dc5, infoHash);
  for (const address of addresses) {
    const weight = finished(mixed(start, address));
    let at = heaviest.length;
    while (at > 0 && isHeavier(weight, address, heaviest[at - 1]!)) at--;
    if (at === count) continue;
    heaviest.splice(at, 0, { address, weight });
    if (heaviest.length > count) heaviest.pop();
  }
  return heaviest.map(({ address }) => address);
}

/** Equal weights are told apart by name, so that all nodes agree there too. */
function isHeavier(
  weight: number,
  address: string,
  other: { readonly address: string; readonly weight: number },
): boolean {
  return weight > other.weight || (weight === other.weight && address < other.address);
}

/** FNV-1a over a text, from where an earlier one ended. */
function mixed(hash: number, text: string): number {
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return hash;
}

/** 32 well-mixed bits, as MurmurHash3 ends. */
function finished(hash: number): number {
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** Says who holds what, by the members that a node knows now. */
export class Holders {
  readonly #ownAddress: string;
  readonly #membership: Membership;
  readonly #replication: Replication;

  /** Makes one for a node. */
  constructor(ownAddress: string, membership: Membership, replication: Replication = "auto") {
    this.#ownAddress = ownAddress;
    this.#membership = membership;
    this.#replication = replication;
  }

  /**
   * How many nodes hold an info-hash's records; `null` where all hold all. That is so by itself in a small
   * overlay, and in one of more nodes than we have room to know: there nodes would name different holders.
   */
  get replicas(): number | null {
    if (typeof this.#replication === "number") return this.#replication;
    const isSmall = this.#membership.size + 1 < ALL_BELOW;
    const isAll = this.#replication === "all" || isSmall || this.#membership.isFull;
    return isAll ? null : REPLICAS;
  }

  /** Whether all members are to be known: holders are found among them, now or once there are more of them. */
  get isAllToBeKnown(): boolean {
    return this.#replication !== "all";
  }

  /** The nodes that an info-hash is nearest to; we are not told of ourselves, though we may be one of them. */
  othersOf(infoHash: string, count: number): string[] {
    const addresses = [this.#ownAddress];
    for (const { address, state } of this.#membership.all()) {
      if (state !== "suspect") addresses.push(address);
    }
    return nearest(infoHash, addresses, count).filter((address) => address !== this.#ownAddress);
  }
}
