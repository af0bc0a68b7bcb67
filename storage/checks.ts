import type { Geometry } from "@enjambre/metainfo";
import { type StorageError, storageError } from "./errors.ts";
import type { GoodPieces } from "./good_pieces.ts";

/** Throws `RangeError` unless `data` is exactly the piece's size. */
export function assertWholePiece(geometry: Geometry, piece: number, data: Uint8Array): void {
  const due = geometry.pieceBytes(piece);
  if (data.length !== due) {
    throw new RangeError(
      `Cannot write piece ${piece}: data are ${data.length} bytes, the piece is ${due} bytes`,
    );
  }
}

/** Throws `RangeError` unless `bitfield` has a bit for each piece, and no more bytes than that takes. */
export function assertBitfield(geometry: Geometry, bitfield: Uint8Array): void {
  const due = Math.ceil(geometry.pieceCount / 8);
  if (bitfield.length !== due) {
    throw new RangeError(
      `Cannot check: ${bitfield.length} bytes of believed pieces are given, ${due} are due`,
    );
  }
}

/** Throws unless a read lies inside a good piece: `RangeError` for the place, `StorageError` for the piece. */
export function assertReadable(
  geometry: Geometry,
  good: GoodPieces,
  piece: number,
  begin: number,
  length: number,
): void {
  if (!geometry.holds(piece, begin, length)) {
    throw new RangeError(
      `Cannot read ${length} bytes from ${begin} in piece ${piece}: they are outside the torrent`,
    );
  }
  if (!good.has(piece)) throw storageError("not-stored", "read", `piece ${piece}`);
}

/** The error of every call after `close`. */
export function closedError(verb: string): StorageError {
  return storageError("closed", verb, "pieces");
}
