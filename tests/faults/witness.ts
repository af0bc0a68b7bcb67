import {
  Bitfield,
  decodeHandshake,
  encodeHandshake,
  HANDSHAKE_BYTES,
  MessageDecoder,
  type MessageHandler,
} from "@enjambre/peerwire";
import type { Torrent } from "@enjambre/metainfo";

/** What one run of a program under test told its peer. */
export interface Testimony {
  /** The pieces that it said it had when it came; null where it did not come to that. */
  had: readonly number[] | null;
  /** Those that it said it had got since. */
  readonly got: number[];
}

/** A peer that has nothing and wants nothing: it writes down what others say they have. */
export class Witness implements AsyncDisposable {
  /** One for each connection, in the order in which they came. */
  readonly testimonies: Testimony[] = [];
  readonly #torrent: Torrent;
  readonly #listener: Deno.TcpListener;
  readonly #runs: Promise<void>[] = [];
  readonly #accepting: Promise<void>;

  constructor(torrent: Torrent) {
    this.#torrent = torrent;
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.#accepting = this.#accept();
  }

  /** Where it listens, as `--peer` takes it. */
  get address(): string {
    return `127.0.0.1:${this.#listener.addr.port}`;
  }

  /** Resolves when all that was said has been written down: for the time when nobody is there any more. */
  async settled(): Promise<void> {
    await Promise.all(this.#runs);
  }

  /** Listens no more, and waits until all have hung up. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    await this.#accepting;
    await this.settled();
  }

  async #accept(): Promise<void> {
    for await (const socket of this.#listener) this.#runs.push(this.#listen(socket));
  }

  async #listen(socket: Deno.TcpConn): Promise<void> {
    const testimony: Testimony = { had: null, got: [] };
    this.testimonies.push(testimony);
    const { pieceCount } = this.#torrent.geometry;
    const handler = handlerOf(testimony, pieceCount);
    const decoder = new MessageDecoder({ handler, pieceCount });
    const peerId = crypto.getRandomValues(new Uint8Array(20));
    const infoHash = this.#torrent.swarmHash;
    try {
      const handshake = new Uint8Array(HANDSHAKE_BYTES);
      for (let end = 0; end < HANDSHAKE_BYTES;) {
        const bytes = await socket.read(handshake.subarray(end));
        if (bytes === null) return;
        end += bytes;
      }
      decodeHandshake(handshake, 0, HANDSHAKE_BYTES);
      await socket.write(encodeHandshake({ infoHash, peerId, fast: true, extended: false }));
      for (;;) {
        const bytes = await socket.read(decoder.receiveSpace());
        if (bytes === null) return;
        decoder.handleReceived(bytes);
      }
    } catch {
      // It was killed: what came before that counts.
    } finally {
      socket.close();
    }
  }
}

/** Writes down what is said of pieces, and lets the rest pass. */
function handlerOf(testimony: Testimony, pieceCount: number): MessageHandler {
  const nothing = (): void => {};
  const all = Array.from({ length: pieceCount }, (_, piece) => piece);
  return {
    handleHave: (piece) => void testimony.got.push(piece),
    handleBitfield: (buffer, start, end) => {
      const has = Bitfield.fromBytes(buffer.slice(start, end), pieceCount);
      testimony.had = all.filter((piece) => has.has(piece));
    },
    handleHaveAll: () => void (testimony.had = all),
    handleHaveNone: () => void (testimony.had = []),
    handleKeepAlive: nothing,
    handleChoke: nothing,
    handleUnchoke: nothing,
    handleInterested: nothing,
    handleNotInterested: nothing,
    handleRequest: nothing,
    handlePiece: nothing,
    handleCancel: nothing,
    handlePort: nothing,
    handleSuggest: nothing,
    handleReject: nothing,
    handleAllowedFast: nothing,
    handleExtended: nothing,
    handleUnknown: nothing,
  };
}
