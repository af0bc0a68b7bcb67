import { Limiter } from "./limiter.ts";

/**
 * Writes of one file that overlap: while the event loop hears of one that is done, the next is under way. The system
 * writes one after another to a file, so a third would only wait. hot: bench/leech.ts
 */
const WRITES_IN_FLIGHT = 2;

/** What every queue begins with. */
const IDLE: Promise<void> = Promise.resolve();

/**
 * The order of what is done to one file: each thing alone, in the order in which it was asked for, but for writes that
 * follow one another.
 */
export class FileQueue {
  /** Everything but writes that overlap. */
  #tail: Promise<unknown> = IDLE;
  /** The writes that overlap, since `#tail`. */
  readonly #writes: Set<Promise<unknown>> = new Set();
  readonly #lanes: Limiter = new Limiter(WRITES_IN_FLIGHT);
  readonly #alone: Limiter = new Limiter(1);

  /** Does `act` when all that was asked for before is done. */
  run<T>(act: () => Promise<T>): Promise<T> {
    const before = this.#writes.size === 0
      ? this.#tail
      : Promise.all([this.#tail, ...this.#writes]);
    const result = before.then(act);
    this.#tail = result.catch(() => {});
    return result;
  }

  /** Does `act` beside writes and whatever else is done by this. */
  beside<T>(act: () => Promise<T>): Promise<T> {
    const result = this.#tail.then(act);
    const ended = result.catch(() => {}).then(() => void this.#writes.delete(ended));
    this.#writes.add(ended);
    return result;
  }

  /** Does `act` beside a few other writes, where `mayOverlap` says so when its turn comes, else after them. */
  write(mayOverlap: () => boolean, act: () => Promise<void>): Promise<void> {
    return this.beside(() => this.#lanes.run(() => mayOverlap() ? act() : this.#alone.run(act)));
  }

  /** Resolves when all but overlapping writes that were asked for is done. */
  async settled(): Promise<void> {
    await this.#tail;
  }
}
