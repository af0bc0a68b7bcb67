/**
 * Stands between a swarm and its store: what the store cannot do now is tried again, and what happens to the files
 * behind our back is noticed.
 *
 * @module
 */

import { getLogger } from "@logtape/logtape";
import { BLOCK_BYTES } from "@enjambre/metainfo";
import type { PartialPiece } from "@enjambre/peerwire";
import { type Damage, type PieceStore, StorageError } from "@enjambre/storage";

const logger = getLogger(["enjambre", "client"]);

/** Time between two tries while the store is in trouble: room that came back is used within ten seconds. */
const RETRY_MS = 5000;

/** Time between two looks at the files: so long may pieces be offered that are gone, to peers that do not ask for them. */
const LOOK_MS = 5000;

/** Why a torrent does not go on, until it does again by itself. */
export interface Pause {
  /** What kind of trouble it is, as `StorageError` has it. */
  readonly code: StorageError["code"];
  /** For people. */
  readonly message: string;
  /** The file or folder that it is about; empty where it is about none. */
  readonly path: string;
  /** When it began, on the session's clock. */
  readonly sinceMs: number;
}

/** What a {@linkcode StoreKeeper} needs. */
export interface KeeperContext {
  /** A monotonic clock. */
  readonly nowMs: () => number;
  /** Asks to be woken: {@linkcode StoreKeeper.nextDeadlineMs} may be nearer than before. */
  readonly arm: () => void;
  /** The files cannot be reached: nothing may be offered. */
  readonly handleAway: () => void;
  /** Files changed behind our back, or were away: they have to be checked before they are offered again. */
  readonly handleDamage: (damages: readonly Damage[]) => void;
}

/**
 * Writes, reads and watches the files of one torrent.
 *
 * A write that fails keeps its piece in memory and is tried again every five seconds, one for all that wait, until it
 * succeeds. Meanwhile the pool of pieces fills, and that stops the download by itself; nothing that was verified is
 * thrown away, and nothing is fetched twice.
 */
export class StoreKeeper {
  readonly #store: PieceStore;
  readonly #context: KeeperContext;
  /** Those that wait for the end of the trouble; each is told whether it may try. */
  readonly #waiting: ((mayTry: boolean) => void)[] = [];
  readonly #underWay = new Set<Promise<unknown>>();
  /** What came whole and was given up. */
  readonly #unwritten: PartialPiece[] = [];
  /** Why nothing can be written. */
  #writePause: Pause | null = null;
  /** Why the files cannot even be looked at. */
  #awayPause: Pause | null = null;
  /** Whether what fails is given up, and not tried again. */
  #isParked = false;
  #isEnded = false;
  #isLooking = false;
  #nextTryMs = Infinity;
  #nextLookMs: number;

  constructor(store: PieceStore, context: KeeperContext) {
    this.#store = store;
    this.#context = context;
    this.#nextLookMs = context.nowMs() + LOOK_MS;
  }

  /** Why nothing can be stored now; null while all is well. */
  get pause(): Pause | null {
    return this.#awayPause ?? this.#writePause;
  }

  /** When {@linkcode handleDeadline} has to be called. */
  get nextDeadlineMs(): number {
    return this.#isEnded ? Infinity : Math.min(this.#nextTryMs, this.#nextLookMs);
  }

  /** The time has come to try again, or to look. */
  handleDeadline(nowMs: number): void {
    if (nowMs >= this.#nextTryMs) {
      this.#nextTryMs = nowMs + RETRY_MS;
      this.#waiting.shift()?.(true);
    }
    if (nowMs >= this.#nextLookMs) this.#look();
  }

  /**
   * Verifies and stores a piece, however long that takes; `"failed"` only where it was given up: {@linkcode unwritten}.
   *
   * **Ownership**: `data` is borrowed until then.
   */
  write(
    piece: number,
    data: Uint8Array,
  ): Promise<"stored" | "corrupt" | "failed"> {
    return this.#track(this.#write(piece, data));
  }

  /** Fills `target` from a piece. @returns whether it could be read */
  async read(piece: number, begin: number, target: Uint8Array<ArrayBuffer>): Promise<boolean> {
    try {
      await this.#track(this.#store.read(piece, begin, target));
      return true;
    } catch (error) {
      logger.info("piece {piece} cannot be read: {message}", { piece, message: messageOf(error) });
      this.#lookSoon();
      return false;
    }
  }

  /**
   * Gives up what waits for better times, until {@linkcode unpark}: for a check, without which it might wait for ever.
   * Resolves when nothing is being written or read any more.
   */
  async park(): Promise<void> {
    this.#isParked = true;
    this.#writePause = null;
    this.#nextTryMs = Infinity;
    for (const go of this.#waiting.splice(0)) go(false);
    while (this.#underWay.size > 0) await Promise.allSettled(this.#underWay);
  }

  /** Tries again what fails from now on; the pieces that were given up, which are the caller's now. */
  unpark(): PartialPiece[] {
    this.#isParked = false;
    return this.#unwritten.splice(0);
  }

  /** Gives up what waits for better times, for ever; resolves when what is under way is done. */
  async end(): Promise<void> {
    this.#isEnded = true;
    await this.park();
  }

  /** The pieces that came whole and were given up. To be called after {@linkcode end}. */
  unwritten(): readonly PartialPiece[] {
    return this.#unwritten;
  }

  async #write(
    piece: number,
    data: Uint8Array,
  ): Promise<"stored" | "corrupt" | "failed"> {
    for (;;) {
      if (this.#writePause !== null && !await this.#turn()) break;
      try {
        const outcome = await this.#store.write(piece, data);
        this.#handleSuccess();
        return outcome;
      } catch (error) {
        if (this.#isParked) break;
        this.#writePause = this.#pauseFor(error, this.#writePause);
        this.#nextTryMs = this.#context.nowMs() + RETRY_MS;
        this.#lookSoon();
      }
    }
    const blocks = Math.ceil(data.length / BLOCK_BYTES);
    const received = new Uint8Array(Math.ceil(blocks / 8)).fill(0xff);
    if (blocks % 8 > 0) received[received.length - 1] = 0xff00 >>> (blocks % 8) & 0xff;
    this.#unwritten.push({ piece, received, data: data.slice() });
    return "failed";
  }

  /** Waits for the next try, or for the end of the trouble. @returns false when it is given up */
  #turn(): Promise<boolean> {
    if (this.#isParked) return Promise.resolve(false);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #handleSuccess(): void {
    if (this.#writePause === null) return;
    logger.info("the store works again");
    this.#writePause = null;
    this.#nextTryMs = Infinity;
    for (const go of this.#waiting.splice(0)) go(true);
  }

  #pauseFor(error: unknown, before: Pause | null): Pause {
    const { code, path } = error instanceof StorageError
      ? error
      : { code: "io" as const, path: "" };
    const message = messageOf(error);
    if (before?.code !== code) logger.info("{message}", { message });
    return { code, message, path, sinceMs: before?.sinceMs ?? this.#context.nowMs() };
  }

  #lookSoon(): void {
    this.#nextLookMs = this.#context.nowMs();
    this.#context.arm();
  }

  /** Looks whether the files are as they should be. */
  #look(): void {
    this.#nextLookMs = this.#context.nowMs() + LOOK_MS;
    if (this.#isLooking) return;
    this.#isLooking = true;
    this.#track(this.#store.inspect()).then(
      (damages) => {
        const wasAway = this.#awayPause !== null;
        this.#awayPause = null;
        if (!this.#isEnded && (wasAway || damages.length > 0)) this.#context.handleDamage(damages);
      },
      (error: unknown) => {
        this.#awayPause = this.#pauseFor(error, this.#awayPause);
        if (!this.#isEnded) this.#context.handleAway();
      },
    ).finally(() => {
      this.#isLooking = false;
      this.#context.arm();
    });
  }

  #track<T>(work: Promise<T>): Promise<T> {
    this.#underWay.add(work);
    const forget = (): boolean => this.#underWay.delete(work);
    work.then(forget, forget);
    return work;
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
