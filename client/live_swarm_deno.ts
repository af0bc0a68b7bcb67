/**
 * One life of a torrent's swarm: a manager, its sockets, and the dials under way.
 *
 * @module
 */

import { getLogger } from "@logtape/logtape";
import {
  type Arrival,
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
} from "@enjambre/peerwire";
import type { StoreKeeper } from "./store_keeper_deno.ts";

const logger = getLogger(["enjambre", "client"]);

/** What a {@linkcode LiveSwarm} needs. */
export interface LiveSwarmContext {
  /** Our handshake. */
  readonly handshake: HandshakeFields;
  /** Who stores and reads pieces. */
  readonly keeper: StoreKeeper;
  /** A monotonic clock. */
  readonly nowMs: () => number;
  /** Asks to be woken: {@linkcode LiveSwarm.nextDeadlineMs} may be nearer than before. */
  readonly arm: () => void;
  /** A piece is verified and stored. */
  readonly pieceDone: (piece: number) => void;
}

/** A manager over real sockets and a real store, from its start to its end. */
export class LiveSwarm implements ManagerSink {
  /** Decides. */
  readonly manager: Manager;
  readonly #context: LiveSwarmContext;
  readonly #sockets = new Map<Connection, PeerSocket>();
  readonly #ended = new AbortController();

  constructor(options: Omit<ManagerOptions, "sink">, context: LiveSwarmContext) {
    this.#context = context;
    this.manager = new Manager({ ...options, sink: this });
  }

  /** A connection came about, in either direction, and the handshakes are done. */
  attach(greeted: Greeted, address: PeerAddress, isIncoming: boolean): void {
    const { socket, handshake, rest } = greeted;
    const { nowMs } = this.#context;
    const arrival: Arrival = {
      address,
      host: socket.remoteAddr.hostname,
      peerId: handshake.peerId,
      isIncoming,
      isFast: handshake.fast,
      isExtended: handshake.extended,
    };
    const attached = this.manager.attach(arrival, nowMs());
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
      this.manager,
      attached,
      nowMs,
      () => this.#context.arm(),
    );
    this.#sockets.set(attached, peer);
    peer.flush();
    peer.run(rest);
    this.#context.arm();
  }

  /** Ends: closes all connections and dials nobody any more. */
  end(): void {
    this.#ended.abort();
    this.manager.end(this.#context.nowMs());
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
    dialPeer(address, this.#context.handshake, this.#ended.signal).then(
      (greeted) => this.attach(greeted, address, false),
      (error: Error) => {
        logger.debug("{address} not reached: {message}", {
          address: formatAddress(address),
          message: error.message,
        });
        this.manager.handleDialFailed(address, this.#context.nowMs());
        this.#context.arm();
      },
    );
  }

  storePiece(piece: number, data: Uint8Array): void {
    this.#context.keeper.write(piece, data).then((outcome) => {
      if (outcome === "corrupt") logger.info("piece {piece} fails its hash", { piece });
      this.manager.handleStored(piece, outcome, this.#context.nowMs());
      this.#context.arm();
    });
  }

  readSpan(key: number, piece: number, begin: number, target: Uint8Array<ArrayBuffer>): void {
    this.#context.keeper.read(piece, begin, target).then((isGood) => {
      this.manager.handleRead(key, isGood, this.#context.nowMs());
      this.#context.arm();
    });
  }

  pieceDone(piece: number): void {
    this.#context.pieceDone(piece);
  }
}
