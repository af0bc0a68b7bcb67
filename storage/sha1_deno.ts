import { createHash } from "node:crypto";
import { setImmediate } from "node:timers";

/**
 * Up to this size a buffer is hashed by `crypto.subtle`, off the event loop. It copies its input first,
 * on the event loop and into fresh memory; above about 16 MiB that copy alone takes more than 100 ms.
 */
export const SUBTLE_BYTES_MAX: number = 8 * 1024 * 1024;

/** Bigger ones are hashed on the event loop in steps of this size, half a millisecond each. */
const STEP_BYTES = 1024 * 1024;

/** Hashes `data` with SHA-1 without holding up the event loop. **Ownership**: `data` is borrowed until the promise settles. */
export async function sha1(data: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  if (data.length <= SUBTLE_BYTES_MAX) {
    return new Uint8Array(await crypto.subtle.digest("SHA-1", data));
  }
  const hash = new StepHash();
  for (let start = 0; start < data.length; start += STEP_BYTES) {
    hash.update(data.subarray(start, start + STEP_BYTES));
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
  return hash.digest();
}

/** SHA-1 over data that comes a stretch at a time; each runs on the event loop. */
export class StepHash {
  readonly #hash: ReturnType<typeof createHash>;

  /** Begins with no data. */
  constructor() {
    this.#hash = createHash("sha1");
  }

  /** Adds a stretch; `data` may be reused at once. */
  update(data: Uint8Array): void {
    this.#hash.update(data);
  }

  /** Ends it. */
  digest(): Uint8Array {
    return new Uint8Array(this.#hash.digest());
  }
}
