import type { Geometry } from "@enjambre/metainfo";
import { GoodPieces } from "./good_pieces.ts";
import type { Selection } from "./selection.ts";

/**
 * The pieces of a store: which are good, which are just being written, and how many are missing of those
 * that are wanted.
 */
export class StoredPieces {
  readonly #geometry: Geometry;
  readonly #selection: Selection;
  readonly #good: GoodPieces;
  /** Receives each change, as how many more pieces of a file are bad. */
  readonly #onFile: (fileIndex: number, change: number) => void;
  /** How many writes of each piece are under way. */
  readonly #writing: Map<number, number>;
  /** For each check under way, the pieces stored since it began: what it read of them may be older. */
  readonly #writtenInChecks: Set<Set<number>>;
  #missing: number;

  /** Begins with none. */
  constructor(
    geometry: Geometry,
    selection: Selection,
    onFile: (fileIndex: number, change: number) => void,
  ) {
    this.#geometry = geometry;
    this.#selection = selection;
    this.#good = new GoodPieces(geometry.pieceCount);
    this.#onFile = onFile;
    this.#writing = new Map();
    this.#writtenInChecks = new Set();
    this.#missing = selection.wantedPieces;
  }

  /** Which pieces are good. */
  get good(): GoodPieces {
    return this.#good;
  }

  /** How many pieces of wanted files are not good. */
  get missing(): number {
    return this.#missing;
  }

  /** Whether all pieces of wanted files are good. */
  get isComplete(): boolean {
    return this.#missing === 0;
  }

  /** Tells whether a piece is good, or just being written. */
  isTaken(piece: number): boolean {
    return this.#good.has(piece) || this.#writing.has(piece);
  }

  /** Counts anew what is missing: the selection has changed. */
  recount(): void {
    this.#missing = 0;
    for (let piece = 0; piece < this.#geometry.pieceCount; piece++) {
      if (this.#selection.isPieceWanted(piece) && !this.#good.has(piece)) this.#missing++;
    }
  }

  /** Notes a verdict. */
  set(piece: number, isGood: boolean): void {
    if (!this.#good.set(piece, isGood)) return;
    const change = isGood ? -1 : 1;
    if (this.#selection.isPieceWanted(piece)) this.#missing += change;
    this.#geometry.forEachSpan(piece, 0, this.#geometry.pieceBytes(piece), (file) => {
      this.#onFile(file, change);
    });
  }

  /** Notes that pieces of a file are not good: those with bytes at `offset` or after. */
  loseFrom(fileIndex: number, offset: number): void {
    const { first, end } = this.#geometry.piecesOfFile(fileIndex);
    const start = this.#geometry.files[fileIndex]!.offset + offset;
    const from = Math.max(first, Math.floor(start / this.#geometry.pieceLength));
    for (let piece = from; piece < end; piece++) this.set(piece, false);
  }

  /** Does `write`, which writes a piece and tells whether it did, and notes that it is good then. */
  async whileWriting(piece: number, write: () => Promise<boolean>): Promise<boolean> {
    this.#count(piece, 1);
    try {
      const isWritten = await write();
      if (!isWritten) return false;
      this.set(piece, true);
      for (const written of this.#writtenInChecks) written.add(piece);
      return true;
    } finally {
      this.#count(piece, -1);
    }
  }

  /** Does `check`, and hands it what notes and gives back its verdicts: a piece written meanwhile is good. */
  async whileChecking(
    check: (conclude: (piece: number, isGood: boolean) => boolean) => Promise<void>,
  ): Promise<void> {
    const written = new Set<number>();
    this.#writtenInChecks.add(written);
    try {
      await check((piece, isGood) => {
        const good = isGood || written.has(piece);
        this.set(piece, good);
        return good;
      });
    } finally {
      this.#writtenInChecks.delete(written);
    }
  }

  #count(piece: number, change: number): void {
    const count = (this.#writing.get(piece) ?? 0) + change;
    if (count === 0) this.#writing.delete(piece);
    else this.#writing.set(piece, count);
  }
}
