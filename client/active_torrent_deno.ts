/**
 * A torrent that takes part in its swarm: joins the swarm, the store and the trackers.
 *
 * @module
 */

import { getLogger } from "@logtape/logtape";
import type { Geometry, Torrent } from "@enjambre/metainfo";
import {
  Bitfield,
  type Greeted,
  type HandshakeFields,
  type PartialPiece,
  type PeerAddress,
  PRIORITY,
  type SwarmStatistics,
  SwarmStats,
} from "@enjambre/peerwire";
import {
  type Completion,
  COMPLETION_UNKNOWN,
  type Damage,
  type PieceStore,
  type Totals,
} from "@enjambre/storage";
import { AnnounceDriver, type AnnounceFacts, type Answer } from "./announce_driver_deno.ts";
import { LiveSwarm } from "./live_swarm_deno.ts";
import { OverlayDriver } from "./overlay_driver_deno.ts";
import { bucketsWithin } from "./payload_limits.ts";
import { ShownRates } from "./shown_rates.ts";
import { StoreKeeper } from "./store_keeper_deno.ts";
import type { TorrentContext, TorrentOptions, TorrentSnapshot } from "./torrent_options.ts";
import { PROGRAM } from "./version.ts";
import { Wanted } from "./wanted.ts";

const logger = getLogger(["enjambre", "client"]);

/** The totals of a torrent that was never run before. */
const NO_TOTALS: Totals = {
  downloadedBytes: 0,
  uploadedBytes: 0,
  completion: COMPLETION_UNKNOWN,
};

/** One torrent of a session. Made by `Session.add`. */
export class ActiveTorrent {
  /** What the torrent file says. */
  readonly torrent: Torrent;
  readonly #context: TorrentContext;
  readonly #options: TorrentOptions;
  readonly #store: PieceStore;
  readonly #stats = new SwarmStats();
  readonly #wanted: Wanted;
  readonly #announces: AnnounceDriver;
  readonly #overlay: OverlayDriver | null;
  readonly #keeper: StoreKeeper;
  readonly #rates = new ShownRates();
  /** The swarm that takes part, or the last one that did. */
  #swarm: LiveSwarm;
  /** Whether the swarm takes part; it does not while the files are away or being checked. */
  #isLive = true;
  #checking: Promise<void> | null = null;
  /** Whether a check has to be begun, or begun anew. */
  #isCheckDue = false;
  #completion = Promise.withResolvers<void>();
  #isCompleted = false;
  /** Whether trackers have to be told when everything is here: not where it was to begin with. */
  readonly #isToComplete: boolean;
  /** How many other seeds there are, as trackers and the overlay know; null where they have not said. */
  readonly #otherSeeds: { trackers: number | null; overlay: number | null } = {
    trackers: null,
    overlay: null,
  };
  readonly #ended = new AbortController();

  /** See `Session.add`. */
  constructor(
    torrent: Torrent,
    store: PieceStore,
    have: Uint8Array,
    options: TorrentOptions,
    context: TorrentContext,
  ) {
    this.torrent = torrent;
    this.#context = context;
    this.#options = options;
    this.#store = store;
    const { geometry } = torrent;
    const { nowMs } = context;
    const everything = new Uint8Array(geometry.files.length).fill(PRIORITY.normal);
    this.#wanted = new Wanted(geometry, options.filePriorities ?? everything);
    const arm = () => this.#arm();
    this.#keeper = new StoreKeeper(store, {
      nowMs,
      arm,
      handleAway: () => this.#pause(),
      handleDamage: (damages) => this.#handleDamage(damages),
    });
    this.#announces = new AnnounceDriver({
      ...options.announces,
      trackers: options.trackers,
      nowMs,
      facts: () => this.#facts(),
      handleAnswer: (answer) => this.#handleAnswer(answer),
      arm,
    });
    // Peers of a private torrent come from its trackers alone (BEP 27).
    this.#overlay = context.overlay === undefined || torrent.private ? null : new OverlayDriver({
      node: context.overlay,
      facts: () => this.#facts(),
      handlePeers: (peers) => {
        this.#swarm.manager.addPeers(peers, nowMs());
        arm();
      },
      handleSeeds: (count) => {
        this.#otherSeeds.overlay = count;
        this.#chooseSuperSeed();
        arm();
      },
    });
    this.#swarm = this.#makeSwarm(have);
    const { state } = this.#completionBefore;
    const isDownload = !this.#swarm.manager.have.isFull && !options.isUploadOnly;
    this.#isToComplete = state === "to-come" || state === "unknown" && isDownload;
  }

  /** Resolves when every wanted piece is stored. After more was selected, it is another promise. */
  get completed(): Promise<void> {
    return this.#completion.promise;
  }

  /** Begins: dials the peers that are known and announces. */
  start(): void {
    const { manager } = this.#swarm;
    this.#noteCompletion();
    manager.restore(this.#options.begun ?? [], this.#context.nowMs());
    manager.addPeers(this.#options.peers, this.#context.nowMs());
    const { state, toldTo } = this.#completionBefore;
    const owed = state === "to-come" ? { toldTo } : null;
    this.#announces.start(manager.have.isFull || state === "told", owed);
    // From now on it is a download, also for a run after one that ends without a word.
    if (this.#isToComplete) this.#keepTotals();
    this.#overlay?.start(this.#context.nowMs());
    this.#arm();
  }

  /** What the torrent looks like now. */
  snapshot(): TorrentSnapshot {
    const { manager } = this.#swarm;
    const nowMs = this.#context.nowMs();
    this.#rate(nowMs);
    const { totalBytes } = this.#wanted;
    const haveBytes = this.#wanted.haveBytes(manager.have);
    const steadyRate = this.#rates.steadyDown(nowMs);
    return {
      pieceCount: this.torrent.geometry.pieceCount,
      havePieces: manager.have.count,
      totalBytes,
      haveBytes,
      downBytesPerSecond: this.#rates.down(nowMs),
      upBytesPerSecond: this.#rates.up(nowMs),
      secondsLeft: steadyRate > 0 ? (totalBytes - haveBytes) / steadyRate : null,
      ...manager.summary(),
      peers: manager.connectionCount,
      pause: this.#keeper.pause,
      isChecking: this.#checking !== null,
      trackers: this.#announces.status(),
      overlay: this.#overlay?.view() ?? null,
    };
  }

  /** What is known of the swarm and of each live peer. */
  statistics(): SwarmStatistics {
    return this.#swarm.manager.statistics(this.#context.nowMs());
  }

  /**
   * Says how much each file is wanted, by `PRIORITY`. What is there of files that are wanted no more stays readable.
   *
   * **Errors**: `RangeError` where there is not one priority for each file; `StorageError` where data could not be moved.
   */
  async select(filePriorities: Uint8Array): Promise<void> {
    this.#wanted.set(filePriorities);
    try {
      await this.#store.setPriorities(filePriorities);
    } finally {
      // It has chosen, though data may not be where they should be yet.
      this.#swarm.manager.setPriorities(this.#wanted.piecePriorities, this.#context.nowMs());
      this.#noteCompletion();
      this.#arm();
    }
  }

  /** When {@linkcode handleDeadline} has to be called. */
  get nextDeadlineMs(): number {
    const { manager } = this.#swarm;
    return Math.min(
      manager.nextDeadlineMs,
      this.#announces.nextDeadlineMs,
      this.#overlay?.nextDeadlineMs ?? Infinity,
      this.#keeper.nextDeadlineMs,
    );
  }

  /** The time has come for something. */
  handleDeadline(nowMs: number): void {
    this.#rate(nowMs);
    const { manager } = this.#swarm;
    if (manager.nextDeadlineMs <= nowMs) manager.handleDeadline(nowMs);
    this.#keeper.handleDeadline(nowMs);
    this.#announces.handleDeadline(nowMs);
    this.#overlay?.handleDeadline(nowMs);
    const isAlone = manager.connectionCount === 0 && manager.wantsPeers;
    if (isAlone && !this.#options.isUploadOnly && !this.#hasAllWanted) this.#announces.wantPeers();
  }

  /** Our handshake. */
  get handshake(): HandshakeFields {
    return {
      infoHash: this.torrent.swarmHash,
      peerId: this.#context.peerId,
      fast: true,
      extended: true,
    };
  }

  /** A peer dialled us, and the handshakes are done. */
  handleIncoming(greeted: Greeted, address: PeerAddress): void {
    if (this.#isLive) this.#swarm.attach(greeted, address, true);
    else greeted.socket.close();
  }

  /**
   * Ends: closes the connections, waits for the pieces that are being stored, and takes leave of the trackers, two
   * seconds at most. The overlay is told by the session's node.
   */
  async close(): Promise<void> {
    this.#ended.abort();
    this.#isLive = false;
    this.#swarm.end();
    this.#overlay?.leave();
    await Promise.all([this.#announces.leave(), this.#keeper.end(), this.#checking]);
    this.#keepTotals();
  }

  /**
   * The pieces of which some blocks are here and that are not stored, for the next run. To be called after
   * {@linkcode close}.
   *
   * **Ownership**: the data are views of this torrent's memory, which does not change any more.
   */
  begunPieces(): PartialPiece[] {
    return [...this.#swarm.manager.partialPieces(), ...this.#keeper.unwritten()];
  }

  get #hasAllWanted(): boolean {
    return this.#wanted.isIn(this.#swarm.manager.have);
  }

  #makeSwarm(have: Uint8Array): LiveSwarm {
    const options = this.#options;
    const context = this.#context;
    const { geometry } = this.torrent;
    const swarm: LiveSwarm = new LiveSwarm({
      geometry,
      have: Bitfield.fromBytes(have, geometry.pieceCount),
      stats: this.#stats,
      peerId: context.peerId,
      listenPort: context.port,
      version: PROGRAM,
      random: Math.random,
      isUploadOnly: options.isUploadOnly ?? false,
      ...(context.connectionsMax !== undefined && { connectionsMax: context.connectionsMax }),
      ...(options.memoryBytes !== undefined && { downloadMemoryBytes: options.memoryBytes }),
      ...bucketsWithin(context, options),
    }, {
      handshake: this.handshake,
      keeper: this.#keeper,
      nowMs: context.nowMs,
      arm: () => this.#arm(),
      pieceDone: () => {
        if (this.#swarm === swarm && this.#isLive) this.#noteCompletion();
      },
    });
    swarm.manager.setPriorities(this.#wanted.piecePriorities, context.nowMs());
    return swarm;
  }

  /** The files cannot be reached: takes no part until they can. */
  #pause(): void {
    if (!this.#isLive) return;
    this.#isLive = false;
    this.#swarm.end();
  }

  /** Files changed behind our back, or are back: checks them, then takes part again with what is there. */
  #handleDamage(damages: readonly Damage[]): void {
    if (damages.length > 0) this.#options.handleDamage?.(damages);
    this.#pause();
    this.#isCheckDue = true;
    this.#checking ??= this.#checkAgain().finally(() => {
      this.#checking = null;
      this.#arm();
    });
  }

  async #checkAgain(): Promise<void> {
    const { signal } = this.#ended;
    await this.#keeper.park();
    let have: Uint8Array = new Uint8Array(0);
    try {
      while (this.#isCheckDue) {
        this.#isCheckDue = false;
        have = await this.#store.check({ signal });
      }
    } catch (error) {
      // Away again: the keeper notices, and calls again when they are back.
      return logger.info("not checked: {error}", { error });
    }
    if (signal.aborted) return;
    const { manager: before } = this.#swarm;
    const begun = [...before.partialPieces(), ...this.#keeper.unpark()];
    this.#swarm = this.#makeSwarm(have);
    this.#isLive = true;
    this.#noteCompletion();
    const nowMs = this.#context.nowMs();
    this.#swarm.manager.restore(begun, nowMs);
    this.#swarm.manager.addPeers([...this.#options.peers, ...before.knownPeers()], nowMs);
  }

  /** Tells whoever waits for it when all that is wanted is here, and the trackers when everything is. */
  #noteCompletion(): void {
    if (this.#swarm.manager.have.isFull) {
      this.#announces.complete();
      this.#overlay?.complete(this.#context.nowMs());
    }
    const hasAll = this.#hasAllWanted;
    if (hasAll) this.#completion.resolve();
    else if (this.#isCompleted) this.#completion = Promise.withResolvers();
    this.#isCompleted = hasAll;
  }

  #facts(): AnnounceFacts {
    const { hostname, peerId, key, port } = this.#context;
    const { geometry, swarmHash: infoHash } = this.torrent;
    const { have } = this.#swarm.manager;
    return {
      infoHash,
      peerId,
      port,
      key,
      uploaded: this.#stats.uploadedBytes,
      downloaded: this.#stats.verifiedBytes,
      left: geometry.totalBytes - bytesOf(have, geometry),
      ...(hostname !== undefined && { hostname }),
    };
  }

  #keepTotals(): void {
    const { totals: before = NO_TOTALS, keepTotals } = this.#options;
    keepTotals?.({
      downloadedBytes: before.downloadedBytes + this.#stats.downloadedBytes,
      uploadedBytes: before.uploadedBytes + this.#stats.uploadedBytes,
      completion: this.#completionNow(),
    });
  }

  get #completionBefore(): Completion {
    return (this.#options.totals ?? NO_TOTALS).completion;
  }

  /** What the next run has to know of the completion. */
  #completionNow(): Completion {
    if (this.#announces.hasToldCompletion) return { state: "told", toldTo: [] };
    if (!this.#isToComplete) return this.#completionBefore;
    return { state: "to-come", toldTo: this.#announces.toldCompletion };
  }

  #handleAnswer({ seeders, externalIp, peers }: Answer): void {
    this.#keepTotals();
    const { manager } = this.#swarm;
    const { nowMs, port } = this.#context;
    // The tracker counts us among the seeds.
    if (seeders !== null) this.#otherSeeds.trackers = seeders - (manager.have.isFull ? 1 : 0);
    this.#chooseSuperSeed();
    if (externalIp) manager.setOwnAddress({ host: externalIp, port });
    manager.addPeers(peers, nowMs());
  }

  /** The only seed, as far as is known, shows each peer other pieces. */
  #chooseSuperSeed(): void {
    const { trackers, overlay } = this.#otherSeeds;
    if (trackers === null && overlay === null) return;
    const isAlone = (trackers ?? 0) <= 0 && (overlay ?? 0) === 0;
    this.#swarm.manager.superSeed(isAlone, this.#context.nowMs());
  }

  /** Asks to be woken when the next deadline comes. */
  #arm(): void {
    this.#context.arm(this.nextDeadlineMs);
  }

  /** Takes what came and went since the last time into the rates that are shown. */
  #rate(nowMs: number): void {
    const { downloadedBytes, uploadedBytes } = this.#stats;
    this.#rates.count(downloadedBytes, uploadedBytes, nowMs);
  }
}

/** Bytes of the pieces in a bitfield. */
function bytesOf(have: Bitfield, geometry: Geometry): number {
  let bytes = 0;
  have.forEachSet((piece) => bytes += geometry.pieceBytes(piece));
  return bytes;
}
