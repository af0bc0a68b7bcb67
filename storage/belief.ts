import type { Geometry, TorrentFile } from "@enjambre/metainfo";
import type { FileStamp } from "./file_stamp.ts";
import type { ResumeData, ResumeStamp } from "./resume.ts";

/** How the files look now. */
export interface Found {
  /** The volume that the download folder is on; null where nobody tells. */
  readonly device: number | null;
  /** By file index. */
  readonly stamps: readonly FileStamp[];
}

/**
 * What need not be read.
 *
 * **Shape**: one bit for each piece, bit 0 is the high bit of byte 0; no piece is in both.
 */
export interface Belief {
  /** Pieces that are good. */
  readonly good: Uint8Array;
  /** Pieces that are not there. */
  readonly missing: Uint8Array;
}

/**
 * Decides what of some resume data is believed.
 *
 * A file agrees with them when it has the same name, size and time of change. A piece is believed to be
 * good when it was and all files under it agree; where the last run ended well, also to be missing. After
 * a crash, pieces may be there that the data do not know of yet, and a file system's clock may be too
 * coarse to show it, so then what was not good is verified.
 *
 * `"volume-missing"` when files are gone, none is as it was, and the folder is on another volume than
 * before: the mount point is there, the volume is not. On the same volume the files were deleted; where a
 * file agrees, the volume only has another number, as after a restart of the machine.
 */
export function believe(
  geometry: Geometry,
  resume: Pick<ResumeData, "device" | "good" | "stamps">,
  found: Found,
  hasEndedWell: boolean,
): Belief | "volume-missing" {
  if (isVolumeMissing(resume, found)) return "volume-missing";
  const good = resume.good.slice();
  const missing = new Uint8Array(good.length);
  if (hasEndedWell) setAllBut(missing, good, geometry.pieceCount);
  for (let file = 0; file < geometry.files.length; file++) {
    const known = resume.stamps[file]!;
    const agrees = isSame(known, found.stamps[file]!);
    if (agrees && (known.place !== "none" || !hasData(geometry.files[file]!))) continue;
    const { first, end } = geometry.piecesOfFile(file);
    for (let piece = first; piece < end; piece++) {
      clear(good, piece);
      if (!agrees) clear(missing, piece);
    }
  }
  return { good, missing };
}

/** Tells whether two stamps are those of a file that nobody changed in between. */
export function isSame(known: ResumeStamp, found: ResumeStamp): boolean {
  return known.place === found.place && known.bytes === found.bytes &&
    known.modifiedMs === found.modifiedMs;
}

/**
 * Brings the stamps of verified files up to date: of those that we wrote ourselves, and of those that got
 * their final name. A file that changed otherwise keeps its old stamp, which then shows that it did.
 *
 * **Shape**: `known`, `found` and the result by file index; `written` holds file indices.
 */
export function updateStamps(
  known: readonly ResumeStamp[],
  found: readonly ResumeStamp[],
  written: ReadonlySet<number>,
): readonly ResumeStamp[] {
  return known.map((stamp, file) => {
    const now = found[file]!;
    const wasFinished = stamp.place === "part" && now.place === "final" &&
      isSame({ ...stamp, place: "final" }, now);
    return written.has(file) || wasFinished ? now : stamp;
  });
}

/**
 * Tells whether files are gone because their volume is: none is as it was, and the folder is on another
 * volume than before.
 */
export function isVolumeMissing(
  resume: Pick<ResumeData, "device" | "stamps">,
  found: Found,
): boolean {
  // Where nobody could look now, but could before, the folder is gone as well.
  if (resume.device === null || resume.device === found.device) return false;
  let gone = 0;
  for (const [file, known] of resume.stamps.entries()) {
    if (known.place === "none") continue;
    const now = found.stamps[file]!;
    if (isSame(known, now)) return false;
    if (now.place === "none") gone++;
  }
  return gone > 0;
}

/** Whether bytes of it are on disk when its pieces are good. */
function hasData(file: TorrentFile): boolean {
  return !file.padding && file.bytes > 0;
}

function setAllBut(target: Uint8Array, others: Uint8Array, pieceCount: number): void {
  for (let piece = 0; piece < pieceCount; piece++) {
    const bit = 0x80 >>> (piece & 7);
    if ((others[piece >>> 3]! & bit) === 0) target[piece >>> 3]! |= bit;
  }
}

function clear(bitfield: Uint8Array, piece: number): void {
  bitfield[piece >>> 3]! &= ~(0x80 >>> (piece & 7));
}
