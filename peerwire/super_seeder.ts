/**
 * What the only seed of a swarm shows to whom, so that every piece leaves it once before any leaves it twice (BEP 16).
 *
 * @module
 */

import type { Geometry } from "@enjambre/metainfo";
import { Bitfield } from "./bitfield.ts";
import type { Connection } from "./connection.ts";
import type { Picker } from "./picker.ts";

/** Pieces that a peer is shown ahead of those it has: one on its way and the next, so that it is never idle. */
const SHOWN_AHEAD_MIN = 2;

/** Small pieces are shown up to this much ahead: some programs ask once a second. */
const SHOWN_AHEAD_BYTES_MIN: number = 512 * 1024;

/** A quick peer is shown what it takes in this time: more than it took until it asks again, so that this can grow. */
const SHOWN_AHEAD_SECONDS = 1.25;

/** A peer that has been alone for so long is shown everything: there is nobody to spread pieces to. */
const ALONE_MS = 3000;

/** A peer that wants nothing of what it was shown says so within this time, by its silence: a long way there and back. */
const ALOOF_MS = 1000;

/** Once every piece was shown to somebody: how many are looked at for the one that is rarest. */
const SAMPLE = 64;

/** What one peer was shown. */
interface Shown {
  /** Every piece that it was told we have. */
  readonly pieces: Bitfield;
  /** Those that it has not got yet. */
  readonly open: Set<number>;
  /** When it was last shown one, or fetched one. */
  progressAtMs: number;
  /** How often in a row it wanted none of what it was shown: it is shown twice as many each time. */
  refusals: number;
}

/** What a {@linkcode SuperSeeder} is made from. */
export interface SuperSeederOptions {
  /** The arithmetic of the torrent. */
  readonly geometry: Geometry;
  /** What the peers have. */
  readonly picker: Picker;
  /** Uniform numbers in [0, 1). */
  readonly random: () => number;
  /** Messages for `connection` were written. */
  readonly touch: (connection: Connection) => void;
}

/**
 * Shows each peer that is served a few pieces at a time, the rarest ones.
 *
 * We differ from BEP 16 in this: the next piece is shown as soon as the peer has one, not when another peer has it
 * too. Waiting for that would leave the line idle for a way there and back, and what is shown is the rarest in any case.
 */
export class SuperSeeder {
  readonly #geometry: Geometry;
  readonly #picker: Picker;
  readonly #random: () => number;
  readonly #touch: (connection: Connection) => void;
  readonly #shown = new Map<Connection, Shown>();
  /** To how many peers that have not got it yet each piece is shown. */
  readonly #openCount: Uint16Array;
  /** The pieces that nobody has or is shown, in the order in which they will be. */
  readonly #fresh: number[] = [];

  constructor(options: SuperSeederOptions) {
    const { geometry, random } = options;
    this.#geometry = geometry;
    this.#picker = options.picker;
    this.#random = random;
    this.#touch = options.touch;
    this.#openCount = new Uint16Array(geometry.pieceCount);
    for (let piece = 0; piece < geometry.pieceCount; piece++) {
      const place = Math.floor(random() * (piece + 1));
      this.#fresh.push(this.#fresh[place] ?? piece);
      this.#fresh[place] = piece;
    }
  }

  /** Whether this peer is shown pieces one by one. */
  has(connection: Connection): boolean {
    return this.#shown.has(connection);
  }

  /** A peer came that was told we have nothing. */
  add(connection: Connection): void {
    const pieces = new Bitfield(this.#geometry.pieceCount);
    const progressAtMs = connection.openedAtMs;
    this.#shown.set(connection, { pieces, open: new Set(), progressAtMs, refusals: 0 });
  }

  /**
   * A peer left, and what it had is not counted any more. What nobody else has is shown to all that are served, as
   * some of them may be in the middle of it.
   */
  remove(connection: Connection): void {
    this.handleChoked(connection);
    this.#shown.delete(connection);
    connection.has.forEachSet((piece) => {
      if (this.#picker.availabilityOf(piece) > 0) return;
      for (const [other, shown] of this.#shown) {
        if (!other.amChoking) this.#open(other, shown, piece);
      }
    });
  }

  /** We choke a peer: what it was shown may be shown to others. */
  handleChoked(connection: Connection): void {
    const shown = this.#shown.get(connection);
    if (shown === undefined) return;
    for (const piece of shown.open) this.#close(piece);
    shown.open.clear();
  }

  /** A peer that is served may be shown more. */
  show(connection: Connection, nowMs: number): void {
    const shown = this.#shown.get(connection);
    if (shown === undefined || connection.amChoking) return;
    const rate = connection.upRate.bytesPerSecond(nowMs);
    const aheadBytes = Math.max(SHOWN_AHEAD_BYTES_MIN, rate * SHOWN_AHEAD_SECONDS);
    const usual = Math.max(SHOWN_AHEAD_MIN, Math.floor(aheadBytes / this.#geometry.pieceLength));
    const ahead = usual * 2 ** shown.refusals;
    while (shown.open.size < ahead) {
      const piece = this.#choose(connection, shown);
      if (piece < 0) return;
      shown.progressAtMs = nowMs;
      this.#open(connection, shown, piece);
    }
  }

  /** A peer has a piece. */
  handleHave(connection: Connection, piece: number, nowMs: number): void {
    const shown = this.#shown.get(connection);
    if (shown === undefined) return;
    shown.refusals = 0;
    if (shown.open.delete(piece)) this.#close(piece);
    this.show(connection, nowMs);
  }

  /**
   * Once a second: shows everything to a peer that is alone, and others to one that wants none of what it was shown,
   * because it has chosen some files only.
   */
  handleTick(nowMs: number): void {
    for (const [connection, shown] of this.#shown) {
      if (connection.isInterested || connection.amChoking) continue;
      if (nowMs - shown.progressAtMs >= ALOOF_MS) this.#handleAloof(connection, shown, nowMs);
    }
    if (this.#shown.size !== 1) return;
    const [connection, shown] = this.#shown.entries().next().value!;
    if (nowMs - connection.openedAtMs < ALONE_MS) return;
    this.#showAll(connection, shown);
    this.remove(connection);
  }

  /** Ends: every peer is told all that it was not shown. */
  end(): void {
    for (const [connection, shown] of this.#shown) this.#showAll(connection, shown);
    this.#shown.clear();
  }

  #handleAloof(connection: Connection, shown: Shown, nowMs: number): void {
    for (const piece of shown.open) this.#close(piece);
    shown.open.clear();
    shown.refusals++;
    this.show(connection, nowMs);
    if (shown.open.size > 0) return;
    // It knows them all and wants none: no place is to be kept for it.
    connection.isLured = false;
    this.#shown.delete(connection);
  }

  #showAll(connection: Connection, { pieces }: Shown): void {
    for (let piece = pieces.nextClear(0); piece >= 0; piece = pieces.nextClear(piece + 1)) {
      connection.writer.have(piece);
    }
    connection.isLured = false;
    this.#touch(connection);
  }

  #open(connection: Connection, shown: Shown, piece: number): void {
    if (shown.open.has(piece)) return;
    shown.open.add(piece);
    this.#openCount[piece]!++;
    if (!shown.pieces.set(piece)) return; // it knows
    connection.writer.have(piece);
    this.#touch(connection);
  }

  /** A piece is not open at one peer any more; if nobody has it, it is to be shown anew. */
  #close(piece: number): void {
    this.#openCount[piece]!--;
    if (this.#copies(piece) === 0) this.#fresh.push(piece);
  }

  #copies(piece: number): number {
    return this.#picker.availabilityOf(piece) + this.#openCount[piece]!;
  }

  /** A piece that the peer lacks and few have or are shown; -1 where there is none. */
  #choose(connection: Connection, shown: Shown): number {
    for (let i = this.#fresh.length - 1; i >= 0; i--) {
      const piece = this.#fresh[i]!;
      if (this.#copies(piece) > 0) this.#fresh.splice(i, 1);
      else if (!shown.pieces.has(piece)) {
        this.#fresh.splice(i, 1);
        return piece;
      }
    }
    const { pieceCount } = this.#geometry;
    const offset = Math.floor(this.#random() * pieceCount);
    let best = -1;
    let least = Infinity;
    let seen = 0;
    for (let i = 0; i < pieceCount && seen < SAMPLE; i++) {
      const piece = (offset + i) % pieceCount;
      if (connection.has.has(piece) || shown.open.has(piece)) continue;
      if (shown.refusals > 0 && shown.pieces.has(piece)) continue;
      seen++;
      const copies = this.#copies(piece);
      if (copies >= least) continue;
      least = copies;
      best = piece;
    }
    return best;
  }
}
