import { closeSync, open, read } from "node:fs";
import type { HandlePool, PoolHandle } from "./handle_pool.ts";
import { Limiter } from "./limiter.ts";
import type { PieceCrew } from "./piece_crew_deno.ts";
import type { PutPlace } from "./piece_worker_deno.ts";

/** Files that are open for a moment beside those of the pool, in all stores together. */
const MOMENTS_MAX = 16;

/** Files that are being flushed, in all stores together. */
const SYNCS_MAX = 4;

/** Every file that is opened for a moment alone (to be made or copied) is opened in here. */
export const moments: Limiter = new Limiter(MOMENTS_MAX);

/** And every file that is opened to be flushed; apart, because that waits for the file's queue. */
export const syncs: Limiter = new Limiter(SYNCS_MAX);

/**
 * A file open for reading at any place, by any number of readers at once.
 *
 * It goes through `node:fs`, whose reads are positional (`pread`) and run off the event loop.
 */
export class ReadHandle implements PoolHandle {
  readonly #descriptor: number;

  private constructor(descriptor: number) {
    this.#descriptor = descriptor;
  }

  /** Opens a file that is there. */
  static open(path: string): Promise<ReadHandle> {
    return new Promise((resolve, reject) => {
      open(path, "r", (error, descriptor) => {
        if (error !== null) reject(error);
        else resolve(new ReadHandle(descriptor!));
      });
    });
  }

  /** Fills `target` from `offset` on; resolves with fewer bytes than asked for only at the file's end. */
  async readAt(offset: number, target: Uint8Array<ArrayBuffer>): Promise<number> {
    let done = 0;
    while (done < target.length) {
      const count = await this.#readOnce(offset + done, target, done);
      if (count === 0) break;
      done += count;
    }
    return done;
  }

  /** Closes the file; nobody may be reading. */
  close(): void {
    closeSync(this.#descriptor);
  }

  #readOnce(offset: number, target: Uint8Array<ArrayBuffer>, start: number): Promise<number> {
    return new Promise((resolve, reject) => {
      read(this.#descriptor, target, start, target.length - start, offset, (error, count) => {
        if (error !== null) reject(error);
        else resolve(count!);
      });
    });
  }
}

/** Counts the files that were opened for writing, in all stores: worker threads know them by that. */
let filesOpened = 0;

/**
 * A file open for writing; the few writes that overlap each have a descriptor, because the place to write at belongs to
 * that.
 *
 * It goes through `Deno.FsFile`, because the asynchronous writes of `node:fs` run on the event loop.
 */
export class WriteHandle implements PoolHandle {
  readonly #path: string;
  readonly #first: Deno.FsFile;
  /** All descriptors but the first, which is there for `info` too. */
  readonly #others: Deno.FsFile[];
  /** Those that no write uses. */
  readonly #free: Deno.FsFile[];
  readonly #number: number;
  /** Whose threads may have it open as well. */
  #crew: PieceCrew | null;
  /** What tells it from other files, once that was asked for. */
  #identity: Pick<Deno.FileInfo, "dev" | "ino"> | null;

  private constructor(path: string, first: Deno.FsFile) {
    this.#path = path;
    this.#first = first;
    this.#others = [];
    this.#free = [first];
    this.#number = filesOpened++;
    this.#crew = null;
    this.#identity = null;
  }

  /** Opens a file that is there; never makes one and never cuts one. */
  static async open(path: string): Promise<WriteHandle> {
    return new WriteHandle(path, await Deno.open(path, { write: true }));
  }

  /** What the system says of the file now. **Cost**: a system call that waits for nothing. */
  info(): Deno.FileInfo {
    return this.#first.statSync();
  }

  /** Writes all of `data` from `offset` on; beyond the end, a hole is left. */
  async writeAt(offset: number, data: Uint8Array): Promise<void> {
    const file = this.#free.pop() ?? this.#openAnother();
    try {
      file.seekSync(offset, Deno.SeekMode.Start);
      let done = await file.write(data);
      while (done < data.length) done += await file.write(data.subarray(done));
    } finally {
      this.#free.push(file);
    }
  }

  /** A place in it that the threads of `crew` may write to until it is closed. */
  placeFor(crew: PieceCrew, offset: number): PutPlace {
    this.#crew = crew;
    this.#identity ??= this.info();
    const { dev: device, ino: inode } = this.#identity;
    return { file: this.#number, path: this.#path, device, inode, offset };
  }

  /** Closes the file; nobody may be writing. */
  close(): void {
    this.#crew?.closeFile(this.#number);
    this.#first.close();
    for (const file of this.#others) file.close();
  }

  #openAnother(): Deno.FsFile {
    const file = Deno.openSync(this.#path, { write: true });
    this.#others.push(file);
    return file;
  }
}

/** The open files of a store, or of several. */
export type FileHandles = HandlePool<ReadHandle | WriteHandle>;
