import type { Geometry } from "@enjambre/metainfo";
import { type BeginPiece, hashPiece, isShared, makeBeginPiece } from "./piece_hasher_deno.ts";
import { type HashFormat, type PieceTree, treeOfPiece } from "./piece_hashes.ts";

/** Bytes that are hashed on the calling thread before the other is started: most of what is small never needs one. */
const THREAD_AFTER_BYTES = 8 * 1024 * 1024;

/** Pieces that the thread has at a time: the next ones lie ready, however busy the event loop is. */
const IN_FLIGHT_MAX = 4;

/** A piece for the thread: the whole of it, in shared memory. */
interface PieceJob {
  readonly format: HashFormat;
  readonly tree: PieceTree;
  readonly data: Uint8Array;
}

/** The global object of the thread, as far as it is used here. */
interface ThreadScope {
  onmessage: ((event: { data: PieceJob | null }) => void) | null;
  postMessage(answer: "ready" | Uint8Array): void;
  close(): void;
}

interface Task {
  readonly job: PieceJob;
  readonly resolve: (hash: Uint8Array | null) => void;
}

/**
 * A thread that hashes pieces where they lie, in memory that it shares with the one that fetched them: no copy is made,
 * and the event loop does nothing but say which and hear the hash.
 *
 * It is shared by all stores of this process. Each joins once and leaves once; the last one to leave ends it.
 * hot: bench/leech.ts
 */
export class HashThread {
  static #current: HashThread | null = null;
  readonly #queue: Task[] = [];
  readonly #given: Task[] = [];
  #users = 0;
  #hereBytes = 0;
  #worker: Worker | null = null;
  #isReady = false;
  #isBroken = false;

  private constructor() {}

  /** Joins the thread. It is started only when there is enough to do. */
  static join(): HashThread {
    const thread = HashThread.#current ??= new HashThread();
    thread.#users++;
    return thread;
  }

  /** Leaves it. Nothing that was asked may be unanswered. */
  leave(): void {
    if (--this.#users > 0) return;
    if (HashThread.#current === this) HashThread.#current = null;
    if (this.#isReady) this.#worker?.postMessage(null);
    else this.#worker?.terminate();
    this.#worker = null;
  }

  /** Whether the thread runs. */
  get isRunning(): boolean {
    return this.#isReady;
  }

  /**
   * Hashes a whole piece off the event loop; what does not lie in shared memory, and what comes before the thread runs,
   * as `hashPiece` does.
   *
   * **Ownership**: `data` is borrowed until the promise settles.
   */
  async hash(
    format: HashFormat,
    geometry: Geometry,
    piece: number,
    data: Uint8Array,
  ): Promise<Uint8Array> {
    if (isShared(data)) {
      this.#callThread(data.length);
      const job: PieceJob = { format, tree: treeOfPiece(geometry, piece), data };
      const hash = this.#isReady ? await this.#hashThere(job) : null;
      if (hash !== null) return hash;
    }
    return await hashPiece(format, geometry, piece, data);
  }

  #hashThere(job: PieceJob): Promise<Uint8Array | null> {
    return new Promise((resolve) => {
      this.#queue.push({ job, resolve });
      this.#deal();
    });
  }

  #callThread(bytes: number): void {
    this.#hereBytes += bytes;
    if (this.#worker !== null || this.#isBroken || this.#hereBytes <= THREAD_AFTER_BYTES) return;
    const worker = new Worker(THREAD_URL, { type: "module", name: "piece hashes" });
    this.#worker = worker;
    worker.onmessage = ({ data }: MessageEvent<"ready" | Uint8Array>) => {
      if (data === "ready") this.#isReady = true;
      else this.#given.shift()!.resolve(data);
      this.#deal();
    };
    worker.onerror = (event) => {
      event.preventDefault();
      this.#break();
    };
  }

  #deal(): void {
    while (this.#queue.length > 0 && this.#given.length < IN_FLIGHT_MAX) {
      const task = this.#queue.shift()!;
      this.#given.push(task);
      this.#worker!.postMessage(task.job);
    }
  }

  /** Something is wrong with the thread: from now on the event loop hashes. */
  #break(): void {
    this.#isBroken = true;
    this.#isReady = false;
    this.#worker?.terminate();
    for (const { resolve } of [...this.#given.splice(0), ...this.#queue.splice(0)]) resolve(null);
  }
}

/** Hashes the pieces that arrive, one after another; null ends it. Refers to nothing outside itself. */
function serve(begin: BeginPiece, scope: ThreadScope): void {
  scope.onmessage = ({ data: job }) => {
    if (job === null) return scope.close();
    const hasher = begin(job.format, job.tree);
    hasher.update(job.data);
    scope.postMessage(hasher.digest());
  };
  scope.postMessage("ready");
}

/** The thread's program: a data URL for the reasons that `HASH_WORKER_URL` gives. */
const THREAD_URL: string = "data:text/javascript," + encodeURIComponent(`
import { createHash } from "node:crypto";
(${serve})((${makeBeginPiece})(createHash), globalThis);
`);
