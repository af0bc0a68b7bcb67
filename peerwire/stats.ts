/**
 * What a person or a scraper wants to know of one torrent's swarm, recovery included.
 *
 * @module
 */

/** How many of the latest recovery times are kept for the percentiles. */
const RECOVERIES_KEPT = 4096;

/** From which part of the pieces on the end of a download is timed. */
const LAST_PERCENT_FROM = 0.99;

/** How long lost blocks waited until somebody else was asked, in milliseconds. */
export interface RecoveryTimes {
  /** How many blocks were lost by one peer and asked of another. */
  readonly count: number;
  /** Half of them waited no longer than this. */
  readonly p50Ms: number;
  /** 99 in 100 of them waited no longer than this. */
  readonly p99Ms: number;
  /** None waited longer than this. */
  readonly maxMs: number;
}

/** Payload bytes that came and were of no use, by cause. */
export interface WastedBytes {
  /** Blocks that somebody else had sent already. */
  duplicate: number;
  /** Blocks that were not asked for, or no longer. */
  unasked: number;
  /** Pieces that did not hash to what the torrent says. */
  corrupt: number;
  /** Pieces that were given up before they were complete. */
  abandoned: number;
}

/** Counters of one torrent's swarm, kept by its manager. */
export class SwarmStats {
  /** Payload bytes of blocks that came, useful or not. */
  downloadedBytes = 0;
  /** Payload bytes of blocks that were handed to connections. */
  uploadedBytes = 0;
  /** Bytes read from the store for that; what several peers ask for is read once. */
  readBytes = 0;
  /** Connections that sent at least one block. */
  sources = 0;
  /** Bytes of the wire that came over connections that are over, payload and all else. */
  receivedBytes = 0;
  /** Bytes of the wire that went over connections that are over, payload and all else. */
  sentBytes = 0;
  /** Time from 99 % of the pieces to all of them; null until then. */
  lastPercentMs: number | null = null;
  /** Bytes of pieces that were verified and stored. */
  verifiedBytes = 0;
  /** What came for nothing. */
  readonly wasted: WastedBytes = { duplicate: 0, unasked: 0, corrupt: 0, abandoned: 0 };
  /** Connections that ended, or choked us, while they were asked for blocks. */
  disconnectsWithBlocks = 0;
  /** Blocks that went back to missing because whoever was asked for them will not send them. */
  requeuedBlocks = 0;
  readonly #recoveriesMs: Float64Array = new Float64Array(RECOVERIES_KEPT);
  #lastPercentFromMs: number | null = null;
  #recoveryCount = 0;
  #recoveryMaxMs = 0;

  /** A piece was stored; we have `count` of `total` now. */
  addStored(count: number, total: number, nowMs: number): void {
    if (count >= LAST_PERCENT_FROM * total) this.#lastPercentFromMs ??= nowMs;
    if (count === total) this.lastPercentMs = nowMs - this.#lastPercentFromMs!;
  }

  /** A peer gave back `blocks` blocks. */
  addRequeued(blocks: number): void {
    if (blocks === 0) return;
    this.disconnectsWithBlocks++;
    this.requeuedBlocks += blocks;
  }

  /** A lost block was asked of somebody else, `delayMs` after it was lost. */
  addRecovery(delayMs: number): void {
    this.#recoveriesMs[this.#recoveryCount++ % RECOVERIES_KEPT] = delayMs;
    if (delayMs > this.#recoveryMaxMs) this.#recoveryMaxMs = delayMs;
  }

  /** How long lost blocks waited; the percentiles are over the latest 4,096. */
  get recovery(): RecoveryTimes {
    const kept = Math.min(this.#recoveryCount, RECOVERIES_KEPT);
    const sorted = this.#recoveriesMs.slice(0, kept).sort();
    return {
      count: this.#recoveryCount,
      p50Ms: sorted[Math.floor(kept * 0.5)] ?? 0,
      p99Ms: sorted[Math.min(kept - 1, Math.floor(kept * 0.99))] ?? 0,
      maxMs: this.#recoveryMaxMs,
    };
  }
}
