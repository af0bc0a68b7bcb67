/**
 * What a simulation is, what is told of it, and how it is replayed.
 */
import type { VirtualSwarm } from "../kit/virtual_swarm.ts";

/** A simulation by name. */
export interface Scenario {
  readonly name: string;
  /** Whether it takes too long for every test run. */
  readonly isLong?: boolean;
  /** Runs it to its end. **Errors**: whatever does not hold. */
  run(seed: number): VirtualSwarm;
}

/** What is told of one run, or of several of one scenario. */
export interface Report {
  peers: number;
  events: number;
  virtualSeconds: number;
  realSeconds: number;
  /** Peers that have everything. */
  completed: number;
  /** Blocks that were asked of somebody else. */
  requeuedBlocks: number;
  /** How long they waited for it at the peer where it took longest. */
  p50Ms: number;
  p99Ms: number;
  maxMs: number;
  downloadedBytes: number;
  wastedBytes: number;
}

/** Something that does not hold, and how to see it again. */
export class SimulationError extends Error {
  constructor(scenario: string, seed: number, cause: unknown) {
    const message = cause instanceof Error ? cause.message : String(cause);
    const replay = `SEED=${seed} deno task sim --only "${scenario}"`;
    super(`${scenario}: with seed ${seed}: ${message}; replay with ${replay}`, { cause });
    this.name = "SimulationError";
  }
}

/** Runs a scenario. **Errors**: {@linkcode SimulationError}. */
export function simulate(scenario: Scenario, seed: number): Report {
  const beganMs = performance.now();
  try {
    const swarm = scenario.run(seed);
    return reportOf(swarm, (performance.now() - beganMs) / 1000);
  } catch (cause) {
    throw new SimulationError(scenario.name, seed, cause);
  }
}

function reportOf(swarm: VirtualSwarm, realSeconds: number): Report {
  const report: Report = {
    peers: swarm.memberCount,
    events: swarm.clock.eventCount,
    virtualSeconds: swarm.clock.nowMs / 1000,
    realSeconds,
    completed: 0,
    requeuedBlocks: 0,
    p50Ms: 0,
    p99Ms: 0,
    maxMs: 0,
    downloadedBytes: 0,
    wastedBytes: 0,
  };
  for (const { isComplete, isUp, manager: { stats } } of swarm.peers) {
    const { duplicate, unasked, corrupt, abandoned } = stats.wasted;
    report.completed += Number(isUp && isComplete);
    report.requeuedBlocks += stats.requeuedBlocks;
    report.p50Ms = Math.max(report.p50Ms, stats.recovery.p50Ms);
    report.p99Ms = Math.max(report.p99Ms, stats.recovery.p99Ms);
    report.maxMs = Math.max(report.maxMs, stats.recovery.maxMs);
    report.downloadedBytes += stats.downloadedBytes;
    report.wastedBytes += duplicate + unasked + corrupt + abandoned;
  }
  return report;
}

/** Adds what is told of one more run. */
export function addReport(sum: Report, report: Report): void {
  sum.peers += report.peers;
  sum.events += report.events;
  sum.virtualSeconds += report.virtualSeconds;
  sum.realSeconds += report.realSeconds;
  sum.completed += report.completed;
  sum.requeuedBlocks += report.requeuedBlocks;
  sum.p50Ms = Math.max(sum.p50Ms, report.p50Ms);
  sum.p99Ms = Math.max(sum.p99Ms, report.p99Ms);
  sum.maxMs = Math.max(sum.maxMs, report.maxMs);
  sum.downloadedBytes += report.downloadedBytes;
  sum.wastedBytes += report.wastedBytes;
}

/** The first lines of the table. */
export const TABLE_HEAD =
  `| scenario | peers | events | virtual s | real s | completed | requeued blocks | recovery ms: p50 | p99 | max | wasted | result |
| :-- | --: | --: | --: | --: | --: | --: | --: | --: | --: | --: | :-- |`;

/** A line of the table. */
export function tableRow(name: string, report: Report | null, result: string): string {
  if (report === null) return `| ${name} | | | | | | | | | | | ${result} |`;
  const wasted = 100 * report.wastedBytes / Math.max(1, report.downloadedBytes);
  const cells = [
    name,
    report.peers,
    report.events,
    report.virtualSeconds.toFixed(1),
    report.realSeconds.toFixed(2),
    report.completed,
    report.requeuedBlocks,
    report.p50Ms.toFixed(0),
    report.p99Ms.toFixed(0),
    report.maxMs.toFixed(0),
    `${wasted.toFixed(2)} %`,
    result,
  ];
  return `| ${cells.join(" | ")} |`;
}

/** How long the honest peers that are up need at best for what they lack, in milliseconds: the bound of `distribution.ts`. */
export function bestMs(swarm: VirtualSwarm): number {
  const { totalBytes } = swarm.geometry;
  let missing = 0;
  let capacity = 0;
  let slowest = Infinity;
  for (const peer of swarm.peers) {
    if (!peer.isHonest || !peer.isUp) continue;
    const limit = peer.bucket?.bytesPerSecond ?? Infinity;
    capacity += Math.min(peer.uplink.bytesPerSecond, limit);
    if (peer.isComplete) continue;
    missing += totalBytes * (1 - peer.manager.have.count / peer.manager.have.length);
    slowest = Math.min(slowest, peer.downlink.bytesPerSecond);
  }
  return Math.max(missing / capacity, missing > 0 ? totalBytes / slowest : 0) * 1000;
}
