import type { Geometry } from "@enjambre/metainfo";
import type { DiskFiles } from "./disk_files_deno.ts";
import { GoodPieces } from "./good_pieces.ts";
import { hashPieces } from "./hash_pieces_deno.ts";
import type { PieceHashes } from "./piece_hashes.ts";

/** What a check of files needs. */
export interface DiskCheck {
  readonly geometry: Geometry;
  readonly files: DiskFiles;
  readonly hashes: PieceHashes;
  /** Pieces that are taken as good without being read; bit 0 is the high bit of byte 0. */
  readonly believed: Uint8Array | undefined;
  /** Pieces that are taken as not there without being read. */
  readonly missing: Uint8Array | undefined;
  readonly signal: AbortSignal;
  /** Receives each verdict, every piece exactly once. */
  readonly conclude: (piece: number, isGood: boolean) => void;
}

/** Looks at all files anew, then reads and verifies the pieces whose bytes are all there. */
export async function checkFiles(check: DiskCheck): Promise<void> {
  const { geometry, files, hashes, believed, missing, signal, conclude } = check;
  const present = await presentPieces(geometry, files, signal);
  await hashPieces(
    {
      readAt: (file, offset, target) => files.readAt(file, offset, target),
      pathOf: (file) => files.at(file)?.ownPath ?? null,
    },
    geometry,
    {
      format: hashes.format,
      onPiece: (piece, hash) => conclude(piece, hash !== null && hashes.matches(piece, hash)),
      wants: (piece) => {
        if (!present.has(piece) || isIn(missing, piece)) conclude(piece, false);
        else if (isIn(believed, piece)) conclude(piece, true);
        else return true;
        return false;
      },
      signal,
    },
  );
}

function isIn(bitfield: Uint8Array | undefined, piece: number): boolean {
  return bitfield !== undefined && (bitfield[piece >>> 3]! & (0x80 >>> (piece & 7))) !== 0;
}

/** The pieces whose bytes are all there, going by the sizes of the files. */
async function presentPieces(
  geometry: Geometry,
  files: DiskFiles,
  signal: AbortSignal,
): Promise<GoodPieces> {
  const { pieceCount, pieceLength } = geometry;
  const present = new GoodPieces(pieceCount);
  for (let piece = 0; piece < pieceCount; piece++) present.set(piece, true);
  await files.lookAgain();
  await files.forEach(async (disk, i) => {
    signal.throwIfAborted();
    if (disk.bytes === 0) return;
    const foundBytes = await disk.look() ?? 0;
    if (foundBytes >= disk.bytes) return;
    const { end } = geometry.piecesOfFile(i);
    const first = Math.floor((geometry.files[i]!.offset + foundBytes) / pieceLength);
    for (let piece = first; piece < end; piece++) {
      if (!files.isInParts(i, piece)) present.set(piece, false);
    }
  });
  return present;
}
