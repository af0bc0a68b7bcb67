/**
 * What a node is made from.
 *
 * @module
 */

import type { Hash } from "./beats.ts";
import type { Verify } from "./intake.ts";
import type { Signer } from "./own_records.ts";
import type { HeardRecord, ProviderChange } from "./record_map.ts";

/** How far records spread: to all nodes, to so many, or to all while there are fewer than 64. */
export type Replication = "all" | "auto" | number;

/** What a {@linkcode Node} is made from. */
export interface NodeOptions {
  /** Where others reach this node: `host:port`. */
  readonly address: string;
  /** Where to begin: `host:port` each. */
  readonly bootstrap: readonly string[];
  /** Signs our records. */
  readonly signer: Signer;
  /** Checks others'. */
  readonly verify: Verify;
  /** SHA-256. */
  readonly hash: Hash;
  /** 16 random bytes that nobody else knows, others each time. */
  readonly makeSecret: () => Uint8Array;
  /** Numbers from 0 up to 1. */
  readonly random: () => number;
  /** Default: `auto`. */
  readonly replication?: Replication;
  /** See {@linkcode MEMBERS_MAX}; where `replication` is a number, {@linkcode MEMBERS_MAX_REPLICATED}. */
  readonly membersMax?: number;
  /** See {@linkcode RECORDS_MAX}. */
  readonly recordsMax?: number;
  /** See {@linkcode RECORDS_PER_OWNER_MAX}. */
  readonly recordsPerOwnerMax?: number;
  /**
   * Whether the members do not flood each other, as trackers that share a secret: then nobody's pace is
   * limited, and an owner may speak for as many as there is room for. Default: false.
   */
  readonly isTrusted?: boolean;
  /** Is told of every provider that comes, changes or goes; it does not call back into the node. */
  readonly onChange?: (change: ProviderChange) => void;
  /**
   * Is told of every record that is taken, also of providers that left, and of every one that expired; it may
   * read the map.
   */
  readonly onRecord?: (heard: HeardRecord, isTaken: boolean) => void;
}
