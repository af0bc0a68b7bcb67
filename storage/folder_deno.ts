import { dirname, resolve } from "node:path";
import { asStorageError, storageError } from "./errors.ts";

/**
 * The folder that a torrent is kept in. Everything below it is reached through here, and no link in it
 * leads out: each component of a path is looked at before the path is used.
 *
 * The folder itself may be, or lie behind, a link: that is the user's choice. Deno's permissions are no
 * substitute: a link inside an allowed folder may lead out of it.
 */
export class DownloadFolder {
  /** The folder as it was given. */
  readonly path: string;
  /** Folders below that are known to be there and inside; relative paths. */
  readonly #known: Set<string>;
  #realPath: string | null;

  /** Takes the folder's path; looks at nothing yet. */
  constructor(path: string) {
    this.path = path;
    this.#known = new Set();
    this.#realPath = null;
  }

  /** Where `relative` (components joined by `/`) lies. */
  at(relative: string): string {
    return `${this.path}/${relative}`;
  }

  /** Forgets what was seen, so that everything is looked at again. */
  forget(): void {
    this.#known.clear();
    this.#realPath = null;
  }

  /**
   * Looks for a file: what the system says of it, or null where nothing is.
   *
   * **Errors**: `StorageError`; among others `"is-directory"` where something else than a file is, and
   * `"outside"` for a link that leads out.
   */
  async file(relative: string): Promise<Deno.FileInfo | null> {
    if (!await this.#walkParents(relative, false)) return null;
    const info = await this.#look(relative);
    if (info === null) return null;
    if (!info.isFile) throw storageError("is-directory", "use", this.at(relative));
    return info;
  }

  /** The device that the folder is on, or its nearest ancestor that is there; null where the system tells none. */
  async device(): Promise<number | null> {
    const path = await this.nearest();
    if (path === null) return null;
    try {
      return deviceOf(await Deno.stat(path));
    } catch (error) {
      throw asStorageError(error, "use", path);
    }
  }

  /** The folder, or its nearest ancestor that is there; null where that may not be looked at. */
  async nearest(): Promise<string | null> {
    for (let path = resolve(this.path);; path = dirname(path)) {
      try {
        await Deno.stat(path);
        return path;
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound) || dirname(path) === path) return null;
      }
    }
  }

  /** Makes the folders that `relative` needs, the download folder included. */
  async makeParents(relative: string): Promise<void> {
    await this.#walkParents(relative, true);
  }

  /** Tells whether `path` leads to this folder. */
  async isAt(path: string): Promise<boolean> {
    if (resolve(path) === resolve(this.path)) return true;
    try {
      const [there, here] = await Promise.all([Deno.realPath(path), Deno.realPath(this.path)]);
      return there === here;
    } catch {
      return false;
    }
  }

  /** Tells whether a real path lies below the folder, which has to be there. */
  async isInside(realPath: string): Promise<boolean> {
    return await this.#openRoot(false) && this.#contains(realPath);
  }

  /** Looks at each folder above `relative`; tells whether all are there. */
  async #walkParents(relative: string, make: boolean): Promise<boolean> {
    if (!await this.#openRoot(make)) return false;
    for (let at = relative.indexOf("/"); at !== -1; at = relative.indexOf("/", at + 1)) {
      const folder = relative.slice(0, at);
      if (this.#known.has(folder)) continue;
      let info = await this.#look(folder);
      if (info === null) {
        if (!make) return false;
        await this.#make(folder);
        info = await this.#look(folder);
      }
      if (info === null) throw storageError("not-found", "use", this.at(folder));
      if (!info.isDirectory) throw storageError("not-directory", "use", this.at(folder));
      this.#known.add(folder);
    }
    return true;
  }

  async #openRoot(make: boolean): Promise<boolean> {
    if (this.#realPath !== null) return true;
    try {
      if (make) await Deno.mkdir(this.path, { recursive: true });
      const info = await Deno.stat(this.path);
      if (!info.isDirectory) throw storageError("not-directory", "use", this.path);
      this.#realPath = await Deno.realPath(this.path);
      return true;
    } catch (error) {
      if (!make && error instanceof Deno.errors.NotFound) return false;
      throw asStorageError(error, "use", this.path);
    }
  }

  async #make(folder: string): Promise<void> {
    try {
      await Deno.mkdir(this.at(folder));
    } catch (error) {
      if (error instanceof Deno.errors.AlreadyExists) return; // another file's write made it meanwhile
      throw asStorageError(error, "make", this.at(folder));
    }
  }

  /** What is at `relative`, links inside the folder followed; null where nothing is. */
  async #look(relative: string): Promise<Deno.FileInfo | null> {
    const path = this.at(relative);
    let info: Deno.FileInfo;
    try {
      info = await Deno.lstat(path);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return null;
      throw asStorageError(error, "use", path);
    }
    if (!info.isSymlink) return info;
    try {
      const target = await Deno.realPath(path);
      if (!this.#contains(target)) throw storageError("outside", "use", path);
      return await Deno.stat(target);
    } catch (error) {
      // A link to nothing: writing through it would make a file wherever it points.
      if (error instanceof Deno.errors.NotFound) throw storageError("outside", "use", path, error);
      throw asStorageError(error, "use", path);
    }
  }

  #contains(target: string): boolean {
    const root = this.#realPath!;
    const separator = Deno.build.os === "windows" ? "\\" : "/";
    return target.startsWith(root.endsWith(separator) ? root : root + separator);
  }
}

/** The device that something is on; null where the system tells none. */
function deviceOf({ dev }: Deno.FileInfo): number | null {
  return typeof dev === "number" ? dev : null;
}
