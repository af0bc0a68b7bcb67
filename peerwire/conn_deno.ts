/**
 * One peer's socket: the handshakes, then read big, decode all of it, write once.
 *
 * @module
 */

import type { Connection } from "./connection.ts";
import { PeerProtocolError } from "./errors.ts";
import {
  decodeHandshake,
  decodeInfoHash,
  encodeHandshake,
  type Handshake,
  HANDSHAKE_BYTES,
  type HandshakeFields,
} from "./handshake.ts";
import type { Manager } from "./manager.ts";
import type { PeerAddress } from "./peer_book.ts";

/** How long a dial may take (a peer further away than this is of little use). */
export const DIAL_MS_MAX = 5000;

/** How long a peer may take for its handshake once the line is up. */
export const HANDSHAKE_MS_MAX = 10_000;

/** A socket after both handshakes, and what came behind the peer's. */
export interface Greeted {
  /** The open socket. */
  readonly socket: Deno.TcpConn;
  /** What the peer said. */
  readonly handshake: Handshake;
  /** Bytes that the peer sent behind its handshake. */
  readonly rest: Uint8Array<ArrayBuffer>;
}

/** Dials a peer and exchanges handshakes. @throws when it cannot be reached in time or says something else */
export async function dialPeer(
  address: PeerAddress,
  ours: HandshakeFields,
  signal: AbortSignal,
): Promise<Greeted> {
  const socket = await Deno.connect({
    hostname: address.host,
    port: address.port,
    signal: AbortSignal.any([signal, AbortSignal.timeout(DIAL_MS_MAX)]),
  });
  return await closeOnFailure(socket, signal, async (reader) => {
    await writeAll(socket, encodeHandshake(ours));
    return await readHandshake(reader, ours.infoHash);
  });
}

/**
 * Answers a peer that dialled us.
 *
 * @param choose says what our handshake for this info-hash is; null refuses it
 * @throws when the peer says something else or takes too long
 */
export async function greetPeer(
  socket: Deno.TcpConn,
  choose: (infoHash: Uint8Array) => HandshakeFields | null,
  signal: AbortSignal,
): Promise<Greeted> {
  return await closeOnFailure(socket, signal, async (reader) => {
    const infoHash = await reader.until((buffer, end) => decodeInfoHash(buffer, 0, end));
    const ours = choose(infoHash);
    if (ours === null) {
      throw new PeerProtocolError(
        "wrong-info-hash",
        "Cannot accept handshake: no torrent here has this info-hash",
      );
    }
    await writeAll(socket, encodeHandshake(ours));
    return await readHandshake(reader, ours.infoHash);
  });
}

/** Joins a greeted socket to the connection that a manager made for it. */
export class PeerSocket {
  readonly #socket: Deno.TcpConn;
  readonly #manager: Manager;
  readonly #connection: Connection;
  readonly #nowMs: () => number;
  readonly #afterInput: () => void;
  #isWriting = false;
  #isClosed = false;

  /**
   * @param nowMs the session's monotonic clock
   * @param afterInput called after each input to the manager, whose deadline may have come nearer
   */
  constructor(
    socket: Deno.TcpConn,
    manager: Manager,
    connection: Connection,
    nowMs: () => number,
    afterInput: () => void,
  ) {
    this.#socket = socket;
    this.#manager = manager;
    this.#connection = connection;
    this.#nowMs = nowMs;
    this.#afterInput = afterInput;
  }

  /** Reads until the line or the manager ends it. `rest` came behind the handshake. */
  async run(rest: Uint8Array<ArrayBuffer>): Promise<void> {
    const connection = this.#connection;
    const manager = this.#manager;
    let message = "the peer hung up";
    try {
      if (rest.length > 0) manager.feed(connection, rest, this.#nowMs());
      while (!this.#isClosed) {
        const bytes = await this.#socket.read(connection.receiveSpace());
        if (bytes === null) break;
        manager.handleReceived(connection, bytes, this.#nowMs());
        this.#afterInput();
      }
    } catch (error) {
      if (!isLineError(error)) throw error;
      message = error.message;
    } finally {
      this.close();
    }
    manager.handleClosed(connection, message, this.#nowMs());
    this.#afterInput();
  }

  /** Sends what the connection has written, and what it writes while that is under way. */
  async flush(): Promise<void> {
    if (this.#isWriting || this.#isClosed) return;
    this.#isWriting = true;
    const { writer } = this.#connection;
    try {
      for (let bytes = writer.take(); bytes !== null; bytes = writer.take()) {
        await writeAll(this.#socket, bytes);
        writer.release();
        this.#manager.handleWritten(this.#connection, this.#nowMs());
        this.#afterInput();
      }
    } catch (error) {
      if (!isLineError(error)) throw error;
      this.close(); // the reader sees it and tells the manager
    } finally {
      this.#isWriting = false;
    }
  }

  /** Closes the socket; what is not sent yet is lost. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#socket.close();
  }
}

/** Bytes of a socket until a handshake is whole. */
class HandshakeReader {
  readonly #socket: Deno.TcpConn;
  readonly #buffer = new Uint8Array(4096);
  #end = 0;

  constructor(socket: Deno.TcpConn) {
    this.#socket = socket;
  }

  /** Reads until `decode` gives something; it is tried on whatever has come so far. */
  async until<T>(decode: (buffer: Uint8Array, end: number) => T | null): Promise<T> {
    for (;;) {
      const value = decode(this.#buffer, this.#end);
      if (value !== null) return value;
      const bytes = await this.#socket.read(this.#buffer.subarray(this.#end));
      if (bytes === null) {
        throw new PeerProtocolError(
          "bad-handshake",
          `Cannot read handshake: the peer hung up after ${this.#end} of ${HANDSHAKE_BYTES} bytes`,
        );
      }
      this.#end += bytes;
    }
  }

  /** What came behind the handshake. */
  rest(): Uint8Array<ArrayBuffer> {
    return this.#buffer.slice(HANDSHAKE_BYTES, this.#end);
  }
}

async function readHandshake(
  reader: HandshakeReader,
  infoHash: Uint8Array,
): Promise<{ handshake: Handshake; rest: Uint8Array<ArrayBuffer> }> {
  const handshake = await reader.until((buffer, end) => decodeHandshake(buffer, 0, end));
  if (handshake.infoHash.some((byte, i) => byte !== infoHash[i])) {
    throw new PeerProtocolError(
      "wrong-info-hash",
      "Cannot accept handshake: the peer answers for another torrent",
    );
  }
  return { handshake, rest: reader.rest() };
}

/** Runs the greeting within its time; a socket that does not pass it is closed. */
async function closeOnFailure(
  socket: Deno.TcpConn,
  signal: AbortSignal,
  greet: (reader: HandshakeReader) => Promise<Omit<Greeted, "socket">>,
): Promise<Greeted> {
  let isOpen = true;
  const close = () => {
    if (isOpen) socket.close();
    isOpen = false;
  };
  // No AbortSignal.timeout(): it would stay armed after the greeting.
  const timer = setTimeout(close, HANDSHAKE_MS_MAX);
  signal.addEventListener("abort", close);
  try {
    signal.throwIfAborted(); // it would not tell again
    socket.setNoDelay(true);
    const greeted = await greet(new HandshakeReader(socket));
    // It may have been given up when all bytes were here already.
    if (!isOpen) throw new Deno.errors.ConnectionAborted("The greeting was given up");
    return { socket, ...greeted };
  } catch (error) {
    close();
    throw error;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", close);
  }
}

async function writeAll(socket: Deno.TcpConn, bytes: Uint8Array): Promise<void> {
  let sent = 0;
  while (sent < bytes.length) {
    sent += await socket.write(sent === 0 ? bytes : bytes.subarray(sent));
  }
}

/** Whether this is the line's fault: reset, broken, closed under a read, not reachable. */
function isLineError(error: unknown): error is Error {
  return error instanceof Deno.errors.ConnectionReset ||
    error instanceof Deno.errors.ConnectionAborted ||
    error instanceof Deno.errors.BrokenPipe ||
    error instanceof Deno.errors.BadResource ||
    error instanceof Deno.errors.Interrupted ||
    error instanceof Deno.errors.TimedOut ||
    error instanceof Deno.errors.NotConnected ||
    error instanceof Deno.errors.UnexpectedEof ||
    (error instanceof Error && "code" in error && typeof error.code === "string");
}
