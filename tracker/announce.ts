/** Why a peer announces itself; empty for the announces between the others. */
export type TrackerEvent = "" | "started" | "completed" | "stopped";

/**
 * What a peer tells a tracker.
 *
 * **Ownership**: the arrays are only read.
 *
 * **Errors**: whatever takes a request throws a `RangeError` for a field outside its range.
 *
 * **Source**: BEP 3, "trackers".
 */
export interface AnnounceRequest {
  /** 20 bytes: the v1 info-hash, or the first 20 of a v2 one. */
  infoHash: Uint8Array;
  /** 20 bytes. */
  peerId: Uint8Array;
  /** Where we listen, 1 to 65535. */
  port: number;
  /** Bytes of payload sent since `started`. */
  uploaded: number;
  /** Bytes of payload received and verified since `started`. */
  downloaded: number;
  /** Bytes still missing; 0 for a seed. */
  left: number;
  /** Why now. */
  event: TrackerEvent;
  /** How many peers we would like. */
  numWant: number;
  /** 32 bits that let the tracker know us again under another address. */
  key?: number;
  /** The name under which others reach us, where that is not the address that the tracker sees. */
  hostname?: string;
  /** What the tracker gave us as its `tracker id` before. */
  trackerId?: Uint8Array;
}

/** A peer, as a tracker names it. */
export interface TrackerPeer {
  /** An IPv4 or IPv6 address (no brackets), or a host name. */
  readonly host: string;
  /** 1 to 65535. */
  readonly port: number;
  /** 20 bytes; `null` when the tracker leaves it out, as compact answers do. */
  readonly peerId: Uint8Array | null;
}

/** The tracker's refusal: a return value, because the exchange itself went well. */
export interface TrackerFailure {
  /** Tells it from an answer. */
  ok: false;
  /** The tracker's words, on one line, without control characters. */
  failureReason: string;
  /** When it may be asked again, `Infinity` for never (BEP 31); absent when it does not say. */
  retryInSeconds?: number;
}

/** The tracker's answer to an announce. */
export interface AnnounceAnswer {
  /** Tells it from a refusal. */
  ok: true;
  /** When to announce again; within the bounds of `INTERVAL_SECONDS_MIN` and `INTERVAL_SECONDS_MAX`. */
  intervalSeconds: number;
  /** Not to announce more often than this; `null` when the tracker does not say. */
  minIntervalSeconds: number | null;
  /** Peers with all of it; `null` when the tracker does not say. */
  seeders: number | null;
  /** Peers without; `null` when the tracker does not say. */
  leechers: number | null;
  /** At most `PEERS_MAX`, in the tracker's order; we may be among them. */
  peers: TrackerPeer[];
  /** The tracker's words, on one line, without control characters. */
  warning: string | null;
  /** To be sent along with the next announce to this tracker. */
  trackerId: Uint8Array | null;
  /** Our address as the tracker sees it (BEP 24); absent when it does not say. */
  externalIp?: string;
}

/** What comes of an announce. */
export type AnnounceResult = AnnounceAnswer | TrackerFailure;

/** What a tracker knows of one swarm; `null` where it does not say. */
export interface ScrapeCounts {
  /** Peers with all of it. */
  seeders: number | null;
  /** How many downloads were completed, ever. */
  completed: number | null;
  /** Peers without all of it. */
  leechers: number | null;
}

/** What comes of a scrape: the counts by info-hash in lower-case hex, of those that the tracker knows. */
export type ScrapeResult = Map<string, ScrapeCounts> | TrackerFailure;

/** How long an info-hash (on the wire) and a peer id are. */
export const HASH_BYTES = 20;
