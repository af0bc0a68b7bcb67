/**
 * What the overlay passes on: who provides which info-hash, in the owner's own signed words.
 *
 * A record holds texts, exactly as they travel: keys of maps, comparisons and the bytes that are signed
 * are made of them without conversion, and a text takes less memory than a typed array.
 *
 * @module
 */

/** `left` of a provider that left: a leave is a record too, and lives as long as another. */
export const LEFT_GONE = -1;

/** How long a record is believed after its owner was last heard of, in seconds: three beats. */
export const RECORD_TTL_SECONDS = 90;

/** The shortest life a record may ask for, in seconds: a round of gossip and a little. */
export const TTL_SECONDS_MIN = 10;

/** The longest life a record may ask for, in seconds: two announces of the slowest common tracker. */
export const TTL_SECONDS_MAX = 7200;

/** Longest `host:port`: a DNS name of 253 characters, the colon, five digits. */
export const ADDRESS_CHARACTERS_MAX = 259;

/** Longest `slot`: a peer id in hexadecimal; what tells a tracker's providers apart is shorter. */
export const SLOT_CHARACTERS_MAX = 40;

/**
 * Longest `note`: what a tracker says of a peer besides: its key, a name of 253 characters, and which words of
 * other trackers it knew.
 */
export const NOTE_CHARACTERS_MAX = 384;

/** What the signed bytes begin with: no signature made for anything else, or another version, fits. */
const DOMAIN = "enjambre/overlay/record/1";

/** One provider's place in a swarm, as its owner tells it. */
export interface ProviderRecord {
  /** The swarm: 40 lower-case hexadecimal digits. */
  readonly infoHash: string;
  /** Who says so: an Ed25519 public key, 43 characters of base64url. */
  readonly owner: string;
  /** Which of the owner's providers in this swarm: "" for the owner itself, else what tells them apart. */
  readonly slot: string;
  /** Where others reach the provider: `host:port`, the host a name or an address. */
  readonly address: string;
  /** The provider's peer id: 40 lower-case hexadecimal digits. */
  readonly peerId: string;
  /** Bytes that it still lacks; 0 for a seed, {@linkcode LEFT_GONE} for one that left. */
  readonly left: number;
  /** Grows with everything that the owner signs: the wall-clock time in milliseconds, or one more. */
  readonly sequence: number;
  /** How long the record is believed after the owner was last heard of, in seconds. */
  readonly ttlSeconds: number;
  /**
   * The end of the hash chain whose links keep the record alive ({@linkcode BeatMaker}): 22 characters of
   * base64url; "" for a record that lives its {@linkcode ttlSeconds} once.
   */
  readonly anchor: string;
  /** What the owner says besides, which means nothing to the overlay: printable ASCII; "" for nothing. */
  readonly note: string;
}

/** A record with its owner's word for it. */
export interface SignedRecord extends ProviderRecord {
  /** Ed25519 over {@linkcode signedBytes}: 86 characters of base64url. */
  readonly signature: string;
}

/** Under which key of the map a record stands: one per swarm, owner and slot. */
export function keyOf(record: ProviderRecord): string {
  return record.infoHash + record.owner + record.slot;
}

const encoder = new TextEncoder();

/**
 * The bytes that the owner signs.
 *
 * **Shape**: ten lines of ASCII, joined by `\n` with none at the end: `enjambre/overlay/record/1`,
 * info-hash, owner, slot, address, peer id, left, sequence, ttl, anchor; numbers in decimal. Where there is a
 * note, it is the eleventh. No field can hold a line end, so no two records have the same bytes.
 */
export function signedBytes(record: ProviderRecord): Uint8Array<ArrayBuffer> {
  const { infoHash, owner, slot, address, peerId, left, sequence, ttlSeconds, anchor } = record;
  const lines = [
    ...[DOMAIN, infoHash, owner, slot, address, peerId, left, sequence, ttlSeconds, anchor],
  ];
  if (record.note !== "") lines.push(record.note);
  return encoder.encode(lines.join("\n"));
}

/**
 * Tells which of two records under one key is the later word: positive where `one` is.
 *
 * The higher sequence wins. An owner that signs two records with one sequence gets the one whose signature
 * sorts last, so that all nodes agree without asking.
 */
export function compareRecords(one: SignedRecord, other: SignedRecord): number {
  if (one.sequence !== other.sequence) return one.sequence - other.sequence;
  return one.signature === other.signature ? 0 : one.signature > other.signature ? 1 : -1;
}

/** Whether two records are one in every field. */
export function isSameRecord(one: SignedRecord, other: SignedRecord): boolean {
  const fields = Object.keys(one) as (keyof SignedRecord)[];
  return fields.every((field) => one[field] === other[field]);
}

/** Whether a text is an info-hash or a peer id: 20 bytes as lower-case hexadecimal digits. */
export function isHash(value: unknown): value is string {
  return typeof value === "string" && /^[0-9a-f]{40}$/.test(value);
}

/** Whether a text is `host:port` with a name, an IPv4 address or an IPv6 address in brackets. */
export function isAddress(value: unknown): value is string {
  if (typeof value !== "string" || value.length > ADDRESS_CHARACTERS_MAX) return false;
  const match = /^(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.%]{2,60}\]):(\d{1,5})$/.exec(value);
  return match !== null && Number(match[1]) >= 1 && Number(match[1]) <= 65535;
}

/** Whether a text is 32 bytes in base64url, in the one form that stands for them. */
export function isPublicKey(value: unknown): value is string {
  return typeof value === "string" && /^[\w-]{42}[AEIMQUYcgkosw048]$/.test(value);
}

/** A record in JSON, under the names that travel. */
export interface WireRecord {
  /** See {@linkcode ProviderRecord.infoHash}. */
  infoHash: string;
  /** The owner. */
  key: string;
  /** The slot; left out where it is "". */
  slot?: string;
  /** The address. */
  addr: string;
  /** The peer id. */
  peerId: string;
  /** Bytes that it still lacks, or -1. */
  left: number;
  /** The sequence. */
  seq: number;
  /** Seconds that it lives. */
  ttl: number;
  /** The anchor; left out where it is "". */
  anchor?: string;
  /** The note; left out where it is "". */
  note?: string;
  /** The signature. */
  sig: string;
}

/** Gives a record the form in which it travels. */
export function toWire(record: SignedRecord): WireRecord {
  return {
    infoHash: record.infoHash,
    key: record.owner,
    ...(record.slot !== "" && { slot: record.slot }),
    addr: record.address,
    peerId: record.peerId,
    left: record.left,
    seq: record.sequence,
    ttl: record.ttlSeconds,
    ...(record.anchor !== "" && { anchor: record.anchor }),
    ...(record.note !== "" && { note: record.note }),
    sig: record.signature,
  };
}

/**
 * Reads a record that came; `null` where any field is missing, of the wrong kind or beyond its limits.
 *
 * What is read is well formed, not yet true: the signature is somebody else's to verify.
 */
export function fromWire(value: unknown): SignedRecord | null {
  if (typeof value !== "object" || value === null) return null;
  const fields = value as Partial<Record<keyof WireRecord, unknown>>;
  const { infoHash, key, slot = "", addr, peerId, left, seq, ttl, anchor = "", note = "", sig } =
    fields;
  if (!isHash(infoHash) || !isHash(peerId) || !isPublicKey(key) || !isAddress(addr)) return null;
  if (!isInteger(left, LEFT_GONE, Number.MAX_SAFE_INTEGER)) return null;
  if (!isInteger(seq, 0, Number.MAX_SAFE_INTEGER - 1)) return null;
  if (!isInteger(ttl, TTL_SECONDS_MIN, TTL_SECONDS_MAX)) return null;
  if (typeof slot !== "string" || !/^[\w-]{0,40}$/.test(slot)) return null;
  if (typeof anchor !== "string" || !/^(?:[\w-]{21}[AQgw])?$/.test(anchor)) return null;
  if (typeof note !== "string" || note.length > NOTE_CHARACTERS_MAX) return null;
  if (!/^[ -~]*$/.test(note)) return null;
  if (typeof sig !== "string" || !/^[\w-]{85}[AQgw]$/.test(sig)) return null;
  return {
    infoHash,
    owner: key,
    slot,
    address: addr,
    peerId,
    left,
    sequence: seq,
    ttlSeconds: ttl,
    anchor,
    note,
    signature: sig,
  };
}

function isInteger(value: unknown, least: number, most: number): value is number {
  return Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most;
}
