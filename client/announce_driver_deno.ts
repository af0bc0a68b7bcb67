/**
 * Carries out what an announcer orders: the requests to trackers, one after the other.
 *
 * @module
 */

import { getLogger } from "@logtape/logtape";
import {
  announceHttp,
  Announcer,
  type AnnounceRequest,
  type AnnounceResult,
  type TrackerStatus,
} from "@enjambre/tracker";

const logger = getLogger(["enjambre", "client"]);

/** Peers asked of a tracker at once; most trackers give no more. */
const PEERS_WANTED = 50;

/** How long the trackers' answers to `stopped` are waited for at the end. */
const FAREWELL_MS_MAX = 2000;

/** What a tracker said that was not a refusal. */
export type Answer = Extract<AnnounceResult, { ok: true }>;

/** What of an announce depends on the torrent and on the moment. */
export type AnnounceFacts = Pick<
  AnnounceRequest,
  "infoHash" | "peerId" | "port" | "key" | "uploaded" | "downloaded" | "left" | "hostname"
>;

/** What an {@linkcode AnnounceDriver} needs. */
export interface AnnounceContext {
  /** Announce URLs by tier (BEP 12). */
  readonly trackers: readonly (readonly string[])[];
  /** A monotonic clock. */
  readonly nowMs: () => number;
  /** What is to be said of us now. */
  readonly facts: () => AnnounceFacts;
  /** Receives what a tracker answered. */
  readonly handleAnswer: (answer: Answer) => void;
  /** Asks to be woken: {@linkcode AnnounceDriver.nextDeadlineMs} may be nearer than before. */
  readonly arm: () => void;
}

/** The trackers of one torrent, and what they are told. */
export class AnnounceDriver {
  readonly #context: AnnounceContext;
  readonly #announcer: Announcer;
  #running: Promise<void> | null = null;
  #abort = new AbortController();

  constructor(context: AnnounceContext) {
    this.#context = context;
    this.#announcer = new Announcer(context.trackers, { random: Math.random });
  }

  /** When {@linkcode handleDeadline} has to be called. */
  get nextDeadlineMs(): number {
    return this.#announcer.nextDeadlineMs;
  }

  /** What is known of each tracker, in the order in which they are asked. */
  status(): TrackerStatus[] {
    return this.#announcer.status();
  }

  /** Whether a tracker has taken note that everything is here now. */
  get hasToldCompletion(): boolean {
    return this.#announcer.hasToldCompletion;
  }

  /** Says that we are here; `isToldComplete` tells that completion is no news, now or later. */
  start(isToldComplete: boolean): void {
    this.#announcer.start(this.#context.nowMs(), isToldComplete);
    this.#run();
  }

  /** Says that everything is here now. */
  complete(): void {
    this.#announcer.complete(this.#context.nowMs());
    this.#run();
  }

  /** Asks for peers before it is time to, as far as the trackers allow. */
  wantPeers(): void {
    this.#announcer.wantPeers(this.#context.nowMs());
    this.#run();
  }

  /** The time has come for something. */
  handleDeadline(nowMs: number): void {
    this.#announcer.handleDeadline(nowMs);
    this.#run();
  }

  /** Tells the trackers that we leave; gives up after two seconds. */
  async leave(): Promise<void> {
    const underWay = this.#abort;
    const farewell = new AbortController();
    this.#abort = farewell;
    // The announce that is under way, `completed` perhaps, gets half of the time.
    const timers = [
      setTimeout(() => underWay.abort(), FAREWELL_MS_MAX / 2),
      setTimeout(() => farewell.abort(), FAREWELL_MS_MAX),
    ];
    this.#announcer.stop(this.#context.nowMs());
    await this.#running;
    while (!this.#announcer.isStopped && !farewell.signal.aborted) await this.#announceAll();
    timers.forEach(clearTimeout);
  }

  /** Carries out the announcer's orders until there is none. */
  #run(): void {
    this.#running ??= this.#announceAll().finally(() => {
      this.#running = null;
      this.#context.arm();
    });
    this.#context.arm();
  }

  async #announceAll(): Promise<void> {
    const { nowMs, facts } = this.#context;
    for (;;) {
      const order = this.#announcer.takeAnnounce();
      if (order === null) return;
      try {
        const result = await announceHttp(order.url, {
          ...facts(),
          event: order.event,
          numWant: order.event === "stopped" ? 0 : PEERS_WANTED,
          ...(order.trackerId !== null && { trackerId: order.trackerId }),
        }, { signal: this.#abort.signal });
        this.#announcer.handleResult(order.url, result, nowMs());
        if (result.ok) this.#context.handleAnswer(result);
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error);
        logger.info("announce failed: {message}", { message });
        this.#announcer.handleError(order.url, message, nowMs());
      }
    }
  }
}
