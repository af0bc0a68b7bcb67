import type { AnnounceAnswer, TrackerEvent } from "./announce.ts";
import { rank, type Tracker } from "./tracker_order.ts";

/** The least time between two announces for want of peers, where the tracker gives no min interval. */
export const EARLY_ANNOUNCE_MS_MIN = 60_000;
/** What that time is doubled up to while want of peers lasts: seven such announces in half an hour at most. */
export const EARLY_ANNOUNCE_MS_MAX = 300_000;

/**
 * A set of trackers of which one is told at a time, and what that one has to be told next: all trackers of
 * a torrent, or each alone where all are to be told.
 */
export class AnnounceLane {
  /** Its trackers, in the order of their tiers. */
  readonly trackers: readonly Tracker[];
  /** The tracker that answered last. */
  inUse: Tracker | null;
  /** Whether a completion has yet to be told, has been, or cannot be news. */
  completion: "not-yet" | "to-tell" | "told";
  /** Whether it was tried at the end to tell of it: that is done once. */
  isCompletionTriedAtEnd: boolean;
  /** When the interval of the last answer ends; in the past until there is one. */
  #dueMs: number;
  /** When peers may be asked for before that. */
  #earliestMs: number;
  /** Announces in a row that were made for want of peers. */
  #earlyCount: number;
  #wantsPeers: boolean;

  /** Begins idle. */
  constructor(trackers: readonly Tracker[]) {
    this.trackers = trackers;
    this.inUse = null;
    this.completion = "not-yet";
    this.isCompletionTriedAtEnd = false;
    this.#dueMs = -Infinity;
    this.#earliestMs = -Infinity;
    this.#earlyCount = 0;
    this.#wantsPeers = false;
  }

  /** Begins anew: the first announce is due. */
  start(): void {
    this.isCompletionTriedAtEnd = false;
    this.#dueMs = -Infinity;
    this.#earliestMs = -Infinity;
    this.#earlyCount = 0;
    this.#wantsPeers = false;
  }

  /** Asks for peers before the interval is over. */
  wantPeers(): void {
    this.#wantsPeers = true;
  }

  /** Whether an announce is under way. */
  get isBusy(): boolean {
    return this.trackers.some((tracker) => tracker.order !== null);
  }

  /** Whether there is anybody in it who can be told. */
  get isSupported(): boolean {
    return this.trackers.some((tracker) => tracker.isSupported);
  }

  /** Whether this event is being told to one of them. */
  isTelling(event: TrackerEvent): boolean {
    return this.trackers.some((tracker) => tracker.order?.event === event);
  }

  /** Who is to be told now; `null` while it is not time, or one is being told. */
  choose(nowMs: number): Tracker | null {
    if (this.isBusy) return null;
    const ready = this.trackers.filter((tracker) => this.nextAnnounceMs(tracker) <= nowMs);
    return ready.length === 0 ? null : rank(ready, this.inUse, nowMs)[0]!;
  }

  /** What a tracker is to be told. */
  eventFor(tracker: Tracker): TrackerEvent {
    return this.completion === "to-tell" ? "completed" : tracker.knowsUs ? "" : "started";
  }

  /** When an announce may go to this tracker, as things stand; `Infinity` for never. */
  nextAnnounceMs(tracker: Tracker): number {
    if (!tracker.isSupported) return Infinity;
    const { retryAtMs } = tracker.health;
    if (this.completion === "to-tell") return retryAtMs;
    const wantedMs = this.#wantsPeers ? Math.min(this.#earliestMs, this.#dueMs) : this.#dueMs;
    return Math.max(wantedMs, retryAtMs, tracker.knowsUs ? tracker.earliestMs : -Infinity);
  }

  /** When the next announce to any of them may be made. */
  get nextDeadlineMs(): number {
    if (this.isBusy) return Infinity;
    return Math.min(Infinity, ...this.trackers.map((tracker) => this.nextAnnounceMs(tracker)));
  }

  /** Takes in an answer; the tracker is in use from now on. */
  noteAnswer(tracker: Tracker, answer: AnnounceAnswer, event: TrackerEvent, nowMs: number): void {
    const intervalMs = answer.intervalSeconds * 1000;
    const minMs = answer.minIntervalSeconds === null
      ? Math.min(intervalMs, EARLY_ANNOUNCE_MS_MIN)
      : answer.minIntervalSeconds * 1000;
    const isEarly = event === "" && nowMs < this.#dueMs;
    this.#earlyCount = isEarly ? this.#earlyCount + 1 : 0;
    const patienceMs = Math.min(
      EARLY_ANNOUNCE_MS_MIN * 2 ** this.#earlyCount,
      EARLY_ANNOUNCE_MS_MAX,
      intervalMs,
    );
    tracker.knowsUs = true;
    tracker.earliestMs = nowMs + minMs;
    tracker.lastAnswerMs = nowMs;
    tracker.seeders = answer.seeders;
    tracker.leechers = answer.leechers;
    tracker.peerCount = answer.peers.length;
    tracker.warning = answer.warning;
    // A tracker that gives its id once means it for good.
    if (answer.trackerId !== null) tracker.trackerId = answer.trackerId;
    this.inUse = tracker;
    this.#earliestMs = nowMs + Math.max(minMs, this.#earlyCount > 0 ? patienceMs : 0);
    this.#dueMs = nowMs + Math.max(intervalMs, minMs);
    this.#wantsPeers = false;
    if (event === "completed") {
      this.completion = "told";
      tracker.isCompletionTold = true;
    }
  }
}
