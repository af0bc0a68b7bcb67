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

/** In larger overlays, where each is to know all, nodes are told: how they learn of each other costs nodes squared. */
const ALL_LEARN_ALL_MAX = 1000;

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
    name: "crowded",
    says: "a torrent a node, twice as many nodes as any knows",
    run: (size) => torrentsEach(size, 1, { replication: "auto", membersMax: size.nodes / 2 }),
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

/** What a node sends in a round on average while time passes. */
function trafficOf(overlay: VirtualOverlay, rounds: number): Findings {
  const totals = () => overlay.statuses().map(({ traffic }) => traffic);
  const sum = (all: TrafficTotals[], key: "bytesSent" | "messagesSent") =>
    all.reduce((total, traffic) => total + traffic[key], 0);
  const before = totals();
  overlay.run(rounds * ROUND_MS);
  const after = totals();
  const perNode = (key: "bytesSent" | "messagesSent") =>
    Math.round(10 * (sum(after, key) - sum(before, key)) / after.length / rounds) / 10;
  return {
    "bytes/node/round": perNode("bytesSent"),
    "messages/node/round": perNode("messagesSent"),
  };
}

function suspicionsOf(overlay: VirtualOverlay): Findings {
  const suspicions = overlay.statuses().reduce((sum, status) => sum + status.suspicions, 0);
  return { suspicions, "given up falsely": overlay.falselyGone };
}

function spread(size: Size, loss: number): Findings {
  const overlay = settled(size, { loss });
  const beganMs = overlay.clock.nowMs;
  const infoHash = overlay.announce(overlay.some());
  const findings = { ...timeToKnow(overlay, infoHash), ...suspicionsOf(overlay) };
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
  const findings = trafficOf(overlay, 20);
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
  return { ...trafficOf(overlay, 10), ...suspicionsOf(overlay) };
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
  const beganMs = overlay.clock.nowMs;
  overlay.runUntil(
    () => overlay.up.every(({ knowsSinceMs }) => hashes.every((hash) => knowsSinceMs.has(hash))),
    600_000,
  );
  const healedMs = overlay.clock.nowMs - beganMs;
  return {
    "healed s": seconds(healedMs < 600_000 ? healedMs : null),
    "healed rounds": Math.ceil(healedMs / ROUND_MS),
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
  const findings = timeToKnow(overlay, overlay.announce(overlay.some()));
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
  overlay.run(120_000);
  const newcomer = overlay.add([overlay.nodes[0]!.address, overlay.some().address]);
  overlay.run(ROUND_MS);
  return { ...timeToKnow(overlay, overlay.announce(newcomer)), ...suspicionsOf(overlay) };
}

function leave(size: Size): Findings {
  const overlay = settled(size, { loss: 0.1 });
  const provider = overlay.some();
  // Another record keeps the owner's chain alive: the leave has to reach everybody.
  overlay.announce(provider);
  const infoHash = overlay.announce(provider);
  overlay.run(60_000);
  overlay.leave(provider, infoHash);
  const beganMs = overlay.clock.nowMs;
  const knowing = () => overlay.up.filter(({ knowsSinceMs }) => knowsSinceMs.has(infoHash)).length;
  const most = overlay.runUntil(() => knowing() <= 0.01 * overlay.up.length, 300_000);
  overlay.runUntil(() => knowing() === 0, 300_000);
  const allMs = overlay.clock.nowMs - beganMs;
  // Nothing deleted comes back.
  overlay.run(200_000);
  assert(knowing() === 0, "a provider that left is back");
  return { "99 % s": seconds(most), "all s": seconds(allMs) };
}

function torrentsEach(size: Size, torrents: number, change: Partial<OverlayOptions>): Findings {
  const overlay = settled(size, change);
  overlay.run(240_000);
  const hashes = overlay.up.flatMap((node) =>
    Array.from({ length: torrents }, () => overlay.announce(node))
  );
  overlay.run(120_000);
  const findings = trafficOf(overlay, 10);
  const records = overlay.statuses().map((status) => status.records);
  let [found, asked] = [0, 0];
  for (let index = 0; index < 200; index++) {
    const at = overlay.some();
    const infoHash = oneOf(overlay.random, hashes);
    at.node.lookup(infoHash, 1, (providers) => found += providers.length, overlay.clock.nowMs);
    asked++;
    overlay.run(50);
  }
  overlay.run(3000);
  return {
    ...findings,
    "lookups found %": 100 * found / asked,
    "records/node mean": Math.round(records.reduce((sum, count) => sum + count) / records.length),
    "records/node most": Math.max(...records),
    "members known least": Math.min(
      ...overlay.statuses().map(({ members }) => members.alive + members.hinted),
    ),
  };
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
  // A flood of records, all signed as they should be.
  for (const liar of overlay.nodes) {
    if (!overlay.meddlers.has(liar.address)) continue;
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
