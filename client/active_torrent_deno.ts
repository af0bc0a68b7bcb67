/**
 * A torrent that takes part in its swarm: joins the manager, the store and the announcer.
 *
 * @module
 */

import { getLogger } from "@logtape/logtape";
import type { Geometry, Torrent } from "@enjambre/metainfo";
import {
  type Arrival,
  Bitfield,
  type CloseReason,
  type Connection,
  dialPeer,
  formatAddress,
  type Greeted,
  type HandshakeFields,
  Manager,
  type ManagerOptions,
  type ManagerSink,
  type PeerAddress,
  PeerSocket,
  RateMeter,
  REQUEST_BYTES_MAX,
  type SwarmStatistics,
  TokenBucket,
} from "@enjambre/peerwire";
import type { PieceStore } from "@enjambre/storage";
import { announceHttp, Announcer, type TrackerStatus } from "@enjambre/tracker";
import { PROGRAM } from "./version.ts";

const logger = getLogger(["enjambre", "client"]);

/** Window of the rates that a person is shown: steady enough to read, quick enough to believe. */
const SHOWN_RATE_WINDOW_SECONDS = 5;

/** Window of the rate that the time left is told by: damped, so that it does not jump. */
const STEADY_RATE_WINDOW_SECONDS = 30;

/** Peers asked of a tracker at once; most trackers give no more. */
const PEERS_WANTED = 50;

/** How long the trackers' answers to `stopped` are waited for at the end. */
const FAREWELL_MS_MAX = 2000;

/** What one torrent looks like at one moment. */
export interface TorrentSnapshot extends Omit<SwarmStatistics, "peers"> {
  /** Pieces of the torrent. */
  readonly pieceCount: number;
  /** Pieces that are verified and stored. */
  readonly havePieces: number;
  /** Bytes of the torrent, padding included. */
  readonly totalBytes: number;
  /** Bytes that are verified and stored. */
  readonly haveBytes: number;
  /** Payload coming in, over the last seconds. */
  readonly downBytesPerSecond: number;
  /** Payload going out, over the last seconds. */
  readonly upBytesPerSecond: number;
  /** Live connections. */
  readonly peers: number;
  /** Time left at the rate of the last half minute; null where that cannot be said. */
  readonly secondsLeft: number | null;
  /** What is known of each tracker, in the order in which they are asked. */
  readonly trackers: readonly TrackerStatus[];
}

/** How to take part in one torrent's swarm. */
export interface TorrentOptions {
  /** Announce URLs by tier (BEP 12). */
  readonly trackers: readonly (readonly string[])[];
  /** Peers that are known from elsewhere. */
  readonly peers: readonly PeerAddress[];
  /** Whether to give what is there and fetch nothing, though something is missing. */
  readonly isUploadOnly?: boolean;
  /** Payload that this torrent may send, bytes per second, within the session's limit. */
  readonly uploadLimit?: number;
  /** Payload that this torrent may fetch, bytes per second, within the session's limit. */
  readonly downloadLimit?: number;
}

/** What an {@linkcode ActiveTorrent} needs of its session. */
export interface TorrentContext {
  /** Our peer id, 20 bytes. */
  readonly peerId: Uint8Array;
  /** 32 bits by which trackers know us again under another address. */
  readonly key: number;
  /** The port that others reach us on. */
  readonly port: number;
  /** The name under which others reach us, where that is not the address that trackers see. */
  readonly hostname?: string;
  /** Most connections of one torrent at once. */
  readonly connectionsMax?: number;
  /** The limit of payload that the session sends. */
  readonly uploadBucket?: TokenBucket;
  /** The limit of payload that the session asks for. */
  readonly downloadBucket?: TokenBucket;
  /** The session's monotonic clock. */
  readonly nowMs: () => number;
  /** Asks the session to call {@linkcode ActiveTorrent.handleDeadline} at this time at the latest. */
  readonly arm: (deadlineMs: number) => void;
}

/** One torrent of a session. Made by `Session.add`. */
export class ActiveTorrent implements ManagerSink {
  /** What the torrent file says. */
  readonly torrent: Torrent;
  /** Resolves when every piece is stored; rejects with a `StorageError` when the store fails. */
  readonly completed: Promise<void>;
  readonly #context: TorrentContext;
  readonly #options: TorrentOptions;
  readonly #store: PieceStore;
  readonly #manager: Manager;
  readonly #announcer: Announcer;
  readonly #sockets = new Map<Connection, PeerSocket>();
  readonly #downRate = new RateMeter(SHOWN_RATE_WINDOW_SECONDS);
  readonly #upRate = new RateMeter(SHOWN_RATE_WINDOW_SECONDS);
  readonly #steadyRate = new RateMeter(STEADY_RATE_WINDOW_SECONDS);
  readonly #completion = Promise.withResolvers<void>();
  readonly #ended = new AbortController();
  readonly #storing = new Set<Promise<void>>();
  #announcing: Promise<void> | null = null;
  #announceAbort = new AbortController();
  #haveBytes: number;
  #rated = { down: 0, up: 0 };

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
    this.completed = this.#completion.promise;
    this.completed.catch(() => {}); // whoever waits for it sees the error
    const { geometry } = torrent;
    const bitfield = Bitfield.fromBytes(have, geometry.pieceCount);
    this.#haveBytes = bytesOf(bitfield, geometry);
    this.#manager = new Manager({
      geometry,
      have: bitfield,
      peerId: context.peerId,
      listenPort: context.port,
      version: PROGRAM,
      random: Math.random,
      isUploadOnly: options.isUploadOnly ?? false,
      ...(context.connectionsMax !== undefined && { connectionsMax: context.connectionsMax }),
      ...bucketsOf(options, context),
      sink: this,
    });
    this.#announcer = new Announcer(options.trackers, { random: Math.random });
  }

  /** Begins: dials the peers that are known and announces. */
  start(): void {
    const nowMs = this.#context.nowMs();
    const { have } = this.#manager;
    if (have.isFull) this.#completion.resolve();
    this.#announcer.start(nowMs, have.isFull);
    this.#manager.addPeers(this.#options.peers, nowMs);
    this.#announce();
  }

  /** What the torrent looks like now. */
  snapshot(): TorrentSnapshot {
    const manager = this.#manager;
    const nowMs = this.#context.nowMs();
    this.#rate(nowMs);
    const { totalBytes, pieceCount } = this.torrent.geometry;
    const leftBytes = totalBytes - this.#haveBytes;
    const steadyRate = this.#steadyRate.bytesPerSecond(nowMs);
    const { peers, ...statistics } = manager.statistics(nowMs);
    return {
      pieceCount,
      havePieces: manager.have.count,
      totalBytes,
      haveBytes: this.#haveBytes,
      downBytesPerSecond: this.#downRate.bytesPerSecond(nowMs),
      upBytesPerSecond: this.#upRate.bytesPerSecond(nowMs),
      secondsLeft: steadyRate > 0 ? leftBytes / steadyRate : null,
      ...statistics,
      peers: peers.length,
      trackers: this.#announcer.status(),
    };
  }

  /** What is known of the swarm and of each live peer. */
  statistics(): SwarmStatistics {
    return this.#manager.statistics(this.#context.nowMs());
  }

  /** When {@linkcode handleDeadline} has to be called. */
  get nextDeadlineMs(): number {
    return Math.min(this.#manager.nextDeadlineMs, this.#announcer.nextDeadlineMs);
  }

  /** The time has come for something. */
  handleDeadline(nowMs: number): void {
    this.#rate(nowMs);
    this.#manager.handleDeadline(nowMs);
    this.#announcer.handleDeadline(nowMs);
    const { connectionCount, have, wantsPeers } = this.#manager;
    const isAlone = connectionCount === 0 && !have.isFull && !this.#options.isUploadOnly;
    if (isAlone && wantsPeers) this.#announcer.wantPeers(nowMs);
    this.#announce();
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
    this.#attach(greeted, address, true);
  }

  /**
   * Ends: closes the connections, waits for the pieces that are being stored, and takes leave of the trackers, two
   * seconds at most.
   */
  async close(): Promise<void> {
    this.#ended.abort();
    this.#manager.end(this.#context.nowMs());
    await Promise.all([this.#farewell(), ...this.#storing]);
  }

  // What the manager asks for.

  flush(connection: Connection): void {
    this.#sockets.get(connection)?.flush();
  }

  closed(connection: Connection, reason: CloseReason, message: string): void {
    logger.debug("{address} closed ({reason}): {message}", {
      address: connection.address,
      reason,
      message,
    });
    this.#sockets.get(connection)?.close();
    this.#sockets.delete(connection);
  }

  dial(address: PeerAddress): void {
    dialPeer(address, this.handshake, this.#ended.signal).then(
      (greeted) => this.#attach(greeted, address, false),
      (error: Error) => {
        logger.debug("{address} not reached: {message}", {
          address: formatAddress(address),
          message: error.message,
        });
        this.#manager.handleDialFailed(address, this.#context.nowMs());
        this.#afterInput();
      },
    );
  }

  storePiece(piece: number, data: Uint8Array<ArrayBuffer>): void {
    const stored = this.#store.write(piece, data).then(
      (outcome) => {
        if (outcome === "corrupt") logger.info("piece {piece} fails its hash", { piece });
        this.#manager.handleStored(piece, outcome, this.#context.nowMs());
      },
      (error: unknown) => {
        this.#completion.reject(error);
        this.#manager.end(this.#context.nowMs());
        this.#manager.handleStored(piece, "failed", this.#context.nowMs());
      },
    ).finally(() => {
      this.#storing.delete(stored);
      this.#afterInput();
    });
    this.#storing.add(stored);
  }

  readSpan(key: number, piece: number, begin: number, target: Uint8Array<ArrayBuffer>): void {
    this.#store.read(piece, begin, target).then(
      () => this.#manager.handleRead(key, true, this.#context.nowMs()),
      (error: Error) => {
        logger.warn("piece {piece} cannot be read: {message}", { piece, message: error.message });
        this.#manager.handleRead(key, false, this.#context.nowMs());
      },
    ).finally(() => this.#afterInput());
  }

  pieceDone(piece: number): void {
    this.#haveBytes += this.torrent.geometry.pieceBytes(piece);
    if (!this.#manager.have.isFull) return;
    this.#announcer.complete(this.#context.nowMs());
    this.#completion.resolve();
    this.#announce();
  }

  /** Asks to be woken when the manager's deadline comes. */
  #afterInput(): void {
    this.#context.arm(this.#manager.nextDeadlineMs);
  }

  #attach(greeted: Greeted, address: PeerAddress, isIncoming: boolean): void {
    const { socket, handshake, rest } = greeted;
    const arrival: Arrival = {
      address,
      peerId: handshake.peerId,
      isIncoming,
      isFast: handshake.fast,
      isExtended: handshake.extended,
    };
    const attached = this.#manager.attach(arrival, this.#context.nowMs());
    if (typeof attached === "string") {
      logger.debug("{address} refused: {reason}", {
        address: formatAddress(address),
        reason: attached,
      });
      socket.close();
      return;
    }
    const peer = new PeerSocket(
      socket,
      this.#manager,
      attached,
      this.#context.nowMs,
      () => this.#afterInput(),
    );
    this.#sockets.set(attached, peer);
    peer.flush();
    peer.run(rest);
    this.#afterInput();
  }

  /** Takes what came and went since the last time into the rates that are shown. */
  #rate(nowMs: number): void {
    const { downloadedBytes, uploadedBytes } = this.#manager.stats;
    this.#downRate.add(downloadedBytes - this.#rated.down, nowMs);
    this.#steadyRate.add(downloadedBytes - this.#rated.down, nowMs);
    this.#upRate.add(uploadedBytes - this.#rated.up, nowMs);
    this.#rated = { down: downloadedBytes, up: uploadedBytes };
  }

  /** Carries out the announcer's orders, one after the other, until there is none. */
  #announce(): void {
    this.#announcing ??= this.#announceAll().finally(() => {
      this.#announcing = null;
      this.#context.arm(this.nextDeadlineMs);
    });
    this.#context.arm(this.nextDeadlineMs);
  }

  async #announceAll(): Promise<void> {
    const { port, hostname, peerId, key, nowMs } = this.#context;
    for (;;) {
      const order = this.#announcer.takeAnnounce();
      if (order === null) return;
      const { stats } = this.#manager;
      try {
        const result = await announceHttp(order.url, {
          infoHash: this.torrent.swarmHash,
          peerId,
          port,
          key,
          uploaded: stats.uploadedBytes,
          downloaded: stats.verifiedBytes,
          left: this.torrent.geometry.totalBytes - this.#haveBytes,
          event: order.event,
          numWant: order.event === "stopped" ? 0 : PEERS_WANTED,
          ...(hostname !== undefined && { hostname }),
          ...(order.trackerId !== null && { trackerId: order.trackerId }),
        }, { signal: this.#announceAbort.signal });
        this.#announcer.handleResult(order.url, result, nowMs());
        if (!result.ok) continue;
        // The tracker counts us among the seeds: when it knows of no other, we are the only one.
        if (result.seeders !== null) this.#manager.superSeed(result.seeders <= 1, nowMs());
        if (result.externalIp) this.#manager.setOwnAddress({ host: result.externalIp, port });
        this.#manager.addPeers(result.peers, nowMs());
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error);
        logger.info("announce failed: {message}", { message });
        this.#announcer.handleError(order.url, message, nowMs());
      }
    }
  }

  /** Tells the trackers that we leave; gives up after {@linkcode FAREWELL_MS_MAX}. */
  async #farewell(): Promise<void> {
    const { nowMs } = this.#context;
    const underWay = this.#announceAbort;
    const farewell = new AbortController();
    this.#announceAbort = farewell;
    // The announce that is under way, `completed` perhaps, gets half of the time.
    const timers = [
      setTimeout(() => underWay.abort(), FAREWELL_MS_MAX / 2),
      setTimeout(() => farewell.abort(), FAREWELL_MS_MAX),
    ];
    this.#announcer.stop(nowMs());
    await this.#announcing;
    while (!this.#announcer.isStopped && !farewell.signal.aborted) await this.#announceAll();
    timers.forEach(clearTimeout);
  }
}

/** The limits of a torrent, each within that of its session. */
function bucketsOf(
  options: TorrentOptions,
  context: TorrentContext,
): Pick<ManagerOptions, "uploadBucket" | "downloadBucket"> {
  const upload = limitWithin(options.uploadLimit, context.uploadBucket);
  const download = limitWithin(options.downloadLimit, context.downloadBucket);
  return {
    ...(upload !== undefined && { uploadBucket: upload }),
    ...(download !== undefined && { downloadBucket: download }),
  };
}

function limitWithin(limit?: number, session?: TokenBucket): TokenBucket | undefined {
  return limit === undefined ? session : new TokenBucket(limit, REQUEST_BYTES_MAX, session);
}

/** Bytes of the pieces in a bitfield. */
function bytesOf(have: Bitfield, geometry: Geometry): number {
  let bytes = 0;
  have.forEachSet((piece) => bytes += geometry.pieceBytes(piece));
  return bytes;
}
