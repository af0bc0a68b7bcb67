/** Peers that connect and do nothing: for `bench/idle.ts`. */
import { connect, type Socket } from "node:net";
import { BITFIELD, handshakeOf, messageOf } from "./ideal_wire.ts";

/** How many knock at the same time: a burst of strangers is not what is measured. */
const BURST = 25;

/** Connections from many addresses of loopback, each of a peer of its own, that take what comes and say nothing. */
export class IdlePeers implements Disposable {
  readonly #sockets: Socket[] = [];

  /** Connects so many, each from another address, as peers without a piece. */
  static async connect(
    count: number,
    port: number,
    infoHash: Uint8Array,
    pieceCount: number,
  ): Promise<IdlePeers> {
    const peers = new IdlePeers();
    for (let begin = 0; begin < count; begin += BURST) {
      const length = Math.min(BURST, count - begin);
      await Promise.all(
        Array.from({ length }, (_, i) => peers.#connect(begin + i, port, infoHash, pieceCount)),
      );
    }
    return peers;
  }

  /** How many are still connected. */
  get connected(): number {
    return this.#sockets.filter(({ closed }) => !closed).length;
  }

  async #connect(
    i: number,
    port: number,
    infoHash: Uint8Array,
    pieceCount: number,
  ): Promise<void> {
    const localAddress = `127.0.${10 + Math.floor(i / 250)}.${1 + i % 250}`;
    const socket = connect({ host: "127.0.0.1", port, localAddress });
    this.#sockets.push(socket);
    socket.on("error", () => {}); // it is counted as closed
    socket.once("connect", () => {
      socket.write(handshakeOf(infoHash, `-EI0001-idle-peer${String(i).padStart(3, "0")}`));
    });
    await new Promise<void>((resolve) => {
      socket.once("data", () => resolve());
      socket.once("close", () => resolve());
    });
    socket.write(messageOf(BITFIELD, new Uint8Array(Math.ceil(pieceCount / 8))));
  }

  [Symbol.dispose](): void {
    for (const socket of this.#sockets) socket.destroy();
  }
}
