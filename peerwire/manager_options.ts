/**
 * What a manager is made from, what it is told of a new connection, and what it asks of its driver.
 *
 * @module
 */

import type { Geometry } from "@enjambre/metainfo";
import type { Bitfield } from "./bitfield.ts";
import type { Connection } from "./connection.ts";
import type { PeerAddress } from "./peer_book.ts";
import type { TokenBucket } from "./rate.ts";
import type { SwarmStats } from "./stats.ts";

/** Why a connection ended. */
export type CloseReason =
  /** The peer hung up, or the line broke. */
  | "gone"
  /** The peer broke the protocol. */
  | "protocol"
  /** Nothing came for too long. */
  | "silent"
  /** Neither side has anything for the other. */
  | "useless"
  /** It sent data that fails its hash. */
  | "corrupt"
  /** We are ending. */
  | "ended";

/** What a manager asks of its driver. */
export interface ManagerSink {
  /** Take `connection.writer`'s output and send it; call {@linkcode Manager.handleWritten} when it is sent. */
  flush(connection: Connection): void;
  /** Close the socket of this connection; the manager has forgotten it. */
  closed(connection: Connection, reason: CloseReason, message: string): void;
  /** Connect to this peer; then {@linkcode Manager.attach} or {@linkcode Manager.handleDialFailed}. */
  dial(address: PeerAddress): void;
  /** Verify and store a piece; then {@linkcode Manager.handleStored}. `data` is borrowed until then. */
  storePiece(piece: number, data: Uint8Array): void;
  /** Read a verified range; then {@linkcode Manager.handleRead} with `key`. `target` is borrowed until then. */
  readSpan(key: number, piece: number, begin: number, target: Uint8Array<ArrayBuffer>): void;
  /** A piece is verified and stored. */
  pieceDone(piece: number): void;
}

/** What a {@linkcode Manager} is made from. */
export interface ManagerOptions {
  /** The arithmetic of the torrent. */
  readonly geometry: Geometry;
  /** The pieces that are on disk and verified; the manager adds to it. */
  readonly have: Bitfield;
  /** Our peer id, 20 bytes. */
  readonly peerId: Uint8Array;
  /** The port that others reach us on, told to peers (BEP 10). */
  readonly listenPort: number;
  /** Our name and version, told to peers (BEP 10). */
  readonly version: string;
  /** Uniform numbers in [0, 1). */
  readonly random: () => number;
  /** Whether to give what we have and fetch nothing, though something is missing. */
  readonly isUploadOnly?: boolean;
  /** Most connections at once. */
  readonly connectionsMax?: number;
  /** Bytes that pieces on their way to the disk may take. */
  readonly downloadMemoryBytes?: number;
  /** Bytes that spans read for upload may take. */
  readonly uploadMemoryBytes?: number;
  /** The limit of payload that is sent. */
  readonly uploadBucket?: TokenBucket;
  /** The limit of payload that is asked for. */
  readonly downloadBucket?: TokenBucket;
  /** Where what happens is counted: that of an earlier manager where this one goes on with its torrent. */
  readonly stats?: SwarmStats;
  /** Who does what is asked. */
  readonly sink: ManagerSink;
}

/** A connection whose handshakes are done. */
export interface Arrival {
  /** Where the peer is: for a dialled peer, what was dialled. */
  readonly address: PeerAddress;
  /** The IP address of its host, where `address` may have a name, under which others know it too. */
  readonly host?: string;
  /** What the peer said its id is, 20 bytes. */
  readonly peerId: Uint8Array;
  /** Whether the peer dialled us. */
  readonly isIncoming: boolean;
  /** Whether both sides agreed to BEP 6. */
  readonly isFast: boolean;
  /** Whether both sides agreed to BEP 10. */
  readonly isExtended: boolean;
}
