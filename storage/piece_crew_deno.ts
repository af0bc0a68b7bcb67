import { HASH_WORKER_URL, type HashAnswer, type HashJob } from "./hash_worker_deno.ts";

/** The most worker threads: four read and hash faster than disks deliver, and each takes about 10 MiB. */
const WORKERS_MAX = 4;
/** Jobs that a worker has at a time: the next one lies ready when one is done, however busy the event loop is. */
export const JOBS_IN_FLIGHT = 2;

/** Hears of each worker that is ready, and of the last that it is. */
export type OnWorker = (crew: HashCrew, isLast: boolean) => void;

interface Task {
  readonly job: HashJob;
  readonly resolve: (hashes: Uint8Array | null) => void;
}

interface Member {
  readonly worker: Worker;
  isReady: boolean;
  /** What it was given and has not answered, in order. */
  readonly tasks: Task[];
}

/**
 * Worker threads that read and hash pieces, one for each core; all checks of this process share them, and
 * the last one to leave ends them.
 */
export class HashCrew {
  static #current: HashCrew | null = null;
  readonly #members: Member[];
  readonly #queue: Task[];
  readonly #size: number;
  readonly #users: Set<OnWorker>;
  #isBroken: boolean;

  private constructor() {
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
  static join(onWorker: OnWorker): HashCrew {
    const crew = HashCrew.#current ??= new HashCrew();
    crew.#users.add(onWorker);
    crew.#members.forEach(({ isReady }, i) => isReady && onWorker(crew, i === crew.#size - 1));
    return crew;
  }

  /** Leaves the crew; the last one ends it. Nothing that was asked may be unanswered. */
  leave(onWorker: OnWorker): void {
    this.#users.delete(onWorker);
    if (this.#users.size > 0) return;
    if (HashCrew.#current === this) HashCrew.#current = null;
    for (const { worker, isReady } of this.#members) {
      if (isReady) worker.postMessage(null);
      else worker.terminate();
    }
  }

  /** Has pieces hashed: their hashes one after another, or null where that could not be done. Never rejects. */
  hash(job: HashJob): Promise<Uint8Array | null> {
    return new Promise((resolve) => {
      this.#queue.push({ job, resolve });
      this.#deal();
    });
  }

  #add(): void {
    const worker = new Worker(HASH_WORKER_URL, { type: "module", name: "hash" });
    const member: Member = { worker, isReady: false, tasks: [] };
    this.#members.push(member);
    worker.onmessage = ({ data }: MessageEvent<HashAnswer>) => {
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
        if (!member.isReady || member.tasks.length === JOBS_IN_FLIGHT) continue;
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
