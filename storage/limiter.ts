/** Lets at most so many of something be under way; the others wait their turn. */
export class Limiter {
  readonly #limit: number;
  readonly #waiting: (() => void)[];
  #running: number;

  /** Takes the limit, at least one. */
  constructor(limit: number) {
    this.#limit = limit;
    this.#waiting = [];
    this.#running = 0;
  }

  /** Does `act` when there is a place. A caller that has a place must not wait for a second one. */
  async run<T>(act: () => Promise<T>): Promise<T> {
    if (this.#running >= this.#limit) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    } else {
      this.#running++;
    }
    try {
      return await act();
    } finally {
      // The place goes on to the next in line, and is free only where there is none.
      const next = this.#waiting.shift();
      if (next === undefined) this.#running--;
      else next();
    }
  }
}
