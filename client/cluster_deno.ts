/**
 * A tracker's place in a group: the overlay node by which it tells others what it heard, and hears them.
 *
 * @module
 */
import { OverlayNode, type OverlayNodeOptions } from "@enjambre/overlay";
import {
  INTERVAL_SECONDS_DEFAULT,
  type ReplicaStatus,
  type ReplicatedAnnounce,
  type SwarmReplica,
} from "@enjambre/tracker";
import { ClusterLag } from "./cluster_lag.ts";
import { ClusterReplica } from "./cluster_replica.ts";
import { ClusterTeller } from "./cluster_teller.ts";
import type { TrackerCommand } from "./commands.ts";
import { listenOnAll, listenOnFirst, ownAddress, readSecret } from "./overlay_node_deno.ts";
import type { Reporter } from "./reporter.ts";

/** What a group's overlay is called: trackers and clients never meet in one. */
const CLUSTER_NAME = "enjambre-trackers";
/**
 * Announces of all trackers that each of them keeps, those of peers that stopped in the last hour too: 200 MB of
 * heap. Who comes beyond is not taken of others, nor told to them, and counted.
 */
export const CLUSTER_RECORDS_MAX = 200_000;
/** Time between two looks at which trackers answer. */
const WATCH_MS = 500;

/** What hears of others. */
type Handlers = Pick<OverlayNodeOptions, "onRecord" | "onUnproven">;

/** A {@linkcode SwarmReplica} over a node of the overlay. */
export class TrackerCluster implements SwarmReplica, AsyncDisposable {
  readonly #node: OverlayNode;
  readonly #lag: ClusterLag = new ClusterLag(performance.now());
  readonly #intervalSeconds: number;
  readonly #teller: ClusterTeller;
  readonly #watch: ReturnType<typeof setInterval>;
  #replica: ClusterReplica | null = null;

  private constructor(
    listen: (handlers: Handlers) => OverlayNode,
    intervalSeconds: number,
    teller: ClusterTeller,
  ) {
    this.#intervalSeconds = intervalSeconds;
    this.#teller = teller;
    this.#node = listen({
      onRecord: (heard, isTaken) => {
        const nowMs = performance.now();
        if (isTaken && heard.record.owner !== this.#node.owner) {
          this.#lag.note(nowMs - heard.heardMs, nowMs);
        }
        this.#replica?.handleRecord(heard, isTaken, nowMs);
      },
      onUnproven: (from) => this.#teller.turnAway(from),
    });
    this.#watch = setInterval(() => this.#look(), WATCH_MS);
  }

  /**
   * Joins the others, as the options say; `null` where the tracker is alone.
   *
   * **Errors**: `CommandFailure` where the port or the secret cannot be had.
   */
  static async start(command: TrackerCommand, reporter: Reporter): Promise<TrackerCluster | null> {
    const { cluster, intervalSeconds = INTERVAL_SECONDS_DEFAULT } = command;
    if (cluster === undefined) return null;
    const secret = await readSecret("--cluster-secret-file", cluster.secretFile);
    const isAny = command.hostname === "0.0.0.0" || command.hostname === "::";
    const hostname = cluster.hostname ??
      (isAny ? ownAddress("--cluster-hostname") : command.hostname);
    const options: Omit<OverlayNodeOptions, "port"> = {
      hostname,
      bootstrap: cluster.others,
      cluster: CLUSTER_NAME,
      secret,
      replication: "all",
      recordsMax: CLUSTER_RECORDS_MAX,
      isTrusted: true,
      ...(!isAny && { listenOn: command.hostname }),
    };
    const teller = new ClusterTeller(cluster.others, reporter, performance.now());
    return await listenOnFirst(
      "cluster",
      [cluster.port],
      "--cluster-port",
      (port) => {
        const listen = (handlers: Handlers) => listenWhere({ ...options, ...handlers, port });
        return new TrackerCluster(listen, intervalSeconds, teller);
      },
    );
  }

  /** Where others reach us, `host:port`. */
  get address(): string {
    return this.#node.address;
  }

  /** See {@linkcode SwarmReplica}. */
  get status(): ReplicaStatus {
    const { members, records, refused, traffic } = this.#node.status();
    const { bytesSent, bytesReceived } = traffic;
    const lagSeconds = this.#lag.seconds(performance.now());
    return {
      members: members.alive,
      lagSeconds,
      records,
      refused: refused + (this.#replica?.refused ?? 0),
      bytesSent,
      bytesReceived,
    };
  }

  /** See {@linkcode SwarmReplica}. */
  attach(take: (announce: ReplicatedAnnounce) => void): void {
    this.#replica = new ClusterReplica(this.#node, this.#intervalSeconds, take);
  }

  /** See {@linkcode SwarmReplica}. */
  handleAnnounce(announce: ReplicatedAnnounce): void {
    this.#replica?.handleAnnounce(announce, performance.now());
  }

  /** Leaves; what was announced here lives on with the others. */
  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#watch);
    await this.#node.close();
  }

  #look(): void {
    const nowMs = performance.now();
    const { members } = this.#node.status();
    this.#lag.noteMembers(members.alive, nowMs);
    this.#teller.look(members.alive, nowMs);
  }
}

/** Listens where it is told to, else everywhere. */
function listenWhere(options: OverlayNodeOptions): OverlayNode {
  return options.listenOn === undefined ? listenOnAll(options) : OverlayNode.listen(options);
}
