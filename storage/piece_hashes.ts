import type { StoredTorrent } from "./store.ts";

/** Bytes in a SHA-1 hash. */
export const HASH_BYTES = 20;

/** The hashes that the pieces of a torrent have to match: SHA-1, as in v1 and hybrid torrents (BEP 3). */
export class PieceHashes {
  readonly #hashes: Uint8Array;

  /**
   * Takes the hashes of a torrent.
   *
   * **Ownership**: keeps the torrent's own array.
   * **Errors**: `TypeError` for a torrent without v1 hashes; `RangeError` when they are not one for each piece.
   */
  constructor(torrent: StoredTorrent) {
    const hashes = torrent.pieceHashes;
    if (hashes === null) {
      throw new TypeError("Cannot open store: the torrent is v2 only, v1 or hybrid is due");
    }
    const due = torrent.geometry.pieceCount * HASH_BYTES;
    if (hashes.length !== due) {
      throw new RangeError(
        `Cannot open store: piece hashes are ${hashes.length} bytes, ${due} bytes are due`,
      );
    }
    this.#hashes = hashes;
  }

  /** Tells whether `hash` is the one that `piece` should have. */
  matches(piece: number, hash: Uint8Array): boolean {
    if (hash.length !== HASH_BYTES) return false;
    const start = piece * HASH_BYTES;
    for (let i = 0; i < HASH_BYTES; i++) {
      if (this.#hashes[start + i] !== hash[i]) return false;
    }
    return true;
  }
}
