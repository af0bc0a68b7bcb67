import type { SwarmAnnounce } from "./swarm_store.ts";

/** What trackers tell one another of an announce: all of it but the wish for peers. */
export type ReplicatedAnnounce = Pick<
  SwarmAnnounce,
  "infoHash" | "peerId" | "address" | "port" | "key" | "hostname" | "seed" | "event"
>;

/** How a {@link SwarmReplica} is. */
export interface ReplicaStatus {
  /** How many other trackers answer. */
  readonly members: number;
  /**
   * How late the announces of others came, in seconds: the latest of the last minute; with nobody there, how long
   * ago somebody was.
   */
  readonly lagSeconds: number;
  /** How many announces, of all the trackers, are kept to be told to those who lack them. */
  readonly records: number;
  /** How many announces of others there was no room for. */
  readonly refused: number;
  /** What was sent to others. */
  readonly bytesSent: number;
  /** What came from them. */
  readonly bytesReceived: number;
}

/**
 * What makes a tracker one of several that know the same swarms, whoever was announced to.
 *
 * A tracker tells it of every announce that was accepted here, and takes from it what others accepted. How it
 * gets there is not the tracker's business.
 */
export interface SwarmReplica {
  /** How it is. */
  readonly status: ReplicaStatus;
  /**
   * Is told once, before anything else, what takes the announces that others accepted; their arrays are only read.
   * A peer that others no longer hear of is `stopped`.
   */
  attach(take: (announce: ReplicatedAnnounce) => void): void;
  /** Takes an announce that was accepted here; it is borrowed until this returns. */
  handleAnnounce(announce: ReplicatedAnnounce): void;
}
