/**
 * What each connection has cost us so far: allowances, and points for what no honest node sends.
 *
 * @module
 */

/** With so many points a connection is closed and its host refused for a while. */
export const POINTS_MAX = 100;
/** Points that are forgiven each second. */
const FORGIVEN_PER_SECOND = 2;

/**
 * What misbehaviour costs. Only what cannot happen to an honest node costs all at once: it verifies what it
 * passes on. A record that expired here may be alive elsewhere, and two chains may share a tag.
 */
const POINTS = {
  /** A record or beat whose owner never said it. */
  forged: POINTS_MAX,
  /** A line that is no message. */
  malformed: POINTS_MAX,
  /** A beat that fits no chain: twenty a second go unpunished. */
  wrongBeat: 0.1,
  /** A record that expired here: forty a second go unpunished, and a thousand once. */
  expired: 0.05,
  /** A record beyond the allowance. */
  flood: 0.05,
} as const satisfies Record<Offence, number>;

/** What may go wrong with what somebody sends. */
export type Offence = "forged" | "malformed" | "wrongBeat" | "expired" | "flood";

/** Records that a connection may push at once: all torrents of a large client. */
const PUSH_BURST = 2000;
/** Records that a connection may push each second after that. */
const PUSH_PER_SECOND = 200;

/** So many at once, and so many per second after that. */
export class Allowance {
  readonly #burst: number;
  readonly #perSecond: number;
  #left: number;
  #sinceMs: number;

  /** Begins with all of the burst. */
  constructor(burst: number, perSecond: number, nowMs: number) {
    this.#burst = burst;
    this.#perSecond = perSecond;
    this.#left = burst;
    this.#sinceMs = nowMs;
  }

  /** Takes one, if there is one. */
  take(nowMs: number): boolean {
    const earned = (nowMs - this.#sinceMs) * this.#perSecond / 1000;
    this.#left = Math.min(this.#burst, this.#left + earned);
    this.#sinceMs = nowMs;
    if (this.#left < 1) return false;
    this.#left--;
    return true;
  }

  /** Whether nothing is owed: it says the same as one that was just made. */
  isFull(nowMs: number): boolean {
    return this.#left + (nowMs - this.#sinceMs) * this.#perSecond / 1000 >= this.#burst;
  }
}

/** One connection, as long as it lasts. */
export interface Sender {
  /** Where it says that it listens; `null` before it has said so. Unproven where it dialled us. */
  address: string | null;
  readonly push: Allowance;
  points: number;
  pointsMs: number;
  /** Until when records from it are the answer to a question of ours. */
  askedUntilMs: number;
  /** Whether a `sync` of ours is under way to it. */
  owesAnswer: boolean;
}

/** The connections that have said something, or been told something. */
export class Senders {
  readonly #senders = new Map<string, Sender>();
  /** How often each thing happened, with all of them. */
  readonly offences: Record<Offence, number> = {
    forged: 0,
    malformed: 0,
    wrongBeat: 0,
    expired: 0,
    flood: 0,
  };

  /** The account of a connection; a new one begins with nothing owed. */
  of(endpoint: string, nowMs: number): Sender {
    const known = this.#senders.get(endpoint);
    if (known !== undefined) return known;
    const sender: Sender = {
      address: null,
      push: new Allowance(PUSH_BURST, PUSH_PER_SECOND, nowMs),
      points: 0,
      pointsMs: nowMs,
      askedUntilMs: -Infinity,
      owesAnswer: false,
    };
    this.#senders.set(endpoint, sender);
    return sender;
  }

  /** Where a connection's other end listens, as far as it said. */
  addressOf(endpoint: string): string | null {
    return this.#senders.get(endpoint)?.address ?? null;
  }

  /** Forgets a connection that is closed. */
  delete(endpoint: string): void {
    this.#senders.delete(endpoint);
  }

  /** Counts an offence. @returns whether the connection is to be closed for it */
  blame(endpoint: string, offence: Offence, count: number, nowMs: number): boolean {
    if (count === 0) return false;
    this.offences[offence] += count;
    const sender = this.of(endpoint, nowMs);
    const forgiven = FORGIVEN_PER_SECOND * (nowMs - sender.pointsMs) / 1000;
    sender.points = Math.max(0, sender.points - forgiven) + count * POINTS[offence];
    sender.pointsMs = nowMs;
    return sender.points >= POINTS_MAX;
  }
}
