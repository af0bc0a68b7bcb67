import type { TrackerMetrics } from "./metrics.ts";
import {
  REQUEST_KINDS,
  REQUEST_OUTCOMES,
  type RequestKind,
  type RequestOutcome,
} from "./metrics.ts";
import type { ReplicaStatus } from "./swarm_replica.ts";
import type { StoreStats } from "./swarm_store.ts";

/** What a tracker tells of itself. */
export interface TrackerStats {
  /** How many swarms have peers. */
  readonly swarms: number;
  /** How many peers there are in all swarms. */
  readonly peers: number;
  /** How long it has been running. */
  readonly uptimeSeconds: number;
  /** How many connections over HTTP are open. */
  readonly connections: number;
  /** How many requests there were since it began, by kind and outcome. */
  readonly requests: Readonly<Record<RequestKind, Readonly<Record<RequestOutcome, number>>>>;
  /** How it keeps up with the other trackers of its group; absent where it is alone. */
  readonly cluster?: ReplicaStatus;
  /** How the store on another machine is; absent where the swarms are here. */
  readonly store?: StoreStats;
}

/** Puts the numbers together. */
export function statsOf(
  metrics: TrackerMetrics,
  swarms: number,
  peers: number,
  uptimeSeconds: number,
  replica: ReplicaStatus | null = null,
): TrackerStats {
  const requests = Object.fromEntries(REQUEST_KINDS.map((kind) => [
    kind,
    Object.fromEntries(
      REQUEST_OUTCOMES.map((outcome) => [outcome, metrics.requests(kind, outcome)]),
    ),
  ])) as unknown as TrackerStats["requests"];
  const connections = metrics.openConnections;
  const cluster = replica === null ? {} : { cluster: replica };
  return {
    swarms,
    peers,
    uptimeSeconds: Math.floor(uptimeSeconds),
    connections,
    requests,
    ...cluster,
  };
}

/** Makes a page for people of it: no script, nothing from elsewhere, and new every ten seconds. */
export function statsPage(stats: TrackerStats): string {
  const number = (value: number): string => value.toLocaleString("en");
  const facts: [string, string][] = [
    ["peers", number(stats.peers)],
    ["swarms", number(stats.swarms)],
    ["connections", number(stats.connections)],
    ["up for", durationText(stats.uptimeSeconds)],
  ];
  if (stats.cluster !== undefined) {
    facts.push(["other trackers", number(stats.cluster.members)]);
    facts.push(["lag", durationText(Math.round(stats.cluster.lagSeconds))]);
  }
  if (stats.store !== undefined) {
    facts.push(["store", stats.store.isUp ? "in reach" : "out of reach"]);
  }
  const rows = REQUEST_KINDS.map((kind) => {
    const cells = REQUEST_OUTCOMES.map((outcome) => `<td>${number(stats.requests[kind][outcome])}`);
    return `<tr><th>${kind.replace("-", " ")}${cells.join("")}`;
  });
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="refresh" content="10">
<title>Tracker</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 40rem; padding: 0 1rem }
dl { display: grid; grid-template-columns: repeat(auto-fit, minmax(8rem, 1fr)) }
dd { font-size: 1.6rem; margin: 0 } table { border-collapse: collapse; width: 100% }
td, th { border-top: 1px solid #8886; font-weight: normal; padding: .2rem .5rem; text-align: right }
th:first-child { text-align: left } td, dd { font-variant-numeric: tabular-nums }
:root { color-scheme: light dark }
</style>
<h1>Tracker</h1>
<dl>${facts.map(([name, value]) => `<div><dt>${name}<dd>${value}</div>`).join("")}</dl>
<table>
<tr><th>requests${REQUEST_OUTCOMES.map((outcome) => `<th>${outcome}`).join("")}
${rows.join("\n")}
</table>
</html>
`;
}

function durationText(seconds: number): string {
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86_400)} days`;
}
