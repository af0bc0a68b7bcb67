import type { MemoryCutter } from "./_memory.ts";
import { IdTable } from "./_id_table.ts";
import { COMPACT6_BYTES } from "./swarm_store.ts";

/**
 * How many names of peers are kept: containers have them, few others do. Beyond, peers are known under
 * their addresses alone.
 */
export const NAMES_MAX = 65_535;
/** A length and 253 characters. */
const NAME_BYTES = 254;

/** After so many announces over one family alone, the address of the other counts no longer. */
const OTHER_FAMILY_ANNOUNCES_MAX = 4;

const OLDEST = 0;
const NEWEST = 1;
const NAME_TOP = 2;
const NAME_FREE = 3;
const HEAD_WORDS = 4;

const COMPLETED = 1;
/** Where the flags hold how many announces came over the other family since; three bits each. */
const AGE4_SHIFT = 1;
const AGE6_SHIFT = 4;

/**
 * The peers of all swarms, in packed arrays: some 80 bytes each. In the order of their silence, too. Their
 * IPv4 addresses are with the members of their swarms.
 *
 * A peer is a number from 1 up. All of its state is in the arrays, so that threads can share it.
 */
export class PeerTable {
  /** Who they are; the scope of an id is the number of its swarm. */
  readonly ids: IdTable;
  /** The index of each in the list of its swarm's members. */
  readonly places: Int32Array;
  /** When each was heard of last. */
  readonly seenMs: Float64Array;
  /** What each proves by that it is itself; 0 for nothing. */
  readonly keys: Int32Array;
  /** {@link COMPACT6_BYTES} each; the port is 0 where it has no IPv6 address. */
  readonly compact6: Uint8Array;
  readonly #head: Int32Array;
  readonly #older: Int32Array;
  readonly #newer: Int32Array;
  readonly #flags: Uint8Array;
  readonly #nameOf: Uint16Array;
  readonly #names: Uint8Array;

  /** Cuts its arrays off a zeroed buffer, or one that is in use. */
  constructor(cutter: MemoryCutter, peersMax: number) {
    const length = peersMax + 1;
    this.#head = cutter.int32(HEAD_WORDS);
    this.ids = new IdTable(cutter, peersMax);
    this.places = cutter.int32(length);
    this.seenMs = cutter.float64(length);
    this.keys = cutter.int32(length);
    this.compact6 = cutter.uint8(length * COMPACT6_BYTES);
    this.#older = cutter.int32(length);
    this.#newer = cutter.int32(length);
    this.#flags = cutter.uint8(length);
    this.#nameOf = cutter.uint16(length);
    this.#names = cutter.uint8((NAMES_MAX + 1) * NAME_BYTES);
  }

  /** The peer that was silent for longest; 0 where there is none. */
  get oldest(): number {
    return this.#head[OLDEST]!;
  }

  /** Enters a peer without addresses, as one that was heard of just now; there must be room. */
  add(swarm: number, peerId: Uint8Array): number {
    const peer = this.ids.add(swarm, peerId);
    this.dropAddress6(peer);
    this.keys[peer] = 0;
    this.#flags[peer] = 0;
    this.#nameOf[peer] = 0;
    this.#append(peer);
    return peer;
  }

  /** Forgets a peer. */
  remove(peer: number): void {
    this.#unlink(peer);
    this.#releaseName(peer);
    this.ids.remove(peer);
  }

  /** Makes a peer the last one to expire. */
  touch(peer: number, nowMs: number): void {
    this.seenMs[peer] = nowMs;
    if (this.#head[NEWEST] === peer) return;
    this.#unlink(peer);
    this.#append(peer);
  }

  /** Sets the IPv6 address of a peer. */
  setAddress6(peer: number, address: Uint8Array, port: number): void {
    const at = peer * COMPACT6_BYTES;
    for (let i = 0; i < address.length; i++) this.compact6[at + i] = address[i]!;
    this.compact6[at + address.length] = port >> 8;
    this.compact6[at + address.length + 1] = port;
  }

  /** Takes the IPv6 address of a peer away. */
  dropAddress6(peer: number): void {
    this.compact6.fill(0, peer * COMPACT6_BYTES, (peer + 1) * COMPACT6_BYTES);
  }

  /**
   * Counts an announce over IPv4, or IPv6, of a peer that has an address of the other family too; whether
   * that one was not told of for long.
   */
  countFamily(peer: number, is4: boolean): boolean {
    const own = is4 ? AGE4_SHIFT : AGE6_SHIFT;
    const other = is4 ? AGE6_SHIFT : AGE4_SHIFT;
    const flags = this.#flags[peer]!;
    const age = (flags >> other & 7) + 1;
    this.#flags[peer] = flags & ~(7 << own | 7 << other) | Math.min(age, 7) << other;
    return age > OTHER_FAMILY_ANNOUNCES_MAX;
  }

  /** Counts a completion; whether it is the first of this peer. */
  complete(peer: number): boolean {
    const flags = this.#flags[peer]!;
    this.#flags[peer] = flags | COMPLETED;
    return (flags & COMPLETED) === 0;
  }

  /** The name that a peer gave; `null` for none. */
  nameOf(peer: number): string | null {
    const name = this.#nameOf[peer]!;
    if (name === 0) return null;
    const at = name * NAME_BYTES;
    let text = "";
    for (let i = 1; i <= this.#names[at]!; i++) text += String.fromCharCode(this.#names[at + i]!);
    return text;
  }

  /** Sets the name of a peer, in ASCII, or takes it away. */
  setName(peer: number, text: string | null): void {
    if (text === null && this.#nameOf[peer] === 0) return;
    this.#releaseName(peer);
    if (text === null || text.length >= NAME_BYTES) return;
    const name = this.#takeName();
    if (name === 0) return;
    this.#nameOf[peer] = name;
    const at = name * NAME_BYTES;
    this.#names[at] = text.length;
    for (let i = 0; i < text.length; i++) this.#names[at + 1 + i] = text.charCodeAt(i);
  }

  /** A name that is free; 0 for none. Free ones hold the number of the next one. */
  #takeName(): number {
    const head = this.#head;
    const free = head[NAME_FREE]!;
    if (free !== 0) {
      head[NAME_FREE] = this.#names[free * NAME_BYTES]! << 8 | this.#names[free * NAME_BYTES + 1]!;
      return free;
    }
    if (head[NAME_TOP] === NAMES_MAX) return 0;
    head[NAME_TOP] = head[NAME_TOP]! + 1;
    return head[NAME_TOP]!;
  }

  #releaseName(peer: number): void {
    const name = this.#nameOf[peer]!;
    if (name === 0) return;
    const next = this.#head[NAME_FREE]!;
    this.#names[name * NAME_BYTES] = next >> 8;
    this.#names[name * NAME_BYTES + 1] = next;
    this.#head[NAME_FREE] = name;
    this.#nameOf[peer] = 0;
  }

  #append(peer: number): void {
    const newest = this.#head[NEWEST]!;
    this.#older[peer] = newest;
    this.#newer[peer] = 0;
    if (newest === 0) this.#head[OLDEST] = peer;
    else this.#newer[newest] = peer;
    this.#head[NEWEST] = peer;
  }

  #unlink(peer: number): void {
    const older = this.#older[peer]!;
    const newer = this.#newer[peer]!;
    if (older === 0) this.#head[OLDEST] = newer;
    else this.#newer[older] = newer;
    if (newer === 0) this.#head[NEWEST] = older;
    else this.#older[newer] = older;
  }
}
