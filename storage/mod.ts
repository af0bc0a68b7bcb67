/**
 * Pieces of a torrent on disk or in memory: verified, written once, read back.
 *
 * `openDiskStore` keeps a torrent as the files that it is made of, `MemoryStore` keeps one in memory; both
 * are a `PieceStore`. `scanPath` and `hashScan` do the reading and hashing for a torrent to be made.
 *
 * @module
 */
export {
  hashScan,
  type HashScanOptions,
  type Scan,
  type ScannedFile,
  scanPath,
} from "./create_deno.ts";
export {
  DiskStore,
  type DiskStoreOptions,
  type FileOnDisk,
  OPEN_FILES_MAX,
  openDiskStore,
} from "./disk_store_deno.ts";
export { asStorageError, StorageError, type StorageErrorCode } from "./errors.ts";
export { hashPieces, type HashPiecesOptions, type PieceSource } from "./hash_pieces_deno.ts";
export { MemoryStore } from "./memory_store.ts";
export type { CheckOptions, PieceStore, StoredTorrent } from "./store.ts";
