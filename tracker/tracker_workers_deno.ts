import type { AccessLists } from "./access.ts";
import { METRICS_BYTES, TrackerMetrics } from "./metrics.ts";
import { LOCK_BYTES, SharedLock } from "./shared_lock_deno.ts";
import { MemorySwarmStore } from "./swarm.ts";
import type { ReplicaStatus, ReplicatedAnnounce } from "./swarm_replica.ts";
import type { RequestRecord } from "./tracker_core.ts";
import type { TrackerServerOptions } from "./tracker_server_options.ts";

/** What the threads of a tracker share: the swarms, the lock on them, the counters, and the clock. */
export class SharedSwarms {
  /** The swarms. */
  readonly swarms: SharedArrayBuffer;
  /** Who may touch them. */
  readonly lock: SharedArrayBuffer;
  /** What each thread counts. */
  readonly metrics: SharedArrayBuffer;
  /** When their common clock stands at zero, in the time of `performance.timeOrigin`. */
  readonly originMs: number;

  /** Takes what threads share already. */
  constructor(shared: Pick<SharedSwarms, "swarms" | "lock" | "metrics" | "originMs">) {
    this.swarms = shared.swarms;
    this.lock = shared.lock;
    this.metrics = shared.metrics;
    this.originMs = shared.originMs;
  }

  /** Makes it for so many threads. */
  static make(threads: number): SharedSwarms {
    return new SharedSwarms({
      swarms: new SharedArrayBuffer(MemorySwarmStore.bytesFor()),
      lock: new SharedArrayBuffer(LOCK_BYTES),
      metrics: new SharedArrayBuffer(METRICS_BYTES * threads),
      originMs: performance.timeOrigin,
    });
  }

  /** The store of one thread. */
  openStore(peerTtlMs: number, random: () => number): MemorySwarmStore {
    const shared = { buffer: this.swarms, lock: new SharedLock(this.lock) };
    return new MemorySwarmStore({ peerTtlMs, random, shared });
  }

  /** What each thread counts. */
  openMetrics(): TrackerMetrics[] {
    const threads = this.metrics.byteLength / METRICS_BYTES;
    return Array.from({ length: threads }, (_, i) => new TrackerMetrics(this.metrics, i));
  }

  /** The clock of this thread, which goes as those of the others. */
  nowMs(): number {
    return performance.timeOrigin - this.originMs + performance.now();
  }
}

/** What a thread needs to begin. */
export interface WorkerSetup {
  /** How it works; what it listens on is there already. */
  readonly options: TrackerServerOptions & { readonly hostname: string; readonly port: number };
  /** Whether it tells of every request. */
  readonly logs: boolean;
  /** Whether it tells of every announce that it accepted. */
  readonly replicates: boolean;
  /** What it shares with the others. */
  readonly shared: SharedSwarms;
}

/** What a thread is told. */
export type WorkerOrder =
  | { readonly kind: "begin"; readonly index: number; readonly setup: WorkerSetup }
  | { readonly kind: "lists"; readonly lists: AccessLists }
  | { readonly kind: "replica"; readonly status: ReplicaStatus }
  | { readonly kind: "close" };

/** What a thread tells. */
export type WorkerReport =
  | { readonly kind: "listening" }
  | { readonly kind: "failed"; readonly message: string }
  | { readonly kind: "request"; readonly record: RequestRecord }
  | { readonly kind: "accepted"; readonly announce: ReplicatedAnnounce }
  | { readonly kind: "error"; readonly message: string }
  | { readonly kind: "closed" };

/** A thread that answers over HTTP. */
export interface TrackerWorker {
  /** Replaces its lists. */
  setLists(lists: AccessLists): void;
  /** Tells it how the replica is, which is the first thread's. */
  setReplicaStatus(status: ReplicaStatus): void;
  /** Ends it when its answers are sent. */
  close(): Promise<void>;
}

/** Who hears what threads tell. */
export interface WorkersSink {
  /** A request was answered. */
  request(record: RequestRecord): void;
  /** An announce was accepted. */
  accepted(announce: ReplicatedAnnounce): void;
  /** What should not happen. */
  error(error: unknown): void;
}

/** Starts all threads but the first, which is ours; resolves when they listen. */
export async function startWorkers(
  setup: WorkerSetup,
  count: number,
  sink: WorkersSink,
): Promise<TrackerWorker[]> {
  const starting: Promise<TrackerWorker>[] = [];
  for (let index = 1; index < count; index++) {
    starting.push(startWorker(setup, index, sink));
  }
  const results = await Promise.allSettled(starting);
  const started = results.flatMap((each) => each.status === "fulfilled" ? [each.value] : []);
  const failed = results.find((each) => each.status === "rejected");
  if (failed === undefined) return started;
  await Promise.all(started.map((worker) => worker.close()));
  throw failed.reason;
}

function startWorker(
  setup: WorkerSetup,
  index: number,
  sink: WorkersSink,
): Promise<TrackerWorker> {
  const thread = new Worker(new URL("./tracker_worker_deno.ts", import.meta.url), {
    type: "module",
    name: `tracker ${index}`,
  });
  const tell = (order: WorkerOrder): void => thread.postMessage(order);
  const listening = Promise.withResolvers<void>();
  const closed = Promise.withResolvers<void>();
  thread.onmessage = ({ data }: MessageEvent<WorkerReport>) => {
    if (data.kind === "listening") listening.resolve();
    else if (data.kind === "failed") listening.reject(new Error(data.message));
    else if (data.kind === "request") sink.request(data.record);
    else if (data.kind === "accepted") sink.accepted(data.announce);
    else if (data.kind === "error") sink.error(new Error(data.message));
    else closed.resolve();
  };
  thread.onerror = (event) => {
    event.preventDefault();
    const error = new Error(`Thread ${index} of the tracker ended: ${event.message}`);
    listening.reject(error);
    closed.resolve();
    sink.error(error);
  };
  tell({ kind: "begin", index, setup });
  return listening.promise.then(() => ({
    setLists: (lists) => tell({ kind: "lists", lists }),
    setReplicaStatus: (status) => tell({ kind: "replica", status }),
    close: async () => {
      tell({ kind: "close" });
      await closed.promise;
      thread.terminate();
    },
  }), (error) => {
    thread.terminate();
    throw error;
  });
}
