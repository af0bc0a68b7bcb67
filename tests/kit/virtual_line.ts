/**
 * A line between two hosts: what one end sends goes through the sender's uplink, takes the line's delay, and goes
 * through the receiver's downlink, in order. It may freeze, drop, be reset, or be closed on one side only.
 */
import { Segment } from "./virtual_content.ts";
import type { LinkSource, SharedLink } from "./virtual_link.ts";
import type { VirtualClock } from "./virtual_clock.ts";

/** Bytes that one direction may have on its way, at first, at least and at most: what lines of 250 ms carry at 4 MB/s. */
const WINDOW_BYTES_INITIAL = 64 * 1024;
const WINDOW_BYTES_MIN = 32 * 1024;
const WINDOW_BYTES_MAX = 1024 * 1024;

/** What waits at the other side's downlink longer than this makes the window smaller, as TCP's control of congestion does. */
const QUEUE_MS_MAX = 200;

/** Bytes that a kernel takes before it makes a program wait: a usual send buffer. */
const SEND_BUFFER_BYTES = 64 * 1024;

/** Who has an end of a line. */
export interface LineHost {
  /** What it sends goes through this. */
  readonly uplink: SharedLink;
  /** What it receives goes through this. */
  readonly downlink: SharedLink;
  /** Whether it takes what comes; when it does again it calls {@linkcode LineEnd.resume}. */
  readonly isReading: boolean;
  /** Something came. */
  handleSegment(end: LineEnd, segment: Segment): void;
  /** There is room in the send buffer again, after {@linkcode LineEnd.send} said that there was none. */
  handleRoom(end: LineEnd): void;
  /** The other side closed, or the line broke. */
  handleEnd(end: LineEnd): void;
}

/** What a line is like. */
export interface LineOptions {
  /** How long bytes take to the other side. */
  readonly delayMs: number;
  /** What may be added to it, drawn for each segment. */
  readonly jitterMs: number;
  /** Uniform numbers in [0, 1). */
  readonly random: () => number;
}

/** A first-in first-out queue. */
class Fifo<T> {
  #items: T[] = [];
  #head = 0;

  get isEmpty(): boolean {
    return this.#head === this.#items.length;
  }

  get first(): T {
    return this.#items[this.#head]!;
  }

  push(item: T): void {
    this.#items.push(item);
  }

  shift(): T {
    const item = this.#items[this.#head++]!;
    if (this.#head === this.#items.length) this.clear();
    return item;
  }

  clear(): void {
    this.#items.length = 0;
    this.#head = 0;
  }
}

/** One end of a line, and the direction that leads away from it. */
export class LineEnd implements LinkSource {
  readonly host: LineHost;
  isInLink = false;
  nextInLink: LinkSource | null = null;
  readonly #clock: VirtualClock;
  readonly #options: LineOptions;
  readonly #receiver: Receiver;
  #other!: LineEnd;
  #isFrozen = false;
  #isClosed = false;
  readonly #unsent = new Fifo<Segment>();
  #unsentBytes = 0;
  #isFull = false;
  readonly #flying = new Fifo<Segment>();
  #lastArrivalMs = 0;
  /** Bytes that the other side has not acknowledged. */
  #unackedBytes = 0;
  #windowBytes = WINDOW_BYTES_INITIAL;
  readonly #ackedAtMs = new Fifo<number>();
  readonly #ackedBytes = new Fifo<number>();
  #isBlocked = false;
  readonly #handleArrival = () => this.#other.#receiver.take(this.#flying.shift());
  readonly #handleAck = () => this.#unblock();

  constructor(clock: VirtualClock, host: LineHost, options: LineOptions) {
    this.#clock = clock;
    this.host = host;
    this.#options = options;
    this.#receiver = new Receiver(this, clock);
  }

  /** Who is at the other end. */
  get otherHost(): LineHost {
    return this.#other.host;
  }

  /** Whether this end was closed, or has heard that the other was. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Whether what comes is held back. */
  get isHolding(): boolean {
    return this.#isFrozen || !this.host.isReading;
  }

  /** For {@linkcode makeLine}. */
  join(other: LineEnd): void {
    this.#other = other;
  }

  /** Sends, behind what is not sent yet. @returns whether there is still room in the send buffer */
  send(segment: Segment): boolean {
    if (this.#isClosed) return true;
    this.#unsent.push(segment);
    this.#unsentBytes += segment.wireBytes;
    this.host.uplink.activate(this);
    if (this.#unsentBytes > SEND_BUFFER_BYTES) this.#isFull = true;
    return !this.#isFull;
  }

  /** Closes the way to the other side, behind what is on it; the way from there stays open. */
  finish(): void {
    this.send(new Segment(1, null, true));
  }

  /** Closes this end: what is not sent yet is lost, and the other side hears of it behind what is on its way. */
  close(): void {
    if (this.#isClosed) return;
    this.#end();
    this.#fly(new Segment(0, null, true));
  }

  /** Breaks the line: both sides hear of it when their own delay has passed, and what is on its way is lost. */
  reset(): void {
    for (const end of [this, this.#other]) {
      if (end.#isClosed) continue;
      end.#end();
      this.#clock.after(this.#options.delayMs, () => end.host.handleEnd(end));
    }
  }

  /** Lets nothing through in either direction, and says so to nobody. */
  freeze(): void {
    this.#isFrozen = true;
    this.#other.#isFrozen = true;
  }

  /** Lets through what was held back, and what comes. */
  thaw(): void {
    for (const end of [this, this.#other]) {
      end.#isFrozen = false;
      end.resume();
    }
  }

  /** Hands over what was held back, as far as the host takes it. */
  resume(): void {
    this.#receiver.drain();
  }

  takeNext(): Segment | null {
    if (this.#unsent.isEmpty) return null;
    const { nowMs } = this.#clock;
    while (!this.#ackedAtMs.isEmpty && this.#ackedAtMs.first <= nowMs) {
      this.#ackedAtMs.shift();
      this.#unackedBytes -= this.#ackedBytes.shift();
    }
    const { wireBytes } = this.#unsent.first;
    if (this.#unackedBytes > 0 && this.#unackedBytes + wireBytes > this.#windowBytes) {
      this.#block();
      return null;
    }
    this.#unackedBytes += wireBytes;
    return this.#unsent.shift();
  }

  handleThrough(segment: Segment): void {
    if (this.#isClosed) return;
    this.#unsentBytes -= segment.wireBytes;
    this.#fly(segment);
    if (!this.#isFull || this.#unsentBytes > SEND_BUFFER_BYTES / 2) return;
    this.#isFull = false;
    this.host.handleRoom(this);
  }

  /** The other side took a segment of ours that had waited for it. */
  handleTaken(segment: Segment, waitedMs: number): void {
    const { wireBytes } = segment;
    this.#windowBytes = waitedMs > QUEUE_MS_MAX
      ? Math.max(WINDOW_BYTES_MIN, this.#windowBytes - wireBytes)
      : Math.min(WINDOW_BYTES_MAX, this.#windowBytes + wireBytes);
    const atMs = this.#clock.nowMs + this.#options.delayMs;
    this.#ackedAtMs.push(atMs);
    this.#ackedBytes.push(wireBytes);
    if (this.#isBlocked) this.#clock.after(atMs - this.#clock.nowMs, this.#handleAck);
  }

  /** Hands a segment that came to the host. */
  deliver(segment: Segment, waitedMs: number): void {
    if (this.#isClosed) return;
    this.#other.handleTaken(segment, waitedMs);
    if (!segment.isEnd) return this.host.handleSegment(this, segment);
    this.host.handleEnd(this);
  }

  #fly(segment: Segment): void {
    const { delayMs, jitterMs, random } = this.#options;
    const { nowMs } = this.#clock;
    const jitter = jitterMs > 0 ? random() * jitterMs : 0;
    this.#lastArrivalMs = Math.max(this.#lastArrivalMs, nowMs + delayMs + jitter);
    this.#flying.push(segment);
    this.#clock.after(this.#lastArrivalMs - nowMs, this.#handleArrival);
  }

  #block(): void {
    if (this.#isBlocked) return;
    this.#isBlocked = true;
    if (this.#ackedAtMs.isEmpty) return; // the other side takes nothing: when it does, it is looked at again
    this.#clock.after(this.#ackedAtMs.first - this.#clock.nowMs, this.#handleAck);
  }

  #unblock(): void {
    this.#isBlocked = false;
    if (!this.#isClosed) this.host.uplink.activate(this);
  }

  #end(): void {
    this.#isClosed = true;
    this.#unsent.clear();
    this.#unsentBytes = 0;
  }
}

/** The last stretch to one end: the host's downlink, and what the host does not take yet. */
class Receiver implements LinkSource {
  isInLink = false;
  nextInLink: LinkSource | null = null;
  readonly #end: LineEnd;
  readonly #clock: VirtualClock;
  readonly #arrived = new Fifo<Segment>();
  readonly #arrivedAtMs = new Fifo<number>();
  readonly #held = new Fifo<Segment>();

  constructor(end: LineEnd, clock: VirtualClock) {
    this.#end = end;
    this.#clock = clock;
  }

  /** A segment came out of the network. */
  take(segment: Segment): void {
    const { downlink } = this.#end.host;
    this.#arrivedAtMs.push(this.#clock.nowMs);
    if (downlink.bytesPerSecond === Infinity) return this.handleThrough(segment);
    this.#arrived.push(segment);
    downlink.activate(this);
  }

  takeNext(): Segment | null {
    return this.#arrived.isEmpty ? null : this.#arrived.shift();
  }

  handleThrough(segment: Segment): void {
    if (this.#end.isHolding || !this.#held.isEmpty) this.#held.push(segment);
    else this.#deliver(segment);
  }

  drain(): void {
    while (!this.#held.isEmpty && !this.#end.isHolding) this.#deliver(this.#held.shift());
  }

  #deliver(segment: Segment): void {
    this.#end.deliver(segment, this.#clock.nowMs - this.#arrivedAtMs.shift());
  }
}

/** Joins two hosts. */
export function makeLine(
  clock: VirtualClock,
  one: LineHost,
  other: LineHost,
  options: LineOptions,
): [LineEnd, LineEnd] {
  const ends: [LineEnd, LineEnd] = [
    new LineEnd(clock, one, options),
    new LineEnd(clock, other, options),
  ];
  ends[0].join(ends[1]);
  ends[1].join(ends[0]);
  return ends;
}
