/**
 * One live connection to a peer, after the handshakes: its codec and what is known of both sides.
 *
 * It checks what the peer sends against the protocol and the torrent, keeps the facts (who chokes whom,
 * who has what), and tells its {@linkcode ConnectionEvents} what happened. It decides nothing.
 *
 * @module
 */

import type { Geometry } from "@enjambre/metainfo";
import { Bitfield } from "./bitfield.ts";
import { PeerProtocolError } from "./errors.ts";
import {
  decodeExtensionHandshake,
  encodeExtensionHandshake,
  EXTENSION_HANDSHAKE_ID,
  type ExtensionHandshake,
  mergeExtensionHandshakes,
} from "./extension.ts";
import { hostKeyOf } from "./host_key.ts";
import { addressOf } from "./ip_address.ts";
import { MessageDecoder, type MessageHandler } from "./message.ts";
import { MessageWriter } from "./message_writer.ts";
import type { Prospects } from "./prospects.ts";
import { RateMeter } from "./rate.ts";
import type { PeerRequests } from "./requests.ts";
import { UploadQueue } from "./upload_queue.ts";

/** Largest block that we send, in bytes; other programs close connections that ask for more (BEP 3, and the field's custom). */
export const REQUEST_BYTES_MAX: number = 128 * 1024;

/** Requests of one peer that may wait here; told to it as `reqq` (BEP 10). 1,024 blocks are 16 MiB in flight. */
export const UPLOAD_QUEUE_BLOCKS_MAX = 1024;

/** Requests that we keep at a peer which does not say how many it takes; libtorrent's default for `reqq`. */
const PEER_QUEUE_BLOCKS_DEFAULT = 250;

/** How often a peer may say anew all that it has without having more: to count it costs as much as the torrent has pieces. */
const HAS_MESSAGES_MAX = 16;

/** Requests that a new peer is given before anything is known of its rate: 256 KiB. */
export const PIPELINE_BLOCKS_INITIAL = 16;

/** The way to a peer and back that is assumed before it is measured: around the world. */
const WAY_MS_INITIAL = 500;

/** Window of the rates that peers are compared by, in seconds (BEP 3: a 20-second average). */
const CHOKE_RATE_WINDOW_SECONDS = 20;

/** Window of the rate that a peer's pipeline follows: long enough to be steady, short enough to follow. */
const PIPELINE_RATE_WINDOW_SECONDS = 4;

/** What a connection tells its owner. Every call is synchronous, out of {@linkcode Connection.handleReceived}. */
export interface ConnectionEvents {
  /** The peer choked us: it will not answer what we asked (unless it agreed to BEP 6 and rejects each). */
  handleChoked(connection: Connection): void;
  /** The peer lets us ask. */
  handleUnchoked(connection: Connection): void;
  /** The peer's interest in us changed. */
  handleInterest(connection: Connection): void;
  /** The peer has one more piece; `connection.has` knows it already. */
  handleHave(connection: Connection, piece: number): void;
  /** The peer is about to say anew what it has; `connection.has` is still the old. */
  handleHasReplacing(connection: Connection): void;
  /** The peer said what it has. */
  handleHasReplaced(connection: Connection): void;
  /** The peer asks for a range that lies inside a piece. */
  handleRequest(connection: Connection, piece: number, begin: number, length: number): void;
  /** The peer no longer wants what it asked for. */
  handleCancel(connection: Connection, piece: number, begin: number, length: number): void;
  /** A block came. `buffer` is borrowed until the call returns. */
  handlePiece(
    connection: Connection,
    piece: number,
    begin: number,
    buffer: Uint8Array,
    start: number,
    end: number,
  ): void;
  /** The peer will not send this block (BEP 6). */
  handleReject(connection: Connection, piece: number, begin: number, length: number): void;
}

/** What a {@linkcode Connection} is made from. */
export interface ConnectionOptions {
  /** A number that no other connection of this torrent has or had. */
  readonly id: number;
  /** The arithmetic of the torrent. */
  readonly geometry: Geometry;
  /** What the peer said its id is, 20 bytes. */
  readonly peerId: Uint8Array;
  /** Where the peer is, `host:port`: what was dialled, or what the socket says. */
  readonly address: string;
  /** The IP address of its host, where `address` may have a name. */
  readonly host?: string | undefined;
  /** Whether the peer dialled us. */
  readonly isIncoming: boolean;
  /** Whether both sides agreed to BEP 6. */
  readonly isFast: boolean;
  /** Whether both sides agreed to BEP 10. */
  readonly isExtended: boolean;
  /** What the table knows of requests to this peer. */
  readonly requests: PeerRequests;
  /** Who is told. */
  readonly events: ConnectionEvents;
  /** Now, in milliseconds of the monotonic clock. */
  readonly nowMs: number;
}

/** One live connection. Fields are read by whoever decides, and written by its manager's rooms. */
export class Connection implements MessageHandler {
  /** See {@linkcode ConnectionOptions}. */
  readonly id: number;
  /** See {@linkcode ConnectionOptions}. */
  readonly peerId: Uint8Array;
  /** See {@linkcode ConnectionOptions}. */
  readonly address: string;
  /** Which host that is, see `hostKeyOf`. */
  readonly hostKey: string;
  /** See {@linkcode ConnectionOptions}. */
  readonly isIncoming: boolean;
  /** See {@linkcode ConnectionOptions}. */
  readonly isFast: boolean;
  /** See {@linkcode ConnectionOptions}. */
  readonly isExtended: boolean;
  /** What we asked this peer for. */
  readonly requests: PeerRequests;
  /** What this peer asked us for. */
  readonly uploads: UploadQueue = new UploadQueue(UPLOAD_QUEUE_BLOCKS_MAX);
  /** Messages that wait for the driver. */
  readonly writer: MessageWriter = new MessageWriter();
  /** What the peer has. */
  readonly has: Bitfield;
  /** Whether the picker counts this peer as one that has everything. */
  isCountedAsSeed = false;
  /** What the picker keeps about this peer; null before it said what it has. */
  prospects: Prospects | null = null;
  /** The peer lacks all begun pieces with missing blocks up to this `order`. Kept by the requester. */
  lackedOrder = 0;
  /** How many pieces this peer has that we lack; we are interested while it is above 0. */
  wantedPieces = 0;
  /** Whether we do not answer this peer's requests. */
  amChoking = true;
  /** Whether we told the peer that we want something of it. */
  amInterested = false;
  /** Whether the peer does not answer our requests. */
  isChoking = true;
  /** Whether the peer wants something of us. */
  isInterested = false;
  /** Whether it is being shown our pieces one by one, and so cannot know yet what it wants. */
  isLured = false;
  /** Whether the peer owes us blocks and sends none. */
  isSnubbed = false;
  /** Whether messages for it were written since the last input; kept by the manager. */
  isTouched = false;
  /** Whether the connection is over; nothing it says counts any more. */
  isClosed = false;
  /** Blocks that came unasked, less the requests that we cancelled or forgot and that may be answered all the same. */
  unaskedBlocks = 0;
  /** Until when nothing is asked of this peer, because it rejected what it was asked for. */
  askAgainAtMs = 0;
  /** How many requests the peer takes at once. */
  peerQueueBlocks: number = PEER_QUEUE_BLOCKS_DEFAULT;
  /** How many requests we keep at the peer. Kept by the downloader. */
  pipelineBlocks: number = PIPELINE_BLOCKS_INITIAL;
  /** Whether the pipeline still grows by a block for every block that comes. */
  isProbing = true;
  /** When its first block came; -1 before. */
  firstBlockAtMs = -1;
  /** The shortest time in which it answered: the way there and back. */
  wayMs: number = WAY_MS_INITIAL;
  /** The peer's rate when it last sent as expected, bytes per second: what its answers are timed by. */
  steadyRate = 0;
  /** What the peer said in its extension handshake. */
  extensions: ExtensionHandshake | null = null;
  /** Payload from the peer, as the choker compares it. */
  readonly downRate: RateMeter = new RateMeter(CHOKE_RATE_WINDOW_SECONDS);
  /** Payload from the peer, as its pipeline follows it. */
  readonly pipelineRate: RateMeter = new RateMeter(PIPELINE_RATE_WINDOW_SECONDS);
  /** Payload to the peer. */
  readonly upRate: RateMeter = new RateMeter(CHOKE_RATE_WINDOW_SECONDS);
  /** Bytes of the wire that came, payload and all else. */
  receivedBytes = 0;
  /** Payload bytes that the peer sent. */
  downloadedBytes = 0;
  /** Payload bytes that the peer was sent. */
  uploadedBytes = 0;
  /** When the handshakes were done. */
  readonly openedAtMs: number;
  /** When anything last came. */
  lastReceivedAtMs: number;
  /** When anything was last handed to the driver. */
  lastSentAtMs: number;
  /** When a block last came, or the first request went out to a peer that owed nothing. */
  lastBlockAtMs: number;
  /** When we last changed between choking and not. */
  chokeChangedAtMs: number;
  /** The time of the input that is being handled. */
  nowMs: number;

  readonly #geometry: Geometry;
  readonly #events: ConnectionEvents;
  readonly #decoder: MessageDecoder;
  #hasMessages = 0;

  constructor(options: ConnectionOptions) {
    const { geometry, nowMs } = options;
    this.id = options.id;
    this.peerId = options.peerId;
    this.address = options.address;
    this.hostKey = hostKeyOf(options.host ?? addressOf(options.address).host);
    this.isIncoming = options.isIncoming;
    this.isFast = options.isFast;
    this.isExtended = options.isExtended;
    this.requests = options.requests;
    this.openedAtMs = nowMs;
    this.lastReceivedAtMs = nowMs;
    this.lastSentAtMs = nowMs;
    this.lastBlockAtMs = nowMs;
    this.chokeChangedAtMs = nowMs;
    this.nowMs = nowMs;
    this.has = new Bitfield(geometry.pieceCount);
    this.#geometry = geometry;
    this.#events = options.events;
    this.#decoder = new MessageDecoder({ handler: this, pieceCount: geometry.pieceCount });
  }

  /** Whether the peer would take what we give: it says so, or it will once it is shown something. */
  get isWanting(): boolean {
    return this.isInterested || this.isLured;
  }

  /** Where the driver reads into. Borrowed until {@linkcode handleReceived}. */
  receiveSpace(): Uint8Array<ArrayBuffer> {
    return this.#decoder.receiveSpace();
  }

  /** Decodes what was read into {@linkcode receiveSpace}. @throws {PeerProtocolError} */
  handleReceived(bytes: number, nowMs: number): void {
    this.nowMs = nowMs;
    this.lastReceivedAtMs = nowMs;
    this.receivedBytes += bytes;
    this.#decoder.handleReceived(bytes);
  }

  /** Decodes bytes that came some other way (after the handshake, in a simulation). @throws {PeerProtocolError} */
  feed(bytes: Uint8Array, nowMs: number): void {
    this.nowMs = nowMs;
    this.lastReceivedAtMs = nowMs;
    this.receivedBytes += bytes.length;
    this.#decoder.feed(bytes);
  }

  /** Marks the connection as over: the decoder stops in the middle of what it has. */
  close(): void {
    this.isClosed = true;
    this.#decoder.stop();
  }

  /** Writes our side of the extension handshake (BEP 10). */
  sendExtensionHandshake(listenPort: number, version: string): void {
    this.writer.extended(
      EXTENSION_HANDSHAKE_ID,
      encodeExtensionHandshake({
        messages: {},
        version,
        reqq: UPLOAD_QUEUE_BLOCKS_MAX,
        port: listenPort,
      }),
    );
  }

  handleKeepAlive(): void {}

  handleChoke(): void {
    if (this.isChoking) return;
    this.isChoking = true;
    this.#events.handleChoked(this);
  }

  handleUnchoke(): void {
    if (!this.isChoking) return;
    this.isChoking = false;
    this.#events.handleUnchoked(this);
  }

  handleInterested(): void {
    if (this.isInterested) return;
    this.isInterested = true;
    this.#events.handleInterest(this);
  }

  handleNotInterested(): void {
    if (!this.isInterested) return;
    this.isInterested = false;
    this.#events.handleInterest(this);
  }

  handleHave(piece: number): void {
    this.#checkPiece("have", piece);
    if (this.has.set(piece)) this.#events.handleHave(this, piece);
  }

  handleBitfield(buffer: Uint8Array, start: number, end: number): void {
    // BEP 3 allows one, first. Some programs send them instead of haves; the last one counts.
    const has = Bitfield.fromBytes(buffer.subarray(start, end), this.has.length);
    if (has.count <= this.has.count) this.#checkHasMessage("bitfield");
    this.#events.handleHasReplacing(this);
    this.has.clearAll();
    has.forEachSet((piece) => this.has.set(piece));
    this.#events.handleHasReplaced(this);
  }

  handleHaveAll(): void {
    this.#checkFast("have all");
    this.#checkHasMessage("have all");
    this.#events.handleHasReplacing(this);
    this.has.setAll();
    this.#events.handleHasReplaced(this);
  }

  handleHaveNone(): void {
    this.#checkFast("have none");
    this.#checkHasMessage("have none");
    this.#events.handleHasReplacing(this);
    this.has.clearAll();
    this.#events.handleHasReplaced(this);
  }

  handleRequest(piece: number, begin: number, length: number): void {
    this.#checkRange("request", piece, begin, length);
    this.#events.handleRequest(this, piece, begin, length);
  }

  handleCancel(piece: number, begin: number, length: number): void {
    this.#events.handleCancel(this, piece, begin, length);
  }

  handlePiece(piece: number, begin: number, buffer: Uint8Array, start: number, end: number): void {
    this.#events.handlePiece(this, piece, begin, buffer, start, end);
  }

  handleReject(piece: number, begin: number, length: number): void {
    this.#checkFast("reject");
    this.#checkPiece("reject", piece);
    this.#events.handleReject(this, piece, begin, length);
  }

  handleSuggest(piece: number): void {
    this.#checkFast("suggest");
    this.#checkPiece("suggest", piece); // a hint that we do not follow
  }

  handleAllowedFast(piece: number): void {
    this.#checkFast("allowed fast");
    this.#checkPiece("allowed fast", piece); // an offer that we do not use
  }

  handlePort(_port: number): void {} // the DHT port (BEP 5); there is no DHT here

  handleExtended(id: number, buffer: Uint8Array, start: number, end: number): void {
    if (id !== EXTENSION_HANDSHAKE_ID) return; // we offered no others
    const said = decodeExtensionHandshake(buffer.subarray(start, end));
    this.extensions = this.extensions === null
      ? said
      : mergeExtensionHandshakes(this.extensions, said);
    if (this.extensions.reqq !== null) this.peerQueueBlocks = this.extensions.reqq;
  }

  handleUnknown(_id: number, _bytes: number): void {} // later protocols' messages are skipped

  #checkFast(message: string): void {
    if (this.isFast) return;
    throw new PeerProtocolError(
      "order",
      `Cannot accept ${message}: the fast extension was not agreed on`,
    );
  }

  #checkHasMessage(message: string): void {
    if (++this.#hasMessages <= HAS_MESSAGES_MAX) return;
    throw new PeerProtocolError(
      "order",
      `Cannot accept ${message}: the peer said what it has ${HAS_MESSAGES_MAX} times without having more, one time is due`,
    );
  }

  #checkPiece(message: string, piece: number): void {
    if (this.#geometry.isPiece(piece)) return;
    throw new PeerProtocolError(
      "index",
      `Cannot accept ${message}: piece is ${piece}, the torrent has ${this.#geometry.pieceCount}`,
    );
  }

  #checkRange(message: string, piece: number, begin: number, length: number): void {
    this.#checkPiece(message, piece);
    if (length > REQUEST_BYTES_MAX) {
      throw new PeerProtocolError(
        "length",
        `Cannot accept ${message}: length is ${length} bytes, limit is ${REQUEST_BYTES_MAX} bytes`,
      );
    }
    if (this.#geometry.holds(piece, begin, length)) return;
    throw new PeerProtocolError(
      "index",
      `Cannot accept ${message}: ${length} bytes at ${begin} lie outside piece ${piece} of ${
        this.#geometry.pieceBytes(piece)
      } bytes`,
    );
  }
}
