import { createHash } from "node:crypto";
import { basename, dirname, join, resolve } from "node:path";
import { asStorageError } from "./errors.ts";

/** Bytes of SHA-1 in front of what is kept: what is torn or damaged does not match it. */
const SEAL_BYTES = 20;

/** Bytes of the folder's hash in a name: two folders of one torrent are as unlikely to share it as to matter. */
const FOLDER_HASH_BYTES = 8;

/** Nobody else needs to know what somebody downloads. */
const FILE_MODE = 0o600;
const FOLDER_MODE = 0o700;

/**
 * One small file in the state folder, replaced as a whole: whoever reads it sees the old content or the
 * new one, also after a crash or a power cut in the middle.
 *
 * Its content is written to a temporary file beside it, flushed to the disk, and given its name; then the
 * folder is flushed, where the system can do that.
 */
export class StateFile {
  /** Where it is. */
  readonly path: string;
  readonly #bytesMax: number;

  /** Takes its place; `bytesMax` is the most that is handed back. */
  constructor(path: string, bytesMax: number) {
    this.path = path;
    this.#bytesMax = bytesMax;
  }

  /** Reads it; null where it is not there or cannot be read, is damaged or too big: it is worth nothing then. */
  async load(): Promise<Uint8Array<ArrayBuffer> | null> {
    try {
      const bytes = await Deno.readFile(this.path);
      if (bytes.length < SEAL_BYTES || bytes.length > SEAL_BYTES + this.#bytesMax) return null;
      const content = bytes.subarray(SEAL_BYTES);
      const seal = sealOf([content]);
      return seal.every((byte, i) => byte === bytes[i]) ? content : null;
    } catch {
      return null;
    }
  }

  /**
   * Replaces its content by some stretches, one after another. One call at a time.
   *
   * **Errors**: `StorageError`; the old content is still there then.
   */
  async save(stretches: readonly Uint8Array[]): Promise<void> {
    const folder = dirname(this.path);
    try {
      await Deno.mkdir(folder, { recursive: true, mode: FOLDER_MODE });
      // One name for all tries: what a crash leaves behind, the next save takes away.
      const temporary = `${this.path}.new`;
      await writeSynced(temporary, [sealOf(stretches), ...stretches]);
      await Deno.rename(temporary, this.path);
      await syncFolder(folder);
    } catch (error) {
      throw asStorageError(error, "write", this.path);
    }
  }

  /** Removes it; nothing where it is not there. */
  async remove(): Promise<void> {
    try {
      await Deno.remove(this.path);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) {
        throw asStorageError(error, "remove", this.path);
      }
    }
  }
}

/** Where the state of a torrent in a folder is kept, without an ending. Two names of one folder give one place. */
export function statePath(stateDirectory: string, swarmHash: Uint8Array, folder: string): string {
  const folderHash = createHash("sha256").update(folder).digest().subarray(0, FOLDER_HASH_BYTES);
  return join(stateDirectory, `${hexOf(swarmHash)}-${hexOf(folderHash)}`);
}

/** The path of a folder with all links followed; what is not there, or may not be looked at, is taken as it is written. */
export async function realFolder(path: string): Promise<string> {
  const missing: string[] = [];
  for (let at = resolve(path);;) {
    try {
      return join(await Deno.realPath(at), ...missing);
    } catch (error) {
      const above = dirname(at);
      if (error instanceof Deno.errors.NotCapable) return join(at, ...missing);
      if (!(error instanceof Deno.errors.NotFound) || above === at) {
        throw asStorageError(error, "use", path);
      }
      missing.unshift(basename(at));
      at = above;
    }
  }
}

/** The SHA-1 of some stretches. On the event loop: it is some megabytes at most, but at the end of the program. */
function sealOf(stretches: readonly Uint8Array[]): Uint8Array {
  const hash = createHash("sha1");
  for (const stretch of stretches) hash.update(stretch);
  return hash.digest();
}

async function writeSynced(path: string, stretches: readonly Uint8Array[]): Promise<void> {
  const options = { write: true, create: true, truncate: true, mode: FILE_MODE };
  using file = await Deno.open(path, options);
  for (const stretch of stretches) {
    for (let done = 0; done < stretch.length;) done += await file.write(stretch.subarray(done));
  }
  await file.sync();
}

/** Flushes the names in a folder. Some systems cannot open a folder; those keep names by themselves. */
async function syncFolder(path: string): Promise<void> {
  try {
    using folder = await Deno.open(path, { read: true });
    await folder.sync();
  } catch {
    // Not on this system.
  }
}

function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
