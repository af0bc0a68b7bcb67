import type { closeSync, openSync, readSync } from "node:fs";
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

/** What a worker thread answers: first `"ready"`, then for each job the hashes one after another, or null where it could not read all. */
export type HashAnswer = "ready" | Uint8Array<ArrayBuffer> | null;

/** What of `node:fs` a worker thread reads with. */
interface FileCalls {
  openSync: typeof openSync;
  readSync: typeof readSync;
  closeSync: typeof closeSync;
}

/** The global object of a worker thread, as far as it is used here. */
interface WorkerScope {
  onmessage: ((event: { data: HashJob | null }) => void) | null;
  postMessage(answer: HashAnswer): void;
  close(): void;
}

/**
 * Does the jobs that arrive, one after another; null ends it. No file is open between jobs: the end of a
 * worker thread closes none. Refers to nothing outside itself: worker threads are given its source text.
 */
export function serveHashJobs(files: FileCalls, begin: BeginPiece, scope: WorkerScope): void {
  /** More is no faster, and less stays no better in the processor's cache. */
  const BUFFER_BYTES = 512 * 1024;
  const buffer = new Uint8Array(BUFFER_BYTES);

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
    const file = path === null ? null : files.openSync(path, "r");
    if (file === null) buffer.fill(0);
    try {
      for (let done = 0; done < bytes;) {
        const want = Math.min(BUFFER_BYTES, bytes - done);
        const count = file === null ? want : files.readSync(file, buffer, 0, want, offset + done);
        if (count === 0) throw new Error("the file is too short");
        take(count === BUFFER_BYTES ? buffer : buffer.subarray(0, count));
        done += count;
      }
    } finally {
      if (file !== null) files.closeSync(file);
    }
  }

  scope.onmessage = ({ data }) => {
    if (data === null) return scope.close();
    let answer: HashAnswer = null;
    try {
      answer = hashesOf(data);
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
export const HASH_WORKER_URL: string = "data:text/javascript," + encodeURIComponent(`
import { closeSync, openSync, readSync } from "node:fs";
import { createHash } from "node:crypto";
const begin = (${makeBeginPiece})(createHash);
(${serveHashJobs})({ closeSync, openSync, readSync }, begin, globalThis);
`);
