/**
 * How many peers are served at once.
 *
 * @module
 */

/** Slots there are in any case: three for those who give most and one by lot, as BEP 3 has it. */
export const SLOTS_MIN = 4;

/** Slots while nothing limits the upload and no better rate was measured; Transmission and libtorrent begin with 8, too. */
export const SLOTS_UNMEASURED = 8;

/** Most slots: a gigabit line has 22 by the rule, the others are left to trials. */
export const SLOTS_MAX = 64;

/**
 * With this rate there would be one slot, with four times as much two, and so on: 4 slots at 4 MiB/s, 8 at 16 MiB/s, 16
 * at 64 MiB/s. A slot's own rate grows as well (1, 2, 4 MiB/s), so that a whole piece, the least that its taker
 * can pass on, goes through it in a fraction of a second. More slots give out the same pieces later.
 */
const SLOT_UNIT_BYTES_PER_SECOND = 262_144;

/** What is left after a round of the best rate that was measured: half after 11 minutes, should the line have become slower. */
const BEST_RATE_KEPT = 0.99;

/** Of a limit, the part from which on it counts as reached; more slots would only make each slower. */
const LIMIT_REACHED = 0.9;

/** Rounds until one slot more is judged: rates look back 20 seconds, two rounds. */
const TRIAL_ROUNDS = 2;

/** One slot more stays if it brought this part of what the others bring, each. */
const TRIAL_GAIN = 0.5;

/** Rounds without a trial after one that brought nothing: a minute. */
const PAUSE_ROUNDS = 6;

/** Slots for an upload of so many bytes per second, {@linkcode SLOTS_MIN} to {@linkcode SLOTS_MAX}. */
export function slotsFor(bytesPerSecond: number): number {
  const slots = Math.round(Math.sqrt(bytesPerSecond / SLOT_UNIT_BYTES_PER_SECOND));
  return Math.min(SLOTS_MAX, Math.max(SLOTS_MIN, slots));
}

/**
 * The number of slots, by the upload's limit or else by the best rate that was measured. Where peers wait and the
 * upload is not used up, because those who are served take little, one slot more is tried, and kept if it pays.
 */
export class UploadSlots {
  readonly #limit: number | null;
  #best = 0;
  /** Slots that trials have led to. */
  #tried = 0;
  #rateBefore = 0;
  #slotsBefore = 0;
  #trialRounds = 0;
  #pauseRounds = 0;

  /** @param limitBytesPerSecond the limit of the upload, or null where there is none */
  constructor(limitBytesPerSecond: number | null) {
    this.#limit = limitBytesPerSecond;
  }

  /** How many peers are to be served at once. */
  get count(): number {
    return Math.max(this.#base, this.#tried);
  }

  /**
   * A round ends.
   *
   * @param bytesPerSecond what we upload, over the last 20 seconds
   * @param waitingCount peers that are interested and choked
   */
  handleRound(bytesPerSecond: number, waitingCount: number): void {
    this.#best = Math.max(bytesPerSecond, this.#best * BEST_RATE_KEPT);
    if (this.#trialRounds > 0 && --this.#trialRounds > 0) return;
    this.#judge(bytesPerSecond);
    if (this.#limit !== null && bytesPerSecond >= this.#limit * LIMIT_REACHED) {
      this.#tried = this.count - 1;
      return;
    }
    if (this.#pauseRounds > 0) {
      this.#pauseRounds--;
      return;
    }
    if (waitingCount === 0 || this.count >= SLOTS_MAX) return;
    this.#rateBefore = bytesPerSecond;
    this.#slotsBefore = this.count;
    this.#tried = this.count + 1;
    this.#trialRounds = TRIAL_ROUNDS;
  }

  get #base(): number {
    if (this.#limit !== null) return slotsFor(this.#limit);
    return Math.max(SLOTS_UNMEASURED, slotsFor(this.#best));
  }

  /** Takes the slot back that was tried, where it brought too little. */
  #judge(bytesPerSecond: number): void {
    if (this.#slotsBefore === 0) return;
    const share = this.#rateBefore / this.#slotsBefore;
    const isGain = bytesPerSecond - this.#rateBefore >= share * TRIAL_GAIN && bytesPerSecond > 0;
    if (!isGain) {
      this.#tried = this.#slotsBefore;
      this.#pauseRounds = PAUSE_ROUNDS;
    }
    this.#slotsBefore = 0;
  }
}
