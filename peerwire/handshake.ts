import { PeerProtocolError } from "./errors.ts";

/** The length of a handshake: 1 + 19 (the protocol's name) + 8 (reserved) + 20 (info-hash) + 20 (peer id). */
export const HANDSHAKE_BYTES = 68;

/** How much of a handshake holds all up to the end of the info-hash; some peers wait for ours here. */
export const HANDSHAKE_INFO_HASH_END = 48;

/** `\x13BitTorrent protocol`. */
const PREFIX: Uint8Array = new TextEncoder().encode("\x13BitTorrent protocol");
const RESERVED_START = 20;
const INFO_HASH_START = 28;
const ID_BYTES = 20;

// The reserved bits in use, as (byte of the eight, mask).
const EXTENDED_BYTE = 5;
const EXTENDED_MASK = 0x10; // BEP 10
const FAST_BYTE = 7;
const FAST_MASK = 0x04; // BEP 6
const DHT_MASK = 0x01; // BEP 5, same byte
const V2_MASK = 0x10; // BEP 52, same byte

/** What a peer says of itself in its handshake. All arrays are copies and belong to who holds this. */
export interface Handshake {
  /** The 20 bytes that name the torrent. */
  readonly infoHash: Uint8Array<ArrayBuffer>;
  /** The 20 bytes that the peer calls itself. */
  readonly peerId: Uint8Array<ArrayBuffer>;
  /** Whether it speaks the fast extension (BEP 6). */
  readonly fast: boolean;
  /** Whether it speaks the extension protocol (BEP 10). */
  readonly extended: boolean;
  /** Whether it takes part in the DHT (BEP 5). */
  readonly dht: boolean;
  /** Whether it speaks v2 of the protocol (BEP 52). */
  readonly v2: boolean;
  /** All eight reserved bytes, those with no meaning here included. */
  readonly reserved: Uint8Array<ArrayBuffer>;
}

/** What {@linkcode encodeHandshake} writes; a decoded {@linkcode Handshake} is one too. */
export interface HandshakeFields {
  /** The 20 bytes that name the torrent. */
  readonly infoHash: Uint8Array;
  /** The 20 bytes that we call ourselves. */
  readonly peerId: Uint8Array;
  /** Sets or clears the bit of the fast extension (BEP 6). */
  readonly fast?: boolean;
  /** Sets or clears the bit of the extension protocol (BEP 10). */
  readonly extended?: boolean;
  /** Sets or clears the bit of the DHT (BEP 5). */
  readonly dht?: boolean;
  /** Sets or clears the bit of v2 (BEP 52). */
  readonly v2?: boolean;
  /** The eight bytes to begin with, all zero where absent. */
  readonly reserved?: Uint8Array;
}

/**
 * Writes a handshake: 68 bytes.
 *
 * Errors: `RangeError` when the info-hash or the peer id is not 20 bytes, or `reserved` not 8.
 *
 * Source: BEP 3, "peer protocol".
 *
 * @example
 * ```ts
 * import { decodeHandshake, encodeHandshake } from "@enjambre/peerwire";
 *
 * const bytes = encodeHandshake({
 *   infoHash: new Uint8Array(20).fill(1),
 *   peerId: new Uint8Array(20).fill(2),
 *   fast: true,
 * });
 * console.log(decodeHandshake(bytes, 0, bytes.length)?.fast); // true
 * ```
 */
export function encodeHandshake(fields: HandshakeFields): Uint8Array<ArrayBuffer> {
  requireLength("info-hash", fields.infoHash, ID_BYTES);
  requireLength("peer id", fields.peerId, ID_BYTES);
  const bytes = new Uint8Array(HANDSHAKE_BYTES);
  bytes.set(PREFIX, 0);
  if (fields.reserved !== undefined) {
    requireLength("reserved", fields.reserved, INFO_HASH_START - RESERVED_START);
    bytes.set(fields.reserved, RESERVED_START);
  }
  setFlag(bytes, EXTENDED_BYTE, EXTENDED_MASK, fields.extended);
  setFlag(bytes, FAST_BYTE, FAST_MASK, fields.fast);
  setFlag(bytes, FAST_BYTE, DHT_MASK, fields.dht);
  setFlag(bytes, FAST_BYTE, V2_MASK, fields.v2);
  bytes.set(fields.infoHash, INFO_HASH_START);
  bytes.set(fields.peerId, HANDSHAKE_INFO_HASH_END);
  return bytes;
}

/**
 * Reads a handshake from `buffer[start, end)`; null when it is not all there yet. Bytes behind it are left alone.
 *
 * Ownership: the buffer is not kept; info-hash, peer id and reserved bytes are copies.
 *
 * Errors: {@linkcode PeerProtocolError} `bad-handshake` as soon as one byte differs from
 * `\x13BitTorrent protocol`, be it the first and only one. So a peer that opens with an encrypted
 * handshake is refused at once instead of being waited for.
 *
 * Source: BEP 3; reserved bits of BEP 5, 6, 10 and 52.
 */
export function decodeHandshake(buffer: Uint8Array, start: number, end: number): Handshake | null {
  checkPrefix(buffer, start, end);
  if (end - start < HANDSHAKE_BYTES) return null;
  const reserved = copyOf(buffer, start + RESERVED_START, start + INFO_HASH_START);
  return {
    infoHash: copyOf(buffer, start + INFO_HASH_START, start + HANDSHAKE_INFO_HASH_END),
    peerId: copyOf(buffer, start + HANDSHAKE_INFO_HASH_END, start + HANDSHAKE_BYTES),
    fast: (reserved[FAST_BYTE]! & FAST_MASK) !== 0,
    extended: (reserved[EXTENDED_BYTE]! & EXTENDED_MASK) !== 0,
    dht: (reserved[FAST_BYTE]! & DHT_MASK) !== 0,
    v2: (reserved[FAST_BYTE]! & V2_MASK) !== 0,
    reserved,
  };
}

/**
 * Reads the info-hash out of the beginning of a handshake, as a copy; null when it is not all there yet.
 *
 * For who accepts connections: the torrent is known at 48 bytes, and a peer may hold its peer id
 * back until it has seen our handshake.
 *
 * Errors: as {@linkcode decodeHandshake}.
 */
export function decodeInfoHash(
  buffer: Uint8Array,
  start: number,
  end: number,
): Uint8Array<ArrayBuffer> | null {
  checkPrefix(buffer, start, end);
  if (end - start < HANDSHAKE_INFO_HASH_END) return null;
  return copyOf(buffer, start + INFO_HASH_START, start + HANDSHAKE_INFO_HASH_END);
}

function checkPrefix(buffer: Uint8Array, start: number, end: number): void {
  if (!(start >= 0 && start <= end && end <= buffer.length)) {
    throw new RangeError(
      `Cannot read handshake: range is ${start} to ${end}, buffer has ${buffer.length} bytes`,
    );
  }
  const present = Math.min(end - start, PREFIX.length);
  for (let i = 0; i < present; i++) {
    if (buffer[start + i] === PREFIX[i]) continue;
    throw new PeerProtocolError(
      "bad-handshake",
      `Cannot read handshake: byte ${i} is ${hexOf(buffer[start + i]!)}, must be ${
        hexOf(PREFIX[i]!)
      } (another protocol, or encryption, which is not spoken here)`,
    );
  }
}

function copyOf(buffer: Uint8Array, start: number, end: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(buffer.subarray(start, end));
}

function setFlag(bytes: Uint8Array, at: number, mask: number, value: boolean | undefined): void {
  if (value === undefined) return;
  const old = bytes[RESERVED_START + at]!;
  bytes[RESERVED_START + at] = value ? old | mask : old & ~mask;
}

function requireLength(what: string, bytes: Uint8Array, length: number): void {
  if (bytes.length === length) return;
  throw new RangeError(
    `Cannot write handshake: ${what} is ${bytes.length} bytes, must be ${length} bytes`,
  );
}

function hexOf(byte: number): string {
  return `0x${byte.toString(16).padStart(2, "0")}`;
}
