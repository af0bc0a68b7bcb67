/**
 * Old nodes: the three messages of the prototype that this overlay succeeds.
 *
 * An old node opens a connection, says one JSON object and closes it, or reads one answer:
 *
 *     {"type":"gossip","info_hash":"%124Vx…","providers":[{"addr":"h:1","peer_id":"-XX…","left":0,"last_seen":1763}]}
 *     {"type":"announce", …the same…}
 *     {"type":"lookup","info_hash":"…","limit":50}   ->   [{"addr":…}, …]
 *
 * Nobody signs anything there, so what old nodes say is kept apart: it is shown to whoever asks this node,
 * marked by having no owner, and never given to new nodes.
 *
 * @module
 */

import { isAddress, LEFT_GONE, RECORD_TTL_SECONDS } from "./record.ts";
import type { Provider } from "./record_map.ts";

/** Providers that old nodes told us of, all swarms together. */
export const UNSIGNED_MAX = 10_000;
/** Providers that one message may name. */
const PROVIDERS_MAX = 1000;
/** Providers in an answer that names no limit. */
const LIMIT_DEFAULT = 50;

/** What an old node says. */
export type OldMessage =
  | { readonly type: "tell"; readonly infoHash: string; readonly providers: readonly OldProvider[] }
  | { readonly type: "lookup"; readonly infoHash: string; readonly limit: number };

/** A provider, as old nodes write it. */
export interface OldProvider {
  /** `host:port`. */
  readonly addr: string;
  /** Its peer id, as it is. */
  readonly peer_id: string;
  /** Bytes that it lacks. */
  readonly left: number;
  /** When it was last heard of, in seconds of the teller's clock, which is not believed. */
  readonly last_seen: number;
}

/** Reads a line; `null` for what no old node would say. */
export function decodeOld(line: string): OldMessage | null {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return null;
  }
  if (typeof value !== "object" || value === null) return null;
  const { type, info_hash, providers = [], limit = 0 } = value as Record<string, unknown>;
  const infoHash = typeof info_hash === "string" ? unescapeHash(info_hash) : null;
  if (infoHash === null || !Number.isSafeInteger(limit)) return null;
  switch (String(type).toLowerCase()) {
    case "lookup":
      return { type: "lookup", infoHash, limit: limit as number };
    case "gossip":
    case "announce":
      if (!Array.isArray(providers) || providers.length > PROVIDERS_MAX) return null;
      if (!providers.every(isOldProvider)) return null;
      return { type: "tell", infoHash, providers };
    default:
      return null;
  }
}

/** Writes what tells an old node of providers, without the line's end. */
export function encodeGossip(
  infoHash: string,
  providers: readonly Provider[],
  nowMs: number,
  wallMs: number,
): string {
  return JSON.stringify({
    type: "gossip",
    info_hash: escapeHash(infoHash),
    providers: providers.map((provider) => oldOf(provider, nowMs, wallMs)),
  });
}

/** Writes the answer to an old node's lookup, without the line's end. */
export function encodeOldAnswer(
  providers: readonly Provider[],
  limit: number,
  nowMs: number,
  wallMs: number,
): string {
  const count = limit > 0 ? limit : LIMIT_DEFAULT;
  return JSON.stringify(
    providers.slice(0, count).map((provider) => oldOf(provider, nowMs, wallMs)),
  );
}

/** What old nodes told us: nobody's signed word. */
export class UnsignedProviders {
  readonly #byInfoHash = new Map<string, Map<string, Provider>>();
  #size = 0;

  /** How many there are, those that expired lately included. */
  get size(): number {
    return this.#size;
  }

  /** Takes what an old node told. What it tells first is kept where there is no room for all. */
  tell(infoHash: string, told: readonly OldProvider[], nowMs: number): void {
    if (this.#size + told.length > UNSIGNED_MAX) this.#expire(nowMs);
    for (const { addr, peer_id, left } of told) {
      const providers = this.#byInfoHash.get(infoHash) ?? new Map<string, Provider>();
      if (!providers.has(addr) && this.#size >= UNSIGNED_MAX) return;
      this.#size -= providers.size;
      const peerId = hexOf(peer_id);
      const provider = { infoHash, address: addr, peerId, left, owner: null, lastSeenMs: nowMs };
      if (left === LEFT_GONE) providers.delete(addr);
      else providers.set(addr, provider);
      this.#size += providers.size;
      if (providers.size > 0) this.#byInfoHash.set(infoHash, providers);
      else this.#byInfoHash.delete(infoHash);
    }
  }

  /** Who provides an info-hash, as far as old nodes say. */
  providers(infoHash: string, nowMs: number): Provider[] {
    const providers = this.#byInfoHash.get(infoHash)?.values() ?? [];
    return [...providers].filter((provider) => isFresh(provider, nowMs));
  }

  #expire(nowMs: number): void {
    for (const [infoHash, providers] of this.#byInfoHash) {
      for (const [address, provider] of providers) {
        if (!isFresh(provider, nowMs) && providers.delete(address)) this.#size--;
      }
      if (providers.size === 0) this.#byInfoHash.delete(infoHash);
    }
  }
}

function isFresh({ lastSeenMs }: Provider, nowMs: number): boolean {
  return nowMs < lastSeenMs + 1000 * RECORD_TTL_SECONDS;
}

function isOldProvider(value: unknown): value is OldProvider {
  if (typeof value !== "object" || value === null) return false;
  const { addr, peer_id, left, last_seen } = value as Record<string, unknown>;
  return isAddress(addr) && typeof peer_id === "string" && peer_id.length <= 60 &&
    Number.isSafeInteger(left) && (left as number) >= LEFT_GONE && Number.isSafeInteger(last_seen);
}

function oldOf(provider: Provider, nowMs: number, wallMs: number): OldProvider {
  return {
    addr: provider.address,
    peer_id: textOf(provider.peerId),
    left: provider.left,
    last_seen: Math.floor((wallMs - (nowMs - provider.lastSeenMs)) / 1000),
  };
}

/** The info-hash as old nodes write it: bytes that are no letter, digit or `-_.~` as `%XX`, a space as `+`. */
export function escapeHash(infoHash: string): string {
  return Uint8Array.fromHex(infoHash).reduce((text, byte) => {
    const character = String.fromCharCode(byte);
    if (/[A-Za-z0-9_.~-]/.test(character)) return text + character;
    if (byte === 0x20) return text + "+";
    return `${text}%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }, "");
}

/** Reads an info-hash as old nodes write it, or in hexadecimal. */
export function unescapeHash(text: string): string | null {
  if (/^[0-9a-fA-F]{40}$/.test(text)) return text.toLowerCase();
  if (!/^(?:[A-Za-z0-9_.~+-]|%[0-9a-fA-F]{2}){20}$/.test(text)) return null;
  return text.replace(/%..|./g, (part) => {
    const byte = part.length === 3
      ? parseInt(part.slice(1), 16)
      : part === "+"
      ? 0x20
      : part.charCodeAt(0);
    return byte.toString(16).padStart(2, "0");
  });
}

/** A peer id as old nodes write it: text. */
function textOf(peerId: string): string {
  return String.fromCharCode(...Uint8Array.fromHex(peerId));
}

/** The first 20 bytes of what an old node calls its peer id. */
function hexOf(peerId: string): string {
  const bytes = new Uint8Array(20);
  for (let at = 0; at < Math.min(20, peerId.length); at++) bytes[at] = peerId.charCodeAt(at);
  return bytes.toHex();
}
