/** The form in which announces go to `_redis_script.ts`, and its answers come back. */
import { HASH_BYTES } from "./announce.ts";
import { formatIp } from "./address.ts";
import {
  COMPACT4_BYTES,
  COMPACT6_BYTES,
  NUM_WANT_MAX,
  type PeerForm,
  type SwarmAnnounce,
  type SwarmAnswer,
  type SwarmCounts,
} from "./swarm_store.ts";

const SEED = 1;
const STOPPED = 2;
const COMPLETED = 4;
const IS_6 = 8;

/** The forms as numbers: the index. */
const FORMS: readonly PeerForm[] = ["compact", "compact4", "compact6", "list"];

/** Where an announce has the address: behind flags, form, count, randomness, key, age and peer id. */
const ADDRESS_AT = 35;
/** The counts. */
const COUNTS_BYTES = 12;
/** The counts, and how many leechers and seeds there are of each family. */
const COMPACT_HEAD_BYTES: number = COUNTS_BYTES + 4;
const LIST_HEAD_BYTES: number = COUNTS_BYTES + 1;
/** Whether it is a seed, peer id, addresses of both families, and how long the name is. */
const ENTRY_BYTES: number = 1 + HASH_BYTES + COMPACT4_BYTES + COMPACT6_BYTES + 1;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The bytes of an announce that was made `ageMs` ago; 0 for one that is made now. */
export function packAnnounce(
  announce: SwarmAnnounce,
  random: () => number,
  ageMs: number,
): Uint8Array<ArrayBuffer> {
  const { address, event, port, hostname } = announce;
  const name = hostname === null ? null : encoder.encode(hostname);
  const portAt = ADDRESS_AT + address.length;
  const bytes = new Uint8Array(portAt + 2 + (name?.length ?? 0));
  const view = new DataView(bytes.buffer);
  bytes[0] = (announce.seed ? SEED : 0) | (event === "stopped" ? STOPPED : 0) |
    (event === "completed" ? COMPLETED : 0) | (address.length === 4 ? 0 : IS_6);
  bytes[1] = FORMS.indexOf(announce.form);
  bytes[2] = Math.max(0, Math.min(announce.numWant, NUM_WANT_MAX));
  view.setUint16(3, random() * 65_536);
  view.setUint16(5, random() * 65_536);
  view.setUint32(7, announce.key);
  view.setUint32(11, ageMs);
  bytes.set(announce.peerId, 15);
  bytes.set(address, ADDRESS_AT);
  view.setUint16(portAt, port);
  if (name !== null) bytes.set(name, portAt + 2);
  return bytes;
}

/** Whether the answer says that somebody else has this peer id. */
export function isImpostor(reply: Uint8Array): boolean {
  return reply.length === 1;
}

/** Fills in what the script answered to an announce. */
export function readAnswer(reply: Uint8Array, announce: SwarmAnnounce, answer: SwarmAnswer): void {
  answer.seeders = uint32(reply, 0);
  answer.completed = uint32(reply, 4);
  answer.leechers = uint32(reply, 8);
  if (announce.event === "stopped") return;
  if (announce.form === "list") return readList(reply, announce.address.length === 4, answer);
  answer.count4 = reply[12]! + reply[13]!;
  answer.count6 = reply[14]! + reply[15]!;
  const at6 = COMPACT_HEAD_BYTES + answer.count4 * COMPACT4_BYTES;
  for (let from = COMPACT_HEAD_BYTES, to = 0; from < at6;) answer.compact4[to++] = reply[from++]!;
  for (let from = at6, to = 0; from < reply.length;) answer.compact6[to++] = reply[from++]!;
}

/** Fills in peers under their names, else their addresses of the asker's family, else the other. */
function readList(reply: Uint8Array, is4: boolean, answer: SwarmAnswer): void {
  forEachEntry(reply, (_isSeed, at) => {
    const at4 = at + HASH_BYTES;
    const at6 = at4 + COMPACT4_BYTES;
    const nameAt = at6 + COMPACT6_BYTES + 1;
    const nameBytes = reply[nameAt - 1]!;
    const takes4 = is4 ? hasPort(reply, at6) : !hasPort(reply, nameAt - 1);
    const portAt = takes4 ? at6 - 2 : nameAt - 3;
    const host = nameBytes > 0
      ? decoder.decode(reply.subarray(nameAt, nameAt + nameBytes))
      : formatIp(reply.slice(takes4 ? at4 : at6, portAt));
    const port = reply[portAt]! << 8 | reply[portAt + 1]!;
    // Of the reply nothing is kept: its bytes may be part of a large buffer.
    answer.peers.push({ host, port, peerId: new Uint8Array(reply.subarray(at, at4)) });
  });
}

/** Calls back for each entry of a list, with where its peer id is. */
function forEachEntry(reply: Uint8Array, each: (isSeed: boolean, at: number) => void): void {
  let at = LIST_HEAD_BYTES;
  for (let left = reply[COUNTS_BYTES]!; left > 0; left--) {
    each(reply[at] === 1, at + 1);
    at += ENTRY_BYTES + reply[at + ENTRY_BYTES - 1]!;
  }
}

/** Whether the address that ends at `end` is there. */
function hasPort(reply: Uint8Array, end: number): boolean {
  return (reply[end - 1]! | reply[end - 2]!) !== 0;
}

/** The peers of an answer in the compact form, copied: leechers first. */
export interface Sighting {
  /** {@link COMPACT4_BYTES} each; `null` where they were not asked for. */
  readonly four: Uint8Array | null;
  /** How many of them are leechers. */
  readonly leechers4: number;
  /** {@link COMPACT6_BYTES} each; `null` where they were not asked for. */
  readonly six: Uint8Array | null;
  /** How many of them are leechers. */
  readonly leechers6: number;
}

/** Copies the peers out of an answer to an announce that was not `stopped`. */
export function readSighting(reply: Uint8Array, form: PeerForm): Sighting {
  if (form === "list") return readSightingOfList(reply);
  const at6 = COMPACT_HEAD_BYTES + (reply[12]! + reply[13]!) * COMPACT4_BYTES;
  return {
    four: form === "compact6" ? null : new Uint8Array(reply.subarray(COMPACT_HEAD_BYTES, at6)),
    leechers4: reply[12]!,
    six: form === "compact4" ? null : new Uint8Array(reply.subarray(at6)),
    leechers6: reply[14]!,
  };
}

function readSightingOfList(reply: Uint8Array): Sighting {
  const four: [number[], number[]] = [[], []];
  const six: [number[], number[]] = [[], []];
  forEachEntry(reply, (isSeed, at) => {
    const kind = isSeed ? 1 : 0;
    const at6 = at + HASH_BYTES + COMPACT4_BYTES;
    const end = at6 + COMPACT6_BYTES;
    if (hasPort(reply, at6)) four[kind].push(...reply.subarray(at6 - COMPACT4_BYTES, at6));
    if (hasPort(reply, end)) six[kind].push(...reply.subarray(at6, end));
  });
  return {
    four: Uint8Array.from(four.flat()),
    leechers4: four[0].length / COMPACT4_BYTES,
    six: Uint8Array.from(six.flat()),
    leechers6: six[0].length / COMPACT6_BYTES,
  };
}

/** Reads the answer to a scrape; `null` for a swarm without peers. */
export function readCounts(reply: Uint8Array): SwarmCounts | null {
  const seeders = uint32(reply, 0);
  const leechers = uint32(reply, 8);
  if (seeders + leechers === 0) return null;
  return { seeders, completed: uint32(reply, 4), leechers };
}

function uint32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24 | bytes[at + 1]! << 16 | bytes[at + 2]! << 8 | bytes[at + 3]!) >>> 0;
}
