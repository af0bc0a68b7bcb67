/** Trackers are killed while clients download: the download does not pause, and no event is lost or told twice. */
import { assert, assertEquals } from "@std/assert";
import { freePort } from "../kit/free_port.ts";
import type { JsonEvent, RunningProcess } from "../kit/running_process.ts";
import { type Scope, scoped } from "../kit/scoped.ts";
import { TempFolder } from "../kit/temp_folder.ts";
import { DOWNLOAD_LIMIT_MS, lastEvent, NOTICE_LIMIT_MS } from "./disk_swarm.ts";
import { INTERVAL_SECONDS, RunningTracker, TrackedSwarm } from "./tracker_trio.ts";

const TEST_LIMIT_MS = 120_000;
const MB = 1_000_000;
/** What each leecher fetches in a second: the download lasts longer than the trackers do. */
const BYTES_PER_SECOND = MB;
/** How soon a client has announced to another tracker: the interval, and its failed try. */
const FAILOVER_LIMIT_MS = INTERVAL_SECONDS * 1000 + 10_000;
/** So many times as long as before a kill a download may be without progress after it. */
const PAUSE_FACTOR = 3;

/** When a download made progress. */
class ProgressLog {
  /** Resolves when all is there. */
  readonly done: Promise<void>;
  readonly #process: RunningProcess;
  readonly #bytes: number;
  readonly #atMs: number[] = [];

  constructor(process: RunningProcess, bytes: number) {
    this.#process = process;
    this.#bytes = bytes;
    this.done = this.#follow();
  }

  /** The longest time without progress, of what fell between two times. */
  longestGapMs(fromMs: number, toMs: number): number {
    let longestMs = 0;
    for (let i = 1; i < this.#atMs.length; i++) {
      const [before, at] = [this.#atMs[i - 1]!, this.#atMs[i]!];
      if (at > fromMs && before < toMs) longestMs = Math.max(longestMs, at - before);
    }
    return longestMs;
  }

  async #follow(): Promise<void> {
    for (let haveBytes = 0; haveBytes < this.#bytes;) {
      const isMore = (event: JsonEvent) => Number(event.haveBytes) > haveBytes;
      const event = await this.#process.waitForEvent("progress", DOWNLOAD_LIMIT_MS, isMore);
      haveBytes = Number(event.haveBytes);
      this.#atMs.push(performance.now());
    }
  }
}

/** The trackers that a client has announced to. */
function announcedTo(client: RunningProcess): string[] {
  const events = client.lines.filter((line) => line.startsWith('{"event":"announced"'));
  return events.map((line) => (JSON.parse(line) as JsonEvent).tracker as string);
}

/** Kills the tracker that a client announced to last; prints how long until it has announced to one of the others. */
async function killInUse(
  client: RunningProcess,
  port: number,
  trackers: RunningTracker[],
): Promise<void> {
  const inUse = announcedTo(client).at(-1);
  const [killed] = trackers.splice(trackers.findIndex(({ host }) => host === inUse), 1);
  await killed!.kill();
  const killMs = performance.now();
  await client.waitForLine(new RegExp(`announce failed: .*${inUse}`), FAILOVER_LIMIT_MS);
  const failedMs = performance.now();
  await Promise.any(trackers.map((each) => each.untilAnswered(port, FAILOVER_LIMIT_MS)));
  const nowMs = performance.now();
  console.log(
    `  killed ${inUse}: the next announce succeeded ${seconds(nowMs - killMs)} later, ` +
      `${(nowMs - failedMs).toFixed(0)} ms after the first that failed`,
  );
  const isElsewhere = ({ tracker }: JsonEvent) => trackers.some(({ host }) => host === tracker);
  await client.waitForEvent("announced", NOTICE_LIMIT_MS, isElsewhere);
}

/** Kills whichever tracker is in use, twice in one download. */
async function killTrackersInUse(
  swarm: TrackedSwarm,
  trackers: readonly RunningTracker[],
): Promise<void> {
  await swarm.seed("seed");
  const args = ["--seed", "--verbose", "--download-limit", String(BYTES_PER_SECOND)];
  const leechers = [
    await swarm.download("first", ...args),
    await swarm.download("second", ...args),
  ];
  const startMs = performance.now();
  const logs = leechers.map((leecher) => new ProgressLog(leecher, swarm.bytes));
  const client = leechers[0]!;
  const { port } = await client.waitForEvent("listening", NOTICE_LIMIT_MS);
  const hasBegun = ({ haveBytes }: JsonEvent) => Number(haveBytes) > 0.2 * swarm.bytes;
  await client.waitForEvent("progress", DOWNLOAD_LIMIT_MS, hasBegun);
  const killMs = performance.now();
  const left = [...trackers];
  for (let i = 0; i < 2; i++) await killInUse(client, Number(port), left);
  const { haveBytes } = lastEvent(client, "progress")!;
  assert(Number(haveBytes) < swarm.bytes, "the download was over before the trackers were");
  await Promise.all(logs.map(({ done }) => done));
  for (const log of logs) {
    const beforeMs = log.longestGapMs(startMs, killMs);
    const afterMs = log.longestGapMs(killMs, Infinity);
    console.log(
      `  longest time without progress: ${seconds(beforeMs)} before, ${seconds(afterMs)} after`,
    );
    assert(afterMs < PAUSE_FACTOR * Math.max(beforeMs, 1000), `a pause of ${seconds(afterMs)}`);
  }
  for (const leecher of leechers) await leecher.waitForEvent("complete", NOTICE_LIMIT_MS);
  for (const name of ["first", "second"]) await swarm.assertSame(name);
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(2)} s`;
}

async function startThree(scope: Scope): Promise<RunningTracker[]> {
  return await Promise.all([1, 2, 3].map(() => RunningTracker.start(scope)));
}

/** Three that tell one another of every announce. */
async function startCluster(scope: Scope): Promise<RunningTracker[]> {
  const folder = await scope.use(TempFolder.make());
  const secretFile = folder.join("secret");
  await Deno.writeTextFile(secretFile, crypto.randomUUID());
  const ports = [freePort(), freePort(), freePort()];
  const addresses = ports.map((port) => `127.0.0.1:${port}`);
  return await Promise.all(addresses.map((own, i) =>
    RunningTracker.start(scope, [
      ...["--cluster", addresses.filter((each) => each !== own).join(",")],
      ...["--cluster-hostname", "127.0.0.1", "--cluster-port", String(ports[i])],
      ...["--cluster-secret-file", secretFile],
    ])
  ));
}

Deno.test("kill -9 of the tracker in use, twice in one download: it does not pause", () =>
  scoped(TEST_LIMIT_MS, async (scope) => {
    const trackers = await startThree(scope);
    // Each is a tier of its own, so that all clients use the same one: they know nothing of each other.
    const tiers = trackers.map(({ url }) => [url]);
    const swarm = await TrackedSwarm.make(scope, 16 * MB, tiers);
    await killTrackersInUse(swarm, trackers);
  }));

Deno.test("kill -9 of the tracker in use, of three that replicate to one another: the same", () =>
  scoped(TEST_LIMIT_MS, async (scope) => {
    const trackers = await startCluster(scope);
    // One tier: each client uses the tracker that answers it first.
    const swarm = await TrackedSwarm.make(scope, 16 * MB, [trackers.map(({ url }) => url)]);
    await killTrackersInUse(swarm, trackers);
  }));

for (const end of ["SIGINT", "SIGKILL"] as const) {
  Deno.test(`a completion that no tracker heard of is told at the next start, once, after ${end}`, () =>
    scoped(TEST_LIMIT_MS, async (scope) => {
      const trackers = [await RunningTracker.start(scope), await RunningTracker.start(scope)];
      const swarm = await TrackedSwarm.make(scope, 4 * MB, [trackers.map(({ url }) => url)]);
      const heard = (event: string) => trackers.map((tracker) => tracker.heard(event));
      const sum = (event: string) => heard(event).reduce((a, b) => a + b, 0);
      const { port } = await swarm.seed("seed");
      const args = ["--peer", `127.0.0.1:${port}`, "--download-limit", String(BYTES_PER_SECOND)];
      const download = await swarm.download("first", "--seed", ...args);
      await download.waitForEvent("announced", NOTICE_LIMIT_MS);
      for (const tracker of trackers) await tracker.kill();
      await download.waitForEvent("complete", DOWNLOAD_LIMIT_MS);
      await download.end(end);
      for (const tracker of trackers) await tracker.restart();

      // Its first life as a seed, and another one, which has nothing to tell any more.
      for (let life = 1; life <= 2; life++) {
        const { process } = await swarm.seed("first");
        await process.waitForEvent("announced", NOTICE_LIMIT_MS);
        await process.end("SIGINT");
        assertEquals([sum("completed"), sum("stopped")], [1, life], `${heard("completed")}`);
      }
    }));
}
