import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { parseIp } from "./address.ts";
import { parseAnnounceResponse, writeAnnounceResponse } from "./response.ts";
import {
  EXPIRE_PEERS_MAX,
  MemorySwarmStore,
  type MemorySwarmStoreOptions,
  NUM_WANT_MAX,
  type SwarmAnnounce,
  type SwarmAnswer,
} from "./swarm.ts";

const TTL_MS = 1000;

function makeStore(options: Partial<MemorySwarmStoreOptions> = {}): MemorySwarmStore {
  return new MemorySwarmStore({ peerTtlMs: TTL_MS, random: Math.random, ...options });
}

function id(n: number): Uint8Array {
  return new Uint8Array(20).fill(n & 255).fill(n >> 8, 0, 10);
}

/** Peer `n` of swarm 1 at 10.0.0.n, port 1000 + n; a leecher that asks for a list. */
function peer(n: number, fields: Partial<SwarmAnnounce> = {}): SwarmAnnounce {
  return {
    infoHash: id(1),
    peerId: id(n),
    address: new Uint8Array([10, 0, n >> 8, n & 255]),
    port: 1000 + n,
    hostname: null,
    seed: false,
    event: "",
    numWant: 50,
    compact: false,
    ...fields,
  };
}

function announce(store: MemorySwarmStore, swarmPeer: SwarmAnnounce, nowMs = 0): SwarmAnswer {
  const answer = store.announce(swarmPeer, nowMs);
  assert(!("refused" in answer));
  return answer;
}

function portsOf(answer: SwarmAnswer): number[] {
  return answer.peers.map(({ port }) => port - 1000).sort((a, b) => a - b);
}

Deno.test("MemorySwarmStore gives each peer the others, and counts them", () => {
  const store = makeStore();
  assertEquals(announce(store, peer(1)).peers, []);
  const second = announce(store, peer(2, { seed: true }));
  assertEquals(second.peers, [{ host: "10.0.0.1", port: 1001, peerId: id(1) }]);
  assertEquals([second.seeders, second.leechers], [1, 1]);
  assertEquals(portsOf(announce(store, peer(1))), [2]);
  assertEquals(portsOf(announce(store, peer(3, { infoHash: id(9) }))), []);
  assertEquals([store.swarmCount, store.peerCount], [2, 3]);
});

Deno.test("MemorySwarmStore offers a seed no other seeds", () => {
  const store = makeStore();
  for (let n = 1; n <= 4; n++) announce(store, peer(n, { seed: n > 2 }));
  assertEquals(portsOf(announce(store, peer(4, { seed: true }))), [1, 2]);
  assertEquals(portsOf(announce(store, peer(1))), [2, 3, 4]);
  announce(store, peer(1, { seed: true, event: "completed" }));
  assertEquals(portsOf(announce(store, peer(4, { seed: true }))), [2]);
});

Deno.test("MemorySwarmStore gives as many peers as are wanted, 200 at most, never one twice", () => {
  const store = makeStore();
  for (let n = 1; n <= 300; n++) announce(store, peer(n, { numWant: 0 }));
  for (
    const [numWant, given] of [[0, 0], [1, 1], [50, 50], [1e9, NUM_WANT_MAX], [-1, 0]] as const
  ) {
    const ports = portsOf(announce(store, peer(7, { numWant })));
    assertEquals(ports.length, given);
    assertEquals(new Set(ports).size, given);
    assert(!ports.includes(7));
  }
});

Deno.test("MemorySwarmStore chooses at random: every peer has its turn", () => {
  const store = makeStore();
  for (let n = 1; n <= 20; n++) announce(store, peer(n));
  const seen: Set<number> = new Set();
  for (let i = 0; i < 400; i++) {
    for (const port of portsOf(announce(store, peer(1, { numWant: 3 })))) seen.add(port);
  }
  assertEquals(seen.size, 19);
});

Deno.test("MemorySwarmStore knows a peer by its id: the last announce counts", () => {
  const store = makeStore();
  announce(store, peer(1));
  announce(store, peer(1, { address: parseIp("2001:db8::1")!, port: 5, hostname: "h" }));
  const answer = announce(store, peer(2));
  assertEquals(answer.peers, [{ host: "h", port: 5, peerId: id(1) }]);
  assertEquals(answer.leechers, 2);
});

Deno.test("MemorySwarmStore does not offer a restarted peer its former self", () => {
  const store = makeStore();
  announce(store, peer(1));
  announce(store, peer(2));
  assertEquals(portsOf(announce(store, peer(1, { peerId: id(77) }))), [2]);
  // Two containers behind one address are two peers, as their names say.
  const named = announce(store, peer(1, { peerId: id(78), hostname: "other" }));
  assertEquals(portsOf(named), [1, 1, 2]);
});

Deno.test("MemorySwarmStore answers compactly with the address even of a peer that has a name", () => {
  const store = makeStore();
  announce(store, peer(1, { hostname: "seed_1" }));
  announce(store, peer(2, { address: parseIp("2001:db8::2")! }));
  const answer = announce(store, peer(3, { compact: true }));
  assertEquals(answer.peers, []);
  const { compact4, compact6, seeders, leechers } = answer;
  const body = writeAnnounceResponse({
    intervalSeconds: 1,
    minIntervalSeconds: 1,
    seeders,
    leechers,
    peers: { compact4, compact6 },
  });
  const read = parseAnnounceResponse(body);
  assertEquals(read.ok && read.peers, [
    { host: "10.0.0.1", port: 1001, peerId: null },
    { host: "2001:db8::2", port: 1002, peerId: null },
  ]);
});

Deno.test("MemorySwarmStore forgets who stops, and the swarm with its last peer", () => {
  const store = makeStore();
  announce(store, peer(1));
  announce(store, peer(2));
  const farewell = announce(store, peer(1, { event: "stopped" }));
  assertEquals([farewell.peers.length, farewell.leechers], [0, 1]);
  announce(store, peer(9, { event: "stopped" }));
  announce(store, peer(2, { event: "stopped" }));
  assertEquals([store.swarmCount, store.peerCount, store.scrape(id(1), 0)], [0, 0, null]);
});

Deno.test("MemorySwarmStore counts a completion once per peer", () => {
  const store = makeStore();
  const done = { seed: true, event: "completed" } as const;
  announce(store, peer(1));
  announce(store, peer(1, done));
  announce(store, peer(1, done));
  announce(store, peer(2, done));
  announce(store, peer(3, { seed: true, event: "started" }));
  assertEquals(store.scrape(id(1), 0), { seeders: 3, completed: 2, leechers: 0 });
  assertEquals(store.scrapeAll(0), [[Uint8Array.from(id(1)), {
    seeders: 3,
    completed: 2,
    leechers: 0,
  }]]);
});

Deno.test("MemorySwarmStore forgets peers that are silent, in the order of their silence", () => {
  const store = makeStore();
  assertEquals(store.nextExpiryMs, Infinity);
  announce(store, peer(1), 0);
  announce(store, peer(2), 100);
  announce(store, peer(1), 200);
  assertEquals(store.nextExpiryMs, 100 + TTL_MS);
  store.expire(99 + TTL_MS);
  assertEquals(store.peerCount, 2);
  assertEquals(store.scrape(id(1), 100 + TTL_MS)?.leechers, 1);
  assertEquals(store.nextExpiryMs, 200 + TTL_MS);
  assertEquals(announce(store, peer(3), 200 + TTL_MS).peers, []);
});

Deno.test("MemorySwarmStore forgets a bounded number of peers at a time", () => {
  const store = makeStore();
  for (let n = 0; n < EXPIRE_PEERS_MAX + 5; n++) announce(store, peer(n));
  store.expire(TTL_MS, 3);
  assertEquals(store.peerCount, EXPIRE_PEERS_MAX + 2);
  store.expire(TTL_MS);
  assertEquals(store.peerCount, 2);
});

Deno.test("MemorySwarmStore refuses newcomers when it is full, and only those", () => {
  const store = makeStore({ peersMax: 2, swarmsMax: 1 });
  announce(store, peer(1));
  assert("refused" in store.announce(peer(2, { infoHash: id(2) }), 0));
  announce(store, peer(2));
  assert("refused" in store.announce(peer(3), 0));
  announce(store, peer(1));
  announce(store, peer(1, { event: "stopped" }));
  announce(store, peer(3));
});

Deno.test("MemorySwarmStore agrees with a list of peers over any history", () => {
  const step = fc.record({
    n: fc.integer({ min: 1, max: 8 }),
    swarm: fc.integer({ min: 1, max: 2 }),
    seed: fc.boolean(),
    event: fc.constantFrom("", "started", "completed", "stopped"),
    passedMs: fc.integer({ min: 0, max: TTL_MS / 2 }),
  });
  fc.assert(fc.property(fc.array(step, { maxLength: 60 }), (history) => {
    const store = makeStore();
    let model: { n: number; swarm: number; seed: boolean; seenMs: number }[] = [];
    let nowMs = 0;
    for (const { n, swarm, seed, event, passedMs } of history) {
      nowMs += passedMs;
      model = model.filter((each) =>
        nowMs - each.seenMs < TTL_MS && !(each.n === n && each.swarm === swarm)
      );
      if (event !== "stopped") model.push({ n, swarm, seed, seenMs: nowMs });
      const answer = announce(store, peer(n, { infoHash: id(swarm), seed, event }), nowMs);
      const inSwarm = model.filter((each) => each.swarm === swarm);
      assertEquals(answer.seeders, inSwarm.filter((each) => each.seed).length);
      assertEquals(answer.leechers, inSwarm.filter((each) => !each.seed).length);
      const others = inSwarm.filter((each) => each.n !== n && !(seed && each.seed));
      const expected = event === "stopped" ? [] : others.map((each) => each.n).sort();
      assertEquals(portsOf(answer), expected);
      assertEquals(store.peerCount, model.length);
    }
  }));
});
