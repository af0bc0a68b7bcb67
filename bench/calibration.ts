/**
 * What the machine gives by itself at this moment, so that figures of different days and machines can be held against
 * each other: how fast it copies, hashes, talks to itself, computes and starts a process.
 */
import { createHash } from "node:crypto";

const MIB = 1024 * 1024;
/** Larger than caches. */
const COPY_BYTES = 64 * MIB;
const HASH_BYTES = 16 * MIB;
const LOOPBACK_BYTES = 256 * MIB;
const LOOPBACK_READ_BYTES = 256 * 1024;
const LOOP_STEPS = 1_000_000;
/** The first of them are not compiled yet. */
const LOOP_TRIES = 10;
const LOOP_ENTRIES = 4096;

/** How fast the machine is; more is better in all. */
export interface Yardsticks {
  /** Bytes copied in memory, in GB/s. */
  readonly copy: number;
  /** SHA-1 on one core, in GB/s. */
  readonly sha1: number;
  /** Bytes over one TCP connection between two threads, in GB/s. */
  readonly loopback: number;
  /** Steps of a loop over an array, in billions a second. */
  readonly loop: number;
  /** Processes of a `deno` that does nothing, in a second. */
  readonly start: number;
}

/** Looks at the machine for a moment, and keeps the best that it has shown. */
export class Calibration {
  readonly #source: Uint8Array<ArrayBuffer> = new Uint8Array(COPY_BYTES).fill(1);
  readonly #target: Uint8Array<ArrayBuffer> = new Uint8Array(COPY_BYTES).fill(2);
  #best: Yardsticks = { copy: 0, sha1: 0, loopback: 0, loop: 0, start: 0 };

  get best(): Yardsticks {
    return this.#best;
  }

  /** **Cost**: about a third of a second. */
  async look(): Promise<void> {
    const now: Yardsticks = {
      copy: rateOf(COPY_BYTES, () => this.#target.set(this.#source)),
      sha1: rateOf(HASH_BYTES, () => {
        createHash("sha1").update(this.#source.subarray(0, HASH_BYTES)).digest();
      }),
      loop: Math.max(...Array.from({ length: LOOP_TRIES }, () => rateOf(LOOP_STEPS, runLoop))),
      loopback: await loopbackRate(),
      start: 1 / await secondsOfStart(),
    };
    const names = Object.keys(now) as (keyof Yardsticks)[];
    this.#best = Object.fromEntries(
      names.map((name) => [name, Math.max(this.#best[name], now[name])]),
    ) as unknown as Yardsticks;
  }
}

/** In billions a second. */
function rateOf(amount: number, act: () => void): number {
  const startMs = performance.now();
  act();
  return amount / (performance.now() - startMs) / 1e6;
}

const entries = new Int32Array(LOOP_ENTRIES);

/** Arithmetic as in a picker: numbers out of an array, and back. */
function runLoop(): void {
  let state = 1;
  for (let i = 0; i < LOOP_STEPS; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    const at = state & (LOOP_ENTRIES - 1);
    entries[at] = (entries[at]! + i) | 0;
  }
}

/** Between two threads, as between two processes: both ends have to find a core. */
async function loopbackRate(): Promise<number> {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  const url = new URL("./calibration_writer.ts", import.meta.url);
  const writer = new Worker(url, { type: "module" });
  writer.postMessage({ port, bytes: LOOPBACK_BYTES });
  using connection = await listener.accept();
  const room = new Uint8Array(LOOPBACK_READ_BYTES);
  const startMs = performance.now();
  while (await connection.read(room) !== null);
  const seconds = (performance.now() - startMs) / 1000;
  writer.terminate();
  return LOOPBACK_BYTES / seconds / 1e9;
}

async function secondsOfStart(): Promise<number> {
  const startMs = performance.now();
  await new Deno.Command(Deno.execPath(), { args: ["eval", ""] }).output();
  return (performance.now() - startMs) / 1000;
}
