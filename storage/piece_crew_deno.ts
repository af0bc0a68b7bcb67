import {
  type CloseJob,
  type HashAnswer,
  type HashJob,
  PIECE_WORKER_URL,
  type PutAnswer,
  type PutJob,
  type WorkerAnswer,
} from "./piece_worker_deno.ts";

/** The most worker threads: four read and hash faster than disks deliver, and each takes about 10 MiB. */
const WORKERS_MAX = 4;
/**
 * Jobs that a worker has at a time: the next ones lie ready when one is done, though the event loop may have to wait for
 * a processor until the system takes it from a worker, some 3 ms. hot: bench/leech.ts
 */
export const JOBS_IN_FLIGHT = 4;

/** What a crew does: `"hash"`, or writing to a volume, by the number of its device; -1 where the system tells none. */
export type CrewWork = "hash" | number;

/** Hears of each worker that is ready, and of the last that it is. */
export type OnWorker = (crew: PieceCrew, isLast: boolean) => void;

interface Task {
  readonly job: HashJob | PutJob | CloseJob;
  readonly resolve: (answer: HashAnswer | PutAnswer) => void;
}

interface Member {
  readonly worker: Worker;
  isReady: boolean;
  /** What it was given and has not answered, in order. */
  readonly tasks: Task[];
}

/**
 * Worker threads for one kind of work, one for each core: to read and hash pieces, or to verify pieces and write them to
 * one volume. All who do that share them, and the last one to leave ends them. A volume that hangs so holds up its own
 * alone.
 */
export class PieceCrew {
  /** By what they do. */
  static readonly #crews: Map<CrewWork, PieceCrew> = new Map();
  readonly #members: Member[];
  readonly #queue: Task[];
  readonly #size: number;
  readonly #users: Set<OnWorker>;
  #isBroken: boolean;
  readonly #work: CrewWork;
  /** Files that are being closed. */
  readonly #closing: Set<Promise<unknown>>;

  private constructor(work: CrewWork) {
    this.#work = work;
    this.#closing = new Set();
    this.#members = [];
    this.#queue = [];
    this.#size = Math.min(WORKERS_MAX, navigator.hardwareConcurrency);
    this.#users = new Set();
    this.#isBroken = false;
    this.#add();
  }

  /**
   * Joins the crew; starts it where there is none. `onWorker` is called for each worker that is ready or
   * becomes it, and told of the last that it is; never where no worker can be started.
   *
   * Each call is paired with one of `leave`.
   */
  static join(work: CrewWork, onWorker: OnWorker): PieceCrew {
    let crew = PieceCrew.#crews.get(work);
    if (crew === undefined || crew.#isBroken) crew = new PieceCrew(work);
    PieceCrew.#crews.set(work, crew);
    crew.#users.add(onWorker);
    for (const [i, { isReady }] of crew.#members.entries()) {
      if (isReady) onWorker(crew, i === crew.#size - 1);
    }
    return crew;
  }

  /** Whether there is one for this work. */
  static isRunning(work: CrewWork): boolean {
    return PieceCrew.#crews.has(work);
  }

  /** Leaves the crew; the last one ends it. Nothing that was asked may be unanswered. */
  leave(onWorker: OnWorker): void {
    this.#users.delete(onWorker);
    if (this.#users.size > 0) return;
    if (PieceCrew.#crews.get(this.#work) === this) PieceCrew.#crews.delete(this.#work);
    for (const { worker, isReady } of this.#members) {
      if (isReady) worker.postMessage(null);
      else worker.terminate();
    }
  }

  /** Has pieces hashed: their hashes one after another, or null where that could not be done. Never rejects. */
  hash(job: HashJob): Promise<HashAnswer> {
    return this.#ask(job);
  }

  /**
   * Has a piece verified, and written if it is good: whether it is, or null where no thread could do it.
   *
   * **Errors**: what the system said of the write, with its `code`.
   */
  async put(job: PutJob): Promise<boolean | null> {
    const answer = await this.#ask<PutAnswer>(job);
    if (answer === null || typeof answer === "boolean") return answer;
    throw Object.assign(new Error(answer.message), answer);
  }

  /** Has a file of `put` closed, of which no job is under way; see {@linkcode filesClosed}. */
  closeFile(file: number): void {
    if (this.#isBroken || this.#users.size === 0) return;
    for (const member of this.#members) {
      if (!member.isReady) continue;
      const closed = new Promise((resolve) => {
        member.tasks.push({ job: { close: file }, resolve });
        member.worker.postMessage({ close: file });
      });
      const forget = closed.then(() => void this.#closing.delete(forget));
      this.#closing.add(forget);
    }
  }

  /** Waits until all files are closed that were to be. */
  async filesClosed(): Promise<void> {
    await Promise.all(this.#closing);
  }

  #ask<Answer extends HashAnswer | PutAnswer>(job: HashJob | PutJob): Promise<Answer | null> {
    return new Promise((resolve) => {
      // Each kind of job has its kind of answer.
      this.#queue.push({ job, resolve: resolve as Task["resolve"] });
      this.#deal();
    });
  }

  #add(): void {
    const worker = new Worker(PIECE_WORKER_URL, { type: "module", name: "pieces" });
    const member: Member = { worker, isReady: false, tasks: [] };
    this.#members.push(member);
    worker.onmessage = ({ data }: MessageEvent<WorkerAnswer>) => {
      if (data === "ready") {
        member.isReady = true;
        for (const tell of this.#users) tell(this, this.#members.length === this.#size);
        // One after another: making one holds up the event loop for some 10 ms.
        if (this.#members.length < this.#size && this.#users.size > 0) this.#add();
      } else {
        member.tasks.shift()!.resolve(data);
      }
      this.#deal();
    };
    worker.onerror = (event) => {
      event.preventDefault();
      this.#break();
    };
  }

  /** Gives what is queued to the workers that have least to do. */
  #deal(): void {
    if (this.#isBroken) return this.#refuseAll();
    while (this.#queue.length > 0) {
      let least: Member | null = null;
      for (const member of this.#members) {
        if (!member.isReady || member.tasks.length >= JOBS_IN_FLIGHT) continue;
        if (least === null || member.tasks.length < least.tasks.length) least = member;
      }
      if (least === null) return;
      const task = this.#queue.shift()!;
      least.tasks.push(task);
      least.worker.postMessage(task.job);
    }
  }

  /** Something is wrong with a worker, and so with all: from now on those who ask do it themselves. */
  #break(): void {
    this.#isBroken = true;
    for (const { worker, tasks } of this.#members) {
      worker.terminate();
      for (const { resolve } of tasks.splice(0)) resolve(null);
    }
    this.#refuseAll();
  }

  #refuseAll(): void {
    for (const { resolve } of this.#queue.splice(0)) resolve(null);
  }
}
