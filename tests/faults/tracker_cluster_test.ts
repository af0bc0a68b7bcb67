/** Trackers that replicate to one another, as processes: how soon, after a `kill -9`, after a pause, and who may not. */
import { assert, assertEquals } from "@std/assert";
import { announceHttp, scrapeHttp, type TrackerEvent, UdpTrackerClient } from "@enjambre/tracker";
import { eventually } from "../kit/deadline.ts";
import { REPOSITORY } from "../kit/enjambre.ts";
import { RunningProcess } from "../kit/running_process.ts";
import { type Scope, scoped } from "../kit/scoped.ts";
import { TempFolder } from "../kit/temp_folder.ts";

const TEST_LIMIT_MS = 120_000;
const LIMIT_MS = 30_000;
/** What the group promises, at p99. */
const KNOWN_MS_MAX = 2000;
const ANNOUNCES = 200;

const infoHash = new Uint8Array(20).fill(7);

/** One tracker of a group. */
interface ClusterTracker {
  readonly process: RunningProcess;
  readonly url: string;
  /** Where the others reach it. */
  readonly address: string;
}

async function start(
  scope: Scope,
  secretFile: string,
  others: readonly string[],
  args: readonly string[] = [],
): Promise<ClusterTracker> {
  const process = await scope.use(RunningProcess.start(
    Deno.execPath(),
    [
      ...["run", "-A", "--unstable-net", "client/main.ts", "tracker", "--json"],
      ...["--hostname", "127.0.0.1", "--port", "0", "--cluster-secret-file", secretFile],
      ...(others.length === 0 ? [] : ["--cluster", others.join(",")]),
      ...(args.includes("--cluster-port") ? [] : ["--cluster-port", "0"]),
      ...args,
    ],
    { cwd: REPOSITORY },
  ));
  const { port, cluster } = await process.waitForEvent("listening", LIMIT_MS);
  return { process, url: `http://127.0.0.1:${port}/announce`, address: String(cluster) };
}

/** Starts three that know one another: the first of them is told of nobody. */
async function startThree(scope: Scope, secretFile: string): Promise<ClusterTracker[]> {
  const first = await start(scope, secretFile, []);
  const second = await start(scope, secretFile, [first.address], ["--workers", "2"]);
  const third = await start(scope, secretFile, [first.address]);
  for (const { process } of [first, second, third]) {
    await process.waitForEvent("cluster", LIMIT_MS, ({ members }) => members === 2);
  }
  return [first, second, third];
}

async function announce(at: ClusterTracker, peer: number, event: TrackerEvent): Promise<void> {
  const peerId = new Uint8Array(20).fill(peer & 255).fill(peer >> 8, 10);
  const request = { infoHash, peerId, port: 1000 + peer, uploaded: 0, downloaded: 0, left: 1 };
  const result = await announceHttp(at.url, { ...request, event, numWant: 0 });
  assert(result.ok);
}

/** How many peers a tracker knows in the swarm. */
async function countAt({ url }: ClusterTracker): Promise<number> {
  const result = await scrapeHttp(url, [infoHash]);
  assert(result instanceof Map);
  const counts = result.get(infoHash.toHex());
  return (counts?.leechers ?? 0) + (counts?.seeders ?? 0);
}

/** Asks until a tracker knows so many peers. */
async function untilKnows(tracker: ClusterTracker, count: number): Promise<void> {
  await eventually(
    LIMIT_MS,
    `${count} peers at ${tracker.url}`,
    async () => await countAt(tracker) === count ? true : null,
  );
}

async function receivedBytes({ url }: ClusterTracker): Promise<number> {
  const stats = await (await fetch(url.replace("announce", "stats"))).json();
  return stats.cluster.bytesReceived;
}

async function secretIn(folder: TempFolder, name: string, secret: string): Promise<string> {
  await Deno.writeTextFile(folder.join(name), `${secret}\n`);
  return folder.join(name);
}

Deno.test("three trackers: an announce at one is known at the others within 2 s, and so is a stop", () =>
  scoped(TEST_LIMIT_MS, async (scope) => {
    const folder = await scope.use(TempFolder.make());
    const trackers = await startThree(scope, await secretIn(folder, "secret", "xyzzy"));
    const tookMs: number[] = [];
    for (let peer = 1; peer <= ANNOUNCES; peer++) {
      const at = trackers[peer % 3]!;
      await announce(at, peer, "started");
      const beganMs = performance.now();
      await Promise.all(
        trackers.filter((each) => each !== at).map(async (other) => {
          while (await countAt(other) !== peer) {
            assert(performance.now() < beganMs + LIMIT_MS, `announce ${peer} did not come`);
          }
          tookMs.push(performance.now() - beganMs);
        }),
      );
    }
    tookMs.sort((one, other) => one - other);
    const at = (part: number): number => Math.round(tookMs[Math.floor(tookMs.length * part)]!);
    console.log(
      `  of ${ANNOUNCES} announces, known at the others: p50 ${at(0.5)} ms, p99 ${at(0.99)} ms`,
    );
    assert(at(0.99) <= KNOWN_MS_MAX);

    // Peers stop at another tracker than the one that knows them.
    for (let peer = 1; peer <= 20; peer++) {
      await announce(trackers[(peer + 1) % 3]!, peer, "stopped");
    }
    for (const tracker of trackers) await untilKnows(tracker, ANNOUNCES - 20);
    // Over UDP all the same.
    const peerId = new Uint8Array(20).fill(255);
    const request = { infoHash, peerId, port: 1, uploaded: 0, downloaded: 0, left: 0, numWant: 0 };
    const udp = new UdpTrackerClient();
    const url = trackers[0]!.url.replace("http", "udp");
    const told = await udp.announce(url, { ...request, event: "completed" });
    udp.close();
    assert(told.ok);
    for (const tracker of trackers) await untilKnows(tracker, ANNOUNCES - 19);
    const scraped = await scrapeHttp(trackers[1]!.url, [infoHash]);
    assertEquals(scraped instanceof Map && scraped.get(infoHash.toHex())?.completed, 1);
  }));

Deno.test("three trackers: one that was killed, and one that was paused, take what they lack", () =>
  scoped(TEST_LIMIT_MS, async (scope) => {
    const folder = await scope.use(TempFolder.make());
    const secretFile = await secretIn(folder, "secret", "xyzzy");
    const [first, second, third] = await startThree(scope, secretFile) as [
      ClusterTracker,
      ClusterTracker,
      ClusterTracker,
    ];
    for (let peer = 1; peer <= 100; peer++) await announce(first, peer, "started");
    await announce(third, 101, "started");
    await untilKnows(second, 101);
    await third.process.end("SIGKILL");
    for (let peer = 102; peer <= 121; peer++) await announce(second, peer, "started");
    // What it heard itself is known to the others, and a peer may stop there.
    await announce(first, 101, "stopped");
    const beganMs = performance.now();
    const port = third.address.split(":")[1]!;
    const again = await start(scope, secretFile, [first.address], ["--cluster-port", port]);
    await untilKnows(again, 120);
    const tookMs = Math.round(performance.now() - beganMs);
    const fullBytes = await receivedBytes(again);
    console.log(`  killed and started again: 120 peers after ${tookMs} ms, ${fullBytes} bytes`);
    await announce(again, 200, "started");
    await untilKnows(first, 121);

    again.process.signal("SIGSTOP");
    for (let peer = 1; peer <= 10; peer++) await announce(first, peer, "stopped");
    for (let peer = 201; peer <= 205; peer++) await announce(second, peer, "started");
    await untilKnows(first, 116);
    again.process.signal("SIGCONT");
    await untilKnows(again, 116);
    const bytes = await receivedBytes(again) - fullBytes;
    console.log(`  paused while 15 things were announced: ${bytes} bytes`);
    assert(bytes < fullBytes / 2);
  }));

Deno.test("three trackers: one with another secret learns nothing and tells nothing, and that is said", () =>
  scoped(TEST_LIMIT_MS, async (scope) => {
    const folder = await scope.use(TempFolder.make());
    const [right, wrong] = [
      await secretIn(folder, "right", "xyzzy"),
      await secretIn(folder, "wrong", "plugh"),
    ];
    const first = await start(scope, right, []);
    const second = await start(scope, right, [first.address]);
    const stranger = await start(scope, wrong, [first.address]);
    await announce(stranger, 1, "started");
    await announce(first, 2, "started");
    await stranger.process.waitForEvent(
      "cluster-refused",
      LIMIT_MS,
      ({ from }) => from === first.address,
    );
    await first.process.waitForEvent(
      "cluster-refused",
      LIMIT_MS,
      ({ from }) => from === "127.0.0.1",
    );
    await first.process.waitForLine(/does not share the secret of the cluster/, LIMIT_MS);
    await announce(second, 3, "started");
    for (const tracker of [first, second]) await untilKnows(tracker, 2);
    assertEquals(await countAt(stranger), 1);
  }));
