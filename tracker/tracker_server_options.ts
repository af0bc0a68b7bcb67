import type { SwarmReplica } from "./swarm_replica.ts";
import type { SwarmStore } from "./swarm_store.ts";
import type { RequestRecord, TrackerRules } from "./tracker_core.ts";

/** How a {@link TrackerServer} works. */
export interface TrackerServerOptions extends TrackerRules {
  /** The address to listen on. Default: `0.0.0.0`, all of IPv4; `::` is all of both families on Linux. */
  hostname?: string;
  /** The port to listen on; 0 lets the system choose. Default: 0. */
  port?: number;
  /** The port for UDP, or `"same"` for the one of HTTP. Default: no UDP. */
  udpPort?: number | "same";
  /** Certificates and key for HTTPS, in PEM. Default: HTTP. */
  tls?: { readonly cert: string; readonly key: string };
  /** How many threads answer over HTTP; the swarms are then in memory that they share. Default: 1. */
  workers?: number;
  /** How many connections are kept at once, by each thread. Default: `CONNECTIONS_MAX`. */
  connectionsMax?: number;
  /** How many connections of each thread one address may have. Default: any number. */
  connectionsPerAddress?: number;
  /** Where the swarms are. Default: in memory. */
  store?: SwarmStore;
  /** What makes it one of several trackers that know the same swarms. Default: it is alone. */
  replica?: SwarmReplica;
  /** The monotonic clock. Default: `performance.now`. */
  nowMs?: () => number;
  /** Random numbers, for the choice of peers. Default: `Math.random`. */
  random?: () => number;
  /** Called for every request, for an access log. Default: nothing. */
  onRequest?: (record: RequestRecord) => void;
  /** Called with what should not happen: an exception in the server itself. Default: nothing. */
  onError?: (error: unknown) => void;
}
