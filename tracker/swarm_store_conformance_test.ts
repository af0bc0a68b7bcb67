/** What every {@link SwarmStore} has to do; each implementation's test calls {@link testSwarmStore}. */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { formatIp, parseIp } from "./address.ts";
import {
  COMPACT4_BYTES,
  COMPACT6_BYTES,
  NUM_WANT_MAX,
  type SwarmAnnounce,
  SwarmAnswer,
  type SwarmStore,
} from "./swarm_store.ts";

/** How long a peer may be silent in the stores that are tested. */
export const TTL_MS = 1000;

/** Makes an empty store with {@link TTL_MS} for a test, and takes it away. */
export interface StoreMaker {
  /** Makes it. */
  make(): SwarmStore | Promise<SwarmStore>;
  /** Takes away what `make` made. */
  close?(store: SwarmStore): void | Promise<void>;
}

/** An id of 20 bytes. */
export function id(n: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(20).fill(n & 255).fill(n >> 8, 0, 10);
}

/** Peer `n` of swarm 1 at 10.0.0.n, port 1000 + n; a leecher that asks for a list. */
export function peer(n: number, fields: Partial<SwarmAnnounce> = {}): SwarmAnnounce {
  return {
    infoHash: id(1),
    peerId: id(n),
    address: new Uint8Array([10, 0, n >> 8, n & 255]),
    port: 1000 + n,
    key: 0,
    hostname: null,
    seed: false,
    event: "",
    numWant: 50,
    form: "list",
    ...fields,
  };
}

/** Announces, and gives the answer, which must not be a refusal. */
export async function announce(
  store: SwarmStore,
  swarmPeer: SwarmAnnounce,
  nowMs = 0,
): Promise<SwarmAnswer> {
  const answer = new SwarmAnswer();
  await store.announce(swarmPeer, nowMs, answer);
  assertEquals(answer.refusal, null);
  return answer;
}

/** Which peers (by their `n`) a list holds. */
export function portsOf(answer: SwarmAnswer): number[] {
  return answer.peers.map(({ port }) => port - 1000).sort((a, b) => a - b);
}

/** The compact peers of an answer as text, sorted. */
export function compactOf(answer: SwarmAnswer): string[] {
  const texts: string[] = [];
  const read = (compact: Uint8Array, count: number, bytes: number): void => {
    for (let at = 0; at < count * bytes; at += bytes) {
      const port = compact[at + bytes - 2]! << 8 | compact[at + bytes - 1]!;
      texts.push(`${formatIp(compact.slice(at, at + bytes - 2))} ${port}`);
    }
  };
  read(answer.compact4, answer.count4, COMPACT4_BYTES);
  read(answer.compact6, answer.count6, COMPACT6_BYTES);
  return texts.sort();
}

/** Registers the tests of one implementation. */
export function testSwarmStore(name: string, maker: StoreMaker): void {
  const storeTest = (what: string, run: (store: SwarmStore) => Promise<void>): void => {
    Deno.test(`${name} ${what}`, async () => {
      const store = await maker.make();
      try {
        await run(store);
      } finally {
        await maker.close?.(store);
      }
    });
  };

  storeTest("gives each peer the others, and counts them", async (store) => {
    assertEquals((await announce(store, peer(1))).peers, []);
    const second = await announce(store, peer(2, { seed: true }));
    assertEquals(second.peers, [{ host: "10.0.0.1", port: 1001, peerId: id(1) }]);
    assertEquals([second.seeders, second.leechers], [1, 1]);
    assertEquals(portsOf(await announce(store, peer(1))), [2]);
    assertEquals(portsOf(await announce(store, peer(3, { infoHash: id(9) }))), []);
    const counts = { seeders: 1, completed: 0, leechers: 1 };
    assertEquals(await store.scrape([id(1), id(8)], 0), [counts, null]);
  });

  storeTest("drops an address of a family that is no longer announced", async (store) => {
    const six = { address: new Uint8Array(16).fill(0x20) };
    await announce(store, peer(1, six));
    const addresses = async () => compactOf(await announce(store, peer(2, { form: "compact" })));
    for (let i = 0; i < 4; i++) await announce(store, peer(1));
    assertEquals((await addresses()).length, 2);
    // It is heard of again, and counts again.
    await announce(store, peer(1, six));
    for (let i = 0; i < 4; i++) await announce(store, peer(1));
    assertEquals((await addresses()).length, 2);
    await announce(store, peer(1));
    assertEquals(await addresses(), ["10.0.0.1 1001"]);
  });

  storeTest("offers a seed no other seeds", async (store) => {
    for (let n = 1; n <= 4; n++) await announce(store, peer(n, { seed: n > 2 }));
    assertEquals(portsOf(await announce(store, peer(4, { seed: true }))), [1, 2]);
    assertEquals(portsOf(await announce(store, peer(1))), [2, 3, 4]);
    await announce(store, peer(1, { seed: true, event: "completed" }));
    assertEquals(portsOf(await announce(store, peer(4, { seed: true }))), [2]);
  });

  storeTest("gives as many peers as are wanted, 200 at most, never one twice", async (store) => {
    for (let n = 1; n <= 300; n++) await announce(store, peer(n, { numWant: 0 }));
    for (
      const [numWant, given] of [[0, 0], [1, 1], [50, 50], [1e9, NUM_WANT_MAX], [-1, 0]] as const
    ) {
      const ports = portsOf(await announce(store, peer(7, { numWant })));
      assertEquals(ports.length, given);
      assertEquals(new Set(ports).size, given);
      assert(!ports.includes(7));
      const compact = compactOf(await announce(store, peer(7, { numWant, form: "compact" })));
      assertEquals(compact.length, given);
      assertEquals(new Set(compact).size, given);
    }
  });

  storeTest("chooses at random: every peer has its turn", async (store) => {
    for (let n = 1; n <= 20; n++) await announce(store, peer(n));
    const seen = new Array<number>(21).fill(0);
    for (let i = 0; i < 1900; i++) {
      for (const n of portsOf(await announce(store, peer(1, { numWant: 3 })))) {
        seen[n] = seen[n]! + 1;
      }
    }
    // 300 each on average; that one is below 200 or above 400 happens once in 10^8 runs.
    for (let n = 2; n <= 20; n++) assert(seen[n]! > 200 && seen[n]! < 400, `${n}: ${seen[n]}`);
  });

  storeTest("knows a peer by its id: the last announce counts", async (store) => {
    await announce(store, peer(1));
    await announce(store, peer(1, { address: parseIp("10.9.9.9")!, port: 5, hostname: "h" }));
    const answer = await announce(store, peer(2));
    assertEquals(answer.peers, [{ host: "h", port: 5, peerId: id(1) }]);
    assertEquals(answer.leechers, 2);
    assertEquals(compactOf(await announce(store, peer(2, { form: "compact" }))), ["10.9.9.9 5"]);
  });

  storeTest("keeps an address of either family", async (store) => {
    const six = { address: parseIp("2001:db8::1")! };
    await announce(store, peer(1, { key: 7 }));
    await announce(store, peer(1, { ...six, key: 7 }));
    const ask = async (form: SwarmAnnounce["form"]) => {
      const answer = await announce(store, peer(2, { form }));
      assertEquals(answer.leechers, 2);
      return compactOf(answer);
    };
    assertEquals(await ask("compact"), ["10.0.0.1 1001", "2001:db8::1 1001"]);
    assertEquals(await ask("compact4"), ["10.0.0.1 1001"]);
    assertEquals(await ask("compact6"), ["2001:db8::1 1001"]);
    assertEquals((await announce(store, peer(2))).peers[0]?.host, "10.0.0.1");
    assertEquals((await announce(store, peer(3, six))).peers.map(({ host }) => host).sort(), [
      "10.0.0.2",
      "2001:db8::1",
    ]);
  });

  storeTest("fills an answer of one family though most peers have the other", async (store) => {
    for (let n = 1; n <= 60; n++) {
      const address = n % 10 === 0 ? undefined : parseIp(`2001:db8::${n}`)!;
      await announce(store, peer(n, address === undefined ? {} : { address }));
    }
    const four = await announce(store, peer(99, { form: "compact4", numWant: 6 }));
    assertEquals([four.count4, four.count6], [6, 0]);
    const six = await announce(store, peer(99, { form: "compact6", numWant: 50 }));
    assertEquals([six.count4, six.count6], [0, 50]);
  });

  storeTest("lets a peer move with its key, and nobody without it", async (store) => {
    await announce(store, peer(1, { key: 0x8badf00d }));
    const refusalOf = async (fields: Partial<SwarmAnnounce>): Promise<string | null> => {
      const answer = new SwarmAnswer();
      await store.announce(peer(1, { address: parseIp("10.6.6.6")!, ...fields }), 0, answer);
      return answer.refusal;
    };
    assertEquals(await refusalOf({ key: 1 }), "another peer has this peer id; its key differs");
    assert(await refusalOf({}) !== null);
    assert(await refusalOf({ event: "stopped" }) !== null);
    const before = await announce(store, peer(2));
    assertEquals(before.peers.map(({ host }) => host), ["10.0.0.1"]);
    assertEquals(await refusalOf({ key: 0x8badf00d }), null);
    const after = await announce(store, peer(2));
    assertEquals(after.peers.map(({ host }) => host), ["10.6.6.6"]);
  });

  storeTest("does not offer a restarted peer its former self", async (store) => {
    await announce(store, peer(1));
    await announce(store, peer(2));
    assertEquals(portsOf(await announce(store, peer(1, { peerId: id(77) }))), [2]);
    // Two containers behind one address are two peers, as their names say.
    const named = await announce(store, peer(1, { peerId: id(78), hostname: "other" }));
    assertEquals(portsOf(named), [1, 1, 2]);
  });

  storeTest("answers compactly with the address even of a peer that has a name", async (store) => {
    await announce(store, peer(1, { hostname: "seed_1" }));
    await announce(store, peer(2, { address: parseIp("2001:db8::2")! }));
    const answer = await announce(store, peer(3, { form: "compact" }));
    assertEquals(answer.peers, []);
    assertEquals(compactOf(answer), ["10.0.0.1 1001", "2001:db8::2 1002"]);
  });

  storeTest("forgets who stops, and the swarm with its last peer", async (store) => {
    await announce(store, peer(1));
    await announce(store, peer(2));
    const farewell = await announce(store, peer(1, { event: "stopped" }));
    assertEquals([farewell.peers.length, farewell.leechers], [0, 1]);
    await announce(store, peer(9, { event: "stopped" }));
    await announce(store, peer(2, { event: "stopped" }));
    assertEquals(await store.scrape([id(1)], 0), [null]);
  });

  storeTest("counts a completion once per peer", async (store) => {
    const done = { seed: true, event: "completed" } as const;
    await announce(store, peer(1));
    await announce(store, peer(1, done));
    await announce(store, peer(1, done));
    await announce(store, peer(2, done));
    await announce(store, peer(3, { seed: true, event: "started" }));
    const counts = { seeders: 3, completed: 2, leechers: 0 };
    assertEquals(await store.scrape([id(1)], 0), [counts]);
    assertEquals(await store.scrapeAll(0), [[id(1), counts]]);
  });

  storeTest("forgets peers that are silent", async (store) => {
    await announce(store, peer(1), 0);
    await announce(store, peer(2), 100);
    await announce(store, peer(1), 200);
    assertEquals((await store.scrape([id(1)], 99 + TTL_MS))[0]?.leechers, 2);
    assertEquals((await store.scrape([id(1)], 100 + TTL_MS))[0]?.leechers, 1);
    assertEquals((await announce(store, peer(3), 200 + TTL_MS)).peers, []);
  });

  storeTest("takes names and lets them go", async (store) => {
    const longest = "a".repeat(253);
    await announce(store, peer(1, { hostname: longest }));
    await announce(store, peer(2, { hostname: "b" }));
    const hosts = async () => (await announce(store, peer(9))).peers.map(({ host }) => host).sort();
    assertEquals(await hosts(), [longest, "b"]);
    await announce(store, peer(1));
    assertEquals(await hosts(), ["10.0.0.1", "b"]);
    await announce(store, peer(2, { event: "stopped" }));
    await announce(store, peer(3, { hostname: "c" }));
    await announce(store, peer(4, { hostname: "d" }));
    assertEquals(await hosts(), ["10.0.0.1", "c", "d"]);
  });

  storeTest("agrees with a list of peers over any history", (store) => agreeWithList(store));
}

async function agreeWithList(store: SwarmStore): Promise<void> {
  const step = fc.record({
    n: fc.integer({ min: 1, max: 8 }),
    swarm: fc.integer({ min: 1, max: 2 }),
    seed: fc.boolean(),
    event: fc.constantFrom("", "started", "completed", "stopped"),
    passedMs: fc.integer({ min: 0, max: TTL_MS / 2 }),
  });
  // Each history begins when all of the one before is forgotten.
  let startMs = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (history) => {
      let model: { n: number; swarm: number; seed: boolean; seenMs: number }[] = [];
      let nowMs = startMs;
      for (const { n, swarm, seed, event, passedMs } of history) {
        nowMs += passedMs;
        model = model.filter((each) =>
          nowMs - each.seenMs < TTL_MS && !(each.n === n && each.swarm === swarm)
        );
        if (event !== "stopped") model.push({ n, swarm, seed, seenMs: nowMs });
        const answer = await announce(store, peer(n, { infoHash: id(swarm), seed, event }), nowMs);
        const inSwarm = model.filter((each) => each.swarm === swarm);
        assertEquals(answer.seeders, inSwarm.filter((each) => each.seed).length);
        assertEquals(answer.leechers, inSwarm.filter((each) => !each.seed).length);
        const others = inSwarm.filter((each) => each.n !== n && !(seed && each.seed));
        const expected = event === "stopped" ? [] : others.map((each) => each.n).sort();
        assertEquals(portsOf(answer), expected);
      }
      startMs = nowMs + TTL_MS;
      store.expire(startMs);
    }),
  );
}
