/**
 * What a swarm looks like at one moment, for people and programs.
 *
 * @module
 */

import type { Bitfield } from "./bitfield.ts";
import type { Connection } from "./connection.ts";
import { clientName } from "./peer_id.ts";
import type { Picker } from "./picker.ts";
import type { RecoveryTimes, SwarmStats, WastedBytes } from "./stats.ts";

/** One peer at one moment. */
export interface PeerStatistics {
  /** Where it is, `host:port`. */
  readonly address: string;
  /** The program that it says it is; printable. */
  readonly client: string;
  /** Whether it dialled us. */
  readonly isIncoming: boolean;
  /** Whether it has every piece. */
  readonly isSeed: boolean;
  /** Pieces that it has. */
  readonly havePieces: number;
  /** Payload that came from it, useful or not. */
  readonly downloadedBytes: number;
  /** Payload that it was sent. */
  readonly uploadedBytes: number;
  /** What else came from it: messages, headers. */
  readonly downloadedOverheadBytes: number;
  /** What else it was sent. */
  readonly uploadedOverheadBytes: number;
  /** Payload coming in, over the last 20 seconds. */
  readonly downBytesPerSecond: number;
  /** Payload going out, over the last 20 seconds. */
  readonly upBytesPerSecond: number;
  /** Requests that it is expected to answer. */
  readonly requestedBlocks: number;
  /** Whether it lets us ask. */
  readonly isChoking: boolean;
  /** Whether we let it ask. */
  readonly amChoking: boolean;
  /** Whether it owes us blocks and sends none. */
  readonly isSnubbed: boolean;
}

/** One torrent's swarm at one moment, and each of its peers. */
export interface SwarmStatistics extends SwarmSummary {
  /** The live connections. */
  readonly peers: readonly PeerStatistics[];
}

/** One torrent's swarm at one moment. */
export interface SwarmSummary {
  /** How many of them have every piece. */
  readonly seeds: number;
  /** Payload that came, useful or not. */
  readonly downloadedBytes: number;
  /** Payload that was sent. */
  readonly uploadedBytes: number;
  /** What else came. */
  readonly downloadedOverheadBytes: number;
  /** What else was sent. */
  readonly uploadedOverheadBytes: number;
  /** The part of the payload sent that was in memory already, from a read for somebody else; null while none was sent. */
  readonly readHitRate: number | null;
  /** Payload sent for each byte that came; null while none came. */
  readonly shareRatio: number | null;
  /**
   * How often the torrent is there, ours included: the whole part is how many copies of the rarest piece there are, the
   * fraction is the part of the pieces of which there are more.
   */
  readonly availability: number;
  /** Payload that came for nothing, by cause. */
  readonly wasted: Readonly<WastedBytes>;
  /** Connections that sent at least one block. */
  readonly sources: number;
  /** Peers that left, choked us or stalled while they were asked for blocks. */
  readonly disconnectsWithBlocks: number;
  /** Blocks that were asked of somebody else because of it. */
  readonly requeuedBlocks: number;
  /** How long those blocks waited. */
  readonly recovery: RecoveryTimes;
  /** Time from 99 % of the pieces to all of them; null until then. */
  readonly lastPercentMs: number | null;
}

/** Describes each peer of a swarm. */
export function describePeers(
  connections: Iterable<Connection>,
  nowMs: number,
): PeerStatistics[] {
  return Array.from(connections, (connection) => describePeer(connection, nowMs));
}

/** Describes a swarm as a whole: ten times a second, so nothing is made for a peer. */
export function describeSwarm(
  stats: SwarmStats,
  have: Bitfield,
  picker: Picker,
  connections: Iterable<Connection>,
): SwarmSummary {
  let { receivedBytes, sentBytes } = stats;
  let seeds = 0;
  for (const connection of connections) {
    receivedBytes += connection.receivedBytes;
    sentBytes += Math.max(connection.writer.takenBytes, connection.uploadedBytes);
    if (connection.has.isFull) seeds++;
  }
  const { downloadedBytes, uploadedBytes, readBytes } = stats;
  return {
    seeds,
    downloadedBytes,
    uploadedBytes,
    downloadedOverheadBytes: Math.max(0, receivedBytes - downloadedBytes),
    uploadedOverheadBytes: Math.max(0, sentBytes - uploadedBytes),
    readHitRate: uploadedBytes === 0 ? null : Math.max(0, 1 - readBytes / uploadedBytes),
    shareRatio: downloadedBytes === 0 ? null : uploadedBytes / downloadedBytes,
    availability: availabilityOf(have, picker),
    wasted: { ...stats.wasted },
    sources: stats.sources,
    disconnectsWithBlocks: stats.disconnectsWithBlocks,
    requeuedBlocks: stats.requeuedBlocks,
    recovery: stats.recovery,
    lastPercentMs: stats.lastPercentMs,
  };
}

function describePeer(connection: Connection, nowMs: number): PeerStatistics {
  const { downloadedBytes, uploadedBytes, receivedBytes, has } = connection;
  return {
    address: connection.address,
    client: clientName(connection.peerId),
    isIncoming: connection.isIncoming,
    isSeed: has.isFull,
    havePieces: has.count,
    downloadedBytes,
    uploadedBytes,
    downloadedOverheadBytes: receivedBytes - downloadedBytes,
    uploadedOverheadBytes: Math.max(0, connection.writer.takenBytes - uploadedBytes),
    downBytesPerSecond: connection.downRate.bytesPerSecond(nowMs),
    upBytesPerSecond: connection.upRate.bytesPerSecond(nowMs),
    requestedBlocks: connection.requests.live,
    isChoking: connection.isChoking,
    amChoking: connection.amChoking,
    isSnubbed: connection.isSnubbed,
  };
}

/** The copies of the rarest piece, and the part of the pieces of which there are more. */
function availabilityOf(have: Bitfield, picker: Picker): number {
  let rarest = Infinity;
  let pieces = 0;
  for (let piece = 0; piece < have.length; piece++) {
    const copies = picker.availabilityOf(piece) + Number(have.has(piece));
    if (copies < rarest) {
      rarest = copies;
      pieces = 0;
    }
    if (copies === rarest) pieces++;
  }
  return have.length === 0 ? 0 : rarest + (have.length - pieces) / have.length;
}
