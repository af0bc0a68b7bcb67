import type { AnnounceResult, TrackerEvent } from "./announce.ts";

/** What a tracker that failed once is left alone for; doubled by each further failure. */
export const BACKOFF_MS_MIN = 15_000;
/** What the doubling ends at: half an hour, the usual interval. */
export const BACKOFF_MS_MAX = 1_800_000;
/** The least time between two announces for want of peers, where the tracker gives no min interval. */
export const EARLY_ANNOUNCE_MS_MIN = 60_000;

/** How an {@link Announcer} works. */
export interface AnnouncerOptions {
  /** Random numbers from 0 up to 1: the order within tiers (BEP 12), and jitter. */
  random: () => number;
  /** Which URLs the caller has a driver for; the others are listed but never asked. Default: HTTP(S). */
  supports?: (url: string) => boolean;
}

/** What the driver is to do: announce `event` to `url`, and report what came of it. */
export interface AnnounceOrder {
  /** The tracker's announce URL; names it in `handleResult` and `handleError`. */
  readonly url: string;
  /** The event to send. */
  readonly event: TrackerEvent;
  /** The tracker's own id, to be sent along when there is one. */
  readonly trackerId: Uint8Array | null;
}

/** What is known of one tracker. */
export interface TrackerStatus {
  /** Its announce URL. */
  readonly url: string;
  /** Its tier, from 0. */
  readonly tier: number;
  /** Whether an announce to it is under way. */
  readonly announcing: boolean;
  /** Whether it counts us among the peers: it answered, and we have not left. */
  readonly knowsUs: boolean;
  /** What went wrong last; `null` once it answers again. */
  readonly lastError: string | null;
  /** How often it failed since it last answered. */
  readonly failures: number;
  /** When it last answered; `null` for never. */
  readonly lastAnswerMs: number | null;
  /** The earliest time of the next announce if it goes to this tracker; `null` for never. */
  readonly nextAnnounceMs: number | null;
  /** From its last answer. */
  readonly seeders: number | null;
  /** From its last answer. */
  readonly leechers: number | null;
  /** How many peers its last answer held; `null` before. */
  readonly peerCount: number | null;
  /** From its last answer. */
  readonly warning: string | null;
}

interface Tracker {
  readonly url: string;
  readonly tier: number;
  readonly supported: boolean;
  knowsUs: boolean;
  failures: number;
  /** Failed: not to be asked before. */
  retryAtMs: number;
  /** Its min interval: not to be asked before, unless there is an event to tell. */
  earliestMs: number;
  lastError: string | null;
  lastAnswerMs: number | null;
  seeders: number | null;
  leechers: number | null;
  peerCount: number | null;
  warning: string | null;
  trackerId: Uint8Array | null;
}

/**
 * Decides when one torrent announces itself, to which of its trackers and with which event. It does no
 * I/O: inputs are commands, results and the time; the output is at most one order at a time.
 *
 * The contract: give it one input, then take the order if there is one (`takeAnnounce`) and read
 * `nextDeadlineMs` again. Every order taken has to be reported back, once, through `handleResult` or
 * `handleError`; until then there is no other.
 *
 * - Each announce begins at the first tier; within a tier the order is random at first, and the tracker
 *   that answers moves to the front (BEP 12). Trackers that failed are skipped until their backoff is
 *   over; so a better one that recovers is asked again at the next announce.
 * - A tracker that fails or refuses hands its event on to the next one at once. When all have failed the
 *   event waits for the first of them that may be asked again.
 * - The first announce to each tracker says `started`, to each tracker once while it knows us.
 *   `completed` is sent once, and only when the download completed in this life. `stopped` goes, one
 *   after the other, to every tracker that knows us; each is tried once.
 *
 * **Units**: all times are milliseconds of one monotonic clock.
 *
 * @example
 * ```ts
 * import { Announcer } from "@enjambre/tracker";
 * import { assertEquals } from "@std/assert";
 *
 * const announcer = new Announcer([["http://a/announce"], ["http://b/announce"]], {
 *   random: () => 0.5,
 * });
 * announcer.start(0, false);
 * assertEquals(announcer.takeAnnounce()?.url, "http://a/announce");
 *
 * announcer.handleError("http://a/announce", "connection refused", 10);
 * assertEquals(announcer.takeAnnounce(), {
 *   url: "http://b/announce",
 *   event: "started",
 *   trackerId: null,
 * });
 * ```
 */
export class Announcer {
  readonly #tiers: Tracker[][];
  readonly #random: () => number;
  #phase: "idle" | "running" | "stopping";
  /** The order that was given and not reported back. */
  #underWay: { readonly tracker: Tracker; readonly event: TrackerEvent } | null;
  /** Whether that order still waits to be taken. */
  #ordered: boolean;
  /** When the interval of the last answer ends; in the past until there is one. */
  #dueMs: number;
  /** When its min interval ends. */
  #earliestMs: number;
  #wantsPeers: boolean;
  /** Whether a completion has yet to be told, has been, or cannot be news. */
  #completed: "not-yet" | "to-tell" | "told";
  /** Who has yet to hear that we leave. */
  #farewells: Tracker[];

  /**
   * Takes the tiers of a torrent. A URL that occurs again, be it with the default port written out, is
   * left out.
   */
  constructor(tiers: readonly (readonly string[])[], options: AnnouncerOptions) {
    this.#random = options.random;
    this.#tiers = makeTiers(tiers, options.supports ?? isHttpUrl, options.random);
    this.#phase = "idle";
    this.#underWay = null;
    this.#ordered = false;
    this.#dueMs = -Infinity;
    this.#earliestMs = -Infinity;
    this.#wantsPeers = false;
    this.#completed = "not-yet";
    this.#farewells = [];
  }

  /**
   * Begins to announce; also again after `stop`. `asSeed` says that nothing is missing, and that there
   * will be no `completed`. Has no effect while running.
   */
  start(nowMs: number, asSeed: boolean): void {
    if (this.#phase === "running") return;
    if (asSeed) this.#completed = "told";
    this.#phase = "running";
    this.#farewells = [];
    this.#dueMs = -Infinity;
    this.#earliestMs = -Infinity;
    this.#wantsPeers = false;
    this.#advance(nowMs);
  }

  /** Takes note that the download is complete; it is announced at once. Further calls have no effect. */
  complete(nowMs: number): void {
    if (this.#phase === "idle" || this.#completed !== "not-yet") return;
    this.#completed = "to-tell";
    this.#advance(nowMs);
  }

  /**
   * Takes leave of the trackers that know us. The driver may cut short the announce that is under way,
   * and reports that through `handleError`; `isStopped` says when all is done.
   */
  stop(nowMs: number): void {
    if (this.#phase !== "running") return;
    this.#phase = "stopping";
    this.#farewells = this.#trackers().filter((tracker) => tracker.knowsUs);
    this.#advance(nowMs);
  }

  /** Asks for peers before the interval is over: as soon as the min interval allows. */
  wantPeers(nowMs: number): void {
    if (this.#phase !== "running") return;
    this.#wantsPeers = true;
    this.#advance(nowMs);
  }

  /** Takes in what the tracker answered. Ignored unless an order to it is under way. */
  handleResult(url: string, result: AnnounceResult, nowMs: number): void {
    const done = this.#finish(url);
    if (done === null) return;
    const { tracker, event } = done;
    if (!result.ok) {
      const retryMs = (result.retryInSeconds ?? 0) * 1000;
      this.#fail(tracker, `the tracker refused: ${result.failureReason}`, retryMs, nowMs);
    } else if (event === "stopped") {
      tracker.lastError = null;
    } else {
      this.#succeed(tracker, result, nowMs);
      if (event === "completed") this.#completed = "told";
      if (this.#phase === "stopping") this.#addFarewell(tracker);
    }
    this.#advance(nowMs);
  }

  /** Takes in that the tracker gave no answer. Ignored unless an order to it is under way. */
  handleError(url: string, message: string, nowMs: number): void {
    const done = this.#finish(url);
    if (done === null) return;
    const { tracker, event } = done;
    this.#fail(tracker, message, 0, nowMs);
    // It may have heard us all the same: the answer was lost, or not waited for.
    if (this.#phase === "stopping" && event !== "stopped") this.#addFarewell(tracker);
    this.#advance(nowMs);
  }

  /** Takes in that the time has come; harmless when it has not. */
  handleDeadline(nowMs: number): void {
    this.#advance(nowMs);
  }

  /** Gives the order to announce, if there is a new one. */
  takeAnnounce(): AnnounceOrder | null {
    if (!this.#ordered || this.#underWay === null) return null;
    this.#ordered = false;
    const { tracker, event } = this.#underWay;
    return { url: tracker.url, event, trackerId: tracker.trackerId };
  }

  /** When `handleDeadline` is to be called; `Infinity` while only an answer or a command can matter. */
  get nextDeadlineMs(): number {
    if (this.#phase !== "running" || this.#underWay !== null) return Infinity;
    let deadlineMs = Infinity;
    for (const tracker of this.#trackers()) {
      deadlineMs = Math.min(deadlineMs, this.#nextAnnounceMs(tracker));
    }
    return deadlineMs;
  }

  /** Whether a tracker knows of the completion, or it was none to begin with. */
  get hasToldCompletion(): boolean {
    return this.#completed === "told";
  }

  /** Whether every tracker that knew us has been told that we left, or could not be. */
  get isStopped(): boolean {
    return this.#phase === "idle";
  }

  /** What is known of each tracker, in the order in which they are asked. */
  status(): TrackerStatus[] {
    return this.#trackers().map((tracker) => {
      const nextMs = this.#phase === "running" ? this.#nextAnnounceMs(tracker) : Infinity;
      return {
        url: tracker.url,
        tier: tracker.tier,
        announcing: this.#underWay?.tracker === tracker,
        knowsUs: tracker.knowsUs,
        lastError: tracker.lastError,
        failures: tracker.failures,
        lastAnswerMs: tracker.lastAnswerMs,
        nextAnnounceMs: Number.isFinite(nextMs) ? nextMs : null,
        seeders: tracker.seeders,
        leechers: tracker.leechers,
        peerCount: tracker.peerCount,
        warning: tracker.warning,
      };
    });
  }

  #trackers(): Tracker[] {
    return this.#tiers.flat();
  }

  /** Gives the next order if it is time for one. */
  #advance(nowMs: number): void {
    if (this.#underWay !== null) return;
    if (this.#phase === "stopping") this.#advanceStopping();
    if (this.#phase !== "running") return;
    const tracker = this.#trackers().find((each) => this.#nextAnnounceMs(each) <= nowMs);
    if (tracker === undefined) return;
    const event = this.#completed === "to-tell" ? "completed" : tracker.knowsUs ? "" : "started";
    this.#order(tracker, event);
  }

  #advanceStopping(): void {
    const next = this.#farewells[0];
    if (next === undefined) {
      this.#phase = "idle";
    } else if (this.#completed === "to-tell") {
      // Who stops at completion tells both; this is tried once, like the farewell itself.
      this.#completed = "told";
      this.#order(next, "completed");
    } else {
      this.#farewells.shift();
      next.knowsUs = false;
      this.#order(next, "stopped");
    }
  }

  #order(tracker: Tracker, event: TrackerEvent): void {
    this.#underWay = { tracker, event };
    this.#ordered = true;
  }

  /** When an announce may go to this tracker, as things stand. */
  #nextAnnounceMs(tracker: Tracker): number {
    if (!tracker.supported) return Infinity;
    if (this.#completed === "to-tell") return tracker.retryAtMs;
    const wantedMs = this.#wantsPeers ? this.#earliestMs : this.#dueMs;
    return Math.max(wantedMs, tracker.retryAtMs, tracker.knowsUs ? tracker.earliestMs : -Infinity);
  }

  #finish(url: string): { readonly tracker: Tracker; readonly event: TrackerEvent } | null {
    if (this.#underWay === null || this.#underWay.tracker.url !== url) return null;
    const done = this.#underWay;
    this.#underWay = null;
    this.#ordered = false;
    return done;
  }

  #succeed(tracker: Tracker, answer: AnnounceResult & { ok: true }, nowMs: number): void {
    const intervalMs = answer.intervalSeconds * 1000;
    const minMs = answer.minIntervalSeconds === null
      ? Math.min(intervalMs, EARLY_ANNOUNCE_MS_MIN)
      : answer.minIntervalSeconds * 1000;
    tracker.knowsUs = true;
    tracker.failures = 0;
    tracker.earliestMs = nowMs + minMs;
    tracker.lastError = null;
    tracker.lastAnswerMs = nowMs;
    tracker.seeders = answer.seeders;
    tracker.leechers = answer.leechers;
    tracker.peerCount = answer.peers.length;
    tracker.warning = answer.warning;
    // A tracker that gives its id once means it for good.
    if (answer.trackerId !== null) tracker.trackerId = answer.trackerId;
    this.#earliestMs = nowMs + minMs;
    this.#dueMs = nowMs + Math.max(intervalMs, minMs);
    this.#wantsPeers = false;
    const tier = this.#tiers[tracker.tier]!;
    tier.splice(tier.indexOf(tracker), 1);
    tier.unshift(tracker);
  }

  #fail(tracker: Tracker, message: string, retryMs: number, nowMs: number): void {
    tracker.failures++;
    tracker.lastError = message;
    const jitter = 0.75 + 0.5 * this.#random();
    const backoffMs = Math.min(
      BACKOFF_MS_MIN * 2 ** (tracker.failures - 1) * jitter,
      BACKOFF_MS_MAX,
    );
    tracker.retryAtMs = nowMs + Math.max(backoffMs, retryMs);
  }

  #addFarewell(tracker: Tracker): void {
    if (!this.#farewells.includes(tracker)) this.#farewells.unshift(tracker);
  }
}

function isHttpUrl(url: string): boolean {
  const protocol = URL.parse(url)?.protocol;
  return protocol === "http:" || protocol === "https:";
}

function makeTiers(
  tiers: readonly (readonly string[])[],
  supports: (url: string) => boolean,
  random: () => number,
): Tracker[][] {
  const seen: Set<string> = new Set();
  const result: Tracker[][] = [];
  for (const urls of tiers) {
    const tier: Tracker[] = [];
    for (const url of urls) {
      const normal = URL.parse(url)?.href ?? url;
      if (seen.has(normal)) continue;
      seen.add(normal);
      tier.push(makeTracker(url, result.length, supports(url)));
    }
    if (tier.length === 0) continue;
    shuffle(tier, random);
    result.push(tier);
  }
  return result;
}

function makeTracker(url: string, tier: number, supported: boolean): Tracker {
  return {
    url,
    tier,
    supported,
    knowsUs: false,
    failures: 0,
    retryAtMs: -Infinity,
    earliestMs: -Infinity,
    lastError: supported ? null : "this kind of tracker is not supported",
    lastAnswerMs: null,
    seeders: null,
    leechers: null,
    peerCount: null,
    warning: null,
    trackerId: null,
  };
}

/** Fisher and Yates. */
function shuffle<T>(items: T[], random: () => number): void {
  for (let i = items.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [items[i], items[j]] = [items[j]!, items[i]!];
  }
}
