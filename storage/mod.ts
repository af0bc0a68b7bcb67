/**
 * Pieces of a torrent on disk or in memory: verified, written once, read back.
 *
 * `openDiskStore` keeps a torrent as the files that it is made of, `MemoryStore` keeps one in memory; both
 * are a `PieceStore`. `scanPath` and `hashScan` do the reading and hashing for a torrent to be made.
 *
 * @module
 */
export { BEGUN_BYTES_MAX, type BegunPiece } from "./begun.ts";
export {
  type HashedScan,
  hashScan,
  type HashScanOptions,
  type Scan,
  type ScannedFile,
  scanPath,
} from "./create_deno.ts";
export type { Damage } from "./file_stamp.ts";
export { DiskStore, OPEN_FILES_MAX, openDiskStore } from "./disk_store_deno.ts";
export type {
  DiskCheckOptions,
  DiskStoreOptions,
  DiskTorrent,
  FileOnDisk,
} from "./disk_store_options.ts";
export {
  type DiskNames,
  diskNames,
  type Folding,
  type RenamedFile,
  type StatedPath,
} from "./disk_names.ts";
export { asStorageError, StorageError, type StorageErrorCode } from "./errors.ts";
export type { FilePlace, FileStamp } from "./file_stamp.ts";
export { hashPieces, type HashPiecesOptions, type PieceSource } from "./hash_pieces_deno.ts";
export { KeptStore, type Totals } from "./kept_store_deno.ts";
export { MemoryStore } from "./memory_store.ts";
export { type KeptStoreOptions, openKeptStore } from "./open_kept_store_deno.ts";
export type { HashFormat } from "./piece_hashes.ts";
export type { MoveOptions } from "./relocation_deno.ts";
export { type Completion, COMPLETION_UNKNOWN } from "./resume.ts";
export type { WorkOptions } from "./room_deno.ts";
export { Selection } from "./selection.ts";
export type { CheckOptions, PieceStore, StoredTorrent } from "./store.ts";
