import { parseIp } from "./address.ts";
import type { TrackerMetrics } from "./metrics.ts";
import { UDP_ANSWER_BYTES_MAX, type UdpAnswers } from "./udp_answers.ts";
import { UDP_PACKET_BYTES_MAX } from "./udp_packets.ts";

/** How many answers may wait for the socket; beyond, requests are dropped, and clients ask again. */
const ANSWERS_WAITING_MAX = 1024;

/** The UDP side of a tracker's server: one socket, what is answered is the task of {@link UdpAnswers}. */
export class UdpServer {
  readonly #answers: UdpAnswers;
  readonly #metrics: TrackerMetrics;
  readonly #nowMs: () => number;
  readonly #onError: (error: unknown) => void;
  /** Buffers that are free. */
  readonly #buffers: Uint8Array<ArrayBuffer>[] = [];
  #bufferCount = 0;
  #socket: Deno.DatagramConn | null = null;
  #receiving: Promise<void> = Promise.resolve();

  /** Makes a server that has no socket yet. */
  constructor(
    answers: UdpAnswers,
    metrics: TrackerMetrics,
    nowMs: () => number,
    onError: (error: unknown) => void,
  ) {
    this.#answers = answers;
    this.#metrics = metrics;
    this.#nowMs = nowMs;
    this.#onError = onError;
  }

  /** Takes packets from a socket, which it owns from now on. */
  serve(socket: Deno.DatagramConn): void {
    this.#socket = socket;
    this.#receiving = this.#receive(socket);
  }

  /** Closes the socket. */
  async close(): Promise<void> {
    const socket = this.#socket;
    if (socket === null) return;
    this.#socket = null;
    socket.close();
    await this.#receiving;
  }

  async #receive(socket: Deno.DatagramConn): Promise<void> {
    const room = new Uint8Array(UDP_PACKET_BYTES_MAX + 1);
    while (this.#socket === socket) {
      try {
        const [packet, from] = await socket.receive(room);
        this.#handle(socket, packet, from as Deno.NetAddr);
      } catch (error) {
        if (this.#socket !== socket) return;
        // An answer that nobody took (ICMP) comes back as an error of the next receive.
        if (!(error instanceof Deno.errors.ConnectionRefused)) this.#onError(error);
      }
    }
  }

  #handle(socket: Deno.DatagramConn, packet: Uint8Array, from: Deno.NetAddr): void {
    const address = parseIp(from.hostname);
    if (address === null || from.port === 0) return;
    const target = this.#buffers.pop() ?? this.#newBuffer();
    if (target === null) return;
    const nowMs = this.#nowMs();
    const send = (length: number): void => {
      if (length === 0 || this.#socket !== socket) {
        this.#buffers.push(target);
        return;
      }
      this.#metrics.observeLatency((this.#nowMs() - nowMs) / 1000, 1);
      const release = (): number => this.#buffers.push(target);
      // Who cannot be reached does not matter.
      socket.send(target.subarray(0, length), from).then(release, release);
    };
    const length = this.#answers.answer(packet, address, nowMs, target);
    if (typeof length === "number") return send(length);
    length.then(send, (error) => {
      this.#buffers.push(target);
      this.#onError(error);
    });
  }

  #newBuffer(): Uint8Array<ArrayBuffer> | null {
    if (this.#bufferCount === ANSWERS_WAITING_MAX) return null;
    this.#bufferCount++;
    return new Uint8Array(UDP_ANSWER_BYTES_MAX);
  }
}
