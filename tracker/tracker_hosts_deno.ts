import { lookup } from "node:dns/promises";
import { formatIp, parseIp } from "./address.ts";

/** An address of a tracker. */
export interface TrackerAddress {
  /** An IPv4 or IPv6 address, no brackets. */
  readonly ip: string;
  /** Which of the two it is. */
  readonly family: 4 | 6;
}

/**
 * Resolves a host name as the system does, `/etc/hosts` included, to at most one address of each family, in
 * the system's order. An address resolves to itself; an unknown name to nothing.
 */
export async function resolveHost(hostname: string): Promise<TrackerAddress[]> {
  const literal = parseIp(hostname.replace(/^\[(.*)\]$/, "$1"));
  if (literal !== null) return [addressOf(literal)];
  let found: readonly { readonly address: string }[];
  try {
    found = await lookup(hostname, { all: true });
  } catch {
    return [];
  }
  const addresses: TrackerAddress[] = [];
  for (const { address } of found) {
    const bytes = parseIp(address);
    if (bytes === null) continue;
    const each = addressOf(bytes);
    if (!addresses.some(({ family }) => family === each.family)) addresses.push(each);
  }
  return addresses;
}

function addressOf(bytes: Uint8Array): TrackerAddress {
  return { ip: formatIp(bytes), family: bytes.length === 4 ? 4 : 6 };
}
