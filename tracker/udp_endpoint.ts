import {
  decodeUdpResponse,
  encodeUdpAnnounce,
  encodeUdpConnect,
  encodeUdpScrape,
  type UdpAnnounceRequest,
  type UdpResponse,
} from "./udp_packets.ts";

/** How long an answer is waited for before a packet is sent again; doubled by each further time (BEP 15). */
export const UDP_RETRY_MS = 15_000;
/** How often a packet is sent again; after 3840 s more without an answer the tracker is given up (BEP 15). */
export const UDP_RETRIES_MAX = 8;
/** How long a connection id is used (BEP 15). */
export const UDP_CONNECTION_MS = 60_000;

/** What a tracker can be asked. A connect is asked for anew, as a probe of the tracker. */
export type UdpQuestion =
  | { readonly action: "connect" }
  | {
    readonly action: "announce";
    readonly request: Omit<
      UdpAnnounceRequest,
      "action" | "connectionHigh" | "connectionLow" | "transactionId"
    >;
  }
  | { readonly action: "scrape"; readonly infoHashes: readonly Uint8Array[] };

/** What came of a question: the tracker's answer or refusal, or none in all the time that there is. */
export interface UdpOutcome {
  /** The number that `ask` gave. */
  readonly id: number;
  /** The answer; `null` for none. */
  readonly response: UdpResponse | null;
}

interface Asked {
  readonly id: number;
  readonly question: UdpQuestion;
  readonly sinceMs: number;
  /** What it is sent under, also when it is sent again: an answer may be late. */
  readonly transactionId: number;
  /** Whether it waits for the answer to a connect. */
  isWaiting: boolean;
  /** How often it timed out. */
  retries: number;
  /** When it times out next. */
  dueMs: number;
}

/**
 * One address of a UDP tracker, and what it is being asked: connection ids, retries and the matching of
 * answers. It does no I/O.
 *
 * The contract: give it one input, then send all packets (`takePacket`), take all outcomes
 * (`takeOutcome`) and read `nextDeadlineMs` again. Packets that do not answer anything that was asked are
 * dropped.
 *
 * Several questions at a time share one connect, and its connection id for a minute. The wait before a
 * packet is sent again doubles over all of a question, whatever was sent: connect or announce.
 *
 * **Source**: BEP 15.
 */
export class UdpEndpoint {
  readonly #ipBytes: 4 | 16;
  readonly #random: () => number;
  readonly #asked: Map<number, Asked>;
  readonly #packets: Uint8Array<ArrayBuffer>[];
  readonly #outcomes: UdpOutcome[];
  #connection: { readonly high: number; readonly low: number; readonly sinceMs: number } | null;
  /** The connect that was sent last, while no answer to it has come. */
  #connect: { readonly transactionId: number; readonly sentMs: number } | null;
  #nextId: number;

  /** `ipBytes` is the length of its address; `random` gives numbers from 0 up to 1 that nobody can guess. */
  constructor(ipBytes: 4 | 16, random: () => number) {
    this.#ipBytes = ipBytes;
    this.#random = random;
    this.#asked = new Map();
    this.#packets = [];
    this.#outcomes = [];
    this.#connection = null;
    this.#connect = null;
    this.#nextId = 0;
  }

  /** Asks; the number names the question in its outcome. */
  ask(question: UdpQuestion, nowMs: number): number {
    const id = this.#nextId++;
    const transactionId = this.#newTransactionId();
    const asked: Asked = {
      id,
      question,
      sinceMs: nowMs,
      transactionId,
      isWaiting: false,
      retries: 0,
      dueMs: 0,
    };
    this.#asked.set(id, asked);
    this.#send(asked, nowMs);
    return id;
  }

  /** Gives up a question; it has no outcome then. */
  cancel(id: number): void {
    this.#asked.delete(id);
  }

  /** Takes in a packet that came from this address. */
  handlePacket(packet: Uint8Array, nowMs: number): void {
    const response = decodeUdpResponse(packet, this.#ipBytes);
    if (response.action === "invalid") return;
    if (response.transactionId === this.#connect?.transactionId) {
      return this.#handleConnect(response, nowMs);
    }
    for (const asked of this.#asked.values()) {
      if (asked.isWaiting || asked.transactionId !== response.transactionId) continue;
      if (response.action === "error") {
        // The connection id may be what it refuses.
        this.#connection = null;
      } else if (!isAnswer(asked.question, response)) return;
      return this.#end(asked, response);
    }
  }

  /** Takes in that the time has come; harmless when it has not. */
  handleDeadline(nowMs: number): void {
    for (const asked of [...this.#asked.values()]) {
      if (asked.dueMs > nowMs) continue;
      if (asked.retries === UDP_RETRIES_MAX) {
        this.#end(asked, null);
        continue;
      }
      asked.retries++;
      // A tracker that began anew does not know the connection id that it gave before.
      if ((this.#connection?.sinceMs ?? Infinity) < asked.sinceMs) this.#connection = null;
      this.#send(asked, nowMs);
    }
  }

  /** Gives a packet to send, if there is one. */
  takePacket(): Uint8Array<ArrayBuffer> | null {
    return this.#packets.shift() ?? null;
  }

  /** Gives an outcome, if there is one. */
  takeOutcome(): UdpOutcome | null {
    return this.#outcomes.shift() ?? null;
  }

  /** When `handleDeadline` is to be called; `Infinity` while nothing is asked. */
  get nextDeadlineMs(): number {
    let deadlineMs = Infinity;
    for (const { dueMs } of this.#asked.values()) deadlineMs = Math.min(deadlineMs, dueMs);
    return deadlineMs;
  }

  /** Whether anything is being asked. */
  get isBusy(): boolean {
    return this.#asked.size > 0;
  }

  #send(asked: Asked, nowMs: number): void {
    asked.dueMs = nowMs + UDP_RETRY_MS * 2 ** asked.retries;
    const { question, transactionId } = asked;
    const connection = this.#connectionAt(nowMs);
    asked.isWaiting = question.action === "connect" || connection === null;
    if (question.action === "connect" || connection === null) {
      return this.#sendConnect(asked, nowMs);
    }
    const head = { connectionHigh: connection.high, connectionLow: connection.low, transactionId };
    this.#packets.push(
      question.action === "announce"
        ? encodeUdpAnnounce({ ...question.request, ...head })
        : encodeUdpScrape({ infoHashes: question.infoHashes, ...head }),
    );
  }

  /** Sends a connect for a question, unless another one waits for that which was sent just now. */
  #sendConnect(asking: Asked, nowMs: number): void {
    const isShared = [...this.#asked.values()].some((each) => each.isWaiting && each !== asking);
    const isFresh = this.#connect !== null && nowMs - this.#connect.sentMs < UDP_RETRY_MS;
    if (isShared && isFresh) return;
    const transactionId = this.#connect?.transactionId ?? this.#newTransactionId();
    this.#connect = { transactionId, sentMs: nowMs };
    this.#packets.push(encodeUdpConnect(transactionId));
  }

  #handleConnect(response: UdpResponse, nowMs: number): void {
    const waiting = [...this.#asked.values()].filter(({ isWaiting }) => isWaiting);
    if (response.action === "error") {
      this.#connect = null;
      for (const asked of waiting) this.#end(asked, response);
    } else if (response.action === "connect") {
      this.#connect = null;
      const { connectionHigh: high, connectionLow: low } = response;
      this.#connection = { high, low, sinceMs: nowMs };
      for (const asked of waiting) {
        if (asked.question.action === "connect") this.#end(asked, response);
        else this.#send(asked, nowMs);
      }
    }
  }

  #connectionAt(nowMs: number): { readonly high: number; readonly low: number } | null {
    if (this.#connection === null) return null;
    return nowMs - this.#connection.sinceMs < UDP_CONNECTION_MS ? this.#connection : null;
  }

  #end(asked: Asked, response: UdpResponse | null): void {
    this.#asked.delete(asked.id);
    this.#outcomes.push({ id: asked.id, response });
  }

  #newTransactionId(): number {
    return Math.floor(this.#random() * 2 ** 32);
  }
}

/** Whether a response answers a question; a scrape's has to count each of the info-hashes. */
function isAnswer(question: UdpQuestion, response: UdpResponse): boolean {
  if (question.action !== response.action) return false;
  return question.action !== "scrape" || response.action !== "scrape" ||
    response.counts.length >= question.infoHashes.length;
}

/** Gives the part of a tracker's URL that is sent along (BEP 41): path and query; nothing for a bare `/`. */
export function urlDataOf(url: string): string {
  const parsed = URL.parse(url);
  const urlData = parsed === null ? "" : parsed.pathname + parsed.search;
  return urlData === "/" ? "" : urlData;
}
