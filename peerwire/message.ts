import { PeerProtocolError } from "./errors.ts";

/** The number that says what a message is. Source: BEP 3; `port` BEP 5; 13 to 17 BEP 6; `extended` BEP 10. */
export const MESSAGE_ID = {
  choke: 0,
  unchoke: 1,
  interested: 2,
  notInterested: 3,
  have: 4,
  bitfield: 5,
  request: 6,
  piece: 7,
  cancel: 8,
  port: 9,
  suggest: 13,
  haveAll: 14,
  haveNone: 15,
  reject: 16,
  allowedFast: 17,
  extended: 20,
} as const;

/**
 * The largest block that a `piece` message may carry: 128 KiB.
 *
 * Why: nobody is asked for more than 16 KiB here, and an answer of another length is for the request
 * table to refuse. 2^17 is the limit that the first clients put on a request, so whatever has ever been
 * a BitTorrent block gets as far as that table; and it fits in the receive buffer.
 */
export const MESSAGE_BLOCK_BYTES_MAX = 131072;

/**
 * The largest payload of an `extended` message, behind its id: 128 KiB.
 *
 * Why: the largest in use is a block of metadata (BEP 9), 16 KiB and its dictionary; peer exchange
 * with 100 addresses is 2 KB. More would let a peer hold more of our memory than the receive buffer.
 */
export const MESSAGE_EXTENDED_BYTES_MAX = 131072;

/** The largest payload of a message with an id that is unknown here: 128 KiB; it is skipped, as later BEPs may add some. */
export const MESSAGE_UNKNOWN_BYTES_MAX = 131072;

/**
 * The size of a receive buffer to begin with: 64 KiB.
 *
 * Why: with no more than a block of 16 KiB unfinished in it, every read has at least half of that. A connection that
 * gets little needs no more; 500 take 32 MiB.
 */
export const RECEIVE_BUFFER_BYTES = 65536;

/**
 * The size that a receive buffer grows to, doubled by each read that fills it: 256 KiB.
 *
 * Why: reads of that size reach the full rate of loopback, and are few; larger ones gave no more.
 */
export const RECEIVE_BUFFER_BYTES_MAX = 262144;

/**
 * What a {@linkcode MessageDecoder} tells, one call per message.
 *
 * Ownership: a `(buffer, start, end)` is borrowed until the call returns; then the decoder may
 * overwrite it. Indices are as the peer sent them, any 32-bit number: whether there is such a piece
 * is for who knows the torrent.
 */
export interface MessageHandler {
  /** Nothing was said, so that the connection stays open. */
  handleKeepAlive(): void;
  /** The peer will not answer requests. */
  handleChoke(): void;
  /** The peer will answer requests. */
  handleUnchoke(): void;
  /** The peer wants something that we have. */
  handleInterested(): void;
  /** The peer wants nothing that we have. */
  handleNotInterested(): void;
  /** The peer has one more piece. */
  handleHave(piece: number): void;
  /** The peer has these pieces; the number of bytes is right, the spare bits are not checked (see `Bitfield.fromBytes`). */
  handleBitfield(buffer: Uint8Array, start: number, end: number): void;
  /** The peer wants a block of ours. */
  handleRequest(piece: number, begin: number, length: number): void;
  /** A block came: `buffer[start, end)`, at least one byte. */
  handlePiece(piece: number, begin: number, buffer: Uint8Array, start: number, end: number): void;
  /** The peer no longer wants a block of ours. */
  handleCancel(piece: number, begin: number, length: number): void;
  /** The peer's DHT node listens on this port (BEP 5). */
  handlePort(port: number): void;
  /** The peer would rather be asked for this piece (BEP 6). */
  handleSuggest(piece: number): void;
  /** The peer has every piece (BEP 6). */
  handleHaveAll(): void;
  /** The peer has no piece (BEP 6). */
  handleHaveNone(): void;
  /** The peer will not send a block that we asked for (BEP 6). */
  handleReject(piece: number, begin: number, length: number): void;
  /** The peer sends this piece even while it chokes us (BEP 6). */
  handleAllowedFast(piece: number): void;
  /** An extension message (BEP 10): `id` 0 is its handshake. */
  handleExtended(id: number, buffer: Uint8Array, start: number, end: number): void;
  /** A message with an id that is unknown here was skipped; `bytes` is the length of its payload. */
  handleUnknown(id: number, bytes: number): void;
}

/** What a {@linkcode MessageDecoder} needs to know. */
export interface MessageDecoderOptions {
  /** Who is told of each message. */
  readonly handler: MessageHandler;
  /** How many pieces the torrent has; says how long a bitfield must be. */
  readonly pieceCount: number;
  /** The size of the receive buffer, at least 16; where absent, {@linkcode RECEIVE_BUFFER_BYTES}, and it grows by need. */
  readonly receiveBufferBytes?: number;
}

const LENGTH_BYTES = 4;
const BLOCK_HEADER_BYTES = 9; // id, piece, begin
const EXTENDED_HEADER_BYTES = 2; // id, extension's id
const RECEIVE_BUFFER_BYTES_MIN = 16;

/** The length of the messages that have just one, by id, id included; 0 for the others. */
const FIXED_LENGTH: Uint8Array = new Uint8Array(
  [1, 1, 1, 1, 5, 0, 13, 0, 13, 3, 0, 0, 0, 5, 1, 1, 13, 5],
);

const NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(MESSAGE_ID).map(([name, id]) => [id, name]),
);

/**
 * Turns the bytes of a peer's stream, after its handshake, into calls of a {@linkcode MessageHandler}.
 *
 * It owns one receive buffer with two cursors: the driver reads into `receiveSpace()`, says how many
 * bytes came, and every message that is complete is told before `handleReceived` returns. What is
 * left, part of one message, is moved to the front only when the space behind it gets short. Nothing is
 * allocated per message.
 *
 * Limits: every length is checked, as soon as it is there, against what a message of its id may have,
 * before anything is waited for. The buffer grows only for a message that is allowed and does not fit
 * (a bitfield of more than two million pieces), and shrinks again behind it.
 *
 * Errors: {@linkcode PeerProtocolError} `length` on the first message that breaks its limit, after
 * all messages before it were told. From then on, as after `stop()` or an error of the handler,
 * nothing more is told.
 *
 * @example
 * ```ts
 * import { MessageDecoder, type MessageHandler } from "@enjambre/peerwire";
 *
 * function follow(handler: MessageHandler, bytes: Uint8Array) {
 *   const decoder = new MessageDecoder({ handler, pieceCount: 100 });
 *   decoder.feed(bytes);
 * }
 * ```
 */
export class MessageDecoder {
  readonly #handler: MessageHandler;
  readonly #bitfieldLength: number;
  readonly #lengthMax: number;
  readonly #usualBytesMax: number;
  #usualBytes: number;
  #buffer: Uint8Array<ArrayBuffer>;
  #start: number; // of what is not told yet
  #end: number; // of what was received
  #needed: number; // the bytes of the message at #start, as far as known
  #decoding: boolean;
  #stopped: boolean;

  /** Makes a decoder. Errors: `RangeError` when an option is no count, or the buffer too small. */
  constructor(options: MessageDecoderOptions) {
    const usualBytes = options.receiveBufferBytes ?? RECEIVE_BUFFER_BYTES;
    if (!Number.isInteger(usualBytes) || usualBytes < RECEIVE_BUFFER_BYTES_MIN) {
      throw new RangeError(
        `Cannot make decoder: receive buffer is ${usualBytes} bytes, must be at least ${RECEIVE_BUFFER_BYTES_MIN} bytes`,
      );
    }
    if (options.pieceCount >>> 0 !== options.pieceCount) {
      throw new RangeError(
        `Cannot make decoder: piece count is ${options.pieceCount}, must be an integer from 0 to 4294967295`,
      );
    }
    this.#handler = options.handler;
    this.#bitfieldLength = 1 + Math.ceil(options.pieceCount / 8);
    this.#lengthMax = Math.max(
      this.#bitfieldLength,
      BLOCK_HEADER_BYTES + MESSAGE_BLOCK_BYTES_MAX,
      EXTENDED_HEADER_BYTES + MESSAGE_EXTENDED_BYTES_MAX,
      1 + MESSAGE_UNKNOWN_BYTES_MAX,
    );
    this.#usualBytes = usualBytes;
    this.#usualBytesMax = options.receiveBufferBytes ?? RECEIVE_BUFFER_BYTES_MAX;
    this.#buffer = new Uint8Array(usualBytes);
    this.#start = 0;
    this.#end = 0;
    this.#needed = 0;
    this.#decoding = false;
    this.#stopped = false;
  }

  /** How many bytes came that are not told yet: part of one message. 0 once stopped. */
  get bufferedBytes(): number {
    return this.#stopped ? 0 : this.#end - this.#start;
  }

  /** Whether nothing more will be told. */
  get isStopped(): boolean {
    return this.#stopped;
  }

  /**
   * Gives the place to read into, at least one byte.
   *
   * Ownership: the caller's until `handleReceived`, or until `receiveSpace` is called again.
   *
   * Errors: `TypeError` when called by a handler, whose message still lies in the buffer.
   */
  receiveSpace(): Uint8Array<ArrayBuffer> {
    if (this.#decoding) {
      throw new TypeError("Cannot give receive space: a message in the buffer is being handled");
    }
    if (this.#stopped || this.#start === this.#end) {
      this.#start = 0;
      this.#end = 0;
      this.#needed = 0;
    }
    const wanted = Math.max(this.#usualBytes, this.#needed);
    if (this.#buffer.length !== wanted) {
      const buffer = new Uint8Array(wanted);
      buffer.set(this.#buffer.subarray(this.#start, this.#end));
      this.#buffer = buffer;
      this.#end -= this.#start;
      this.#start = 0;
    } else if (
      this.#start > 0 &&
      (this.#start + this.#needed > wanted || wanted - this.#end < wanted >>> 1)
    ) {
      this.#buffer.copyWithin(0, this.#start, this.#end);
      this.#end -= this.#start;
      this.#start = 0;
    }
    return this.#buffer.subarray(this.#end);
  }

  /**
   * Takes note that `bytes` bytes were written to the front of `receiveSpace()` and tells every
   * message that is complete.
   *
   * Errors: {@linkcode PeerProtocolError} on the first violation; what a handler throws passes
   * through; `RangeError` for more bytes than there was space; `TypeError` when called by a handler.
   */
  handleReceived(bytes: number): void {
    if (this.#decoding) {
      throw new TypeError("Cannot receive: a message in the buffer is being handled");
    }
    if (!(bytes >= 0 && bytes <= this.#buffer.length - this.#end)) {
      throw new RangeError(
        `Cannot receive: ${bytes} bytes, there is space for ${
          this.#buffer.length - this.#end
        } bytes`,
      );
    }
    if (this.#stopped) return;
    const isFull = bytes === this.#buffer.length - this.#end;
    if (isFull && this.#usualBytes < this.#usualBytesMax) this.#usualBytes *= 2;
    this.#end += bytes;
    this.#decoding = true;
    let done = false;
    try {
      this.#decode();
      done = true;
    } finally {
      this.#decoding = false;
      if (!done) this.#stopped = true;
    }
  }

  /** Receives a copy of `bytes`, however many: for tests and the simulator, which have no socket to read from. */
  feed(bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.length && !this.#stopped) {
      const space = this.receiveSpace();
      const count = Math.min(space.length, bytes.length - at);
      space.set(bytes.subarray(at, at + count));
      at += count;
      this.handleReceived(count);
    }
  }

  /** Ends it: no further message is told, not even one that has come already. May be called by a handler. */
  stop(): void {
    this.#stopped = true;
  }

  // hot: once per message; bench/wire_bench.ts, group "decode".
  #decode(): void {
    const buffer = this.#buffer;
    const end = this.#end;
    while (!this.#stopped) {
      const start = this.#start;
      const available = end - start;
      if (available < LENGTH_BYTES) {
        this.#needed = LENGTH_BYTES;
        return;
      }
      const length = readUint32(buffer, start);
      if (length === 0) {
        this.#start = start + LENGTH_BYTES;
        this.#handler.handleKeepAlive();
        continue;
      }
      if (length > this.#lengthMax) throw lengthError("message", length, 0, this.#lengthMax);
      if (available === LENGTH_BYTES) {
        this.#needed = LENGTH_BYTES + 1;
        return;
      }
      const id = buffer[start + LENGTH_BYTES]!;
      this.#checkLength(id, length);
      const messageEnd = start + LENGTH_BYTES + length;
      if (messageEnd > end) {
        this.#needed = LENGTH_BYTES + length;
        return;
      }
      this.#start = messageEnd;
      this.#tell(id, buffer, start + LENGTH_BYTES + 1, messageEnd);
    }
  }

  // hot: once per message; bench/wire_bench.ts, group "decode".
  #checkLength(id: number, length: number): void {
    let min = id < FIXED_LENGTH.length ? FIXED_LENGTH[id]! : 0;
    let max = min;
    if (min === 0) {
      switch (id) {
        case MESSAGE_ID.bitfield:
          min = max = this.#bitfieldLength;
          break;
        case MESSAGE_ID.piece:
          min = BLOCK_HEADER_BYTES + 1;
          max = BLOCK_HEADER_BYTES + MESSAGE_BLOCK_BYTES_MAX;
          break;
        case MESSAGE_ID.extended:
          min = EXTENDED_HEADER_BYTES;
          max = EXTENDED_HEADER_BYTES + MESSAGE_EXTENDED_BYTES_MAX;
          break;
        default:
          min = 1;
          max = 1 + MESSAGE_UNKNOWN_BYTES_MAX;
      }
    }
    if (length >= min && length <= max) return;
    throw lengthError(NAMES.get(id) ?? `message with id ${id}`, length, min, max);
  }

  // hot: once per message; bench/wire_bench.ts, group "decode". The payload is buffer[at, end), and its length is right.
  #tell(id: number, buffer: Uint8Array, at: number, end: number): void {
    const handler = this.#handler;
    switch (id) {
      case MESSAGE_ID.piece:
        handler.handlePiece(
          readUint32(buffer, at),
          readUint32(buffer, at + 4),
          buffer,
          at + 8,
          end,
        );
        return;
      case MESSAGE_ID.request:
        handler.handleRequest(
          readUint32(buffer, at),
          readUint32(buffer, at + 4),
          readUint32(buffer, at + 8),
        );
        return;
      case MESSAGE_ID.have:
        handler.handleHave(readUint32(buffer, at));
        return;
      case MESSAGE_ID.cancel:
        handler.handleCancel(
          readUint32(buffer, at),
          readUint32(buffer, at + 4),
          readUint32(buffer, at + 8),
        );
        return;
      case MESSAGE_ID.reject:
        handler.handleReject(
          readUint32(buffer, at),
          readUint32(buffer, at + 4),
          readUint32(buffer, at + 8),
        );
        return;
      default:
        this.#tellRare(id, buffer, at, end);
    }
  }

  #tellRare(id: number, buffer: Uint8Array, at: number, end: number): void {
    const handler = this.#handler;
    switch (id) {
      case MESSAGE_ID.choke:
        return handler.handleChoke();
      case MESSAGE_ID.unchoke:
        return handler.handleUnchoke();
      case MESSAGE_ID.interested:
        return handler.handleInterested();
      case MESSAGE_ID.notInterested:
        return handler.handleNotInterested();
      case MESSAGE_ID.bitfield:
        return handler.handleBitfield(buffer, at, end);
      case MESSAGE_ID.port:
        return handler.handlePort((buffer[at]! << 8) | buffer[at + 1]!);
      case MESSAGE_ID.suggest:
        return handler.handleSuggest(readUint32(buffer, at));
      case MESSAGE_ID.haveAll:
        return handler.handleHaveAll();
      case MESSAGE_ID.haveNone:
        return handler.handleHaveNone();
      case MESSAGE_ID.allowedFast:
        return handler.handleAllowedFast(readUint32(buffer, at));
      case MESSAGE_ID.extended:
        return handler.handleExtended(buffer[at]!, buffer, at + 1, end);
      default:
        return handler.handleUnknown(id, end - at);
    }
  }
}

function readUint32(buffer: Uint8Array, at: number): number {
  return ((buffer[at]! << 24) | (buffer[at + 1]! << 16) | (buffer[at + 2]! << 8) |
    buffer[at + 3]!) >>> 0;
}

function lengthError(what: string, length: number, min: number, max: number): PeerProtocolError {
  const rule = min === max
    ? `must be ${min} bytes`
    : length > max
    ? `limit is ${max} bytes`
    : `must be at least ${min} bytes`;
  return new PeerProtocolError(
    "length",
    `Cannot read ${what}: length is ${length} bytes, ${rule}`,
  );
}
