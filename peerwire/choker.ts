/**
 * Who gets our upload: tit-for-tat with one optimistic slot (BEP 3), and turns where nobody gives us anything.
 *
 * @module
 */

import type { Connection } from "./connection.ts";

/** How often the choice is made anew, in milliseconds (BEP 3: ten seconds, so that TCP gets up to speed). */
export const CHOKE_ROUND_MS = 10_000;

/** Rounds after which the optimistic slot goes to another peer: 30 seconds (BEP 3). */
const OPTIMISTIC_ROUNDS = 3;

/** A peer that connected this recently is three times as likely to get the optimistic slot (BEP 3). */
const NEWCOMER_MS = 60_000;

/** How often a newcomer stands in the draw for the optimistic slot. */
const NEWCOMER_TICKETS = 3;

/**
 * How long a turn is, in seconds of a mean slot: three rounds, so that TCP's start and the first requests' way are a
 * small part of it. Who takes twice what the mean slot takes has used its turn up in half the time.
 */
const TURN_SECONDS = 30;

/** A peer that was let ask this long ago and asks for nothing leaves its slot to another: a long line's way and back. */
const IDLE_MS = 2000;

/** Peers unchoked between rounds, because others ask for nothing, to at most so many times the slots. */
const UNCHOKED_PER_SLOT_MAX = 2;

/** What one peer has had of our upload, where slots go by turns. */
interface Account {
  /** What it had, in seconds of a mean slot; who has the least is next. */
  usedSeconds: number;
  /** The part of it since it was last unchoked. */
  turnSeconds: number;
  /** Its `uploadedBytes` at the end of the last round. */
  uploadedBytes: number;
  /** Its `uploadedBytes` when that was last looked at, and when they last grew. */
  seenBytes: number;
  seenAtMs: number;
}

/**
 * Chooses whom to unchoke.
 *
 * While we download, those that give us most come first, and those that give nothing take turns in the slots that are
 * left. A peer that snubs us gets no slot but the optimistic one. As a seed, all slots go by turns: a turn is used
 * up by the time it lasts or by the bytes it takes, whichever is more, counted in what a mean slot gives; then those
 * who wait come first, in the order of what they had. So a fast peer has its share and no more, a slow one does not
 * hold a slot for ever, and all are served, one after another.
 */
export class Choker {
  readonly #slots: () => number;
  readonly #random: () => number;
  #accounts = new Map<Connection, Account>();
  /** What those who wait had had at least, at the end of the last round. */
  #leastSeconds = 0;
  #roundAtMs = 0;
  #optimistic: Connection | null = null;
  #roundsLeft = 0;
  /** Who has had the optimistic slot since all had it. */
  #hadOptimistic = new Set<Connection>();

  /**
   * @param slots peers that are served at once, the optimistic one included; asked anew each time where it is a function
   * @param random uniform numbers in [0, 1)
   */
  constructor(slots: number | (() => number), random: () => number) {
    this.#slots = typeof slots === "number" ? () => slots : slots;
    this.#random = random;
  }

  /** How many peers are served at once. */
  get slots(): number {
    return this.#slots();
  }

  /**
   * Chooses for the round that begins now, among the connections whose peers are interested. All others are to be
   * choked.
   *
   * @param connections all live connections; those who are unchoked have been since their `chokeChangedAtMs`
   * @param isSeed whether we want nothing of anybody
   */
  choose(connections: Iterable<Connection>, isSeed: boolean, nowMs: number): Set<Connection> {
    const all = [...connections];
    this.#settle(all, nowMs);
    const interested = all.filter((connection) => connection.isWanting);
    const deserving = interested.filter((connection) => isSeed || !connection.isSnubbed);
    this.#sort(deserving, isSeed, nowMs);
    const chosen = new Set(deserving.slice(0, this.slots - 1));
    const rest = interested.filter((connection) => !chosen.has(connection));
    if (rest.length > 0) chosen.add(this.#drawOptimistic(rest, nowMs));
    return chosen;
  }

  /**
   * Chooses one more peer between rounds, if there is a slot that nobody uses: its holder is gone, wants nothing any
   * more, or asks for nothing.
   *
   * @returns whom to unchoke now; null where every slot is in use, or nobody waits
   */
  chooseNext(
    connections: Iterable<Connection>,
    isSeed: boolean,
    nowMs: number,
  ): Connection | null {
    const waiting: Connection[] = [];
    let unchoked = 0;
    let used = 0;
    for (const connection of connections) {
      if (!connection.isWanting) continue;
      if (connection.amChoking) {
        if (isSeed || !connection.isSnubbed) waiting.push(connection);
        continue;
      }
      unchoked++;
      if (!this.#isIdle(connection, nowMs)) used++;
    }
    const { slots } = this;
    if (used >= slots || unchoked >= slots * UNCHOKED_PER_SLOT_MAX) return null;
    this.#sort(waiting, isSeed, nowMs);
    return waiting[0] ?? null;
  }

  /** Best first. */
  #sort(connections: Connection[], isSeed: boolean, nowMs: number): void {
    const rates = new Map<Connection, number>();
    if (!isSeed) { for (const c of connections) rates.set(c, c.downRate.bytesPerSecond(nowMs)); }
    connections.sort((a, b) =>
      (rates.get(b) ?? 0) - (rates.get(a) ?? 0) || this.#compareTurns(a, b, nowMs)
    );
  }

  /** Whose turn it is keeps it until it is used up; then comes who had the least, and of those who waits longest. */
  #compareTurns(a: Connection, b: Connection, nowMs: number): number {
    const one = this.#accountOf(a, nowMs);
    const other = this.#accountOf(b, nowMs);
    return Number(isInTurn(b, other)) - Number(isInTurn(a, one)) ||
      one.usedSeconds - other.usedSeconds || a.chokeChangedAtMs - b.chokeChangedAtMs;
  }

  /** Ends a round: notes what each had of it, and forgets who is gone. */
  #settle(connections: readonly Connection[], nowMs: number): void {
    const accounts = new Map<Connection, Account>();
    for (const connection of connections) {
      accounts.set(connection, this.#accountOf(connection, nowMs));
    }
    this.#accounts = accounts;
    this.#hadOptimistic = new Set([...this.#hadOptimistic].filter((c) => accounts.has(c)));
    const rate = this.#meanSlotRate(nowMs);
    let least = Infinity;
    for (const [connection, account] of accounts) {
      const bytes = connection.uploadedBytes - account.uploadedBytes;
      account.uploadedBytes = connection.uploadedBytes;
      if (connection.amChoking) {
        account.turnSeconds = 0;
      } else {
        const seconds = this.#servedSeconds(connection, nowMs);
        const used = Math.max(seconds, rate > 0 ? bytes / rate : 0);
        account.usedSeconds += used;
        account.turnSeconds += used;
        const isUnused = bytes === 0 && connection.uploads.count === 0;
        if (isUnused && seconds * 1000 >= CHOKE_ROUND_MS) account.turnSeconds = TURN_SECONDS;
      }
      if (connection.isWanting) least = Math.min(least, account.usedSeconds);
    }
    if (least !== Infinity) this.#leastSeconds = Math.max(this.#leastSeconds, least);
    // Who wanted nothing has saved up nothing.
    for (const account of accounts.values()) {
      account.usedSeconds = Math.max(account.usedSeconds, this.#leastSeconds);
    }
    this.#roundAtMs = nowMs;
  }

  /** What a slot gave in this round on average, in bytes per second. */
  #meanSlotRate(nowMs: number): number {
    let bytes = 0;
    let seconds = 0;
    for (const [connection, account] of this.#accounts) {
      if (connection.amChoking || !connection.isWanting) continue;
      bytes += connection.uploadedBytes - account.uploadedBytes;
      seconds += this.#servedSeconds(connection, nowMs);
    }
    return seconds > 0 ? bytes / seconds : 0;
  }

  /** For how much of this round a peer has been unchoked. */
  #servedSeconds(connection: Connection, nowMs: number): number {
    return (nowMs - Math.max(this.#roundAtMs, connection.chokeChangedAtMs)) / 1000;
  }

  /** A newcomer's account says that it had a turn: otherwise a peer would come back as another, again and again. */
  #accountOf(connection: Connection, nowMs: number): Account {
    let account = this.#accounts.get(connection);
    if (account === undefined) {
      account = {
        usedSeconds: this.#leastSeconds + TURN_SECONDS,
        turnSeconds: 0,
        uploadedBytes: connection.uploadedBytes,
        seenBytes: connection.uploadedBytes,
        seenAtMs: nowMs,
      };
      this.#accounts.set(connection, account);
    }
    return account;
  }

  /** Whether a peer that we let ask has asked for nothing lately. */
  #isIdle(connection: Connection, nowMs: number): boolean {
    const account = this.#accountOf(connection, nowMs);
    if (connection.uploadedBytes !== account.seenBytes || connection.uploads.count > 0) {
      account.seenBytes = connection.uploadedBytes;
      account.seenAtMs = nowMs;
    }
    return nowMs - Math.max(account.seenAtMs, connection.chokeChangedAtMs) >= IDLE_MS;
  }

  #drawOptimistic(candidates: readonly Connection[], nowMs: number): Connection {
    const current = this.#optimistic;
    if (--this.#roundsLeft > 0 && current !== null && candidates.includes(current)) return current;
    let fresh = candidates.filter((connection) => !this.#hadOptimistic.has(connection));
    if (fresh.length === 0) {
      for (const connection of candidates) this.#hadOptimistic.delete(connection);
      fresh = candidates.filter((connection) => connection !== current);
      if (fresh.length === 0) fresh = [...candidates];
    }
    const tickets: Connection[] = [];
    for (const connection of fresh) {
      const isNew = nowMs - connection.openedAtMs < NEWCOMER_MS;
      for (let i = isNew ? NEWCOMER_TICKETS : 1; i > 0; i--) tickets.push(connection);
    }
    const drawn = tickets[Math.floor(this.#random() * tickets.length)]!;
    this.#hadOptimistic.add(drawn);
    this.#optimistic = drawn;
    this.#roundsLeft = OPTIMISTIC_ROUNDS;
    return drawn;
  }
}

/** Whether a peer is being served and has not used its turn up. */
function isInTurn(connection: Connection, account: Account): boolean {
  return !connection.amChoking && account.turnSeconds < TURN_SECONDS;
}
