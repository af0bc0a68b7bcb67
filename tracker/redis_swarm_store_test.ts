/** The store in a real Redis, which has to be installed: without it these tests are ignored, and say so. */
import { assert, assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { isImpostor, packAnnounce } from "./_redis_codec.ts";
import { loadRedisLibrary, RedisConnection } from "./_redis_connection_deno.ts";
import { SWARM_SCRIPT } from "./_redis_script.ts";
import { RedisSwarmStore } from "./redis_swarm_store_deno.ts";
import {
  announce,
  id,
  peer,
  portsOf,
  testSwarmStore,
  TTL_MS,
} from "./swarm_store_conformance_test.ts";
import { parseStoreUrl } from "./store_url.ts";
import { IMPOSTOR_REFUSAL, type SwarmAnnounce, SwarmAnswer } from "./swarm_store.ts";

const ATTEMPTS_MAX = 5;
const MISSING = "redis-server is not installed";

/** Whether there is a Redis to test with; with `REQUIRE_PEERS=1` there has to be. */
function isRedisInstalled(): boolean {
  try {
    return new Deno.Command("redis-server", {
      args: ["--version"],
      stdout: "null",
      stderr: "null",
    }).outputSync().success;
  } catch {
    return false;
  }
}

/** A Redis of its own, which keeps nothing on disk. */
class RedisServer implements AsyncDisposable {
  readonly port: number;
  readonly #child: Deno.ChildProcess;

  private constructor(port: number, child: Deno.ChildProcess) {
    this.port = port;
    this.#child = child;
  }

  static async start(): Promise<RedisServer> {
    for (let attempt = 1;; attempt++) {
      using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
      const { port } = listener.addr as Deno.NetAddr;
      listener.close();
      const child = new Deno.Command("redis-server", {
        args: [
          ...["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"],
        ],
        stdout: "piped",
        stderr: "null",
      }).spawn();
      let said = "";
      const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
      while (!said.includes("Ready to accept connections")) {
        const { value, done } = await reader.read();
        if (done) break;
        said += value;
      }
      reader.releaseLock();
      if (said.includes("Ready to accept connections")) return new RedisServer(port, child);
      await child.status;
      // Somebody else took the port meanwhile.
      if (attempt === ATTEMPTS_MAX) throw new Error(`Cannot start redis-server: it said ${said}`);
    }
  }

  /** Sends a command, and waits for an answer. */
  async send(...words: string[]): Promise<string> {
    using conn = await Deno.connect({ hostname: "127.0.0.1", port: this.port });
    await conn.write(new TextEncoder().encode(`${words.join(" ")}\r\n`));
    const room = new Uint8Array(65_536);
    return new TextDecoder().decode(room.subarray(0, (await conn.read(room)) ?? 0));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#child.stdout.cancel().catch(() => {});
    await this.#child.status;
  }
}

if (!isRedisInstalled()) {
  const ignore = Deno.env.get("REQUIRE_PEERS") !== "1";
  Deno.test({
    name: `RedisSwarmStore is not tested: ${MISSING}`,
    ignore,
    fn: () => {
      throw new Error(`Cannot run with REQUIRE_PEERS=1: ${MISSING}`);
    },
  });
} else testWithRedis();

function testWithRedis(): void {
  let server: RedisServer;
  Deno.test.beforeAll(async () => {
    server = await RedisServer.start();
  });
  Deno.test.afterAll(() => server[Symbol.asyncDispose]());
  const open = (): Promise<RedisSwarmStore> => (
    RedisSwarmStore.open(`redis://127.0.0.1:${server.port}`, {
      peerTtlMs: TTL_MS,
      clock: "caller",
    })
  );
  const openEmpty = async (): Promise<RedisSwarmStore> => {
    const store = await open();
    await server.send("FLUSHALL");
    return store;
  };

  testSwarmStore("RedisSwarmStore", {
    make: openEmpty,
    close: (store) => (store as RedisSwarmStore).close(),
  });

  const redisTest = (name: string, run: (store: RedisSwarmStore) => Promise<void>): void => {
    Deno.test(`RedisSwarmStore ${name}`, async () => {
      const store = await openEmpty();
      try {
        await run(store);
      } finally {
        await store.close();
      }
    });
  };

  redisTest("gives the peers that came to another tracker", async (store) => {
    const other = await open();
    try {
      await announce(store, peer(1, { hostname: "one" }));
      assertEquals((await announce(other, peer(2))).peers, [
        { host: "one", port: 1001, peerId: id(1) },
      ]);
      await announce(other, peer(1, { seed: true, event: "completed" }));
      await announce(store, peer(1, { seed: true, event: "completed" }));
      assertEquals(await store.scrape([id(1)], 0), [{ seeders: 1, completed: 1, leechers: 1 }]);
    } finally {
      await other.close();
    }
  });

  redisTest("has many announces under way at once, each answered for itself", async (store) => {
    const answers = await Promise.all(
      Array.from({ length: 300 }, (_, n) => announce(store, peer(n, { infoHash: id(n % 7) }))),
    );
    assertEquals(answers.map(({ leechers }) => leechers).sort((a, b) => b - a)[0], 43);
    const counts = await store.scrape(Array.from({ length: 7 }, (_, n) => id(n)), 0);
    assertEquals(counts.map((each) => each?.leechers), [43, 43, 43, 43, 43, 43, 42]);
    assertEquals((await store.scrapeAll(0)).length, 7);
  });

  redisTest("goes on when Redis has forgotten its script", async (store) => {
    await announce(store, peer(1));
    await server.send("SCRIPT", "FLUSH");
    const answer = await announce(store, peer(2));
    assertEquals([portsOf(answer), answer.warning, store.health.isUp], [[1], null, true]);
  });

  redisTest("has each swarm in one slot, and leaves nothing behind", async (store) => {
    await announce(store, peer(1));
    await announce(store, peer(2, { seed: true, event: "completed" }));
    const keys = (await server.send("KEYS", "*")).match(/enjambre:\S+/g)!.sort();
    const tag = `{${id(1).toHex()}}`;
    assertEquals(keys, ["c", "l", "s", "t"].map((key) => `enjambre:${tag}:${key}`));
    for (const key of keys) {
      const ttlMs = Number((await server.send("PTTL", key)).slice(1));
      assert(ttlMs > TTL_MS, `${key} lives for ${ttlMs} ms`);
    }
    await announce(store, peer(1, { event: "stopped" }));
    await announce(store, peer(2, { event: "stopped" }));
    // But that they stopped, for a while.
    assertEquals((await server.send("KEYS", "*")).match(/enjambre:\S+/g), [`enjambre:${tag}:g`]);
    assert(Number((await server.send("PTTL", `enjambre:${tag}:g`)).slice(1)) > 0);
  });

  redisTest("forgets who stopped when it would have forgotten them for silence", async (store) => {
    for (const n of [1, 2]) await announce(store, peer(n, { event: "stopped" }), n * 1000);
    assertEquals(await server.send("ZCARD", keyOf("g")), ":1\r\n");
  });

  redisTest("loses nothing that came later to announces that are told late", async (store) => {
    const seed = { seed: true };
    for (const n of [1, 2, 3, 5, 6]) await announce(store, peer(n), 100);
    await announce(store, peer(1, { event: "stopped" }), 300);
    await announce(store, peer(2, seed), 300);
    await announce(store, peer(3, seed), 300);
    await announce(store, peer(9, { event: "stopped" }), 300);
    await using late = await openLate(server.port);
    // Of 200: who stopped since stays away, who has it all stays a seed, whom nobody knows gets in.
    await late.tell(peer(1), 400, 200);
    await late.tell(peer(9, { event: "started" }), 400, 200);
    await late.tell(peer(2), 400, 200);
    await late.tell(peer(3, { event: "completed" }), 400, 200);
    await late.tell(peer(3, { event: "completed" }), 400, 200);
    await late.tell(peer(2, { event: "stopped" }), 400, 200);
    await late.tell(peer(4), 400, 200);
    // Nothing later is known of these.
    await late.tell(peer(5, seed), 400, 200);
    await late.tell(peer(6, { event: "stopped" }), 400, 200);
    assertEquals(await store.scrape([id(1)], 400), [{ seeders: 3, completed: 1, leechers: 1 }]);
    assertEquals(portsOf(await announce(store, peer(8), 400)), [2, 3, 4, 5]);
    // Who comes back after it stopped is a peer, and is silent since 300 at most.
    await announce(store, peer(1), 400);
    assertEquals(portsOf(await announce(store, peer(8), 1250)), [1, 2, 3]);
  });

  redisTest("keeps its peers from others with their ids that are told late", async (store) => {
    await announce(store, peer(1, { key: 7 }), 100);
    await using late = await openLate(server.port);
    const address = new Uint8Array([10, 6, 6, 6]);
    assert(isImpostor(await late.tell(peer(1, { key: 8, address, event: "stopped" }), 400, 200)));
    assertEquals((await store.scrape([id(1)], 400))[0]?.leechers, 1);
  });

  redisTest("has its script in Redis before it is asked anything", async () => {
    await server.send("SCRIPT", "FLUSH");
    const hash = createHash("sha1").update(SWARM_SCRIPT).digest("hex");
    assertEquals(await server.send("SCRIPT", "EXISTS", hash), "*1\r\n:0\r\n");
    await (await open()).close();
    assertEquals(await server.send("SCRIPT", "EXISTS", hash), "*1\r\n:1\r\n");
  });

  Deno.test("RedisSwarmStore refuses and keeps nothing of another one's peer id while Redis is away", async () => {
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const url = `redis://127.0.0.1:${(listener.addr as Deno.NetAddr).port}`;
    listener.close();
    await using store = await RedisSwarmStore.open(url, { peerTtlMs: TTL_MS });
    await announce(store, peer(1, { key: 7 }));
    const answer = new SwarmAnswer();
    const fields = { key: 8, address: new Uint8Array(16).fill(0x20), event: "stopped" } as const;
    await store.announce(peer(1, fields), 0, answer);
    assertEquals([answer.refusal, store.health.keptAnnounces], [IMPOSTOR_REFUSAL, 1]);
  });

  redisTest("keeps what was read of a swarm when a peer id is not its own", async (store) => {
    await announce(store, peer(1, { key: 7 }));
    const answer = new SwarmAnswer();
    const impostor = peer(1, { key: 8, address: new Uint8Array([10, 6, 6, 6]) });
    await store.announce(impostor, 0, answer);
    assert(answer.refusal !== null);
    assertEquals([store.health.isUp, answer.warning], [true, null]);
  });

  Deno.test("RedisSwarmStore has Redis forget by its own clock", async () => {
    await server.send("FLUSHALL");
    const store = await RedisSwarmStore.open(`redis://127.0.0.1:${server.port}`, { peerTtlMs: 1 });
    try {
      await announce(store, peer(1));
      const [, secondsText] = /^\*2\r\n\$\d+\r\n(\d+)/.exec(await server.send("TIME"))!;
      const score = Number(
        (await server.send("ZSCORE", keyOf("t"), peerIdText())).split("\r\n")[1],
      );
      assert(Math.abs(score / 1000 - Number(secondsText)) < 2, `${score} against ${secondsText}`);
    } finally {
      await store.close();
    }
  });
}

/** What tells of announces as a tracker does that was cut off. */
interface LateTracker extends AsyncDisposable {
  /** Tells at `nowMs` what was announced `ageMs` before. */
  tell(late: SwarmAnnounce, nowMs: number, ageMs: number): Promise<Uint8Array>;
}

async function openLate(port: number): Promise<LateTracker> {
  const library = await loadRedisLibrary();
  const place = parseStoreUrl(`redis://127.0.0.1:${port}`);
  const connection = await RedisConnection.open(library, place, 10_000, () => {});
  return {
    tell: (late, nowMs, ageMs) => {
      const packed = Buffer.from(packAnnounce(late, () => 0, ageMs).buffer);
      return connection.run(id(1).toHex(), [String(TTL_MS), String(nowMs), packed]);
    },
    [Symbol.asyncDispose]: () => Promise.resolve(connection.close()),
  };
}

function keyOf(name: string): string {
  return `enjambre:{${id(1).toHex()}}:${name}`;
}

/** The id of peer 1 as a word of a command. */
function peerIdText(): string {
  return `"${Array.from(id(1), (byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join("")}"`;
}
