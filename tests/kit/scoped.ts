import { DeadlineError, within } from "./deadline.ts";

/** What a test started and made: ended and removed, newest first, when the test is over. */
export class Scope implements AsyncDisposable {
  readonly #resources: AsyncDisposable[] = [];
  #isOver = false;

  /**
   * Takes charge of a process, a folder, a network; gives it back.
   *
   * **Errors**: throws where the test is over already, after disposing of it.
   */
  async use<T extends AsyncDisposable>(resource: T | Promise<T>): Promise<T> {
    const made = await resource;
    if (this.#isOver) {
      await made[Symbol.asyncDispose]();
      throw new Error("Cannot go on: the test is over");
    }
    this.#resources.push(made);
    return made;
  }

  /** Disposes of all, newest first, also where one of them fails. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true;
    const errors: unknown[] = [];
    for (let made = this.#resources.pop(); made; made = this.#resources.pop()) {
      try {
        await made[Symbol.asyncDispose]();
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw new AggregateError(errors, "Cannot clean up after the test");
  }
}

/**
 * Runs a test that starts processes: what it put into the scope is ended when the test is over, when it
 * fails and when its time is.
 *
 * **Limits**: `limitMs` for the test; ending what it started comes on top.
 */
export async function scoped(
  limitMs: number,
  test: (scope: Scope) => Promise<void>,
): Promise<void> {
  await using scope = new Scope();
  const running = test(scope);
  try {
    await within(limitMs, "this test", running);
  } catch (error) {
    if (error instanceof DeadlineError) {
      // Its waits fail as its processes end.
      await scope[Symbol.asyncDispose]();
      await running.catch(() => {});
    }
    throw error;
  }
}
