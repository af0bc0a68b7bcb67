import { hexOfHash, type Torrent } from "@enjambre/metainfo";
import type { StatedPath } from "./disk_names.ts";
import type { CheckOptions, StoredTorrent } from "./store.ts";

/** What a disk store needs to know of a torrent; a `Torrent` is one. */
export type DiskTorrent = StoredTorrent & Pick<Torrent, "swarmHash">;

/** How a disk store is to behave. */
export interface DiskStoreOptions {
  /** Never change anything on disk: `write` fails with `"read-only"`, no file is made or renamed. False by default. */
  readOnly?: boolean;
  /** The most files that this store alone keeps open; by default it shares `OPEN_FILES_MAX` with the others. */
  openFilesMax?: number;
  /** How much each file is wanted: `setPriorities` from the beginning. */
  priorities?: Uint8Array;
  /** Paths below the folder that are not as the torrent says, by file index: what `names` told earlier. */
  names?: ReadonlyMap<number, string>;
}

/** What may be given to a check of a disk store. */
export interface DiskCheckOptions extends CheckOptions {
  /**
   * Pieces that are taken as good without being read, as long as their files are there and long enough.
   * **Shape**: as the result of `check`.
   */
  believed?: Uint8Array;
  /** Pieces that are taken as not there without being read. **Shape**: as `believed`. */
  missing?: Uint8Array;
}

/** What is on disk of one file of the torrent. */
export interface FileOnDisk {
  /** The index in `geometry.files`. */
  readonly fileIndex: number;
  /** Where it is, under the name that it has now; where it would be in the end if it is not there. */
  readonly path: string;
  /** Bytes that it should have. */
  readonly bytes: number;
  /** Bytes that it has; null where it is not there. More than `bytes` means that it is too long. */
  readonly foundBytes: number | null;
  /** Pieces of it that are not known to be good. */
  readonly badPieces: number;
  /** Whether it has its `.part` name: then it is ours. */
  readonly isPart: boolean;
}

/** The paths that the files of a torrent are to have, unless the file system cannot hold them. */
export function statedPaths(
  { geometry }: DiskTorrent,
  { names }: DiskStoreOptions,
): StatedPath[] {
  return geometry.files.map(({ path, padding }, i) => ({ path: names?.get(i) ?? path, padding }));
}

/** A torrent's mark in the names of files that are not its own: 8 hex digits. */
export function idOf({ swarmHash }: DiskTorrent): string {
  return hexOfHash(swarmHash).slice(0, 8);
}
