/**
 * A tracker server and what peers ask of it, for its tests.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { decode } from "@enjambre/bencode";
import type { AnnounceAnswer, AnnounceRequest } from "./announce.ts";
import { announceHttp } from "./http_client_deno.ts";
import { percentEncode } from "./query.ts";
import { TrackerServer } from "./tracker_server_deno.ts";
import type { TrackerServerOptions } from "./tracker_server_options.ts";

export const infoHash: Uint8Array = Uint8Array.from({ length: 20 }, (_, i) => i * 12);
export const hex: string = infoHash.toHex();

/** A test that also fails when timers or connections are left over. */
export function leakTest(
  name: string,
  fn: () => void | Promise<void>,
  ignore: boolean = false,
): void {
  Deno.test({ name, fn, ignore, sanitizeOps: true, sanitizeResources: true });
}

export async function withTracker(
  options: TrackerServerOptions,
  use: (origin: string) => Promise<void>,
): Promise<void> {
  const server = new TrackerServer({ hostname: "127.0.0.1", port: 0, ...options });
  const { hostname, port } = await server.listen();
  try {
    await use(`http://${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`);
  } finally {
    await server.close();
  }
}

/** Peer `n`, a leecher that listens on port 1000 + n. */
export function peer(n: number, fields: Partial<AnnounceRequest> = {}): AnnounceRequest {
  return {
    infoHash,
    peerId: new Uint8Array(20).fill(n),
    port: 1000 + n,
    uploaded: 0,
    downloaded: 0,
    left: 1,
    event: "",
    numWant: 50,
    ...fields,
  };
}

export async function announce(origin: string, request: AnnounceRequest): Promise<AnnounceAnswer> {
  const result = await announceHttp(`${origin}/announce`, request);
  assert(result.ok, result.ok ? "" : result.failureReason);
  return result;
}

/** The bencoded body of a request made by hand, as text with one character per byte. */
export async function ask(origin: string, path: string): Promise<string> {
  const response = await fetch(origin + path);
  const body = await response.bytes();
  assertEquals(response.status, 200);
  decode(body);
  return String.fromCharCode(...body);
}

export function query(n: number, more: string): string {
  const peerId = percentEncode(new Uint8Array(20).fill(n));
  return `/announce?info_hash=${percentEncode(infoHash)}&peer_id=${peerId}&port=${1000 + n}${more}`;
}

/** Sends raw bytes, and reads until the server hangs up. */
export async function askRaw(origin: string, text: string): Promise<string> {
  const { hostname, port } = new URL(origin);
  using connection = await Deno.connect({ hostname, port: Number(port) });
  await connection.write(new TextEncoder().encode(text));
  return await new Response(connection.readable).text();
}
