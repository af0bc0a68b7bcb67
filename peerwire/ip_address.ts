/**
 * Reads addresses: of hosts, and of peers.
 *
 * @module
 */

import type { PeerAddress } from "./peer_book.ts";

/**
 * Reads an IP address.
 *
 * **Shape**: 4 bytes, or 16; an IPv4 address inside an IPv6 one (`::ffff:192.0.2.1`) is the IPv4 address.
 *
 * @returns null where `host` is a name, or has a zone
 */
export function parseIpAddress(host: string): Uint8Array<ArrayBuffer> | null {
  if (!host.includes(":")) return parseIpv4(host);
  let text = host;
  if (host.includes(".")) {
    const begin = host.lastIndexOf(":") + 1;
    const tail = parseIpv4(host.slice(begin));
    if (tail === null) return null;
    const groups = [tail[0]! << 8 | tail[1]!, tail[2]! << 8 | tail[3]!];
    text = host.slice(0, begin) + groups.map((group) => group.toString(16)).join(":");
  }
  const bytes = parseIpv6(text);
  if (bytes === null) return null;
  const isMapped = bytes.subarray(0, 10).every((byte) => byte === 0) && bytes[10] === 0xff &&
    bytes[11] === 0xff;
  return isMapped ? bytes.slice(12) : bytes;
}

/** Whether a host is this machine: its programs are its owner's, and are not counted against one another. */
export function isLoopback(host: string): boolean {
  const bytes = parseIpAddress(host);
  if (bytes === null) return host === "localhost";
  if (bytes.length === 4) return bytes[0] === 127;
  return bytes.every((byte, i) => byte === (i === 15 ? 1 : 0));
}

/** The host and port of an address as {@linkcode formatAddress} writes it: `host:port` or `[host]:port`. */
export function addressOf(text: string): PeerAddress {
  const colon = text.lastIndexOf(":");
  const host = text.slice(0, colon);
  return {
    host: host.startsWith("[") ? host.slice(1, -1) : host,
    port: Number(text.slice(colon + 1)),
  };
}

function parseIpv4(text: string): Uint8Array<ArrayBuffer> | null {
  const parts = text.split(".");
  if (parts.length !== 4) return null;
  const bytes = new Uint8Array(4);
  for (const [i, part] of parts.entries()) {
    if (!/^\d{1,3}$/.test(part) || Number(part) > 255) return null;
    bytes[i] = Number(part);
  }
  return bytes;
}

/** Reads groups of hexadecimal digits, at most one run of them left out as `::`. */
function parseIpv6(text: string): Uint8Array<ArrayBuffer> | null {
  const halves = text.split("::");
  if (halves.length > 2) return null;
  const [front, back] = halves.map((half) => half === "" ? [] : half.split(":"));
  const given = front!.length + (back?.length ?? 0);
  if (back === undefined ? given !== 8 : given > 7) return null;
  const groups = [...front!, ...new Array<string>(8 - given).fill("0"), ...back ?? []];
  const bytes = new Uint8Array(16);
  for (const [i, group] of groups.entries()) {
    if (!/^[0-9a-f]{1,4}$/i.test(group)) return null;
    const value = parseInt(group, 16);
    bytes[2 * i] = value >> 8;
    bytes[2 * i + 1] = value & 0xff;
  }
  return bytes;
}
