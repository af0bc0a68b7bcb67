import type { BencodeDict, BencodeValue } from "@enjambre/bencode";
import { URL_CHARACTERS_MAX, URLS_MAX } from "./limits.ts";
import { textOfBytes } from "./path.ts";

/** A node of the distributed hash table that a torrent names (BEP 5). */
export interface DhtNode {
  /** A host name or an address. */
  readonly host: string;
  /** Its UDP port. */
  readonly port: number;
}

/** Schemes of tracker URLs that are kept, whether or not a client speaks them. */
const TRACKER_SCHEMES: ReadonlySet<string> = new Set(["http:", "https:", "udp:", "ws:", "wss:"]);
/** Schemes of web seeds that are kept. */
const WEB_SCHEMES: ReadonlySet<string> = new Set(["http:", "https:"]);

/**
 * Makes a tracker URL out of text: trimmed, else as it stands; null for what is none.
 *
 * **Limits**: schemes `http`, `https`, `udp`, `ws` and `wss`; a host; no white space or control
 * characters inside; 4096 characters.
 */
export function trackerUrl(text: string): string | null {
  const trimmed = text.trim();
  return urlKey(trimmed, TRACKER_SCHEMES) === null ? null : trimmed;
}

/** What two ways of writing one URL have in common (the default port written out is one), or null for what is no URL of these schemes. */
function urlKey(text: string, schemes: ReadonlySet<string>): string | null {
  // deno-lint-ignore no-control-regex -- control characters are what it is about
  if (text.length > URL_CHARACTERS_MAX || /[\u0000-\u0020\u007f]/.test(text)) return null;
  const url = URL.parse(text);
  if (url === null || url.hostname === "" || !schemes.has(url.protocol)) return null;
  return url.href;
}

/**
 * Sorts tracker URLs into tiers: what is no URL of a tracker goes, of duplicates the first stays,
 * empty tiers go.
 */
export function cleanTiers(tiers: Iterable<Iterable<string>>): string[][] {
  const seen = new Set<string>();
  const result: string[][] = [];
  for (const tier of tiers) {
    const kept: string[] = [];
    for (const text of tier) {
      const key = urlKey(text.trim(), TRACKER_SCHEMES);
      if (key === null || seen.has(key) || seen.size >= URLS_MAX) continue;
      seen.add(key);
      kept.push(text.trim());
    }
    if (kept.length > 0) result.push(kept);
  }
  return result;
}

/** Reads the tiers of `announce-list` (BEP 12); where that has no URL, `announce` is the only tier. */
export function readTrackers(torrent: BencodeDict): string[][] {
  const list = torrent.get("announce-list");
  const tiers = cleanTiers(
    Array.isArray(list)
      ? list.map((tier) => Array.isArray(tier) ? texts(tier) : texts([tier]))
      : [],
  );
  return tiers.length > 0 ? tiers : cleanTiers([texts([torrent.get("announce")])]);
}

/**
 * Reads the web seeds of `url-list` or `httpseeds` (BEP 19, BEP 17), a string or a list; duplicates
 * are left out. With `folder` a slash is put at the end, after which the torrent's name is due
 * (BEP 19).
 */
export function readWebSeeds(value: BencodeValue | undefined, folder: boolean): string[] {
  const seeds = new Set<string>();
  for (const text of texts(Array.isArray(value) ? value : [value])) {
    const url = webSeedUrl(text);
    if (url === null) continue;
    seeds.add(folder && !url.endsWith("/") ? url + "/" : url);
    if (seeds.size >= URLS_MAX) break;
  }
  return [...seeds];
}

/** Makes the URL of a web seed out of text: trimmed, spaces percent-encoded; null for what is none. */
export function webSeedUrl(text: string): string | null {
  const url = text.trim().replaceAll(" ", "%20");
  return urlKey(url, WEB_SCHEMES) === null ? null : url;
}

/** Reads `nodes` (BEP 5); what is no host and port is left out. */
export function readNodes(value: BencodeValue | undefined): DhtNode[] {
  const nodes: DhtNode[] = [];
  if (!Array.isArray(value)) return nodes;
  for (const entry of value) {
    if (!Array.isArray(entry) || nodes.length >= URLS_MAX) continue;
    const [hostBytes, port] = entry;
    if (!(hostBytes instanceof Uint8Array) || typeof port !== "number") continue;
    const host = textOfBytes(hostBytes).trim();
    if (isHost(host) && port >= 1 && port <= 65535) nodes.push({ host, port });
  }
  return nodes;
}

/** Tells whether text can be a host: a name of letters, digits, dots and hyphens, or an IPv6 address without brackets. */
export function isHost(text: string): boolean {
  return /^[a-z0-9_](?:[a-z0-9._-]{0,252})$/i.test(text) ||
    /^[0-9a-f]*:[0-9a-f:.]*:[0-9a-f.]*$/i.test(text);
}

function texts(values: readonly (BencodeValue | undefined)[]): string[] {
  return values.filter((value) => value instanceof Uint8Array).map((bytes) => textOfBytes(bytes));
}
