/**
 * All connections of a node: those it made, those made to it, and whom it refuses.
 *
 * @module
 */

import { Connection, type Identity } from "./connection_deno.ts";

/** Connections made to us at a time. */
const INCOMING_MAX = 512;
/** Connections that one host may have made to us at a time: several nodes behind one address, and no flood. */
const INCOMING_PER_HOST_MAX = 64;
/** Connections that we made at a time; for a further one the one that was idle longest is closed. */
const OUTGOING_MAX = 128;
/** An idle connection is closed after this. */
const IDLE_MS = 60_000;
/** How long connecting may take. */
const DIAL_MS = 3000;
/** How long a host that misbehaved is refused. */
const REFUSED_MS = 600_000;
/** Hosts that are refused at a time; the oldest goes first. */
const REFUSED_MAX = 10_000;
/** Pause after a connection could not be accepted: time for file descriptors to become free. */
const ACCEPT_PAUSE_MS = 200;

/** Who hears what the connections bring. An endpoint is the address that we dialled, or begins with `#`. */
export interface ConnectionsSink {
  /** One that was made to us says where the other listens. */
  greeted(endpoint: string, address: string): void;
  /** One that we made led back to ourselves. */
  ourselves(address: string): void;
  /** The other end, a host or the address that we dialled, has not shown that it shares our secret. */
  unproven(from: string): void;
  /** A line came. */
  line(endpoint: string, line: string): void;
  /** What came is no line of ours. */
  malformed(endpoint: string): void;
  /** Somebody began without a greeting. @returns what to answer before it is closed */
  stranger(line: string): string;
  /** One ended, or could not be made. */
  closed(endpoint: string): void;
}

interface Held {
  readonly connection: Connection;
  readonly host: string;
}

/** Keeps a node's connections. */
export class Connections {
  readonly #listener: Deno.TcpListener;
  readonly #identity: Identity;
  readonly #sink: ConnectionsSink;
  readonly #incoming = new Map<string, Held>();
  readonly #outgoing = new Map<string, Held>();
  /** What is to be said once a connection is there. */
  readonly #dialling = new Map<string, string[]>();
  readonly #refused = new Map<string, number>();
  readonly #sweep: ReturnType<typeof setInterval>;
  #nextId = 1;
  #isClosed = false;

  /** Accepts on a listener, which it owns from now on. */
  constructor(listener: Deno.TcpListener, identity: Identity, sink: ConnectionsSink) {
    this.#listener = listener;
    this.#identity = identity;
    this.#sink = sink;
    this.#sweep = setInterval(() => this.#closeIdle(), IDLE_MS / 4);
    this.#accept();
  }

  /** How many there are. */
  get counts(): { incoming: number; outgoing: number; refusedHosts: number } {
    return {
      incoming: this.#incoming.size,
      outgoing: this.#outgoing.size,
      refusedHosts: this.#refused.size,
    };
  }

  /** Sends a line to an endpoint, connecting first where it is an address. */
  send(to: string, line: string): void {
    const held = this.#incoming.get(to) ?? this.#outgoing.get(to);
    if (held !== undefined) return held.connection.send(line);
    if (to.startsWith("#") || this.#isClosed) return;
    const waiting = this.#dialling.get(to);
    if (waiting !== undefined) waiting.push(line);
    else {
      this.#dialling.set(to, [line]);
      this.#dial(to);
    }
  }

  /** Closes a connection and refuses who is behind it. */
  refuse(endpoint: string): void {
    const incoming = this.#incoming.get(endpoint);
    if (incoming === undefined) this.#remember(endpoint);
    // Everybody on this machine has the same address: there only the connection ends.
    else if (!isLoopback(incoming.host)) this.#remember(incoming.host);
    (incoming ?? this.#outgoing.get(endpoint))?.connection.close();
  }

  /** Says one line to an address and closes: how old nodes talk. */
  async sayOnce(address: string, line: string): Promise<void> {
    try {
      using tcp = await connect(address);
      const bytes = new TextEncoder().encode(`${line}\n`);
      for (let at = 0; at < bytes.length;) at += await tcp.write(bytes.subarray(at));
    } catch {
      // An old node that is not there.
    }
  }

  /** Closes all, after what was sent is on its way, within a time. */
  async close(limitMs: number): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#sweep);
    this.#listener.close();
    const all = [...this.#incoming.values(), ...this.#outgoing.values()]
      .map(({ connection }) => connection);
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, limitMs);
    await Promise.race([promise, Promise.all(all.map((connection) => connection.written()))]);
    clearTimeout(timer);
    for (const connection of all) connection.close();
    await Promise.all(all.map(({ ended }) => ended));
  }

  async #accept(): Promise<void> {
    while (!this.#isClosed) {
      try {
        this.#hold(await this.#listener.accept());
      } catch (error) {
        if (this.#isClosed || error instanceof Deno.errors.BadResource) return;
        await new Promise((resolve) => setTimeout(resolve, ACCEPT_PAUSE_MS));
      }
    }
  }

  #hold(tcp: Deno.TcpConn): void {
    const host = tcp.remoteAddr.hostname;
    let sameHost = 0;
    for (const held of this.#incoming.values()) if (held.host === host) sameHost++;
    if (
      this.#incoming.size >= INCOMING_MAX || sameHost >= INCOMING_PER_HOST_MAX ||
      this.#isRefused(host)
    ) {
      return tcp.close();
    }
    const endpoint = `#${this.#nextId++}`;
    this.#keep(this.#incoming, endpoint, host, tcp, "listener");
  }

  async #dial(address: string): Promise<void> {
    const tcp = await (this.#isRefused(address) ? null : connect(address).catch(() => null));
    const waiting = this.#dialling.get(address)!;
    this.#dialling.delete(address);
    if (tcp === null || this.#isClosed) {
      tcp?.close();
      if (!this.#isClosed) this.#sink.closed(address);
      return;
    }
    if (this.#outgoing.size >= OUTGOING_MAX) this.#closeLongestIdle();
    const connection = this.#keep(this.#outgoing, address, address, tcp, "dialler");
    for (const line of waiting) connection.send(line);
  }

  #keep(
    among: Map<string, Held>,
    endpoint: string,
    host: string,
    tcp: Deno.TcpConn,
    role: "dialler" | "listener",
  ): Connection {
    const connection = new Connection(tcp, role, this.#identity, {
      greeted: ({ address }) => {
        if (role === "listener") this.#sink.greeted(endpoint, address);
        else if (address === this.#identity.address) this.#sink.ourselves(endpoint);
      },
      unproven: () => this.#sink.unproven(host),
      line: (line) => this.#sink.line(endpoint, line),
      malformed: () => this.#sink.malformed(endpoint),
      stranger: (line) => this.#sink.stranger(line),
      closed: () => {
        among.delete(endpoint);
        if (!this.#isClosed) this.#sink.closed(endpoint);
      },
    });
    among.set(endpoint, { connection, host });
    return connection;
  }

  #closeIdle(): void {
    const nowMs = performance.now();
    for (const { connection } of [...this.#incoming.values(), ...this.#outgoing.values()]) {
      if (nowMs > connection.usedMs + IDLE_MS) connection.close();
    }
    for (const [host, untilMs] of this.#refused) {
      if (untilMs <= nowMs) this.#refused.delete(host);
    }
  }

  #closeLongestIdle(): void {
    let idle: Connection | null = null;
    for (const { connection } of this.#outgoing.values()) {
      if (idle === null || connection.usedMs < idle.usedMs) idle = connection;
    }
    idle?.close();
  }

  #isRefused(host: string): boolean {
    return (this.#refused.get(host) ?? -Infinity) > performance.now();
  }

  #remember(host: string): void {
    this.#refused.delete(host);
    this.#refused.set(host, performance.now() + REFUSED_MS);
    if (this.#refused.size > REFUSED_MAX) this.#refused.delete(this.#refused.keys().next().value!);
  }
}

/** Connects to `host:port`, in time. */
async function connect(address: string): Promise<Deno.TcpConn> {
  const colon = address.lastIndexOf(":");
  const hostname = address.slice(0, colon).replace(/^\[(.*)\]$/, "$1");
  const signal = AbortSignal.timeout(DIAL_MS);
  const tcp = await Deno.connect({ hostname, port: Number(address.slice(colon + 1)), signal });
  tcp.setNoDelay();
  return tcp;
}

function isLoopback(host: string): boolean {
  return /^(?:::ffff:)?127\./.test(host) || host === "::1";
}
