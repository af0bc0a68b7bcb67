import { asStorageError, storageError } from "./errors.ts";

/** Bytes of the swarm hash in the name of a lock: enough to tell the torrents of one folder apart. */
const NAME_HASH_BYTES = 4;

/** What systems answer for folders whose file system keeps no locks; the words of `errno`. */
const LOCKLESS_CODES: readonly unknown[] = ["ENOLCK", "ENOSYS", "ENOTSUP", "EOPNOTSUPP"];

/**
 * Keeps a second process, or a second store of this one, from working on the same torrent in the same
 * folder. Other torrents may share the folder.
 *
 * It is a file that the system locks for as long as this process lives. A crash leaves the file behind,
 * unlocked: the next one takes it over, and knows by it that the last one crashed.
 */
export class FolderLock {
  /** Whether the one before did not release it: it crashed. */
  readonly wasLeft: boolean;
  readonly #path: string;
  #file: Deno.FsFile | null;
  /** The folder, where it was made for this. */
  readonly #madeFolder: string | null;

  private constructor(
    path: string,
    file: Deno.FsFile,
    wasLeft: boolean,
    madeFolder: string | null,
  ) {
    this.#path = path;
    this.#file = file;
    this.wasLeft = wasLeft;
    this.#madeFolder = madeFolder;
  }

  /**
   * Locks a torrent in a folder, which is made where it is not there.
   *
   * **Errors**: `StorageError`, with code `"locked"` where somebody else has it.
   */
  static async take(directory: string, swarmHash: Uint8Array): Promise<FolderLock> {
    const path = lockPath(directory, swarmHash);
    try {
      let madeFolder: string | null = null;
      for (;;) {
        if (await makeFolder(directory)) madeFolder = directory;
        const opened = await openOrMake(path);
        // Whoever had it before took the folder along.
        if (opened === null) continue;
        const { file, wasThere } = opened;
        try {
          if (!await tryLock(file)) throw storageError("locked", "use", directory);
          // Between the opening and the locking, the one before may have removed the file.
          if (await isStillAt(path, file)) {
            return new FolderLock(path, file, wasThere, madeFolder);
          }
        } catch (error) {
          file.close();
          throw error;
        }
        file.close();
      }
    } catch (error) {
      throw asStorageError(error, "use", directory);
    }
  }

  /** Tells, without touching anything, whether somebody has it now or crashed with it. */
  static async isLeft(directory: string, swarmHash: Uint8Array): Promise<boolean> {
    try {
      await Deno.lstat(lockPath(directory, swarmHash));
      return true;
    } catch {
      return false;
    }
  }

  /**
   * Gives it up; where `hasEndedWell` is false, the file stays, as after a crash. A folder that was made for it and is
   * still empty goes too. A second call does nothing.
   */
  async release(hasEndedWell: boolean): Promise<void> {
    const file = this.#file;
    this.#file = null;
    if (file === null) return;
    try {
      // Before it is unlocked, so that nobody locks a file that is about to go.
      if (hasEndedWell && await isStillAt(this.#path, file)) {
        await Deno.remove(this.#path);
        if (this.#madeFolder !== null) await Deno.remove(this.#madeFolder);
      }
    } catch {
      // The folder is away, or can no longer be written to: the file is as after a crash. Or it is not empty.
    } finally {
      file.close();
    }
  }
}

/** Makes a folder where there is none. @returns whether it did */
async function makeFolder(path: string): Promise<boolean> {
  try {
    if ((await Deno.stat(path)).isDirectory) return false;
    throw storageError("not-directory", "use", path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  await Deno.mkdir(path, { recursive: true });
  return true;
}

function lockPath(directory: string, swarmHash: Uint8Array): string {
  const hash = Array.from(swarmHash.subarray(0, NAME_HASH_BYTES));
  const name = hash.map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return `${directory}/.enjambre-${name}.lock`;
}

/** Opens the file, or makes it; whoever makes it knows that it was not there. Null where the folder is gone. */
async function openOrMake(
  path: string,
): Promise<{ file: Deno.FsFile; wasThere: boolean } | null> {
  try {
    const file = await Deno.open(path, { read: true, write: true, createNew: true });
    return { file, wasThere: false };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
  }
  try {
    return { file: await Deno.open(path, { read: true, write: true }), wasThere: true };
  } catch (error) {
    // It was removed in between.
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

/** Locks a file unless somebody has; a file system without locks lets everybody in. */
async function tryLock(file: Deno.FsFile): Promise<boolean> {
  try {
    return await file.tryLock(true);
  } catch (error) {
    if (LOCKLESS_CODES.includes((error as { code?: unknown }).code)) return true;
    throw error;
  }
}

async function isStillAt(path: string, file: Deno.FsFile): Promise<boolean> {
  try {
    const [there, ours] = [await Deno.stat(path), await file.stat()];
    return there.ino === ours.ino && there.dev === ours.dev;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
