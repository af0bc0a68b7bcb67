import { asStorageError, storageError } from "./errors.ts";
import { ReadHandle, WriteHandle } from "./file_handles_deno.ts";
import type { DownloadFolder } from "./folder_deno.ts";
import type { HandlePool } from "./handle_pool.ts";

/** The open files of a store. */
export type FileHandles = HandlePool<ReadHandle | WriteHandle>;

/**
 * One file of a torrent on disk: under its final name where that exists, else under its `.part` name.
 *
 * Whatever changes the file goes through one queue, so writes, the look at the disk and the renaming
 * never overlap. Reads do not queue.
 */
export class DiskFile {
  /** Bytes that the torrent says it has. */
  readonly bytes: number;
  /** Pieces of it that are not good yet; kept by the store. */
  badPieces: number;
  readonly #folder: DownloadFolder;
  readonly #finalName: string;
  readonly #partName: string;
  readonly #handles: FileHandles;
  readonly #key: number;
  /** Which name it has: null as long as nobody looked, "none" where neither is there. */
  #place: "final" | "part" | "none" | null;
  #tail: Promise<unknown>;

  /** Takes names relative to `folder`; `key` tells it from the other files of the pool. */
  constructor(
    folder: DownloadFolder,
    handles: FileHandles,
    key: number,
    names: { final: string; part: string },
    bytes: number,
  ) {
    this.bytes = bytes;
    this.badPieces = 0;
    this.#folder = folder;
    this.#finalName = names.final;
    this.#partName = names.part;
    this.#handles = handles;
    this.#key = 2 * key;
    this.#place = null;
    this.#tail = Promise.resolve();
  }

  /** Where it is now; its final place where it is not there. */
  get path(): string {
    return this.#folder.at(this.#place === "part" ? this.#partName : this.#finalName);
  }

  /** Whether it still has its `.part` name. */
  get isPart(): boolean {
    return this.#place === "part";
  }

  /**
   * Looks at the disk anew, under both names: the file's size, or null where it is not. What was known
   * of its pieces may be wrong from then on, so this is for the beginning of a check.
   */
  look(): Promise<number | null> {
    return this.#enqueue(() => this.#look());
  }

  /** The file's size under the name that it has, or null where it is not. */
  size(): Promise<number | null> {
    return this.#enqueue(async () => {
      await this.#lookOnce();
      return await this.#folder.fileBytes(
        this.#place === "part" ? this.#partName : this.#finalName,
      );
    });
  }

  /** Writes `data` at `offset`; makes the file under its `.part` name where there is none. */
  write(offset: number, data: Uint8Array): Promise<void> {
    return this.#enqueue(() => this.#write(offset, data));
  }

  /** Fills `target` from `offset` on; resolves with fewer bytes only at the file's end. */
  async readAt(offset: number, target: Uint8Array<ArrayBuffer>): Promise<number> {
    if (this.#place === null) await this.#enqueue(() => this.#lookOnce());
    if (this.#place === "none") throw storageError("not-found", "read", this.path);
    const path = this.path;
    try {
      return await this.#readAt(path, offset, target);
    } catch (error) {
      // It may have been given its final name between the look at its path and the opening.
      await this.#tail;
      if (this.path === path) throw asStorageError(error, "read", path);
    }
    return await this.#readAt(this.path, offset, target);
  }

  /** Gives a whole file its final name. Does nothing where it has that, or where there is no file. */
  finish(): Promise<void> {
    return this.#enqueue(() => this.#finish());
  }

  /** Makes an empty file under its final name unless it is there. */
  makeEmpty(): Promise<void> {
    return this.#enqueue(async () => {
      if (await this.#folder.fileBytes(this.#finalName) !== null) return;
      await this.#folder.makeParents(this.#finalName);
      await createFile(this.#folder.at(this.#finalName));
      this.#place = "final";
    });
  }

  #enqueue<T>(act: () => Promise<T>): Promise<T> {
    const result = this.#tail.then(act);
    this.#tail = result.catch(() => {});
    return result;
  }

  async #lookOnce(): Promise<void> {
    if (this.#place === null) await this.#look();
  }

  async #look(): Promise<number | null> {
    this.#handles.drop(this.#key);
    this.#handles.drop(this.#key + 1);
    const finalBytes = await this.#folder.fileBytes(this.#finalName);
    if (finalBytes !== null) {
      this.#place = "final";
      return finalBytes;
    }
    const partBytes = await this.#folder.fileBytes(this.#partName);
    this.#place = partBytes === null ? "none" : "part";
    return partBytes;
  }

  async #write(offset: number, data: Uint8Array): Promise<void> {
    await this.#lookOnce();
    if (this.#place === "none") {
      await this.#folder.makeParents(this.#partName);
      await createFile(this.#folder.at(this.#partName));
      this.#place = "part";
    }
    const path = this.path;
    try {
      // A file that was there and is gone is not made anew: what it held would be missing, and the
      // volume that it was on may only be away.
      await this.#handles.use(
        this.#key + 1,
        () => WriteHandle.open(path),
        (handle) => (handle as WriteHandle).writeAt(offset, data),
      );
    } catch (error) {
      throw asStorageError(error, "write", path);
    }
  }

  #readAt(path: string, offset: number, target: Uint8Array<ArrayBuffer>): Promise<number> {
    return this.#handles.use(
      this.#key,
      () => ReadHandle.open(path),
      (handle) => (handle as ReadHandle).readAt(offset, target),
    );
  }

  async #finish(): Promise<void> {
    if (this.#place !== "part") return;
    const part = this.#folder.at(this.#partName);
    const final = this.#folder.at(this.#finalName);
    this.#handles.drop(this.#key + 1);
    const partBytes = await this.#folder.fileBytes(this.#partName);
    if (await this.#folder.fileBytes(this.#finalName) !== null) {
      // Where the .part file is gone, another process had the same folder, and finished it.
      throw storageError(partBytes === null ? "changed" : "exists", "finish", final);
    }
    try {
      // A .part file is ours to cut: somebody's earlier, longer attempt may have been underneath.
      if (partBytes !== null && partBytes > this.bytes) await Deno.truncate(part, this.bytes);
      await Deno.rename(part, final);
    } catch (error) {
      throw asStorageError(error, "finish", part);
    }
    this.#place = "final";
  }
}

/** Makes an empty file; one that appeared meanwhile is left as it is. */
async function createFile(path: string): Promise<void> {
  try {
    (await Deno.open(path, { write: true, createNew: true })).close();
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return;
    throw asStorageError(error, "make", path);
  }
}
