import type { Geometry, Torrent } from "@enjambre/metainfo";
import type { Damage } from "./file_stamp.ts";

/** What a store needs to know of a torrent; a `Torrent` is one. */
export type StoredTorrent =
  & Pick<Torrent, "geometry" | "pieceHashes">
  & Partial<Pick<Torrent, "fileRoots" | "pieceLayers">>;

/** What may be given to a check. */
export interface CheckOptions {
  /** Ends the check; it then rejects with the signal's reason. */
  signal?: AbortSignal;
  /** Receives each verdict as it is reached, in any order, every piece exactly once. */
  onPiece?: (piece: number, good: boolean) => void;
}

/**
 * Keeps the pieces of one torrent. Every implementation passes the same conformance suite.
 *
 * A store knows which pieces are good (checked, or verified and written) and hands out no other. It
 * never keeps what does not match its hash. Calls may overlap as they like.
 *
 * **Errors**: `StorageError` for the world, code `"closed"` after `close`; `RangeError` for an index or
 * a length outside the torrent.
 */
export interface PieceStore {
  /** Pieces, blocks and files of the torrent. */
  readonly geometry: Geometry;

  /**
   * Reads and verifies everything that is there; what is missing or too short is not good. From then on
   * exactly the pieces found good, and those written meanwhile, are readable.
   *
   * **Shape** of the result: one bit for each piece, bit 0 is the high bit of byte 0; spare bits are 0.
   * **Ownership**: the result is the caller's.
   */
  check(options?: CheckOptions): Promise<Uint8Array>;

  /**
   * Verifies a whole piece off the event loop and keeps it; `"corrupt"` when it does not match its hash,
   * and then nothing has changed.
   *
   * **Ownership**: `data` (exactly the piece) is borrowed until the promise settles.
   */
  write(piece: number, data: Uint8Array): Promise<"stored" | "corrupt">;

  /**
   * Fills `target` with the bytes from `begin` in a good piece, off the event loop.
   *
   * **Ownership**: `target` is borrowed until the promise settles; after a failure its content means nothing.
   * **Errors**: `StorageError` with code `"not-stored"` for a piece that is not known to be good.
   */
  read(piece: number, begin: number, target: Uint8Array<ArrayBuffer>): Promise<void>;

  /**
   * Looks whether what was stored is still there, cheaply: pieces that cannot be as they were are no longer good, and
   * `check` is due. Each damage is told once.
   *
   * **Errors**: `StorageError` where it cannot even be looked at, as when its volume is away.
   */
  inspect(): Promise<Damage[]>;

  /**
   * Chooses what is wanted: 0 for a file that is not, anything else for one that is.
   *
   * **Shape**: one for each file. **Ownership**: copied.
   * **Errors**: `RangeError` when there is not one for each file.
   */
  setPriorities(priorities: Uint8Array): Promise<void>;

  /**
   * Waits for what is being read and written, ends a check, finishes whole files and closes all. A
   * second call waits for the first.
   */
  close(): Promise<void>;
}
