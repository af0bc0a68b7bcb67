import { asStorageError, storageError } from "./errors.ts";
import { type FileHandles, moments, ReadHandle, syncs, WriteHandle } from "./file_handles_deno.ts";
import {
  type Damage,
  type FileNames,
  type FilePlace,
  type FileStamp,
  NO_FILE,
} from "./file_stamp.ts";
import { FileQueue } from "./file_queue.ts";
import { besidePath, createFile, makeExecutable, removeFile } from "./file_changes_deno.ts";
import type { DownloadFolder } from "./folder_deno.ts";
import type { Mirror } from "./mirror_deno.ts";
import type { PartsFile } from "./parts_file_deno.ts";

/** What a disk file is told of itself. */
export interface DiskFileSpec {
  /** The index in `geometry.files`. */
  readonly fileIndex: number;
  /** Bytes that the torrent says it has. */
  readonly bytes: number;
  /** Whether it is to be marked as a program when it is whole (BEP 47). */
  readonly isExecutable: boolean;
  /** Where bytes of it go while it is not wanted; null where they go nowhere else. */
  readonly parts: PartsFile | null;
}

/**
 * One file of a torrent on disk: under its final name where that exists, else under its `.part` name,
 * else, as far as it is not wanted, in the parts file.
 *
 * Whatever changes the file goes through one queue, so writes, the look at the disk and the renaming
 * never overlap; only writes that follow one another do. Reads do not queue.
 */
export class DiskFile {
  /** Bytes that the torrent says it has. */
  readonly bytes: number;
  /** Pieces of it that are not good yet; kept by the store. */
  badPieces: number;
  /** Whether it is to be made; kept by the store. */
  isWanted: boolean;
  readonly #spec: DiskFileSpec;
  readonly #handles: FileHandles;
  readonly #key: number;
  #folder: DownloadFolder;
  #names: FileNames;
  /** Which name it has: null as long as nobody looked, "none" where neither is there. */
  #place: FilePlace | null;
  /** Counts up whenever it gets another path, so that a read that lost its way tries again. */
  #moves: number;
  /** Bytes that it has at least, going by what was found and what was written. */
  #knownBytes: number;
  /** The file that it is; null where nobody looked, or the system has no such number. */
  #inode: number | null;
  /** Whether something was written that may not be on the disk itself yet. */
  #isDirty: boolean;
  /** Its second place while it is being moved. */
  #mirror: Mirror | null;
  /** Whatever changes the file. */
  readonly #queue: FileQueue;

  /** Takes names relative to `folder`; looks at nothing yet. */
  constructor(
    folder: DownloadFolder,
    handles: FileHandles,
    names: FileNames,
    spec: DiskFileSpec,
  ) {
    this.bytes = spec.bytes;
    this.badPieces = 0;
    this.isWanted = true;
    this.#spec = spec;
    this.#handles = handles;
    this.#key = handles.reserveKeys(2);
    this.#folder = folder;
    this.#names = names;
    this.#place = null;
    this.#moves = 0;
    this.#knownBytes = 0;
    this.#inode = null;
    this.#isDirty = false;
    this.#mirror = null;
    this.#queue = new FileQueue();
  }

  /** Where it is now; its final place where it is not there. */
  get path(): string {
    return this.#folder.at(this.#name);
  }

  /** Where it is now; null where it is not there, or only in the parts file. */
  get ownPath(): string | null {
    return this.#place === "none" ? null : this.path;
  }

  /** Whether it was there when it was last looked at, or was made since. */
  get isThere(): boolean {
    return this.#place !== null && this.#place !== "none";
  }

  /** Whether it still has its `.part` name. */
  get isPart(): boolean {
    return this.#place === "part";
  }

  /** Whether something was written that may not be on the disk itself yet. */
  get isDirty(): boolean {
    return this.#isDirty;
  }

  /** Its paths below the folder. */
  get names(): FileNames {
    return this.#names;
  }

  /** Bytes that it has at least, going by what was found and written; 0 where it is not there. */
  get knownBytes(): number {
    return this.#knownBytes;
  }

  /**
   * Looks at the disk anew, under both names: the file's size, or null where it is not. What was known
   * of its pieces may be wrong from then on, so this is for the beginning of a check.
   */
  look(): Promise<number | null> {
    return this.#queue.run(async () => {
      await this.#look();
      return this.#place === "none" ? null : this.#knownBytes;
    });
  }

  /** What the system says of it under the name that it has, or null where it is not. */
  info(): Promise<Deno.FileInfo | null> {
    return this.#queue.run(async () => {
      await this.#lookOnce();
      return await this.#folder.file(this.#name);
    });
  }

  /** What tells it from what it was before; the stamp of the parts file where that has bytes of it. */
  stamp(): Promise<FileStamp> {
    return this.#queue.run(async () => {
      const { parts, fileIndex } = this.#spec;
      const info = this.#place === null
        ? await this.#look()
        : this.#place === "none"
        ? null
        : await this.#folder.file(this.#name);
      if (this.#place === "none" && parts?.map.holdsAny(fileIndex)) return await parts.stamp();
      if (info === null) return NO_FILE;
      const { size, mtime, ino } = info;
      return { place: this.#place!, bytes: size, modifiedMs: mtime?.getTime() ?? 0, inode: ino };
    });
  }

  /** Waits until what was written is on the disk itself. What fails is tried again by the next call. */
  async sync(): Promise<void> {
    if (!this.#isDirty) return;
    await syncs.run(async () => {
      using file = await this.#queue.run(() => this.#openToSync());
      try {
        await file.syncData();
      } catch (error) {
        this.#isDirty = true;
        throw asStorageError(error, "write", this.path);
      }
    });
  }

  /** Looks whether it is still the file that it was, and as long; tells each damage once. */
  inspect(): Promise<Omit<Damage, "fileIndex"> | null> {
    return this.#queue.run(async () => {
      if (this.#place === null || this.#place === "none") return null;
      const info = await this.#folder.file(this.#name);
      const { path } = this;
      const known = { bytes: this.#knownBytes, inode: this.#inode };
      this.#know(info);
      if (info === null) {
        this.dropHandles();
        return known.bytes === 0 ? null : { path, kind: "vanished", fromOffset: 0 };
      }
      if (info.ino !== known.inode) {
        this.dropHandles();
        return { path, kind: "replaced", fromOffset: 0 };
      }
      if (info.size >= known.bytes) return null;
      return { path, kind: "shrank", fromOffset: info.size };
    });
  }

  /** Writes `data` at `offset`; makes the file under its `.part` name where there is none. */
  write(offset: number, data: Uint8Array): Promise<void> {
    return this.#queue.write(
      // Who makes the file, or writes to a second place as well, does it alone.
      () => this.#isPlain,
      () => this.#write(offset, data),
    );
  }

  /**
   * Has `put` write `bytes` at `offset` with an open file, beside other writes.
   *
   * @returns whether it did; null where it cannot, and where the file is not there yet or has a second place: then
   * {@linkcode write} is for it
   */
  put(
    offset: number,
    bytes: number,
    put: (file: WriteHandle) => Promise<boolean | null>,
  ): Promise<boolean | null> {
    return this.#queue.beside(async () => {
      if (!this.#isPlain) return null;
      this.#isDirty = true;
      return await this.#useToWrite(offset + bytes, put);
    });
  }

  /** Writes `data` at `offset` if `isDue` still says so when its turn comes. */
  writeIf(isDue: () => boolean, offset: number, data: Uint8Array): Promise<void> {
    return this.#queue.run(async () => {
      if (isDue()) await this.#write(offset, data);
    });
  }

  /** Fills `target` from `offset` on; resolves with fewer bytes only at the file's end. */
  async readAt(offset: number, target: Uint8Array<ArrayBuffer>): Promise<number> {
    if (this.#place === null) await this.#queue.run(() => this.#lookOnce());
    const moves = this.#moves;
    const { path } = this;
    try {
      return await this.#readAt(offset, target);
    } catch (error) {
      // It may have got another name between the look at its path and the opening.
      await this.#queue.settled();
      if (moves === this.#moves) throw asStorageError(error, "read", path);
    }
    return await this.#readAt(offset, target);
  }

  /** Makes the file itself out of what the parts file has of it; nothing where it is there, or the parts file has nothing. */
  adopt(): Promise<void> {
    return this.#queue.run(async () => {
      await this.#lookOnce();
      if (this.#place === "none" && this.#isInParts()) await this.#make();
    });
  }

  /** Gives a whole file its final name. Does nothing where it has that, where there is no file, or while it is moved. */
  finish(): Promise<void> {
    return this.#queue.run(() => this.#finish());
  }

  /** Makes an empty file under its final name unless it is there, or is being moved. */
  makeEmpty(): Promise<void> {
    return this.#queue.run(async () => {
      if (this.#mirror !== null) return;
      if (await this.#folder.file(this.#names.final) !== null) return;
      await this.#create("final");
      if (this.#spec.isExecutable) await makeExecutable(this.path);
    });
  }

  /** Takes it off the disk, where it is there. */
  remove(): Promise<void> {
    return this.#queue.run(async () => {
      await this.#lookOnce();
      if (this.#place === "none") return;
      const { path } = this;
      this.#setPlace("none");
      await removeFile(path);
      this.#know(null);
      this.#isDirty = false;
      await this.#mirror?.remove();
    });
  }

  /** Begins to keep it at a second place too, as it is now; it stays up to date with what is written. */
  mirror(mirror: Mirror): Promise<void> {
    return this.#queue.run(async () => {
      await this.#lookOnce();
      if (this.#place !== "none") await mirror.copy(this.path, this.#place!);
      this.#mirror = mirror;
    });
  }

  /** Lets the second place be the only one; the path that it had, or null where it was not there. The old file is the caller's to remove. */
  switchToMirror(): Promise<string | null> {
    return this.#queue.run(async () => {
      const mirror = this.#mirror!;
      const old = this.#place === "none" ? null : this.path;
      this.#mirror = null;
      this.#folder = mirror.folder;
      this.#names = mirror.names;
      this.#setPlace(this.#place!);
      if (old === null || old === this.path) return null;
      this.#inode = (await this.#folder.file(this.#name).catch(() => null))?.ino ?? null;
      return old;
    });
  }

  /** Gives the second place up, and removes what is there. */
  dropMirror(): Promise<void> {
    return this.#queue.run(async () => {
      const mirror = this.#mirror;
      this.#mirror = null;
      await mirror?.remove();
    });
  }

  /** Forgets its open files; they are opened anew when they are needed. */
  dropHandles(): void {
    this.#handles.drop(this.#key);
    this.#handles.drop(this.#key + 1);
  }

  /** The name that it has now, below the folder; its final one where it is not there. */
  get #name(): string {
    return this.#place === "part" ? this.#names.part : this.#names.final;
  }

  /** Whether it is there, and there alone. */
  get #isPlain(): boolean {
    return this.#mirror === null && this.isThere;
  }

  #isInParts(): boolean {
    return this.#spec.parts?.map.holdsAny(this.#spec.fileIndex) ?? false;
  }

  async #lookOnce(): Promise<void> {
    if (this.#place === null) await this.#look();
  }

  async #look(): Promise<Deno.FileInfo | null> {
    const { parts, fileIndex } = this.#spec;
    let info = await this.#folder.file(this.#names.final);
    let place: FilePlace = "final";
    if (info === null) {
      info = await this.#folder.file(this.#names.part);
      place = info === null ? "none" : "part";
    }
    if (info === null) await parts?.noteMissing(fileIndex);
    else parts?.map.releaseAll(fileIndex);
    this.#setPlace(place);
    this.#know(info);
    return info;
  }

  #setPlace(place: FilePlace): void {
    this.dropHandles();
    this.#place = place;
    this.#moves++;
  }

  #know(info: Deno.FileInfo | null): void {
    this.#knownBytes = info?.size ?? 0;
    this.#inode = info?.ino ?? null;
  }

  /** Makes the file, empty, and the folders above. */
  async #create(place: "final" | "part"): Promise<void> {
    const name = this.#names[place];
    await this.#folder.makeParents(name);
    await createFile(this.#folder.at(name));
    this.#know(await this.#folder.file(name));
    this.#setPlace(place);
  }

  /** Makes the file under its `.part` name, with what the parts file has of it. */
  async #make(): Promise<void> {
    if (!this.#isInParts()) {
      await this.#create("part");
    } else {
      const parts = this.#spec.parts!;
      const { part } = this.#names;
      const path = this.#folder.at(part);
      const fresh = besidePath(path, `${parts.id}-${this.#spec.fileIndex}`);
      await this.#folder.makeParents(part);
      try {
        // Only a file with all of it gets the name under which it is found again.
        await moments.run(async () => {
          using file = await Deno.open(fresh, { write: true, create: true, truncate: true });
          await parts.copyTo(this.#spec.fileIndex, file);
          await file.syncData();
        });
        await Deno.rename(fresh, path);
      } catch (error) {
        await removeFile(fresh).catch(() => {});
        throw asStorageError(error, "write", path);
      }
      this.#know(await this.#folder.file(part));
      this.#setPlace("part");
      parts.map.releaseAll(this.#spec.fileIndex);
    }
    await this.#mirror?.follow(this.path, "part");
  }

  async #openToSync(): Promise<Deno.FsFile> {
    const { path } = this;
    try {
      const file = await Deno.open(path, { write: true });
      // What is written from now on is for the next call.
      this.#isDirty = false;
      return file;
    } catch (error) {
      throw asStorageError(error, "write", path);
    }
  }

  async #write(offset: number, data: Uint8Array): Promise<void> {
    await this.#lookOnce();
    const { parts, fileIndex } = this.#spec;
    if (this.#place === "none") {
      if (!this.isWanted && parts?.takes(fileIndex, offset)) {
        return await parts.write(fileIndex, offset, data);
      }
      await this.#make();
    }
    this.#isDirty = true;
    await this.#useToWrite(offset + data.length, async (file) => {
      await file.writeAt(offset, data);
      return true;
    });
    await this.#mirror?.write(offset, data);
  }

  /** Has `write` write up to `endBytes`, which the file has then where that tells so. */
  async #useToWrite<T extends boolean | null>(
    endBytes: number,
    write: (file: WriteHandle) => Promise<T>,
  ): Promise<T> {
    const path = this.path;
    try {
      // A file that was there and is gone is not made anew: what it held would be missing, and the
      // volume that it was on may only be away.
      return await this.#handles.use(
        this.#key + 1,
        () => WriteHandle.open(path),
        async (handle) => {
          const file = handle as WriteHandle;
          // Where somebody cut it, a write would make it long again, and nobody would see the hole.
          const isCut = file.info().size < this.#knownBytes;
          if (isCut) throw storageError("truncated", "write", path);
          const isWritten = await write(file);
          if (isWritten) this.#knownBytes = Math.max(this.#knownBytes, endBytes);
          return isWritten;
        },
      );
    } catch (error) {
      throw asStorageError(error, "write", path);
    }
  }

  async #readAt(offset: number, target: Uint8Array<ArrayBuffer>): Promise<number> {
    if (this.#place === "none") {
      if (!this.#isInParts()) throw storageError("not-found", "read", this.path);
      return await this.#spec.parts!.readAt(this.#spec.fileIndex, offset, target);
    }
    return await this.#handles.use(
      this.#key,
      // The path that it has when its turn comes: it may have to wait for a handle.
      () => ReadHandle.open(this.path),
      (handle) => (handle as ReadHandle).readAt(offset, target),
    );
  }

  async #finish(): Promise<void> {
    if (this.#place !== "part" || this.#mirror !== null) return;
    const part = this.#folder.at(this.#names.part);
    const final = this.#folder.at(this.#names.final);
    this.#handles.drop(this.#key + 1);
    const partBytes = (await this.#folder.file(this.#names.part))?.size ?? null;
    if (partBytes !== null && partBytes < this.bytes) {
      throw storageError("truncated", "finish", part);
    }
    if (await this.#folder.file(this.#names.final) !== null) {
      // Where the .part file is gone, another process had the same folder, and finished it.
      throw storageError(partBytes === null ? "changed" : "exists", "finish", final);
    }
    try {
      // A .part file is ours to cut: somebody's earlier, longer attempt may have been underneath.
      if (partBytes !== null && partBytes > this.bytes) {
        await Deno.truncate(part, this.bytes);
        this.#knownBytes = this.bytes;
      }
      if (this.#spec.isExecutable) await makeExecutable(part);
      await Deno.rename(part, final);
    } catch (error) {
      throw asStorageError(error, "finish", part);
    }
    // Opened anew: somebody may just be opening it under the name that is gone.
    this.#setPlace("final");
  }
}
