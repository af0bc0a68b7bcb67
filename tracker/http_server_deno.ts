import { parseIp } from "./address.ts";
import type { HttpAnswers } from "./http_answers.ts";
import { HttpOutput } from "./http_output.ts";
import { HTTP_MORE, HTTP_REQUEST, HttpRequestReader } from "./http_request.ts";
import type { TrackerMetrics } from "./metrics.ts";

/** How many connections are kept at once unless told otherwise; one that asks for nothing makes room. */
export const CONNECTIONS_MAX = 15_000;
/** How long a request may take to arrive, from its first byte on or from the connection's begin. */
export const REQUEST_TIMEOUT_MS = 10_000;
/** How long a connection may be idle between requests. */
export const IDLE_TIMEOUT_MS = 60_000;
/** How long an answer may take to be taken. */
export const WRITE_TIMEOUT_MS = 10_000;
/** How long `close` waits for answers that are being sent before it cuts them off. */
export const CLOSE_TIMEOUT_MS = 1000;

/** How often connections are looked at that took too long. */
const SWEEP_MS = 1000;
/** How many connections are compared to find one that makes room. */
const EVICTION_SAMPLE = 16;
/** How long nothing is accepted after the system refused, as it does when there are no file descriptors. */
const ACCEPT_PAUSE_MS = 50;
/** Buffers for answers that are kept for the next ones. */
const OUTPUTS_KEPT_MAX = 256;
/** A buffer that had to grow beyond this is not kept. */
const OUTPUT_BYTES_KEPT_MAX = 65_536;

/** How an {@link HttpServer} works. */
export interface HttpServerOptions {
  /** Default: {@link CONNECTIONS_MAX}. */
  connectionsMax?: number;
  /** How many of them one address may have. Default: any number. */
  connectionsPerAddress?: number;
  /** Whether `X-Forwarded-For` is to be read. */
  readsForwarded: boolean;
  /** The monotonic clock. */
  nowMs: () => number;
  /** Random numbers from 0 up to 1. */
  random: () => number;
  /** Called with what should not happen. */
  onError: (error: unknown) => void;
}

/** One connection. */
interface Connection {
  readonly conn: Deno.Conn;
  readonly host: string;
  readonly address: Uint8Array;
  /** Its index in the list of all. */
  index: number;
  /** When it sent its last whole request, or when it began. */
  activeMs: number;
  /** When it is closed unless something happens. */
  deadlineMs: number;
  /** Whether a request is being answered. */
  isBusy: boolean;
}

/**
 * HTTP/1 straight over TCP or TLS: what a tracker needs of it, and no more. What is answered is the task
 * of {@link HttpAnswers}; this is about connections, and about those that would hold up the others.
 *
 * **Cost**: about 3 KB per connection that is idle.
 */
export class HttpServer {
  readonly #answers: HttpAnswers;
  readonly #metrics: TrackerMetrics;
  readonly #options: HttpServerOptions;
  readonly #connectionsMax: number;
  readonly #connections: Connection[] = [];
  readonly #countByHost: Map<string, number> = new Map();
  readonly #outputs: HttpOutput[] = [];
  #listener: Deno.TcpListener | Deno.TlsListener | null = null;
  #isClosing = false;
  #accepting: Promise<void> = Promise.resolve();
  #sweepTimer: ReturnType<typeof setTimeout> | null = null;
  #drained: (() => void) | null = null;

  /** Makes a server that has no listener yet. */
  constructor(answers: HttpAnswers, metrics: TrackerMetrics, options: HttpServerOptions) {
    this.#answers = answers;
    this.#metrics = metrics;
    this.#options = options;
    this.#connectionsMax = options.connectionsMax ?? CONNECTIONS_MAX;
  }

  /** Takes connections from a listener, which it owns from now on. */
  serve(listener: Deno.TcpListener | Deno.TlsListener): void {
    this.#listener = listener;
    this.#accepting = this.#accept(listener);
  }

  /** Stops listening; answers that are being sent get {@link CLOSE_TIMEOUT_MS}. */
  async close(): Promise<void> {
    if (this.#listener === null || this.#isClosing) return;
    this.#isClosing = true;
    this.#listener.close();
    await this.#accepting;
    for (const connection of [...this.#connections]) if (!connection.isBusy) shut(connection.conn);
    if (this.#connections.length > 0) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#drained = resolve;
      const cutOffTimer = setTimeout(() => {
        for (const { conn } of this.#connections) shut(conn);
      }, CLOSE_TIMEOUT_MS);
      await promise;
      clearTimeout(cutOffTimer);
    }
    if (this.#sweepTimer !== null) clearTimeout(this.#sweepTimer);
    this.#sweepTimer = null;
  }

  async #accept(listener: Deno.TcpListener | Deno.TlsListener): Promise<void> {
    while (!this.#isClosing) {
      let conn: Deno.TcpConn | Deno.TlsConn;
      try {
        conn = await listener.accept();
      } catch (error) {
        if (this.#isClosing) return;
        // A client that went away before it was accepted, or no file descriptor left.
        this.#metrics.countConnection("refused");
        if (!(error instanceof Deno.errors.ConnectionReset)) {
          this.#evict();
          await new Promise((resolve) => setTimeout(resolve, ACCEPT_PAUSE_MS));
        }
        continue;
      }
      this.#begin(conn);
    }
  }

  #begin(conn: Deno.TcpConn | Deno.TlsConn): void {
    const host = conn.remoteAddr.hostname;
    const count = this.#countByHost.get(host) ?? 0;
    const address = parseIp(host);
    if (address === null || count >= (this.#options.connectionsPerAddress ?? Infinity)) {
      this.#metrics.countConnection("refused");
      shut(conn);
      return;
    }
    if (this.#connections.length >= this.#connectionsMax) this.#evict();
    const nowMs = this.#options.nowMs();
    const connection: Connection = {
      conn,
      host,
      address,
      index: this.#connections.length,
      activeMs: nowMs,
      deadlineMs: nowMs + REQUEST_TIMEOUT_MS,
      isBusy: false,
    };
    this.#connections.push(connection);
    this.#countByHost.set(host, count + 1);
    this.#metrics.countConnection("opened");
    this.#armSweep();
    this.#run(connection).catch((error) => {
      if (!isExpected(error)) this.#options.onError(error);
    }).finally(() => this.#end(connection));
  }

  #end(connection: Connection): void {
    shut(connection.conn);
    const last = this.#connections.pop()!;
    if (last !== connection) {
      this.#connections[connection.index] = last;
      last.index = connection.index;
    }
    const count = this.#countByHost.get(connection.host)! - 1;
    if (count > 0) this.#countByHost.set(connection.host, count);
    else this.#countByHost.delete(connection.host);
    this.#metrics.countConnection("closed");
    if (this.#connections.length === 0) this.#drained?.();
  }

  /** Reads requests and answers them, all that came at once with one write. */
  async #run(connection: Connection): Promise<void> {
    const { conn, address } = connection;
    const { nowMs: clock, readsForwarded } = this.#options;
    const reader = new HttpRequestReader(readsForwarded);
    for (;;) {
      const count = await conn.read(reader.room());
      if (count === null) return;
      reader.take(count);
      const nowMs = clock();
      const output = this.#outputs.pop() ?? new HttpOutput();
      connection.isBusy = true;
      let answered = 0;
      let isKept = true;
      while (isKept) {
        const status = reader.next();
        if (status === HTTP_MORE) break;
        if (status !== HTTP_REQUEST) {
          this.#answers.answerError(status, address, output);
          isKept = false;
          break;
        }
        isKept = reader.isKept;
        try {
          const done = this.#answers.answer(reader, address, nowMs, output);
          if (done !== undefined) await done;
        } catch (error) {
          this.#options.onError(error);
          this.#answers.answerFault(output);
          isKept = false;
        }
        answered++;
      }
      if (output.length > 0) {
        const doneMs = clock();
        this.#metrics.observeLatency((doneMs - nowMs) / 1000, answered);
        connection.activeMs = doneMs;
        connection.deadlineMs = doneMs + WRITE_TIMEOUT_MS;
        await writeAll(conn, output);
        this.#keep(output);
        // What came of the next request may take so long again.
        connection.deadlineMs = doneMs + (reader.isWithin ? REQUEST_TIMEOUT_MS : IDLE_TIMEOUT_MS);
      } else {
        this.#keep(output);
        // The first byte of a request that is on its way.
        if (nowMs + REQUEST_TIMEOUT_MS < connection.deadlineMs) {
          connection.deadlineMs = nowMs + REQUEST_TIMEOUT_MS;
        }
      }
      connection.isBusy = false;
      if (!isKept || this.#isClosing) return;
    }
  }

  #keep(output: HttpOutput): void {
    output.clear();
    if (this.#outputs.length >= OUTPUTS_KEPT_MAX) return;
    if (output.bytes.length <= OUTPUT_BYTES_KEPT_MAX) this.#outputs.push(output);
  }

  /** Closes a connection that did not ask for anything for long: of some, the one for longest. */
  #evict(): void {
    const { length } = this.#connections;
    let found: Connection | null = null;
    for (let i = 0; i < EVICTION_SAMPLE && length > 0; i++) {
      const each = this.#connections[Math.floor(this.#options.random() * length)]!;
      if (found === null || each.activeMs < found.activeMs) found = each;
    }
    if (found === null) return;
    this.#metrics.countConnection("evicted");
    shut(found.conn);
  }

  /** Arms the one timer for those that take too long. */
  #armSweep(): void {
    if (this.#sweepTimer !== null || this.#isClosing) return;
    this.#sweepTimer = setTimeout(() => {
      this.#sweepTimer = null;
      const nowMs = this.#options.nowMs();
      for (const { conn, deadlineMs } of this.#connections) {
        if (deadlineMs > nowMs) continue;
        this.#metrics.countConnection("timed-out");
        shut(conn);
      }
      if (this.#connections.length > 0) this.#armSweep();
    }, SWEEP_MS);
  }
}

/** Writes all of an output; for nearly all there is one write. */
async function writeAll(conn: Deno.Conn, output: HttpOutput): Promise<void> {
  let at = await conn.write(output.bytes.subarray(0, output.length));
  while (at < output.length) at += await conn.write(output.bytes.subarray(at, output.length));
}

/** Closes a connection, if it is not closed yet. */
function shut(conn: Deno.Conn): void {
  try {
    conn.close();
  } catch {
    // It was closed before.
  }
}

/** Whether an error is only that the other side, or a timeout, has ended the connection. */
function isExpected(error: unknown): boolean {
  return error instanceof Deno.errors.ConnectionReset ||
    error instanceof Deno.errors.ConnectionAborted ||
    error instanceof Deno.errors.BrokenPipe || error instanceof Deno.errors.BadResource ||
    error instanceof Deno.errors.Interrupted || error instanceof Deno.errors.UnexpectedEof ||
    error instanceof Deno.errors.NotConnected || error instanceof Deno.errors.TimedOut ||
    error instanceof Deno.errors.InvalidData;
}
