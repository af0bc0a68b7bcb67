/**
 * How far a tracker is behind the others of its group.
 *
 * @module
 */

/** How long what came late counts: half of it at least, all of it at most. */
const WINDOW_MS = 60_000;

/** Says how late words of others came: the latest of the last minute; or how long ago anybody was there. */
export class ClusterLag {
  #latestMs = 0;
  #latestBeforeMs = 0;
  #windowFromMs: number;
  #aloneFromMs: number | null;

  /** Begins alone. */
  constructor(nowMs: number) {
    this.#windowFromMs = nowMs;
    this.#aloneFromMs = nowMs;
  }

  /** Notes a word of another tracker that was said so long ago. */
  note(ageMs: number, nowMs: number): void {
    this.#turn(nowMs);
    this.#latestMs = Math.max(this.#latestMs, ageMs);
  }

  /** Notes how many others answer. */
  noteMembers(members: number, nowMs: number): void {
    if (members > 0) this.#aloneFromMs = null;
    else this.#aloneFromMs ??= nowMs;
  }

  /** The lag. */
  seconds(nowMs: number): number {
    this.#turn(nowMs);
    const aloneMs = this.#aloneFromMs === null ? 0 : nowMs - this.#aloneFromMs;
    return Math.max(this.#latestMs, this.#latestBeforeMs, aloneMs) / 1000;
  }

  #turn(nowMs: number): void {
    const passedMs = nowMs - this.#windowFromMs;
    if (passedMs < WINDOW_MS / 2) return;
    this.#latestBeforeMs = passedMs < WINDOW_MS ? this.#latestMs : 0;
    this.#latestMs = 0;
    this.#windowFromMs = nowMs;
  }
}
