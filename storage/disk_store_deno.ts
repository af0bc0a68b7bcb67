import type { Geometry } from "@enjambre/metainfo";
import { Calls } from "./calls.ts";
import { assertReadable, assertWholePiece, closedError } from "./checks.ts";
import { DiskFile, type FileHandles } from "./disk_file_deno.ts";
import { asStorageError, storageError } from "./errors.ts";
import { DownloadFolder } from "./folder_deno.ts";
import { GoodPieces } from "./good_pieces.ts";
import { HandlePool } from "./handle_pool.ts";
import { hashPieces } from "./hash_pieces_deno.ts";
import { partPaths } from "./part_names.ts";
import { PieceHashes } from "./piece_hashes.ts";
import { sha1 } from "./sha1_deno.ts";
import type { CheckOptions, PieceStore, StoredTorrent } from "./store.ts";

/** How many files a store keeps open, unless told otherwise: well under the 256 of the strictest system. */
export const OPEN_FILES_MAX = 128;

/** How many files are looked at together when a check begins. */
const LOOKS_IN_FLIGHT = 16;

/** How a disk store is to behave. */
export interface DiskStoreOptions {
  /** Never change anything on disk: `write` fails with `"read-only"`, no file is made or renamed. False by default. */
  readOnly?: boolean;
  /** The most files to keep open at a time; `OPEN_FILES_MAX` by default. */
  openFilesMax?: number;
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

/**
 * Opens the store of a torrent in a folder. Reads and makes nothing yet: `check` finds out what is there.
 *
 * **Errors**: `TypeError` or `RangeError` for a torrent without fitting v1 hashes; `StorageError` where
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
 * const store = await openDiskStore({ geometry, pieceHashes }, folder);
 * console.log(await store.check()); // Uint8Array(1) [ 0 ]
 * console.log(await store.write(0, data)); // stored
 * await store.close();
 * console.log(await Deno.readTextFile(`${folder}/hi.txt`)); // hello swarm
 * await Deno.remove(folder, { recursive: true });
 * ```
 */
export async function openDiskStore(
  torrent: StoredTorrent,
  directory: string,
  options: DiskStoreOptions = {},
): Promise<DiskStore> {
  const store = new DiskStore(torrent, directory, options);
  try {
    if (!(await Deno.stat(directory)).isDirectory) {
      throw storageError("not-directory", "use", directory);
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw asStorageError(error, "use", directory);
  }
  return store;
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
  readonly #hashes: PieceHashes;
  readonly #good: GoodPieces;
  readonly #folder: DownloadFolder;
  readonly #handles: FileHandles;
  /** By file index; null for what is not on disk: padding, and links. */
  readonly #files: (DiskFile | null)[];
  readonly #readOnly: boolean;
  readonly #calls: Calls;
  readonly #closing: AbortController;
  #closed: Promise<void> | null;
  #hasWritten: boolean;
  /** For each check under way, the pieces stored since it began: what it read of them may be older. */
  readonly #writtenInChecks: Set<Set<number>>;

  /** Use `openDiskStore`, which also looks at the folder. */
  constructor(torrent: StoredTorrent, directory: string, options: DiskStoreOptions = {}) {
    const { geometry } = torrent;
    this.geometry = geometry;
    this.#hashes = new PieceHashes(torrent);
    this.#good = new GoodPieces(geometry.pieceCount);
    this.#folder = new DownloadFolder(directory);
    this.#handles = new HandlePool(options.openFilesMax ?? OPEN_FILES_MAX);
    this.#readOnly = options.readOnly ?? false;
    this.#calls = new Calls();
    this.#closing = new AbortController();
    this.#closed = null;
    this.#hasWritten = false;
    this.#writtenInChecks = new Set();
    const parts = partPaths(geometry.files.map((file) => file.path));
    this.#files = geometry.files.map((file, i) => {
      if (file.padding || (file.symlink !== null && file.bytes === 0)) return null;
      const names = { final: file.path, part: parts[i]! };
      const disk = new DiskFile(this.#folder, this.#handles, i, names, file.bytes);
      const { first, end } = geometry.piecesOfFile(i);
      disk.badPieces = end - first;
      return disk;
    });
  }

  /** Reads and verifies what is there, at the speed of the disk or of all cores; whole files get their final name. */
  check(options: CheckOptions = {}): Promise<Uint8Array> {
    return this.#calls.track(this.#check(options));
  }

  /** Verifies a piece, then writes it with one write for each file that it touches. */
  write(piece: number, data: Uint8Array<ArrayBuffer>): Promise<"stored" | "corrupt"> {
    return this.#calls.track(this.#write(piece, data));
  }

  /** Reads bytes of a good piece; padding reads as zeros. */
  read(piece: number, begin: number, target: Uint8Array<ArrayBuffer>): Promise<void> {
    return this.#calls.track(this.#read(piece, begin, target));
  }

  /** Looks at every file of the torrent (padding and links apart): whether it is there, how long it is, and how many of its pieces are bad. */
  files(): Promise<FileOnDisk[]> {
    return this.#calls.track(this.#lookAtFiles());
  }

  /**
   * Waits for what is under way, ends a check, gives whole files their final names, makes the empty
   * files (where a piece was written or all are good) and closes all files.
   *
   * **Errors**: `StorageError` where a file could not be finished, `"exists"` where something took its name
   * meanwhile; its data are safe under the `.part` name. All files are closed all the same.
   */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #check(options: CheckOptions): Promise<Uint8Array> {
    this.#assertOpen("check");
    const { geometry } = this;
    const closing = this.#closing.signal;
    const signal = options.signal ? AbortSignal.any([options.signal, closing]) : closing;
    signal.throwIfAborted();
    const written = new Set<number>();
    this.#writtenInChecks.add(written);
    try {
      const present = await this.#presentPieces(signal);
      const conclude = (piece: number, hash: Uint8Array | null): void => {
        const matches = hash !== null && this.#hashes.matches(piece, hash);
        const good = matches || written.has(piece);
        this.#setGood(piece, good);
        options.onPiece?.(piece, good);
      };
      await hashPieces(
        { readAt: (file, offset, target) => this.#readAt(file, offset, target) },
        geometry,
        {
          onPiece: conclude,
          wants: (piece) => {
            if (present.has(piece)) return true;
            conclude(piece, null);
            return false;
          },
          signal,
        },
      );
    } finally {
      this.#writtenInChecks.delete(written);
    }
    if (!this.#readOnly) await this.#finishFiles();
    return this.#good.toBitfield();
  }

  /** The pieces whose bytes are all there, going by the sizes of the files. */
  async #presentPieces(signal: AbortSignal): Promise<GoodPieces> {
    const { pieceCount, pieceLength, files } = this.geometry;
    this.#folder.forget();
    const present = new GoodPieces(pieceCount);
    for (let piece = 0; piece < pieceCount; piece++) present.set(piece, true);
    await this.#forEachFile(async (disk, i) => {
      signal.throwIfAborted();
      if (disk.bytes === 0) return;
      const foundBytes = await disk.look() ?? 0;
      if (foundBytes >= disk.bytes) return;
      const { end } = this.geometry.piecesOfFile(i);
      const first = Math.floor((files[i]!.offset + foundBytes) / pieceLength);
      for (let piece = first; piece < end; piece++) present.set(piece, false);
    });
    return present;
  }

  async #write(piece: number, data: Uint8Array<ArrayBuffer>): Promise<"stored" | "corrupt"> {
    this.#assertOpen("write");
    assertWholePiece(this.geometry, piece, data);
    if (this.#readOnly) throw storageError("read-only", "write", this.#folder.path);
    if (!this.#hashes.matches(piece, await sha1(data))) return "corrupt";
    this.#hasWritten = true;
    const writes: Promise<void>[] = [];
    this.geometry.forEachSpan(piece, 0, data.length, (file, offset, begin, bytes) => {
      const disk = this.#files[file];
      if (disk) writes.push(disk.write(offset, data.subarray(begin, begin + bytes)));
    });
    // `data` is borrowed: when one write fails, the others have to end before the promise does.
    for (const result of await Promise.allSettled(writes)) {
      if (result.status === "rejected") throw result.reason;
    }
    this.#setGood(piece, true);
    for (const written of this.#writtenInChecks) written.add(piece);
    await this.#finishFilesOf(piece);
    return "stored";
  }

  async #read(piece: number, begin: number, target: Uint8Array<ArrayBuffer>): Promise<void> {
    this.#assertOpen("read");
    assertReadable(this.geometry, this.#good, piece, begin, target.length);
    const reads: Promise<void>[] = [];
    this.geometry.forEachSpan(piece, begin, target.length, (file, offset, start, bytes) => {
      reads.push(this.#fill(file, offset, target.subarray(start, start + bytes)));
    });
    if (reads.length === 1) return await reads[0];
    for (const result of await Promise.allSettled(reads)) {
      if (result.status === "rejected") throw result.reason;
    }
  }

  async #fill(file: number, offset: number, target: Uint8Array<ArrayBuffer>): Promise<void> {
    const count = await this.#readAt(file, offset, target);
    if (count < target.length) throw storageError("truncated", "read", this.#files[file]!.path);
  }

  async #readAt(
    file: number,
    offset: number,
    target: Uint8Array<ArrayBuffer>,
  ): Promise<number> {
    const disk = this.#files[file];
    if (disk) return await disk.readAt(offset, target);
    target.fill(0);
    return target.length;
  }

  #setGood(piece: number, good: boolean): void {
    if (!this.#good.set(piece, good)) return;
    const bytes = this.geometry.pieceBytes(piece);
    this.geometry.forEachSpan(piece, 0, bytes, (file) => {
      const disk = this.#files[file];
      if (disk) disk.badPieces += good ? -1 : 1;
    });
  }

  /** Finishes what a piece made whole. A failure is not the piece's: `close` tries again and reports it. */
  async #finishFilesOf(piece: number): Promise<void> {
    const whole: DiskFile[] = [];
    this.geometry.forEachSpan(piece, 0, this.geometry.pieceBytes(piece), (file) => {
      const disk = this.#files[file];
      if (disk && disk.badPieces === 0) whole.push(disk);
    });
    await Promise.allSettled(whole.map((disk) => disk.finish()));
    if (this.#isComplete()) await this.#makeEmptyFiles();
  }

  /** Gives all whole files their final names; the first failure, or null. */
  async #finishFiles(): Promise<unknown> {
    return await this.#tryEachFile(async (disk) => {
      if (disk.isPart && disk.badPieces === 0) await disk.finish();
    });
  }

  /** Makes the torrent's empty files; the first failure, or null. */
  async #makeEmptyFiles(): Promise<unknown> {
    return await this.#tryEachFile(async (disk) => {
      if (disk.bytes === 0) await disk.makeEmpty();
    });
  }

  async #tryEachFile(act: (disk: DiskFile) => Promise<void>): Promise<unknown> {
    let failure: unknown = null;
    await this.#forEachFile(async (disk) => {
      try {
        await act(disk);
      } catch (error) {
        failure ??= error;
      }
    });
    return failure;
  }

  /** Does `act` with each file, several at a time. */
  async #forEachFile(act: (disk: DiskFile, fileIndex: number) => Promise<void>): Promise<void> {
    let next = 0;
    const run = async (): Promise<void> => {
      while (next < this.#files.length) {
        const i = next++;
        const disk = this.#files[i];
        if (disk) await act(disk, i);
      }
    };
    const runs = await Promise.allSettled(Array.from({ length: LOOKS_IN_FLIGHT }, run));
    for (const result of runs) if (result.status === "rejected") throw result.reason;
  }

  async #lookAtFiles(): Promise<FileOnDisk[]> {
    this.#assertOpen("look at");
    const found: FileOnDisk[] = [];
    await this.#forEachFile(async (disk, fileIndex) => {
      const foundBytes = await disk.size();
      const { path, bytes, badPieces, isPart } = disk;
      found.push({ fileIndex, path, bytes, foundBytes, badPieces, isPart });
    });
    return found.sort((a, b) => a.fileIndex - b.fileIndex);
  }

  async #close(): Promise<void> {
    this.#closing.abort(closedError("check"));
    await this.#calls.idle();
    let failure: unknown = null;
    if (!this.#readOnly) {
      failure = await this.#finishFiles();
      if (this.#hasWritten || this.#isComplete()) {
        const emptyFailure = await this.#makeEmptyFiles();
        failure ??= emptyFailure;
      }
    }
    this.#handles.dropAll();
    if (failure !== null) throw failure;
  }

  #isComplete(): boolean {
    return this.#good.count === this.geometry.pieceCount;
  }

  #assertOpen(verb: string): void {
    if (this.#closed !== null) throw closedError(verb);
  }
}
