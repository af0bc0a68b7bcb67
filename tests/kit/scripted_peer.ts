import {
  Bitfield,
  decodeHandshake,
  encodeHandshake,
  HANDSHAKE_BYTES,
  type HandshakeFields,
  MessageDecoder,
  type MessageHandler,
  MessageWriter,
} from "@enjambre/peerwire";
import type { SharedFile } from "./shared_file.ts";

/** A range of a piece. */
export interface Block {
  readonly piece: number;
  readonly begin: number;
  readonly length: number;
}

/** One message of the program under test. Fields that its kind does not have are -1 or null. */
export interface Heard extends Block {
  readonly kind: keyof MessageHandler;
  /** The block of a `handlePiece`, a copy. */
  readonly block: Uint8Array | null;
}

/** The program under test closed the connection, or the line is broken. */
export class HungUpError extends Error {
  override readonly name = "HungUpError";
}

/** What one peer does, from the first byte to the last; {@linkcode HungUpError} ends it as well as returning does. */
export type Script = (peer: ScriptedPeer) => Promise<void>;

/**
 * One connection of a peer that says what its test has it say, right or wrong, on a real socket.
 *
 * It reads only while its script waits for something: one that never does is a peer that never reads.
 */
export class ScriptedPeer implements Disposable {
  /** What it pretends to share. */
  readonly shared: SharedFile;
  readonly #socket: Deno.TcpConn;
  readonly #decoder: MessageDecoder;
  readonly #heard: Heard[] = [];
  readonly #closed = Promise.withResolvers<void>();
  #isClosed = false;

  constructor(socket: Deno.TcpConn, shared: SharedFile) {
    this.#socket = socket;
    this.shared = shared;
    const handler = recorder((message) => this.#heard.push(message));
    this.#decoder = new MessageDecoder({
      handler,
      pieceCount: shared.torrent.geometry.pieceCount,
    });
  }

  /** Connects to the program under test on loopback. */
  static async dial(port: number, shared: SharedFile): Promise<ScriptedPeer> {
    return new ScriptedPeer(await Deno.connect({ hostname: "127.0.0.1", port }), shared);
  }

  /** Resolves when the connection is closed from this side: what a script waits for that does nothing more. */
  get closed(): Promise<void> {
    return this.#closed.promise;
  }

  /** Sends these bytes, as far as the line takes them. @throws {HungUpError} */
  async send(bytes: Uint8Array): Promise<void> {
    try {
      for (let sent = 0; sent < bytes.length;) {
        sent += await this.#socket.write(bytes.subarray(sent));
      }
    } catch (cause) {
      throw new HungUpError("The line broke while something was sent", { cause });
    }
  }

  /** Sends messages. @throws {HungUpError} */
  async say(write: (writer: MessageWriter) => void): Promise<void> {
    await this.send(bytesOf(write));
  }

  /** Sends a handshake, a right one where nothing else is said, and reads the other side's. @throws {HungUpError} */
  async greet(fields: Partial<HandshakeFields> = {}): Promise<void> {
    await this.send(encodeHandshake({ ...handshakeOf(this.shared), ...fields }));
    await this.hearHandshake();
  }

  /** Reads the other side's handshake. @throws {HungUpError} */
  async hearHandshake(): Promise<void> {
    const buffer = new Uint8Array(HANDSHAKE_BYTES);
    for (let end = 0; end < HANDSHAKE_BYTES;) end += await this.#read(buffer.subarray(end));
    decodeHandshake(buffer, 0, HANDSHAKE_BYTES);
  }

  /** Says that it has everything and reads until it is told of interest, then lets the other side ask. @throws {HungUpError} */
  async offerEverything(): Promise<void> {
    await this.say((writer) => writer.bitfield(fullBitfield(this.shared)));
    await this.hear("handleInterested");
    await this.say((writer) => writer.unchoke());
  }

  /** Waits for the next message of this kind, or of any; those before it are passed over. @throws {HungUpError} */
  async hear(kind?: keyof MessageHandler): Promise<Heard> {
    for (;;) {
      for (let message = this.#heard.shift(); message; message = this.#heard.shift()) {
        if (kind === undefined || message.kind === kind) return message;
      }
      const bytes = await this.#read(this.#decoder.receiveSpace());
      this.#decoder.handleReceived(bytes);
    }
  }

  /** Reads until the other side hangs up; what it says is passed over, whatever it is. */
  async untilHungUp(): Promise<void> {
    const buffer = new Uint8Array(65_536);
    try {
      for (;;) await this.#read(buffer);
    } catch (error) {
      if (!(error instanceof HungUpError)) throw error;
    }
  }

  /** Answers requests until the other side hangs up; `answer` may say anything. @throws {HungUpError} */
  async serve(
    answer: (request: Heard) => Promise<void> = (each) => this.give(each),
  ): Promise<void> {
    for (;;) await answer(await this.hear("handleRequest"));
  }

  /** Sends the block that was asked for, or one with a wrong byte in it. @throws {HungUpError} */
  async give({ piece, begin, length }: Block, isGood = true): Promise<void> {
    const start = piece * this.shared.torrent.geometry.pieceLength + begin;
    const block = this.shared.data.slice(start, start + length);
    if (!isGood) block[length >> 1] = block[length >> 1]! ^ 0x01;
    await this.say((writer) => writer.piece(piece, begin, block, 0, length));
  }

  /** Hangs up. */
  [Symbol.dispose](): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#socket.close();
    this.#closed.resolve();
  }

  async #read(target: Uint8Array): Promise<number> {
    let bytes: number | null;
    try {
      bytes = await this.#socket.read(target);
    } catch (cause) {
      throw new HungUpError("The line broke while something was read", { cause });
    }
    if (bytes === null) throw new HungUpError("The other side hung up");
    return bytes;
  }
}

/** A listening socket behind which every connection runs the same script. */
export class ScriptedListener implements AsyncDisposable {
  /** Connections that came so far. */
  connections = 0;
  readonly #listener: Deno.TcpListener;
  readonly #shared: SharedFile;
  readonly #script: Script;
  readonly #peers = new Set<ScriptedPeer>();
  readonly #runs: Promise<void>[] = [];
  readonly #accepting: Promise<void>;

  constructor(shared: SharedFile, script: Script) {
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.#shared = shared;
    this.#script = script;
    this.#accepting = this.#accept();
  }

  /** Where it listens, as `--peer` takes it. */
  get address(): string {
    return `127.0.0.1:${this.#listener.addr.port}`;
  }

  /** Hangs up on all. **Errors**: what a script threw that is no {@linkcode HungUpError}. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    await this.#accepting;
    for (const peer of this.#peers) peer[Symbol.dispose]();
    for (const result of await Promise.allSettled(this.#runs)) {
      if (result.status === "rejected") throw result.reason;
    }
  }

  async #accept(): Promise<void> {
    for await (const socket of this.#listener) {
      this.connections++;
      const run = this.#run(new ScriptedPeer(socket, this.#shared));
      run.catch(() => {}); // told when all is over
      this.#runs.push(run);
    }
  }

  async #run(peer: ScriptedPeer): Promise<void> {
    this.#peers.add(peer);
    try {
      await this.#script(peer);
    } catch (error) {
      if (!(error instanceof HungUpError)) throw error;
    } finally {
      this.#peers.delete(peer);
      peer[Symbol.dispose]();
    }
  }
}

/** Messages as bytes. */
export function bytesOf(write: (writer: MessageWriter) => void): Uint8Array<ArrayBuffer> {
  const writer = new MessageWriter();
  write(writer);
  return writer.take() ?? new Uint8Array(0);
}

/** A bitfield message's payload that claims everything. */
export function fullBitfield({ torrent }: SharedFile): Uint8Array<ArrayBuffer> {
  const has = new Bitfield(torrent.geometry.pieceCount);
  has.setAll();
  return has.bytes;
}

/** A right handshake, under an id that nobody else has. */
export function handshakeOf({ torrent }: SharedFile): HandshakeFields {
  const peerId = crypto.getRandomValues(new Uint8Array(20));
  return { infoHash: torrent.swarmHash, peerId, fast: true, extended: true };
}

/** A handler that writes down what it is told. */
function recorder(tell: (message: Heard) => void): MessageHandler {
  const heard = (kind: Heard["kind"], piece = -1, begin = -1, length = -1): void =>
    tell({ kind, piece, begin, length, block: null });
  return {
    handleKeepAlive: () => heard("handleKeepAlive"),
    handleChoke: () => heard("handleChoke"),
    handleUnchoke: () => heard("handleUnchoke"),
    handleInterested: () => heard("handleInterested"),
    handleNotInterested: () => heard("handleNotInterested"),
    handleHave: (piece) => heard("handleHave", piece),
    handleBitfield: () => heard("handleBitfield"),
    handleRequest: (piece, begin, length) => heard("handleRequest", piece, begin, length),
    handlePiece: (piece, begin, buffer, start, end) => {
      const block = buffer.slice(start, end);
      tell({ kind: "handlePiece", piece, begin, length: end - start, block });
    },
    handleCancel: (piece, begin, length) => heard("handleCancel", piece, begin, length),
    handlePort: () => heard("handlePort"),
    handleSuggest: (piece) => heard("handleSuggest", piece),
    handleHaveAll: () => heard("handleHaveAll"),
    handleHaveNone: () => heard("handleHaveNone"),
    handleReject: (piece, begin, length) => heard("handleReject", piece, begin, length),
    handleAllowedFast: (piece) => heard("handleAllowedFast", piece),
    handleExtended: () => heard("handleExtended"),
    handleUnknown: () => heard("handleUnknown"),
  };
}
