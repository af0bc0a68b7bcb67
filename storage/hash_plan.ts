import type { Geometry } from "@enjambre/metainfo";

/** Pieces that follow one another, from `first` up to but without `end`. */
export interface Batch {
  readonly first: number;
  readonly end: number;
}

/** A stretch of one file that is read at once. */
export interface Stretch {
  readonly file: number;
  readonly offset: number;
  /** Where in the bytes asked for it begins. */
  readonly start: number;
  bytes: number;
}

/** Deals out the wanted pieces of a torrent, in order, in batches that are good to read. */
export class HashPlan {
  readonly #geometry: Geometry;
  readonly #wants: ((piece: number) => boolean) | undefined;
  #next: number;
  #takenBytes: number;

  /** `wants` is asked once for each piece, in order; all are wanted where it is left out. */
  constructor(geometry: Geometry, wants: ((piece: number) => boolean) | undefined) {
    this.#geometry = geometry;
    this.#wants = wants;
    this.#next = 0;
    this.#takenBytes = 0;
  }

  /** Bytes in all batches so far. */
  get takenBytes(): number {
    return this.#takenBytes;
  }

  /** Bytes of all pieces that were not asked about yet. */
  get leftBytes(): number {
    const { pieceLength, totalBytes } = this.#geometry;
    return Math.max(0, totalBytes - this.#next * pieceLength);
  }

  /** The next wanted pieces that follow one another, `bytes` of them or one; null when there are none left. */
  take(bytes: number): Batch | null {
    const { pieceCount, pieceLength } = this.#geometry;
    while (this.#next < pieceCount && this.#wants?.(this.#next) === false) this.#next++;
    const first = this.#next;
    if (first === pieceCount) return null;
    const limit = Math.min(pieceCount, first + Math.max(1, Math.floor(bytes / pieceLength)));
    let end = first + 1;
    this.#next = end;
    while (end < limit) {
      // A piece that is asked about and not wanted ends the batch, and is passed over for good.
      this.#next = end + 1;
      if (this.#wants?.(end) === false) break;
      end++;
    }
    this.#takenBytes += (end - first) * pieceLength;
    return { first, end };
  }
}

/** The stretches of files under the pieces of a batch; pieces that lie in one file make one stretch. */
export function stretchesOf(geometry: Geometry, { first, end }: Batch): Stretch[] {
  const stretches: Stretch[] = [];
  let last: Stretch | undefined;
  for (let piece = first; piece < end; piece++) {
    const start = (piece - first) * geometry.pieceLength;
    const bytes = geometry.pieceBytes(piece);
    geometry.forEachSpan(piece, 0, bytes, (file, offset, spanBegin, spanBytes) => {
      if (last !== undefined && last.file === file) last.bytes += spanBytes;
      else {
        last = { file, offset, start: start + spanBegin, bytes: spanBytes };
        stretches.push(last);
      }
    });
  }
  return stretches;
}
