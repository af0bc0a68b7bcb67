/**
 * Reads the options by which a tracker is one of a group.
 *
 * @module
 */
import { formatAddress } from "@enjambre/peerwire";
import { INTERVAL_SECONDS_DEFAULT } from "@enjambre/tracker";
import { CLUSTER_INTERVAL_SECONDS_MAX } from "./cluster_replica.ts";
import type { ClusterOptions } from "./commands.ts";
import { usageFailure } from "./failure.ts";
import type { GivenOptions } from "./overlay_args.ts";
import { readAddress, readCount, readHostname, readPort } from "./values.ts";

/** Where a tracker's group reaches it unless told otherwise: beside the port of the tracker. */
export const CLUSTER_PORT_DEFAULT = 6970;

/** Options with a value. */
export const clusterValues: readonly string[] = [
  "cluster-port",
  "cluster-hostname",
  "cluster-secret-file",
];

/** Options with a value that may be given several times. */
export const clusterLists: readonly string[] = ["cluster"];

/** Reads them; `undefined` where the tracker is alone. */
export function readCluster(given: GivenOptions): ClusterOptions | undefined {
  const asked = [...clusterLists, ...clusterValues].find((name) => given.list(name).length > 0);
  if (asked === undefined) return undefined;
  const others = given.list("cluster").flatMap((text) =>
    text.split(",").map((each) => formatAddress(readAddress("--cluster", each.trim())))
  );
  const port = given.read("cluster-port", readPort) ?? CLUSTER_PORT_DEFAULT;
  const hostname = given.read("cluster-hostname", readHostname);
  const secretFile = given.list("cluster-secret-file")[0];
  if (secretFile === undefined) {
    throw usageFailure(
      `--${asked} needs --cluster-secret-file FILE: a secret that all trackers of the cluster share, ` +
        "so that nobody else can tell them of peers",
    );
  }
  const intervalSeconds = given.read(
    "interval",
    (option, text) => readCount(option, text, 1, Infinity),
  ) ?? INTERVAL_SECONDS_DEFAULT;
  if (intervalSeconds > CLUSTER_INTERVAL_SECONDS_MAX) {
    throw usageFailure(
      `--interval is "${intervalSeconds}"; in a cluster a whole number from 1 to ` +
        `${CLUSTER_INTERVAL_SECONDS_MAX} is due`,
    );
  }
  return { others, port, secretFile, ...(hostname !== undefined && { hostname }) };
}
