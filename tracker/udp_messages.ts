import type { TrackerEvent, TrackerPeer } from "./announce.ts";

/** A packet that is none of the protocol's. Errors are values here: a stranger's packet is nobody's mistake. */
export interface UdpInvalid {
  /** Tells it from a packet that can be read. */
  readonly action: "invalid";
  /** What was found and what should be there, as the end of a sentence. */
  readonly reason: string;
  /** Whom an answer would be for; `null` where the packet is too short to say. */
  readonly transactionId: number | null;
  /** First half of the connection id that it was sent under; 0 where the packet is too short to say. */
  readonly connectionHigh: number;
  /** Second half of the connection id. */
  readonly connectionLow: number;
}

/** Asks for a connection id. */
export interface UdpConnectRequest {
  /** What kind of packet it is. */
  readonly action: "connect";
  /** 32 bits that the answer repeats. */
  readonly transactionId: number;
}

/** What an announce over UDP holds. */
export interface UdpAnnounceRequest {
  /** What kind of packet it is. */
  readonly action: "announce";
  /** First half of the connection id, 32 bits. */
  readonly connectionHigh: number;
  /** Second half of the connection id, 32 bits. */
  readonly connectionLow: number;
  /** 32 bits that the answer repeats. */
  readonly transactionId: number;
  /** 20 bytes; of a packet that was read, a view of it. */
  readonly infoHash: Uint8Array;
  /** 20 bytes; of a packet that was read, a view of it. */
  readonly peerId: Uint8Array;
  /** Bytes received; what exceeds 2^53 - 1 counts as that. */
  readonly downloaded: number;
  /** Bytes missing; what exceeds 2^53 - 1 counts as that. */
  readonly left: number;
  /** Bytes sent; what exceeds 2^53 - 1 counts as that. */
  readonly uploaded: number;
  /** Why it announces. */
  readonly event: TrackerEvent;
  /** The IPv4 address that the peer says it has, 32 bits; 0 for that of the sender. */
  readonly ip: number;
  /** 32 bits that let the tracker know the peer again under another address. */
  readonly key: number;
  /** How many peers it wants; `null` where the tracker is to choose (any negative number). */
  readonly numWant: number | null;
  /** 1 to 65535. */
  readonly port: number;
  /** Path and query of the tracker's URL, one UTF-16 unit for a byte (BEP 41); empty for none. */
  readonly urlData: string;
}

/** Asks for the counts of swarms. */
export interface UdpScrapeRequest {
  /** What kind of packet it is. */
  readonly action: "scrape";
  /** First half of the connection id, 32 bits. */
  readonly connectionHigh: number;
  /** Second half of the connection id, 32 bits. */
  readonly connectionLow: number;
  /** 32 bits that the answer repeats. */
  readonly transactionId: number;
  /** 1 to `UDP_SCRAPE_HASHES_MAX` of 20 bytes; of a packet that was read, views of it. */
  readonly infoHashes: readonly Uint8Array[];
}

/** What a peer sends to a tracker. */
export type UdpRequest = UdpConnectRequest | UdpAnnounceRequest | UdpScrapeRequest;

/** Hands out a connection id. */
export interface UdpConnectResponse {
  /** What kind of packet it is. */
  readonly action: "connect";
  /** That of the request. */
  readonly transactionId: number;
  /** First half of the connection id, 32 bits. */
  readonly connectionHigh: number;
  /** Second half of the connection id, 32 bits. */
  readonly connectionLow: number;
}

/** The answer to an announce. */
export interface UdpAnnounceResponse {
  /** What kind of packet it is. */
  readonly action: "announce";
  /** That of the request. */
  readonly transactionId: number;
  /** When to announce again, 32 bits, as the tracker has it. */
  readonly intervalSeconds: number;
  /** Peers without all of it. */
  readonly leechers: number;
  /** Peers with all of it. */
  readonly seeders: number;
  /** In the tracker's order; those without a port are left out. */
  readonly peers: TrackerPeer[];
}

/** What a tracker counts for one info-hash. */
export interface UdpScrapeCounts {
  /** Peers with all of it. */
  readonly seeders: number;
  /** How many downloads were completed, ever. */
  readonly completed: number;
  /** Peers without all of it. */
  readonly leechers: number;
}

/** The answer to a scrape. */
export interface UdpScrapeResponse {
  /** What kind of packet it is. */
  readonly action: "scrape";
  /** That of the request. */
  readonly transactionId: number;
  /** In the order of the request's info-hashes. */
  readonly counts: readonly UdpScrapeCounts[];
}

/** The tracker said no. */
export interface UdpErrorResponse {
  /** What kind of packet it is. */
  readonly action: "error";
  /** That of the request. */
  readonly transactionId: number;
  /** The tracker's words, as bytes: a view of the packet, 1 KiB at most. */
  readonly message: Uint8Array;
}

/** What a tracker sends to a peer. */
export type UdpResponse =
  | UdpConnectResponse
  | UdpAnnounceResponse
  | UdpScrapeResponse
  | UdpErrorResponse;
