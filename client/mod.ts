/**
 * The client: a session that takes part in swarms, for programs that want to embed one. The command line
 * is beside it, in `main.ts`.
 *
 * @module
 */
export { ActiveTorrent } from "./active_torrent_deno.ts";
export type { TorrentContext, TorrentOptions, TorrentSnapshot } from "./torrent_options.ts";
export {
  CLUSTER_INTERVAL_SECONDS_MAX,
  type ClusterMap,
  ClusterReplica,
  REFRESH_PART,
} from "./cluster_replica.ts";
export { CommandFailure } from "./failure.ts";
export { Session, type SessionOptions, type SessionTotals } from "./session_deno.ts";
export type { OverlayView } from "./overlay_driver_deno.ts";
export {
  readTorrent,
  SOURCE_BYTES_MAX,
  SOURCE_TIMEOUT_MS,
  type SourceOptions,
} from "./source_deno.ts";
export type { Pause } from "./store_keeper_deno.ts";
export { PROGRAM, VERSION } from "./version.ts";
