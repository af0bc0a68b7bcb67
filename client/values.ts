/**
 * The values of options, read from text.
 *
 * @module
 */
import { trackerUrl } from "@enjambre/metainfo";
import type { PeerAddress } from "@enjambre/peerwire";
import { parseStoreUrl } from "@enjambre/tracker";
import { usageFailure } from "./failure.ts";

/** The shortest piece that `create` makes: one block. */
export const PIECE_LENGTH_MIN: number = 16 * 1024;
/** The longest piece that `create` makes; other programs refuse longer ones. */
export const PIECE_LENGTH_MAX: number = 64 * 1024 * 1024;

/** The lowest limit that makes sense: a block a minute would be taken for a peer that is gone. */
export const RATE_MIN = 1000;

/** The least memory for pieces on their way to the disk: some blocks of some peers. */
export const MEMORY_MIN: number = 1024 * 1024;

/** Reads a whole number from `min` to `max`. */
export function readCount(option: string, text: string, min: number, max: number): number {
  const value = /^\d{1,15}$/.test(text) ? Number(text) : NaN;
  if (value >= min && value <= max) return value;
  throw usageFailure(`${option} is ${quoted(text)}; a whole number from ${min} to ${max} is due`);
}

/** Reads a port; 0 lets the system choose one. */
export function readPort(option: string, text: string): number {
  return readCount(option, text, 0, 65535);
}

/** Reads `HOST:PORT` or `[IPv6]:PORT`. */
export function readAddress(option: string, text: string): PeerAddress {
  const match = /^(?:\[([0-9a-f:.]+(?:%[\w.-]+)?)\]|([\w.-]{1,253})):(\d{1,5})$/i.exec(text);
  const port = Number(match?.[3]);
  if (match !== null && port >= 1 && port <= 65535) return { host: match[1] ?? match[2]!, port };
  throw usageFailure(
    `${option} is ${quoted(text)}; HOST:PORT or [IPv6]:PORT is due, such as 192.0.2.7:6881`,
  );
}

/** Reads the URL of a tracker. */
export function readTrackerUrl(option: string, text: string): string {
  const url = trackerUrl(text);
  if (url !== null) return url;
  throw usageFailure(
    `${option} is ${
      quoted(text)
    }; a tracker's URL is due, such as http://tracker.example:6969/announce`,
  );
}

/** Reads the URL of a tracker's store, which may hold a password and is not shown. */
export function readStoreUrl(option: string, text: string): string {
  try {
    parseStoreUrl(text);
    return text;
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw usageFailure(`${option}: ${error.message}`);
  }
}

/** Reads a host name or an address without port. */
export function readHostname(option: string, text: string): string {
  if (/^[\w.-]{1,253}$/.test(text) || /^[0-9a-f:.]+$/i.test(text)) return text;
  throw usageFailure(
    `${option} is ${quoted(text)}; a host name or an address is due, without port`,
  );
}

/** Reads a piece length: bytes, or with `K` or `M` for KiB and MiB; a power of two. */
export function readPieceLength(option: string, text: string): number {
  const match = /^(\d{1,9})(?:([km])(?:i?b)?)?$/i.exec(text.replace(/\s+/g, ""));
  const unit = { k: 1024, m: 1024 * 1024 }[match?.[2]?.toLowerCase() ?? ""] ?? 1;
  const bytes = match === null ? NaN : Number(match[1]) * unit;
  if (
    bytes >= PIECE_LENGTH_MIN && bytes <= PIECE_LENGTH_MAX && Number.isInteger(Math.log2(bytes))
  ) {
    return bytes;
  }
  throw usageFailure(
    `${option} is ${quoted(text)}; a power of two from 16K to 64M is due, such as 256K or 1M`,
  );
}

/** Reads where peers are to come from. */
export function readDiscoveryMode(option: string, text: string): "tracker" | "overlay" | "both" {
  if (text === "tracker" || text === "overlay" || text === "both") return text;
  throw usageFailure(`${option} is ${quoted(text)}; tracker, overlay or both is due`);
}

/** Reads what kind of torrent is meant. */
export function readFormat(option: string, text: string): "v1" | "v2" | "hybrid" {
  if (text === "v1" || text === "v2" || text === "hybrid") return text;
  throw usageFailure(`${option} is ${quoted(text)}; v1, v2 or hybrid is due`);
}

/** Reads a rate in bytes per second, with `K`, `M` or `G` for thousands, millions and so on. */
export function readRate(option: string, text: string): number {
  const match = /^(\d{1,12}(?:\.\d{1,6})?)([kmg])?$/i.exec(text.trim());
  const unit = { k: 1e3, m: 1e6, g: 1e9 }[match?.[2]?.toLowerCase() ?? ""] ?? 1;
  const bytesPerSecond = match === null ? NaN : Number(match[1]) * unit;
  if (bytesPerSecond >= RATE_MIN) return bytesPerSecond;
  throw usageFailure(
    `${option} is ${
      quoted(text)
    }; bytes per second are due, at least ${RATE_MIN}, such as 500K or 8M`,
  );
}

/** Reads a size in memory: bytes, or with `K`, `M` or `G` for KiB, MiB and GiB. */
export function readSize(option: string, text: string): number {
  const match = /^(\d{1,12})(?:([kmg])(?:i?b)?)?$/i.exec(text.trim());
  const unit = { k: 2 ** 10, m: 2 ** 20, g: 2 ** 30 }[match?.[2]?.toLowerCase() ?? ""] ?? 1;
  const bytes = match === null ? NaN : Number(match[1]) * unit;
  if (bytes >= MEMORY_MIN) return bytes;
  throw usageFailure(`${option} is ${quoted(text)}; at least 1M is due, such as 64M or 1G`);
}

/** Reads how files are to be allocated. */
export function readAllocation(option: string, text: string): "sparse" | "full" {
  if (text === "sparse" || text === "full") return text;
  throw usageFailure(`${option} is ${quoted(text)}; sparse or full is due`);
}

function quoted(text: string): string {
  return JSON.stringify(text.slice(0, 100));
}
