/**
 * Whose address it is, as far as an address tells.
 *
 * @module
 */

import { parseIpAddress } from "./ip_address.ts";

/** Bytes of an IPv6 address that name a subscriber: a /64. The others are its own choice, and change by the day (RFC 8981). */
const SUBSCRIBER_BYTES_IPV6 = 8;

/**
 * The same text for all addresses of one host: the whole of an IPv4 address, also where it is written inside an IPv6
 * one; of an IPv6 address, the /64 that one subscriber has at least; of a name, the name.
 */
export function hostKeyOf(host: string): string {
  const bytes = parseIpAddress(host);
  if (bytes === null) return host.toLowerCase();
  return bytes.length === 4
    ? bytes.join(".")
    : `${
      Array.from(bytes.subarray(0, SUBSCRIBER_BYTES_IPV6), (byte) => byte.toString(16)).join(":")
    }/64`;
}
