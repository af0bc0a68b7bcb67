/**
 * What a torrent of a session is made from, and what it looks like.
 *
 * @module
 */

import type { OverlayNode } from "@enjambre/overlay";
import type { PartialPiece, PeerAddress, SwarmStatistics, TokenBucket } from "@enjambre/peerwire";
import type { Damage, Totals } from "@enjambre/storage";
import type { TrackerStatus } from "@enjambre/tracker";
import type { AnnounceChoices } from "./announce_driver_deno.ts";
import type { OverlayView } from "./overlay_driver_deno.ts";
import type { Pause } from "./store_keeper_deno.ts";

/** What one torrent looks like at one moment. */
export interface TorrentSnapshot extends Omit<SwarmStatistics, "peers"> {
  /** Pieces of the torrent. */
  readonly pieceCount: number;
  /** Pieces that are verified and stored. */
  readonly havePieces: number;
  /** Bytes of the pieces that are wanted, padding included. */
  readonly totalBytes: number;
  /** Bytes of those that are verified and stored. */
  readonly haveBytes: number;
  /** Payload coming in, over the last seconds. */
  readonly downBytesPerSecond: number;
  /** Payload going out, over the last seconds. */
  readonly upBytesPerSecond: number;
  /** Live connections. */
  readonly peers: number;
  /** Time left at the rate of the last half minute; null where that cannot be said. */
  readonly secondsLeft: number | null;
  /** Why nothing can be stored now, or the files cannot be reached; null while all is well. */
  readonly pause: Pause | null;
  /** Whether files that changed behind our back are being checked. */
  readonly isChecking: boolean;
  /** What is known of each tracker, in the order in which they are asked. */
  readonly trackers: readonly TrackerStatus[];
  /** What is known of the overlay; null where the torrent is not in one. */
  readonly overlay: OverlayView | null;
}

/** How to take part in one torrent's swarm. */
export interface TorrentOptions {
  /** Announce URLs by tier (BEP 12). */
  readonly trackers: readonly (readonly string[])[];
  /** How they are chosen; left out: one at a time, and nothing of them is kept. */
  readonly announces?: AnnounceChoices;
  /** Peers that are known from elsewhere. */
  readonly peers: readonly PeerAddress[];
  /** Whether to give what is there and fetch nothing, though something is missing. */
  readonly isUploadOnly?: boolean;
  /** How much each file is wanted, by `PRIORITY`; left out: all alike. */
  readonly filePriorities?: Uint8Array;
  /** Payload that this torrent may send, bytes per second, within the session's limit. */
  readonly uploadLimit?: number;
  /** Payload that this torrent may fetch, bytes per second, within the session's limit. */
  readonly downloadLimit?: number;
  /** Bytes that pieces on their way to the disk may take. */
  readonly memoryBytes?: number;
  /** Pieces of which earlier runs fetched some blocks. */
  readonly begun?: readonly PartialPiece[];
  /** What was counted in earlier runs; left out: nothing. */
  readonly totals?: Totals;
  /** Receives what was counted in all runs, now and then and at the end. */
  readonly keepTotals?: (totals: Totals) => void;
  /** Receives what happened to the files behind our back; they are checked, and what is missing is fetched again. */
  readonly handleDamage?: (damages: readonly Damage[]) => void;
}

/** What an `ActiveTorrent` needs of its session. */
export interface TorrentContext {
  /** Our peer id, 20 bytes. */
  readonly peerId: Uint8Array;
  /** 32 bits by which trackers know us again under another address. */
  readonly key: number;
  /** The port that others reach us on. */
  readonly port: number;
  /** The name under which others reach us, where that is not the address that trackers see. */
  readonly hostname?: string;
  /** Most connections of one torrent at once. */
  readonly connectionsMax?: number;
  /** The limit of payload that the session sends. */
  readonly uploadBucket?: TokenBucket;
  /** The limit of payload that the session asks for. */
  readonly downloadBucket?: TokenBucket;
  /** The session's node of the overlay, where it has one. */
  readonly overlay?: OverlayNode;
  /** The session's monotonic clock. */
  readonly nowMs: () => number;
  /** Asks the session to call `ActiveTorrent.handleDeadline` at this time at the latest. */
  readonly arm: (deadlineMs: number) => void;
}
