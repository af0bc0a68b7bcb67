/**
 * One TCP connection between two nodes: lines in, lines out, nothing without a bound.
 *
 * @module
 */

import { setTimeout as pause } from "node:timers/promises";
import { type Greeting, Keyed, makeGreeting, readGreeting, type Role } from "./greeting_deno.ts";
import { LineSplitter } from "./lines.ts";
import { LINE_CHARACTERS_MAX } from "./messages.ts";

/** Bytes that are read at a time. */
const READ_BYTES = 16_384;
/** Longest line in bytes: the longest message and its code. Everything of ours is ASCII. */
const LINE_BYTES_MAX = LINE_CHARACTERS_MAX + 32;
/** Bytes that may wait to be written; whoever reads slower is left. */
const WAITING_BYTES_MAX = 4 * 1024 * 1024;
/** How long the greetings may take. */
const GREETING_MS = 5000;
/** Bytes that a connection may bring at once: an exchange and a half. */
const BURST_BYTES = 1024 * 1024;
/** Bytes that a connection may bring each second after that; beyond, it is read later. */
const BYTES_PER_SECOND = 256 * 1024;

/** Who we are to those we meet. */
export interface Identity {
  /** Which overlay. */
  readonly cluster: string;
  /** Where we listen. */
  readonly address: string;
  /** What all members share; "" for an open overlay. */
  readonly secret: string;
  /** Whether the members do not flood each other. */
  readonly isTrusted: boolean;
}

/** Who is told of a connection. */
export interface ConnectionSink {
  /** Both have greeted. */
  greeted(greeting: Greeting): void;
  /**
   * It greeted as one of this overlay, and has not shown that it shares our secret; where we have none: it hung up
   * then without another word, as one does that has.
   */
  unproven(): void;
  /** A line came. */
  line(line: string): void;
  /** It sent what is no line of ours. */
  malformed(): void;
  /**
   * A listener's connection did not begin with a greeting of ours. @returns what to answer before it is
   * closed, "" for nothing
   */
  stranger(line: string): string;
  /** It is over. */
  closed(): void;
}

/** One connection. */
export class Connection {
  /** When something was last said or heard. */
  usedMs: number = performance.now();
  readonly #tcp: Deno.TcpConn;
  readonly #identity: Identity;
  readonly #role: Role;
  readonly #sink: ConnectionSink;
  readonly #ended: Promise<void>;
  /** The other end's greeting, until its proof has come. */
  #greeting: Greeting | null = null;
  #keyed: Keyed | null = null;
  #isGreeted = false;
  /** Whether anything came after the greetings. */
  #hasHeard = false;
  #isClosed = false;
  readonly #encoder = new TextEncoder();
  #waiting: string[] = [];
  #waitingBytes = 0;
  #writing: Promise<void> | null = null;

  /** Takes over a connection, which the sink hears of until it is closed. */
  constructor(tcp: Deno.TcpConn, role: Role, identity: Identity, sink: ConnectionSink) {
    this.#tcp = tcp;
    this.#role = role;
    this.#identity = identity;
    this.#sink = sink;
    this.#ended = this.#run();
  }

  /** Sends a line; before the greetings are done it waits. */
  send(line: string): void {
    this.usedMs = performance.now();
    this.#waiting.push(line);
    this.#waitingBytes += line.length;
    if (this.#waitingBytes > WAITING_BYTES_MAX) this.close();
    else this.#flush();
  }

  /** Resolves when what was sent has been handed to the system, or cannot be. */
  async written(): Promise<void> {
    while (this.#writing !== null) await this.#writing;
  }

  /** Ends it. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    try {
      this.#tcp.close();
    } catch {
      // The system was first.
    }
  }

  /** Resolves when nothing more comes of it. */
  get ended(): Promise<void> {
    return this.#ended;
  }

  async #run(): Promise<void> {
    const timer = setTimeout(() => this.close(), GREETING_MS);
    try {
      await this.#read(timer);
    } catch {
      // It broke, or we closed it.
    } finally {
      clearTimeout(timer);
      const isHungUp = !this.#isClosed && this.#isGreeted && !this.#hasHeard;
      this.close();
      const isWithoutProof = this.#greeting !== null && !this.#isGreeted;
      if (isWithoutProof || isHungUp && this.#identity.secret === "") this.#sink.unproven();
      this.#sink.closed();
    }
  }

  async #read(timer: ReturnType<typeof setTimeout>): Promise<void> {
    const greeting = JSON.stringify(makeGreeting(this.#identity.cluster, this.#identity.address));
    if (this.#role === "dialler") await this.#write(greeting);
    const splitter = new LineSplitter(LINE_BYTES_MAX);
    const buffer = new Uint8Array(READ_BYTES);
    let [allowed, sinceMs] = [BURST_BYTES, performance.now()];
    for (let count; !this.#isClosed && (count = await this.#tcp.read(buffer)) !== null;) {
      this.usedMs = performance.now();
      const earned = (this.usedMs - sinceMs) * BYTES_PER_SECOND / 1000;
      allowed = Math.min(BURST_BYTES, allowed + earned) - count;
      sinceMs = this.usedMs;
      const lines = splitter.push(buffer.subarray(0, count));
      if (lines === null) return this.#sink.malformed();
      for (const line of lines) {
        if (this.#isClosed) return;
        if (this.#isGreeted) this.#handleLine(line);
        else if (!(await this.#meet(line, greeting, timer))) return;
      }
      // What it sends too fast stays with it, in the buffers of its system.
      if (allowed < 0 && !this.#identity.isTrusted) await pause(-1000 * allowed / BYTES_PER_SECOND);
    }
  }

  #handleLine(sealed: string): void {
    this.#hasHeard = true;
    const line = this.#keyed === null ? sealed : this.#keyed.open(sealed);
    if (line === null) this.#sink.malformed();
    else this.#sink.line(line);
  }

  /** Takes a line before the greetings are done. @returns whether it is worth going on */
  async #meet(
    line: string,
    ours: string,
    timer: ReturnType<typeof setTimeout>,
  ): Promise<boolean> {
    const { cluster, secret } = this.#identity;
    if (this.#greeting !== null) {
      if (!this.#keyed!.isProof(line)) return false;
      if (this.#role === "listener") await this.#write(this.#keyed!.proof);
      this.#begin(this.#greeting, timer);
      return true;
    }
    const greeting = readGreeting(line, cluster);
    if (greeting === null) {
      const answer = this.#role === "listener" ? this.#sink.stranger(line) : "";
      if (answer !== "") await this.#write(answer);
      return false;
    }
    if (this.#role === "listener") await this.#write(ours);
    if (secret === "") this.#begin(greeting, timer);
    else {
      this.#greeting = greeting;
      this.#keyed = new Keyed(secret, this.#role, ours, line);
      if (this.#role === "dialler") await this.#write(this.#keyed.proof);
    }
    return true;
  }

  #begin(greeting: Greeting, timer: ReturnType<typeof setTimeout>): void {
    clearTimeout(timer);
    this.#isGreeted = true;
    this.#sink.greeted(greeting);
    this.#flush();
  }

  #flush(): void {
    if (!this.#isGreeted || this.#writing !== null || this.#waiting.length === 0) return;
    this.#writing = this.#writeAll().finally(() => this.#writing = null);
  }

  /** Writes what waits, and what comes meanwhile. */
  async #writeAll(): Promise<void> {
    try {
      while (this.#waiting.length > 0 && !this.#isClosed) {
        const lines = this.#waiting;
        this.#waiting = [];
        this.#waitingBytes = 0;
        await this.#write(lines.map((line) => this.#keyed?.seal(line) ?? line).join("\n"));
      }
    } catch {
      this.close();
    }
  }

  async #write(text: string): Promise<void> {
    const bytes = this.#encoder.encode(`${text}\n`);
    for (let at = 0; at < bytes.length;) at += await this.#tcp.write(bytes.subarray(at));
  }
}
