/** The client side against real trackers, ours and opentracker, over HTTP and UDP; and `enjambre trackers`. */
import { encode } from "@enjambre/bencode";
import { type AnnounceRequest, TrackerClient } from "@enjambre/tracker";
import { assert, assertEquals } from "@std/assert";
import { within } from "../kit/deadline.ts";
import { REPOSITORY } from "../kit/enjambre.ts";
import { freePort, onFreePort } from "../kit/free_port.ts";
import { loopback } from "../kit/network.ts";
import { RunningProcess } from "../kit/running_process.ts";
import type { Scope } from "../kit/scoped.ts";
import { TempFolder } from "../kit/temp_folder.ts";
import { READY_LIMIT_MS } from "./peer_program.ts";
import { interopTest } from "./swarm.ts";
import { opentracker, type TrackerProgram } from "./tracker_program.ts";

const COMMAND_LIMIT_MS = 30_000;

/** Our tracker, with UDP, for which Deno wants a flag. */
const ourTracker: TrackerProgram = {
  name: "our tracker",
  requires: [],
  async start(scope, place, port) {
    const process = await scope.use(startOurs([
      ...["tracker", "--hostname", place.host, "--port", String(port)],
    ]));
    await process.waitForEvent("listening", READY_LIMIT_MS);
  },
};

function startOurs(args: readonly string[]): RunningProcess {
  const options = ["run", "-A", "--unstable-net", "client/main.ts", ...args, "--json"];
  return RunningProcess.start(Deno.execPath(), options, { cwd: REPOSITORY });
}

function requestOf(infoHash: Uint8Array, id: number, left: number): AnnounceRequest {
  return {
    infoHash,
    peerId: new Uint8Array(20).fill(id),
    port: 6880 + id,
    uploaded: 0,
    downloaded: 0,
    left,
    event: "started",
    numWant: 50,
    key: id,
  };
}

for (const tracker of [ourTracker, opentracker]) {
  for (const scheme of ["http", "udp"] as const) {
    await interopTest(
      `our client is found, counted and forgotten by ${tracker.name} over ${scheme}`,
      tracker.requires,
      async (scope) => {
        const infoHash = crypto.getRandomValues(new Uint8Array(20));
        const port = await onFreePort(async (port) => {
          await tracker.start(scope, loopback().left, port, infoHash);
          return port;
        });
        await checkLife(`${scheme}://127.0.0.1:${port}/announce`, infoHash);
      },
    );
  }
}

/** A seed and a leecher come, find each other, complete and go. */
async function checkLife(url: string, infoHash: Uint8Array): Promise<void> {
  const client = new TrackerClient();
  try {
    await client.probe(url);
    const seed = requestOf(infoHash, 1, 0);
    const leecher = requestOf(infoHash, 2, 1000);
    assert((await client.announce(url, seed)).ok);
    const found = await client.announce(url, leecher);
    assert(found.ok);
    assertEquals([found.seeders, found.leechers], [1, 1]);
    const others = found.peers.filter((peer) => peer.port !== leecher.port);
    assertEquals(others, [{ host: "127.0.0.1", port: seed.port, peerId: null }]);
    assert(found.intervalSeconds >= 60, `the interval is ${found.intervalSeconds} s`);
    assertEquals(await countsOf(client, url, infoHash), [1, 1]);
    await client.announce(url, { ...leecher, event: "completed", left: 0 });
    assertEquals(await countsOf(client, url, infoHash), [2, 0]);
    for (const request of [seed, leecher]) {
      await client.announce(url, { ...request, event: "stopped", left: 0, numWant: 0 });
    }
    assertEquals(await countsOf(client, url, infoHash), [0, 0]);
  } finally {
    client.close();
  }
}

async function countsOf(
  client: TrackerClient,
  url: string,
  infoHash: Uint8Array,
): Promise<[seeds: number, leechers: number]> {
  const counts = await client.scrape(url, [infoHash]);
  assert(counts instanceof Map);
  // opentracker leaves out what has nobody.
  const { seeders, leechers } = counts.get(infoHash.toHex()) ?? { seeders: 0, leechers: 0 };
  return [seeders ?? 0, leechers ?? 0];
}

await interopTest(
  "trackers tells of opentracker over both protocols, and of one that is down",
  opentracker.requires,
  async (scope) => {
    const info = { length: 1, name: "x", "piece length": 16384, pieces: new Uint8Array(20) };
    const infoHash = new Uint8Array(await crypto.subtle.digest("SHA-1", encode(info)));
    const port = await onFreePort(async (port) => {
      await opentracker.start(scope, loopback().left, port, infoHash);
      return port;
    });
    const folder = await scope.use(TempFolder.make());
    const torrent = folder.join("x.torrent");
    const urls = ["http", "udp"].map((scheme) => `${scheme}://127.0.0.1:${port}/announce`);
    const down = `http://127.0.0.1:${freePort()}/announce`;
    const list = [urls, [down]];
    await Deno.writeFile(torrent, encode({ "announce-list": list, info }));
    const client = new TrackerClient();
    await client.announce(urls[1]!, requestOf(infoHash, 1, 0));
    client.close();
    const rows = await rowsOf(scope, ["trackers", torrent, "--state", folder.path]);
    const seen = rows.map(({ tier, url, seeds, leechers, answers }) => [
      ...[tier, url, seeds, leechers, answers],
    ]);
    assertEquals(seen, [
      [1, urls[0], 1, 0, true],
      [1, urls[1], 1, 0, true],
      [2, down, null, null, false],
    ]);
    assertEquals(rows[2]!["lastError"], "connection refused");
    assert(rows.slice(0, 2).every(({ latencyMs }) => Number(latencyMs) > 0));
  },
);

/** Runs our command to its end, and gives the rows that it printed. */
async function rowsOf(scope: Scope, args: readonly string[]): Promise<Record<string, unknown>[]> {
  const process = await scope.use(startOurs(args));
  await within(COMMAND_LIMIT_MS, "the command to end", process.exited);
  return process.lines.map((line) => JSON.parse(line)).filter(({ event }) => event === "tracker");
}
