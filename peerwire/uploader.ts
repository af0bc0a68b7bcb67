/**
 * The serving side of one torrent: what peers asked for, read ahead by the span and sent as the line takes it.
 *
 * @module
 */

import { BLOCK_BYTES, type Geometry } from "@enjambre/metainfo";
import type { Bitfield } from "./bitfield.ts";
import { type Connection, REQUEST_BYTES_MAX } from "./connection.ts";
import type { TokenBucket } from "./rate.ts";
import type { SwarmStats } from "./stats.ts";
import { UploadTurns } from "./upload_turns.ts";

/** What is read at once: a MiB costs little more than a block, and most peers go on where they are. */
const SPAN_BYTES = 1024 * 1024;

/** Bytes that a connection is handed before it has sent what it has: those can be neither cancelled nor choked any more. */
const OUTPUT_BYTES = 512 * 1024;

/** The same where the line takes it at once: on loopback a MiB in one write is a fifth quicker than half of it. */
const OUTPUT_BYTES_MAX = 1024 * 1024;

/** A line is that quick where it takes {@linkcode OUTPUT_BYTES_MAX} in 1/16 s. */
const QUICK_BYTES_PER_SECOND: number = 16 * OUTPUT_BYTES_MAX;

/** Spans that are read ahead for one connection: what it goes through while a read is under way. */
const SPANS_AHEAD_MAX = 4;

/** Requests for blocks that one span answers. */
const SPAN_BLOCKS: number = SPAN_BYTES / BLOCK_BYTES;

/** Bytes of a `piece` message beside its block (BEP 3). */
const HEADER_BYTES = 13;

/** A part of a piece that is in memory, or on its way there. */
interface Span {
  readonly key: number;
  readonly piece: number;
  /** Where in the piece it begins. */
  readonly begin: number;
  readonly data: Uint8Array<ArrayBuffer>;
  isReady: boolean;
}

/** What an {@linkcode Uploader} asks its owner to do. */
export interface UploaderSink {
  /** Messages for `connection` were written. */
  touch(connection: Connection): void;
  /** Fill `target` from the store, then call {@linkcode Uploader.handleRead} with `key`; borrowed until then. */
  readSpan(key: number, piece: number, begin: number, target: Uint8Array<ArrayBuffer>): void;
}

/** What an {@linkcode Uploader} is made from. */
export interface UploaderOptions {
  /** The arithmetic of the torrent. */
  readonly geometry: Geometry;
  /** The pieces that we have. */
  readonly have: Bitfield;
  /** The live connections by id, kept by the manager. */
  readonly connections: ReadonlyMap<number, Connection>;
  /** Bytes that spans may take in memory. */
  readonly memoryBytes: number;
  /** The limit of payload that is sent; null where there is none. */
  readonly bucket: TokenBucket | null;
  /** How many connected peers have a piece. */
  readonly availabilityOf: (piece: number) => number;
  /** Where what happens is counted. */
  readonly stats: SwarmStats;
  /** Who does what is asked. */
  readonly sink: UploaderSink;
}

/**
 * Serves requests.
 *
 * A piece is read in spans of 1 MiB, each long enough that a request which begins in it also ends in it. Spans
 * are kept least recently used first out, so that peers on one piece are served from one read.
 */
export class Uploader {
  readonly #geometry: Geometry;
  readonly #have: Bitfield;
  readonly #connections: ReadonlyMap<number, Connection>;
  readonly #stats: SwarmStats;
  readonly #sink: UploaderSink;
  readonly #spansPerPiece: number;
  readonly #spansMax: number;
  readonly #bucket: TokenBucket | null;
  /** Under a limit: the connections that wait for it; null where there is none. */
  readonly #turns: UploadTurns | null;
  #nextTurnMs = Infinity;
  readonly #isReadyNow = (connection: Connection) => this.#isReady(connection);
  readonly #canSendNow = (connection: Connection) => this.#canSend(connection);
  /** In order of use, least recent first. */
  readonly #spans = new Map<number, Span>();

  constructor(options: UploaderOptions) {
    const { geometry } = options;
    this.#geometry = geometry;
    this.#have = options.have;
    this.#connections = options.connections;
    this.#stats = options.stats;
    this.#sink = options.sink;
    const { bucket, availabilityOf } = options;
    this.#bucket = bucket;
    this.#turns = bucket === null
      ? null
      : new UploadTurns({ geometry, bytesPerSecond: bucket.bytesPerSecond, availabilityOf });
    this.#spansPerPiece = Math.ceil(geometry.pieceLength / SPAN_BYTES);
    const spanBytes = Math.min(geometry.pieceLength, SPAN_BYTES + REQUEST_BYTES_MAX);
    this.#spansMax = Math.max(2, Math.floor(options.memoryBytes / spanBytes));
  }

  /** A peer asks for a range that the torrent has. */
  handleRequest(connection: Connection, piece: number, begin: number, length: number): void {
    const isServed = !connection.amChoking && this.#have.has(piece) &&
      connection.uploads.push(piece, begin, length);
    if (!isServed && connection.isFast) {
      connection.writer.reject(piece, begin, length);
      this.#sink.touch(connection);
    }
  }

  /** A peer does not want a range any more; it gets none of it if it is not on its way. */
  handleCancel(connection: Connection, piece: number, begin: number, length: number): void {
    const wasWaiting = connection.uploads.remove(piece, begin, length);
    if (wasWaiting && connection.isFast) {
      connection.writer.reject(piece, begin, length);
      this.#sink.touch(connection);
    }
  }

  /** We choke a peer: what it asked for is not sent. */
  handleChoking(connection: Connection): void {
    const { uploads } = connection;
    if (connection.isFast) {
      for (let i = 0; i < uploads.count; i++) {
        connection.writer.reject(uploads.pieceAt(i), uploads.beginAt(i), uploads.lengthAt(i));
      }
    }
    uploads.clear();
  }

  /** When the limit allows the next block; Infinity while none waits for it. */
  get nextDeadlineMs(): number {
    return this.#nextTurnMs;
  }

  /** Sends what a connection waits for, as far as its line and the limit take it. */
  pump(connection: Connection, nowMs: number): void {
    // hot: bench/ideal_leech.ts
    if (this.#turns !== null) {
      this.#turns.add(connection);
      return this.handleDeadline(nowMs);
    }
    while (this.#canSend(connection)) this.#send(connection, nowMs);
    this.#readAhead(connection);
  }

  /** Under a limit: serves the connections in turn, a block each, until the allowance is used up. */
  handleDeadline(nowMs: number): void {
    const bucket = this.#bucket!;
    const turns = this.#turns!;
    this.#nextTurnMs = Infinity;
    for (;;) {
      const connection = turns.next(this.#isReadyNow, this.#canSendNow);
      if (connection === null) return;
      const bytes = connection.uploads.lengthAt(0);
      if (!bucket.take(bytes, nowMs)) {
        this.#nextTurnMs = bucket.readyAtMs(bytes, nowMs);
        return;
      }
      this.#send(connection, nowMs);
      this.#readAhead(connection);
      turns.handleSent(connection);
    }
  }

  /** A span was read, or could not be: then the connections that wait for it get nothing of it. */
  handleRead(key: number, isGood: boolean, nowMs: number): void {
    const span = this.#spans.get(key)!;
    span.isReady = isGood;
    if (!isGood) {
      this.#spans.delete(key);
      this.#refuse(span);
    }
    for (const connection of this.#connections.values()) {
      if (connection.uploads.count === 0) continue;
      this.pump(connection, nowMs);
    }
  }

  /** Whether the oldest request can be answered now: the line takes more, and the bytes are in memory. */
  #canSend(connection: Connection): boolean {
    const { uploads } = connection;
    if (!takesNext(connection)) return false;
    return this.#spanOf(uploads.pieceAt(0), uploads.beginAt(0))?.isReady ?? false;
  }

  /** The same, leaving the memory as it is. */
  #isReady(connection: Connection): boolean {
    const { uploads } = connection;
    if (!takesNext(connection)) return false;
    return this.#spans.get(this.#keyOf(uploads.pieceAt(0), uploads.beginAt(0)))?.isReady ?? false;
  }

  /** Answers the oldest request. */
  #send(connection: Connection, nowMs: number): void {
    const { uploads, writer } = connection;
    const piece = uploads.pieceAt(0);
    const begin = uploads.beginAt(0);
    const length = uploads.lengthAt(0);
    const span = this.#spanOf(piece, begin)!;
    const start = begin - span.begin;
    writer.piece(piece, begin, span.data, start, start + length);
    uploads.shift();
    connection.uploadedBytes += length;
    connection.upRate.add(length, nowMs);
    this.#stats.uploadedBytes += length;
    this.#sink.touch(connection);
  }

  /** Begins to read what the next requests need, so that it is there when their turn comes. */
  #readAhead({ uploads }: Connection): void {
    // No more than that there is memory for what is being sent to everybody as well.
    const memory = Math.floor(this.#spansMax / (2 * this.#connections.size));
    const spans = Math.max(1, Math.min(SPANS_AHEAD_MAX, memory));
    const last = Math.min(uploads.count - 1, spans * SPAN_BLOCKS);
    for (let i = SPAN_BLOCKS; i < last; i += SPAN_BLOCKS) {
      this.#spanOf(uploads.pieceAt(i), uploads.beginAt(i));
    }
    if (last > 0) this.#spanOf(uploads.pieceAt(last), uploads.beginAt(last));
  }

  /** The span in which a request begins, made and asked for where it is not there; null while all are busy. */
  #spanOf(piece: number, begin: number): Span | null {
    const index = Math.floor(begin / SPAN_BYTES);
    const key = this.#keyOf(piece, begin);
    const known = this.#spans.get(key);
    if (known !== undefined) {
      this.#spans.delete(key);
      this.#spans.set(key, known);
      return known;
    }
    const data = this.#bufferOf(
      Math.min(
        SPAN_BYTES + REQUEST_BYTES_MAX,
        this.#geometry.pieceBytes(piece) - index * SPAN_BYTES,
      ),
    );
    if (data === null) return null;
    const span: Span = { key, piece, begin: index * SPAN_BYTES, data, isReady: false };
    this.#spans.set(key, span);
    this.#stats.readBytes += data.length;
    this.#sink.readSpan(key, piece, span.begin, data);
    return span;
  }

  #keyOf(piece: number, begin: number): number {
    return piece * this.#spansPerPiece + Math.floor(begin / SPAN_BYTES);
  }

  /** Memory for a span, taken from the least recently used one at the limit. */
  #bufferOf(bytes: number): Uint8Array<ArrayBuffer> | null {
    if (this.#spans.size < this.#spansMax) return new Uint8Array(bytes);
    for (const span of this.#spans.values()) {
      if (!span.isReady) continue;
      this.#spans.delete(span.key);
      return span.data.length === bytes ? span.data : new Uint8Array(bytes);
    }
    return null;
  }

  /** Drops the requests for a span that could not be read. */
  #refuse(span: Span): void {
    const end = span.begin + SPAN_BYTES;
    for (const connection of this.#connections.values()) {
      const { uploads } = connection;
      for (let i = uploads.count - 1; i >= 0; i--) {
        const begin = uploads.beginAt(i);
        if (uploads.pieceAt(i) !== span.piece || begin < span.begin || begin >= end) continue;
        this.handleCancel(connection, span.piece, begin, uploads.lengthAt(i));
      }
    }
  }
}

/** Whether a connection waits for something, and takes its next block beside what it has not sent yet. */
function takesNext({ uploads, writer: { pendingBytes }, upRate, nowMs }: Connection): boolean {
  if (uploads.count === 0) return false;
  if (pendingBytes < OUTPUT_BYTES) return true;
  return pendingBytes + uploads.lengthAt(0) + HEADER_BYTES <= OUTPUT_BYTES_MAX &&
    upRate.bytesPerSecond(nowMs) >= QUICK_BYTES_PER_SECOND;
}
