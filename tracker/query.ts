import { type AnnounceRequest, HASH_BYTES, type TrackerEvent } from "./announce.ts";
import { isHost, parseIp } from "./address.ts";
import { QuerySyntaxError, TrackerError } from "./errors.ts";

/**
 * How long a query string may be that a tracker reads. A scrape of {@link SCRAPE_HASHES_MAX} info-hashes
 * takes 5,400; an announce with every parameter less than 1,000.
 */
export const QUERY_CHARACTERS_MAX = 8192;

/** How many info-hashes one scrape may name: as many as fit into one of UDP's (BEP 15). */
export const SCRAPE_HASHES_MAX = 74;

/** What a tracker reads out of an announce's query string. */
export interface AnnounceQuery {
  /** 20 bytes, owned by the caller. */
  readonly infoHash: Uint8Array<ArrayBuffer>;
  /** 20 bytes, owned by the caller. */
  readonly peerId: Uint8Array<ArrayBuffer>;
  /** 1 to 65535. */
  readonly port: number;
  /** Bytes sent; 0 when the peer does not say. */
  readonly uploaded: number;
  /** Bytes received; 0 when the peer does not say. */
  readonly downloaded: number;
  /** Bytes missing, 2^53 - 1 at most; `null` when the peer does not say. */
  readonly left: number | null;
  /** Why it announces. */
  readonly event: TrackerEvent;
  /** How many peers it wants; `null` when it does not say. */
  readonly numWant: number | null;
  /** Whether to answer in the compact form. */
  readonly compact: boolean;
  /** Whether peer ids may be left out of an answer that is not compact. */
  readonly noPeerId: boolean;
  /** The name under which others reach it. */
  readonly hostname: string | null;
  /** What it proves by that it is itself, 32 bits; 0 where it sends none. */
  readonly key: number;
  /** The address that it says it has, 4 or 16 bytes; `null` where it sends none that can be read. */
  readonly ip: Uint8Array<ArrayBuffer> | null;
}

/** Tells whether a URL is one of a tracker that this module knows the protocol of: HTTP(S) or UDP. */
export function isTrackerUrl(url: string): boolean {
  const parsed = URL.parse(url);
  if (parsed === null || parsed.hostname === "") return false;
  return ["http:", "https:", "udp:"].includes(parsed.protocol);
}

/**
 * Builds the URL of an announce over HTTP.
 *
 * What the tracker's URL holds already (a passkey in its path, a query) stays as it is, byte by byte; a
 * fragment is left out. A peer that announces a host name does not ask for a compact answer, which could
 * not name others by host name; nor does it rule one out (`compact=0`), which some trackers refuse.
 *
 * **Errors**: `RangeError` for a field of the request outside its range; `TrackerError` (`bad-url`) for
 * a URL that is not http or https.
 *
 * **Source**: BEP 3, BEP 23; `hostname` is of the system that this one succeeds.
 */
export function buildAnnounceUrl(url: string, request: AnnounceRequest): string {
  checkRequest(request);
  const fields = [
    `info_hash=${percentEncode(request.infoHash)}`,
    `peer_id=${percentEncode(request.peerId)}`,
    `port=${request.port}`,
    `uploaded=${request.uploaded}`,
    `downloaded=${request.downloaded}`,
    `left=${request.left}`,
    "no_peer_id=1",
    `numwant=${request.numWant}`,
  ];
  if (request.event !== "") fields.push(`event=${request.event}`);
  if (request.key !== undefined) fields.push(`key=${request.key.toString(16).padStart(8, "0")}`);
  if (request.trackerId !== undefined) fields.push(`trackerid=${percentEncode(request.trackerId)}`);
  if (request.hostname === undefined) {
    fields.push("compact=1");
  } else {
    fields.push(`hostname=${percentEncode(new TextEncoder().encode(request.hostname))}`);
  }
  return withQuery(checkHttpUrl(url), fields);
}

/**
 * Builds the URL of a scrape from a tracker's announce URL.
 *
 * **Errors**: `RangeError` for no info-hash, too many, or one that is not 20 bytes; `TrackerError` with
 * `bad-url`, or with `no-scrape` where {@link scrapeUrlOf} finds none.
 *
 * **Source**: BEP 48.
 */
export function buildScrapeUrl(url: string, infoHashes: readonly Uint8Array[]): string {
  if (infoHashes.length < 1 || infoHashes.length > SCRAPE_HASHES_MAX) {
    throw new RangeError(
      `Cannot scrape ${infoHashes.length} info-hashes: should be 1 to ${SCRAPE_HASHES_MAX}`,
    );
  }
  for (const infoHash of infoHashes) checkHash("info-hash", infoHash);
  const scrapeUrl = scrapeUrlOf(checkHttpUrl(url));
  if (scrapeUrl === null) {
    throw new TrackerError(
      "no-scrape",
      url,
      `Cannot scrape ${hostOf(url)}: the last part of its path should begin with "announce"`,
    );
  }
  return withQuery(scrapeUrl, infoHashes.map((hash) => `info_hash=${percentEncode(hash)}`));
}

/**
 * Gives the scrape URL that belongs to an announce URL: the last part of the path must begin with
 * `announce`, and that word becomes `scrape`. A UDP tracker has one URL for both. `null` where there is
 * none.
 *
 * **Source**: BEP 48, which looks at the path alone: a slash in the query does not count, and escapes
 * are not undone.
 */
export function scrapeUrlOf(announceUrl: string): string | null {
  if (!isTrackerUrl(announceUrl)) return null;
  if (URL.parse(announceUrl)!.protocol === "udp:") return announceUrl;
  const authority = announceUrl.indexOf("://") + 3;
  const length = announceUrl.slice(authority).search(/[?#]/);
  const pathEnd = length < 0 ? announceUrl.length : authority + length;
  const word = announceUrl.lastIndexOf("/", pathEnd - 1) + 1;
  // A host named "announce" is no path.
  if (word <= authority || !announceUrl.startsWith("announce", word)) return null;
  return announceUrl.slice(0, word) + "scrape" + announceUrl.slice(word + "announce".length);
}

/** Names a tracker in a message: host and port, never the path, which may hold a passkey. */
export function hostOf(url: string): string {
  return URL.parse(url)?.host || JSON.stringify(url.slice(0, 100));
}

/** Percent-encodes bytes for a query: all but letters, digits and `-._~` (a space is `%20`, never `+`). */
export function percentEncode(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += ENCODED[byte]!;
  return text;
}

/**
 * Undoes percent-encoding. `+` is itself, not a space.
 *
 * **Errors**: `QuerySyntaxError`, with an offset in `text`, for `%` without two hexadecimal digits after
 * it and for a character that is not ASCII.
 */
export function percentDecode(text: string, parameter = ""): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(text.length);
  let length = 0;
  for (let i = 0; i < text.length; i++) {
    let unit = text.charCodeAt(i);
    if (unit === 0x25) {
      const high = hexDigit(text.charCodeAt(i + 1));
      const low = hexDigit(text.charCodeAt(i + 2));
      if (high < 0 || low < 0) {
        throw new QuerySyntaxError(
          `Cannot read ${parameter || "text"}: "%" should be followed by two hexadecimal digits`,
          parameter,
          i,
        );
      }
      unit = high << 4 | low;
      i += 2;
    } else if (unit > 0x7f) {
      throw new QuerySyntaxError(
        `Cannot read ${parameter || "text"}: a character beyond ASCII should be percent-encoded`,
        parameter,
        i,
      );
    }
    bytes[length++] = unit;
  }
  return bytes.slice(0, length);
}

/**
 * Visits the parameters of a query string (without its `?`) in order: the name, the value as it stands
 * (not decoded), and where the value begins. A parameter without `=` has an empty value; empty ones
 * between two `&` are skipped.
 *
 * **Errors**: `QuerySyntaxError` for more than {@link QUERY_CHARACTERS_MAX}.
 */
export function forEachParameter(
  query: string,
  visit: (name: string, value: string, offset: number) => void,
): void {
  if (query.length > QUERY_CHARACTERS_MAX) {
    throw new QuerySyntaxError(
      `Cannot read query: length is ${query.length}, limit is ${QUERY_CHARACTERS_MAX}`,
      "",
      QUERY_CHARACTERS_MAX,
    );
  }
  let start = 0;
  while (start < query.length) {
    let end = query.indexOf("&", start);
    if (end < 0) end = query.length;
    let equals = query.indexOf("=", start);
    if (equals < 0 || equals > end) equals = end;
    const valueStart = Math.min(equals + 1, end);
    if (end > start) visit(query.slice(start, equals), query.slice(valueStart, end), valueStart);
    start = end + 1;
  }
}

/**
 * Reads the query string of an announce, without its `?`.
 *
 * Unknown parameters are skipped, and so is `trackerid`. A `key` of 8 hexadecimal digits at most is their
 * number, of another one a hash is taken. Who believes `ip` has to trust the asker: anybody could point a
 * swarm at a victim. Where one occurs twice, the last one counts. `event` may also be `none`, `empty` (BEP 3)
 * or `paused` (BEP 21), which all mean none. Without `compact`, a peer that sends its `hostname` gets an
 * answer that can hold names, and all others a compact one, as BEP 23 suggests.
 *
 * **Errors**: `QuerySyntaxError` naming the parameter.
 *
 * **Source**: BEP 3, BEP 23.
 */
export function parseAnnounceQuery(query: string): AnnounceQuery {
  const values = new Map<string, { text: string; offset: number }>();
  forEachParameter(query, (name, text, offset) => {
    if (ANNOUNCE_PARAMETERS.has(name)) values.set(name, { text, offset });
  });
  const number = (name: string, max = Number.MAX_SAFE_INTEGER): number | null => {
    const value = values.get(name);
    return value === undefined ? null : parseDecimal(name, value.text, value.offset, max);
  };
  const bytes = (name: string): Uint8Array<ArrayBuffer> => {
    const value = values.get(name);
    if (value === undefined) throw missing(name, query);
    return parseHash(name, value.text, value.offset);
  };
  const infoHash = bytes("info_hash");
  const peerId = bytes("peer_id");
  const port = number("port");
  if (port === null) throw missing("port", query);
  if (port < 1 || port > 65535) {
    const { offset } = values.get("port")!;
    throw new QuerySyntaxError(
      `Cannot read port: is ${port}, should be 1 to 65535`,
      "port",
      offset,
    );
  }
  const hostname = values.has("hostname") ? parseHostname(values.get("hostname")!) : null;
  const compact = number("compact", 1);
  return {
    infoHash,
    peerId,
    port,
    uploaded: number("uploaded") ?? 0,
    downloaded: number("downloaded") ?? 0,
    left: number("left"),
    event: values.has("event") ? parseEvent(values.get("event")!) : "",
    numWant: number("numwant"),
    compact: compact === null ? hostname === null : compact === 1,
    noPeerId: values.get("no_peer_id")?.text === "1",
    hostname,
    key: values.has("key") ? keyOf(values.get("key")!.text) : 0,
    ip: values.has("ip") ? parseIp(values.get("ip")!.text.replaceAll(/%3a/gi, ":")) : null,
  };
}

/**
 * Reads the query string of a scrape: its info-hashes, none for a scrape of all swarms.
 *
 * **Errors**: `QuerySyntaxError` naming the parameter; also for more than {@link SCRAPE_HASHES_MAX}.
 */
export function parseScrapeQuery(query: string): Uint8Array<ArrayBuffer>[] {
  const infoHashes: Uint8Array<ArrayBuffer>[] = [];
  forEachParameter(query, (name, text, offset) => {
    if (name !== "info_hash") return;
    if (infoHashes.length === SCRAPE_HASHES_MAX) {
      const message = `Cannot read info_hash: there are more than ${SCRAPE_HASHES_MAX}`;
      throw new QuerySyntaxError(message, name, offset);
    }
    infoHashes.push(parseHash(name, text, offset));
  });
  return infoHashes;
}

const ANNOUNCE_PARAMETERS: ReadonlySet<string> = new Set([
  "info_hash",
  "peer_id",
  "port",
  "uploaded",
  "downloaded",
  "left",
  "event",
  "numwant",
  "compact",
  "no_peer_id",
  "hostname",
  "key",
  "ip",
]);

/** What `event=` may say, and what it means. */
const EVENTS: ReadonlyMap<string, TrackerEvent> = new Map([
  ["", ""],
  ["none", ""],
  ["empty", ""],
  ["paused", ""],
  ["started", "started"],
  ["completed", "completed"],
  ["stopped", "stopped"],
]);

/** How each byte is written in a query. */
const ENCODED: readonly string[] = Array.from({ length: 256 }, (_, byte) => {
  const character = String.fromCharCode(byte);
  if (/[A-Za-z0-9._~-]/.test(character)) return character;
  return `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
});

/** The value of a hexadecimal digit by its UTF-16 unit, or -1 (also for the NaN past the end). */
function hexDigit(unit: number): number {
  if (unit >= 0x30 && unit <= 0x39) return unit - 0x30;
  const lower = unit | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x61 + 10 : -1;
}

function withQuery(url: string, fields: readonly string[]): string {
  const fragment = url.indexOf("#");
  const base = fragment < 0 ? url : url.slice(0, fragment);
  const joint = !base.includes("?") ? "?" : /[?&]$/.test(base) ? "" : "&";
  return base + joint + fields.join("&");
}

/** Gives the URL without white space around it; `TrackerError` (`bad-url`) where it is not http or https. */
export function checkHttpUrl(url: string): string {
  const trimmed = url.trim();
  const protocol = URL.parse(trimmed)?.protocol;
  if (protocol === "http:" || protocol === "https:") return trimmed;
  const shown = JSON.stringify(url.slice(0, 100));
  throw new TrackerError(
    "bad-url",
    url,
    `Cannot use tracker URL ${shown}: should begin with http:// or https://`,
  );
}

/** Refuses a request with a field outside its range by a `RangeError`. */
export function checkRequest(request: AnnounceRequest): void {
  checkHash("info-hash", request.infoHash);
  checkHash("peer id", request.peerId);
  checkInteger("port", request.port, 1, 65535);
  checkInteger("uploaded", request.uploaded, 0, Number.MAX_SAFE_INTEGER);
  checkInteger("downloaded", request.downloaded, 0, Number.MAX_SAFE_INTEGER);
  checkInteger("left", request.left, 0, Number.MAX_SAFE_INTEGER);
  checkInteger("numWant", request.numWant, 0, 0xffffffff);
  if (request.key !== undefined) checkInteger("key", request.key, 0, 0xffffffff);
  if (request.hostname !== undefined && !isHost(request.hostname)) {
    throw new RangeError(
      `Cannot announce: hostname ${
        JSON.stringify(request.hostname)
      } should be a host name or an address`,
    );
  }
}

function checkHash(name: string, bytes: Uint8Array): void {
  if (bytes.length === HASH_BYTES) return;
  throw new RangeError(
    `Cannot ask tracker: ${name} is ${bytes.length} bytes, should be ${HASH_BYTES}`,
  );
}

function checkInteger(name: string, value: number, min: number, max: number): void {
  if (Number.isSafeInteger(value) && value >= min && value <= max) return;
  throw new RangeError(`Cannot announce: ${name} is ${value}, should be ${min} to ${max}`);
}

function missing(name: string, query: string): QuerySyntaxError {
  return new QuerySyntaxError(`Cannot read ${name}: it is missing`, name, query.length);
}

function parseHash(name: string, text: string, offset: number): Uint8Array<ArrayBuffer> {
  const bytes = decodeAt(name, text, offset);
  if (bytes.length === HASH_BYTES) return bytes;
  throw new QuerySyntaxError(
    `Cannot read ${name}: length is ${bytes.length} bytes, should be ${HASH_BYTES} bytes`,
    name,
    offset,
  );
}

/** Percent-decodes a value, with offsets in the query. */
function decodeAt(name: string, text: string, offset: number): Uint8Array<ArrayBuffer> {
  try {
    return percentDecode(text, name);
  } catch (error) {
    if (!(error instanceof QuerySyntaxError)) throw error;
    throw new QuerySyntaxError(error.message, name, offset + error.offset);
  }
}

/** Digits alone. What exceeds 2^53 - 1 counts as that: a peer that does not know `left` sends 2^63 - 1. */
function parseDecimal(name: string, text: string, offset: number, max: number): number {
  if (!/^[0-9]{1,20}$/.test(text)) {
    throw new QuerySyntaxError(
      `Cannot read ${name}: should be a whole number, not negative, in digits`,
      name,
      offset,
    );
  }
  const value = Math.min(Number(text), Number.MAX_SAFE_INTEGER);
  if (value <= max) return value;
  throw new QuerySyntaxError(`Cannot read ${name}: is ${text}, limit is ${max}`, name, offset);
}

/** The number that hexadecimal digits are; of anything else a hash (FNV-1a). */
function keyOf(text: string): number {
  if (/^[0-9a-fA-F]{0,8}$/.test(text)) return Number.parseInt(text || "0", 16);
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  }
  return hash >>> 0;
}

function parseEvent(value: { text: string; offset: number }): TrackerEvent {
  const event = EVENTS.get(value.text);
  if (event !== undefined) return event;
  throw new QuerySyntaxError(
    "Cannot read event: should be started, completed or stopped",
    "event",
    value.offset,
  );
}

function parseHostname(value: { text: string; offset: number }): string | null {
  const bytes = decodeAt("hostname", value.text, value.offset);
  if (bytes.length === 0) return null;
  const text = String.fromCharCode(...bytes).replace(/^\[(.*)\]$/, "$1");
  if (isHost(text)) return text;
  throw new QuerySyntaxError(
    "Cannot read hostname: should be a host name of at most 253 characters, or an address",
    "hostname",
    value.offset,
  );
}
