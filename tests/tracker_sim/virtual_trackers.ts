/**
 * Trackers on a virtual clock, and a client whose announcer is asked for everything and told everything.
 *
 * A tracker keeps what a real one keeps of us, and objects to what it should never hear: a second `started`, an
 * announce before its min interval is over, a second `completed`, anything after `stopped` but `started`.
 */
import {
  type AnnounceOrder,
  Announcer,
  type AnnounceResult,
  type AnnouncerOptions,
  PROBE_TIMEOUT_MS,
  type TrackerEvent,
} from "@enjambre/tracker";
import type { VirtualClock } from "../kit/virtual_clock.ts";

/** How long an announce is waited for, as the client's driver does. */
export const ANNOUNCE_TIMEOUT_MS = 15_000;

/** What every tracker here asks for. */
const INTERVAL_SECONDS = 1800;
const MIN_INTERVAL_SECONDS = 60;

/**
 * How a tracker behaves: `up`; `down`, which refuses connections at once; `silent`, which answers nothing; `lying`,
 * which answers probes but announces with a web page; `deaf`, which hears announces and whose answers are lost.
 */
export type Behaviour = "up" | "down" | "silent" | "lying" | "deaf";

/** One tracker of the virtual world. */
export class VirtualTracker {
  /** Its announce URL. */
  readonly url: string;
  /** How it behaves now. */
  behaviour: Behaviour = "up";
  /** How long an answer takes now. */
  latencyMs: number;
  /** What was wrong with what it heard. */
  readonly objections: string[] = [];
  /** How often it was told of a completion. */
  completions = 0;
  /** Whether it counts us as a peer. */
  knowsUs = false;
  /** Announces that reached it. */
  announceCount = 0;
  /** Probes that reached it. */
  probeCount = 0;
  /** Whether it answered that it knows us: then a second `started` is one too many. */
  #hasToldThatItKnows = false;
  #earliestMs = -Infinity;

  constructor(name: string, latencyMs: number) {
    this.url = `http://${name}.example/announce`;
    this.latencyMs = latencyMs;
  }

  /** Whether an announce is answered now. */
  get isUp(): boolean {
    return this.behaviour === "up";
  }

  /** Is up again, and knows nobody. */
  restart(): void {
    this.behaviour = "up";
    this.knowsUs = false;
    this.#hasToldThatItKnows = false;
    this.#earliestMs = -Infinity;
  }

  /** Hears an announce; what it answers and after which time, or why there is no answer. */
  hear(event: TrackerEvent, nowMs: number): { afterMs: number; reply: AnnounceResult | string } {
    const { behaviour, latencyMs } = this;
    this.announceCount++;
    if (behaviour === "down") return { afterMs: latencyMs / 2, reply: "connection refused" };
    if (behaviour === "lying") return { afterMs: latencyMs, reply: "the answer is a web page" };
    if (behaviour === "silent") return { afterMs: ANNOUNCE_TIMEOUT_MS, reply: "no answer" };
    this.#takeNote(event, nowMs);
    if (behaviour === "deaf") return { afterMs: ANNOUNCE_TIMEOUT_MS, reply: "no answer" };
    this.#hasToldThatItKnows = this.knowsUs;
    this.#earliestMs = nowMs + latencyMs + MIN_INTERVAL_SECONDS * 1000;
    return {
      afterMs: latencyMs,
      reply: {
        ok: true,
        intervalSeconds: INTERVAL_SECONDS,
        minIntervalSeconds: MIN_INTERVAL_SECONDS,
        seeders: 1,
        leechers: 1,
        peers: [],
        warning: null,
        trackerId: null,
      },
    };
  }

  /** Hears a probe; why it fails, or null, and after which time. */
  probe(): { afterMs: number; error: string | null } {
    this.probeCount++;
    if (this.behaviour === "down") {
      return { afterMs: this.latencyMs / 2, error: "connection refused" };
    }
    if (this.behaviour === "silent" || this.latencyMs > PROBE_TIMEOUT_MS) {
      return { afterMs: PROBE_TIMEOUT_MS, error: "no answer" };
    }
    return { afterMs: this.latencyMs, error: null };
  }

  #takeNote(event: TrackerEvent, nowMs: number): void {
    if (event === "started" && this.#hasToldThatItKnows) this.objections.push("a second started");
    if (event === "" && !this.knowsUs) this.objections.push("an announce without started");
    // The answer takes its time; nobody can know of the min interval before.
    if (event === "" && nowMs < this.#earliestMs) this.objections.push("an announce too early");
    if (event === "stopped" && !this.knowsUs) this.objections.push("stopped by one unknown");
    if (event === "completed") this.completions++;
    this.knowsUs = event !== "stopped";
    if (event === "stopped") this.#hasToldThatItKnows = false;
  }
}

/** What a client went through. */
export interface Course {
  /** Announces that were sent, to whomever. */
  announces: number;
  /** Of those, answered. */
  answered: number;
  /** Probes that were sent. */
  probes: number;
  /** How often another tracker was used than before. */
  switches: number;
  /** From the start to the first answer; null for none. */
  firstAnswerMs: number | null;
  /** The longest time from the sending of an announce that failed to the next answer of any tracker. */
  longestGapMs: number;
  /** The most announces to one tracker within an hour. */
  busiestHour: number;
}

/** A client with an announcer, between its start and its end. */
export class VirtualClient {
  /** The announcer that is tried out. */
  readonly announcer: Announcer;
  /** What happened so far. */
  readonly course: Course = {
    announces: 0,
    answered: 0,
    probes: 0,
    switches: 0,
    firstAnswerMs: null,
    longestGapMs: 0,
    busiestHour: 0,
  };
  readonly #clock: VirtualClock;
  readonly #trackers: ReadonlyMap<string, VirtualTracker>;
  readonly #startMs: number;
  readonly #sentMs = new Map<string, number[]>();
  #armedForMs = Infinity;
  #failingSinceMs: number | null = null;
  #inUse: string | null = null;

  constructor(
    clock: VirtualClock,
    tiers: readonly (readonly VirtualTracker[])[],
    options: AnnouncerOptions,
  ) {
    this.#clock = clock;
    this.#startMs = clock.nowMs;
    this.#trackers = new Map(tiers.flat().map((tracker) => [tracker.url, tracker]));
    this.announcer = new Announcer(tiers.map((tier) => tier.map(({ url }) => url)), {
      probes: true,
      ...options,
    });
  }

  /** The tracker that answered last. */
  get inUse(): string | null {
    return this.#inUse;
  }

  /** Begins, as a leecher unless told otherwise; `owed` is a completion of an earlier run. */
  start(isToldComplete = false, owed: { toldTo: string[] } | null = null): void {
    this.#input((nowMs) => this.announcer.start(nowMs, isToldComplete, owed));
  }

  /** Has everything now. */
  complete(): void {
    this.#input((nowMs) => this.announcer.complete(nowMs));
  }

  /** Has no peers. */
  wantPeers(): void {
    this.#input((nowMs) => this.announcer.wantPeers(nowMs));
  }

  /** Leaves. */
  stop(): void {
    this.#input((nowMs) => this.announcer.stop(nowMs));
  }

  #input(act: (nowMs: number) => void): void {
    act(this.#clock.nowMs);
    for (let order; (order = this.announcer.takeAnnounce()) !== null;) this.#announce(order);
    for (let url; (url = this.announcer.takeProbe()) !== null;) this.#probe(url);
    this.#arm();
  }

  #announce({ url, event }: AnnounceOrder): void {
    const { nowMs } = this.#clock;
    this.course.announces++;
    this.#countHour(url, nowMs);
    const { afterMs, reply } = this.#trackers.get(url)!.hear(event, nowMs);
    this.#clock.after(afterMs, () => {
      if (typeof reply === "string") this.#failingSinceMs ??= nowMs;
      else this.#noteAnswer(url, event);
      this.#input((nowMs) => {
        if (typeof reply === "string") this.announcer.handleError(url, reply, nowMs);
        else this.announcer.handleResult(url, reply, nowMs);
      });
    });
  }

  #probe(url: string): void {
    this.course.probes++;
    const { afterMs, error } = this.#trackers.get(url)!.probe();
    this.#clock.after(afterMs, () => {
      this.#input((nowMs) => this.announcer.handleProbe(url, error, nowMs));
    });
  }

  #arm(): void {
    const { nextDeadlineMs } = this.announcer;
    if (nextDeadlineMs >= this.#armedForMs) return;
    this.#armedForMs = nextDeadlineMs;
    this.#clock.after(nextDeadlineMs - this.#clock.nowMs, () => {
      if (nextDeadlineMs !== this.#armedForMs) return;
      this.#armedForMs = Infinity;
      this.#input((nowMs) => this.announcer.handleDeadline(nowMs));
    });
  }

  #noteAnswer(url: string, event: TrackerEvent): void {
    const { course } = this;
    const { nowMs } = this.#clock;
    course.answered++;
    course.firstAnswerMs ??= nowMs - this.#startMs;
    if (this.#failingSinceMs !== null) {
      course.longestGapMs = Math.max(course.longestGapMs, nowMs - this.#failingSinceMs);
      this.#failingSinceMs = null;
    }
    if (event === "stopped") return;
    if (this.#inUse !== null && this.#inUse !== url) course.switches++;
    this.#inUse = url;
  }

  #countHour(url: string, nowMs: number): void {
    const sent = this.#sentMs.get(url) ?? [];
    sent.push(nowMs);
    while (sent[0]! < nowMs - 3_600_000) sent.shift();
    this.#sentMs.set(url, sent);
    this.course.busiestHour = Math.max(this.course.busiestHour, sent.length);
  }
}
