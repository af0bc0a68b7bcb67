/** How long after the first progress it is saved. */
export const FIRST_SAVE_MS = 1000;

/** The least time between the end of a save and the next while pieces come: what a crash costs is reading, not fetching. */
export const SAVE_INTERVAL_MS = 5000;

/** How soon totals are saved that alone have changed: nobody misses a minute of them. */
export const TOTALS_INTERVAL_MS = 60_000;

/** So many times as long as a save took, none follows: a slow disk, or 250,000 files, keeps at most a twentieth of its time busy. */
const REST_FACTOR = 20;

/**
 * Decides when resume data are saved: soon after the first progress, then now and then while there is
 * more, never when there is none.
 */
export class SaveSchedule {
  #dueMs: number;
  #earliestMs: number;
  #beganMs: number;
  #isSaving: boolean;

  /** Begins with nothing to save. */
  constructor() {
    this.#dueMs = Infinity;
    this.#earliestMs = -Infinity;
    this.#beganMs = 0;
    this.#isSaving = false;
  }

  /** When to save; `Infinity` while there is nothing to save or a save is under way. */
  get nextDeadlineMs(): number {
    return this.#isSaving ? Infinity : this.#dueMs;
  }

  /** Whether something has changed since the last save began. */
  get hasChanges(): boolean {
    return this.#dueMs !== Infinity;
  }

  /** What is stored, or known about it, has changed. */
  handleProgress(nowMs: number): void {
    this.#want(nowMs + FIRST_SAVE_MS);
  }

  /** Nothing but totals has changed. */
  handleTotals(nowMs: number): void {
    this.#want(nowMs + TOTALS_INTERVAL_MS);
  }

  /** A save begins: what changes from now on is for the next one. */
  begin(nowMs: number): void {
    this.#isSaving = true;
    this.#beganMs = nowMs;
    this.#dueMs = Infinity;
  }

  /** The save is over; where it failed, another is due. */
  end(nowMs: number, hasSucceeded: boolean): void {
    this.#isSaving = false;
    const restMs = Math.max(SAVE_INTERVAL_MS, (nowMs - this.#beganMs) * REST_FACTOR);
    this.#earliestMs = nowMs + restMs;
    if (!hasSucceeded) this.#dueMs = this.#earliestMs;
    else if (this.hasChanges) this.#want(this.#dueMs);
  }

  #want(dueMs: number): void {
    const next = Math.min(this.#dueMs, dueMs);
    this.#dueMs = Math.max(next, this.#earliestMs);
  }
}
