import {
  type BencodeDict,
  type BencodeValue,
  bytesOfKey,
  decode,
  type DecodeOptions,
  type Encodable,
  encode,
  keyOfBytes,
  sourceRange,
} from "@enjambre/bencode";
import { formatIp, isHost } from "./address.ts";
import {
  type AnnounceResult,
  HASH_BYTES,
  type ScrapeCounts,
  type ScrapeResult,
  type TrackerFailure,
  type TrackerPeer,
} from "./announce.ts";
import { TrackerResponseError } from "./errors.ts";

/** What counts as the interval when the tracker gives none, or one that makes no sense: half an hour. */
export const INTERVAL_SECONDS_DEFAULT = 1800;
/** The least interval that is obeyed; trackers under test ask for little. */
export const INTERVAL_SECONDS_MIN = 1;
/** The greatest interval that is obeyed: a day. By a longer one a swarm would forget us. */
export const INTERVAL_SECONDS_MAX = 86_400;
/** How many peers of one answer are read; more than a client ever dials between two announces. */
export const PEERS_MAX = 2000;
/** How much of a tracker's words is kept, in characters: a line or three of a terminal. */
export const MESSAGE_CHARACTERS_MAX = 300;
/** The longest `tracker id` that is kept and sent back: it has to fit into a URL. */
export const TRACKER_ID_BYTES_MAX = 256;

/** An answer has dictionaries three deep; 2^17 values are 30,000 peers that are not compact. */
const DECODING: DecodeOptions = { lenient: true, maxDepth: 16, maxValues: 2 ** 17 };

const COMPACT_IPV4_BYTES = 6;
const COMPACT_IPV6_BYTES = 18;

/**
 * Reads the body of an announce's answer: compact peers of both families, or a list with addresses or
 * host names; what the list holds that is no peer is skipped.
 *
 * **Ownership**: the result holds nothing of `body`.
 *
 * **Limits**: {@link PEERS_MAX}, {@link MESSAGE_CHARACTERS_MAX}, {@link TRACKER_ID_BYTES_MAX},
 * {@link INTERVAL_SECONDS_MIN} and {@link INTERVAL_SECONDS_MAX}.
 *
 * **Errors**: `BencodeSyntaxError` for what is not bencode, `TrackerResponseError` for what is no answer.
 *
 * **Source**: BEP 3, BEP 7, BEP 23, BEP 24, BEP 31. Decoding is lenient: trackers send unsorted keys.
 */
export function parseAnnounceResponse(body: Uint8Array): AnnounceResult {
  const answer = decodeDict(body);
  const failure = failureOf(answer);
  if (failure !== null) return failure;
  const peers: TrackerPeer[] = [];
  readPeers(body, answer, "peers", COMPACT_IPV4_BYTES, peers);
  readPeers(body, answer, "peers6", COMPACT_IPV6_BYTES, peers);
  const trackerId = answer.get("tracker id");
  const warning = answer.get("warning message");
  const external = answer.get("external ip");
  return {
    ok: true,
    intervalSeconds: intervalOf(answer.get("interval")) ?? INTERVAL_SECONDS_DEFAULT,
    minIntervalSeconds: intervalOf(answer.get("min interval")),
    seeders: countOf(answer.get("complete")),
    leechers: countOf(answer.get("incomplete")),
    peers,
    warning: warning instanceof Uint8Array ? textOf(warning) : null,
    trackerId: trackerId instanceof Uint8Array && trackerId.length <= TRACKER_ID_BYTES_MAX
      ? trackerId.slice()
      : null,
    ...(external instanceof Uint8Array && (external.length === 4 || external.length === 16)
      ? { externalIp: formatIp(external) }
      : {}),
  };
}

/**
 * Reads the body of a scrape's answer. What `files` holds under keys that are no info-hashes is skipped.
 *
 * **Errors**: as {@link parseAnnounceResponse}.
 *
 * **Source**: BEP 48.
 */
export function parseScrapeResponse(body: Uint8Array): ScrapeResult {
  const answer = decodeDict(body);
  const failure = failureOf(answer);
  if (failure !== null) return failure;
  const files = answer.get("files");
  if (!(files instanceof Map)) throw wrong(body, "files", files, "a dictionary");
  const counts: Map<string, ScrapeCounts> = new Map();
  for (const [key, file] of files) {
    if (key.length !== HASH_BYTES || !(file instanceof Map)) continue;
    counts.set(bytesOfKey(key).toHex(), {
      seeders: countOf(file.get("complete")),
      completed: countOf(file.get("downloaded")),
      leechers: countOf(file.get("incomplete")),
    });
  }
  return counts;
}

/**
 * Reads a refusal, if `body` is one: used for the body of an HTTP error. `null` for all else; never
 * throws.
 */
export function parseFailure(body: Uint8Array): TrackerFailure | null {
  try {
    return failureOf(decodeDict(body));
  } catch {
    return null;
  }
}

/** What a server puts into the answer to an announce. */
export interface AnnounceReply {
  /** When to announce again. */
  intervalSeconds: number;
  /** Not to announce more often. */
  minIntervalSeconds: number;
  /** Peers with all of it. */
  seeders: number;
  /** Peers without. */
  leechers: number;
  /** How many downloads were completed; left out when absent. */
  completed?: number;
  /** What the peer should know, in words; left out when absent or `null`. */
  warning?: string | null;
  /** The peers, in the one form or the other. */
  peers:
    | {
      /** 6 bytes each: IPv4 address and port (BEP 23). */
      compact4: Uint8Array;
      /** 18 bytes each: IPv6 address and port (BEP 7). */
      compact6: Uint8Array;
    }
    | readonly TrackerPeer[];
}

/** Writes the body of an announce's answer. `peers6` is left out of a compact one when it is empty. */
export function writeAnnounceResponse(reply: AnnounceReply): Uint8Array<ArrayBuffer> {
  const answer: { [key: string]: Encodable | undefined } = {
    complete: reply.seeders,
    downloaded: reply.completed,
    incomplete: reply.leechers,
    interval: reply.intervalSeconds,
    "min interval": reply.minIntervalSeconds,
  };
  const { peers } = reply;
  if ("compact4" in peers) {
    answer["peers"] = peers.compact4;
    if (peers.compact6.length > 0) answer["peers6"] = peers.compact6;
  } else {
    answer["peers"] = peers.map(({ host, port, peerId }) => (
      peerId === null ? { ip: host, port } : { ip: host, "peer id": peerId, port }
    ));
  }
  answer["warning message"] = reply.warning ?? undefined;
  return encode(answer);
}

/** Writes the body of a scrape's answer. */
export function writeScrapeResponse(
  entries: Iterable<
    readonly [infoHash: Uint8Array, counts: { [K in keyof ScrapeCounts]: number }]
  >,
): Uint8Array<ArrayBuffer> {
  const files: Map<string, Encodable> = new Map();
  for (const [infoHash, { seeders, completed, leechers }] of entries) {
    files.set(keyOfBytes(infoHash), {
      complete: seeders,
      downloaded: completed,
      incomplete: leechers,
    });
  }
  return encode({ files });
}

/** Writes the body of a refusal. */
export function writeFailure(reason: string): Uint8Array<ArrayBuffer> {
  return encode({ "failure reason": reason });
}

function decodeDict(body: Uint8Array): BencodeDict {
  const value = decode(body, DECODING);
  if (value instanceof Map) return value;
  const message = `Cannot read answer: it is ${kindOf(value)}, should be a dictionary`;
  throw new TrackerResponseError(message, 0);
}

function failureOf(answer: BencodeDict): TrackerFailure | null {
  const reason = answer.get("failure reason");
  if (reason === undefined) return null;
  const text = reason instanceof Uint8Array ? textOf(reason) : "";
  const failure: TrackerFailure = { ok: false, failureReason: text || "no reason given" };
  const retry = answer.get("retry in");
  if (retry instanceof Uint8Array && textOf(retry) === "never") failure.retryInSeconds = Infinity;
  // BEP 31 counts minutes.
  if (typeof retry === "number" && retry > 0) failure.retryInSeconds = retry * 60;
  return failure;
}

/** Reads one of the two lists of peers into `peers`; one that is absent holds none. */
function readPeers(
  body: Uint8Array,
  answer: BencodeDict,
  key: "peers" | "peers6",
  compactBytes: number,
  peers: TrackerPeer[],
): void {
  const list = answer.get(key);
  if (list === undefined) return;
  if (list instanceof Uint8Array) {
    if (list.length % compactBytes !== 0) {
      const found = `${list.length} bytes`;
      throw wrong(body, key, list, `a multiple of ${compactBytes} bytes long`, found);
    }
    for (let at = 0; at < list.length && peers.length < PEERS_MAX; at += compactBytes) {
      const portAt = at + compactBytes - 2;
      const port = list[portAt]! << 8 | list[portAt + 1]!;
      if (port === 0) continue;
      peers.push({ host: formatIp(list.subarray(at, portAt)), port, peerId: null });
    }
  } else if (Array.isArray(list)) {
    for (let i = 0; i < list.length && peers.length < PEERS_MAX; i++) {
      const peer = peerOf(list[i]!);
      if (peer !== null) peers.push(peer);
    }
  } else {
    throw wrong(body, key, list, "a byte string or a list");
  }
}

/** One entry of a list of peers; `null` for what cannot be dialled. */
function peerOf(entry: BencodeValue): TrackerPeer | null {
  if (!(entry instanceof Map)) return null;
  const ip = entry.get("ip");
  const port = entry.get("port");
  const peerId = entry.get("peer id");
  if (!(ip instanceof Uint8Array) || ip.length > 255) return null;
  if (typeof port !== "number" || port < 1 || port > 65535) return null;
  const host = keyOfBytes(ip).replace(/^\[(.*)\]$/, "$1");
  if (!isHost(host)) return null;
  const hasId = peerId instanceof Uint8Array && peerId.length === HASH_BYTES;
  return { host, port, peerId: hasId ? peerId.slice() : null };
}

/** Seconds within the bounds; `null` for what makes no sense. */
export function intervalOf(value: BencodeValue | undefined): number | null {
  if (typeof value !== "number" || value < INTERVAL_SECONDS_MIN) return null;
  return Math.min(value, INTERVAL_SECONDS_MAX);
}

function countOf(value: BencodeValue | undefined): number | null {
  return typeof value === "number" && value >= 0 ? value : null;
}

/** A tracker's words, safe to print on a terminal: one line, no escape sequences, bounded. */
export function textOf(bytes: Uint8Array): string {
  const text = new TextDecoder().decode(bytes.subarray(0, 4 * MESSAGE_CHARACTERS_MAX));
  const line = text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, " ").trim();
  return [...line].slice(0, MESSAGE_CHARACTERS_MAX).join("");
}

function wrong(
  body: Uint8Array,
  key: string,
  value: BencodeValue | undefined,
  expected: string,
  found: string = kindOf(value),
): TrackerResponseError {
  const offset = sourceRange(body, [key], DECODING)?.start ?? 0;
  const message = `Cannot read answer: "${key}" is ${found}, should be ${expected}`;
  return new TrackerResponseError(message, offset);
}

function kindOf(value: BencodeValue | undefined): string {
  if (value === undefined) return "missing";
  if (value instanceof Uint8Array) return "a byte string";
  if (Array.isArray(value)) return "a list";
  return value instanceof Map ? "a dictionary" : "an integer";
}
