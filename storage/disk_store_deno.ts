import type { Geometry } from "@enjambre/metainfo";
import { Calls } from "./calls.ts";
import { assertBitfield, assertReadable, assertWholePiece, closedError } from "./checks.ts";
import { checkFiles } from "./disk_check_deno.ts";
import { allOf, DiskFiles } from "./disk_files_deno.ts";
import { type DiskNames, diskNames, foldSomewhere, type RenamedFile } from "./disk_names.ts";
import {
  type DiskCheckOptions,
  type DiskStoreOptions,
  type DiskTorrent,
  type FileOnDisk,
  idOf,
  statedPaths,
} from "./disk_store_options.ts";
import { asStorageError, storageError } from "./errors.ts";
import type { FileHandles } from "./file_handles_deno.ts";
import type { Damage, FileStamp } from "./file_stamp.ts";
import { DownloadFolder } from "./folder_deno.ts";
import { NO_FOLDING, probeFolding } from "./folding_deno.ts";
import { HandlePool } from "./handle_pool.ts";
import { PieceHashes } from "./piece_hashes.ts";
import { PieceWriter } from "./piece_writer_deno.ts";
import type { MoveOptions } from "./relocation_deno.ts";
import {
  bytesMissing,
  fillFiles,
  freeBytesAt,
  type RoomSpec,
  type WorkOptions,
} from "./room_deno.ts";
import { Selection } from "./selection.ts";
import { StoredPieces } from "./stored_pieces.ts";
import type { PieceStore } from "./store.ts";

export type { DiskCheckOptions, DiskStoreOptions, DiskTorrent, FileOnDisk };

/**
 * How many files all stores together keep open: of 256 at worst, and Deno takes a second descriptor while one is used.
 * Worker threads have eight of them open a second time, each.
 */
export const OPEN_FILES_MAX = 64;

/** The open files of all stores that have no limit of their own. */
const openFiles: FileHandles = new HandlePool(OPEN_FILES_MAX);

/**
 * Opens the store of a torrent in a folder. Reads and makes nothing yet: `check` finds out what is there.
 *
 * Where the torrent has names that some file systems take for one, it makes a small file for a moment to
 * find out whether this one does; it does not with `readOnly`.
 *
 * **Errors**: `TypeError` or `RangeError` for a torrent without fitting hashes; `StorageError` where
 * `directory` is there and is no folder.
 *
 * @example
 * ```ts
 * import { openDiskStore } from "@enjambre/storage";
 * import { Geometry } from "@enjambre/metainfo";
 *
 * const data = new TextEncoder().encode("hello swarm");
 * const file = { path: "hi.txt", bytes: data.length, offset: 0 };
 * const plain = { padding: false, executable: false, symlink: null };
 * const geometry = new Geometry(16384, [{ ...file, ...plain }]);
 * const pieceHashes = new Uint8Array(await crypto.subtle.digest("SHA-1", data));
 *
 * const folder = await Deno.makeTempDir();
 * const swarmHash = new Uint8Array(20);
 * const store = await openDiskStore({ geometry, pieceHashes, swarmHash }, folder);
 * console.log(await store.check()); // Uint8Array(1) [ 0 ]
 * console.log(await store.write(0, data)); // stored
 * await store.close();
 * console.log(await Deno.readTextFile(`${folder}/hi.txt`)); // hello swarm
 * await Deno.remove(folder, { recursive: true });
 * ```
 */
export async function openDiskStore(
  torrent: DiskTorrent,
  directory: string,
  options: DiskStoreOptions = {},
): Promise<DiskStore> {
  const stated = statedPaths(torrent, options);
  const id = idOf(torrent);
  let folding = NO_FOLDING;
  try {
    if (!(await Deno.stat(directory)).isDirectory) {
      throw storageError("not-directory", "use", directory);
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw asStorageError(error, "use", directory);
  }
  if (options.readOnly !== true && foldSomewhere(stated)) {
    const at = await new DownloadFolder(directory).nearest();
    if (at !== null) folding = await probeFolding(at, id);
  }
  return new DiskStore(torrent, directory, options, diskNames(stated, folding));
}

/**
 * Keeps the pieces of a torrent as the files that it is made of.
 *
 * A file that is not there yet is called `NAME.part` until all its pieces are good. A file that is there
 * under its final name is used as it is and keeps that name: pieces of it that are bad are written in
 * place, nothing else of it is touched, and if it is too long it stays so. Nothing is made before the
 * first piece is written; empty files are made when all pieces are there, at the latest in `close`.
 *
 * **Limits**: `openFilesMax` open files; memory for the pieces that callers hand in, and 32 MiB in a check.
 */
export class DiskStore implements PieceStore {
  readonly geometry: Geometry;
  /** Which files are wanted, and what that comes to; changed by `setPriorities` alone. */
  readonly selection: Selection;
  /** The files that have another name here than the torrent says, because the file system cannot hold that. */
  readonly renamed: readonly RenamedFile[];
  readonly #hashes: PieceHashes;
  readonly #pieces: StoredPieces;
  readonly #files: DiskFiles;
  readonly #writer: PieceWriter;
  readonly #readOnly: boolean;
  readonly #calls: Calls;
  readonly #closing: AbortController;
  #closed: Promise<void> | null;
  #hasWritten: boolean;
  /** What moves data between places: one after another. */
  #changes: Promise<unknown>;

  /** Use `openDiskStore`, which also looks at the folder. */
  constructor(
    torrent: DiskTorrent,
    directory: string,
    options: DiskStoreOptions = {},
    { paths, renamed }: DiskNames = diskNames(statedPaths(torrent, options), NO_FOLDING),
  ) {
    const { geometry } = torrent;
    const { openFilesMax, priorities } = options;
    this.geometry = geometry;
    this.selection = new Selection(geometry);
    this.renamed = renamed;
    this.#hashes = new PieceHashes(torrent);
    this.#pieces = new StoredPieces(geometry, this.selection, (fileIndex, change) => {
      const disk = this.#files.at(fileIndex);
      if (disk) disk.badPieces += change;
    });
    const handles: FileHandles = openFilesMax === undefined
      ? openFiles
      : new HandlePool(openFilesMax);
    this.#files = new DiskFiles({ geometry, directory, paths, handles, id: idOf(torrent) });
    this.#writer = new PieceWriter(geometry, this.#hashes, this.#files);
    this.#readOnly = options.readOnly ?? false;
    this.#calls = new Calls();
    this.#closing = new AbortController();
    this.#closed = null;
    this.#hasWritten = false;
    this.#changes = Promise.resolve();
    if (priorities !== undefined) this.#choose(priorities);
  }

  /** The download folder. */
  get directory(): string {
    return this.#files.folder.path;
  }

  /** Reads and verifies what is there, at the speed of the disk or of all cores; whole files get their final name. */
  check(options: DiskCheckOptions = {}): Promise<Uint8Array> {
    return this.#call("check", () => this.#check(options));
  }

  /** Verifies a piece, then writes it with one write for each file that it touches. */
  write(piece: number, data: Uint8Array): Promise<"stored" | "corrupt"> {
    return this.#call("write", () => this.#write(piece, data));
  }

  /** Reads bytes of a good piece; padding reads as zeros. */
  read(piece: number, begin: number, target: Uint8Array<ArrayBuffer>): Promise<void> {
    return this.#call("read", () => this.#read(piece, begin, target));
  }

  /** Looks at every file of the torrent (padding and links apart): whether it is there, how long it is, and how many of its pieces are bad. */
  files(): Promise<FileOnDisk[]> {
    return this.#call("look at", async () => {
      const found: FileOnDisk[] = [];
      await this.#files.forEach(async (disk, fileIndex) => {
        const foundBytes = (await disk.info())?.size ?? null;
        const { path, bytes, badPieces, isPart } = disk;
        found.push({ fileIndex, path, bytes, foundBytes, badPieces, isPart });
      });
      return found.sort((a, b) => a.fileIndex - b.fileIndex);
    });
  }

  /** Whether all files that a piece lies in were there when they were last looked at, or were made since. */
  hasFilesOf(piece: number): boolean {
    return this.#files.areThere(piece);
  }

  /**
   * What tells each file from what it was before or will be; by file index, place `"none"` for padding
   * and links. A file that is in the parts file alone has the stamp of that.
   */
  stamps(): Promise<FileStamp[]> {
    return this.#call("look at", () => this.#files.stamps());
  }

  /** The device that the download folder is on, or would be; null where the system tells none. */
  folderDevice(): Promise<number | null> {
    return this.#call("look at", () => this.#files.folder.device());
  }

  /** Waits until what was written since the last call is on the disk itself (`fdatasync`), off the event loop. */
  sync(): Promise<void> {
    return this.#call("write", () => this.#files.sync());
  }

  /**
   * Looks whether the files are still there, the same and as long as this store knows them. Pieces of
   * those that are not are no longer good, so `read` refuses them. Each damage is told once.
   *
   * **Cost**: one look at each file, at most 512 files a call; the next call goes on from there.
   */
  inspect(): Promise<Damage[]> {
    return this.#call("look at", async () => {
      const found = await this.#files.inspect();
      for (const { fileIndex, fromOffset } of found) this.#pieces.loseFrom(fileIndex, fromOffset);
      return found;
    });
  }

  /**
   * Chooses what is wanted: 0 for a file that is not, anything else for one that is. Resolves when what
   * the parts file had of files that are wanted now is in those files.
   *
   * A file that is on disk stays there when it is no longer wanted. One that is not gets no file: what
   * it shares with wanted files goes to the parts file.
   *
   * **Shape**: one for each file. **Ownership**: copied.
   * **Errors**: `RangeError` when there is not one for each file; `StorageError`, and the next check or
   * choice tries again.
   */
  setPriorities(priorities: Uint8Array): Promise<void> {
    return this.#call("choose", async () => {
      this.#choose(priorities);
      if (this.#readOnly) return;
      await this.#change(() => this.#settleParts());
      await this.#files.finish();
      if (this.#pieces.isComplete) await this.#makeEmptyFiles();
    });
  }

  /**
   * Takes the room that the wanted files will need. `"sparse"` takes none: the file system gives it as
   * pieces come. `"full"` writes zeros where nothing is stored.
   *
   * **Errors**: `StorageError`, `"disk-full"` among others; the signal's reason.
   */
  allocate(mode: "sparse" | "full", options: WorkOptions = {}): Promise<void> {
    return this.#call("write", async () => {
      if (mode === "sparse") return;
      if (this.#readOnly) throw storageError("read-only", "write", this.directory);
      this.#hasWritten = true;
      const signal = this.#signal(options.signal);
      await this.#change(() => fillFiles(this.#room(), signal, options.onProgress));
    });
  }

  /** Bytes of room that the wanted files will need beside what they have already. */
  bytesMissing(): Promise<number> {
    return this.#call("look at", () => bytesMissing(this.#room()));
  }

  /** Bytes of room that are left on the volume of the download folder; null where the system does not tell. */
  freeBytes(): Promise<number | null> {
    return this.#call("look at", async () => {
      const path = await this.#files.folder.nearest();
      return path === null ? null : await freeBytesAt(path);
    });
  }

  /**
   * Moves the files to another folder, on the same volume or another, while they are in use.
   *
   * Until `commit` is called everything is whole at the old place; from then on, at the new one. Nothing
   * is written over. Files on the same volume are there at once; others are copied and verified by length,
   * and writes to a file wait while it is copied.
   *
   * **Errors**: `StorageError`, `"exists"` where something has the name of a file; the signal's reason.
   * Everything is at the old place then.
   */
  move(directory: string, options: MoveOptions = {}): Promise<void> {
    return this.#relocate(directory, () => this.#files.paths, options);
  }

  /** Gives a file another path below the download folder, as `move` does. **Errors**: `RangeError` for a path that leads out or is taken. */
  rename(fileIndex: number, path: string, options: MoveOptions = {}): Promise<void> {
    return this.#relocate(null, () => {
      if (this.#files.at(fileIndex) === null) {
        throw new RangeError(`Cannot rename file ${fileIndex}: it is padding or a link`);
      }
      return this.#files.paths.with(fileIndex, path);
    }, options);
  }

  /** Gives the torrent's folder, or its only file, another name, as `move` does. */
  renameTorrent(name: string, options: MoveOptions = {}): Promise<void> {
    return this.#relocate(
      null,
      () => this.#files.paths.map((path) => [name, ...path.split("/").slice(1)].join("/")),
      options,
    );
  }

  /** The paths below the folder that are not as the torrent says, by file index; to be handed to `openDiskStore`. */
  names(): Map<number, string> {
    const names = new Map<number, string>();
    this.geometry.files.forEach(({ path }, i) => {
      if (this.#files.paths[i] !== path) names.set(i, this.#files.paths[i]!);
    });
    return names;
  }

  /**
   * Waits for what is under way, ends a check or a move, gives whole files their final names, makes the
   * empty files (where a piece was written or all are good) and closes all files.
   *
   * **Errors**: `StorageError` where a file could not be finished, `"exists"` where something took its name
   * meanwhile; its data are safe under the `.part` name. All files are closed all the same.
   */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #call<T>(verb: string, act: () => Promise<T>): Promise<T> {
    if (this.#closed !== null) throw closedError(verb);
    return await this.#calls.track(act());
  }

  /** Does `act` when everything else that moves data between places is done. */
  #change<T>(act: () => Promise<T>): Promise<T> {
    const result = this.#changes.then(act);
    this.#changes = result.catch(() => {});
    return result;
  }

  #signal(given: AbortSignal | undefined): AbortSignal {
    const closing = this.#closing.signal;
    return given ? AbortSignal.any([given, closing]) : closing;
  }

  #choose(priorities: Uint8Array): void {
    this.selection.set(priorities);
    for (let i = 0; i < this.geometry.files.length; i++) {
      const disk = this.#files.at(i);
      if (disk) disk.isWanted = this.selection.isWanted(i);
    }
    this.#pieces.recount();
  }

  #settleParts(): Promise<void> {
    return this.#files.settleParts((piece) => this.#pieces.isTaken(piece));
  }

  async #relocate(
    directory: string | null,
    pathsOf: () => readonly string[],
    options: MoveOptions,
  ): Promise<void> {
    await this.#call("move", () =>
      this.#change(async () => {
        if (this.#readOnly) throw storageError("read-only", "move", this.directory);
        const signal = this.#signal(options.signal);
        await this.#files.relocate(directory, pathsOf(), { ...options, signal });
        await this.#files.finish();
        if (this.#pieces.isComplete) await this.#makeEmptyFiles();
      }));
  }

  #room(): RoomSpec {
    const { geometry, selection } = this;
    const isGood = (piece: number): boolean => this.#pieces.good.has(piece);
    const isTaken = (piece: number): boolean => this.#pieces.isTaken(piece);
    return { geometry, files: this.#files, selection, isGood, isTaken };
  }

  async #check(options: DiskCheckOptions): Promise<Uint8Array> {
    const { geometry } = this;
    const { believed, missing, onPiece } = options;
    if (believed !== undefined) assertBitfield(geometry, believed);
    if (missing !== undefined) assertBitfield(geometry, missing);
    const signal = this.#signal(options.signal);
    signal.throwIfAborted();
    await this.#pieces.whileChecking((conclude) =>
      checkFiles({
        geometry,
        files: this.#files,
        hashes: this.#hashes,
        believed,
        missing,
        signal,
        conclude: (piece, isGood) => {
          const good = conclude(piece, isGood);
          onPiece?.(piece, good);
        },
      })
    );
    if (!this.#readOnly) {
      // A failure is not the check's: what could not be moved can be read where it is.
      await this.#change(() => this.#settleParts()).catch(() => {});
      await this.#files.finish();
      await this.#writer.expect(this.#pieces.missing * geometry.pieceLength);
    }
    return this.#pieces.good.toBitfield();
  }

  async #write(piece: number, data: Uint8Array): Promise<"stored" | "corrupt"> {
    assertWholePiece(this.geometry, piece, data);
    if (this.#readOnly) throw storageError("read-only", "write", this.directory);
    let isGood = true; // unless it turns out otherwise, or fails for another reason
    try {
      isGood = await this.#pieces.whileWriting(piece, () => this.#writer.put(piece, data));
    } finally {
      this.#hasWritten ||= isGood;
    }
    if (!isGood) return "corrupt";
    // A failure is not the piece's: `close` tries again and reports it.
    await this.#files.finishOf(piece);
    if (this.#pieces.isComplete) {
      await this.#makeEmptyFiles();
      await this.#writer.rest();
    }
    return "stored";
  }

  async #read(piece: number, begin: number, target: Uint8Array<ArrayBuffer>): Promise<void> {
    assertReadable(this.geometry, this.#pieces.good, piece, begin, target.length);
    const reads: Promise<void>[] = [];
    this.geometry.forEachSpan(piece, begin, target.length, (file, offset, start, bytes) => {
      reads.push(this.#fill(file, offset, target.subarray(start, start + bytes)));
    });
    if (reads.length === 1) return await reads[0];
    await allOf(reads);
  }

  async #fill(file: number, offset: number, target: Uint8Array<ArrayBuffer>): Promise<void> {
    const count = await this.#files.readAt(file, offset, target);
    if (count < target.length) throw storageError("truncated", "read", this.#files.at(file)!.path);
  }

  /** Makes the torrent's empty files and links; the first failure, or null. */
  #makeEmptyFiles(): Promise<unknown> {
    return this.#files.makeEmpty((fileIndex) => this.selection.isWanted(fileIndex));
  }

  async #close(): Promise<void> {
    this.#closing.abort(closedError("check"));
    await this.#calls.idle();
    let failure: unknown = null;
    if (!this.#readOnly) {
      failure = await this.#files.finish();
      if (this.#hasWritten || this.#pieces.isComplete) {
        const emptyFailure = await this.#makeEmptyFiles();
        failure ??= emptyFailure;
      }
    }
    this.#files.close();
    await this.#writer.rest();
    if (failure !== null) throw failure;
  }
}
