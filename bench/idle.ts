/**
 * The part `idle`: what a program costs while 500 peers are connected to it and nothing happens.
 */
import { parseTorrent } from "@enjambre/metainfo";
import { Fixture } from "./fixture.ts";
import { IdlePeers } from "./idle_peers.ts";
import {
  type Contestant,
  type Figures,
  inTurns,
  type Outcome,
  type Part,
  type PartContext,
} from "./part.ts";
import { cpuSecondsOf, peakMebibytesOf } from "./process_cost.ts";
import { allOfOurs, libtorrent, present, type RunningSeed, type SwarmProgram } from "./programs.ts";

const LISTEN_LIMIT_MS = 60_000;
const PIECE_LENGTH = 256 * 1024;

/** 500 idle peers. */
export const idle: Part = {
  name: "idle",
  about: "A seed, and a download that finds nothing, with 500 peers connected who do nothing",
  notes:
    "The peers connect from 500 addresses of loopback, without a piece and without interest. CPU is over " +
    "ten seconds that begin three after the last of them connected. aria2 is left out: it takes three " +
    "connections a second.",
  metrics: [
    { id: "cpu", name: "CPU", unit: "% of a core", better: "less", digits: 2 },
    { id: "memory", name: "memory", unit: "MiB", better: "less", digits: 0 },
    { id: "connections", name: "connections", unit: "", better: "more", digits: 0 },
  ],
  options: { connections: 500, mebibytes: 64, seconds: 10, "settle-seconds": 3 },
  runs: 3,
  warmUps: 0,
  async measure(context: PartContext): Promise<Outcome> {
    const { programs, absent } = await present([...allOfOurs(context), libtorrent], context);
    await using fixture = await Fixture.make(context.option("mebibytes"), PIECE_LENGTH);
    const connectionsMax = context.option("connections");
    const { torrent, folder } = fixture;
    const contestants: Contestant[] = [];
    for (const program of programs) {
      contestants.push({
        program: program.name,
        case: "seed",
        measure: () =>
          measureIdle(context, fixture, program.seed({ torrent, folder, connectionsMax })),
      });
      contestants.push({
        program: program.name,
        case: "download",
        measure: () =>
          fixture.withTarget((folder) =>
            measureIdle(
              context,
              fixture,
              startLeecher(program, { torrent, folder, connectionsMax }),
            )
          ),
      });
    }
    return { rows: await inTurns(idle.metrics, contestants, context), absent };
  },
};

async function startLeecher(
  program: SwarmProgram,
  task: Parameters<SwarmProgram["leech"]>[0],
): Promise<RunningSeed> {
  const process = program.leech(task);
  const { port } = await process.waitForEvent("listening", LISTEN_LIMIT_MS);
  return { process, port: Number(port) };
}

async function measureIdle(
  context: PartContext,
  fixture: Fixture,
  starting: Promise<RunningSeed>,
): Promise<Figures> {
  const { process, port } = await starting;
  await using _ending = process;
  const torrent = await parseTorrent(await Deno.readFile(fixture.torrent));
  const { swarmHash, geometry } = torrent;
  using peers = await IdlePeers.connect(
    context.option("connections"),
    port,
    swarmHash,
    geometry.pieceCount,
  );
  await pause(context.option("settle-seconds"));
  const cpuBefore = await cpuSecondsOf(process.pid);
  const startMs = performance.now();
  await pause(context.option("seconds"));
  const cpu = await cpuSecondsOf(process.pid) - cpuBefore;
  return {
    cpu: cpu / (performance.now() - startMs) * 1e5,
    memory: await peakMebibytesOf(process.pid),
    connections: peers.connected,
  };
}

function pause(seconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000));
}
