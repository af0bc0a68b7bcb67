import { statfs } from "node:fs";
import type { Geometry } from "@enjambre/metainfo";
import type { DiskFile } from "./disk_file_deno.ts";
import type { DiskFiles } from "./disk_files_deno.ts";
import type { Selection } from "./selection.ts";

/** How much is written at a time when a file is allocated in full. */
const FILL_BYTES = 1024 * 1024;

/** What is reported of work that takes its time. */
export interface WorkOptions {
  /** Ends it; the promise then rejects with the signal's reason. */
  signal?: AbortSignal;
  /** Receives how many bytes are done, and how many there are. */
  onProgress?: (doneBytes: number, totalBytes: number) => void;
}

/** What is asked about the room of a torrent's files. */
export interface RoomSpec {
  readonly geometry: Geometry;
  readonly files: DiskFiles;
  readonly selection: Selection;
  /** Whether a piece is stored. */
  readonly isGood: (piece: number) => boolean;
  /** Whether a piece is stored, or just being written. */
  readonly isTaken: (piece: number) => boolean;
}

/** Bytes of one file in one piece. */
interface Span {
  readonly piece: number;
  readonly offset: number;
  readonly bytes: number;
}

/** Bytes of room that the user has left on the volume of `path`; null where the system does not tell. */
export function freeBytesAt(path: string): Promise<number | null> {
  return new Promise((resolve) => {
    statfs(path, (error, figures) => {
      resolve(error === null ? Number(figures.bavail) * Number(figures.bsize) : null);
    });
  });
}

/** Bytes of room that the wanted files, and what they share with others, will need beside what they have. */
export async function bytesMissing(room: RoomSpec): Promise<number> {
  let total = 0;
  await room.files.forEach(async (disk, i) => {
    if (disk.badPieces === 0) return;
    let missing = 0;
    for (const { bytes } of missingSpans(room, i)) missing += bytes;
    if (disk.isWanted && missing > 0) {
      missing = Math.min(missing, Math.max(0, disk.bytes - await allocatedBytes(disk)));
    }
    total += missing;
  });
  return total;
}

/** Writes zeros where wanted files have no bytes yet, so that their room is taken. */
export async function fillFiles(
  room: RoomSpec,
  signal: AbortSignal,
  onProgress: WorkOptions["onProgress"],
): Promise<void> {
  let doneBytes = 0;
  for (let i = 0; i < room.geometry.files.length; i++) {
    const disk = room.files.at(i);
    if (!disk?.isWanted || disk.bytes === 0) continue;
    if (await allocatedBytes(disk) < disk.bytes) await fillFile(room, disk, i, signal);
    onProgress?.(doneBytes += disk.bytes, room.selection.wantedBytes);
  }
}

/** Fills what is free of a file; pieces that are being written are left alone. */
async function fillFile(
  room: RoomSpec,
  disk: DiskFile,
  fileIndex: number,
  signal: AbortSignal,
): Promise<void> {
  const zeros = new Uint8Array(Math.min(FILL_BYTES, disk.bytes));
  const spans = missingSpans(room, fileIndex);
  for (let first = 0; first < spans.length;) {
    signal.throwIfAborted();
    // Small pieces that follow one another go in one write.
    const { offset, bytes } = spans[first]!;
    let end = first + 1;
    let total = bytes;
    while (end < spans.length && spans[end]!.offset === offset + total) {
      if (total + spans[end]!.bytes > FILL_BYTES) break;
      total += spans[end++]!.bytes;
    }
    const run = spans.slice(first, end);
    const isFree = (): boolean => run.every(({ piece }) => !room.isTaken(piece));
    for (let at = 0; at < total; at += FILL_BYTES) {
      const data = zeros.subarray(0, Math.min(FILL_BYTES, total - at));
      await disk.writeIf(isFree, offset + at, data);
    }
    first = end;
  }
}

/** The bytes of a file that lie in wanted pieces and are not stored, piece by piece. */
function missingSpans({ geometry, selection, isGood }: RoomSpec, fileIndex: number): Span[] {
  const { pieceLength, files } = geometry;
  const { offset, bytes } = files[fileIndex]!;
  const { first, end } = geometry.piecesOfFile(fileIndex);
  const spans: Span[] = [];
  for (let piece = first; piece < end; piece++) {
    if (isGood(piece) || !selection.isPieceWanted(piece)) continue;
    const start = Math.max(offset, piece * pieceLength);
    const stop = Math.min(offset + bytes, (piece + 1) * pieceLength);
    spans.push({ piece, offset: start - offset, bytes: stop - start });
  }
  return spans;
}

/** Bytes of room that a file takes; its length where the system does not tell, 0 where it is not there. */
async function allocatedBytes(disk: DiskFile): Promise<number> {
  const info = await disk.info();
  if (info === null) return 0;
  return info.blocks === null ? info.size : info.blocks * 512;
}
