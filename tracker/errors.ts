/**
 * What went wrong with a tracker, ours or another.
 *
 * - `bad-url`: not a URL that this module can announce to
 * - `no-scrape`: the announce URL has no scrape form (BEP 48)
 * - `unreachable`: no connection, or it broke
 * - `timeout`: no complete answer in time
 * - `aborted`: the caller's signal
 * - `redirects`: redirected too often, or to something that is not HTTP
 * - `http-status`: an HTTP error whose body is no tracker's answer
 * - `too-large`: the body is longer than the limit
 * - `not-bencode`: the body is a web page, empty, or otherwise not bencode
 * - `bad-response`: bencode, but not a tracker's answer
 * - `port-in-use`, `listen`: our own server cannot listen
 */
export type TrackerErrorCode =
  | "bad-url"
  | "no-scrape"
  | "unreachable"
  | "timeout"
  | "aborted"
  | "redirects"
  | "http-status"
  | "too-large"
  | "not-bencode"
  | "bad-response"
  | "port-in-use"
  | "listen";

/**
 * Thrown when a tracker cannot be asked, or gives no answer that can be used. That a tracker said no is
 * no error but a return value.
 *
 * The message is one line for a person. It names the tracker by host and port only, because the rest of
 * its URL may hold a passkey; {@link url} has all of it.
 */
export class TrackerError extends Error {
  /** The name of the class. */
  override readonly name: string = "TrackerError";

  /** What kind of failure it is. */
  readonly code: TrackerErrorCode;
  /** The tracker's announce URL as it was given, or the address that our server was to listen on. */
  readonly url: string;

  /** Makes the error; `options.cause` is what was thrown beneath. */
  constructor(code: TrackerErrorCode, url: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.url = url;
  }
}

/** Thrown for bencode that is not a tracker's answer; {@link offset} says where. */
export class TrackerResponseError extends Error {
  /** The name of the class. */
  override readonly name: string = "TrackerResponseError";

  /** The byte of the body at which the offending value stands. */
  readonly offset: number;

  /** Makes the error; `message` states what was found and what should be there. */
  constructor(message: string, offset: number) {
    super(message);
    this.offset = offset;
  }
}

/** Thrown for a query string that a tracker cannot read; says which parameter it is, and where. */
export class QuerySyntaxError extends Error {
  /** The name of the class. */
  override readonly name: string = "QuerySyntaxError";

  /** The name of the offending or missing parameter; empty when it is the query as a whole. */
  readonly parameter: string;
  /** The UTF-16 unit of the query string at which the value stands; its length when missing. */
  readonly offset: number;

  /** Makes the error; `message` states what was found and what should be there. */
  constructor(message: string, parameter: string, offset: number) {
    super(message);
    this.parameter = parameter;
    this.offset = offset;
  }
}
