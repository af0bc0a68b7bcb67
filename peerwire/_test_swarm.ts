/**
 * One manager among scripted peers, without sockets: for the tests of this folder.
 *
 * The manager's messages to a peer are decoded by our own decoder and kept as text (`"request 3 16384
 * 16384"`); a peer says what its test has it say. Time stands still unless a test moves it. After every
 * input the books are audited.
 *
 * @module
 */

import { BLOCK_BYTES, Geometry } from "@enjambre/metainfo";
import { Bitfield } from "./bitfield.ts";
import type { Connection } from "./connection.ts";
import { decodeExtensionHandshake } from "./extension.ts";
import { Manager } from "./manager.ts";
import type { Arrival, CloseReason, ManagerOptions } from "./manager_options.ts";
import { MessageDecoder, type MessageHandler } from "./message.ts";
import { MessageWriter } from "./message_writer.ts";
import type { PeerAddress } from "./peer_book.ts";

/** Arithmetic of a torrent of one file. */
export function geometryOf(pieceLength: number, totalBytes: number): Geometry {
  const file = { path: "a", bytes: totalBytes, offset: 0, padding: false };
  return new Geometry(pieceLength, [{ ...file, executable: false, symlink: null }]);
}

/** The byte of the torrent at `begin` of `piece`: no two blocks are alike. */
export function contentAt(piece: number, begin: number): number {
  return (piece * 89 + Math.floor(begin / BLOCK_BYTES) * 37 + begin * 7 + 1) & 0xff;
}

/** Fills `target` with what the torrent has from `begin` of `piece`. */
export function fillContent(target: Uint8Array, piece: number, begin: number): void {
  for (let i = 0; i < target.length; i++) target[i] = contentAt(piece, begin + i);
}

/** Whether `data` is what the torrent has from `begin` of `piece`. */
export function isContent(data: Uint8Array, piece: number, begin: number): boolean {
  return data.every((byte, i) => byte === contentAt(piece, begin + i));
}

/** A set of pieces drawn as `"x--x"`. */
export function bitfieldOf(drawing: string): Bitfield {
  const bitfield = new Bitfield(drawing.length);
  [...drawing].forEach((mark, piece) => {
    if (mark === "x") bitfield.set(piece);
  });
  return bitfield;
}

/** Uniform numbers in [0, 1) that a seed replays. */
export function randomOf(seed: number): () => number {
  let state = Math.imul(seed, 2654435761) >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** What a {@linkcode TestSwarm} is made from. */
export interface TestSwarmOptions extends Partial<ManagerOptions> {
  /** What the manager has at first, drawn as `"x--x"`; nothing where absent. */
  readonly has?: string;
}

/** What a scripted peer is like. */
export interface PeerOptions {
  /** What it has, drawn as `"x--x"`, said at once; where absent it says nothing. */
  readonly has?: string;
  /** Whether BEP 6 was agreed on; true where absent. */
  readonly isFast?: boolean;
  /** Whether BEP 10 was agreed on; false where absent. */
  readonly isExtended?: boolean;
  /** Whether it dialled us; true where absent. */
  readonly isIncoming?: boolean;
  /** Whether it unchokes us at once; false where absent. */
  readonly unchokes?: boolean;
  /** All 20 bytes of its id; its own number where absent. */
  readonly idByte?: number;
  /** Where it is; where absent, a host of its own for each id, and a port of its own for each connection. */
  readonly address?: PeerAddress;
  /** What its socket says; that of `address` where absent. */
  readonly host?: string;
}

/** A piece that the manager wants stored. */
export interface StoreOrder {
  readonly piece: number;
  readonly data: Uint8Array;
}

/** A range that the manager wants read. */
export interface ReadOrder {
  readonly key: number;
  readonly piece: number;
  readonly begin: number;
  readonly target: Uint8Array<ArrayBuffer>;
}

/** A manager, its recording sink and its scripted peers. */
export class TestSwarm {
  readonly geometry: Geometry;
  readonly manager: Manager;
  /** The time that inputs are given. */
  nowMs = 1000;
  /** Orders of the manager that no test has answered yet. */
  readonly stores: StoreOrder[] = [];
  readonly reads: ReadOrder[] = [];
  readonly dials: PeerAddress[] = [];
  /** Pieces that the manager said are stored. */
  readonly done: number[] = [];
  readonly #peers = new Map<Connection, ScriptedPeer>();
  #attaching: ScriptedPeer | null = null;
  #peerCount = 0;

  constructor(geometry: Geometry, options: TestSwarmOptions = {}) {
    const { has, ...rest } = options;
    this.geometry = geometry;
    this.manager = new Manager({
      geometry,
      have: has === undefined ? new Bitfield(geometry.pieceCount) : bitfieldOf(has),
      peerId: new Uint8Array(20).fill(100),
      listenPort: 6881,
      version: "test",
      random: randomOf(1),
      sink: {
        flush: (connection) => this.#peerOf(connection)?.collect(),
        closed: (connection, reason, message) => {
          const peer = this.#peerOf(connection);
          if (peer !== undefined) peer.closed = { reason, message };
        },
        dial: (address) => this.dials.push(address),
        storePiece: (piece, data) => this.stores.push({ piece, data }),
        readSpan: (key, piece, begin, target) => this.reads.push({ key, piece, begin, target }),
        pieceDone: (piece) => this.done.push(piece),
      },
      ...rest,
    });
  }

  /** Has a peer come, and say what its options say. */
  join(options: PeerOptions = {}): ScriptedPeer {
    const peer = this.tryJoin(options);
    if (typeof peer === "string") throw new Error(`The peer was refused: ${peer}`);
    return peer;
  }

  /** Has a peer come; the manager may refuse it. */
  tryJoin(options: PeerOptions = {}): ScriptedPeer | string {
    const number = ++this.#peerCount;
    const peer = new ScriptedPeer(this);
    const arrival: Arrival = {
      address: options.address ??
        { host: `192.0.2.${options.idByte ?? number}`, port: 40_000 + number },
      ...(options.host !== undefined && { host: options.host }),
      peerId: new Uint8Array(20).fill(options.idByte ?? number),
      isIncoming: options.isIncoming ?? true,
      isFast: options.isFast ?? true,
      isExtended: options.isExtended ?? false,
    };
    this.#attaching = peer;
    const connection = this.manager.attach(arrival, this.nowMs);
    this.#attaching = null;
    this.audit();
    if (typeof connection === "string") return connection;
    this.#peers.set(connection, peer);
    peer.join(connection);
    peer.say((writer) => {
      if (options.has !== undefined) writer.bitfield(bitfieldOf(options.has).bytes);
      if (options.unchokes) writer.unchoke();
    });
    return peer;
  }

  /** Answers the oldest order to store a piece: is it what the torrent says, as far as this test does not say otherwise. */
  finishStore(outcome?: "stored" | "corrupt" | "failed"): number {
    const order = this.stores.shift();
    if (order === undefined) throw new Error("Nothing is to be stored");
    const isGood = isContent(order.data, order.piece, 0);
    this.manager.handleStored(
      order.piece,
      outcome ?? (isGood ? "stored" : "corrupt"),
      this.nowMs,
    );
    this.audit();
    return order.piece;
  }

  /** Answers all orders to store pieces. */
  finishStores(): void {
    while (this.stores.length > 0) this.finishStore();
  }

  /** Answers the oldest order to read. */
  finishRead(isGood = true): void {
    const order = this.reads.shift();
    if (order === undefined) throw new Error("Nothing is to be read");
    if (isGood) fillContent(order.target, order.piece, order.begin);
    this.manager.handleRead(order.key, isGood, this.nowMs);
    this.audit();
  }

  /** Answers all orders to read. */
  finishReads(): void {
    while (this.reads.length > 0) this.finishRead();
  }

  /** Lets time pass, with a deadline handled whenever the manager asks for one. */
  pass(ms: number): void {
    const untilMs = this.nowMs + ms;
    while (this.manager.nextDeadlineMs <= untilMs) {
      this.nowMs = Math.max(this.nowMs, this.manager.nextDeadlineMs);
      this.manager.handleDeadline(this.nowMs);
      if (!(this.manager.nextDeadlineMs > this.nowMs)) {
        throw new Error(`The deadline is ${this.manager.nextDeadlineMs}, now is ${this.nowMs}`);
      }
      this.audit();
    }
    this.nowMs = untilMs;
  }

  /** Checks the invariants. */
  audit(): void {
    this.manager.audit(this.nowMs);
  }

  #peerOf(connection: Connection): ScriptedPeer | undefined {
    const peer = this.#peers.get(connection) ?? this.#attaching ?? undefined;
    if (peer === this.#attaching) peer?.join(connection);
    return peer;
  }
}

/** The other end of one connection. */
export class ScriptedPeer {
  /** Whether what the manager writes is taken and acknowledged at once. */
  isReading = true;
  /** Why the manager closed the connection. */
  closed: { readonly reason: CloseReason; readonly message: string } | null = null;
  readonly #swarm: TestSwarm;
  readonly #writer = new MessageWriter();
  readonly #decoder: MessageDecoder;
  /** Whether something was taken since the last acknowledgement. */
  #isOwed = false;
  #said: string[] = [];
  #connection: Connection | null = null;

  constructor(swarm: TestSwarm) {
    this.#swarm = swarm;
    const handler = textHandler((message) => this.#said.push(message));
    this.#decoder = new MessageDecoder({ handler, pieceCount: swarm.geometry.pieceCount });
  }

  /** The manager's end. */
  get connection(): Connection {
    if (this.#connection === null) throw new Error("The peer was refused");
    return this.#connection;
  }

  /** For {@linkcode TestSwarm}: says which connection this is the other end of. */
  join(connection: Connection): void {
    this.#connection = connection;
  }

  /** Takes what the manager said since the last time. */
  heard(): string[] {
    const said = this.#said;
    this.#said = [];
    return said;
  }

  /** Takes what the manager said, and gives that of one kind: `"request"`, say. */
  heardOf(kind: string): string[] {
    return this.heard().filter((message) => message.split(" ")[0] === kind);
  }

  /** What of one kind was said and not yet taken; nothing is taken. */
  pending(kind: string): string[] {
    return this.#said.filter((message) => message.split(" ")[0] === kind);
  }

  /** Says something. */
  say(write: (writer: MessageWriter) => void): void {
    write(this.#writer);
    const bytes = this.#writer.take();
    if (bytes === null) return;
    this.feed(bytes);
    this.#writer.release();
  }

  /** Sends these bytes. */
  feed(bytes: Uint8Array): void {
    this.#swarm.manager.feed(this.connection, bytes, this.#swarm.nowMs);
    this.#swarm.audit();
  }

  /** Sends the right block for each of these requests, in the form in which they were heard; bad ones where told to. */
  answer(requests: readonly string[], isGood = true): void {
    for (const request of requests) {
      const [, piece, begin, length] = request.split(" ").map(Number);
      const block = new Uint8Array(length!);
      fillContent(block, piece!, begin!);
      if (!isGood) block[0] = block[0]! ^ 0xff;
      this.say((writer) => writer.piece(piece!, begin!, block, 0, block.length));
    }
  }

  /** Answers requests until no more come. */
  answerAll(): void {
    for (;;) {
      const requests = this.heardOf("request");
      if (requests.length === 0) return;
      this.answer(requests);
    }
  }

  /** Hangs up. */
  leave(): void {
    this.#swarm.manager.handleClosed(this.connection, "hung up", this.#swarm.nowMs);
    this.#swarm.audit();
  }

  /** Takes what the manager wrote, as the driver would. */
  collect(): void {
    if (!this.isReading) return;
    const { writer } = this.connection;
    for (let bytes = writer.take(); bytes !== null; bytes = writer.take()) {
      this.#decoder.feed(bytes);
      writer.release();
      this.#isOwed = true;
    }
  }

  /** Says that what was taken has been sent, until nothing more comes. */
  acknowledge(): void {
    while (this.#isOwed) {
      this.#isOwed = false;
      this.#swarm.manager.handleWritten(this.connection, this.#swarm.nowMs);
      this.#swarm.audit();
    }
  }
}

/** Turns messages into text. Blocks are compared with the torrent's content. */
function textHandler(tell: (message: string) => void): MessageHandler {
  const triple = (kind: string) => (piece: number, begin: number, length: number) =>
    tell(`${kind} ${piece} ${begin} ${length}`);
  return {
    handleKeepAlive: () => tell("keep-alive"),
    handleChoke: () => tell("choke"),
    handleUnchoke: () => tell("unchoke"),
    handleInterested: () => tell("interested"),
    handleNotInterested: () => tell("not-interested"),
    handleHave: (piece) => tell(`have ${piece}`),
    handleBitfield: (buffer, start, end) => {
      const bits = Array.from(buffer.subarray(start, end), (byte) => byte.toString(2));
      tell(`bitfield ${bits.map((text) => text.padStart(8, "0")).join("")}`);
    },
    handleRequest: triple("request"),
    handlePiece: (piece, begin, buffer, start, end) => {
      const isGood = isContent(buffer.subarray(start, end), piece, begin);
      tell(`piece ${piece} ${begin} ${end - start} ${isGood ? "good" : "bad"}`);
    },
    handleCancel: triple("cancel"),
    handlePort: (port) => tell(`port ${port}`),
    handleSuggest: (piece) => tell(`suggest ${piece}`),
    handleHaveAll: () => tell("have-all"),
    handleHaveNone: () => tell("have-none"),
    handleReject: triple("reject"),
    handleAllowedFast: (piece) => tell(`allowed-fast ${piece}`),
    handleExtended: (id, buffer, start, end) => {
      const { version, reqq, port } = decodeExtensionHandshake(buffer.subarray(start, end));
      tell(`extended ${id} ${version} ${reqq} ${port}`);
    },
    handleUnknown: (id) => tell(`unknown ${id}`),
  };
}
