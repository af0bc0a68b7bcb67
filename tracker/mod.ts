/**
 * Trackers: announce and scrape over HTTP, the schedule of one torrent's announces, and a tracker server.
 *
 * @example Announce a torrent for as long as it is shared
 * ```ts
 * import { Announcer, announceHttp, TrackerServer } from "@enjambre/tracker";
 * import { assertEquals } from "@std/assert";
 *
 * const server = new TrackerServer({ hostname: "127.0.0.1", port: 0 });
 * const { port } = await server.listen();
 * const announcer = new Announcer([[`http://127.0.0.1:${port}/announce`]], { random: Math.random });
 *
 * const me = { infoHash: new Uint8Array(20).fill(1), peerId: new Uint8Array(20).fill(2), port: 6881 };
 * const totals = { uploaded: 0, downloaded: 0, left: 0, numWant: 50 };
 * async function announce(): Promise<void> {
 *   for (let order; (order = announcer.takeAnnounce()) !== null;) {
 *     const { url, event } = order;
 *     try {
 *       const result = await announceHttp(url, { ...me, ...totals, event });
 *       announcer.handleResult(url, result, performance.now());
 *     } catch (error) {
 *       announcer.handleError(url, (error as Error).message, performance.now());
 *     }
 *   }
 * }
 *
 * announcer.start(performance.now(), true);
 * await announce(); // and again at announcer.nextDeadlineMs, after handleDeadline()
 * assertEquals(announcer.status()[0]?.seeders, 1);
 *
 * announcer.stop(performance.now());
 * await announce();
 * assertEquals(announcer.isStopped, true);
 * await server.close();
 * ```
 *
 * @module
 */
export { formatHostPort, formatIp, HOSTNAME_CHARACTERS_MAX, isHost, parseIp } from "./address.ts";
export {
  type AnnounceAnswer,
  type AnnounceRequest,
  type AnnounceResult,
  HASH_BYTES,
  type ScrapeCounts,
  type ScrapeResult,
  type TrackerEvent,
  type TrackerFailure,
  type TrackerPeer,
} from "./announce.ts";
export {
  type AnnounceOrder,
  Announcer,
  type AnnouncerOptions,
  BACKOFF_MS_MAX,
  BACKOFF_MS_MIN,
  EARLY_ANNOUNCE_MS_MIN,
  type TrackerStatus,
} from "./announcer.ts";
export {
  QuerySyntaxError,
  TrackerError,
  type TrackerErrorCode,
  TrackerResponseError,
} from "./errors.ts";
export {
  announceHttp,
  HTTP_BODY_BYTES_MAX,
  HTTP_TIMEOUT_MS,
  scrapeHttp,
  type TrackerHttpOptions,
} from "./http_client_deno.ts";
export {
  CLOSE_TIMEOUT_MS,
  MIN_INTERVAL_PART,
  PEER_TTL_INTERVALS,
  PEER_TTL_MARGIN_MS,
  TrackerServer,
  type TrackerServerOptions,
} from "./http_server_deno.ts";
export {
  type AnnounceQuery,
  buildAnnounceUrl,
  buildScrapeUrl,
  forEachParameter,
  isTrackerUrl,
  parseAnnounceQuery,
  parseScrapeQuery,
  percentDecode,
  percentEncode,
  QUERY_CHARACTERS_MAX,
  SCRAPE_HASHES_MAX,
  scrapeUrlOf,
} from "./query.ts";
export {
  type AnnounceReply,
  INTERVAL_SECONDS_DEFAULT,
  INTERVAL_SECONDS_MAX,
  INTERVAL_SECONDS_MIN,
  MESSAGE_CHARACTERS_MAX,
  parseAnnounceResponse,
  parseFailure,
  parseScrapeResponse,
  PEERS_MAX,
  TRACKER_ID_BYTES_MAX,
  writeAnnounceResponse,
  writeFailure,
  writeScrapeResponse,
} from "./response.ts";
export {
  type Awaitable,
  EXPIRE_PEERS_MAX,
  MemorySwarmStore,
  type MemorySwarmStoreOptions,
  NUM_WANT_DEFAULT,
  NUM_WANT_MAX,
  PEERS_KEPT_MAX,
  type SwarmAnnounce,
  type SwarmAnswer,
  type SwarmCounts,
  type SwarmRefusal,
  SWARMS_MAX,
  type SwarmStore,
} from "./swarm.ts";
