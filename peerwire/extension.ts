import { type BencodeDict, type BencodeValue, decodePrefix, encode } from "@enjambre/bencode";
import { PeerProtocolError } from "./errors.ts";
import { MESSAGE_EXTENDED_BYTES_MAX } from "./message.ts";

/** The id of the extension handshake among extension messages. Source: BEP 10. */
export const EXTENSION_HANDSHAKE_ID = 0;

/** How many message names of a peer are kept; further ones are ignored. */
export const EXTENSION_MESSAGES_MAX = 64;

/** How long a message name may be; longer ones are ignored. */
const NAME_BYTES_MAX = 64;

/** What is shown of a peer's name and version at most. */
const VERSION_CHARACTERS_MAX = 64;

/** How deep a handshake may nest: `m` is at 2, and keys unknown here may hold something. */
const DEPTH_MAX = 16;

/** How many values a handshake may hold: some thirty are usual. */
const VALUES_MAX = 4096;

/** The largest number taken from a handshake: more is none. */
const NUMBER_MAX = 0x7fffffff;

/** What a peer says in its extension handshake; null where it says nothing, or nothing that makes sense. */
export interface ExtensionHandshake {
  /** The number by which the peer wants each message called; 0 where it turns one off. */
  readonly messages: ReadonlyMap<string, number>;
  /** `v`: the program's name and version, printable and at most 64 characters. */
  readonly version: string | null;
  /** `reqq`: how many requests it queues, 1 or more. Not limited here otherwise. */
  readonly reqq: number | null;
  /** `p`: the port on which it listens. */
  readonly port: number | null;
  /** `metadata_size` (BEP 9): how many bytes the info dictionary has, 1 or more. Not limited here otherwise. */
  readonly metadataSize: number | null;
  /** `upload_only` (BEP 21): whether it downloads no more. */
  readonly uploadOnly: boolean | null;
  /** `yourip`: our address as it sees it, 4 or 16 bytes, a copy. */
  readonly yourIp: Uint8Array<ArrayBuffer> | null;
}

/** What {@linkcode encodeExtensionHandshake} writes; what is absent is left out. */
export interface ExtensionHandshakeFields {
  /** The number, 1 to 255, by which we want each message called; 0 turns one off. */
  readonly messages: Readonly<Record<string, number>>;
  /** `v`: our name and version. */
  readonly version?: string;
  /** `reqq`: how many requests of the peer we queue. */
  readonly reqq?: number;
  /** `p`: the port on which we listen. */
  readonly port?: number;
  /** `metadata_size` (BEP 9): how many bytes the info dictionary has. */
  readonly metadataSize?: number;
  /** `upload_only` (BEP 21): whether we download no more. */
  readonly uploadOnly?: boolean;
  /** `yourip`: the peer's address as we see it, 4 or 16 bytes. */
  readonly yourIp?: Uint8Array;
}

/**
 * Writes the payload of an extension handshake (`MessageWriter.extended(0, …)`).
 *
 * Errors: `RangeError` for a number that cannot be, an address that is not 4 or 16 bytes.
 *
 * Source: BEP 10; `metadata_size` BEP 9; `upload_only` BEP 21.
 *
 * @example
 * ```ts
 * import { decodeExtensionHandshake, encodeExtensionHandshake } from "@enjambre/peerwire";
 *
 * const payload = encodeExtensionHandshake({ messages: { ut_pex: 1 }, reqq: 500 });
 * console.log(decodeExtensionHandshake(payload).messages.get("ut_pex")); // 1
 * ```
 */
export function encodeExtensionHandshake(
  fields: ExtensionHandshakeFields,
): Uint8Array<ArrayBuffer> {
  for (const [name, id] of Object.entries(fields.messages)) {
    requireInteger(`id of ${name}`, id, 0, 255);
  }
  if (fields.reqq !== undefined) requireInteger("reqq", fields.reqq, 1, NUMBER_MAX);
  if (fields.port !== undefined) requireInteger("port", fields.port, 1, 65535);
  if (fields.metadataSize !== undefined) {
    requireInteger("metadata size", fields.metadataSize, 1, NUMBER_MAX);
  }
  if (fields.yourIp !== undefined && !isAddressLength(fields.yourIp.length)) {
    throw new RangeError(
      `Cannot write extension handshake: address is ${fields.yourIp.length} bytes, must be 4 or 16 bytes`,
    );
  }
  return encode({
    m: fields.messages,
    metadata_size: fields.metadataSize,
    p: fields.port,
    reqq: fields.reqq,
    upload_only: fields.uploadOnly === undefined ? undefined : fields.uploadOnly ? 1 : 0,
    v: fields.version,
    yourip: fields.yourIp,
  });
}

/**
 * Reads the payload of an extension handshake.
 *
 * Tolerant, as peers are careless: keys in any order, bytes behind the dictionary, unknown keys;
 * a field of the wrong type or out of range counts as absent.
 *
 * Ownership: `bytes` is not kept.
 *
 * Limits: {@linkcode MESSAGE_EXTENDED_BYTES_MAX} bytes; {@linkcode EXTENSION_MESSAGES_MAX} names.
 *
 * Errors: {@linkcode PeerProtocolError} `extension` when it is no bencoded dictionary.
 */
export function decodeExtensionHandshake(bytes: Uint8Array): ExtensionHandshake {
  const dict = decodeDict(bytes);
  return {
    messages: messagesOf(dict.get("m")),
    version: versionOf(dict.get("v")),
    reqq: integerOf(dict.get("reqq"), 1, NUMBER_MAX),
    port: integerOf(dict.get("p"), 1, 65535),
    metadataSize: integerOf(dict.get("metadata_size"), 1, NUMBER_MAX),
    uploadOnly: booleanOf(dict.get("upload_only")),
    yourIp: addressOf(dict.get("yourip")),
  };
}

/**
 * Says what holds after a further handshake on the same connection: what it names replaces what was
 * said before, and the rest stays.
 *
 * Limits: {@linkcode EXTENSION_MESSAGES_MAX} names, so that a peer cannot pile them up.
 *
 * Source: BEP 10, "the handshake may be sent more than once".
 */
export function mergeExtensionHandshakes(
  earlier: ExtensionHandshake,
  later: ExtensionHandshake,
): ExtensionHandshake {
  const messages = new Map(earlier.messages);
  for (const [name, id] of later.messages) {
    if (messages.has(name) || messages.size < EXTENSION_MESSAGES_MAX) messages.set(name, id);
  }
  return {
    messages,
    version: later.version ?? earlier.version,
    reqq: later.reqq ?? earlier.reqq,
    port: later.port ?? earlier.port,
    metadataSize: later.metadataSize ?? earlier.metadataSize,
    uploadOnly: later.uploadOnly ?? earlier.uploadOnly,
    yourIp: later.yourIp ?? earlier.yourIp,
  };
}

function decodeDict(bytes: Uint8Array): BencodeDict {
  let value: BencodeValue;
  try {
    value = decodePrefix(bytes, {
      lenient: true,
      maxDepth: DEPTH_MAX,
      maxBytes: MESSAGE_EXTENDED_BYTES_MAX,
      maxValues: VALUES_MAX,
    }).value;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new PeerProtocolError("extension", `Cannot read extension handshake: ${reason}`, {
      cause,
    });
  }
  if (value instanceof Map) return value;
  throw new PeerProtocolError(
    "extension",
    "Cannot read extension handshake: it is no dictionary, must be one",
  );
}

function messagesOf(value: BencodeValue | undefined): ReadonlyMap<string, number> {
  const messages = new Map<string, number>();
  if (!(value instanceof Map)) return messages;
  for (const [name, id] of value) {
    if (messages.size === EXTENSION_MESSAGES_MAX) break;
    const number = integerOf(id, 0, 255);
    if (number !== null && name.length <= NAME_BYTES_MAX) messages.set(name, number);
  }
  return messages;
}

/** The text of `v`: as UTF-8, without what is not printable, and clipped. */
function versionOf(value: BencodeValue | undefined): string | null {
  if (!(value instanceof Uint8Array)) return null;
  // A character has at most four bytes: no more than these can be shown.
  const text = new TextDecoder().decode(value.subarray(0, 4 * VERSION_CHARACTERS_MAX));
  // Letters, marks, numbers, punctuation, symbols and the plain space: no control, no format
  // character (some turn the line's direction), no line separator, nothing unassigned.
  const printable = text.replace(/[^\p{L}\p{M}\p{N}\p{P}\p{S} ]|\ufffd/gu, "").trim();
  const clipped = Array.from(printable).slice(0, VERSION_CHARACTERS_MAX).join("");
  return clipped === "" ? null : clipped;
}

function integerOf(value: BencodeValue | undefined, min: number, max: number): number | null {
  return typeof value === "number" && value >= min && value <= max ? value : null;
}

function booleanOf(value: BencodeValue | undefined): boolean | null {
  return typeof value === "number" ? value !== 0 : null;
}

function addressOf(value: BencodeValue | undefined): Uint8Array<ArrayBuffer> | null {
  if (!(value instanceof Uint8Array) || !isAddressLength(value.length)) return null;
  return new Uint8Array(value);
}

function isAddressLength(bytes: number): boolean {
  return bytes === 4 || bytes === 16;
}

function requireInteger(what: string, value: number, min: number, max: number): void {
  if (Number.isInteger(value) && value >= min && value <= max) return;
  throw new RangeError(
    `Cannot write extension handshake: ${what} is ${value}, must be an integer from ${min} to ${max}`,
  );
}
