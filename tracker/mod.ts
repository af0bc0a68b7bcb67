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
export {
  type AccessLists,
  AccessSyntaxError,
  parseInfoHashes,
  parsePasskeys,
  PASSKEY_CHARACTERS_MAX,
} from "./access.ts";
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
export { EARLY_ANNOUNCE_MS_MAX, EARLY_ANNOUNCE_MS_MIN } from "./announce_lane.ts";
export {
  type AnnounceOrder,
  Announcer,
  type AnnouncerOptions,
  PROBE_TIMEOUT_MS,
  type TrackerStatus,
} from "./announcer.ts";
export { BACKOFF_MS_MAX, BACKOFF_MS_MIN } from "./backoff.ts";
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
  probeHttp,
  scrapeHttp,
  type TrackerHttpOptions,
} from "./http_client_deno.ts";
export {
  CLOSE_TIMEOUT_MS,
  CONNECTIONS_MAX,
  IDLE_TIMEOUT_MS,
  REQUEST_TIMEOUT_MS,
  WRITE_TIMEOUT_MS,
} from "./http_server_deno.ts";
export { HTTP_HEADERS_MAX, HTTP_LINE_BYTES_MAX, HTTP_REQUEST_BYTES_MAX } from "./http_request.ts";
export { KEPT_ANNOUNCES_MAX } from "./kept_announces.ts";
export {
  CONNECTION_EVENTS,
  type ConnectionEvent,
  LATENCY_BOUNDS_SECONDS,
  REQUEST_KINDS,
  REQUEST_OUTCOMES,
  type RequestKind,
  type RequestOutcome,
  TrackerMetrics,
} from "./metrics.ts";
export { MetricsServer, type MetricsSource } from "./metrics_server_deno.ts";
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
  RedisSwarmStore,
  type RedisSwarmStoreOptions,
  SCRAPE_ALL_SWARMS_MAX,
  SCRAPE_ALL_TIMEOUT_MS,
  STORE_RETRY_MS_MAX,
  STORE_RETRY_MS_MIN,
  STORE_STEADY_MS,
  STORE_TIMEOUT_MS,
} from "./redis_swarm_store_deno.ts";
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
export { type TrackerStats } from "./stats_page.ts";
export { formatStorePlace, parseStoreUrl, type StorePlace } from "./store_url.ts";
export {
  EXPIRE_PEERS_MAX,
  type Lock,
  MemorySwarmStore,
  type MemorySwarmStoreOptions,
  PEERS_KEPT_MAX,
  SWARMS_MAX,
} from "./swarm.ts";
export {
  CACHE_AGE_MS,
  CACHE_RENEWAL_MS,
  CACHED_PEERS_MAX,
  CACHED_SWARMS_MAX,
  OUTAGE_PEERS_MAX,
  OUTAGE_SWARMS_MAX,
} from "./swarm_cache.ts";
export type { ReplicaStatus, ReplicatedAnnounce, SwarmReplica } from "./swarm_replica.ts";
export {
  type Awaitable,
  COMPACT4_BYTES,
  COMPACT6_BYTES,
  IMPOSTOR_REFUSAL,
  NUM_WANT_DEFAULT,
  NUM_WANT_MAX,
  type PeerForm,
  type StoreHealth,
  type StoreStats,
  type SwarmAnnounce,
  SwarmAnswer,
  type SwarmCounts,
  type SwarmStore,
} from "./swarm_store.ts";
export {
  type TrackerAnnounceOptions,
  TrackerClient,
  type TrackerClientOptions,
} from "./tracker_client_deno.ts";
export { MIN_INTERVAL_PART, type RequestRecord, type TrackerRules } from "./tracker_core.ts";
export { PROBE_INTERVAL_MS, type TrackerMemory } from "./tracker_health.ts";
export { resolveHost, type TrackerAddress } from "./tracker_hosts_deno.ts";
export { type ListenAddress, TrackerServer, WORKERS_MAX } from "./tracker_server_deno.ts";
export type { TrackerServerOptions } from "./tracker_server_options.ts";
export { PEER_TTL_INTERVALS, PEER_TTL_MARGIN_MS, peerTtlMsOf } from "./tracker_thread_deno.ts";
export { UDP_NUM_WANT6_MAX } from "./udp_answers.ts";
export { type TrackerUdpOptions, UdpTrackerClient } from "./udp_client_deno.ts";
export {
  UDP_CONNECTION_MS,
  UDP_RETRIES_MAX,
  UDP_RETRY_MS,
  UdpEndpoint,
  type UdpOutcome,
  type UdpQuestion,
  urlDataOf,
} from "./udp_endpoint.ts";
export type {
  UdpAnnounceRequest,
  UdpAnnounceResponse,
  UdpConnectRequest,
  UdpConnectResponse,
  UdpErrorResponse,
  UdpInvalid,
  UdpRequest,
  UdpResponse,
  UdpScrapeCounts,
  UdpScrapeRequest,
  UdpScrapeResponse,
} from "./udp_messages.ts";
export {
  decodeUdpRequest,
  decodeUdpResponse,
  encodeUdpAnnounce,
  encodeUdpAnnounceResponse,
  encodeUdpConnect,
  encodeUdpConnectResponse,
  encodeUdpError,
  encodeUdpScrape,
  encodeUdpScrapeResponse,
  UDP_PACKET_BYTES_MAX,
  UDP_SCRAPE_HASHES_MAX,
  UDP_URL_DATA_BYTES_MAX,
} from "./udp_packets.ts";
