/** The calls of a store that are under way, so that `close` can wait for them. */
export class Calls {
  readonly #running: Set<Promise<unknown>>;

  /** Begins with none. */
  constructor() {
    this.#running = new Set();
  }

  /** Counts a call until it settles; hands its promise back. */
  track<T>(call: Promise<T>): Promise<T> {
    this.#running.add(call);
    const done = (): void => {
      this.#running.delete(call);
    };
    call.then(done, done);
    return call;
  }

  /** Waits until none is under way, those that begin meanwhile included. Never rejects. */
  async idle(): Promise<void> {
    while (this.#running.size > 0) await Promise.allSettled(this.#running);
  }
}
