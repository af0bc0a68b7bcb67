import type { Exchange } from "./exchange.ts";
import { HASH_BYTES, type TrackerEvent } from "./announce.ts";
import { NUM_WANT_DEFAULT } from "./swarm_store.ts";
import { QUERY_CHARACTERS_MAX } from "./query.ts";

const AMPERSAND = 0x26;
const EQUALS = 0x3d;
const PERCENT = 0x25;

const NEEDED = 7;
const INFO_HASH = 1;
const PEER_ID = 2;
const PORT = 4;

/**
 * Reads the query of an announce as most clients send it, straight from the bytes of the request, and
 * without making anything.
 *
 * `false` for all that is not quite usual: a mistake, a `hostname`, an `ip`, an odd number. For that,
 * `parseAnnounceQuery` is there, which finds the words; where this reads, that reads the same.
 */
export function readUsualAnnounce(
  bytes: Uint8Array,
  start: number,
  end: number,
  into: Exchange,
): boolean {
  // hot: bench/tracker.ts
  if (end - start > QUERY_CHARACTERS_MAX) return false;
  into.key = 0;
  into.hostname = null;
  into.seed = false;
  into.event = "";
  into.numWant = NUM_WANT_DEFAULT;
  into.form = "compact";
  into.noPeerId = false;
  into.ip = null;
  let seen = 0;
  let at = start;
  while (at < end) {
    const name = at;
    while (at < end && bytes[at] !== EQUALS && bytes[at] !== AMPERSAND) at++;
    if (at === end || bytes[at] === AMPERSAND) return false;
    const length = at - name;
    const value = at + 1;
    at = value;
    if (length === 9 && is(bytes, name, INFO_HASH_NAME)) {
      at = readId(bytes, value, end, into.infoHash);
      if (at < 0) return false;
      seen |= INFO_HASH;
    } else if (length === 7 && is(bytes, name, PEER_ID_NAME)) {
      at = readId(bytes, value, end, into.peerId);
      if (at < 0) return false;
      seen |= PEER_ID;
    } else {
      while (at < end && bytes[at] !== AMPERSAND) at++;
      if (length === 4 && is(bytes, name, PORT_NAME)) {
        into.port = readNumber(bytes, value, at, 5);
        if (into.port < 1 || into.port > 65535) return false;
        seen |= PORT;
      } else if (!readOther(bytes, name, length, value, at, into)) return false;
    }
    // Behind the ampersand.
    at++;
  }
  return seen === NEEDED;
}

/** Reads a parameter that may be missing. */
function readOther(
  bytes: Uint8Array,
  name: number,
  length: number,
  start: number,
  end: number,
  into: Exchange,
): boolean {
  if (length === 4 && is(bytes, name, LEFT_NAME)) {
    const left = readNumber(bytes, start, end, 15);
    into.seed = left === 0;
    return left >= 0;
  }
  if (length === 5 && is(bytes, name, EVENT_NAME)) {
    const event = eventOf(bytes, start, end);
    if (event === null) return false;
    into.event = event;
    return true;
  }
  if (length === 7 && is(bytes, name, NUMWANT_NAME)) {
    into.numWant = readNumber(bytes, start, end, 9);
    return into.numWant >= 0;
  }
  // The others are numbers, too, but for those that are not looked at.
  if (length === 7 && is(bytes, name, COMPACT_NAME)) {
    return end - start === 1 && bytes[start] === 0x31;
  }
  if (length === 8 && is(bytes, name, UPLOADED_NAME)) return readNumber(bytes, start, end, 15) >= 0;
  if (length === 10 && is(bytes, name, DOWNLOADED_NAME)) {
    return readNumber(bytes, start, end, 15) >= 0;
  }
  if (length === 3 && is(bytes, name, KEY_NAME)) {
    into.key = readKey(bytes, start, end);
    return into.key !== -1;
  }
  if (length === 10 && is(bytes, name, NO_PEER_ID_NAME)) {
    into.noPeerId = end - start === 1 && bytes[start] === 0x31;
    return true;
  }
  return !(length === 2 && is(bytes, name, IP_NAME)) &&
    !(length === 8 && is(bytes, name, HOSTNAME_NAME));
}

function nameBytes(name: string): Uint8Array {
  return new TextEncoder().encode(name);
}

const INFO_HASH_NAME = nameBytes("info_hash");
const PEER_ID_NAME = nameBytes("peer_id");
const PORT_NAME = nameBytes("port");
const LEFT_NAME = nameBytes("left");
const EVENT_NAME = nameBytes("event");
const NUMWANT_NAME = nameBytes("numwant");
const COMPACT_NAME = nameBytes("compact");
const UPLOADED_NAME = nameBytes("uploaded");
const DOWNLOADED_NAME = nameBytes("downloaded");
const KEY_NAME = nameBytes("key");
const NO_PEER_ID_NAME = nameBytes("no_peer_id");
const IP_NAME = nameBytes("ip");
const HOSTNAME_NAME = nameBytes("hostname");

const EVENTS: readonly [Uint8Array, TrackerEvent][] = [
  [nameBytes("started"), "started"],
  [nameBytes("completed"), "completed"],
  [nameBytes("stopped"), "stopped"],
];

/** Whether a name, of which the length is known to be right, stands at a place. */
function is(bytes: Uint8Array, at: number, name: Uint8Array): boolean {
  for (let i = 0; i < name.length; i++) if (bytes[at + i] !== name[i]) return false;
  return true;
}

function eventOf(bytes: Uint8Array, start: number, end: number): TrackerEvent | null {
  for (const [name, event] of EVENTS) {
    if (name.length === end - start && is(bytes, start, name)) return event;
  }
  return start === end ? "" : null;
}

/** Reads 20 bytes, percent-encoded; where they end, or -1 where they are not 20 or not rightly encoded. */
function readId(bytes: Uint8Array, start: number, end: number, into: Uint8Array): number {
  let at = start;
  for (let i = 0; i < HASH_BYTES; i++) {
    if (at >= end) return -1;
    let byte = bytes[at++]!;
    if (byte === PERCENT) {
      if (at + 2 > end) return -1;
      const digits = DIGITS[bytes[at]!]! << 4 | DIGITS[bytes[at + 1]!]!;
      if (digits < 0) return -1;
      byte = digits;
      at += 2;
    } else if (byte === AMPERSAND || byte > 0x7f) return -1;
    into[i] = byte;
  }
  return at === end || bytes[at] === AMPERSAND ? at : -1;
}

/** The value of a hexadecimal digit by its byte; -1 for others. */
const DIGITS: Int8Array = Int8Array.from({ length: 256 }, (_, byte) => {
  const character = String.fromCharCode(byte);
  return /[0-9a-fA-F]/.test(character) ? parseInt(character, 16) : -1;
});

/** Reads digits; -1 for others, for none and for more than `digitsMax`. */
function readNumber(bytes: Uint8Array, start: number, end: number, digitsMax: number): number {
  if (end === start || end - start > digitsMax) return -1;
  let value = 0;
  for (let at = start; at < end; at++) {
    const digit = bytes[at]! - 0x30;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return value;
}

/** Reads a key of 8 hexadecimal digits at most; -1 for other ones. */
function readKey(bytes: Uint8Array, start: number, end: number): number {
  if (end - start > 8) return -1;
  let key = 0;
  for (let at = start; at < end; at++) {
    const digit = DIGITS[bytes[at]!]!;
    if (digit < 0) return -1;
    key = key * 16 + digit;
  }
  return key;
}
