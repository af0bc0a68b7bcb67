/** How long a request with its headers may be: a query of the most that is read, and as much again. */
export const HTTP_REQUEST_BYTES_MAX = 16_384;
/** How long the first line of a request may be. */
export const HTTP_LINE_BYTES_MAX = 12_288;
/** How many headers a request may have. */
export const HTTP_HEADERS_MAX = 100;

/** What a reader has room for at first; most requests to a tracker take less than half of it. */
const ROOM_BYTES_MIN = 1024;

const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const QUESTION = 0x3f;
const SLASH = 0x2f;
const COLON = 0x3a;

/** There is no whole request yet. */
export const HTTP_MORE = 0;
/** There is one; the reader's fields tell of it. */
export const HTTP_REQUEST = 1;

/**
 * Reads the requests of one HTTP/1 connection, as far as a tracker needs it: no bodies, and of the headers
 * only those that tell about the connection.
 *
 * **Shape**: bytes go into {@link room}, {@link take} says how many, and {@link next} tells whether there
 * is a whole request: {@link HTTP_MORE}, {@link HTTP_REQUEST}, or the status (400 and up) of the error after
 * which the connection has to be closed. What the fields tell holds until the next call.
 *
 * **Limits**: {@link HTTP_REQUEST_BYTES_MAX}, {@link HTTP_LINE_BYTES_MAX}, {@link HTTP_HEADERS_MAX}.
 *
 * **Source**: RFC 9112. Lines may end with a line feed alone; folded headers are refused.
 */
export class HttpRequestReader {
  /** What was received; the places below are in it. */
  bytes: Uint8Array<ArrayBuffer> = new Uint8Array(ROOM_BYTES_MIN);
  /** Whether the method is GET. */
  isGet: boolean = false;
  /** Whether the method is HEAD. */
  isHead: boolean = false;
  /** Where the path begins, at a slash. */
  pathStart: number = 0;
  /** Where it ends. */
  pathEnd: number = 0;
  /** Where the query begins, behind the question mark; where the path ends when there is none. */
  queryStart: number = 0;
  /** Where it ends. */
  queryEnd: number = 0;
  /** Whether the version is 1.0, in which connections are not kept without a word. */
  isVersion10: boolean = false;
  /** Whether the connection is to be kept afterwards. */
  isKept: boolean = false;
  /** Whether the asker takes HTML, as browsers do. */
  takesHtml: boolean = false;
  /** What `X-Forwarded-For` says, if it is to be read. */
  forwardedFor: string = "";
  readonly #readsForwarded: boolean;
  #start: number = 0;
  #end: number = 0;
  /** Up to where no end of the headers was found. */
  #scanned: number = 0;
  #bodyBytes: number = 0;
  #status: number = 0;

  /** Begins; `readsForwarded` says whether `X-Forwarded-For` matters. */
  constructor(readsForwarded: boolean = false) {
    this.#readsForwarded = readsForwarded;
  }

  /** Whether bytes of an unfinished request are here. */
  get isWithin(): boolean {
    return this.#end > this.#start;
  }

  /** Where the next bytes are to be put; there is always some room until `next` has told of an error. */
  room(): Uint8Array<ArrayBuffer> {
    if (this.#start === this.#end) this.#start = this.#end = this.#scanned = 0;
    if (this.#end === this.bytes.length) {
      if (this.#start > 0) this.#moveTo(this.bytes);
      else this.#moveTo(new Uint8Array(Math.min(this.bytes.length * 2, HTTP_REQUEST_BYTES_MAX)));
    }
    return this.bytes.subarray(this.#end);
  }

  /** Says how many bytes were put there. */
  take(count: number): void {
    this.#end += count;
    // Who sends so many at once gets more room.
    const { length } = this.bytes;
    if (this.#end === length && length < HTTP_REQUEST_BYTES_MAX) {
      this.#moveTo(new Uint8Array(Math.min(length * 4, HTTP_REQUEST_BYTES_MAX)));
    }
  }

  /** Reads the next request; see {@link HttpRequestReader}. */
  next(): number {
    const headersEnd = this.#findEnd();
    if (headersEnd < 0) {
      const length = this.#end - this.#start;
      if (length >= HTTP_LINE_BYTES_MAX) {
        const line = this.bytes.indexOf(LF, this.#start);
        if (line < 0 || line >= this.#start + HTTP_LINE_BYTES_MAX) return 414;
      }
      return length >= HTTP_REQUEST_BYTES_MAX ? 431 : HTTP_MORE;
    }
    const status = this.#parse(headersEnd);
    this.#start = this.#scanned = headersEnd;
    return status;
  }

  #moveTo(target: Uint8Array<ArrayBuffer>): void {
    if (target === this.bytes) target.copyWithin(0, this.#start, this.#end);
    else target.set(this.bytes.subarray(this.#start, this.#end));
    this.bytes = target;
    this.#end -= this.#start;
    this.#scanned -= this.#start;
    this.#start = 0;
  }

  /** Where the headers of the next request end, behind the empty line; -1 where that is not here yet. */
  #findEnd(): number {
    const { bytes } = this;
    const end = this.#end;
    // Empty lines before a request are skipped.
    while (
      this.#start < end && (bytes[this.#start] === CR || bytes[this.#start] === LF)
    ) this.#start++;
    let at = Math.max(this.#scanned, this.#start);
    for (;;) {
      at = bytes.indexOf(LF, at);
      if (at < 0 || at >= end) break;
      if (at + 1 < end && bytes[at + 1] === LF) return at + 2;
      if (at + 2 < end && bytes[at + 1] === CR && bytes[at + 2] === LF) return at + 3;
      // The empty line may still be on its way.
      if (at + 2 >= end) {
        this.#scanned = at;
        return -1;
      }
      at++;
    }
    this.#scanned = end;
    return -1;
  }

  #parse(headersEnd: number): number {
    this.#status = HTTP_REQUEST;
    const lineEnd = this.bytes.indexOf(LF, this.#start);
    if (lineEnd - this.#start >= HTTP_LINE_BYTES_MAX) return 414;
    this.#parseLine(this.#start, this.bytes[lineEnd - 1] === CR ? lineEnd - 1 : lineEnd);
    if (this.#status !== HTTP_REQUEST) return this.#status;
    this.isKept = !this.isVersion10;
    this.takesHtml = false;
    this.forwardedFor = "";
    this.#bodyBytes = 0;
    let headers = 0;
    for (let at = lineEnd + 1; at < headersEnd;) {
      const end = this.bytes.indexOf(LF, at);
      const valueEnd = this.bytes[end - 1] === CR ? end - 1 : end;
      if (valueEnd > at) {
        if (++headers > HTTP_HEADERS_MAX) return 431;
        this.#parseHeader(at, valueEnd);
      }
      at = end + 1;
    }
    if (this.#bodyBytes > 0) return 413;
    return this.#status;
  }

  /** Reads `GET /announce?… HTTP/1.1`. */
  #parseLine(start: number, end: number): void {
    const { bytes } = this;
    let at = start;
    while (at < end && bytes[at] !== SPACE) at++;
    this.isGet = at - start === 3 && bytes[start] === 0x47 && bytes[start + 1] === 0x45 &&
      bytes[start + 2] === 0x54;
    this.isHead = !this.isGet && this.#text(start, at) === "HEAD";
    const target = at + 1;
    const targetEnd = end - 9;
    if (at === start || targetEnd < target) {
      this.#status = 400;
      return;
    }
    // "HTTP/1.", a digit.
    for (let i = 0; i < VERSION.length; i++) {
      if (bytes[targetEnd + i] !== VERSION[i]) this.#status = 400;
    }
    const minor = bytes[end - 1]!;
    if (minor !== 0x30 && minor !== 0x31) this.#status = 400;
    if (this.#status !== HTTP_REQUEST) return;
    this.isVersion10 = minor === 0x30;
    this.pathStart = target;
    if (bytes[target] !== SLASH) {
      // As proxies are asked: `http://host/path`.
      const text = this.#text(target, targetEnd);
      const match = /^https?:\/\/[^/?]+/i.exec(text);
      if (match === null || match[0].length === text.length) this.#status = 400;
      else this.pathStart = target + match[0].length;
    }
    // A fragment is not sent, and does not count.
    at = this.pathStart;
    while (at < targetEnd && bytes[at] !== QUESTION) {
      if (bytes[at]! <= SPACE) this.#status = 400;
      at++;
    }
    this.pathEnd = at;
    this.queryStart = Math.min(at + 1, targetEnd);
    this.queryEnd = targetEnd;
    for (at = this.queryStart; at < targetEnd; at++) {
      if (bytes[at]! <= SPACE) this.#status = 400;
    }
  }

  #parseHeader(start: number, end: number): void {
    const { bytes } = this;
    // By the first letter: most headers do not matter.
    const letter = bytes[start]! | 0x20;
    if (bytes[start]! <= SPACE) this.#status = 400;
    if (letter !== 0x63 && letter !== 0x74 && letter !== 0x61 && letter !== 0x78) return;
    let colon = start;
    while (colon < end && bytes[colon] !== COLON) colon++;
    if (colon === end) {
      this.#status = 400;
      return;
    }
    const length = colon - start;
    if (letter === 0x63 && length === 10 && this.#isName(start, "connection")) {
      const value = this.#text(colon + 1, end).toLowerCase();
      if (value.includes("close")) this.isKept = false;
      else if (value.includes("keep-alive")) this.isKept = true;
    } else if (letter === 0x63 && length === 14 && this.#isName(start, "content-length")) {
      const value = this.#text(colon + 1, end).trim();
      if (/^\d+$/.test(value)) this.#bodyBytes = Number(value);
      else this.#status = 400;
    } else if (letter === 0x74 && length === 17 && this.#isName(start, "transfer-encoding")) {
      this.#bodyBytes = Infinity;
    } else if (letter === 0x61 && length === 6 && this.#isName(start, "accept")) {
      this.takesHtml = this.#text(colon + 1, end).toLowerCase().includes("text/html");
    } else if (
      letter === 0x78 && this.#readsForwarded && length === 15 &&
      this.#isName(start, "x-forwarded-for")
    ) {
      const value = this.#text(colon + 1, end).trim();
      this.forwardedFor = this.forwardedFor === "" ? value : `${this.forwardedFor},${value}`;
    }
  }

  #isName(start: number, name: string): boolean {
    for (let i = 0; i < name.length; i++) {
      if ((this.bytes[start + i]! | 0x20) !== name.charCodeAt(i)) return false;
    }
    return true;
  }

  /** A part as text, one UTF-16 unit for a byte. */
  #text(start: number, end: number): string {
    return textOf(this.bytes, start, end);
  }
}

/** Makes text of bytes, one UTF-16 unit for each. */
export function textOf(bytes: Uint8Array, start: number, end: number): string {
  let text = "";
  for (let at = start; at < end; at++) text += String.fromCharCode(bytes[at]!);
  return text;
}

const VERSION: Uint8Array = new TextEncoder().encode(" HTTP/1.");
