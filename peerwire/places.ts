/**
 * The places among a torrent's connections: who has one, who is dialled for one, who may come and who has to go.
 *
 * @module
 */

import { Admission, type Verdict } from "./admission.ts";
import type { Connection } from "./connection.ts";
import type { Arrival, CloseReason } from "./manager_options.ts";
import { formatAddress, type PeerAddress, PeerBook } from "./peer_book.ts";

/** Dials of one torrent that may be under way at once. */
const DIALS_MAX = 16;

/** What an arrival is told once the torrent has ended. */
const ENDED: Verdict = { refusal: "full" };

/** What a {@linkcode Places} is made from. */
export interface PlacesOptions {
  /** Our own peer id, 20 bytes. */
  readonly peerId: Uint8Array;
  /** How many places there are. */
  readonly connectionsMax: number;
  /** Connect to this peer. */
  readonly dial: (address: PeerAddress) => void;
}

/**
 * The places of one torrent: joins the peer book, which knows whom to dial, and the door, which knows whom to take.
 *
 * It says who gets a place and who has to leave one; connections are made and closed by the manager, which says so here.
 */
export class Places {
  readonly #options: PlacesOptions;
  readonly #connections = new Map<number, Connection>();
  readonly #book = new PeerBook();
  readonly #admission: Admission;
  #isEnded = false;

  constructor(options: PlacesOptions) {
    this.#options = options;
    this.#admission = new Admission(options.peerId, options.connectionsMax, this.#connections);
  }

  /** The live connections by id: the places that are taken. */
  get connections(): ReadonlyMap<number, Connection> {
    return this.#connections;
  }

  /** Whether nobody gets a place any more. */
  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** Whether there is nobody to wait for: it has ended, or nobody is connected and nobody known can be dialled. */
  get isDeserted(): boolean {
    if (this.#isEnded) return true;
    return this.#connections.size === 0 && this.#book.nextDialAtMs() === Infinity;
  }

  /** See `Manager.wantsPeers`. */
  get wantsPeers(): boolean {
    const taken = this.#connections.size + this.#book.diallingCount;
    return !this.#isEnded && taken < this.#options.connectionsMax;
  }

  /** See `Manager.setOwnAddress`. */
  setOwnAddress(address: PeerAddress): void {
    this.#admission.ownAddress = address;
  }

  /** See `Manager.knownPeers`. */
  knownPeers(): PeerAddress[] {
    return this.#book.addresses();
  }

  /** The same text for the same peer, also when its connection is over. */
  identityOf(connectionId: number): string {
    return this.#admission.identityOf(connectionId);
  }

  /** Peers became known. */
  addPeers(addresses: readonly PeerAddress[], nowMs: number): void {
    for (const address of addresses) this.#book.add(address);
    this.dial(nowMs);
  }

  /** What we want has changed: peers that were of no use may be dialled now. */
  reconsider(): void {
    this.#book.reconsider();
  }

  /** Dials for the places that are free. */
  dial(nowMs: number): void {
    while (this.wantsPeers && this.#book.diallingCount < DIALS_MAX) {
      const address = this.#book.takeNext(nowMs);
      if (address === null) return;
      this.#options.dial(address);
    }
  }

  /** A dial led to nothing. */
  handleDialFailed(address: PeerAddress, nowMs: number): void {
    this.#book.handleDialFailed(formatAddress(address), nowMs);
    this.dial(nowMs);
  }

  /** Whether an arrival gets a place, and whose; then {@linkcode take}. */
  judge(arrival: Arrival, nowMs: number): Verdict {
    const verdict = this.#isEnded ? ENDED : this.#admission.judge(arrival, nowMs);
    const { refusal } = verdict;
    const address = formatAddress(arrival.address);
    if (refusal === "self" || refusal === "banned") this.#book.ban(address);
    else if (refusal !== null && !arrival.isIncoming) this.#book.handleDialFailed(address, nowMs);
    return verdict;
  }

  /** Gives a place to a connection whose arrival was judged well. */
  take(connection: Connection): void {
    if (!connection.isIncoming) this.#book.handleConnected(connection.address);
    this.#connections.set(connection.id, connection);
    this.#admission.note(connection);
  }

  /** A connection is over: its place is free, and its peer may be dialled again later. */
  handleClosed(connection: Connection, reason: CloseReason, nowMs: number): void {
    this.#connections.delete(connection.id);
    const { address, downloadedBytes, uploadedBytes } = connection;
    const isGood = downloadedBytes + uploadedBytes > 0 && reason !== "protocol";
    this.#book.handleClosed(address, isGood, reason === "useless", nowMs);
  }

  /** Takes this peer no more, and dials it no more. @returns its live connections, to be closed */
  ban(identity: string): readonly Connection[] {
    const { addresses, connections } = this.#admission.ban(identity);
    for (const address of addresses) this.#book.ban(address);
    return connections;
  }

  /** The connection that is of no use where all places are taken and other peers wait to be dialled; null where none is. */
  findUseless(nowMs: number): Connection | null {
    const isFull = this.#connections.size >= this.#options.connectionsMax;
    return isFull && this.#book.isWaiting(nowMs) ? this.#admission.leastUseful(nowMs) : null;
  }

  /** Takes and dials nobody from here on. */
  end(): void {
    this.#isEnded = true;
  }
}
