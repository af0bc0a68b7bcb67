import { Buffer } from "node:buffer";
import { isImpostor, packAnnounce, readAnswer, readCounts } from "./_redis_codec.ts";
import {
  loadRedisLibrary,
  messageOf,
  type RedisArgument,
  RedisConnection,
  type RedisLibrary,
  within,
} from "./_redis_connection_deno.ts";
import { KeptAnnounces } from "./kept_announces.ts";
import { StoreLines } from "./_store_lines.ts";
import { SwarmCache } from "./swarm_cache.ts";
import { formatStorePlace, parseStoreUrl, type StorePlace } from "./store_url.ts";
import {
  type Awaitable,
  IMPOSTOR_REFUSAL,
  type StoreHealth,
  type SwarmAnnounce,
  type SwarmAnswer,
  type SwarmCounts,
  type SwarmStore,
} from "./swarm_store.ts";

/** How long Redis may take to answer, or to connect; then it counts as out of reach. */
export const STORE_TIMEOUT_MS = 1000;
/** The first pause before Redis is tried again; it doubles, and is spread by a quarter to either side. */
export const STORE_RETRY_MS_MIN = 100;
/** The longest pause before Redis is tried again. */
export const STORE_RETRY_MS_MAX = 3000;
/** How long Redis has to be in reach until the pauses begin anew. */
export const STORE_STEADY_MS = 10_000;
/** How many swarms a scrape of all tells of at most: a megabyte, and as many questions to Redis. */
export const SCRAPE_ALL_SWARMS_MAX = 10_000;
/** How long the search for all swarms may take. */
export const SCRAPE_ALL_TIMEOUT_MS = 5000;
/** A timer that is late by more is late because this process had other things to do. */
const STALL_MS = 100;
/** How many kept announces are told at a time, so that those that come meanwhile do not wait. */
const REPLAY_AT_ONCE = 100;

const WARNING = "the store of this tracker is out of reach; it answers from what it remembers";

/** How a {@link RedisSwarmStore} works. */
export interface RedisSwarmStoreOptions {
  /** How long a peer may be silent; `peerTtlMsOf` what the tracker's rules are. */
  peerTtlMs: number;
  /** Random numbers from 0 up to 1: the choice of peers. Default: `Math.random`. */
  random?: () => number;
  /** Called when Redis gets out of reach, and when it is back. Default: nothing. */
  onHealth?: (health: StoreHealth) => void;
  /**
   * Whose clock tells which peers are silent: that of Redis, or the caller's, which only the tests of this
   * store want: they cannot wait for peers to fall silent. Default: `redis`.
   */
  clock?: "redis" | "caller";
}

/** A question under way. */
interface Asked {
  readonly line: number;
  readonly hash: string;
  readonly deadlineMs: number;
  readonly reject: (error: Error) => void;
}

/**
 * A {@link SwarmStore} in Redis or Valkey, or in a cluster of them, so that any number of trackers serve the
 * same swarms.
 *
 * An announce is one round trip: one script that enters, forgets, counts and chooses. Many are under way at
 * once. Redis 6.2 or later, whose clock is the one that counts.
 *
 * While Redis is out of reach, announces are answered at once, with a warning, from a cache: the peers that
 * were seen last and those that announce meanwhile. These announces are kept, the last of each peer, and told
 * to Redis when it is back, which is tried for as long as it takes.
 *
 * {@link swarmCount} and {@link peerCount} tell of the swarms that this tracker was asked about lately.
 *
 * **Limits**: {@link STORE_TIMEOUT_MS}; `KEPT_ANNOUNCES_MAX`; `CACHED_SWARMS_MAX`, `CACHED_PEERS_MAX`,
 * `CACHE_AGE_MS`; `OUTAGE_PEERS_MAX`.
 */
export class RedisSwarmStore implements SwarmStore, AsyncDisposable {
  readonly #library: RedisLibrary;
  readonly #place: StorePlace;
  readonly #ttlText: string;
  readonly #random: () => number;
  readonly #options: RedisSwarmStoreOptions;
  readonly #lines: StoreLines;
  readonly #cache: SwarmCache;
  readonly #kept: KeptAnnounces = new KeptAnnounces();
  /** In the order in which they were asked. */
  readonly #asked: Set<Asked> = new Set();
  #timeoutTimer: ReturnType<typeof setTimeout> | null = null;
  #connection: RedisConnection | null = null;
  /** Those that were replaced, until they are closed. */
  readonly #retiring: Map<RedisConnection, ReturnType<typeof setTimeout>> = new Map();
  /** Any swarm; the last that was asked about. */
  #lastHash = "0".repeat(40);
  #reason: string | null = null;
  #downMs: number | null = null;
  #upMs = -Infinity;
  #cacheAnswers = 0;
  #retryMs = STORE_RETRY_MS_MIN;
  #recovery: Promise<void> | null = null;
  #wake: (() => void) | null = null;
  #isClosed = false;

  private constructor(library: RedisLibrary, place: StorePlace, options: RedisSwarmStoreOptions) {
    this.#library = library;
    const { peerTtlMs, random = Math.random } = options;
    this.#place = place;
    this.#options = options;
    this.#ttlText = String(Math.round(peerTtlMs));
    this.#random = random;
    this.#lines = new StoreLines(place.isCluster);
    this.#cache = new SwarmCache({ peerTtlMs, random });
  }

  /**
   * Makes a store, and connects. Where Redis is out of reach, it begins as it would go on: with a cache.
   *
   * `url` is as {@link parseStoreUrl} reads it.
   *
   * **Errors**: `RangeError` for a URL that cannot be read.
   */
  static async open(url: string, options: RedisSwarmStoreOptions): Promise<RedisSwarmStore> {
    const place = parseStoreUrl(url);
    const store = new RedisSwarmStore(await loadRedisLibrary(), place, options);
    if (!await store.#renew() || !await store.#probe(store.#lastHash)) {
      store.#lose(store.#lines.lineOf(store.#lastHash), store.#lastHash, store.#reason!);
    }
    return store;
  }

  /** Of how many swarms this tracker was asked lately. */
  get swarmCount(): number {
    return this.#cache.swarmCount;
  }

  /** How many peers these had when it was asked last. */
  get peerCount(): number {
    return this.#cache.peerCount;
  }

  /** Never: Redis forgets by itself. */
  get nextExpiryMs(): number {
    return Infinity;
  }

  /** How Redis is doing. */
  get health(): StoreHealth {
    return {
      place: formatStorePlace(this.#place),
      isUp: this.#downMs === null,
      reason: this.#downMs === null ? null : this.#reason,
      downSeconds: this.#downMs === null ? 0 : (performance.now() - this.#downMs) / 1000,
      cacheAnswers: this.#cacheAnswers,
      keptAnnounces: this.#kept.size,
    };
  }

  /** See {@link SwarmStore}. */
  announce(announce: SwarmAnnounce, nowMs: number, answer: SwarmAnswer): Awaitable<void> {
    // hot: bench/tracker_redis.ts
    answer.clear();
    const hash = announce.infoHash.toHex();
    const line = this.#lines.lineOf(hash);
    if (!this.#isUp(line)) return this.#answerFromCache(hash, announce, nowMs, answer);
    const kept = this.#kept.take(hash, announce);
    return this.#tell(line, hash, announce, kept?.isCompleted ?? false, nowMs, 0).then(
      (reply) => {
        if (isImpostor(reply)) {
          if (kept !== null) this.#kept.putBack(kept);
          answer.refusal = IMPOSTOR_REFUSAL;
          return;
        }
        readAnswer(reply, announce, answer);
        if (announce.event === "stopped") return;
        this.#cache.remember(hash, announce, answer, reply, nowMs);
      },
      () => {
        if (kept !== null) this.#kept.putBack(kept);
        this.#answerFromCache(hash, announce, nowMs, answer);
      },
    );
  }

  /** See {@link SwarmStore}; all are asked at once, without waiting for one another. */
  scrape(
    infoHashes: readonly Uint8Array[],
    nowMs: number,
  ): Awaitable<(SwarmCounts | null)[]> {
    return Promise.all(infoHashes.map((infoHash) => this.#scrape(infoHash, nowMs)));
  }

  /**
   * See {@link SwarmStore}; where Redis is out of reach, what is remembered.
   *
   * **Limits**: {@link SCRAPE_ALL_SWARMS_MAX}, {@link SCRAPE_ALL_TIMEOUT_MS}.
   */
  async scrapeAll(nowMs: number): Promise<[infoHash: Uint8Array, counts: SwarmCounts][]> {
    let hashes: string[];
    try {
      if (this.#connection === null || this.#downMs !== null) throw new Error("out of reach");
      const search = this.#connection.swarms(SCRAPE_ALL_SWARMS_MAX);
      hashes = await within(SCRAPE_ALL_TIMEOUT_MS, search);
    } catch {
      return Array.from(this.#cache.all(nowMs), ([hash, counts]) => [
        Uint8Array.fromHex(hash),
        counts,
      ]);
    }
    const infoHashes = hashes.map((hash) => Uint8Array.fromHex(hash));
    const counts = await this.scrape(infoHashes, nowMs);
    return infoHashes.flatMap((infoHash, i) => {
      const each = counts[i] ?? null;
      return each === null ? [] : [[infoHash, each]];
    });
  }

  /** Does nothing: Redis forgets by itself. */
  expire(): void {}

  /** Ends the connections, and the attempts to get others. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#connection?.close();
    this.#wake?.();
    await this.#recovery;
    for (const [connection, timer] of this.#retiring) {
      clearTimeout(timer);
      connection.close();
    }
    this.#failAll(() => true, "the store was closed");
    if (this.#timeoutTimer !== null) clearTimeout(this.#timeoutTimer);
  }

  /** Closes it. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #isUp(line: number): boolean {
    return this.#connection !== null && !this.#isClosed && this.#lines.isUp(line);
  }

  #argsOf(nowMs: number, packed?: Uint8Array<ArrayBuffer>): RedisArgument[] {
    const now = this.#options.clock === "caller" ? String(nowMs) : "";
    if (packed === undefined) return [this.#ttlText, now];
    return [this.#ttlText, now, Buffer.from(packed.buffer)];
  }

  #answerFromCache(
    hash: string,
    announce: SwarmAnnounce,
    nowMs: number,
    answer: SwarmAnswer,
  ): void {
    this.#cache.answer(hash, announce, nowMs, answer);
    this.#cacheAnswers++;
    if (answer.refusal !== null) return;
    this.#kept.keep(hash, announce, performance.now());
    answer.warning = WARNING;
  }

  async #scrape(infoHash: Uint8Array, nowMs: number): Promise<SwarmCounts | null> {
    const hash = infoHash.toHex();
    const line = this.#lines.lineOf(hash);
    if (this.#isUp(line)) {
      try {
        return readCounts(await this.#ask(line, hash, this.#argsOf(nowMs)));
      } catch {
        // What is remembered has to do.
      }
    }
    return this.#cache.countsOf(hash, infoHash, nowMs);
  }

  /** Tells Redis of an announce, and that its peer completed: before it stopped. */
  #tell(
    line: number,
    hash: string,
    announce: SwarmAnnounce,
    isCompleted: boolean,
    nowMs: number,
    ageMs: number,
  ): Promise<Buffer> {
    const ask = (told: SwarmAnnounce): Promise<Buffer> => (
      this.#ask(line, hash, this.#argsOf(nowMs, packAnnounce(told, this.#random, ageMs)))
    );
    if (!isCompleted) return ask(announce);
    const completion = { ...announce, event: "completed" as const };
    if (announce.event !== "stopped") return ask(completion);
    return Promise.all([ask(completion), ask(announce)]).then(([, reply]) => reply);
  }

  /** Asks Redis; fails after {@link STORE_TIMEOUT_MS} at the latest, and at once with all others of a line. */
  #ask(line: number, hash: string, args: readonly RedisArgument[]): Promise<Buffer> {
    const connection = this.#connection!;
    const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
    const deadlineMs = performance.now() + STORE_TIMEOUT_MS;
    const asked: Asked = { line, hash, deadlineMs, reject };
    this.#asked.add(asked);
    this.#lastHash = hash;
    if (this.#timeoutTimer === null) this.#armTimeout(STORE_TIMEOUT_MS);
    connection.run(hash, args).then((reply) => {
      this.#asked.delete(asked);
      resolve(reply);
    }, (error) => {
      if (!this.#asked.delete(asked)) return;
      // What a connection that was replaced had under way says nothing of the one in use.
      if (connection === this.#connection) this.#lose(line, hash, messageOf(error));
      reject(error);
    });
    return promise;
  }

  /** Arms the one timer, for the question that was asked first. */
  #armTimeout(delayMs: number): void {
    const dueMs = performance.now() + delayMs;
    this.#timeoutTimer = setTimeout(() => {
      this.#timeoutTimer = null;
      const nowMs = performance.now();
      // It was this process that stood still: the answers may be there, and are read first.
      if (nowMs - dueMs > STALL_MS) return this.#armTimeout(STALL_MS);
      for (const asked of this.#asked) {
        if (asked.deadlineMs > nowMs) return this.#armTimeout(asked.deadlineMs - nowMs);
        this.#asked.delete(asked);
        const reason = `no answer within ${STORE_TIMEOUT_MS} ms`;
        asked.reject(new Error(reason));
        this.#lose(asked.line, asked.hash, reason);
      }
    }, delayMs);
  }

  #failAll(isMeant: (asked: Asked) => boolean, reason: string): void {
    for (const asked of [...this.#asked].filter(isMeant)) {
      this.#asked.delete(asked);
      asked.reject(new Error(reason));
    }
  }

  /** Notes that a line is out of reach, lets nobody wait for it, and begins to try. */
  #lose(line: number, hash: string, reason: string): void {
    if (this.#isClosed || !this.#lines.lose(line, hash)) return;
    this.#reason = reason;
    this.#failAll((asked) => asked.line === line, reason);
    if (this.#downMs === null) {
      this.#downMs = performance.now();
      this.#options.onHealth?.(this.health);
    }
    this.#recovery ??= this.#recover();
  }

  /** Tries until all lines are in reach, and tells what was kept. */
  async #recover(): Promise<void> {
    if (performance.now() - this.#upMs > STORE_STEADY_MS) this.#retryMs = STORE_RETRY_MS_MIN;
    for (;;) {
      await this.#pause();
      if (this.#isClosed) return;
      // A connection on which something failed may hang for long: another is made.
      if (!await this.#renew()) continue;
      const lost = this.#lines.lost;
      const results = await Promise.all(lost.map(({ hash }) => this.#probe(hash)));
      lost.forEach(({ line }, i) => results[i] && this.#lines.regain(line));
      if (!results.includes(true)) continue;
      await this.#replay();
      if (this.#lines.lost.length > 0) continue;
      this.#cache.endOutage();
      this.#upMs = performance.now();
      this.#downMs = null;
      this.#recovery = null;
      this.#options.onHealth?.(this.health);
      return;
    }
  }

  async #pause(): Promise<void> {
    const delayMs = this.#retryMs * (0.75 + this.#random() / 2);
    this.#retryMs = Math.min(this.#retryMs * 2, STORE_RETRY_MS_MAX);
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, delayMs);
    this.#wake = resolve;
    if (this.#isClosed) resolve();
    await promise;
    clearTimeout(timer);
  }

  /** Connects anew; whether that worked. */
  async #renew(): Promise<boolean> {
    let made: RedisConnection | null = null;
    const handleLoss = (reason: string): void => {
      if (made === null || made !== this.#connection) return;
      this.#lose(this.#lines.lineOf(this.#lastHash), this.#lastHash, reason);
    };
    try {
      made = await RedisConnection.open(this.#library, this.#place, STORE_TIMEOUT_MS, handleLoss);
    } catch (error) {
      this.#reason = messageOf(error);
      return false;
    }
    if (this.#connection !== null) this.#retire(this.#connection);
    this.#connection = made;
    if (this.#isClosed) made.close();
    return true;
  }

  /** Closes a connection when all that is under way on it has an answer, or never will. */
  #retire(connection: RedisConnection): void {
    const timer = setTimeout(() => {
      this.#retiring.delete(connection);
      connection.close();
    }, STORE_TIMEOUT_MS);
    this.#retiring.set(connection, timer);
  }

  /** Whether the server of a swarm does what is needed. */
  async #probe(hash: string): Promise<boolean> {
    try {
      await within(STORE_TIMEOUT_MS, this.#connection!.probe(hash));
      return true;
    } catch (error) {
      this.#reason = messageOf(error);
      return false;
    }
  }

  /** Tells Redis what was announced meanwhile, as far as it is in reach. */
  async #replay(): Promise<void> {
    const isWanted = (hash: string): boolean => this.#isUp(this.#lines.lineOf(hash));
    for (;;) {
      const some = this.#kept.takeSome(REPLAY_AT_ONCE, isWanted);
      if (some.length === 0) return;
      const nowMs = performance.now();
      await Promise.all(some.map(async (kept) => {
        const ageMs = nowMs - kept.atMs;
        if (ageMs >= this.#options.peerTtlMs) return;
        const { hash, announce, isCompleted } = kept;
        const line = this.#lines.lineOf(hash);
        // An age of 0 is that of an announce which is not told late.
        await this.#tell(line, hash, announce, isCompleted, nowMs, Math.max(1, ageMs))
          .catch(() => this.#kept.putBack(kept));
      }));
    }
  }
}
