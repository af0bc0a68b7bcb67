/**
 * What may befall an overlay, and what is measured then.
 */
import { assert } from "@std/assert";
import type { TrafficTotals } from "@enjambre/overlay";
import { oneOf } from "../kit/virtual_clock.ts";
import { spreadByFullPush } from "./full_push.ts";
import {
  GOOD_LINES,
  type OverlayOptions,
  type VirtualNode,
  VirtualOverlay,
} from "./virtual_overlay.ts";

/** Between two rounds. */
const ROUND_MS = 8000;

/** Where nothing happens, traffic is measured for so many rounds: the time of four beats. */
const QUIET_ROUNDS = 15;

/** Traffic is measured for so many rounds from when a record is new, or for as long as it takes to spread. */
const SPREAD_ROUNDS = 5;

/** Liars that flood, a hundred records each: what every node keeps of more has no room in a large simulation. */
const FLOODERS_MAX = 10;

/** In larger overlays, where each is to know all, nodes are told: how they learn of each other costs nodes squared. */
const ALL_LEARN_ALL_MAX = 1000;

const MEMORY_AT_START_BYTES = memoryBytes();

/** How large a run is. */
export interface Size {
  /** Nodes at the beginning. */
  readonly nodes: number;
  /** Replays the run. */
  readonly seed: number;
  /** Is told in scenarios where one record spreads, after how many milliseconds each node came to know it. */
  readonly spread?: (reachedMs: number[]) => void;
}

/** What a run found; times in seconds, `null` for what did not happen. */
export type Findings = Record<string, number | null>;

/** Something that may befall an overlay. */
export interface Scenario {
  /** What it is called on the command line. */
  readonly name: string;
  /** What happens. */
  readonly says: string;
  /** Runs it; throws where something is not as it has to be. */
  run(size: Size): Findings;
}

/** All of them. */
export const scenarios: readonly Scenario[] = [
  {
    name: "spread",
    says: "a new record, no loss",
    run: (size) => spread(size, 0),
  },
  {
    name: "loss10",
    says: "a new record, 10 % of all messages lost",
    run: (size) => spread(size, 0.1),
  },
  {
    name: "loss50",
    says: "a new record, 50 % of all messages lost",
    run: (size) => spread(size, 0.5),
  },
  {
    name: "pushed",
    says: "a new record, the prototype's way",
    run: (size) => spreadPushed(size, 0),
  },
  {
    name: "pushed10",
    says: "the same, 10 % of all messages lost",
    run: (size) => spreadPushed(size, 0.1),
  },
  {
    name: "pushed50",
    says: "the same, 50 % of all messages lost",
    run: (size) => spreadPushed(size, 0.5),
  },
  { name: "quiet", says: "1,000 records of 100 owners, nothing happens", run: quiet },
  { name: "owners", says: "each node provides one info-hash, all hold all", run: owners },
  { name: "join", says: "a node joins 1,000 records", run: join },
  { name: "partition", says: "two halves for three minutes, then one again", run: partition },
  { name: "churn", says: "10 % of the nodes go and as many come each minute", run: churn },
  { name: "bootstrap", says: "the nodes where all began are gone", run: bootstrapGone },
  { name: "leave", says: "a provider leaves, with 10 % loss", run: leave },
  {
    name: "replicas",
    says: "ten torrents a node, each record on 8 nodes, all members known",
    run: (size) => torrentsEach(size, 10, { replication: 8, membersMax: 16_384 }),
  },
  {
    name: "everywhere",
    says: "ten torrents a node, all hold all",
    run: (size) => torrentsEach(size, 10, { replication: "all" }),
  },
  {
    name: "crowded",
    says: "a torrent a node, twice as many nodes as any knows",
    run: (size) => torrentsEach(size, 1, { replication: "auto", membersMax: size.nodes / 2 }),
  },
  {
    name: "newcomers",
    says: "ten nodes come to many, who know at most 256 others",
    run: newcomers,
  },
  { name: "liars", says: "5 % forge, replay, date ahead and flood", run: liars },
];

/** Starts an overlay whose nodes come within a few seconds, and lets it settle for two minutes. */
function settled({ nodes, seed }: Size, change: Partial<OverlayOptions> = {}): VirtualOverlay {
  const overlay = new VirtualOverlay({ ...GOOD_LINES, ...change, seed });
  for (let index = 0; index < nodes; index++) {
    overlay.add();
    if (index % Math.ceil(nodes / 100) === 0) overlay.run(50);
  }
  if (change.membersMax !== undefined && nodes > ALL_LEARN_ALL_MAX) tellAllOfAll(overlay);
  overlay.run(120_000);
  return overlay;
}

/** Has every node take it that all others are there, as it would have learned in time. */
function tellAllOfAll(overlay: VirtualOverlay): void {
  for (const { node } of overlay.nodes) {
    for (const { address } of overlay.nodes) node.membership.hint(address, overlay.clock.nowMs);
  }
}

/** Seconds until 99 % and all of the running nodes know a provider of an info-hash. */
function timeToKnow(overlay: VirtualOverlay, infoHash: string, among?: VirtualNode[]): Findings {
  const nodes = among ?? overlay.up;
  const known = () =>
    nodes.reduce((sum, { knowsSinceMs, isUp }) => sum + +(!isUp || knowsSinceMs.has(infoHash)), 0);
  const beganMs = overlay.clock.nowMs;
  const most = overlay.runUntil(() => known() >= 0.99 * nodes.length, 300_000);
  const all = overlay.runUntil(() => known() === nodes.length, 300_000);
  const allMs = all === null ? null : overlay.clock.nowMs - beganMs;
  return {
    "99 % s": seconds(most),
    "all s": seconds(allMs),
    "all rounds": allMs === null ? null : Math.ceil(allMs / ROUND_MS),
  };
}

function seconds(ms: number | null): number | null {
  return ms === null ? null : Math.round(ms / 10) / 100;
}

/** Begins to measure. @returns what tells how much a node sent since in a round, on average over those that run */
function meterOf(overlay: VirtualOverlay): () => Findings {
  const totals = () => overlay.nodes.map(({ node }) => node.status(overlay.clock.nowMs).traffic);
  const sum = (all: TrafficTotals[], key: "bytesSent" | "messagesSent") =>
    all.reduce((total, traffic) => total + traffic[key], 0);
  const before = totals();
  const beganMs = overlay.clock.nowMs;
  return () => {
    const after = totals();
    const nodeRounds = overlay.up.length * (overlay.clock.nowMs - beganMs) / ROUND_MS;
    const perNode = (key: "bytesSent" | "messagesSent") =>
      Math.round(10 * (sum(after, key) - sum(before, key)) / nodeRounds) / 10;
    return {
      "bytes/node/round": perNode("bytesSent"),
      "messages/node/round": perNode("messagesSent"),
    };
  };
}

/**
 * What a node costs while nothing happens: what it sends in a round on average and, where V8 was started with
 * `--expose-gc`, what it keeps in memory, the simulation's own included.
 */
function quietCostOf(overlay: VirtualOverlay): Findings {
  const traffic = meterOf(overlay);
  overlay.run(QUIET_ROUNDS * ROUND_MS);
  const bytes = memoryBytes() - MEMORY_AT_START_BYTES;
  if (Number.isNaN(bytes)) return traffic();
  return { ...traffic(), "memory kB/node": Math.round(bytes / overlay.up.length / 100) / 10 };
}

/** What is in use; NaN where V8 cannot be asked to collect garbage first. */
function memoryBytes(): number {
  const { gc } = globalThis as { gc?: () => void };
  if (gc === undefined) return NaN;
  gc();
  const { heapUsed, external } = Deno.memoryUsage();
  return heapUsed + external;
}

/** How often running nodes were suspected and given up, from the start of the run. */
function suspicionsOf({ falselySuspected, falselyGone }: VirtualOverlay): Findings {
  return { "suspected falsely": falselySuspected, "given up falsely": falselyGone };
}

function spread(size: Size, loss: number): Findings {
  const overlay = settled(size, { loss });
  const traffic = meterOf(overlay);
  const beganMs = overlay.clock.nowMs;
  const infoHash = overlay.announce(overlay.some());
  const times = timeToKnow(overlay, infoHash);
  overlay.run(beganMs + SPREAD_ROUNDS * ROUND_MS - overlay.clock.nowMs);
  const findings = { ...times, ...traffic(), ...suspicionsOf(overlay) };
  const knowing = overlay.up.flatMap(({ knowsSinceMs }) => knowsSinceMs.get(infoHash) ?? []);
  size.spread?.(knowing.map((sinceMs) => Math.round(sinceMs - beganMs)).sort((a, b) => a - b));
  return findings;
}

function spreadPushed({ nodes, seed, spread }: Size, loss: number): Findings {
  const reachedMs = spreadByFullPush(nodes, seed, loss);
  spread?.(reachedMs);
  const reachedAll = reachedMs.length === nodes ? reachedMs[nodes - 1]! : null;
  return {
    "99 % s": seconds(reachedMs[Math.ceil(0.99 * nodes) - 1] ?? null),
    "all s": seconds(reachedAll),
    "all rounds": reachedAll === null ? null : Math.ceil(reachedAll / ROUND_MS),
  };
}

/** Has 100 owners, or all, announce 1,000 records. */
function announceThousand(overlay: VirtualOverlay): void {
  const owners = overlay.up.slice(0, 100);
  for (let index = 0; index < 1000; index++) overlay.announce(owners[index % owners.length]!);
}

function quiet(size: Size): Findings {
  const overlay = settled(size);
  announceThousand(overlay);
  overlay.run(60_000);
  const findings = quietCostOf(overlay);
  assertAllAgree(overlay);
  const records = overlay.statuses().map((status) => status.records);
  assert(Math.min(...records) === 1000, "a record was lost, though nothing happened");
  return { ...findings, ...suspicionsOf(overlay) };
}

/** The traffic of a quiet overlay grows with its owners, each of whom has to be heard of; how many records they have adds nothing. */
function owners(size: Size): Findings {
  const overlay = settled(size);
  for (const node of overlay.nodes) overlay.announce(node);
  overlay.run(60_000);
  return { ...quietCostOf(overlay), ...suspicionsOf(overlay) };
}

function join(size: Size): Findings {
  const overlay = settled(size);
  announceThousand(overlay);
  overlay.run(60_000);
  const newcomer = overlay.add();
  const beganMs = overlay.clock.nowMs;
  const most = overlay.runUntil(() => newcomer.knowsSinceMs.size >= 500, 60_000);
  overlay.runUntil(() => newcomer.knowsSinceMs.size === 1000, 60_000);
  const { traffic } = newcomer.node.status(overlay.clock.nowMs);
  return {
    "half s": seconds(most),
    "all s": seconds(overlay.clock.nowMs - beganMs),
    "bytes received": traffic.bytesReceived,
  };
}

function partition(size: Size): Findings {
  const overlay = settled(size);
  const before = overlay.announce(overlay.nodes[0]!);
  overlay.run(30_000);
  const half = new Set(overlay.nodes.filter((_, index) => index % 2 === 0).map((n) => n.address));
  overlay.passes = (from, to) => half.has(from) === half.has(to);
  overlay.run(20_000);
  const [left, right] = [overlay.nodes[2]!, overlay.nodes[1]!];
  const hashes = [before, overlay.announce(left), overlay.announce(right)];
  overlay.run(160_000);
  const others = overlay.nodes.filter(({ address }) => !half.has(address));
  assert(
    others.every(({ knowsSinceMs }) => !knowsSinceMs.has(before)),
    "a record outlived its owner",
  );
  overlay.passes = () => true;
  const traffic = meterOf(overlay);
  const beganMs = overlay.clock.nowMs;
  overlay.runUntil(
    () => overlay.up.every(({ knowsSinceMs }) => hashes.every((hash) => knowsSinceMs.has(hash))),
    600_000,
  );
  const healedMs = overlay.clock.nowMs - beganMs;
  return {
    "healed s": seconds(healedMs < 600_000 ? healedMs : null),
    "healed rounds": Math.ceil(healedMs / ROUND_MS),
    ...traffic(),
    ...suspicionsOf(overlay),
  };
}

function churn(size: Size): Findings {
  const overlay = settled(size);
  const stays = overlay.nodes.slice(0, 3);
  const lasting = overlay.announce(stays[0]!);
  overlay.run(20_000);
  const minutes = 4;
  const changes = Math.max(1, Math.round(size.nodes / 10 * minutes));
  const lost: { hash: string; atMs: number }[] = [];
  const traffic = meterOf(overlay);
  let [missing, looks] = [0, 0];
  for (let change = 0; change < changes; change++) {
    const leaver = oneOf(overlay.random, overlay.up.filter((one) => !stays.includes(one)));
    lost.push({ hash: overlay.announce(leaver), atMs: overlay.clock.nowMs });
    overlay.stop(leaver);
    overlay.add(stays.map(({ address }) => address));
    overlay.run(60_000 * minutes / changes);
    const old = overlay.up.filter(({ node }) => node.status(0).rounds > 1);
    missing += old.filter(({ knowsSinceMs }) => !knowsSinceMs.has(lasting)).length;
    looks += old.length;
  }
  const sent = traffic();
  const findings = { ...timeToKnow(overlay, overlay.announce(overlay.some())), ...sent };
  overlay.run(200_000);
  const ghosts = overlay.up.filter(({ knowsSinceMs }) =>
    lost.some(({ hash }) => knowsSinceMs.has(hash))
  );
  assert(ghosts.length === 0, "a record outlived its owner");
  return {
    ...findings,
    "lasting record missing %": Math.round(10_000 * missing / looks) / 100,
    ...suspicionsOf(overlay),
  };
}

function bootstrapGone(size: Size): Findings {
  const overlay = settled(size);
  for (const node of overlay.nodes.slice(0, 3)) overlay.stop(node);
  const traffic = meterOf(overlay);
  overlay.run(120_000);
  const sent = traffic();
  const newcomer = overlay.add([overlay.nodes[0]!.address, overlay.some().address]);
  overlay.run(ROUND_MS);
  const findings = timeToKnow(overlay, overlay.announce(newcomer));
  return { ...findings, ...sent, ...suspicionsOf(overlay) };
}

function leave(size: Size): Findings {
  const overlay = settled(size, { loss: 0.1 });
  const provider = overlay.some();
  // Another record keeps the owner's chain alive: the leave has to reach everybody.
  overlay.announce(provider);
  const infoHash = overlay.announce(provider);
  overlay.run(60_000);
  const traffic = meterOf(overlay);
  overlay.leave(provider, infoHash);
  const beganMs = overlay.clock.nowMs;
  const knowing = () => overlay.up.filter(({ knowsSinceMs }) => knowsSinceMs.has(infoHash)).length;
  const most = overlay.runUntil(() => knowing() <= 0.01 * overlay.up.length, 300_000);
  overlay.runUntil(() => knowing() === 0, 300_000);
  const allMs = overlay.clock.nowMs - beganMs;
  overlay.run(Math.max(0, SPREAD_ROUNDS * ROUND_MS - allMs));
  const sent = traffic();
  // Nothing deleted comes back.
  overlay.run(200_000);
  assert(knowing() === 0, "a provider that left is back");
  return { "99 % s": seconds(most), "all s": seconds(allMs), ...sent, ...suspicionsOf(overlay) };
}

function torrentsEach(size: Size, torrents: number, change: Partial<OverlayOptions>): Findings {
  const overlay = settled(size, change);
  overlay.run(240_000);
  const hashes = overlay.up.flatMap((node) =>
    Array.from({ length: torrents }, () => overlay.announce(node))
  );
  overlay.run(120_000);
  const findings = quietCostOf(overlay);
  const records = overlay.statuses().map((status) => status.records);
  return {
    ...findings,
    ...suspicionsOf(overlay),
    "lookups found %": foundOf(overlay, overlay.up, hashes),
    "records/node mean": Math.round(records.reduce((sum, count) => sum + count) / records.length),
    "records/node most": Math.max(...records),
    "members known least": Math.min(
      ...overlay.statuses().map(({ members }) => members.alive + members.hinted),
    ),
  };
}

/** Each newcomer knows few members at first: does it find what is there, and is it found? */
function newcomers(size: Size): Findings {
  const overlay = settled(size, { replication: "auto", membersMax: 256 });
  overlay.run(240_000);
  const hashes = overlay.up.map((node) => overlay.announce(node));
  overlay.run(60_000);
  const old = overlay.up;
  const come = Array.from({ length: 10 }, () => overlay.add());
  const findings: Findings = {};
  let passedSeconds = 0;
  const told: string[] = [];
  for (const seconds of [10, 60, 300]) {
    overlay.run(1000 * (seconds - passedSeconds));
    if (told.length === 0) told.push(...come.map((node) => overlay.announce(node)));
    overlay.run(3000);
    passedSeconds = seconds + 3;
    findings[`do not find % after ${seconds} s`] = 100 - foundOf(overlay, come, hashes);
    findings[`are not found % after ${seconds} s`] = 100 - foundOf(overlay, old, told);
  }
  return findings;
}

/** The part of lookups that find a provider, asked by some of the nodes for some of the info-hashes. */
function foundOf(overlay: VirtualOverlay, nodes: VirtualNode[], hashes: string[]): number {
  const looks = 200;
  let found = 0;
  for (let look = 0; look < looks; look++) {
    const [{ node }, infoHash] = [oneOf(overlay.random, nodes), oneOf(overlay.random, hashes)];
    node.lookup(infoHash, 1, (providers) => found += +(providers.length > 0), overlay.clock.nowMs);
    overlay.run(50);
  }
  overlay.run(3000);
  return 100 * found / looks;
}

/** What each liar does with the lines that it should send. */
const lies: ((line: string, heard: string[]) => string[])[] = [
  // Changes what others signed.
  (line) => [line.replaceAll(/"addr":"[^"]*"/g, '"addr":"10.9.9.9:6881"')],
  // Says again what it heard long ago.
  (line, heard) => [line, ...heard.slice(0, 5)],
  // Claims that its records are of a day to come.
  (line) => [line.replaceAll(/"seq":\d+/g, '"seq":9007199254740000')],
  // Says everything twenty times.
  (line) => new Array<string>(20).fill(line),
];

function liars(size: Size): Findings {
  const overlay = settled(size);
  const honest = overlay.nodes.filter((_, index) => index % 20 !== 7);
  const victim = overlay.announce(honest[5]!);
  overlay.nodes.filter((node) => !honest.includes(node)).forEach(({ address }, index) => {
    const heard: string[] = [];
    overlay.meddlers.set(address, (line) => {
      if (line.includes('"records"') && heard.length < 50) heard.push(line);
      return lies[index % lies.length]!(line, heard);
    });
  });
  for (const node of honest.slice(0, 50)) overlay.announce(node);
  overlay.run(60_000);
  const traffic = meterOf(overlay);
  // A flood of records, all signed as they should be.
  const flooders = overlay.nodes.filter(({ address }) => overlay.meddlers.has(address));
  for (const liar of flooders.slice(0, FLOODERS_MAX)) {
    for (let index = 0; index < 100; index++) overlay.announce(liar);
  }
  overlay.run(30_000);
  const findings = timeToKnow(overlay, overlay.announce(honest[3]!), honest);
  const nowMs = overlay.clock.nowMs;
  const wrong = honest.filter(({ node }) =>
    node.map.providers(victim, nowMs).some(({ address }) => address !== honest[5]!.address)
  );
  assert(wrong.length === 0, "a node believes what nobody signed");
  const offences = honest.map(({ node }) => node.status(nowMs).offences);
  return {
    ...findings,
    ...traffic(),
    ...suspicionsOf(overlay),
    forgeries: offences.reduce((sum, { forged }) => sum + forged, 0),
    "honest refused by honest":
      honest.filter(({ refused }) => [...refused].some((address) => !overlay.meddlers.has(address)))
        .length,
    "liars refused by some":
      [...overlay.meddlers.keys()].filter((address) =>
        honest.some(({ refused }) => refused.has(address))
      ).length,
  };
}

function assertAllAgree(overlay: VirtualOverlay): void {
  const digests = new Set(overlay.statuses().map(({ digest }) => digest));
  assert(digests.size === 1, `there are ${digests.size} opinions of what there is, not one`);
}
