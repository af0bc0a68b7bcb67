import { besidePath, removeFile } from "./file_changes_deno.ts";
import { asStorageError, StorageError, storageError } from "./errors.ts";
import { moments } from "./file_handles_deno.ts";
import type { FileNames } from "./file_stamp.ts";
import type { DownloadFolder } from "./folder_deno.ts";

/** How much is copied at a time. */
const COPY_BYTES = 1024 * 1024;

/** What a copy is told. */
export interface CopyOptions {
  /** The torrent's mark in the names of files that are not ready. */
  readonly id: string;
  /** Ends it; the promise then rejects with the signal's reason. */
  readonly signal: AbortSignal;
  /** Receives how many bytes more are done. */
  readonly onBytes: (bytes: number) => void;
}

/**
 * A second place of a file that is being moved: a second name of the same file where the file system
 * takes one, else a copy that is written along with the file.
 */
export class Mirror {
  /** The folder that the file moves to. */
  readonly folder: DownloadFolder;
  /** Its paths there. */
  readonly names: FileNames;
  readonly #options: CopyOptions;
  /** Where it is; null as long as there is nothing. */
  #path: string | null;
  #isCopy: boolean;
  /** What went wrong since it was made; null where nothing did. */
  #failure: { error: unknown } | null;
  #isSealed: boolean;

  /** Takes the new place; makes nothing yet. */
  constructor(folder: DownloadFolder, names: FileNames, options: CopyOptions) {
    this.folder = folder;
    this.names = names;
    this.#options = options;
    this.#path = null;
    this.#isCopy = false;
    this.#failure = null;
    this.#isSealed = false;
  }

  /**
   * Throws what went wrong since it was made. Until now trouble here was not the file's; from now on it
   * is, because this may soon be the only place.
   */
  seal(): void {
    if (this.#failure !== null) throw this.#failure.error;
    this.#isSealed = true;
  }

  /** Makes the second place, as the file is now. **Errors**: `"exists"` where something is there. */
  async copy(source: string, place: keyof FileNames): Promise<void> {
    const name = this.names[place];
    const path = this.folder.at(name);
    if (path === source) return;
    await this.folder.makeParents(name);
    if (await this.folder.file(name) !== null) throw storageError("exists", "make", path);
    const { size } = await Deno.stat(source);
    try {
      await Deno.link(source, path);
      this.#options.onBytes(size);
    } catch (error) {
      if (error instanceof Deno.errors.AlreadyExists) throw asStorageError(error, "make", path);
      // Another volume, or a file system that gives no file a second name.
      await copyFile(source, path, this.#options);
      this.#isCopy = true;
    }
    this.#path = path;
  }

  /** Makes the second place of a file that was not there when the move began. */
  async follow(source: string, place: keyof FileNames): Promise<void> {
    await this.#keep(() => this.copy(source, place));
  }

  /** Writes what was written to the file, where this is a copy. */
  async write(offset: number, data: Uint8Array): Promise<void> {
    const path = this.#path;
    if (!this.#isCopy || path === null) return;
    await this.#keep(async () => {
      try {
        await moments.run(async () => {
          using file = await Deno.open(path, { write: true });
          file.seekSync(offset, Deno.SeekMode.Start);
          for (let done = 0; done < data.length;) done += await file.write(data.subarray(done));
          await file.syncData();
        });
      } catch (error) {
        throw asStorageError(error, "write", path);
      }
    });
  }

  /** Removes it. */
  async remove(): Promise<void> {
    if (this.#path !== null) await removeFile(this.#path);
    this.#path = null;
  }

  async #keep(act: () => Promise<void>): Promise<void> {
    if (this.#failure !== null) return;
    try {
      await act();
    } catch (error) {
      if (this.#isSealed) throw error;
      this.#failure = { error };
    }
  }
}

/**
 * Copies a file to a volume where it is not yet, under its name only when all of it is on the disk itself.
 *
 * Holes stay holes. **Errors**: `StorageError`, `"changed"` where the copy is not as long as the file.
 */
async function copyFile(source: string, target: string, options: CopyOptions): Promise<void> {
  const fresh = besidePath(target, options.id);
  try {
    using from = await Deno.open(source, { read: true });
    using to = await Deno.open(fresh, { write: true, create: true, truncate: true });
    const { size, blocks, mtime, mode } = await from.stat();
    const hasHoles = blocks !== null && blocks * 512 < size;
    await copyBytes(from, to, hasHoles, options);
    await to.truncate(size);
    if (mode !== null) await Deno.chmod(fresh, mode & 0o777).catch(() => {});
    if (mtime !== null) await to.utime(mtime, mtime);
    await to.sync();
    if ((await to.stat()).size !== size) throw storageError("changed", "copy", source);
    await Deno.rename(fresh, target);
  } catch (error) {
    await removeFile(fresh).catch(() => {});
    if (options.signal.aborted) throw error;
    throw error instanceof StorageError ? error : asStorageError(error, "copy", source);
  }
}

async function copyBytes(
  from: Deno.FsFile,
  to: Deno.FsFile,
  hasHoles: boolean,
  { signal, onBytes }: CopyOptions,
): Promise<void> {
  const words = new Float64Array(COPY_BYTES / 8);
  const buffer = new Uint8Array(words.buffer);
  for (let offset = 0;;) {
    signal.throwIfAborted();
    const count = await from.read(buffer);
    if (count === null) return;
    if (!hasHoles || !isZero(words, count)) {
      to.seekSync(offset, Deno.SeekMode.Start);
      for (let done = 0; done < count;) done += await to.write(buffer.subarray(done, count));
    }
    offset += count;
    onBytes(count);
  }
}

/** Whether the first `bytes` are all zero; says no where it would have to look at single bytes. */
function isZero(words: Float64Array, bytes: number): boolean {
  if (bytes % 8 !== 0) return false;
  for (let i = 0; i < bytes / 8; i++) {
    // Object.is, because -0 is a bit that is set.
    if (!Object.is(words[i], 0)) return false;
  }
  return true;
}
