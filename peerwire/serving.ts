/**
 * Who is served, and what the only seed shows: joins the choker, the slots and the super-seeder.
 *
 * @module
 */

import type { Geometry } from "@enjambre/metainfo";
import type { Bitfield } from "./bitfield.ts";
import { CHOKE_ROUND_MS, Choker } from "./choker.ts";
import type { Connection } from "./connection.ts";
import type { Picker } from "./picker.ts";
import { SuperSeeder } from "./super_seeder.ts";
import { UploadSlots } from "./upload_slots.ts";

/**
 * Peers that the only seed serves at least: with fewer, the uplinks of those who get each piece first are what the swarm
 * waits for. Of a seed and 50 leechers at 4 MB/s, the last was complete after 1.25 times the bound with 4, after 1.20
 * with 8 (`tests/sim/distribution.ts`).
 */
const SUPER_SEED_SLOTS_MIN = 8;

/** What a {@linkcode Serving} is made from. */
export interface ServingOptions {
  /** The arithmetic of the torrent. */
  readonly geometry: Geometry;
  /** The pieces that we have. */
  readonly have: Bitfield;
  /** How rare each piece is. */
  readonly picker: Picker;
  /** The live connections by id, kept by its places. */
  readonly connections: ReadonlyMap<number, Connection>;
  /** The limit of the upload in bytes per second; null where there is none. */
  readonly limitBytesPerSecond: number | null;
  /** Uniform numbers in [0, 1). */
  readonly random: () => number;
  /** Whether we want nothing of anybody. */
  readonly isSeed: () => boolean;
  /** A peer is choked from here on: what it asked for is not to be sent. */
  readonly handleChoking: (connection: Connection) => void;
  /** Messages for `connection` were written. */
  readonly touch: (connection: Connection) => void;
}

/** Our slots, and whose they are. */
export class Serving {
  readonly #options: ServingOptions;
  readonly #slots: UploadSlots;
  readonly #choker: Choker;
  #superSeeder: SuperSeeder | null = null;
  #nextRoundMs = 0;

  constructor(options: ServingOptions) {
    this.#options = options;
    this.#slots = new UploadSlots(options.limitBytesPerSecond);
    this.#choker = new Choker(() => this.#slotCount, options.random);
  }

  /** When the next round begins. */
  get nextRoundMs(): number {
    return this.#nextRoundMs;
  }

  /** See `Manager.superSeed`. */
  superSeed(isOn: boolean): void {
    const { have } = this.#options;
    if (isOn === (this.#superSeeder !== null) || !have.isFull) return;
    this.#superSeeder?.end();
    this.#superSeeder = isOn ? new SuperSeeder(this.#options) : null;
  }

  /** Tells a new peer what we have: nothing while it is to be shown our pieces one by one. */
  greet(connection: Connection): void {
    const { have, touch } = this.#options;
    const { writer } = connection;
    const showsNothing = this.#superSeeder !== null || have.isEmpty;
    if (connection.isFast && showsNothing) writer.haveNone();
    else if (connection.isFast && have.isFull) writer.haveAll();
    else if (!showsNothing) writer.bitfield(have.bytes);
    touch(connection);
    if (this.#superSeeder === null) return;
    this.#superSeeder.add(connection);
    connection.isLured = true;
    this.serveWaiting(connection.nowMs);
  }

  /** A peer has one more piece. */
  handleHave(connection: Connection, piece: number): void {
    this.#superSeeder?.handleHave(connection, piece, connection.nowMs);
  }

  /** A peer said what it has. */
  handleHasReplaced(connection: Connection): void {
    this.#superSeeder?.show(connection, connection.nowMs);
  }

  /** A connection is over. */
  handleClosed(connection: Connection): void {
    this.#superSeeder?.remove(connection);
  }

  /** Once a second. */
  handleTick(nowMs: number): void {
    this.#superSeeder?.handleTick(nowMs);
    this.serveWaiting(nowMs);
  }

  /** Gives the slots that nobody uses to those who wait, at once and not when the round ends. */
  serveWaiting(nowMs: number): void {
    const { connections, isSeed } = this.#options;
    for (;;) {
      const next = this.#choker.chooseNext(connections.values(), isSeed(), nowMs);
      if (next === null) return;
      this.#setChoking(next, false, nowMs);
    }
  }

  /** A round ends: chooses anew whom to serve. */
  handleRound(nowMs: number): void {
    this.#nextRoundMs = nowMs + CHOKE_ROUND_MS;
    const { connections, isSeed } = this.#options;
    let bytesPerSecond = 0;
    let waiting = 0;
    for (const connection of connections.values()) {
      bytesPerSecond += connection.upRate.bytesPerSecond(nowMs);
      if (connection.isWanting && connection.amChoking) waiting++;
    }
    this.#slots.handleRound(bytesPerSecond, waiting);
    const chosen = this.#choker.choose(connections.values(), isSeed(), nowMs);
    for (const connection of connections.values()) {
      this.#setChoking(connection, !chosen.has(connection), nowMs);
    }
  }

  get #slotCount(): number {
    const { count } = this.#slots;
    return this.#superSeeder === null ? count : Math.max(count, SUPER_SEED_SLOTS_MIN);
  }

  #setChoking(connection: Connection, isChoking: boolean, nowMs: number): void {
    if (connection.amChoking === isChoking) return;
    connection.amChoking = isChoking;
    connection.chokeChangedAtMs = nowMs;
    if (isChoking) {
      connection.writer.choke();
      this.#options.handleChoking(connection);
      this.#superSeeder?.handleChoked(connection);
    } else {
      connection.writer.unchoke();
      this.#superSeeder?.show(connection, nowMs);
    }
    this.#options.touch(connection);
  }
}
