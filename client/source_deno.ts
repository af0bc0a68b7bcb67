/**
 * Fetches torrents from files and from the web.
 *
 * @module
 */
import { parseTorrent, type Torrent, TorrentSyntaxError } from "@enjambre/metainfo";
import { CommandFailure } from "./failure.ts";
import { shown } from "./text.ts";
import { PROGRAM } from "./version.ts";

/** Bytes of a torrent file that are read, from disk or from the web. */
export const SOURCE_BYTES_MAX: number = 32 * 1024 * 1024;
/** How long the web may take from the name lookup to the last byte. */
export const SOURCE_TIMEOUT_MS = 30_000;

/** How to fetch a torrent. */
export interface SourceOptions {
  /** Ends it early. */
  readonly signal?: AbortSignal;
  /** Default: {@link SOURCE_TIMEOUT_MS}. */
  readonly timeoutMs?: number;
}

/** Tells whether a source is a magnet link. */
export function isMagnet(source: string): boolean {
  return /^magnet:/i.test(source);
}

/**
 * Reads a torrent from a file or an http(s) URL.
 *
 * **Errors**: `CommandFailure` where it cannot be had, or is no torrent.
 */
export async function readTorrent(source: string, options: SourceOptions = {}): Promise<Torrent> {
  if (isMagnet(source)) {
    throw new CommandFailure(
      "not-supported",
      "Magnet links are not supported yet: a .torrent file or an http(s) URL of one is due",
    );
  }
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(source)?.[1]?.toLowerCase();
  const isUrl = scheme === "http" || scheme === "https";
  if (scheme !== undefined && !isUrl) {
    throw sourceError("not-supported", source, "of URLs only http and https are supported");
  }
  const bytes = isUrl ? await fetchSource(source, options) : await readSource(source);
  if (bytes.length === 0) {
    throw new CommandFailure("torrent-syntax", `Cannot read ${shown(source)}: it is empty`);
  }
  if (/^\s*<(?:!doctype|html|\?xml)/i.test(new TextDecoder().decode(bytes.subarray(0, 200)))) {
    throw new CommandFailure(
      "torrent-syntax",
      `Cannot read ${
        shown(source)
      }: it is a web page, no torrent; give the URL of the .torrent file itself`,
    );
  }
  try {
    return await parseTorrent(bytes);
  } catch (cause) {
    if (!(cause instanceof TorrentSyntaxError)) throw cause;
    const what = cause.message.replace(/^Cannot read torrent: /, "");
    const remedy = "is it a complete .torrent file?";
    throw sourceError("torrent-syntax", source, `${what}; ${remedy}`, cause);
  }
}

async function readSource(path: string): Promise<Uint8Array> {
  try {
    using file = await Deno.open(path);
    const { isDirectory, size } = await file.stat();
    if (isDirectory) {
      throw sourceError("is-directory", path, "it is a folder, a .torrent file is due");
    }
    if (size > SOURCE_BYTES_MAX) throw tooLarge(path);
    return await readAll(file.readable, path);
  } catch (error) {
    if (error instanceof CommandFailure) throw error;
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
      throw sourceError("not-found", path, "there is no such file", error);
    }
    if (error instanceof Deno.errors.IsADirectory) {
      throw sourceError("is-directory", path, "it is a folder, a .torrent file is due", error);
    }
    if (error instanceof Deno.errors.PermissionDenied) {
      throw sourceError("permission", path, "permission is missing; check who may read it", error);
    }
    const code = error instanceof Deno.errors.NotCapable ? "permission" : "io";
    throw sourceError(code, path, messageOf(error), error);
  }
}

async function fetchSource(url: string, options: SourceOptions): Promise<Uint8Array> {
  const timeoutMs = options.timeoutMs ?? SOURCE_TIMEOUT_MS;
  const timeout = AbortSignal.timeout(timeoutMs);
  const signal = options.signal ? AbortSignal.any([options.signal, timeout]) : timeout;
  try {
    const response = await fetch(url, { signal, headers: { "user-agent": PROGRAM } });
    if (!response.ok) {
      await response.body?.cancel();
      const status = `${response.status} ${shown(response.statusText)}`.trim();
      throw sourceError("http-status", url, `the answer is HTTP ${status}`);
    }
    return response.body === null ? new Uint8Array(0) : await readAll(response.body, url);
  } catch (error) {
    if (error instanceof CommandFailure) throw error;
    if (options.signal?.aborted) throw options.signal.reason;
    if (timeout.aborted) {
      const seconds = timeoutMs / 1000;
      throw sourceError("timeout", url, `no complete answer within ${seconds} s`, error);
    }
    throw sourceError("unreachable", url, networkReason(error), error);
  }
}

/** All of a stream, within the limit. */
async function readAll(stream: ReadableStream<Uint8Array>, source: string): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of stream) {
    length += part.length;
    if (length > SOURCE_BYTES_MAX) throw tooLarge(source);
    parts.push(part);
  }
  const bytes = new Uint8Array(length);
  let end = 0;
  for (const part of parts) {
    bytes.set(part, end);
    end += part.length;
  }
  return bytes;
}

function tooLarge(source: string): CommandFailure {
  return sourceError(
    "too-large",
    source,
    `it is longer than ${SOURCE_BYTES_MAX / 2 ** 20} MiB, so it is hardly a torrent`,
  );
}

function sourceError(code: string, source: string, what: string, cause?: unknown): CommandFailure {
  const message = `Cannot read ${shown(source)}: ${what}`;
  return new CommandFailure(code, message, undefined, cause === undefined ? {} : { cause });
}

/** Says in few words what the network stack says in many. */
function networkReason(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const text = messageOf(cause);
  if (/refused/i.test(text)) return "connection refused";
  if (/dns error|lookup|resolve/i.test(text)) return "the host name cannot be resolved";
  if (/certificate/i.test(text)) return "the server's TLS certificate is not valid";
  if (/InvalidContentType|tls|handshake/i.test(text)) {
    return "the server does not speak TLS; is it http:// instead?";
  }
  if (/ports? \d+ are blocked/i.test(text)) {
    return "no HTTP client asks on this port, it is reserved";
  }
  if (/redirect/i.test(text)) return "it redirects too often, or to something that is not HTTP";
  if (/invalid url/i.test(text)) return "that is no URL";
  if (/reset|closed|broken pipe|incomplete|eof/i.test(text)) return "connection closed early";
  return shown(text.split(": ").at(-1)!);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
