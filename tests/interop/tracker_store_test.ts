/** Trackers on one Redis, which goes away and comes back; and on a cluster of three. */
import {
  announceHttp,
  type AnnounceRequest,
  RedisSwarmStore,
  type SwarmAnnounce,
  SwarmAnswer,
  TrackerClient,
} from "@enjambre/tracker";
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { eventually } from "../kit/deadline.ts";
import { REPOSITORY } from "../kit/enjambre.ts";
import { RunningProcess } from "../kit/running_process.ts";
import type { Scope } from "../kit/scoped.ts";
import { RedisServer, startRedisCluster } from "./redis.ts";
import { interopTest } from "./swarm.ts";

const LIMIT_MS = 30_000;
/** What an announce may take on a busy machine that is allowed a second. */
const PATIENCE_MS = 10_000;

/** A tracker on a store. */
interface Tracker {
  readonly process: RunningProcess;
  readonly port: number;
  readonly metricsPort: number;
  readonly announceUrl: string;
}

async function startTracker(scope: Scope, store: string): Promise<Tracker> {
  const process = await scope.use(RunningProcess.start(Deno.execPath(), [
    ...["run", "-A", "--unstable-net", "client/main.ts", "tracker", "--json", "--full-scrape"],
    ...["--hostname", "127.0.0.1", "--port", "0", "--metrics-port", "0", "--store", store],
  ], { cwd: REPOSITORY }));
  const { port, metricsPort } = await process.waitForEvent("listening", LIMIT_MS);
  return {
    process,
    port: Number(port),
    metricsPort: Number(metricsPort),
    announceUrl: `http://127.0.0.1:${port}/announce`,
  };
}

const infoHash = crypto.getRandomValues(new Uint8Array(20));

function requestOf(n: number, fields: Partial<AnnounceRequest> = {}): AnnounceRequest {
  return {
    infoHash,
    peerId: new Uint8Array(20).fill(n),
    port: 6880 + n,
    uploaded: 0,
    downloaded: 0,
    left: 1,
    event: "started",
    numWant: 50,
    ...fields,
  };
}

/** Announces; the ports of the peers that were given, and the warning. */
async function announce(
  tracker: Tracker,
  n: number,
  fields: Partial<AnnounceRequest> = {},
): Promise<{ ports: number[]; warning: string | null }> {
  const result = await announceHttp(tracker.announceUrl, requestOf(n, fields), {
    timeoutMs: PATIENCE_MS,
  });
  assert(result.ok);
  const ports = result.peers.map(({ port }) => port - 6880).sort((a, b) => a - b);
  return { ports, warning: result.warning };
}

async function textOf(url: string): Promise<string> {
  return await (await fetch(url)).text();
}

/** Waits until a tracker has said so often that its store is in reach, or out of it. */
async function untilStore(tracker: Tracker, isUp: boolean, times = 1): Promise<void> {
  await eventually(LIMIT_MS, `a store that is ${isUp ? "in" : "out of"} reach`, () => {
    const said = tracker.process.lines.filter((line) => (
      line.includes('"event":"store"') && line.includes(`"isUp":${isUp}`)
    ));
    return said.length >= times || null;
  });
}

await interopTest(
  "trackers on one Redis give the peers of each other, over HTTP and UDP",
  ["redis-server"],
  async (scope) => {
    const redis = await RedisServer.start(scope);
    const one = await startTracker(scope, redis.url);
    const two = await startTracker(scope, `${redis.url}/0`);
    assertEquals(await announce(one, 1, { left: 0 }), { ports: [], warning: null });
    assertEquals((await announce(two, 2)).ports, [1]);
    const client = new TrackerClient();
    try {
      const url = `udp://127.0.0.1:${one.port}/announce`;
      const found = await client.announce(url, requestOf(3));
      assert(found.ok);
      assertEquals(found.peers.map(({ port }) => port - 6880).sort(), [1, 2]);
      assertEquals([found.seeders, found.leechers], [1, 2]);
      const counts = await client.scrape(`udp://127.0.0.1:${two.port}/announce`, [infoHash]);
      assert(counts instanceof Map);
      assertEquals(counts.get(infoHash.toHex())?.seeders, 1);
    } finally {
      client.close();
    }
    await announce(two, 2, { event: "stopped" });
    assertEquals((await announce(one, 1)).ports, [3]);
    assertEquals(await textOf(`http://127.0.0.1:${one.port}/health`), "ok\n");
    const stats = JSON.parse(await textOf(`http://127.0.0.1:${one.port}/stats`));
    assertEquals([stats.store.isUp, stats.store.downSeconds], [true, 0]);
    assertStringIncludes(await textOf(`http://127.0.0.1:${two.port}/scrape`), "8:completei0e");
  },
);

await interopTest(
  "a tracker answers from its cache while Redis is dead, says so, and tells it all when it is back",
  ["redis-server"],
  async (scope) => {
    const redis = await RedisServer.start(scope);
    const one = await startTracker(scope, redis.url);
    const two = await startTracker(scope, redis.url);
    await announce(one, 1, { left: 0 });
    await announce(two, 2);
    await announce(two, 3, { left: 0 });
    assertEquals((await announce(one, 4)).ports, [1, 2, 3]);

    await redis.kill();
    await untilStore(one, false);
    // Who was seen last, and who announces meanwhile; a seed gets no seeds.
    const leecher = await announce(one, 5);
    assertEquals(leecher.ports, [1, 2, 3, 4]);
    assertStringIncludes(leecher.warning!, "out of reach");
    assertEquals((await announce(one, 6, { left: 0 })).ports, [2, 4, 5]);
    assertEquals((await announce(one, 5, { event: "completed", left: 0 })).ports, [2, 4]);
    assertEquals((await announce(one, 7)).ports, [1, 2, 3, 4, 5, 6]);
    assertEquals((await announce(one, 2, { event: "stopped" })).ports, []);
    for (let i = 0; i < 50; i++) await announce(one, 7, { event: "" });

    const health = await textOf(`http://127.0.0.1:${one.port}/health`);
    assertStringIncludes(health, "answering from a cache: the store has been out of reach for ");
    const stats = JSON.parse(await textOf(`http://127.0.0.1:${one.port}/stats`));
    assertEquals([stats.store.isUp, stats.store.keptAnnounces], [false, 4]);
    const metrics = await textOf(`http://127.0.0.1:${one.metricsPort}/metrics`);
    assertStringIncludes(metrics, "\ntracker_store_up 0\n");
    assertStringIncludes(metrics, "\ntracker_store_cache_answers_total 55\n");
    const warnings = one.process.errorLines.filter((line) => line.startsWith("warning:"));
    assertEquals(warnings.length, 1, warnings.join("\n"));

    await redis.startAgain();
    await untilStore(one, true);
    await untilStore(two, true);
    // The other tracker finds those that announced to this one meanwhile.
    const found = await announceHttp(two.announceUrl, requestOf(8));
    assert(found.ok);
    const ports = found.peers.map(({ port }) => port - 6880).sort((a, b) => a - b);
    assertEquals(ports, [1, 3, 4, 5, 6, 7]);
    assertEquals([found.seeders, found.leechers, found.warning], [4, 3, null]);
    const counts = (await textOf(`http://127.0.0.1:${two.port}/scrape`)).match(/downloadedi(\d+)e/);
    assertEquals(counts?.[1], "1");
    assertEquals(await textOf(`http://127.0.0.1:${one.port}/health`), "ok\n");
  },
);

await interopTest(
  "a tracker does not hang on a Redis that is stopped, nor on one that is not there at the start",
  ["redis-server"],
  async (scope) => {
    const redis = await RedisServer.start(scope);
    const tracker = await startTracker(scope, redis.url);
    await announce(tracker, 1);
    for (let round = 1; round <= 2; round++) {
      redis.signal("SIGSTOP");
      // Those that are under way when it stops, and many after them.
      const all = await Promise.all(
        Array.from({ length: 100 }, (_, i) => announce(tracker, i % 5 + 1, { event: "" })),
      );
      assert(all.every(({ warning }) => warning !== null));
      await untilStore(tracker, false, round);
      for (let i = 0; i < 20; i++) {
        assert((await announce(tracker, 2, { event: "" })).warning !== null);
      }
      redis.signal("SIGCONT");
      await untilStore(tracker, true, round);
      assertEquals(await announce(tracker, 1), { ports: [2, 3, 4, 5], warning: null });
    }

    await redis.kill();
    const late = await startTracker(scope, redis.url);
    await untilStore(late, false);
    await announce(late, 9, { left: 0 });
    assertEquals((await announce(late, 8)).ports, [9]);
    await redis.startAgain();
    await untilStore(late, true);
    assertEquals((await announce(late, 7)).ports, [1, 2, 3, 4, 5, 8, 9]);
  },
);

function swarmAnnounce(
  swarm: number,
  n: number,
  fields: Partial<SwarmAnnounce> = {},
): SwarmAnnounce {
  return {
    infoHash: new Uint8Array(20).fill(swarm),
    peerId: new Uint8Array(20).fill(n),
    address: new Uint8Array([10, 0, 0, n]),
    port: 6880 + n,
    key: 0,
    hostname: null,
    seed: false,
    event: "",
    numWant: 50,
    form: "compact",
    ...fields,
  };
}

await interopTest(
  "a store tells what it kept so that completions count and peers keep what is known later",
  ["redis-server", "redis-cli"],
  async (scope) => {
    const redis = await RedisServer.start(scope);
    await using store = await RedisSwarmStore.open(redis.url, { peerTtlMs: 1_000_000 });
    const tell = async (
      to: RedisSwarmStore,
      n: number,
      fields: Partial<SwarmAnnounce> = {},
    ): Promise<SwarmAnswer> => {
      const answer = new SwarmAnswer();
      await to.announce(swarmAnnounce(1, n, fields), performance.now(), answer);
      return answer;
    };
    for (const n of [1, 2, 3]) await tell(store, n);
    await redis.kill();
    await eventually(LIMIT_MS, "the loss", () => !store.health.isUp || null);
    for (const n of [1, 2]) await tell(store, n);
    await tell(store, 3, { event: "completed", seed: true });
    await tell(store, 3, { event: "stopped", seed: true });
    const six = new Uint8Array(16).fill(0x20);
    await tell(store, 4);
    await tell(store, 4, { address: six });
    assertEquals(store.health.keptAnnounces, 5);

    // What the other tracker says now comes before what was kept, or after it.
    await redis.startAgain();
    await using other = await RedisSwarmStore.open(redis.url, { peerTtlMs: 1_000_000 });
    await tell(other, 1, { event: "stopped" });
    await tell(other, 2, { event: "completed", seed: true });
    await eventually(LIMIT_MS, "the return", () => store.health.isUp || null);
    const answer = await tell(other, 5);
    assertEquals([answer.seeders, answer.leechers, answer.completed], [1, 2, 2]);
    assertEquals([answer.count4, answer.count6], [2, 1]);
  },
);

await interopTest(
  "a store is out of reach while its Redis takes no writes, or is no Redis",
  ["redis-server", "redis-cli"],
  async (scope) => {
    const redis = await RedisServer.start(scope);
    await using store = await RedisSwarmStore.open(redis.url, { peerTtlMs: 1_000_000 });
    const answer = new SwarmAnswer();
    const until = (isUp: boolean): Promise<true> => (
      eventually(LIMIT_MS, "the store", () => store.health.isUp === isUp || null)
    );
    // As the server that was the first becomes the second of two.
    await redis.command("REPLICAOF", "127.0.0.1", "1");
    await store.announce(swarmAnnounce(1, 1), 0, answer);
    assert(answer.warning !== null);
    assertStringIncludes(store.health.reason!, "READONLY");
    await redis.command("REPLICAOF", "NO", "ONE");
    await until(true);
    await store.announce(swarmAnnounce(1, 2), 0, answer);
    assertEquals([answer.count4, answer.warning], [1, null]);

    await redis.command("CONFIG", "SET", "requirepass", "sesame");
    const url = redis.url.replace("//", "//:wrong@");
    await using stranger = await RedisSwarmStore.open(url, { peerTtlMs: 1_000_000 });
    assert(!stranger.health.isUp);
    assertStringIncludes(stranger.health.reason!, "WRONGPASS");
    assertEquals(stranger.health.place, redis.url);
    const right = redis.url.replace("//", "//:sesame@");
    await using known = await RedisSwarmStore.open(right, { peerTtlMs: 1_000_000 });
    assert(known.health.isUp);
  },
);

await interopTest(
  "a store in a cluster has its swarms everywhere, and goes on with those whose server is there",
  ["redis-server", "redis-cli"],
  async (scope) => {
    const servers = await startRedisCluster(scope);
    const url = `redis://${servers.map(({ port }) => `127.0.0.1:${port}`).join(",")}`;
    await using store = await RedisSwarmStore.open(url, { peerTtlMs: 1_000_000 });
    await using other = await RedisSwarmStore.open(url, { peerTtlMs: 1_000_000 });
    assert(store.health.isUp, store.health.reason ?? "");
    const swarms = Array.from({ length: 60 }, (_, i) => i + 1);
    const announceAll = async (
      from: RedisSwarmStore,
      n: number,
    ): Promise<{ given: number[]; warned: number }> => {
      const answers = await Promise.all(swarms.map(async (swarm) => {
        const answer = new SwarmAnswer();
        await from.announce(swarmAnnounce(swarm, n), performance.now(), answer);
        return answer;
      }));
      const given = [...new Set(answers.map(({ count4 }) => count4))];
      return { given, warned: answers.filter(({ warning }) => warning !== null).length };
    };
    assertEquals(await announceAll(store, 1), { given: [0], warned: 0 });
    assertEquals(await announceAll(other, 2), { given: [1], warned: 0 });
    assertEquals((await other.scrapeAll(0)).length, swarms.length);
    const infoHashes = swarms.map((swarm) => swarmAnnounce(swarm, 1).infoHash);
    const counts = await store.scrape(infoHashes, 0);
    assert(counts.every((each) => each?.leechers === 2));
    for (const server of servers) {
      assert(Number((await server.command("DBSIZE"))[0]) > 0, "a server without swarms");
    }

    await servers[2]!.kill();
    await eventually(LIMIT_MS, "the loss", async () => {
      const { given, warned } = await announceAll(store, 3);
      assertEquals(Math.max(...given), 2);
      // A third of them, more or less; and of the others none.
      return warned > 0 && warned < swarms.length / 2 || null;
    });
    assert(!store.health.isUp);
    await servers[2]!.startAgain();
    await eventually(LIMIT_MS, "the return", () => store.health.isUp || null);
    await eventually(LIMIT_MS, "answers of all servers", async () => {
      const { given, warned } = await announceAll(store, 3);
      return given.length === 1 && given[0] === 2 && warned === 0 || null;
    });
    // What was announced meanwhile has been told.
    await eventually(LIMIT_MS, "the other store's answers", async () => {
      const { given, warned } = await announceAll(other, 4);
      if (warned > 0) return null;
      assertEquals(given, [3]);
      return true;
    });
  },
);
