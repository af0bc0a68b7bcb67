/**
 * A disk on which nothing is: what it gives is a function of place, and all that it keeps is which pieces were written.
 */
import type { Geometry } from "@enjambre/metainfo";
import { Bitfield } from "@enjambre/peerwire";
import { fillContent, isContent } from "./virtual_content.ts";

/** What a {@linkcode VirtualDisk} is like. */
export interface DiskOptions {
  /** How long each read or write waits. */
  readonly seekMs: number;
  /** What it reads and writes, one after the other. */
  readonly bytesPerSecond: number;
  /** Of how many writes one fails; 0 for none. */
  readonly failsOneIn: number;
  /** Of how many reads one gives something else than what is there, and says nothing; 0 for none. */
  readonly liesOneIn: number;
}

/** A disk that nothing is wrong with. */
export const GOOD_DISK: DiskOptions = {
  seekMs: 2,
  bytesPerSecond: 500e6,
  failsOneIn: 0,
  liesOneIn: 0,
};

/** The pieces of one torrent. */
export class VirtualDisk {
  /** What is written. */
  readonly stored: Bitfield;
  /** Bytes of pieces that were written. */
  writtenBytes = 0;
  /** Bytes of pieces whose write failed. */
  failedBytes = 0;
  /** Bytes of pieces that were not what the torrent says. */
  corruptBytes = 0;
  readonly #geometry: Geometry;
  readonly #options: DiskOptions;
  readonly #random: () => number;
  #freeAtMs = 0;

  constructor(geometry: Geometry, options: DiskOptions, random: () => number) {
    this.#geometry = geometry;
    this.#options = options;
    this.#random = random;
    this.stored = new Bitfield(geometry.pieceCount);
  }

  /** A copy of what is written. */
  copyStored(): Bitfield {
    return Bitfield.fromBytes(this.stored.bytes, this.#geometry.pieceCount);
  }

  /** When a read or a write that is ordered now is done, in milliseconds from now. */
  order(bytes: number, nowMs: number): number {
    const { seekMs, bytesPerSecond } = this.#options;
    this.#freeAtMs = Math.max(this.#freeAtMs, nowMs) + bytes * 1000 / bytesPerSecond;
    return this.#freeAtMs + seekMs - nowMs;
  }

  /** Verifies and keeps a piece. */
  write(piece: number, data: Uint8Array): "stored" | "corrupt" | "failed" {
    if (!isContent(data, piece)) {
      this.corruptBytes += data.length;
      return "corrupt";
    }
    if (this.#isOneIn(this.#options.failsOneIn)) {
      this.failedBytes += data.length;
      return "failed";
    }
    if (!this.stored.set(piece)) throw new Error(`Piece ${piece} was written twice`);
    this.writtenBytes += this.#geometry.pieceBytes(piece);
    return "stored";
  }

  /** Gives what was written. */
  read(piece: number, begin: number, target: Uint8Array): void {
    if (!this.stored.has(piece)) throw new Error(`Piece ${piece} was read and never written`);
    const isLie = this.#isOneIn(this.#options.liesOneIn);
    fillContent(target, isLie ? piece + 1 : piece, begin);
  }

  #isOneIn(count: number): boolean {
    return count > 0 && this.#random() * count < 1;
  }
}
