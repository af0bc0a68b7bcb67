/**
 * The pieces that are in memory: from the first block that is asked for until they are on disk or given up.
 *
 * @module
 */

import { BLOCK_BYTES, type Geometry } from "@enjambre/metainfo";
import type { Picker } from "./picker.ts";
import { PiecePool } from "./piece_pool.ts";
import { type BegunPiece, RECEIVED, type RequestTable } from "./requests.ts";
import type { SwarmStats } from "./stats.ts";
import { Suspects } from "./suspects.ts";

/** A piece of which some blocks are here, from one run to the next. */
export interface PartialPiece {
  /** Its index. */
  readonly piece: number;
  /** Which blocks are here. **Shape**: one bit for each block, bit 0 is the high bit of byte 0. */
  readonly received: Uint8Array;
  /** Exactly one piece long; what is not here means nothing. */
  readonly data: Uint8Array;
}

/** What became of a piece: stored, not what the torrent says it is, or not storable now. */
export type StoreOutcome = "stored" | "corrupt" | "failed";

/**
 * Bytes of pieces that may be on their way to the disk before another is begun. While they wait there, more of them
 * make nothing quicker, and push one another out of the processor's cache (docs/performance.md).
 */
const STORING_BYTES_MAX = 8 * 1024 * 1024;

/** Pieces that may be on their way to the disk whatever their length: one being written, one being hashed. */
const STORING_PIECES_MIN = 2;

/** In place of a connection's id: whoever sent a block in an earlier run is not known any more. */
const EARLIER_RUN = -1;

/** What an {@linkcode Assembly} is made from. */
export interface AssemblyOptions {
  /** The arithmetic of the torrent. */
  readonly geometry: Geometry;
  /** Bytes that pieces may take in memory. */
  readonly memoryBytes: number;
  /** Told what is begun and what is given back. */
  readonly picker: Picker;
  /** Where the blocks of begun pieces are accounted for. */
  readonly table: RequestTable;
  /** Where waste is counted. */
  readonly stats: SwarmStats;
  /** Uniform numbers in [0, 1). */
  readonly random: () => number;
  /** The same text for the same peer, also after its connection is over. */
  readonly identityOf: (connectionId: number) => string;
}

/** What is on its way from a buffer to the disk. */
interface PieceAtStore {
  readonly begun: BegunPiece;
  readonly buffer: Uint8Array;
}

/**
 * Begins, completes and gives up pieces, each in a buffer of the pool; and remembers who sent what of those that failed
 * their hash.
 */
export class Assembly {
  readonly #geometry: Geometry;
  readonly #picker: Picker;
  readonly #table: RequestTable;
  readonly #stats: SwarmStats;
  readonly #identityOf: (connectionId: number) => string;
  readonly #pool: PiecePool;
  readonly #suspects: Suspects;
  readonly #buffers = new Map<number, Uint8Array>();
  readonly #storing = new Map<number, PieceAtStore>();
  readonly #storingMax: number;

  constructor(options: AssemblyOptions) {
    this.#geometry = options.geometry;
    this.#picker = options.picker;
    this.#table = options.table;
    this.#stats = options.stats;
    this.#identityOf = options.identityOf;
    this.#pool = new PiecePool(options.geometry.pieceLength, options.memoryBytes);
    this.#suspects = new Suspects({ random: options.random });
    const { pieceLength } = options.geometry;
    this.#storingMax = Math.max(STORING_PIECES_MIN, Math.floor(STORING_BYTES_MAX / pieceLength));
  }

  /** The pieces that are being verified and stored. */
  get storing(): IterableIterator<number> {
    return this.#storing.keys();
  }

  /** How many pieces are being verified and stored. */
  get storingCount(): number {
    return this.#storing.size;
  }

  /** The pieces whose buffers are being filled. */
  get filling(): IterableIterator<number> {
    return this.#buffers.keys();
  }

  /** How many buffers are out. */
  get buffersInUse(): number {
    return this.#pool.inUse;
  }

  /** Whether a piece is being verified and stored. */
  isStoring(piece: number): boolean {
    return this.#storing.has(piece);
  }

  /**
   * Begins a piece that `connection` is about to be asked for, in the buffer of one that nobody sends if need be.
   *
   * @returns null where there is no memory, or the store lags behind
   */
  begin(piece: number, connection: number, nowMs: number): BegunPiece | null {
    if (this.#storing.size >= this.#storingMax) return null;
    return this.#begin(piece, connection, nowMs);
  }

  /**
   * Begins a piece of which some blocks are here already. `partial` is copied.
   *
   * @returns null where the piece is not to be fetched, or there is no memory
   */
  restore(partial: PartialPiece, nowMs: number): BegunPiece | null {
    const { piece, received, data } = partial;
    if (!this.#picker.isCandidate(piece)) return null;
    const begun = this.#begin(piece, EARLIER_RUN, nowMs);
    if (begun === null) return null;
    begun.data.set(data);
    for (let block = 0; block < begun.blockCount; block++) {
      if ((received[block >>> 3]! & (0x80 >>> (block & 7))) !== 0) {
        this.#table.restore(begun, block);
      }
    }
    return begun;
  }

  /**
   * The pieces of which some blocks are here.
   *
   * **Ownership**: the data are views of the buffers, which more blocks may come into.
   */
  partialPieces(): PartialPiece[] {
    return Array.from(this.#table.begun, ({ piece, states, data }) => {
      const received = new Uint8Array(Math.ceil(states.length / 8));
      states.forEach((state, block) => {
        if (state === RECEIVED) received[block >>> 3]! |= 0x80 >>> (block & 7);
      });
      return { piece, received, data };
    }).filter(({ received }) => received.some((bits) => bits !== 0));
  }

  /** A piece has all its blocks: it waits for {@linkcode settle} from here on. */
  complete(begun: BegunPiece): void {
    const { piece } = begun;
    this.#table.end(begun);
    this.#storing.set(piece, { begun, buffer: this.#buffers.get(piece)! });
    this.#buffers.delete(piece);
  }

  /**
   * The store answered: the buffer is free again, and the piece a candidate where it is not stored.
   *
   * @returns who is to be banned, by identity
   */
  settle(piece: number, outcome: StoreOutcome): string[] {
    const { begun, buffer } = this.#storing.get(piece)!;
    this.#storing.delete(piece);
    const liars = this.#judge(begun, outcome);
    this.#pool.release(buffer);
    if (outcome !== "stored") this.#picker.giveBack(piece);
    return liars;
  }

  /** Frees the buffers that are not in use: everything is here. */
  trim(): void {
    this.#pool.trim();
  }

  #begin(piece: number, connection: number, nowMs: number): BegunPiece | null {
    const buffer = this.#pool.acquire() ?? this.#abandonOne();
    if (buffer === null) return null;
    this.#picker.begin(piece);
    this.#buffers.set(piece, buffer);
    const data = buffer.subarray(0, this.#geometry.pieceBytes(piece));
    const begun = this.#table.begin(piece, data);
    begun.progressAtMs = nowMs;
    if (this.#suspects.has(piece)) begun.soleConnection = connection;
    return begun;
  }

  #judge(begun: BegunPiece, outcome: StoreOutcome): string[] {
    const { piece, data, senders } = begun;
    if (outcome === "stored") return this.#suspects.handleVerified(piece, data, BLOCK_BYTES);
    if (outcome === "failed") return [];
    this.#stats.wasted.corrupt += data.length;
    const senderOf = (block: number) => this.#identityOf(senders[block]!);
    return this.#suspects.handleCorrupt(piece, data, BLOCK_BYTES, senderOf);
  }

  /** Frees the buffer of a begun piece that nobody is asked for a block of; null where there is none. */
  #abandonOne(): Uint8Array | null {
    let least: BegunPiece | null = null;
    for (const begun of this.#table.withMissing) {
      if (begun.missing + begun.received < begun.blockCount) continue;
      if (least === null || begun.received < least.received) least = begun;
    }
    if (least === null) return null;
    for (let block = 0; block < least.blockCount; block++) {
      if (least.states[block] !== RECEIVED) continue;
      this.#stats.wasted.abandoned += this.#geometry.blockBytes(least.piece, block);
    }
    this.#table.end(least);
    this.#picker.giveBack(least.piece);
    const buffer = this.#buffers.get(least.piece)!;
    this.#buffers.delete(least.piece);
    return buffer;
  }
}
