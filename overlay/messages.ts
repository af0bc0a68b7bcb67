/**
 * What two nodes say to each other: one JSON object a line, every field checked.
 *
 * @module
 */

import { fromBase64, toBase64 } from "./base64.ts";
import { type Beat, CHAIN_LENGTH, VALUE_BYTES } from "./beats.ts";
import { BUCKETS, MARK_CHARACTERS } from "./digests.ts";
import {
  fromWire,
  isAddress,
  isHash,
  type SignedRecord,
  toWire,
  TTL_SECONDS_MAX,
} from "./record.ts";

/** The version of these messages; it is said once, in the greeting. */
export const OVERLAY_VERSION = 1;
/** Longest line, its end not counted; also what one message may take of a node's memory and time. */
export const LINE_CHARACTERS_MAX = 65_536;
/** Addresses that a message may name. */
export const ADDRESSES_MAX = 64;
/** Records that one answer to a lookup may hold; as many as fit a line at 380 characters each. */
export const LOOKUP_RECORDS_MAX = 160;

/** A record on its way. */
export interface Carried {
  /** The record. */
  readonly record: SignedRecord;
  /** How long ago its owner was last heard of, as the sender says. */
  readonly ageMs: number;
  /** The last beat of its chain that the sender knows. */
  readonly beat: Beat | null;
}

/** All messages. Bytes are packed as {@link BeatTable} says. */
export type Message =
  /** Opens an exchange: the digest over all records, what came last, a summary of the beats, a few members. */
  | {
    readonly type: "sync";
    readonly root: string;
    /** The marks of what came last, and their buckets. */
    readonly marks: readonly string[];
    readonly buckets: readonly number[];
    readonly beats: Uint8Array;
    readonly members: readonly string[];
    /** The sender knows few members and wants more of them. */
    readonly few: boolean;
    /** The sender has no room for records. */
    readonly full: boolean;
  }
  /** Answers: the digests of the buckets where the roots differ, beats that are newer here, and tags of older ones. */
  | {
    readonly type: "answer";
    readonly buckets: string;
    readonly beats: Uint8Array;
    readonly older: Uint8Array;
    readonly members: readonly string[];
  }
  /** Names the records that the sender has in buckets that differ, and whether it takes what it lacks. */
  | {
    readonly type: "list";
    readonly buckets: readonly number[];
    readonly marks: readonly string[];
    readonly full: boolean;
  }
  /** Asks for records of these buckets by their marks. */
  | {
    readonly type: "want";
    readonly buckets: readonly number[];
    readonly marks: readonly string[];
  }
  /** Records that the receiver lacks; `more` where the exchange ended before all were sent. */
  | { readonly type: "records"; readonly records: readonly Carried[]; readonly more: boolean }
  /** News, to be passed on. */
  | { readonly type: "push"; readonly records: readonly Carried[] }
  /** Beats. */
  | { readonly type: "beats"; readonly beats: Uint8Array }
  /** With replication: the sender's own records that it holds to. */
  | {
    readonly type: "keep";
    readonly buckets: readonly number[];
    readonly marks: readonly string[];
    readonly beats: Uint8Array;
  }
  /** Are you there? */
  | { readonly type: "ping" }
  /** I am. */
  | { readonly type: "pong" }
  /** Ask that member for me whether it is there. */
  | { readonly type: "probe"; readonly address: string }
  /** It is. */
  | { readonly type: "alive"; readonly address: string }
  /** Members that came, and that the sender no longer reaches. */
  | {
    readonly type: "members";
    readonly joined: readonly string[];
    readonly gone: readonly string[];
  }
  /** Who provides this? */
  | {
    readonly type: "lookup";
    readonly id: number;
    readonly infoHash: string;
    readonly wanted: number;
  }
  /** The answer. */
  | { readonly type: "providers"; readonly id: number; readonly records: readonly Carried[] }
  /** What a later version says: it is passed over. */
  | { readonly type: "unknown" };

const NO_BYTES = new Uint8Array(0);

/** Gives a message the form in which it travels, without the line's end. */
export function encodeMessage(message: Message): string {
  return JSON.stringify(message, replace);
}

/** Leaves out what says nothing, and packs what JSON cannot hold. */
function replace(key: string, value: unknown): unknown {
  if (value instanceof Uint8Array) return value.length === 0 ? undefined : toBase64(value);
  if (value === false || value === "") return undefined;
  if (!Array.isArray(value)) return value;
  if (value.length === 0) return undefined;
  if (key === "marks") return value.join("");
  return key === "records" ? (value as Carried[]).map(toWireCarried) : value;
}

function toWireCarried({ record, ageMs, beat }: Carried): object {
  const age = Math.max(0, Math.round(ageMs / 1000));
  return { ...toWire(record), ...(age > 0 && { age }), ...(beat !== null && { beat: pack(beat) }) };
}

/** How many characters a record takes in a message. */
export function lengthOf(carried: Carried): number {
  return JSON.stringify(toWireCarried(carried)).length + 1;
}

/** Reads a line; `null` for what no node of ours would send. */
export function decodeMessage(line: string): Message | null {
  if (line.length > LINE_CHARACTERS_MAX) return null;
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return null;
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return null;
  const fields = value as Fields;
  if (typeof fields.type !== "string") return null;
  const read = Object.hasOwn(readers, fields.type) ? readers[fields.type as Known] : null;
  if (read === null) return { type: "unknown" };
  try {
    return read(fields);
  } catch (error) {
    if (error instanceof Malformed) return null;
    throw error;
  }
}

type Fields = Readonly<Record<string, unknown>>;
type Known = Exclude<Message["type"], "unknown">;

/** A field that cannot be; it does not leave this file. */
class Malformed extends Error {}

const readers: { readonly [T in Known]: (fields: Fields) => Message & { type: T } } = {
  sync: (fields) => ({
    type: "sync",
    root: text(fields.root, 10),
    marks: marks(fields.marks),
    buckets: buckets(fields.buckets),
    beats: bytes(fields.beats),
    members: addresses(fields.members),
    few: flag(fields.few),
    full: flag(fields.full),
  }),
  answer: (fields) => ({
    type: "answer",
    buckets: text(fields.buckets, 5 * BUCKETS),
    beats: bytes(fields.beats),
    older: bytes(fields.older),
    members: addresses(fields.members),
  }),
  list: (fields) => ({
    type: "list",
    buckets: buckets(fields.buckets),
    marks: marks(fields.marks),
    full: flag(fields.full),
  }),
  want: (fields) => ({
    type: "want",
    buckets: buckets(fields.buckets),
    marks: marks(fields.marks),
  }),
  records: (fields) => ({
    type: "records",
    records: carried(fields.records),
    more: flag(fields.more),
  }),
  push: (fields) => ({ type: "push", records: carried(fields.records) }),
  beats: (fields) => ({ type: "beats", beats: bytes(fields.beats) }),
  keep: (fields) => ({
    type: "keep",
    buckets: buckets(fields.buckets),
    marks: marks(fields.marks),
    beats: bytes(fields.beats),
  }),
  ping: () => ({ type: "ping" }),
  pong: () => ({ type: "pong" }),
  probe: (fields) => ({ type: "probe", address: address(fields.address) }),
  alive: (fields) => ({ type: "alive", address: address(fields.address) }),
  members: (fields) => ({
    type: "members",
    joined: addresses(fields.joined),
    gone: addresses(fields.gone),
  }),
  lookup: (fields) => ({
    type: "lookup",
    id: integer(fields.id, Number.MAX_SAFE_INTEGER),
    infoHash: hash(fields.infoHash),
    wanted: integer(fields.wanted, LOOKUP_RECORDS_MAX),
  }),
  providers: (fields) => ({
    type: "providers",
    id: integer(fields.id, Number.MAX_SAFE_INTEGER),
    records: carried(fields.records),
  }),
};

function require<T>(value: unknown, isRight: (value: unknown) => value is T): T {
  if (!isRight(value)) throw new Malformed();
  return value;
}

const hash = (value: unknown) => require(value, isHash);
const address = (value: unknown) => require(value, isAddress);

function flag(value: unknown): boolean {
  return value === true;
}

function integer(value: unknown, most: number): number {
  if (!Number.isSafeInteger(value) || (value as number) < 0 || (value as number) > most) {
    throw new Malformed();
  }
  return value as number;
}

/** A text of exactly so many characters, or none. */
function text(value: unknown, characters: number): string {
  if (value === undefined) return "";
  if (typeof value !== "string" || value.length !== characters) throw new Malformed();
  return value;
}

function bytes(value: unknown): Uint8Array {
  if (value === undefined) return NO_BYTES;
  const read = typeof value === "string" ? fromBase64(value) : null;
  if (read === null) throw new Malformed();
  return read;
}

function array(value: unknown, most: number): readonly unknown[] {
  if (value === undefined) return [];
  if (!Array.isArray(value) || value.length > most) throw new Malformed();
  return value;
}

function addresses(value: unknown): readonly string[] {
  return array(value, ADDRESSES_MAX).map(address);
}

function buckets(value: unknown): readonly number[] {
  return array(value, BUCKETS).map((bucket) => integer(bucket, BUCKETS - 1));
}

function marks(value: unknown): readonly string[] {
  if (value === undefined) return [];
  if (typeof value !== "string" || value.length % MARK_CHARACTERS !== 0) throw new Malformed();
  const read: string[] = [];
  for (let at = 0; at < value.length; at += MARK_CHARACTERS) {
    read.push(value.slice(at, at + MARK_CHARACTERS));
  }
  return read;
}

function carried(value: unknown): readonly Carried[] {
  return array(value, LINE_CHARACTERS_MAX).map((item) => {
    const record = fromWire(item);
    if (record === null) throw new Malformed();
    const { age = 0, beat } = item as Fields;
    const ageMs = 1000 * integer(age, TTL_SECONDS_MAX);
    return { record, ageMs, beat: beat === undefined ? null : unpack(beat) };
  });
}

function pack({ counter, value }: Beat): string {
  const packed = new Uint8Array(2 + VALUE_BYTES);
  new DataView(packed.buffer).setUint16(0, counter);
  packed.set(value, 2);
  return toBase64(packed);
}

function unpack(value: unknown): Beat {
  const packed = bytes(value);
  if (packed.length !== 2 + VALUE_BYTES) throw new Malformed();
  const counter = (packed[0]! << 8) | packed[1]!;
  if (counter > CHAIN_LENGTH) throw new Malformed();
  return { counter, value: packed.slice(2) };
}
