/** How much is read at once. */
const READ_BYTES = 256 * 1024;

/**
 * A TCP relay on loopback that brings everything later, each way: a peer behind it is far away.
 *
 * It has the delay of a long line and no limit: how much is under way is up to who sends. It runs in the test's own
 * process, where it needs neither root nor a kernel that can delay (`tc … netem`, which not every kernel has).
 *
 * **Ownership**: the caller disposes of it; that breaks the connections through it.
 * **Limits**: holds in memory what is under way.
 */
export class LongLine implements AsyncDisposable {
  readonly #target: number;
  readonly #delayMs: number;
  readonly #listener: Deno.TcpListener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #sockets: Set<Deno.TcpConn> = new Set();
  readonly #carrying: Set<Promise<void>> = new Set();
  readonly #ended: AbortController = new AbortController();
  readonly #accepting: Promise<void>;

  /**
   * @param target the port of 127.0.0.1 that its far end connects to
   * @param delayMs how much later everything arrives, on each of the two ways
   */
  constructor(target: number, delayMs: number) {
    this.#target = target;
    this.#delayMs = delayMs;
    this.#accepting = this.#accept();
  }

  /** The port of 127.0.0.1 where its near end is. */
  get port(): number {
    return this.#listener.addr.port;
  }

  /** Breaks all connections. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended.abort();
    this.#listener.close();
    await this.#accepting;
    this.#hangUp(...this.#sockets);
    await Promise.all(this.#carrying);
  }

  async #accept(): Promise<void> {
    for await (const near of this.#listener) {
      this.#sockets.add(near);
      const address = { hostname: "127.0.0.1", port: this.#target };
      const far = await Deno.connect(address).catch(() => null);
      if (far === null) {
        this.#hangUp(near);
        continue;
      }
      this.#sockets.add(far);
      for (const socket of [near, far]) socket.setNoDelay(true);
      const ways = [this.#carry(near, far), this.#carry(far, near)];
      const carrying = Promise.all(ways.map((way) => way.catch(() => this.#hangUp(near, far))))
        .then(() => {
          this.#hangUp(near, far);
          this.#carrying.delete(carrying);
        });
      this.#carrying.add(carrying);
    }
  }

  /** Carries all that `from` sends to `to`, and its end. */
  async #carry(from: Deno.TcpConn, to: Deno.TcpConn): Promise<void> {
    let carried = Promise.resolve();
    for (;;) {
      const buffer = new Uint8Array(READ_BYTES);
      const bytes = await from.read(buffer);
      if (bytes === null) break;
      const dueMs = performance.now() + this.#delayMs;
      carried = carried.then(async () => {
        await this.#until(dueMs);
        for (let sent = 0; sent < bytes;) sent += await to.write(buffer.subarray(sent, bytes));
      });
      carried.catch(() => this.#hangUp(from, to));
    }
    await carried;
    await to.closeWrite();
  }

  /** Resolves at that time; rejects when all ends before. */
  async #until(dueMs: number): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const { signal } = this.#ended;
    signal.throwIfAborted();
    const abort = () => reject(signal.reason);
    signal.addEventListener("abort", abort);
    const timer = setTimeout(resolve, Math.max(0, dueMs - performance.now()));
    try {
      await promise;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", abort);
    }
  }

  #hangUp(...sockets: Deno.TcpConn[]): void {
    for (const socket of sockets) if (this.#sockets.delete(socket)) socket.close();
  }
}
