import type { MemoryCutter } from "./_memory.ts";
import { powerOfTwoFrom } from "./_memory.ts";
import { COMPACT4_BYTES } from "./swarm_store.ts";

/** The least block, in members; most swarms are small. */
export const BLOCK_MEMBERS_MIN = 4;

/** What marks a block as free; the rest of the mark is its order plus one. */
const FREE = 0x80;

/**
 * Room for lists of swarms' members, a number of 32 bits and an IPv4 address each: blocks whose lengths are powers of two, split and joined again
 * in pairs (a buddy allocator). All of its state is in the arrays, so that threads can share it.
 *
 * **Shape**: a block is named by the index in {@link members} at which it begins. Low ones are taken
 * first, so that what was never needed is never touched.
 *
 * **Cost**: `take` and `release` are at most one step per order, some twenty.
 */
export class MemberBlocks {
  /** The numbers themselves. */
  readonly members: Int32Array;
  /** {@link COMPACT4_BYTES} that belong to each: what is read of many members stands together. */
  readonly compact4: Uint8Array;
  /** By least block: order plus one where a block begins, with {@link FREE} where it is free; else 0. */
  readonly #marks: Uint8Array;
  /** By order: the first free block plus one, 0 for none. Free blocks hold their next and previous one. */
  readonly #free: Int32Array;
  readonly #ordersMax: number;

  /** Cuts its arrays off a zeroed buffer, or one that is in use. */
  constructor(cutter: MemoryCutter, membersMax: number) {
    const capacity = Math.max(powerOfTwoFrom(membersMax), BLOCK_MEMBERS_MIN);
    this.#ordersMax = Math.log2(capacity / BLOCK_MEMBERS_MIN);
    this.#free = cutter.int32(this.#ordersMax + 1);
    this.#marks = cutter.uint8(capacity / BLOCK_MEMBERS_MIN);
    this.members = cutter.int32(capacity);
    this.compact4 = cutter.uint8(capacity * COMPACT4_BYTES);
  }

  /** Makes all of it one free block; once, before first use. */
  format(): void {
    this.#link(0, this.#ordersMax);
  }

  /** Takes a block of `BLOCK_MEMBERS_MIN << order` members; -1 where there is none. */
  take(order: number): number {
    let from = order;
    while (from <= this.#ordersMax && this.#free[from] === 0) from++;
    if (from > this.#ordersMax) return -1;
    const block = this.#free[from]! - 1;
    this.#unlink(block, from);
    while (from > order) {
      from--;
      this.#link(block + (BLOCK_MEMBERS_MIN << from), from);
    }
    this.#marks[block / BLOCK_MEMBERS_MIN] = order + 1;
    return block;
  }

  /** Copies some members of a block to another one, with what belongs to them. */
  copy(from: number, to: number, count: number): void {
    this.members.copyWithin(to, from, from + count);
    this.compact4.copyWithin(
      to * COMPACT4_BYTES,
      from * COMPACT4_BYTES,
      (from + count) * COMPACT4_BYTES,
    );
  }

  /** Exchanges two members, with what belongs to them. */
  swap(a: number, b: number): void {
    const { members, compact4 } = this;
    const first = members[a]!;
    members[a] = members[b]!;
    members[b] = first;
    for (let i = 0; i < COMPACT4_BYTES; i++) {
      const byte = compact4[a * COMPACT4_BYTES + i]!;
      compact4[a * COMPACT4_BYTES + i] = compact4[b * COMPACT4_BYTES + i]!;
      compact4[b * COMPACT4_BYTES + i] = byte;
    }
  }

  /** Gives a block back. */
  release(block: number, order: number): void {
    let start = block;
    let joined = order;
    this.#marks[start / BLOCK_MEMBERS_MIN] = 0;
    while (joined < this.#ordersMax) {
      const buddy = start ^ BLOCK_MEMBERS_MIN << joined;
      if (this.#marks[buddy / BLOCK_MEMBERS_MIN] !== (FREE | joined + 1)) break;
      this.#unlink(buddy, joined);
      start = Math.min(start, buddy);
      joined++;
    }
    this.#link(start, joined);
  }

  #link(block: number, order: number): void {
    const next = this.#free[order]!;
    this.members[block] = next;
    this.members[block + 1] = 0;
    if (next !== 0) this.members[next - 1 + 1] = block + 1;
    this.#free[order] = block + 1;
    this.#marks[block / BLOCK_MEMBERS_MIN] = FREE | order + 1;
  }

  #unlink(block: number, order: number): void {
    const next = this.members[block]!;
    const previous = this.members[block + 1]!;
    if (next !== 0) this.members[next - 1 + 1] = previous;
    if (previous !== 0) this.members[previous - 1] = next;
    else this.#free[order] = next;
    this.#marks[block / BLOCK_MEMBERS_MIN] = 0;
  }
}
