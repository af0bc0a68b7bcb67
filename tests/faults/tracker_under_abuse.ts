/** A tracker in a process of its own, honest peers that go on announcing to it, and what it costs. */
import { announceHttp, percentEncode } from "@enjambre/tracker";
import { REPOSITORY } from "../kit/enjambre.ts";
import { RunningProcess } from "../kit/running_process.ts";

const READY_LIMIT_MS = 30_000;
const MIB = 1024 * 1024;

/** A tracker that a test abuses. */
export class AbusedTracker implements AsyncDisposable {
  /** Its port, of HTTP and of UDP. */
  readonly port: number;
  readonly #process: RunningProcess;

  private constructor(process: RunningProcess, port: number) {
    this.#process = process;
    this.port = port;
  }

  /** Starts one as an operator does, with some options. */
  static async start(...options: string[]): Promise<AbusedTracker> {
    const where = ["tracker", "--hostname", "127.0.0.1", "--port", "0", "--json"];
    const process = RunningProcess.start(
      Deno.execPath(),
      ["run", "-A", "--unstable-net", "client/main.ts", ...where, ...options],
      { cwd: REPOSITORY },
    );
    const { port } = await process.waitForEvent("listening", READY_LIMIT_MS);
    return new AbusedTracker(process, port as number);
  }

  /** Where it is announced to. */
  get url(): string {
    return `http://127.0.0.1:${this.port}/announce`;
  }

  /** Memory that it has resident, in MiB. */
  async residentMebibytes(): Promise<number> {
    const status = await Deno.readTextFile(`/proc/${this.#process.pid}/status`);
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)![1]) * 1024 / MIB;
  }

  /** What it says of itself. */
  async stats(): Promise<TrackerNumbers> {
    return await (await fetch(`http://127.0.0.1:${this.port}/stats`)).json();
  }

  /** Opens a connection. */
  connect(): Promise<Deno.TcpConn> {
    return Deno.connect({ hostname: "127.0.0.1", port: this.port });
  }

  /** Ends it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process.end();
  }
}

/** The part of `/stats` that tests look at. */
export interface TrackerNumbers {
  readonly peers: number;
  readonly connections: number;
  readonly requests: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

/** Peers that announce, each on a connection of its own, one after the other, until they are told to end. */
export class HonestPeers {
  readonly #tracker: AbusedTracker;
  readonly #latenciesMs: number[] = [];
  readonly #running: Promise<void>;
  #isOver = false;
  /** Who waits for so many more answers. */
  readonly #waiting: { atCount: number; resolve: () => void }[] = [];

  /** Begins. */
  constructor(tracker: AbusedTracker) {
    this.#tracker = tracker;
    this.#running = this.#run();
    // It is awaited in `end`.
    this.#running.catch(() => {});
  }

  /** Resolves when so many more were answered, or all is over. */
  answered(count: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    if (this.#isOver) resolve();
    else this.#waiting.push({ atCount: this.#latenciesMs.length + count, resolve });
    return promise;
  }

  /** Ends, and says how they fared. */
  async end(): Promise<Fared> {
    this.#isOver = true;
    try {
      await this.#running;
    } finally {
      for (const { resolve } of this.#waiting) resolve();
    }
    const sorted = this.#latenciesMs.toSorted((a, b) => a - b);
    const at = (part: number): number => sorted[Math.floor((sorted.length - 1) * part)] ?? NaN;
    return { announces: sorted.length, medianMs: at(0.5), p99Ms: at(0.99), worstMs: at(1) };
  }

  async #run(): Promise<void> {
    for (let n = 0; !this.#isOver || n < 20; n++) {
      const startMs = performance.now();
      using client = Deno.createHttpClient({ poolMaxIdlePerHost: 0 });
      const id = percentEncode(new Uint8Array(20).fill(n & 255));
      const query = `info_hash=${"%07".repeat(20)}&peer_id=${id}&port=${1000 + (n & 255)}&left=1`;
      const response = await fetch(`${this.#tracker.url}?${query}`, { client });
      const text = await response.text();
      if (!text.includes("8:interval")) throw new Error(`An honest peer was told ${text}`);
      this.#latenciesMs.push(performance.now() - startMs);
      while ((this.#waiting[0]?.atCount ?? Infinity) <= this.#latenciesMs.length) {
        this.#waiting.shift()!.resolve();
      }
    }
  }
}

/** How honest peers fared. */
export interface Fared {
  readonly announces: number;
  readonly medianMs: number;
  readonly p99Ms: number;
  readonly worstMs: number;
}

/** Says so. */
export function faredText({ announces, medianMs, p99Ms, worstMs }: Fared): string {
  const ms = (value: number): string => `${value.toFixed(1)} ms`;
  return `${announces} honest announces: median ${ms(medianMs)}, p99 ${ms(p99Ms)}, worst ${
    ms(worstMs)
  }`;
}

/** One announce as our client makes it; throws where it is not answered. */
export async function announceOnce(tracker: AbusedTracker): Promise<void> {
  const result = await announceHttp(tracker.url, {
    infoHash: new Uint8Array(20).fill(8),
    peerId: new Uint8Array(20).fill(8),
    port: 1,
    uploaded: 0,
    downloaded: 0,
    left: 0,
    event: "",
    numWant: 0,
  });
  if (!result.ok) throw new Error(result.failureReason);
}
