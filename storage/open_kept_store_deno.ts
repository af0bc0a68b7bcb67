import { believe } from "./belief.ts";
import { DiskStore, openDiskStore } from "./disk_store_deno.ts";
import type { DiskStoreOptions, DiskTorrent } from "./disk_store_options.ts";
import { type StorageError, storageError } from "./errors.ts";
import { DownloadFolder } from "./folder_deno.ts";
import { FolderLock } from "./folder_lock_deno.ts";
import { KeptPlace } from "./kept_place_deno.ts";
import { KeptStore } from "./kept_store_deno.ts";
import type { ResumeData } from "./resume.ts";

/** How a kept store is to behave. What is left out of `priorities` and `names` is as it was in the last run. */
export interface KeptStoreOptions extends DiskStoreOptions {
  /** The folder that the resume data are kept in; made where it is not there. */
  stateDirectory: string;
  /** Receives what went wrong when resume data could not be saved. That is tried again, and the store goes on. */
  onSaveFailed?: (error: StorageError) => void;
}

/**
 * Opens the store of a torrent in a folder, with what is remembered of it. `check` then reads only what the
 * files and the resume data do not agree about.
 *
 * **Errors**: those of `openDiskStore`; `StorageError` with code `"locked"` where another process, or
 * another store, is at work on the torrent in this folder, and `"volume-missing"` where the volume that
 * the data were on is not there: then nothing is made or written, and it can be tried again later.
 *
 * @example
 * ```ts
 * import { openKeptStore } from "@enjambre/storage";
 * import { Geometry } from "@enjambre/metainfo";
 * import { assertEquals } from "@std/assert";
 *
 * const data = new TextEncoder().encode("hello swarm");
 * const file = { path: "hi.txt", bytes: data.length, offset: 0 };
 * const plain = { padding: false, executable: false, symlink: null };
 * const geometry = new Geometry(16384, [{ ...file, ...plain }]);
 * const pieceHashes = new Uint8Array(await crypto.subtle.digest("SHA-1", data));
 * const torrent = { geometry, pieceHashes, swarmHash: new Uint8Array(20) };
 *
 * const folder = await Deno.makeTempDir();
 * const stateDirectory = `${folder}/state`;
 * const store = await openKeptStore(torrent, `${folder}/downloads`, { stateDirectory });
 * await store.check();
 * await store.write(0, data);
 * await store.close();
 *
 * const again = await openKeptStore(torrent, `${folder}/downloads`, { stateDirectory });
 * assertEquals(await again.check(), new Uint8Array([0b1000_0000])); // without reading the file
 * await again.close();
 * await Deno.remove(folder, { recursive: true });
 * ```
 */
export async function openKeptStore(
  torrent: DiskTorrent,
  directory: string,
  options: KeptStoreOptions,
): Promise<KeptStore> {
  const { stateDirectory, onSaveFailed, ...diskOptions } = options;
  const placeOf = (folder: string): Promise<KeptPlace> =>
    KeptPlace.of(torrent, folder, stateDirectory);
  // Before the lock, which would be written to the mount point.
  await assertVolumeOf(torrent, directory, await (await placeOf(directory)).load());
  const { readOnly = false } = diskOptions;
  const lock = readOnly ? null : await FolderLock.take(directory, torrent.swarmHash);
  try {
    const wasLeft = lock?.wasLeft ?? await FolderLock.isLeft(directory, torrent.swarmHash);
    // Again: the folder is there now, and whoever had the lock before may have saved.
    const place = await placeOf(directory);
    const resume = await place.load();
    const disk = await openDiskStore(torrent, directory, {
      ...(resume !== null && { names: resume.names }),
      ...(resume?.priorities && { priorities: resume.priorities }),
      ...diskOptions,
    });
    return new KeptStore(disk, {
      torrent,
      placeOf,
      place,
      lock,
      resume,
      hasEndedWell: !wasLeft,
      onSaveFailed: onSaveFailed ?? (() => {}),
    });
  } catch (error) {
    await lock?.release(!lock.wasLeft);
    throw error;
  }
}

/** Throws where the data of a torrent were on a volume that is not there now. Changes nothing. */
async function assertVolumeOf(
  torrent: DiskTorrent,
  directory: string,
  resume: ResumeData | null,
): Promise<void> {
  if (resume === null) return;
  const device = await new DownloadFolder(directory).device();
  if (device === resume.device) return;
  // A store of its own: it remembers what it saw, and somebody else may have the lock.
  const disk = new DiskStore(torrent, directory, { readOnly: true, names: resume.names });
  try {
    const found = { device, stamps: await disk.stamps() };
    if (believe(torrent.geometry, resume, found, false) === "volume-missing") {
      throw storageError("volume-missing", "use", directory);
    }
  } finally {
    await disk.close();
  }
}
