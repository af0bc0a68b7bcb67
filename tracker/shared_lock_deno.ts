import type { Lock } from "./swarm.ts";

const FREE = 0;
const HELD = 1;
/** Held, and others wait in the kernel. */
const AWAITED = 2;

/** How often a thread looks again before it waits in the kernel: longer than an announce takes. */
const LOOKS_MAX = 2000;

/** How many bytes of shared memory a {@link SharedLock} takes. */
export const LOCK_BYTES = 4;

/** A lock between threads, in shared memory. It is held for microseconds, and not to be taken twice. */
export class SharedLock implements Lock {
  readonly #state: Int32Array;

  /** Takes the first bytes of shared memory, zeros at first. */
  constructor(buffer: SharedArrayBuffer) {
    this.#state = new Int32Array(buffer, 0, 1);
  }

  /** Waits for it. */
  acquire(): void {
    const state = this.#state;
    for (let look = 0; look < LOOKS_MAX; look++) {
      if (Atomics.compareExchange(state, 0, FREE, HELD) === FREE) return;
      Atomics.pause();
    }
    while (Atomics.exchange(state, 0, AWAITED) !== FREE) Atomics.wait(state, 0, AWAITED);
  }

  /** Lets the next one. */
  release(): void {
    if (Atomics.exchange(this.#state, 0, FREE) === AWAITED) Atomics.notify(this.#state, 0, 1);
  }
}
