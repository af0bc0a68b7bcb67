/**
 * A peer's own way to the network, or from it: one rate, which its connections share fairly.
 */
import type { Segment } from "./virtual_content.ts";
import type { VirtualClock } from "./virtual_clock.ts";

/** One of those that share a link. */
export interface LinkSource {
  /** Whether it waits for its turn; the link's own note. */
  isInLink: boolean;
  /** Who has the turn after it; the link's own note. */
  nextInLink: LinkSource | null;
  /** Gives what goes next; null where nothing can go now. */
  takeNext(): Segment | null;
  /** What it gave is through. */
  handleThrough(segment: Segment): void;
}

/** Carries segments at a rate, one at a time, of each source in turn. */
export class SharedLink {
  /** What it carries now; Infinity where it is never what holds anybody up. */
  bytesPerSecond: number;
  /** What it carries while nothing is wrong with it. */
  readonly usualBytesPerSecond: number;
  /** Bytes that went through so far. */
  carriedBytes = 0;
  readonly #clock: VirtualClock;
  #first: LinkSource | null = null;
  #last: LinkSource | null = null;
  #source: LinkSource | null = null;
  #segment: Segment | null = null;
  readonly #handleThrough = () => this.#finish();

  constructor(clock: VirtualClock, bytesPerSecond: number) {
    this.#clock = clock;
    this.bytesPerSecond = bytesPerSecond;
    this.usualBytesPerSecond = bytesPerSecond;
  }

  /** A source may have something to send. */
  activate(source: LinkSource): void {
    if (source.isInLink) return;
    this.#append(source);
    if (this.#segment === null) this.#serve();
  }

  #append(source: LinkSource): void {
    source.isInLink = true;
    source.nextInLink = null;
    if (this.#last === null) this.#first = source;
    else this.#last.nextInLink = source;
    this.#last = source;
  }

  #serve(): void {
    for (let source = this.#first; source !== null; source = this.#first) {
      this.#first = source.nextInLink;
      if (this.#first === null) this.#last = null;
      const segment = source.takeNext();
      if (segment === null) {
        source.isInLink = false;
        continue;
      }
      this.#source = source;
      this.#segment = segment;
      this.#clock.after(segment.wireBytes * 1000 / this.bytesPerSecond, this.#handleThrough);
      return;
    }
  }

  #finish(): void {
    const source = this.#source!;
    const segment = this.#segment!;
    this.#segment = null;
    this.carriedBytes += segment.wireBytes;
    this.#append(source);
    this.#serve();
    source.handleThrough(segment);
  }
}
