import { type BeginPiece, makeBeginPiece } from "./piece_hasher_deno.ts";
import type { HashFormat, PieceTree } from "./piece_hashes.ts";

/** What a worker thread is asked: to read pieces that follow one another, and to hash each. */
export interface HashJob {
  readonly format: HashFormat;
  readonly pieceLength: number;
  /** Bytes of all its pieces; the last may be shorter than `pieceLength`. */
  readonly bytes: number;
  /** What to read, in order; together as long as `bytes`. */
  readonly stretches: readonly HashStretch[];
  /** For each piece what of it is in a hash tree; not looked at in v1, and empty there. */
  readonly trees: readonly PieceTree[];
}

/** Bytes of one file, or zeros. */
export interface HashStretch {
  /** Null for padding. */
  readonly path: string | null;
  readonly offset: number;
  readonly bytes: number;
}

/** What a worker thread is asked: to verify a piece where it lies, and to write it if it is good. */
export interface PutJob {
  readonly format: HashFormat;
  readonly tree: PieceTree;
  /** The whole piece, in memory that threads share. */
  readonly data: Uint8Array;
  /** The hash that it should have. */
  readonly due: Uint8Array;
  /** Where all of it goes; null where it is only to be verified. */
  readonly place: PutPlace | null;
}

/** A place in a file that is there. */
export interface PutPlace {
  /** Which file, for all jobs until {@linkcode CloseJob}: the first of them opens it at `path`. */
  readonly file: number;
  readonly path: string;
  /** What it has to be, so that no other file is written to that came to have its path; null where the system tells none. */
  readonly device: number | null;
  readonly inode: number | null;
  readonly offset: number;
}

/** What a worker thread is told: that a file of {@linkcode PutPlace} is written no more. */
export interface CloseJob {
  readonly close: number;
}

/** What the system said when a piece was to be written. */
export interface PutFailure {
  readonly name: string;
  readonly code: string | undefined;
  readonly message: string;
}

/** What a worker thread is sent; null ends it. */
export type WorkerJob = HashJob | PutJob | CloseJob | null;

/** What it answers to a {@linkcode HashJob}: the hashes one after another, or null where it could not read all. */
export type HashAnswer = Uint8Array<ArrayBuffer> | null;

/** What it answers to a {@linkcode PutJob}: whether the piece is good, and written; null where it could not open the file. */
export type PutAnswer = boolean | PutFailure | null;

/** What it answers: `"ready"` first, true to a {@linkcode CloseJob}. */
export type WorkerAnswer = "ready" | HashAnswer | PutAnswer;

/** The global object of a worker thread, as far as it is used here. */
interface WorkerScope {
  onmessage: ((event: { data: WorkerJob }) => void) | null;
  postMessage(answer: WorkerAnswer): void;
  close(): void;
}

/**
 * Does the jobs that arrive, one after another; null ends it, when all files are closed: the end of a worker thread
 * closes none. Refers to nothing outside itself: worker threads are given its source text.
 */
export function servePieceJobs(begin: BeginPiece, scope: WorkerScope): void {
  /** More is no faster, and less stays no better in the processor's cache. */
  const BUFFER_BYTES = 512 * 1024;
  let buffer: Uint8Array | null = null;
  /** Files that are written, of which the least recent is closed for another: few are at a time. */
  const OPEN_FILES_MAX = 8;
  const open = new Map<number, Deno.FsFile>();

  function hashesOf(job: HashJob): Uint8Array<ArrayBuffer> {
    const { format, pieceLength, bytes, trees } = job;
    const hashes: Uint8Array[] = [];
    let left = bytes;
    let pieceLeft = 0;
    let hasher: ReturnType<BeginPiece> | null = null;
    for (const stretch of job.stretches) {
      readStretch(stretch, (data) => {
        for (let start = 0; start < data.length;) {
          if (hasher === null) {
            hasher = begin(format, trees[hashes.length] ?? { contentBytes: 0, leafCount: 1 });
            pieceLeft = Math.min(pieceLength, left);
          }
          const stop = Math.min(data.length, start + pieceLeft);
          hasher.update(start === 0 && stop === data.length ? data : data.subarray(start, stop));
          pieceLeft -= stop - start;
          left -= stop - start;
          start = stop;
          if (pieceLeft > 0) continue;
          hashes.push(hasher.digest());
          hasher = null;
        }
      });
    }
    const hashBytes = hashes[0]!.length;
    const all = new Uint8Array(hashes.length * hashBytes);
    hashes.forEach((hash, i) => all.set(hash, i * hashBytes));
    return all;
  }

  function readStretch({ path, offset, bytes }: HashStretch, take: (data: Uint8Array) => void) {
    buffer ??= new Uint8Array(BUFFER_BYTES);
    const file = path === null ? null : Deno.openSync(path, { read: true });
    if (file === null) buffer.fill(0);
    try {
      file?.seekSync(offset, Deno.SeekMode.Start);
      for (let done = 0; done < bytes;) {
        const part = buffer.subarray(0, Math.min(BUFFER_BYTES, bytes - done));
        const count = file === null ? part.length : file.readSync(part);
        if (count === null) throw new Error("the file is too short");
        take(part.subarray(0, count));
        done += count;
      }
    } finally {
      file?.close();
    }
  }

  /** Verifies and writes a piece in one go, while it is in the processor's cache. hot: bench/leech.ts */
  function put({ format, tree, data, due, place }: PutJob): PutAnswer {
    const hasher = begin(format, tree);
    hasher.update(data);
    const hash = hasher.digest();
    if (hash.length !== due.length || hash.some((byte, i) => byte !== due[i])) return false;
    if (place === null) return true;
    const file = openToWrite(place);
    if (file === null) return null;
    try {
      file.seekSync(place.offset, Deno.SeekMode.Start);
      for (let done = file.writeSync(data); done < data.length;) {
        done += file.writeSync(data.subarray(done));
      }
      return true;
    } catch (error) {
      const { name, code, message } = error as Error & { code?: string };
      return { name, code, message };
    }
  }

  /** The file, open; null where that is another one, or cannot be opened here: whoever has it open writes to it, then. */
  function openToWrite({ file, path, device, inode }: PutPlace): Deno.FsFile | null {
    let opened = open.get(file);
    if (opened === undefined) {
      try {
        opened = Deno.openSync(path, { write: true });
      } catch {
        return null;
      }
      const info = opened.statSync();
      if ((device ?? info.dev) !== info.dev || (inode ?? info.ino) !== info.ino) {
        opened.close();
        return null;
      }
    }
    open.delete(file);
    open.set(file, opened);
    if (open.size > OPEN_FILES_MAX) close(open.keys().next().value!);
    return opened;
  }

  function close(file: number): void {
    open.get(file)?.close();
    open.delete(file);
  }

  scope.onmessage = ({ data: job }) => {
    if (job === null) {
      for (const file of [...open.keys()]) close(file);
      return scope.close();
    }
    if ("close" in job) {
      close(job.close);
      return scope.postMessage(true);
    }
    if ("due" in job) return scope.postMessage(put(job));
    let answer: HashAnswer = null;
    try {
      answer = hashesOf(job);
    } catch {
      // Whoever asked reads it again, and then says what is wrong.
    }
    scope.postMessage(answer);
  };
  scope.postMessage("ready");
}

/**
 * The program of a worker thread. As a data URL it needs no permission of its own and no file beside the
 * program, neither in a compiled executable nor where the module comes from a registry.
 */
export const PIECE_WORKER_URL: string = "data:text/javascript," + encodeURIComponent(`
import { createHash } from "node:crypto";
(${servePieceJobs})((${makeBeginPiece})(createHash), globalThis);
`);
