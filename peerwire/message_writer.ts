import { MESSAGE_BLOCK_BYTES_MAX, MESSAGE_EXTENDED_BYTES_MAX, MESSAGE_ID } from "./message.ts";

/** The size with which a writer's buffers begin, and to which they return: 4 KiB, which is 240 requests. */
export const SEND_BUFFER_BYTES = 4096;

/** After so many takes in a row that would have fit in the initial size, a grown buffer is given back. */
const QUIET_TAKES_MAX = 8;

/** What a {@linkcode MessageWriter} may be told. */
export interface MessageWriterOptions {
  /** The size with which its buffers begin, {@linkcode SEND_BUFFER_BYTES} where absent. */
  readonly initialBytes?: number;
}

/**
 * Writes messages one behind the other into memory, for a driver to send all of them with one call.
 *
 * Two buffers take turns: while the driver sends what `take()` gave, new messages go to the other.
 *
 * Limits: none of its own; who queues blocks looks at `pendingBytes`. A buffer grows by doubling to what it
 * must hold, and is given back when the initial size has sufficed eight times in a row.
 *
 * Errors: `RangeError` for a number that its field cannot hold; nothing is written then.
 *
 * @example
 * ```ts
 * import { MessageWriter } from "@enjambre/peerwire";
 *
 * const writer = new MessageWriter();
 * writer.interested();
 * writer.request(0, 0, 16384);
 * const bytes = writer.take(); // both messages, 22 bytes
 * // send them; then
 * writer.release();
 * console.log(bytes?.length); // 22
 * ```
 */
export class MessageWriter {
  readonly #initialBytes: number;
  #buffer: Uint8Array<ArrayBuffer>; // being written
  #length: number;
  #other: Uint8Array<ArrayBuffer>; // with the driver while #isTaken, else waiting for its turn
  #isTaken: boolean;
  #takenBytes: number;
  #quietTakes: number;

  /** Makes an empty writer. Errors: `RangeError` when `initialBytes` is not a positive integer. */
  constructor(options: MessageWriterOptions = {}) {
    const initialBytes = options.initialBytes ?? SEND_BUFFER_BYTES;
    if (!Number.isInteger(initialBytes) || initialBytes < 1) {
      throw new RangeError(
        `Cannot make writer: initial size is ${initialBytes} bytes, must be at least 1 byte`,
      );
    }
    this.#initialBytes = initialBytes;
    this.#buffer = new Uint8Array(initialBytes);
    this.#length = 0;
    this.#other = new Uint8Array(initialBytes);
    this.#isTaken = false;
    this.#takenBytes = 0;
    this.#quietTakes = 0;
  }

  /** How many bytes were written that no `take()` has given yet. */
  get pendingBytes(): number {
    return this.#length;
  }

  /** How many bytes all `take()`s together have given. */
  get takenBytes(): number {
    return this.#takenBytes;
  }

  /** Whether the driver still holds what the last `take()` gave. */
  get isTaken(): boolean {
    return this.#isTaken;
  }

  /** How much memory both buffers have together. */
  get capacityBytes(): number {
    return this.#buffer.length + this.#other.length;
  }

  /**
   * Gives everything that was written since the last `take()`, as one view; null when there is nothing.
   *
   * Ownership: borrowed until `release()`.
   *
   * Errors: `TypeError` while an earlier one is not released.
   */
  take(): Uint8Array<ArrayBuffer> | null {
    if (this.#isTaken) {
      throw new TypeError("Cannot take messages: those taken before are not released");
    }
    if (this.#length === 0) return null;
    const taken = this.#buffer;
    const length = this.#length;
    this.#buffer = this.#other;
    this.#length = 0;
    this.#other = taken;
    this.#isTaken = true;
    this.#takenBytes += length;
    this.#quietTakes = length > this.#initialBytes ? 0 : this.#quietTakes + 1;
    return taken.subarray(0, length);
  }

  /**
   * Says that what `take()` gave was sent (or never will be): its memory is used again.
   *
   * Errors: `TypeError` when nothing is taken.
   */
  release(): void {
    if (!this.#isTaken) throw new TypeError("Cannot release messages: none are taken");
    this.#isTaken = false;
    if (this.#quietTakes < QUIET_TAKES_MAX) return;
    if (this.#other.length > this.#initialBytes) this.#other = new Uint8Array(this.#initialBytes);
    if (this.#length === 0 && this.#buffer.length > this.#initialBytes) {
      this.#buffer = new Uint8Array(this.#initialBytes);
    }
  }

  /** Writes bytes that are no message: the handshake. */
  raw(bytes: Uint8Array): void {
    const at = this.#grow(bytes.length);
    this.#buffer.set(bytes, at);
  }

  /** Writes a keep-alive. */
  keepAlive(): void {
    const at = this.#grow(4);
    writeUint32(this.#buffer, at, 0);
  }

  /** Writes `choke`. */
  choke(): void {
    this.#bare(MESSAGE_ID.choke);
  }

  /** Writes `unchoke`. */
  unchoke(): void {
    this.#bare(MESSAGE_ID.unchoke);
  }

  /** Writes `interested`. */
  interested(): void {
    this.#bare(MESSAGE_ID.interested);
  }

  /** Writes `not interested`. */
  notInterested(): void {
    this.#bare(MESSAGE_ID.notInterested);
  }

  /** Writes `have`. */
  have(piece: number): void {
    this.#index(MESSAGE_ID.have, piece);
  }

  /** Writes `bitfield`, copying the bytes. */
  bitfield(bytes: Uint8Array): void {
    const at = this.#header(MESSAGE_ID.bitfield, bytes.length);
    this.#buffer.set(bytes, at);
  }

  /** Writes `request`. */
  request(piece: number, begin: number, length: number): void {
    this.#triple(MESSAGE_ID.request, piece, begin, length);
  }

  /**
   * Writes `piece`, copying the block `source[start, end)`.
   *
   * Errors: also `RangeError` when the block is empty, longer than
   * {@linkcode MESSAGE_BLOCK_BYTES_MAX} or not inside `source`.
   */
  piece(piece: number, begin: number, source: Uint8Array, start: number, end: number): void {
    const bytes = end - start;
    if (!(start >= 0 && end <= source.length && bytes >= 1 && bytes <= MESSAGE_BLOCK_BYTES_MAX)) {
      throw new RangeError(
        `Cannot write block: range is ${start} to ${end} of ${source.length} bytes, must hold 1 to ${MESSAGE_BLOCK_BYTES_MAX} bytes`,
      );
    }
    requireUint32("piece", piece);
    requireUint32("begin", begin);
    const at = this.#header(MESSAGE_ID.piece, 8 + bytes);
    writeUint32(this.#buffer, at, piece);
    writeUint32(this.#buffer, at + 4, begin);
    this.#buffer.set(source.subarray(start, end), at + 8);
  }

  /** Writes `cancel`. */
  cancel(piece: number, begin: number, length: number): void {
    this.#triple(MESSAGE_ID.cancel, piece, begin, length);
  }

  /** Writes `port` (BEP 5). */
  port(port: number): void {
    if (!(Number.isInteger(port) && port >= 0 && port <= 65535)) {
      throw new RangeError(`Cannot write port: it is ${port}, must be an integer from 0 to 65535`);
    }
    const at = this.#header(MESSAGE_ID.port, 2);
    this.#buffer[at] = port >>> 8;
    this.#buffer[at + 1] = port;
  }

  /** Writes `suggest piece` (BEP 6). */
  suggest(piece: number): void {
    this.#index(MESSAGE_ID.suggest, piece);
  }

  /** Writes `have all` (BEP 6). */
  haveAll(): void {
    this.#bare(MESSAGE_ID.haveAll);
  }

  /** Writes `have none` (BEP 6). */
  haveNone(): void {
    this.#bare(MESSAGE_ID.haveNone);
  }

  /** Writes `reject request` (BEP 6). */
  reject(piece: number, begin: number, length: number): void {
    this.#triple(MESSAGE_ID.reject, piece, begin, length);
  }

  /** Writes `allowed fast` (BEP 6). */
  allowedFast(piece: number): void {
    this.#index(MESSAGE_ID.allowedFast, piece);
  }

  /**
   * Writes an extension message (BEP 10), copying its payload; `id` 0 is the extension handshake, any
   * other the number that the peer gave the message in its handshake.
   *
   * Errors: also `RangeError` for a payload beyond {@linkcode MESSAGE_EXTENDED_BYTES_MAX}.
   */
  extended(id: number, payload: Uint8Array): void {
    if (!(Number.isInteger(id) && id >= 0 && id <= 255)) {
      throw new RangeError(
        `Cannot write extension message: id is ${id}, must be an integer from 0 to 255`,
      );
    }
    if (payload.length > MESSAGE_EXTENDED_BYTES_MAX) {
      throw new RangeError(
        `Cannot write extension message: payload is ${payload.length} bytes, limit is ${MESSAGE_EXTENDED_BYTES_MAX} bytes`,
      );
    }
    const at = this.#header(MESSAGE_ID.extended, 1 + payload.length);
    this.#buffer[at] = id;
    this.#buffer.set(payload, at + 1);
  }

  #bare(id: number): void {
    this.#header(id, 0);
  }

  #index(id: number, piece: number): void {
    requireUint32("piece", piece);
    const at = this.#header(id, 4);
    writeUint32(this.#buffer, at, piece);
  }

  #triple(id: number, piece: number, begin: number, length: number): void {
    requireUint32("piece", piece);
    requireUint32("begin", begin);
    requireUint32("length", length);
    const at = this.#header(id, 12);
    writeUint32(this.#buffer, at, piece);
    writeUint32(this.#buffer, at + 4, begin);
    writeUint32(this.#buffer, at + 8, length);
  }

  // Makes room for a message, writes its length and id; returns where its payload begins.
  #header(id: number, payloadBytes: number): number {
    const at = this.#grow(5 + payloadBytes);
    writeUint32(this.#buffer, at, 1 + payloadBytes);
    this.#buffer[at + 4] = id;
    return at + 5;
  }

  // hot: bench/wire_bench.ts, group "encode". Makes room for `bytes` more, counts them as written and returns where they begin.
  #grow(bytes: number): number {
    const at = this.#length;
    const length = at + bytes;
    if (length > this.#buffer.length) {
      let capacity = this.#buffer.length * 2;
      while (capacity < length) capacity *= 2;
      const buffer = new Uint8Array(capacity);
      buffer.set(this.#buffer.subarray(0, at));
      this.#buffer = buffer;
    }
    this.#length = length;
    return at;
  }
}

function writeUint32(buffer: Uint8Array, at: number, value: number): void {
  buffer[at] = value >>> 24;
  buffer[at + 1] = value >>> 16;
  buffer[at + 2] = value >>> 8;
  buffer[at + 3] = value;
}

function requireUint32(what: string, value: number): void {
  if (value >>> 0 === value) return;
  throw new RangeError(
    `Cannot write message: ${what} is ${value}, must be an integer from 0 to 4294967295`,
  );
}
