/** The shortest piece that is chosen: one block. */
const PIECE_BYTES_MIN = 16 * 1024;
/** The longest piece that is chosen: a piece is fetched and held whole before anybody can use it. */
const PIECE_BYTES_MAX = 16 * 1024 * 1024;
/** The most pieces until pieces have their greatest length. */
const PIECES_TARGET = 2048;

/**
 * Chooses a piece length for content of a size: the smallest power of two from 16 KiB to 16 MiB that
 * makes 2048 pieces or fewer; so between 1024 and 2048 for content from 16 MiB to 32 GiB.
 *
 * **Source**: the field's habit, no BEP. libtorrent aims at 40 KiB of hashes, which are 2048 of them;
 * the tables of transmission and mktorrent lie near it, with at most 2 and 16 MiB.
 *
 * **Errors**: `RangeError` when `totalBytes` is negative or no safe integer.
 */
export function choosePieceLength(totalBytes: number): number {
  if (!Number.isSafeInteger(totalBytes) || totalBytes < 0) {
    throw new RangeError(`Cannot choose piece length: content is ${totalBytes} bytes`);
  }
  let pieceLength = PIECE_BYTES_MIN;
  while (pieceLength < PIECE_BYTES_MAX && pieceLength * PIECES_TARGET < totalBytes) {
    pieceLength *= 2;
  }
  return pieceLength;
}
