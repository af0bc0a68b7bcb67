import { ID_WORDS, type MemoryCutter, powerOfTwoFrom, wordOf } from "./_memory.ts";

const TOP = 0;
const FREE = 1;
const COUNT = 2;
/** Two numbers: the key of the hash. */
const KEY = 3;
const HEAD_WORDS = 5;

/**
 * Numbers from 1 up for ids of 20 bytes within a scope (0, or the number of a swarm), and back: a hash
 * table with open addressing. All of its state is in the arrays, so that threads can share it.
 *
 * The hash is keyed, so that nobody can choose ids that all fall into one place.
 *
 * **Limits**: as many entries as it was made for. **Cost**: constant on average.
 */
export class IdTable {
  readonly #head: Int32Array;
  readonly #ids: Int32Array;
  readonly #scopes: Int32Array;
  /** The number of the entry, 0 for none; twice as many slots as entries at least. */
  readonly #slots: Int32Array;
  readonly #mask: number;
  readonly #entriesMax: number;

  /** Cuts its arrays off a zeroed buffer, or one that is in use. */
  constructor(cutter: MemoryCutter, entriesMax: number) {
    const slots = powerOfTwoFrom(Math.ceil(entriesMax * 1.5));
    this.#entriesMax = entriesMax;
    this.#head = cutter.int32(HEAD_WORDS);
    this.#ids = cutter.int32((entriesMax + 1) * ID_WORDS);
    this.#scopes = cutter.int32(entriesMax + 1);
    this.#slots = cutter.int32(slots);
    this.#mask = slots - 1;
  }

  /** Chooses the key of the hash; once, before first use. */
  format(random: () => number): void {
    this.#head[KEY] = random() * 2 ** 32;
    this.#head[KEY + 1] = random() * 2 ** 32;
  }

  /** How many entries there are. */
  get count(): number {
    return this.#head[COUNT]!;
  }

  /** The greatest number that was ever given out. */
  get top(): number {
    return this.#head[TOP]!;
  }

  /** Whether there is no room for one more. */
  get isFull(): boolean {
    return this.#head[COUNT] === this.#entriesMax;
  }

  /** Whether a number, {@link top} at most, is given out. */
  has(entry: number): boolean {
    return this.#scopes[entry]! >= 0;
  }

  /** The scope of an entry. */
  scopeOf(entry: number): number {
    return this.#scopes[entry]!;
  }

  /** The number of an id; 0 where it has none. */
  find(scope: number, id: Uint8Array): number {
    // hot: bench/tracker_store.ts
    const w0 = wordOf(id, 0);
    const w1 = wordOf(id, 1);
    const w2 = wordOf(id, 2);
    const w3 = wordOf(id, 3);
    const w4 = wordOf(id, 4);
    const ids = this.#ids;
    const slots = this.#slots;
    let slot = this.#hash(scope, w0, w1, w2, w3, w4) & this.#mask;
    for (;;) {
      const entry = slots[slot]!;
      if (entry === 0) return 0;
      const at = entry * ID_WORDS;
      if (
        ids[at] === w0 && ids[at + 1] === w1 && ids[at + 2] === w2 && ids[at + 3] === w3 &&
        ids[at + 4] === w4 && this.#scopes[entry] === scope
      ) return entry;
      slot = slot + 1 & this.#mask;
    }
  }

  /** Gives a number to an id that has none; there must be room. */
  add(scope: number, id: Uint8Array): number {
    const head = this.#head;
    let entry = head[FREE]!;
    // The ids of free entries hold the number of the next one.
    if (entry !== 0) head[FREE] = this.#ids[entry * ID_WORDS]!;
    else entry = head[TOP] = head[TOP]! + 1;
    head[COUNT] = head[COUNT]! + 1;
    const at = entry * ID_WORDS;
    for (let i = 0; i < ID_WORDS; i++) this.#ids[at + i] = wordOf(id, i);
    this.#scopes[entry] = scope;
    let slot = this.#homeOf(entry);
    while (this.#slots[slot] !== 0) slot = slot + 1 & this.#mask;
    this.#slots[slot] = entry;
    return entry;
  }

  /** Takes the number of an id back. */
  remove(entry: number): void {
    const slots = this.#slots;
    let gap = this.#slotOf(entry);
    slots[gap] = 0;
    // Those behind it that would no longer be found move up.
    for (let slot = gap + 1 & this.#mask; slots[slot] !== 0; slot = slot + 1 & this.#mask) {
      const home = this.#homeOf(slots[slot]!);
      if ((slot - home & this.#mask) < (slot - gap & this.#mask)) continue;
      slots[gap] = slots[slot]!;
      slots[slot] = 0;
      gap = slot;
    }
    const head = this.#head;
    head[COUNT] = head[COUNT]! - 1;
    this.#ids[entry * ID_WORDS] = head[FREE]!;
    this.#scopes[entry] = -1;
    head[FREE] = entry;
  }

  /** A copy of the id that has a number. */
  idOf(entry: number): Uint8Array<ArrayBuffer> {
    const id = new Uint8Array(ID_WORDS * 4);
    for (let i = 0; i < ID_WORDS; i++) {
      const word = this.#ids[entry * ID_WORDS + i]!;
      id[4 * i] = word;
      id[4 * i + 1] = word >>> 8;
      id[4 * i + 2] = word >>> 16;
      id[4 * i + 3] = word >>> 24;
    }
    return id;
  }

  #slotOf(entry: number): number {
    let slot = this.#homeOf(entry);
    while (this.#slots[slot] !== entry && this.#slots[slot] !== 0) slot = slot + 1 & this.#mask;
    return slot;
  }

  #homeOf(entry: number): number {
    const ids = this.#ids;
    const at = entry * ID_WORDS;
    const scope = this.#scopes[entry]!;
    return this.#hash(scope, ids[at]!, ids[at + 1]!, ids[at + 2]!, ids[at + 3]!, ids[at + 4]!) &
      this.#mask;
  }

  /** HalfSipHash-1-3 of the scope and the id. */
  #hash(scope: number, w0: number, w1: number, w2: number, w3: number, w4: number): number {
    let v0 = this.#head[KEY]!;
    let v1 = this.#head[KEY + 1]!;
    let v2 = 0x6c796765 ^ v0;
    let v3 = 0x74656462 ^ v1;
    for (let round = 0; round < 9; round++) {
      const word = round === 0
        ? scope
        : round === 1
        ? w0
        : round === 2
        ? w1
        : round === 3
        ? w2
        : round === 4
        ? w3
        : round === 5
        ? w4
        : 0;
      if (round === 6) v2 ^= 0xff;
      v3 ^= word;
      v0 = v0 + v1 | 0;
      v1 = (v1 << 5 | v1 >>> 27) ^ v0;
      v0 = v0 << 16 | v0 >>> 16;
      v2 = v2 + v3 | 0;
      v3 = (v3 << 8 | v3 >>> 24) ^ v2;
      v0 = v0 + v3 | 0;
      v3 = (v3 << 7 | v3 >>> 25) ^ v0;
      v2 = v2 + v1 | 0;
      v1 = (v1 << 13 | v1 >>> 19) ^ v2;
      v2 = v2 << 16 | v2 >>> 16;
      v0 ^= word;
    }
    return v1 ^ v3;
  }
}
