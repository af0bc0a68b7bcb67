/**
 * The session: one listening socket, one clock, one timer, and the torrents that share them.
 *
 * @module
 */

import { setTimeout as pause } from "node:timers/promises";
import { getLogger } from "@logtape/logtape";
import { hexOfHash, type Torrent } from "@enjambre/metainfo";
import type { OverlayNode } from "@enjambre/overlay";
import {
  type Greeted,
  greetPeer,
  makePeerId,
  REQUEST_BYTES_MAX,
  TokenBucket,
} from "@enjambre/peerwire";
import type { PieceStore } from "@enjambre/storage";
import { ActiveTorrent } from "./active_torrent_deno.ts";
import type { TorrentContext, TorrentOptions, TorrentSnapshot } from "./torrent_options.ts";

const logger = getLogger(["enjambre", "client"]);

/** The port that is tried first where none is given (BEP 3: commonly 6881). */
const PORT_DEFAULT = 6881;

/** Incoming connections that may be in the middle of their handshake; for a further one the oldest is closed. */
const GREETINGS_MAX = 64;

/** Pause after a connection could not be accepted: time for file descriptors to become free. */
const ACCEPT_PAUSE_MS = 200;

/** What a {@linkcode Session} is made from. */
export interface SessionOptions {
  /** The name under which others reach us, announced to trackers (`hostname=`). */
  readonly hostname?: string;
  /** The port to listen on; left out: 6881, or any free one where that is taken. */
  readonly port?: number;
  /** Most connections of one torrent at once. */
  readonly connectionsMax?: number;
  /** Payload that all torrents together may send, bytes per second; left out: no limit. */
  readonly uploadLimit?: number;
  /** Payload that all torrents together may fetch, bytes per second; left out: no limit. */
  readonly downloadLimit?: number;
  /** Our node of the overlay, on which torrents that are not private find peers. **Ownership**: closed with the session. */
  readonly overlay?: OverlayNode;
}

/** What is added up over the torrents of a session. */
const NOTHING = {
  downloadedBytes: 0,
  uploadedBytes: 0,
  downloadedOverheadBytes: 0,
  uploadedOverheadBytes: 0,
  downBytesPerSecond: 0,
  upBytesPerSecond: 0,
  requeuedBlocks: 0,
};

const TOTALLED = Object.keys(NOTHING) as (keyof typeof NOTHING)[];

/** What a session's torrents come to together; see {@linkcode TorrentSnapshot} for each field. */
export type SessionTotals = Readonly<
  Pick<
    TorrentSnapshot,
    | "peers"
    | "downloadedBytes"
    | "uploadedBytes"
    | "downloadedOverheadBytes"
    | "uploadedOverheadBytes"
    | "downBytesPerSecond"
    | "upBytesPerSecond"
    | "requeuedBlocks"
  >
>;

/**
 * Takes part in swarms, any number of torrents over one port.
 *
 * @example
 * ```ts ignore
 * import { Session } from "@enjambre/client";
 * import { parseTorrent } from "@enjambre/metainfo";
 * import { openDiskStore } from "@enjambre/storage";
 *
 * const torrent = await parseTorrent(await Deno.readFile("debian.torrent"));
 * const store = await openDiskStore(torrent, "downloads");
 * const session = Session.listen({});
 * const active = session.add(torrent, store, await store.check(), {
 *   trackers: torrent.trackers,
 *   peers: [],
 * });
 * await active.completed;
 * await session.close();
 * await store.close();
 * ```
 */
export class Session {
  readonly #listener: Deno.TcpListener;
  readonly #torrents = new Map<string, ActiveTorrent>();
  readonly #context: TorrentContext;
  readonly #ended = new AbortController();
  /** Handshakes under way, oldest first; aborting one closes its socket. */
  readonly #greetings = new Set<AbortController>();
  #closed: Promise<void> | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #armedForMs = Infinity;

  private constructor(listener: Deno.TcpListener, options: SessionOptions) {
    this.#listener = listener;
    const nowMs = () => performance.now();
    this.#context = {
      peerId: makePeerId(crypto.getRandomValues(new Uint8Array(12))),
      key: crypto.getRandomValues(new Uint32Array(1))[0]!,
      port: listener.addr.port,
      ...(options.hostname !== undefined && { hostname: options.hostname }),
      ...(options.overlay !== undefined && { overlay: options.overlay }),
      ...(options.connectionsMax !== undefined && { connectionsMax: options.connectionsMax }),
      ...(options.uploadLimit !== undefined &&
        { uploadBucket: new TokenBucket(options.uploadLimit, REQUEST_BYTES_MAX) }),
      ...(options.downloadLimit !== undefined &&
        { downloadBucket: new TokenBucket(options.downloadLimit, REQUEST_BYTES_MAX) }),
      nowMs,
      arm: (deadlineMs) => this.#arm(deadlineMs),
    };
    this.#accept();
  }

  /** Listens for peers. @throws {Deno.errors.AddrInUse} where the port that was asked for is taken */
  static listen(options: SessionOptions): Session {
    if (options.port !== undefined) return new Session(listenOn(options.port), options);
    try {
      return new Session(listenOn(PORT_DEFAULT), options);
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse)) throw error;
      return new Session(listenOn(0), options);
    }
  }

  /** The port that peers reach us on. */
  get port(): number {
    return this.#context.port;
  }

  /**
   * Takes part in a torrent's swarm.
   *
   * @param store where its pieces are; the caller closes it after the session
   * @param have what `store.check()` found
   */
  add(
    torrent: Torrent,
    store: PieceStore,
    have: Uint8Array,
    options: TorrentOptions,
  ): ActiveTorrent {
    const key = hexOfHash(torrent.swarmHash);
    if (this.#torrents.has(key)) throw new RangeError(`Torrent ${key} is in this session already`);
    const active = new ActiveTorrent(torrent, store, have, options, this.#context);
    this.#torrents.set(key, active);
    active.start();
    return active;
  }

  /** What all torrents together have moved and are moving. */
  totals(): SessionTotals {
    const totals = { peers: 0, ...NOTHING };
    for (const active of this.#torrents.values()) {
      const snapshot = active.snapshot();
      totals.peers += snapshot.peers;
      for (const name of TOTALLED) totals[name] += snapshot[name];
    }
    return totals;
  }

  /** Ends all torrents, as {@linkcode ActiveTorrent.close} says, and listens no more. A second call waits for the first. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.#ended.abort();
    for (const greeting of this.#greetings) greeting.abort();
    this.#listener.close();
    await Promise.all([
      ...[...this.#torrents.values()].map((active) => active.close()),
      this.#context.overlay?.close(),
    ]);
    clearTimeout(this.#timer);
  }

  async #accept(): Promise<void> {
    const { signal } = this.#ended;
    while (!signal.aborted) {
      try {
        this.#greet(await this.#listener.accept());
      } catch (error) {
        if (signal.aborted) return;
        // The process has no file descriptors left, or the peer hung up in the queue: no reason to end.
        logger.info("a connection was not accepted: {message}", { message: messageOf(error) });
        await pause(ACCEPT_PAUSE_MS, undefined, { signal }).catch(() => {});
      }
    }
  }

  async #greet(socket: Deno.TcpConn): Promise<void> {
    const { hostname, port } = socket.remoteAddr;
    const find = (infoHash: Uint8Array) => this.#torrents.get(hexOfHash(infoHash));
    const choose = (infoHash: Uint8Array) => find(infoHash)?.handshake ?? null;
    const greeting = this.#beginGreeting();
    let greeted: Greeted;
    try {
      greeted = await greetPeer(socket, choose, greeting.signal);
    } catch (error) {
      const message = messageOf(error);
      return logger.debug("{hostname}:{port} not accepted: {message}", { hostname, port, message });
    } finally {
      this.#greetings.delete(greeting);
    }
    const address = { host: plainHost(hostname), port };
    find(greeted.handshake.infoHash)!.handleIncoming(greeted, address);
  }

  /** Makes room for one more handshake: who says nothing must not keep others out. */
  #beginGreeting(): AbortController {
    if (this.#greetings.size >= GREETINGS_MAX) {
      const [oldest] = this.#greetings;
      this.#greetings.delete(oldest!);
      oldest!.abort();
    }
    const greeting = new AbortController();
    this.#greetings.add(greeting);
    return greeting;
  }

  /** Makes sure that the one timer goes off by this time. */
  #arm(deadlineMs: number): void {
    if (deadlineMs >= this.#armedForMs || this.#ended.signal.aborted) return;
    clearTimeout(this.#timer);
    this.#armedForMs = deadlineMs;
    const delayMs = Math.max(0, deadlineMs - this.#context.nowMs());
    this.#timer = setTimeout(() => this.#handleTimer(), delayMs);
  }

  #handleTimer(): void {
    this.#armedForMs = Infinity;
    const nowMs = this.#context.nowMs();
    let nearestMs = Infinity;
    for (const active of this.#torrents.values()) {
      if (active.nextDeadlineMs <= nowMs) active.handleDeadline(nowMs);
      nearestMs = Math.min(nearestMs, active.nextDeadlineMs);
    }
    this.#arm(nearestMs);
  }
}

/** Listens on IPv6 and IPv4 at once, or on IPv4 alone where there is no IPv6. */
function listenOn(port: number): Deno.TcpListener {
  try {
    return Deno.listen({ hostname: "::", port });
  } catch (error) {
    if (error instanceof Deno.errors.AddrInUse) throw error;
    return Deno.listen({ hostname: "0.0.0.0", port });
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** An IPv4 address that an IPv6 socket reports, without its prefix. */
function plainHost(hostname: string): string {
  return hostname.startsWith("::ffff:") && hostname.includes(".") ? hostname.slice(7) : hostname;
}
