import { BLOCK_BYTES, type Geometry, rootOfPiece } from "@enjambre/metainfo";
import type { StoredTorrent } from "./store.ts";

/**
 * How pieces are hashed: `"v1"` by SHA-1 (BEP 3), `"v2"` by the root of their part of the file's hash tree
 * (BEP 52), `"hybrid"` both, the SHA-1 first.
 */
export type HashFormat = "v1" | "v2" | "hybrid";

/** Bytes of a piece's hash. */
export const HASH_BYTES: Readonly<Record<HashFormat, number>> = { v1: 20, v2: 32, hybrid: 52 };

/** What of a piece is in the hash tree of its file (BEP 52). */
export interface PieceTree {
  /** Bytes from the piece's beginning that are the file's; padding follows. */
  readonly contentBytes: number;
  /** Leaves below the piece's root: the blocks of a piece, or the least power of two for a file that is not larger than one. */
  readonly leafCount: number;
}

/** Tells what of a piece is in the hash tree of the file that begins with it or before it. */
export function treeOfPiece(geometry: Geometry, piece: number): PieceTree {
  let contentBytes = 0;
  let fileBytes = 0;
  geometry.forEachSpan(piece, 0, geometry.pieceBytes(piece), (file, _offset, _begin, bytes) => {
    if (geometry.files[file]!.padding) return;
    contentBytes += bytes;
    fileBytes = geometry.files[file]!.bytes;
  });
  const blocks = Math.ceil(Math.min(fileBytes, geometry.pieceLength) / BLOCK_BYTES);
  return { contentBytes, leafCount: blocks <= 1 ? 1 : 2 ** Math.ceil(Math.log2(blocks)) };
}

/**
 * The hashes that the pieces of a torrent have to match.
 *
 * Of a hybrid torrent these are the v1 hashes: they cover the same bytes, cost half as much, and are what
 * the peers of its v1 swarm go by.
 */
export class PieceHashes {
  /** How they are made. */
  readonly format: "v1" | "v2";
  readonly #geometry: Geometry;
  /** One after another. */
  readonly #hashes: Uint8Array;

  /**
   * Takes the hashes of a torrent.
   *
   * **Ownership**: keeps the torrent's own array where it is v1 or hybrid.
   * **Errors**: `TypeError` for a v2 torrent without its piece layers, and for one without any hashes;
   * `RangeError` when they are not one for each piece.
   */
  constructor(torrent: StoredTorrent) {
    this.#geometry = torrent.geometry;
    this.format = torrent.pieceHashes === null ? "v2" : "v1";
    this.#hashes = torrent.pieceHashes ?? rootsOfPieces(torrent);
    const due = torrent.geometry.pieceCount * HASH_BYTES[this.format];
    if (this.#hashes.length !== due) {
      throw new RangeError(
        `Cannot open store: piece hashes are ${this.#hashes.length} bytes, ${due} bytes are due`,
      );
    }
  }

  /** The hash that `piece` should have; a copy. */
  of(piece: number): Uint8Array<ArrayBuffer> {
    const hashBytes = HASH_BYTES[this.format];
    return this.#hashes.slice(piece * hashBytes, (piece + 1) * hashBytes) as Uint8Array<
      ArrayBuffer
    >;
  }

  /** Tells whether `hash` is the one that `piece` should have. */
  matches(piece: number, hash: Uint8Array): boolean {
    const hashBytes = HASH_BYTES[this.format];
    if (hash.length !== hashBytes) return false;
    const start = piece * hashBytes;
    for (let i = 0; i < hashBytes; i++) {
      if (this.#hashes[start + i] !== hash[i]) return false;
    }
    return true;
  }

  /**
   * Hashes a whole piece off the event loop, and tells whether it is good.
   *
   * **Cost**: `crypto.subtle` copies `data` on the event loop first; drivers have faster ways.
   */
  async verify(piece: number, data: Uint8Array): Promise<boolean> {
    // It refuses memory that threads share.
    const owned = data.buffer instanceof ArrayBuffer
      ? data as Uint8Array<ArrayBuffer>
      : data.slice();
    if (this.format === "v1") {
      return this.matches(piece, new Uint8Array(await crypto.subtle.digest("SHA-1", owned)));
    }
    const { contentBytes, leafCount } = treeOfPiece(this.#geometry, piece);
    return this.matches(piece, await rootOfPiece(owned.subarray(0, contentBytes), leafCount));
  }
}

/** The roots of a v2 torrent's pieces, one after another; zeros for a piece of nothing but padding. */
function rootsOfPieces({ geometry, fileRoots = [], pieceLayers = [] }: StoredTorrent): Uint8Array {
  const hashBytes = HASH_BYTES.v2;
  const hashes = new Uint8Array(geometry.pieceCount * hashBytes);
  geometry.files.forEach(({ bytes, padding, offset }, i) => {
    if (padding || bytes === 0) return;
    const { first, end } = geometry.piecesOfFile(i);
    const roots = (bytes > geometry.pieceLength ? pieceLayers[i] : fileRoots[i]) ?? null;
    if (roots === null) {
      throw new TypeError(
        "Cannot open store: the torrent has neither v1 hashes nor all piece layers of v2",
      );
    }
    if (offset % geometry.pieceLength !== 0 || roots.length !== (end - first) * hashBytes) {
      throw new RangeError(
        `Cannot open store: file ${i} has ${roots.length} bytes of hashes from byte ${offset} on, ` +
          `${hashBytes} for each of its ${end - first} pieces from a piece's beginning are due`,
      );
    }
    hashes.set(roots, first * hashBytes);
  });
  return hashes;
}
