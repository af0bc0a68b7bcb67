/**
 * Draws what the simulator found, as SVG in `docs/`, and prints what a node costs by formula beside it.
 *
 *     deno run -A tests/overlay_sim/main.ts --nodes=10,100,1000 --json | deno run -A tests/overlay_sim/plot.ts
 *     deno run -A tests/overlay_sim/plot.ts FILE…
 *
 * The first picture wants `spread`, `loss10`, `loss50` and the same pushed, of one size; the second `owners` and
 * `replicas` of several sizes. `deno task plot:overlay` runs both, in some minutes.
 */
import { join } from "node:path";
import { drawChart, type Series } from "./chart.ts";
import {
  costOfAll,
  costOfFullPush,
  costOfReplicas,
  type NodeCost,
  RECORDS_MAX,
} from "./on_paper.ts";
import type { Findings } from "./scenarios.ts";

/** Torrents that each node provides in the second picture. */
const TORRENTS = 10;
/** Nodes that hold each record, where not all do. */
const REPLICAS = 8;
const ROUND_SECONDS = 8;
/** Points of a line in the first picture: more cannot be told apart. */
const POINTS_MAX = 150;

interface Run {
  readonly name: string;
  readonly nodes: number;
  readonly seed: number;
  readonly findings: Findings;
  readonly reachedMs?: readonly number[];
}

/** How long a record takes to all, here and by full push, with several parts of all messages lost. */
function spreadChart(runs: readonly Run[]): string {
  const nodes = Math.max(...runs.filter(({ name }) => name === "loss50").map((run) => run.nodes));
  const losses = [["spread", "0", "#1b62a5"], ["loss10", "10", "#1d8348"], [
    "loss50",
    "50",
    "#c0392b",
  ]];
  const seriesOf = (name: string, label: string, color: string, dashes: string): Series => ({
    name: label,
    color,
    dashes,
    line: curve(
      runs.find((run) => run.name === name && run.nodes === nodes)?.reachedMs ?? [],
      nodes,
    ),
    points: [],
  });
  return drawChart({
    title: `A new record among ${nodes} nodes`,
    x: {
      title: "seconds since it was announced",
      range: [0.03, 100],
      isLogarithmic: true,
      ticks: [0.1, 0.3, 1, 3, 10, 30, 100].map((at) => ({ at, text: String(at) })),
    },
    y: {
      title: "nodes that know it, %",
      range: [0, 100],
      isLogarithmic: false,
      ticks: [0, 20, 40, 60, 80, 100].map((at) => ({ at, text: String(at) })),
    },
    series: [
      ...losses.map(([name, loss, color]) =>
        seriesOf(name!, `enjambre, ${loss} % lost`, color!, "")
      ),
      ...losses.map(([name, loss, color]) =>
        seriesOf(name!.replace(/spread|loss/, "pushed"), `full push, ${loss} % lost`, color!, "6 4")
      ),
    ],
    marks: [1, 2, 3, 4].map((count) => ({
      at: ROUND_SECONDS * count,
      text: count === 1 ? "round 1" : String(count),
    })),
  });
}

/** Which part of the nodes knew after which time, in percent. */
function curve(reachedMs: readonly number[], nodes: number): [number, number][] {
  const step = Math.max(1, Math.floor(reachedMs.length / POINTS_MAX));
  const last = reachedMs.length - 1;
  return reachedMs.flatMap((ms, at): [number, number][] =>
    // The last ones are those that take long.
    at % step === 0 || at > last - POINTS_MAX / 10 ? [[ms / 1000, 100 * (at + 1) / nodes]] : []
  );
}

/** What a node sends, by the number of nodes. */
function bytesChart(runs: readonly Run[]): string {
  const sizes = Array.from({ length: 51 }, (_, at) => 10 ** (1 + at / 10));
  const lineOf = (cost: (nodes: number, torrents: number) => NodeCost, most = Infinity) =>
    sizes.filter((nodes) => nodes <= most)
      .map((nodes): [number, number] => [nodes, cost(nodes, TORRENTS).bytesPerSecond]);
  return drawChart({
    title: `What a node sends where nothing happens, ${TORRENTS} torrents each`,
    x: {
      title: "nodes",
      range: [10, 1e6],
      isLogarithmic: true,
      ticks: [1, 2, 3, 4, 5, 6].map((power) => ({
        at: 10 ** power,
        text: (10 ** power).toLocaleString("en"),
      })),
    },
    y: {
      title: "bytes per second",
      range: [10, 1e9],
      isLogarithmic: true,
      ticks: [1, 2, 3, 4, 5, 6, 7, 8, 9].map((power) => ({
        at: 10 ** power,
        text: unitOf(10 ** power),
      })),
    },
    series: [
      {
        ...{ name: "full push, formula", color: "#c0392b", dashes: "6 4", points: [] },
        line: lineOf(costOfFullPush),
      },
      {
        ...{ name: "enjambre, all hold all, formula", color: "#1b62a5", dashes: "", points: [] },
        line: lineOf(costOfAll, RECORDS_MAX / TORRENTS),
      },
      {
        ...{ name: "the same, simulated", color: "#1b62a5", dashes: "", line: [] },
        points: simulated(runs, "owners"),
      },
      {
        ...{
          name: `enjambre, ${REPLICAS} hold each, formula`,
          color: "#1d8348",
          dashes: "",
          points: [],
        },
        line: lineOf((nodes, torrents) => costOfReplicas(nodes, torrents, REPLICAS)),
      },
      {
        ...{ name: "the same, simulated", color: "#1d8348", dashes: "", line: [] },
        points: simulated(runs, "replicas"),
      },
    ],
    marks: [],
  });
}

function simulated(runs: readonly Run[], name: string): [number, number][] {
  return found(runs, name, "bytes/node/round").map(([nodes, bytes]) => [
    nodes,
    bytes / ROUND_SECONDS,
  ]);
}

/** What a scenario found, by the number of nodes. */
function found(runs: readonly Run[], name: string, what: string): [number, number][] {
  return runs.filter((run) => run.name === name)
    .flatMap(({ nodes, findings }): [number, number][] => {
      const value = findings[what];
      return value === null || value === undefined ? [] : [[nodes, value]];
    });
}

function unitOf(bytes: number): string {
  const power = Math.max(0, Math.min(3, Math.floor(Math.log10(bytes) / 3)));
  return `${Number((bytes / 1000 ** power).toPrecision(3))} ${["B", "kB", "MB", "GB"][power]}`;
}

/** What a node costs, as a table for a page. */
function table(runs: readonly Run[]): string {
  const replicas = (nodes: number, torrents: number) => costOfReplicas(nodes, torrents, REPLICAS);
  const ways = [
    ["full push", costOfFullPush, "", ""],
    ["all hold all", costOfAll, "owners", "everywhere"],
    [`${REPLICAS} hold each`, replicas, "replicas", "replicas"],
  ] as const;
  const rows = ways.flatMap(([way, cost, sending, keeping]) => {
    const sent = new Map(simulated(runs, sending));
    const kept = new Map(found(runs, keeping, "memory kB/node"));
    const sizes = new Set([100, 10_000, 1_000_000, ...sent.keys(), ...kept.keys()]);
    return [...sizes].sort((one, other) => one - other).map((nodes) => {
      const { bytesPerSecond, memoryBytes } = cost(nodes, TORRENTS);
      const [sentBytes, keptKilobytes] = [sent.get(nodes), kept.get(nodes)];
      const cells = [
        ...[way, nodes.toLocaleString("en"), `${unitOf(bytesPerSecond)}/s`],
        sentBytes === undefined ? "" : `${unitOf(sentBytes)}/s`,
        unitOf(memoryBytes),
        keptKilobytes === undefined ? "" : unitOf(1000 * keptKilobytes),
      ];
      return `| ${cells.join(" | ")} |`;
    });
  });
  return [
    "| way | nodes | sends, formula | simulated | keeps, formula | simulated |",
    "| --- | ---: | ---: | ---: | ---: | ---: |",
    ...rows,
  ].join("\n");
}

async function readRuns(paths: readonly string[]): Promise<Run[]> {
  const texts = paths.length === 0
    ? [await new Response(Deno.stdin.readable).text()]
    : await Promise.all(paths.map((path) => Deno.readTextFile(path)));
  return texts.join("\n").split("\n").filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line));
}

const docs = join(import.meta.dirname!, "../../docs");
const runs = await readRuns(Deno.args);
await Deno.writeTextFile(join(docs, "overlay_spread.svg"), spreadChart(runs));
await Deno.writeTextFile(join(docs, "overlay_bytes.svg"), bytesChart(runs));
console.log(table(runs));
