import { backoffMs } from "./backoff.ts";

/** Weight of an announce in the smoothed latency and success rate: the last four or so count. */
export const ANNOUNCE_WEIGHT = 0.25;
/** Weight of a probe: it is no announce, so it moves both only slowly. */
export const PROBE_WEIGHT = 0.1;
/** Time between two probes of a tracker that is not in use and does not fail: as rare as announces. */
export const PROBE_INTERVAL_MS = 1_800_000;

/** What is worth knowing of a tracker the next time. */
export interface TrackerMemory {
  /** Its announce URL. */
  readonly url: string;
  /** Smoothed time to an answer; `null` when it never answered. */
  readonly latencyMs: number | null;
  /** Smoothed part of the announces that were answered, 0 to 1. */
  readonly successRate: number;
}

/** How fast and how reliably one tracker answers, and when it may be asked again after it failed. */
export class TrackerHealth {
  /** Smoothed time to an answer, of announces and, with less weight, probes; `null` before the first. */
  latencyMs: number | null;
  /** Smoothed part of the announces that were answered, 0 to 1. */
  successRate: number;
  /** How often it failed since it last answered an announce. */
  failures: number;
  /** Failed: not to be asked before. */
  retryAtMs: number;
  /** When to probe it while another is in use; `Infinity` for never. */
  probeAtMs: number;
  /** Whether it answered or failed since we started. */
  isContacted: boolean;
  /** Whether it failed, and no probe has succeeded since. */
  isDoubtful: boolean;
  /** What went wrong last; `null` once it answers again. */
  lastError: string | null;
  readonly #random: () => number;

  /** Begins with what is remembered, if anything is. */
  constructor(memory: TrackerMemory | undefined, random: () => number) {
    this.latencyMs = memory?.latencyMs ?? null;
    this.successRate = memory?.successRate ?? 1;
    this.failures = 0;
    this.retryAtMs = -Infinity;
    this.probeAtMs = Infinity;
    this.isContacted = false;
    this.isDoubtful = false;
    this.lastError = null;
    this.#random = random;
  }

  /**
   * The cost of asking it, for comparisons: the time to an answer, over the square of how likely one is.
   * `Infinity` before the first answer.
   */
  get cost(): number {
    if (this.latencyMs === null) return Infinity;
    return this.latencyMs / Math.max(this.successRate, 0.01) ** 2;
  }

  /** Whether those that do not fail are to be asked before it. */
  isFailing(nowMs: number): boolean {
    return this.isDoubtful || this.retryAtMs > nowMs;
  }

  /** An announce was answered. */
  noteAnswer(latencyMs: number, nowMs: number): void {
    this.#smooth(latencyMs, ANNOUNCE_WEIGHT);
    this.failures = 0;
    this.retryAtMs = -Infinity;
    this.lastError = null;
    this.#noteContact(nowMs, false);
  }

  /** An announce failed; `retryMs` is what the tracker asked for, if it did. */
  noteFailure(error: string, retryMs: number, nowMs: number, isDoubtful: boolean): void {
    this.successRate *= 1 - ANNOUNCE_WEIGHT;
    this.lastError = error;
    this.#backOff(nowMs, retryMs);
    this.#noteContact(nowMs, isDoubtful);
    this.probeAtMs = this.retryAtMs;
  }

  /** A probe was answered. */
  noteProbe(latencyMs: number, nowMs: number): void {
    this.#smooth(latencyMs, PROBE_WEIGHT);
    // What an announce was told stands until another one is answered.
    if (this.failures === 0) this.lastError = null;
    this.#noteContact(nowMs, false);
  }

  /** A probe failed. As the first contact it says only that others come first. */
  noteProbeFailure(error: string, nowMs: number): void {
    const isFirst = !this.isContacted;
    this.lastError = error;
    this.#noteContact(nowMs, true);
    if (!isFirst) this.#backOff(nowMs, 0);
    this.probeAtMs = isFirst ? nowMs + backoffMs(1, this.#random()) : this.retryAtMs;
  }

  #smooth(latencyMs: number, weight: number): void {
    // What is remembered of an earlier run may be of another network.
    const share = this.isContacted ? weight : 0.5;
    this.latencyMs = this.latencyMs === null
      ? latencyMs
      : this.latencyMs + share * (latencyMs - this.latencyMs);
    this.successRate += weight * (1 - this.successRate);
  }

  #backOff(nowMs: number, retryMs: number): void {
    this.failures++;
    this.retryAtMs = nowMs + Math.max(backoffMs(this.failures, this.#random()), retryMs);
  }

  #noteContact(nowMs: number, isDoubtful: boolean): void {
    this.isContacted = true;
    this.isDoubtful = isDoubtful;
    this.probeAtMs = nowMs + PROBE_INTERVAL_MS * (0.75 + 0.5 * this.#random());
  }
}
