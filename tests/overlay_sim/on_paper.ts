/**
 * What a node costs where nothing happens, by formula: for overlays that no simulation has room for, and to see
 * whether the simulated ones behave as they should. Each node provides so many torrents.
 */
import { fullPushBytesPerSecond, PUSHED_RECORD_BYTES } from "./full_push.ts";

/** Between two rounds. */
const ROUND_SECONDS = 8;
/** Between two beats of an owner. */
const BEAT_SECONDS = 30;
/** An exchange in which nothing differs: `sync` and `answer` with two addresses each, and every fourth round a second try. */
const EXCHANGE_BYTES = 210;
/** What a `sync` says of each owner: four bytes, as base64. */
const SUMMARY_BYTES = 4 * 4 / 3;
/** A beat, 21 bytes as base64. Each node is told each beat once. */
const BEAT_BYTES = 21 * 4 / 3;
/** Half of the beats are asked for, by three bytes as base64. */
const ASKED_BYTES = 0.5 * 3 * 4 / 3;
/** How a node tells one holder that its records hold. */
const KEEP_BYTES = 91;
/** And for each further record that the same holder has. */
const KEPT_RECORD_BYTES = 12;
/** Memory of a node that knows nobody: its own chain of beats is 16 kB of it. */
const NODE_BYTES = 75_000;
/** Memory of a record, as measured in the overlay's README. */
const RECORD_BYTES = 950;
/** Memory of an owner's chain of beats. */
const OWNER_BYTES = 1400;
/** Memory of a member, as simulated with 1000; with 100,000 it is 115. */
const MEMBER_BYTES = 200;
/** Members that a node knows where not all are to be known. */
const MEMBERS_MAX = 256;
/** Records that a node keeps at most, unless told otherwise. */
export const RECORDS_MAX = 100_000;

/** What one node costs. */
export interface NodeCost {
  /** What it sends. */
  readonly bytesPerSecond: number;
  /** What it keeps. */
  readonly memoryBytes: number;
}

/** The prototype's way: all that is known, to three neighbours, every eight seconds. */
export function costOfFullPush(nodes: number, torrents: number): NodeCost {
  return {
    bytesPerSecond: fullPushBytesPerSecond(nodes, torrents),
    // Its records are as long in memory as on the line, at least.
    memoryBytes: PUSHED_RECORD_BYTES * nodes * torrents,
  };
}

/** Every node holds every record, and hears of every owner. */
export function costOfAll(nodes: number, torrents: number): NodeCost {
  const beatsPerRound = nodes * ROUND_SECONDS / BEAT_SECONDS;
  const bytesPerRound = EXCHANGE_BYTES + SUMMARY_BYTES * nodes +
    (BEAT_BYTES + ASKED_BYTES) * beatsPerRound;
  return {
    bytesPerSecond: bytesPerRound / ROUND_SECONDS,
    memoryBytes: memoryOf(nodes * torrents, nodes, Math.min(nodes, MEMBERS_MAX)),
  };
}

/** Each record is on so many nodes, and every node knows all others. */
export function costOfReplicas(nodes: number, torrents: number, replicas: number): NodeCost {
  const held = torrents * Math.min(1, replicas / nodes) * (nodes - 1);
  const holders = (nodes - 1) * (1 - (1 - Math.min(1, replicas / nodes)) ** torrents);
  const bytesPerBeat = KEEP_BYTES * holders + KEPT_RECORD_BYTES * (held - holders);
  return {
    bytesPerSecond: EXCHANGE_BYTES / ROUND_SECONDS + bytesPerBeat / BEAT_SECONDS,
    // Others' records, and our own. Who holds our records is as many as those whose records we hold.
    memoryBytes: memoryOf(held + torrents, holders, nodes),
  };
}

function memoryOf(records: number, owners: number, members: number): number {
  return NODE_BYTES + RECORD_BYTES * records + OWNER_BYTES * owners +
    MEMBER_BYTES * members;
}
