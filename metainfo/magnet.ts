import { MagnetSyntaxError } from "./errors.ts";
import { hashOfHex, hexOfHash } from "./hash.ts";
import { FILES_MAX, URLS_MAX } from "./limits.ts";
import { printableText, textOfBytes } from "./path.ts";
import { cleanTiers, type DhtNode, isHost, webSeedUrl } from "./trackers.ts";

/** An address at which a magnet link says that a peer can be reached. */
export interface MagnetPeer {
  /** A host name or an address; IPv6 without brackets. */
  readonly host: string;
  /** Its TCP port. */
  readonly port: number;
}

/** What a magnet link says. At least one of the two hashes is there. */
export interface Magnet {
  /** v1: 20 bytes, or null. */
  readonly infoHash: Uint8Array<ArrayBuffer> | null;
  /** v2: 32 bytes, or null. */
  readonly infoHashV2: Uint8Array<ArrayBuffer> | null;
  /** The 20 bytes for handshakes and trackers: the v1 hash, else the v2 hash cut short. */
  readonly swarmHash: Uint8Array<ArrayBuffer>;
  /** The name to show until the torrent is known, fit to be shown; null where there is none. */
  readonly name: string | null;
  /** Tracker URLs, a tier each. */
  readonly trackers: readonly (readonly string[])[];
  /** URLs of web seeds. */
  readonly webSeeds: readonly string[];
  /** Peers to begin with. */
  readonly peers: readonly MagnetPeer[];
  /** Nodes of the distributed hash table to begin with. */
  readonly nodes: readonly DhtNode[];
  /** Indices of the files that are wanted, ascending; null for all (BEP 53). */
  readonly selectOnly: readonly number[] | null;
  /** How much the torrent holds, as the link has it; null where it does not say. */
  readonly totalBytes: number | null;
}

/** What {@link formatMagnet} writes; a {@link Magnet} is one. */
export interface MagnetSpec {
  /** v1: 20 bytes. */
  readonly infoHash?: Uint8Array | null;
  /** v2: 32 bytes. */
  readonly infoHashV2?: Uint8Array | null;
  /** The name to show. */
  readonly name?: string | null;
  /** Tracker URLs by tier; a link has no tiers, they are written in order. */
  readonly trackers?: readonly (readonly string[])[];
  /** URLs of web seeds. */
  readonly webSeeds?: readonly string[];
  /** Peers to begin with. */
  readonly peers?: readonly MagnetPeer[];
  /** Nodes of the distributed hash table to begin with. */
  readonly nodes?: readonly DhtNode[];
  /** Indices of the files that are wanted; null for all. */
  readonly selectOnly?: readonly number[] | null;
  /** How much the torrent holds. */
  readonly totalBytes?: number | null;
}

/**
 * Parses a magnet link (BEP 9; several files, BEP 53), or 40 hexadecimal digits alone.
 *
 * Parameters that are not known and values that make no sense are left out, except that a link
 * without an info-hash, or with a broken one, is refused. Their order and letter case do not matter.
 *
 * **Limits**: file indices below 250,000; 1000 each of trackers, web seeds, peers and nodes.
 * **Errors**: `MagnetSyntaxError`, which says what is wrong and at which character.
 *
 * @example
 * ```ts
 * import { hexOfHash, parseMagnet } from "@enjambre/metainfo";
 * import { assertEquals } from "@std/assert";
 *
 * const magnet = parseMagnet(
 *   "magnet:?xt=urn:btih:c12fe1c06bba254a9dc9f519b335aa7c1367a88a&dn=some+name" +
 *     "&tr=http%3A%2F%2Ftracker.example%2Fannounce",
 * );
 * assertEquals(hexOfHash(magnet.swarmHash), "c12fe1c06bba254a9dc9f519b335aa7c1367a88a");
 * assertEquals(magnet.name, "some name");
 * assertEquals(magnet.trackers, [["http://tracker.example/announce"]]);
 * ```
 */
export function parseMagnet(uri: string): Magnet {
  if (/^[0-9a-f]{40}$/i.test(uri)) return assemble(hashOfHex(uri), null, new Parameters(""), 0);
  const start = /^magnet:\/{0,3}\?/i.exec(uri)?.[0].length;
  if (start === undefined) {
    throw new MagnetSyntaxError('Cannot read magnet link: it does not begin with "magnet:?"', 0);
  }
  const parameters = new Parameters(uri, start);
  let infoHash: Uint8Array<ArrayBuffer> | null = null;
  let infoHashV2: Uint8Array<ArrayBuffer> | null = null;
  for (const { key, value, offset } of parameters.all) {
    if (!/^xt(?:\.\d+)?$/.test(key)) continue;
    const topic = /^urn:(btih|btmh):(.*)$/is.exec(unescape(value));
    if (topic === null) continue;
    if (topic[1]!.toLowerCase() === "btih") infoHash ??= readBtih(topic[2]!, offset);
    else infoHashV2 ??= readBtmh(topic[2]!, offset);
  }
  return assemble(infoHash, infoHashV2, parameters, start);
}

/**
 * Writes a magnet link.
 *
 * **Errors**: `RangeError` for a hash of another length than 20 or 32 bytes, and when there is none.
 */
export function formatMagnet(spec: MagnetSpec): string {
  const parts: string[] = [];
  if (spec.infoHash) parts.push("xt=urn:btih:" + hexOfLength(spec.infoHash, 20));
  if (spec.infoHashV2) parts.push("xt=urn:btmh:1220" + hexOfLength(spec.infoHashV2, 32));
  if (parts.length === 0) throw new RangeError("Cannot write magnet link: it has no info-hash");
  const add = (key: string, value: string) => parts.push(`${key}=${encodeURIComponent(value)}`);
  if (spec.name) add("dn", spec.name);
  if (typeof spec.totalBytes === "number") add("xl", String(spec.totalBytes));
  for (const url of spec.trackers?.flat() ?? []) add("tr", url);
  for (const url of spec.webSeeds ?? []) add("ws", url);
  for (const peer of spec.peers ?? []) parts.push("x.pe=" + hostAndPort(peer));
  for (const node of spec.nodes ?? []) parts.push("dht=" + hostAndPort(node));
  if (spec.selectOnly) parts.push("so=" + writeSelection(spec.selectOnly));
  return "magnet:?" + parts.join("&");
}

/** One `key=value` of a link; the key in lower case, the value as it stands. */
interface Parameter {
  readonly key: string;
  readonly value: string;
  readonly offset: number;
}

class Parameters {
  readonly all: readonly Parameter[];

  constructor(uri: string, start: number = 0) {
    const all: Parameter[] = [];
    let offset = start;
    for (const part of uri.slice(start).split("&")) {
      const equals = part.indexOf("=");
      if (equals > 0) {
        const key = part.slice(0, equals).toLowerCase();
        all.push({ key, value: part.slice(equals + 1), offset });
      }
      offset += part.length + 1;
    }
    this.all = all;
  }

  /** Values of all parameters of a key, also of the numbered form `key.1`; with `plusIsSpace`, as HTML forms write text. */
  values(key: string, plusIsSpace: boolean = false): string[] {
    const of = this.all.filter((p) => p.key === key || numberedKey(p.key) === key);
    return of.map((p) => unescape(plusIsSpace ? p.value.replaceAll("+", " ") : p.value));
  }
}

function numberedKey(key: string): string | undefined {
  return /^(.+)\.\d+$/.exec(key)?.[1];
}

function assemble(
  infoHash: Uint8Array<ArrayBuffer> | null,
  infoHashV2: Uint8Array<ArrayBuffer> | null,
  parameters: Parameters,
  start: number,
): Magnet {
  const swarmHash = infoHash ?? infoHashV2?.slice(0, 20);
  if (swarmHash === undefined) {
    throw new MagnetSyntaxError("Cannot read magnet link: it has no BitTorrent info-hash", start);
  }
  const name = printableText(parameters.values("dn", true)[0] ?? "").trim();
  const length = parameters.values("xl").find((text) => /^\d{1,15}$/.test(text));
  const seeds = parameters.values("ws").map(webSeedUrl).filter((url) => url !== null);
  return {
    infoHash,
    infoHashV2,
    swarmHash,
    name: name === "" ? null : name,
    trackers: cleanTiers(parameters.values("tr").map((url) => [url])),
    webSeeds: [...new Set(seeds)].slice(0, URLS_MAX),
    peers: readAddresses(parameters.values("x.pe")),
    nodes: readAddresses(parameters.values("dht")),
    selectOnly: readSelection(parameters.values("so")),
    totalBytes: length === undefined ? null : Number(length),
  };
}

function readBtih(text: string, offset: number): Uint8Array<ArrayBuffer> {
  if (/^[0-9a-f]{40}$/i.test(text)) return hashOfHex(text);
  if (/^[a-z2-7]{32}$/i.test(text)) return bytesOfBase32(text);
  throw new MagnetSyntaxError(
    `Cannot read magnet link: info-hash has ${text.length} characters, 40 hexadecimal or 32 base32 digits are due`,
    offset,
  );
}

/** The hash comes as a multihash: 0x12 for SHA-256, 0x20 for its 32 bytes, then the hash (BEP 9). */
function readBtmh(text: string, offset: number): Uint8Array<ArrayBuffer> {
  if (/^1220[0-9a-f]{64}$/i.test(text)) return hashOfHex(text.slice(4));
  throw new MagnetSyntaxError(
    `Cannot read magnet link: v2 info-hash has ${text.length} characters, 1220 and 64 hexadecimal digits are due`,
    offset,
  );
}

/** RFC 4648 base32 of a whole number of bytes, without padding. */
function bytesOfBase32(text: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(Math.floor(text.length * 5 / 8));
  let bits = 0;
  let bitCount = 0;
  let length = 0;
  for (const letter of text.toUpperCase()) {
    bits = ((bits << 5) | "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(letter)) & 0xfff;
    bitCount += 5;
    if (bitCount >= 8) {
      bitCount -= 8;
      bytes[length++] = bits >>> bitCount;
    }
  }
  return bytes;
}

function readAddresses(texts: readonly string[]): { host: string; port: number }[] {
  const addresses: { host: string; port: number }[] = [];
  for (const text of texts) {
    const match = /^(?:\[([0-9a-f:.]+)\]|([^:\[\]]+)):(\d{1,5})$/i.exec(text);
    if (match === null || addresses.length >= URLS_MAX) continue;
    const host = match[1] ?? match[2]!;
    const port = Number(match[3]);
    if (isHost(host) && port >= 1 && port <= 65535) addresses.push({ host, port });
  }
  return addresses;
}

/** Reads the ranges of BEP 53. What is malformed, backwards or beyond any torrent is left out; null where nothing is left. */
function readSelection(texts: readonly string[]): number[] | null {
  const indices = new Set<number>();
  let steps = 0;
  for (const range of texts.join(",").split(",")) {
    const match = /^(\d{1,9})(?:-(\d{1,9}))?$/.exec(range);
    if (match === null) continue;
    const first = Number(match[1]);
    const last = Number(match[2] ?? match[1]);
    if (first > last || last >= FILES_MAX) continue;
    steps += last - first + 1;
    if (steps > FILES_MAX) break; // overlapping ranges without end
    for (let index = first; index <= last; index++) indices.add(index);
  }
  return indices.size === 0 ? null : [...indices].sort((a, b) => a - b);
}

function writeSelection(indices: readonly number[]): string {
  const sorted = [...new Set(indices)].sort((a, b) => a - b);
  const ranges: string[] = [];
  for (let i = 0; i < sorted.length; i++) {
    const first = sorted[i]!;
    while (sorted[i + 1] === sorted[i]! + 1) i++;
    ranges.push(sorted[i] === first ? String(first) : `${first}-${sorted[i]}`);
  }
  return ranges.join(",");
}

function hostAndPort(address: { host: string; port: number }): string {
  return (address.host.includes(":") ? `[${address.host}]` : address.host) + ":" + address.port;
}

function hexOfLength(hash: Uint8Array, length: number): string {
  if (hash.length === length) return hexOfHash(hash);
  throw new RangeError(
    `Cannot write magnet link: info-hash is ${hash.length} bytes, ${length} are due`,
  );
}

/** Undoes percent-encoding; what is not encoded stays, broken UTF-8 becomes U+FFFD. */
function unescape(text: string): string {
  if (!text.includes("%")) return text;
  const source = new TextEncoder().encode(text);
  const bytes = new Uint8Array(source.length);
  let length = 0;
  for (let i = 0; i < source.length; i++) {
    const high = source[i] === 0x25 ? hexDigit(source[i + 1]) : -1;
    const low = high < 0 ? -1 : hexDigit(source[i + 2]);
    if (low >= 0) i += 2;
    bytes[length++] = low < 0 ? source[i]! : high * 16 + low;
  }
  return textOfBytes(bytes.subarray(0, length));
}

function hexDigit(byte: number | undefined): number {
  return byte === undefined
    ? -1
    : "0123456789abcdef".indexOf(String.fromCharCode(byte).toLowerCase());
}
