/** How often `eventually` looks again, in milliseconds. */
const PROBE_INTERVAL_MS = 50;

/** Something that did not happen in its time. */
export class DeadlineError extends Error {
  override readonly name = "DeadlineError";
}

/**
 * Resolves as `promise` does, or rejects after `limitMs`: no wait in a test is without an end.
 *
 * **Ownership**: the promise goes on after the deadline; what becomes of it then is ignored.
 * **Errors**: `DeadlineError`, whose message says what was waited for and how long.
 */
export async function within<T>(limitMs: number, what: string, promise: Promise<T>): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => reject(new DeadlineError(`Cannot wait longer for ${what}: limit is ${limitMs} ms`)),
    limitMs,
  );
  promise.catch(() => {});
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Asks `probe` again and again until it gives something other than null: for the state of other programs,
 * which do not say when it changes.
 *
 * **Errors**: what `probe` throws, at once; `DeadlineError` after `limitMs`.
 */
export async function eventually<T>(
  limitMs: number,
  what: string,
  probe: () => T | null | Promise<T | null>,
): Promise<T> {
  const deadlineMs = performance.now() + limitMs;
  for (;;) {
    const leftMs = deadlineMs - performance.now();
    const found = await within(Math.max(leftMs, 1), what, Promise.resolve(probe()));
    if (found !== null) return found;
    if (performance.now() + PROBE_INTERVAL_MS > deadlineMs) {
      throw new DeadlineError(`Cannot wait longer for ${what}: limit is ${limitMs} ms`);
    }
    await new Promise((resolve) => setTimeout(resolve, PROBE_INTERVAL_MS));
  }
}
