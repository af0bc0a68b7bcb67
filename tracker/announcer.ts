import type { AnnounceResult, TrackerEvent } from "./announce.ts";
import { AnnounceLane } from "./announce_lane.ts";
import { PROBE_INTERVAL_MS, type TrackerMemory } from "./tracker_health.ts";
import { makeTrackers, rank, type Tracker } from "./tracker_order.ts";

/** How long the probes of a tier are waited for before its trackers are announced to unprobed. */
export const PROBE_TIMEOUT_MS = 3000;

/** How an {@link Announcer} works. */
export interface AnnouncerOptions {
  /** Random numbers from 0 up to 1: the order within tiers (BEP 12), and jitter. */
  random: () => number;
  /** Whether the driver carries out probes. Default: no, and trackers are tried in BEP 12's order. */
  probes?: boolean;
  /** Whether to announce to every tracker, not to one at a time. Default: no. */
  toAll?: boolean;
  /** What an earlier run knew of trackers, as {@link Announcer.memory} gave it. */
  memory?: readonly TrackerMemory[];
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
  /** Smoothed time to an answer; `null` when it never answered. */
  readonly latencyMs: number | null;
  /** Smoothed part of the announces that were answered, 0 to 1. */
  readonly successRate: number;
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

/**
 * Decides when one torrent announces itself, to which of its trackers and with which event, and which of
 * them to probe. It does no I/O: inputs are commands, results and the time; the outputs are orders.
 *
 * The contract: give it one input, then take all orders (`takeAnnounce`, `takeProbe`) and read
 * `nextDeadlineMs` again. Every order taken has to be reported back, once: an announce through
 * `handleResult` or `handleError`, a probe through `handleProbe`. Until then that tracker gets no other.
 *
 * - **Order.** Trackers that fail come last, then tiers count (BEP 12), then the smoothed time to an
 *   answer over the square of the success rate. The one in use is left for another of its tier only if
 *   that one is clearly better.
 * - **Probes.** Before the first announce to a tier of several trackers all of them are probed at once;
 *   the announce goes to the first that answers, after three seconds at most. Those not in use are
 *   probed every half hour, and those that failed with their backoff; one that recovered is preferred
 *   again, at the next announce, when it is better.
 * - **Failover.** A tracker that fails or refuses hands its event on to the next one at once. When all
 *   have failed the event waits for the first of them that may be asked again.
 * - **Events.** The first announce to each tracker says `started`, to each tracker once while it knows us.
 *   `completed` is sent once (to each tracker, where all are told), and only when the download completed
 *   in this life, or in an earlier one that could tell nobody. `stopped` goes to every tracker that knows
 *   us at the same time; each is tried once.
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
  readonly #trackers: readonly Tracker[];
  readonly #lanes: readonly AnnounceLane[];
  readonly #random: () => number;
  readonly #hasProbes: boolean;
  #phase: "idle" | "running" | "stopping";
  /** The time of the last input. */
  #nowMs: number;
  /** Whose orders wait to be taken. */
  readonly #orders: Tracker[];
  /** Whose probes wait to be taken. */
  readonly #probes: Tracker[];
  /** The first probes of a tier, which an announce waits for. */
  #race: { readonly trackers: readonly Tracker[]; readonly endMs: number } | null;
  /** Who has yet to hear that we leave. */
  #farewells: Tracker[];

  /**
   * Takes the tiers of a torrent. A URL that occurs again, be it with the default port written out, is
   * left out.
   */
  constructor(tiers: readonly (readonly string[])[], options: AnnouncerOptions) {
    const { random, probes = false, toAll = false, memory = [] } = options;
    this.#trackers = makeTrackers(tiers, memory, random);
    this.#lanes = toAll
      ? this.#trackers.map((tracker) => new AnnounceLane([tracker]))
      : [new AnnounceLane(this.#trackers)];
    this.#random = random;
    // Where all are told, their answers are probes enough.
    this.#hasProbes = probes && !toAll;
    this.#phase = "idle";
    this.#nowMs = -Infinity;
    this.#orders = [];
    this.#probes = [];
    this.#race = null;
    this.#farewells = [];
  }

  /**
   * Begins to announce; also again after `stop`. `asSeed` says that nothing is missing, and that there
   * will be no `completed`; unless the completion is `owed`: told, in an earlier run, to some of those
   * that are to hear of it, or to none ({@link toldCompletion}). Has no effect while running.
   */
  start(nowMs: number, asSeed: boolean, owed: { toldTo: readonly string[] } | null = null): void {
    if (this.#phase === "running") return;
    this.#phase = "running";
    this.#farewells = [];
    for (const lane of this.#lanes) {
      if (asSeed) lane.completion = "told";
      if (owed !== null) {
        for (const each of lane.trackers) each.isCompletionTold ||= owed.toldTo.includes(each.url);
        if (lane.trackers.some((each) => each.isCompletionTold)) lane.completion = "told";
        else if (asSeed) lane.completion = "to-tell";
      }
      lane.start();
    }
    for (const { health } of this.#trackers) {
      // Not all at once, and not at once: what is needed now is probed anyway.
      health.probeAtMs = nowMs + PROBE_INTERVAL_MS * (0.75 + 0.5 * this.#random());
    }
    this.#advance(nowMs);
  }

  /** Takes note that the download is complete; it is announced at once. Further calls have no effect. */
  complete(nowMs: number): void {
    if (this.#phase === "idle") return;
    for (const lane of this.#lanes) {
      if (lane.completion === "not-yet") lane.completion = "to-tell";
    }
    this.#advance(nowMs);
  }

  /**
   * Takes leave of the trackers that know us. The driver may cut short the announces that are under way,
   * and reports that through `handleError`; `isStopped` says when all is done.
   */
  stop(nowMs: number): void {
    if (this.#phase !== "running") return;
    this.#phase = "stopping";
    this.#race = null;
    this.#farewells = this.#ranked(nowMs).filter((tracker) => tracker.knowsUs);
    this.#advance(nowMs);
  }

  /** Asks for peers before the interval is over: as soon as the min interval allows, and ever less often. */
  wantPeers(nowMs: number): void {
    if (this.#phase !== "running") return;
    for (const lane of this.#lanes) lane.wantPeers();
    this.#advance(nowMs);
  }

  /** Takes in what the tracker answered. Ignored unless an order to it is under way. */
  handleResult(url: string, result: AnnounceResult, nowMs: number): void {
    const tracker = this.#find(url);
    const order = this.#finish(tracker);
    if (tracker === null || order === null) return;
    if (!result.ok) {
      const retryMs = (result.retryInSeconds ?? 0) * 1000;
      this.#fail(tracker, `the tracker refused: ${result.failureReason}`, retryMs, nowMs);
    } else if (order.event === "stopped") {
      tracker.health.lastError = null;
    } else {
      tracker.health.noteAnswer(nowMs - order.sinceMs, nowMs);
      this.#laneOf(tracker).noteAnswer(tracker, result, order.event, nowMs);
      if (this.#phase === "stopping") this.#addFarewell(tracker);
    }
    this.#advance(nowMs);
  }

  /** Takes in that the tracker gave no answer. Ignored unless an order to it is under way. */
  handleError(url: string, message: string, nowMs: number): void {
    const tracker = this.#find(url);
    const order = this.#finish(tracker);
    if (tracker === null || order === null) return;
    this.#fail(tracker, message, 0, nowMs);
    // It may have heard us all the same: the answer was lost, or not waited for.
    if (this.#phase === "stopping" && order.event !== "stopped") this.#addFarewell(tracker);
    this.#advance(nowMs);
  }

  /** Takes in what came of a probe: what went wrong, or `null`. Ignored unless one is under way. */
  handleProbe(url: string, error: string | null, nowMs: number): void {
    const tracker = this.#find(url);
    if (tracker === null || tracker.probingSinceMs === null) return;
    if (error === null) tracker.health.noteProbe(nowMs - tracker.probingSinceMs, nowMs);
    else tracker.health.noteProbeFailure(error, nowMs);
    this.#forgetProbe(tracker);
    this.#advance(nowMs);
  }

  /** Takes in that the time has come; harmless when it has not. */
  handleDeadline(nowMs: number): void {
    this.#advance(nowMs);
  }

  /** Gives the order to announce, if there is a new one. */
  takeAnnounce(): AnnounceOrder | null {
    const tracker = this.#orders.shift();
    if (tracker === undefined) return null;
    return { url: tracker.url, event: tracker.order!.event, trackerId: tracker.trackerId };
  }

  /** Gives the announce URL of a tracker to probe, if there is a new one. */
  takeProbe(): string | null {
    return this.#probes.shift()?.url ?? null;
  }

  /** When `handleDeadline` is to be called; `Infinity` while only an answer or a command can matter. */
  get nextDeadlineMs(): number {
    if (this.#phase !== "running") return Infinity;
    let deadlineMs = Infinity;
    for (const lane of this.#lanes) deadlineMs = Math.min(deadlineMs, lane.nextDeadlineMs);
    if (this.#race !== null) deadlineMs = this.#race.endMs;
    for (const tracker of this.#trackers) {
      if (this.#mayProbe(tracker)) deadlineMs = Math.min(deadlineMs, tracker.health.probeAtMs);
    }
    return deadlineMs;
  }

  /**
   * Whether the completion has been told to a tracker (where all are told, to each), or was none to begin
   * with. Not where nobody can be told.
   */
  get hasToldCompletion(): boolean {
    const lanes = this.#lanes.filter((lane) => lane.isSupported);
    return lanes.length > 0 && lanes.every((lane) => lane.completion === "told");
  }

  /** The URLs of the trackers that were told of the completion, in this life or in an earlier one. */
  get toldCompletion(): string[] {
    return this.#trackers.filter((tracker) => tracker.isCompletionTold).map(({ url }) => url);
  }

  /** Whether every tracker that knew us has been told that we left, or could not be. */
  get isStopped(): boolean {
    return this.#phase === "idle";
  }

  /** What is known of each tracker, in the order in which they are asked. */
  status(): TrackerStatus[] {
    return this.#ranked(this.#nowMs).map((tracker) => {
      const { url, tier, order, knowsUs, health, lastAnswerMs } = tracker;
      const { seeders, leechers, peerCount, warning } = tracker;
      const { latencyMs, successRate, lastError, failures } = health;
      const nextMs = this.#phase === "running"
        ? this.#laneOf(tracker).nextAnnounceMs(tracker)
        : Infinity;
      return {
        url,
        tier,
        announcing: order !== null,
        knowsUs,
        latencyMs,
        successRate,
        lastError,
        failures,
        lastAnswerMs,
        nextAnnounceMs: Number.isFinite(nextMs) ? nextMs : null,
        seeders,
        leechers,
        peerCount,
        warning,
      };
    });
  }

  /** What is worth knowing of the trackers the next time. */
  memory(): TrackerMemory[] {
    return this.#trackers.filter(({ health }) =>
      health.latencyMs !== null || health.successRate < 1
    )
      .map(({ url, health: { latencyMs, successRate } }) => ({ url, latencyMs, successRate }));
  }

  /** Gives the orders that it is time for. */
  #advance(nowMs: number): void {
    this.#nowMs = nowMs;
    if (this.#phase === "stopping") this.#advanceStopping(nowMs);
    if (this.#phase !== "running") return;
    for (const lane of this.#lanes) this.#advanceLane(lane, nowMs);
    for (const tracker of this.#trackers) {
      if (this.#mayProbe(tracker) && tracker.health.probeAtMs <= nowMs) this.#probe(tracker, nowMs);
    }
  }

  #advanceLane(lane: AnnounceLane, nowMs: number): void {
    if (!this.#endRace(nowMs)) return;
    const tracker = lane.choose(nowMs);
    if (tracker === null || this.#beginRace(tracker, nowMs)) return;
    this.#order(tracker, lane.eventFor(tracker), nowMs);
  }

  /** Probes a tier of several trackers that nobody knows, before one of them is announced to. */
  #beginRace(chosen: Tracker, nowMs: number): boolean {
    if (!this.#hasProbes || chosen.health.isContacted) return false;
    const trackers = this.#trackers.filter((each) =>
      each.tier === chosen.tier && each.isSupported && !each.health.isContacted
    );
    if (trackers.length < 2) return false;
    for (const tracker of trackers) {
      if (tracker.probingSinceMs === null) this.#probe(tracker, nowMs);
    }
    this.#race = { trackers, endMs: nowMs + PROBE_TIMEOUT_MS };
    return true;
  }

  /** Ends the race when one has won, all have lost or the time is over; tells whether there is none. */
  #endRace(nowMs: number): boolean {
    if (this.#race === null) return true;
    const { trackers, endMs } = this.#race;
    const isWon = trackers.some(({ health }) => health.isContacted && !health.isFailing(nowMs));
    const pending = trackers.filter((tracker) => tracker.probingSinceMs !== null);
    if (!isWon && pending.length > 0 && nowMs < endMs) return false;
    this.#race = null;
    if (isWon) return true;
    for (const tracker of pending) {
      const seconds = PROBE_TIMEOUT_MS / 1000;
      tracker.health.noteProbeFailure(`no answer to a probe within ${seconds} s`, nowMs);
      this.#forgetProbe(tracker);
    }
    return true;
  }

  /** Whether a tracker may be probed when it is time: only while another one is in use and well. */
  #mayProbe(tracker: Tracker): boolean {
    const inUse = this.#lanes[0]?.inUse ?? null;
    return this.#hasProbes && this.#phase === "running" && tracker.isSupported &&
      tracker.order === null && tracker.probingSinceMs === null &&
      inUse !== null && inUse !== tracker && inUse.health.failures === 0;
  }

  #probe(tracker: Tracker, nowMs: number): void {
    tracker.probingSinceMs = nowMs;
    this.#probes.push(tracker);
  }

  #forgetProbe(tracker: Tracker): void {
    tracker.probingSinceMs = null;
    const at = this.#probes.indexOf(tracker);
    if (at >= 0) this.#probes.splice(at, 1);
  }

  /** Tells every tracker that has to hear it, at once; who is being told something else, after that. */
  #advanceStopping(nowMs: number): void {
    for (const tracker of [...this.#farewells]) {
      if (tracker.order !== null) continue;
      const lane = this.#laneOf(tracker);
      if (lane.completion === "to-tell" && !lane.isCompletionTriedAtEnd) {
        // If the one that is being told fails, it is for the next.
        if (lane.isTelling("completed")) continue;
        // Who stops at completion tells both; this is tried once, like the farewell itself.
        lane.isCompletionTriedAtEnd = true;
        this.#order(tracker, "completed", nowMs);
        continue;
      }
      this.#farewells.splice(this.#farewells.indexOf(tracker), 1);
      tracker.knowsUs = false;
      this.#order(tracker, "stopped", nowMs);
    }
    if (this.#trackers.every((tracker) => tracker.order === null)) this.#phase = "idle";
  }

  #order(tracker: Tracker, event: TrackerEvent, nowMs: number): void {
    tracker.order = { event, sinceMs: nowMs };
    this.#orders.push(tracker);
  }

  #finish(tracker: Tracker | null): Tracker["order"] {
    if (tracker === null || tracker.order === null) return null;
    const { order } = tracker;
    tracker.order = null;
    const at = this.#orders.indexOf(tracker);
    if (at >= 0) this.#orders.splice(at, 1);
    return order;
  }

  #fail(tracker: Tracker, message: string, retryMs: number, nowMs: number): void {
    tracker.health.noteFailure(message, retryMs, nowMs, this.#hasProbes);
  }

  #addFarewell(tracker: Tracker): void {
    if (!this.#farewells.includes(tracker)) this.#farewells.push(tracker);
  }

  #find(url: string): Tracker | null {
    return this.#trackers.find((tracker) => tracker.url === url) ?? null;
  }

  #laneOf(tracker: Tracker): AnnounceLane {
    return this.#lanes.find((lane) => lane.trackers.includes(tracker))!;
  }

  #ranked(nowMs: number): Tracker[] {
    return rank(this.#trackers, this.#lanes.length === 1 ? this.#lanes[0]!.inUse : null, nowMs);
  }
}
