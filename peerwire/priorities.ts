/**
 * How much each piece is wanted, by how much each file is.
 *
 * @module
 */

import type { Geometry } from "@enjambre/metainfo";

/** How much a file or a piece is wanted: one of {@linkcode PRIORITY}. */
export type Priority = 0 | 1 | 2 | 3;

/** The levels of {@linkcode Priority} by name; of two, the higher is fetched first. */
export const PRIORITY: {
  /** Not fetched. */
  readonly unwanted: 0;
  /** Fetched when nothing else is left. */
  readonly low: 1;
  /** What everything has unless told otherwise. */
  readonly normal: 2;
  /** Fetched first. */
  readonly high: 3;
} = { unwanted: 0, low: 1, normal: 2, high: 3 };

/**
 * Gives each piece the highest priority of the files that have bytes in it.
 *
 * Padding counts as unwanted: a piece of nothing else is not fetched. Empty files have no bytes, so they
 * change nothing.
 *
 * **Shape**: one entry per file in, in the torrent's order; one per piece out.
 * **Errors**: `RangeError` when there is not one priority per file, or one is no {@linkcode Priority}.
 *
 * @example
 * ```ts
 * import { Geometry } from "@enjambre/metainfo";
 * import { PRIORITY, piecePriorities } from "@enjambre/peerwire";
 * import { assertEquals } from "@std/assert";
 *
 * const plain = { padding: false, executable: false, symlink: null };
 * const geometry = new Geometry(16384, [
 *   { path: "album/cover", bytes: 20000, offset: 0, ...plain },
 *   { path: "album/song", bytes: 40000, offset: 20000, ...plain },
 * ]);
 * const priorities = piecePriorities(geometry, [PRIORITY.high, PRIORITY.unwanted]);
 * assertEquals([...priorities], [3, 3, 0, 0]);
 * ```
 */
export function piecePriorities(
  geometry: Geometry,
  filePriorities: ArrayLike<number>,
): Uint8Array<ArrayBuffer> {
  const { files } = geometry;
  if (filePriorities.length !== files.length) {
    throw new RangeError(
      `Cannot map priorities: ${filePriorities.length} are given, the torrent has ${files.length} files`,
    );
  }
  const priorities = new Uint8Array(geometry.pieceCount);
  for (let file = 0; file < files.length; file++) {
    const priority = filePriorities[file]!;
    checkPriority(priority);
    if (files[file]!.padding || priority === PRIORITY.unwanted) continue;
    const { first, end } = geometry.piecesOfFile(file);
    for (let piece = first; piece < end; piece++) {
      if (priorities[piece]! < priority) priorities[piece] = priority;
    }
  }
  return priorities;
}

/** Refuses what is no {@linkcode Priority}. **Errors**: `RangeError`. */
export function checkPriority(priority: number): void {
  if (Number.isInteger(priority) && priority >= PRIORITY.unwanted && priority <= PRIORITY.high) {
    return;
  }
  throw new RangeError(`Cannot set priority: ${priority} is given, 0 to 3 is due`);
}
