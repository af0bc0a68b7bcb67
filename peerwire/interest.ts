/**
 * Who has what that we lack: keeps the picker's availability and our interest in every peer exact.
 *
 * @module
 */

import type { Bitfield } from "./bitfield.ts";
import type { Connection } from "./connection.ts";
import type { Picker } from "./picker.ts";

/** What an {@linkcode Interest} is made from. */
export interface InterestOptions {
  /** The pieces that we have. */
  readonly have: Bitfield;
  /** Where availability is counted. */
  readonly picker: Picker;
  /** Whether we want nothing, whatever is missing. */
  readonly isUploadOnly: boolean;
  /** Messages for `connection` were written. */
  readonly touch: (connection: Connection) => void;
}

/** Our interest in the peers of one torrent. */
export class Interest {
  readonly #options: InterestOptions;

  constructor(options: InterestOptions) {
    this.#options = options;
  }

  /** A peer said what it has. */
  count(connection: Connection): void {
    const { picker } = this.#options;
    connection.isCountedAsSeed = connection.has.isFull;
    if (connection.isCountedAsSeed) picker.addSeed();
    else picker.addBitfield(connection.has);
    connection.prospects = picker.makeProspects();
    connection.wantedPieces = this.#wantedOf(connection.has);
    this.#update(connection);
  }

  /** What a peer has does not count any more: it left, or is about to say it anew. */
  uncount(connection: Connection): void {
    const { picker } = this.#options;
    if (connection.isCountedAsSeed) picker.removeSeed();
    else picker.removeBitfield(connection.has);
    connection.isCountedAsSeed = false;
  }

  /** A peer has one more piece. */
  handleHave(connection: Connection, piece: number): void {
    const { picker } = this.#options;
    connection.prospects ??= picker.makeProspects();
    if (!connection.isCountedAsSeed) picker.addHave(piece, connection.prospects);
    if (!this.#wants(piece)) return;
    connection.wantedPieces++;
    this.#update(connection);
  }

  /** We have one more piece. */
  handleStored(connection: Connection, piece: number): void {
    // Of a seed that is known without a look at its bits: of hundreds they lie in no cache.
    const hasIt = connection.isCountedAsSeed || connection.has.has(piece);
    if (!hasIt || !this.#options.picker.isWanted(piece)) return;
    connection.wantedPieces--;
    this.#update(connection);
  }

  /** What we want has changed. */
  recount(connection: Connection): void {
    connection.wantedPieces = this.#wantedOf(connection.has);
    this.#update(connection);
  }

  /** Whether some piece is wanted and not here. */
  get isOpen(): boolean {
    const { have } = this.#options;
    for (let piece = have.nextClear(0); piece >= 0; piece = have.nextClear(piece + 1)) {
      if (this.#wants(piece)) return true;
    }
    return false;
  }

  #wants(piece: number): boolean {
    const { have, picker, isUploadOnly } = this.#options;
    return !isUploadOnly && !have.has(piece) && picker.isWanted(piece);
  }

  #wantedOf(has: Bitfield): number {
    let wanted = 0;
    has.forEachSet((piece) => {
      if (this.#wants(piece)) wanted++;
    });
    return wanted;
  }

  #update(connection: Connection): void {
    const isInteresting = connection.wantedPieces > 0;
    if (isInteresting === connection.amInterested || connection.isClosed) return;
    connection.amInterested = isInteresting;
    if (isInteresting) connection.writer.interested();
    else connection.writer.notInterested();
    this.#options.touch(connection);
  }
}
