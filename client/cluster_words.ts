/**
 * What trackers say of a peer to one another, as records of the overlay; and which of two words is the later.
 *
 * @module
 */
import { type HeardRecord, LEFT_GONE, type SignedRecord } from "@enjambre/overlay";
import { formatHostPort, formatIp, parseIp, type ReplicatedAnnounce } from "@enjambre/tracker";

/**
 * Of two trackers that did not know of each other's word, the one that was heard later counts, if it was by more
 * than this: ages travel in whole seconds, and messages take their time.
 */
export const SAME_TIME_MS = 3000;
/** Words of others that a word tells that it came after: those that were heard last. */
const AFTER_MAX = 4;
/** Characters of a key that stand for it there: 72 bits. */
const OWNER_CHARACTERS = 12;

/** What one tracker says of one peer. */
export interface Word {
  /** As it travels. */
  readonly record: SignedRecord;
  /** When it was said, by our clock, as far as we can tell. */
  readonly heardMs: number;
  /** Whether it says that the peer has stopped. */
  readonly isGone: boolean;
  /** What the peer proves by that it is itself; 0 for nothing. */
  readonly key: number;
  /** Whether the peer told that it completed. */
  readonly isCompleted: boolean;
  /** The name that the peer gave. */
  readonly hostname: string | null;
  /** Which words of others were known when it was said: the beginnings of their keys, and their sequences. */
  readonly after: string;
}

/** What a note holds. */
export type Note = Pick<Word, "key" | "isCompleted" | "hostname" | "after">;

/**
 * Under which slots a tracker's records of a peer stand: one for each family of addresses, since a peer may have
 * both, and each announce tells of one.
 */
export function slotsOf(peerId: Uint8Array): [ipv4: string, ipv6: string] {
  const text = peerId.toBase64({ alphabet: "base64url", omitPadding: true });
  return [`${text}4`, `${text}6`];
}

/** The same of a record; `null` where no tracker made it. */
export function slotsOfRecord({ slot }: SignedRecord): [ipv4: string, ipv6: string] | null {
  if (!/^[\w-]{27}[46]$/.test(slot)) return null;
  const text = slot.slice(0, -1);
  return [`${text}4`, `${text}6`];
}

/** Writes a note; "" where there is nothing to say. */
export function writeNote({ key, isCompleted, hostname, after }: Note): string {
  const fields = [
    key === 0 ? "" : (key >>> 0).toString(36),
    isCompleted ? "c" : "",
    hostname ?? "",
    after,
  ];
  return fields.join("|").replace(/\|+$/, "");
}

/** Reads a record; what its note lacks is nothing. */
export function readWord({ record, heardMs }: HeardRecord): Word {
  const [key = "", completed = "", hostname = "", after = ""] = record.note.split("|");
  return {
    record,
    heardMs,
    isGone: record.left === LEFT_GONE,
    key: /^[0-9a-z]{1,7}$/.test(key) ? parseInt(key, 36) | 0 : 0,
    isCompleted: completed === "c",
    hostname: hostname === "" ? null : hostname,
    after,
  };
}

/** What a new word of `owner` says that it came after. */
export function afterOf(words: readonly Word[], owner: string): string {
  return words.filter(({ record }) => record.owner !== owner)
    .sort((one, other) => other.heardMs - one.heardMs)
    .slice(0, AFTER_MAX)
    .map(({ record }) => `${nameOf(record)}${record.sequence.toString(36)}`)
    .join(",");
}

/**
 * Whether one word about a peer is later than another. No time of day counts: trackers' clocks may differ.
 *
 * One tracker's words are in order. If a tracker knew the other's word, its own is later. Else the one that was
 * heard later is; and of two that were said at about the same time, the one that says that the peer has stopped.
 */
export function isLater(word: Word, other: Word): boolean {
  const [one, two] = [word.record, other.record];
  if (one.owner === two.owner) return one.sequence > two.sequence;
  if (isAfter(word, two)) return true;
  if (isAfter(other, one)) return false;
  const byMs = word.heardMs - other.heardMs;
  if (Math.abs(byMs) > SAME_TIME_MS) return byMs > 0;
  if (word.isGone !== other.isGone) return word.isGone;
  return one.sequence !== two.sequence ? one.sequence > two.sequence : one.owner > two.owner;
}

/** The words that hold: those of a peer that has not stopped since. */
export function livingOf(words: readonly Word[]): Word[] {
  const gone = words.filter(({ isGone }) => isGone);
  return words.filter((word) => !word.isGone && gone.every((each) => isLater(word, each)));
}

/** The latest of words; `null` where there is none. */
export function latestOf(words: readonly Word[]): Word | null {
  let latest: Word | null = null;
  for (const word of words) if (latest === null || isLater(word, latest)) latest = word;
  return latest;
}

/** The latest word of a slot; `null` where there is none. */
export function latestIn(words: readonly Word[], slot: string): Word | null {
  return latestOf(words.filter(({ record }) => record.slot === slot));
}

/** Where a peer announced from, as a record has it. */
export function addressOf({ address, port }: ReplicatedAnnounce): string {
  return formatHostPort(formatIp(address), port);
}

/** Makes an announce of a word again; `null` where its address is none. */
export function announceOf(
  word: Word,
  event: ReplicatedAnnounce["event"],
): ReplicatedAnnounce | null {
  const { infoHash, peerId, address: text, left, slot } = word.record;
  const colon = text.lastIndexOf(":");
  const address = parseIp(text.slice(0, colon).replace(/^\[(.*)\]$/, "$1"));
  if (address === null || (address.length === 4) !== slot.endsWith("4")) return null;
  return {
    infoHash: Uint8Array.fromHex(infoHash),
    peerId: Uint8Array.fromHex(peerId),
    address,
    port: Number(text.slice(colon + 1)),
    key: word.key,
    hostname: word.hostname,
    seed: left === 0,
    event,
  };
}

function isAfter({ after }: Word, record: SignedRecord): boolean {
  if (after === "") return false;
  const name = nameOf(record);
  return after.split(",").some((known) =>
    known.startsWith(name) && parseInt(known.slice(OWNER_CHARACTERS), 36) >= record.sequence
  );
}

function nameOf({ owner }: SignedRecord): string {
  return owner.slice(0, OWNER_CHARACTERS);
}
