/**
 * Who sent the bad block: what is remembered of a piece that failed its hash until it verifies.
 *
 * @module
 */

/**
 * Blocks that are remembered: 1 GiB of pieces that failed, in about 2 MiB of memory. What came first is
 * forgotten first; the liars in it are caught when they lie again.
 */
export const SUSPECT_BLOCKS_MAX = 65_536;

/** Numbers that a digest is kept as. */
const DIGEST_WORDS = 2;

/** What a {@linkcode Suspects} is made from. */
export interface SuspectsOptions {
  /** Uniform numbers in [0, 1): what the digests are keyed with, so that nobody can prepare two blocks of one digest. */
  readonly random: () => number;
  /** Blocks that are remembered at most; {@linkcode SUSPECT_BLOCKS_MAX} where absent. */
  readonly blocksMax?: number;
}

/** One time that a piece failed. */
interface Failure {
  /** Who sent each block. */
  readonly senders: readonly string[];
  /** {@linkcode DIGEST_WORDS} numbers for each block. */
  readonly digests: Uint32Array;
}

/**
 * The memory of pieces that failed their hash.
 *
 * A hash tells that a piece is bad and not which block. So each block's sender and digest are kept, and when the
 * piece verifies, whoever sent a block that differs from the good one is known for certain, whether or not it is still
 * connected. Nobody else is: a peer whose blocks were good is never named.
 *
 * @example
 * ```ts
 * import { Suspects } from "./suspects.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const suspects = new Suspects({ random: () => 0.5 });
 * const bad = Uint8Array.of(1, 2, 9, 9);
 * assertEquals(suspects.handleCorrupt(7, bad, 2, (block) => block === 0 ? "honest" : "liar"), []);
 * assertEquals(suspects.handleVerified(7, Uint8Array.of(1, 2, 3, 4), 2), ["liar"]);
 * ```
 */
export class Suspects {
  readonly #key0: number;
  readonly #key1: number;
  readonly #blocksMax: number;
  /** By piece, in the order in which each first failed. */
  readonly #failures = new Map<number, Failure[]>();
  #blocks = 0;

  constructor(options: SuspectsOptions) {
    this.#key0 = options.random() * 2 ** 32 >>> 0;
    this.#key1 = options.random() * 2 ** 32 >>> 0;
    this.#blocksMax = options.blocksMax ?? SUSPECT_BLOCKS_MAX;
  }

  /** How many blocks are remembered. */
  get blockCount(): number {
    return this.#blocks;
  }

  /** Whether this piece failed and has not verified since. */
  has(piece: number): boolean {
    return this.#failures.has(piece);
  }

  /** Who sent blocks of this piece when it failed: better not asked for it again while there are others. */
  sendersOf(piece: number): Set<string> {
    return new Set((this.#failures.get(piece) ?? []).flatMap(({ senders }) => senders));
  }

  /**
   * A piece failed its hash.
   *
   * **Ownership**: `data` is read and not kept.
   *
   * @param data the piece, whole
   * @param blockBytes how long every block but the last is
   * @param senderOf who sent a block: the same text for the same peer, whatever it says of itself meanwhile
   * @returns whom to ban at once: the peer that sent all of it, where one did
   */
  handleCorrupt(
    piece: number,
    data: Uint8Array,
    blockBytes: number,
    senderOf: (block: number) => string,
  ): string[] {
    const blockCount = Math.ceil(data.length / blockBytes);
    const senders = Array.from({ length: blockCount }, (_, block) => senderOf(block));
    if (senders.every((sender) => sender === senders[0])) return senders.slice(0, 1);
    const digests = new Uint32Array(blockCount * DIGEST_WORDS);
    for (let block = 0; block < blockCount; block++) {
      this.#digest(data, block, blockBytes, digests, block * DIGEST_WORDS);
    }
    this.#remember(piece, { senders, digests });
    return [];
  }

  /**
   * A piece verified. What was remembered of it is forgotten.
   *
   * **Ownership**: `data` is read and not kept. **Cost**: nothing for a piece that never failed.
   *
   * @returns whom to ban: everybody who sent a block of this piece that was not as it is now; each once
   */
  handleVerified(piece: number, data: Uint8Array, blockBytes: number): string[] {
    const failures = this.#failures.get(piece);
    if (failures === undefined) return [];
    this.forget(piece);
    const liars = new Set<string>();
    const good = new Uint32Array(DIGEST_WORDS);
    for (let block = 0; block * blockBytes < data.length; block++) {
      this.#digest(data, block, blockBytes, good, 0);
      for (const { senders, digests } of failures) {
        const at = block * DIGEST_WORDS;
        if (digests[at] !== good[0] || digests[at + 1] !== good[1]) liars.add(senders[block]!);
      }
    }
    return [...liars];
  }

  /** Forgets what is remembered of a piece, because nobody will fetch it again. */
  forget(piece: number): void {
    for (const { senders } of this.#failures.get(piece) ?? []) this.#blocks -= senders.length;
    this.#failures.delete(piece);
  }

  #remember(piece: number, failure: Failure): void {
    const failures = this.#failures.get(piece) ?? [];
    failures.push(failure);
    this.#failures.set(piece, failures);
    this.#blocks += failure.senders.length;
    while (this.#blocks > this.#blocksMax) this.#forgetOldest();
  }

  /** Forgets the first failure of the piece that failed first. */
  #forgetOldest(): void {
    for (const [piece, failures] of this.#failures) {
      this.#blocks -= failures.shift()!.senders.length;
      if (failures.length === 0) this.#failures.delete(piece);
      return;
    }
  }

  #digest(data: Uint8Array, block: number, blockBytes: number, out: Uint32Array, at: number): void {
    const start = block * blockBytes;
    const end = Math.min(start + blockBytes, data.length);
    halfSipHash(data, start, end, this.#key0, this.#key1, out, at);
  }
}

/**
 * HalfSipHash-2-4 with 64 bits of output: a keyed digest in 32-bit arithmetic. Whoever does not know the key
 * cannot make two blocks of one digest on purpose, and by chance it happens once in 2^64.
 *
 * **Shape**: `out[at]` are the first four bytes, little-endian, `out[at + 1]` the last.
 *
 * **Cost**: about 20 µs for a block of 16 KiB; it runs for pieces that failed, and no others.
 *
 * **Source**: Aumasson and Bernstein, *SipHash: a fast short-input PRF*, and its 32-bit variant.
 */
export function halfSipHash(
  data: Uint8Array,
  start: number,
  end: number,
  key0: number,
  key1: number,
  out: Uint32Array,
  at: number,
): void {
  const state = STATE;
  state[0] = key0;
  state[1] = key1 ^ 0xee;
  state[2] = 0x6c796765 ^ key0;
  state[3] = 0x74656462 ^ key1;
  const wordsEnd = end - (end - start) % 4;
  for (let i = start; i < wordsEnd; i += 4) {
    absorb(state, data[i]! | data[i + 1]! << 8 | data[i + 2]! << 16 | data[i + 3]! << 24);
  }
  let last = (end - start) << 24;
  for (let i = wordsEnd; i < end; i++) last |= data[i]! << 8 * (i - wordsEnd);
  absorb(state, last);
  state[2] = state[2]! ^ 0xee;
  mix(state, 4);
  out[at] = state[1]! ^ state[3]!;
  state[1] = state[1]! ^ 0xdd;
  mix(state, 4);
  out[at + 1] = state[1]! ^ state[3]!;
}

/** The digest's four words, reused: it is never under way twice. */
const STATE = new Int32Array(4);

function absorb(state: Int32Array, word: number): void {
  state[3] = state[3]! ^ word;
  mix(state, 2);
  state[0] = state[0]! ^ word;
}

function mix(state: Int32Array, rounds: number): void {
  let v0 = state[0]!;
  let v1 = state[1]!;
  let v2 = state[2]!;
  let v3 = state[3]!;
  for (let round = 0; round < rounds; round++) {
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
  }
  state[0] = v0;
  state[1] = v1;
  state[2] = v2;
  state[3] = v3;
}
