import { COMPACT4_BYTES, COMPACT6_BYTES, type SwarmAnswer } from "./swarm_store.ts";

/** Room for a few answers at first. */
const ROOM_BYTES_MIN = 16_384;
/** The most that a compact answer without its peers takes, with its headers. */
const COMPACT_HEAD_BYTES_MAX = 512;

const DIGIT_0 = 0x30;

/**
 * Writes HTTP responses one behind the other into one buffer, for one write to the socket.
 *
 * **Ownership**: the buffer is the writer's; it may be sent until {@link clear}.
 */
export class HttpOutput {
  /** What was written: the first {@link length} bytes. */
  bytes: Uint8Array<ArrayBuffer> = new Uint8Array(ROOM_BYTES_MIN);
  /** How much was written. */
  length: number = 0;

  /** Begins anew. */
  clear(): void {
    this.length = 0;
  }

  /**
   * Writes a response.
   *
   * `hasBody` is false for the answer to HEAD; `connection` is what the header of that name says, if it is
   * to be there; `more` are whole headers, each with its line end.
   */
  respond(
    status: string,
    type: string,
    body: Uint8Array,
    hasBody: boolean,
    connection: string,
    more: string = "",
  ): void {
    const head =
      `HTTP/1.1 ${status}\r\nContent-Type: ${type}\r\nContent-Length: ${body.length}\r\n` +
      (connection === "" ? "" : `Connection: ${connection}\r\n`) + more + "\r\n";
    this.#need(head.length + body.length);
    this.#text(head);
    if (!hasBody) return;
    this.bytes.set(body, this.length);
    this.length += body.length;
  }

  /**
   * Writes the answer to an announce in the compact form; `peers6` is left out when it is empty. A warning
   * is ASCII.
   *
   * **Source**: BEP 3, BEP 7, BEP 23.
   */
  respondCompact(answer: SwarmAnswer, intervals: string, connection: string): void {
    // hot: bench/tracker.ts
    const peers = answer.count4 * COMPACT4_BYTES;
    const peers6 = answer.count6 * COMPACT6_BYTES;
    const warning = answer.warning === null ? "" : warningPart(answer.warning);
    this.#need(COMPACT_HEAD_BYTES_MAX + peers + peers6 + warning.length);
    const bodyBytes = COMPACT_FIXED_BYTES + intervals.length + digitsOf(answer.seeders) +
      digitsOf(answer.completed) + digitsOf(answer.leechers) + digitsOf(peers) + peers +
      (peers6 === 0 ? 0 : 9 + digitsOf(peers6) + peers6) + warning.length;
    this.#text(COMPACT_HEAD);
    this.#number(bodyBytes);
    if (connection !== "") this.#text(`\r\nConnection: ${connection}`);
    this.#text("\r\n\r\nd8:completei");
    this.#number(answer.seeders);
    this.#text("e10:downloadedi");
    this.#number(answer.completed);
    this.#text("e10:incompletei");
    this.#number(answer.leechers);
    this.#text(intervals);
    this.#text("5:peers");
    this.#number(peers);
    this.#text(":");
    this.#copy(answer.compact4, peers);
    if (peers6 > 0) {
      this.#text("6:peers6");
      this.#number(peers6);
      this.#text(":");
      this.#copy(answer.compact6, peers6);
    }
    this.#text(warning);
    this.#text("e");
  }

  #need(bytes: number): void {
    const needed = this.length + bytes;
    if (needed <= this.bytes.length) return;
    const larger = new Uint8Array(Math.max(needed, this.bytes.length * 2));
    larger.set(this.bytes.subarray(0, this.length));
    this.bytes = larger;
  }

  #text(text: string): void {
    const { bytes } = this;
    let at = this.length;
    for (let i = 0; i < text.length; i++) bytes[at++] = text.charCodeAt(i);
    this.length = at;
  }

  #number(value: number): void {
    const end = this.length + digitsOf(value);
    let rest = value;
    for (let at = end - 1; at >= this.length; at--) {
      const tenth = Math.floor(rest / 10);
      this.bytes[at] = DIGIT_0 + rest - tenth * 10;
      rest = tenth;
    }
    this.length = end;
  }

  #copy(source: Uint8Array, count: number): void {
    const { bytes } = this;
    const to = this.length;
    for (let i = 0; i < count; i++) bytes[to + i] = source[i]!;
    this.length = to + count;
  }
}

/** What the body holds besides numbers, intervals and peers. */
const COMPACT_FIXED_BYTES: number = "d8:completeie10:downloadedie10:incompletei5:peers:e".length;
const COMPACT_HEAD = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: ";

/** The part of a compact answer that is always the same, behind the count of leechers. */
export function intervalsPart(intervalSeconds: number, minIntervalSeconds: number): string {
  return `e8:intervali${intervalSeconds}e12:min intervali${minIntervalSeconds}e`;
}

function warningPart(words: string): string {
  return `15:warning message${words.length}:${words}`;
}

/** How many digits a number from 0 up to 2^53 has. */
function digitsOf(value: number): number {
  let digits = 1;
  for (let limit = 10; value >= limit; limit *= 10) digits++;
  return digits;
}
