/**
 * Carries out what an announcer orders: the requests to trackers, and the probes of them.
 *
 * @module
 */

import { getLogger } from "@logtape/logtape";
import {
  type AnnounceOrder,
  Announcer,
  type AnnounceRequest,
  type AnnounceResult,
  TrackerClient,
  type TrackerMemory,
  type TrackerStatus,
} from "@enjambre/tracker";
import type { TrackersFile } from "./trackers_file_deno.ts";

const logger = getLogger(["enjambre", "client"]);

/** Peers asked of a tracker at once; most trackers give no more. */
const PEERS_WANTED = 50;

/** How long the trackers' answers to `stopped` are waited for at the end. */
const FAREWELL_MS_MAX = 2000;

/** How long one tracker is waited for where another can be asked instead: over UDP, as long as its first packet. */
const PATIENCE_MS = 15_000;

/** How long the only tracker is waited for: over UDP that is one packet more (BEP 15), sent after 15 s. */
const PATIENCE_ALONE_MS = 45_000;

/** Asks the trackers of all torrents of this process: a UDP tracker's connection id serves them all. */
const client = new TrackerClient();

/** What a tracker said that was not a refusal. */
export type Answer = Extract<AnnounceResult, { ok: true }>;

/** What of an announce depends on the torrent and on the moment. */
export type AnnounceFacts = Pick<
  AnnounceRequest,
  "infoHash" | "peerId" | "port" | "key" | "uploaded" | "downloaded" | "left" | "hostname"
>;

/** How a torrent's trackers are chosen. */
export interface AnnounceChoices {
  /** Whether to announce to every tracker, not to one at a time. */
  readonly isToAll?: boolean;
  /** What is known of trackers from earlier runs; left out: nothing. */
  readonly memory?: readonly TrackerMemory[];
  /** Where that is kept for later ones; left out: nowhere. */
  readonly trackersFile?: TrackersFile;
}

/** What an {@linkcode AnnounceDriver} needs. */
export interface AnnounceContext extends AnnounceChoices {
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
  readonly #isAlone: boolean;
  readonly #underWay = new Set<Promise<void>>();
  /** Ends the announces of a running torrent. */
  #running = new AbortController();
  /** Ends the probes. */
  #probing = new AbortController();
  /** Ends the farewells; null before them. */
  #leaving: AbortController | null = null;
  #told = { uploaded: 0, downloaded: 0 };
  #wasWithoutTracker = false;

  constructor(context: AnnounceContext) {
    this.#context = context;
    const { isToAll = false, memory = [] } = context;
    this.#announcer = new Announcer(context.trackers, {
      random: Math.random,
      probes: true,
      toAll: isToAll,
      memory,
    });
    this.#isAlone = this.#announcer.status().length === 1;
  }

  /** When {@linkcode handleDeadline} has to be called. */
  get nextDeadlineMs(): number {
    return this.#announcer.nextDeadlineMs;
  }

  /** What is known of each tracker, in the order in which they are asked. */
  status(): TrackerStatus[] {
    return this.#announcer.status();
  }

  /** Whether the trackers that are to be told of the completion have been. */
  get hasToldCompletion(): boolean {
    return this.#announcer.hasToldCompletion;
  }

  /** The trackers that have been told of it. */
  get toldCompletion(): string[] {
    return this.#announcer.toldCompletion;
  }

  /**
   * Says that we are here; `isToldComplete` tells that completion is no news, now or later, unless that of an earlier
   * run is `owed` to other trackers than those that were told then.
   */
  start(isToldComplete: boolean, owed: { toldTo: readonly string[] } | null = null): void {
    this.#running = new AbortController();
    this.#probing = new AbortController();
    this.#leaving = null;
    this.#announcer.start(this.#context.nowMs(), isToldComplete, owed);
    this.#carryOut();
  }

  /** Says that everything is here now. */
  complete(): void {
    this.#announcer.complete(this.#context.nowMs());
    this.#carryOut();
  }

  /** Asks for peers before it is time to, as far as the trackers allow. */
  wantPeers(): void {
    this.#announcer.wantPeers(this.#context.nowMs());
    this.#carryOut();
  }

  /** The time has come for something. */
  handleDeadline(nowMs: number): void {
    this.#announcer.handleDeadline(nowMs);
    this.#carryOut();
  }

  /** Tells the trackers that we leave, all of them at once; gives up after two seconds. */
  async leave(): Promise<void> {
    const leaving = new AbortController();
    this.#leaving = leaving;
    this.#probing.abort();
    // The announce that is under way, `completed` perhaps, gets half of the time.
    const timers = [
      setTimeout(() => this.#running.abort(), FAREWELL_MS_MAX / 2),
      setTimeout(() => leaving.abort(), FAREWELL_MS_MAX),
    ];
    this.#announcer.stop(this.#context.nowMs());
    this.#carryOut();
    while (this.#underWay.size > 0) await Promise.race(this.#underWay);
    timers.forEach(clearTimeout);
    await this.#keep();
  }

  /** Begins what the announcer orders; none of it is waited for. */
  #carryOut(): void {
    const work: Promise<void>[] = [];
    for (let order; (order = this.#announcer.takeAnnounce()) !== null;) {
      work.push(this.#announce(order));
    }
    for (let url; (url = this.#announcer.takeProbe()) !== null;) work.push(this.#probe(url));
    for (const each of work) {
      this.#underWay.add(each);
      each.finally(() => this.#underWay.delete(each));
    }
    this.#context.arm();
  }

  async #announce(order: AnnounceOrder): Promise<void> {
    const { nowMs, handleAnswer } = this.#context;
    const { url, event } = order;
    const { signal } = this.#leaving ?? this.#running;
    try {
      const result = await client.announce(url, {
        ...this.#facts(),
        event,
        numWant: event === "stopped" ? 0 : PEERS_WANTED,
        ...(order.trackerId !== null && { trackerId: order.trackerId }),
      }, {
        signal,
        timeoutMs: this.#isAlone && url.startsWith("udp:") ? PATIENCE_ALONE_MS : PATIENCE_MS,
        handleLate: (answer) => {
          if (this.#leaving === null) handleAnswer(answer);
        },
      });
      this.#announcer.handleResult(url, result, nowMs());
      if (result.ok) handleAnswer(result);
    } catch (error) {
      const message = messageOf(error);
      logger.info("announce failed: {message}", { message });
      this.#announcer.handleError(url, message, nowMs());
    }
    this.#carryOut();
    if (this.#leaving !== null) return;
    this.#tellWithoutTracker();
    await this.#keep();
  }

  async #probe(url: string): Promise<void> {
    const error = await client.probe(url, { signal: this.#probing.signal }).then(
      () => null,
      // Whoever shows it names the tracker.
      (error: unknown) => messageOf(error).replace(/^Cannot probe \S+: /, ""),
    );
    logger.debug("probed: {result}", { result: error ?? "it answers" });
    this.#announcer.handleProbe(url, error, this.#context.nowMs());
    this.#carryOut();
  }

  /** What is to be said of us; counters never go back, whatever happens to files meanwhile. */
  #facts(): AnnounceFacts {
    const facts = this.#context.facts();
    this.#told = {
      uploaded: Math.max(this.#told.uploaded, facts.uploaded),
      downloaded: Math.max(this.#told.downloaded, facts.downloaded),
    };
    return { ...facts, ...this.#told };
  }

  /** Says once when no tracker answers, and when the next is asked. */
  #tellWithoutTracker(): void {
    const trackers = this.#announcer.status();
    const isWithout = trackers.every(({ lastError }) => lastError !== null);
    const nextMs = this.#announcer.nextDeadlineMs - this.#context.nowMs();
    if (isWithout && !this.#wasWithoutTracker && Number.isFinite(nextMs)) {
      const seconds = Math.ceil(nextMs / 1000);
      logger.info("no tracker answers; the next try is in {seconds} s", { seconds });
    }
    this.#wasWithoutTracker = isWithout;
  }

  /** Has what is known of the trackers kept for the next run. */
  async #keep(): Promise<void> {
    const { trackersFile, nowMs, facts } = this.#context;
    if (trackersFile === undefined) return;
    const infoHash = facts().infoHash.toHex();
    const atSeconds = Math.round(Date.now() / 1000);
    const status = new Map(this.#announcer.status().map((each) => [each.url, each]));
    const trackers = this.#announcer.memory().map((memory) => ({
      ...memory,
      lastError: status.get(memory.url)?.lastError ?? null,
      atSeconds,
    }));
    const announces = [...status.values()].flatMap(({ url, nextAnnounceMs, knowsUs }) => {
      if (nextAnnounceMs === null || !knowsUs) return [];
      return [{
        infoHash,
        url,
        atSeconds: atSeconds + Math.round((nextAnnounceMs - nowMs()) / 1000),
      }];
    });
    await trackersFile.note(infoHash, trackers, announces);
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
