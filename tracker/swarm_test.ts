import { assert, assertEquals } from "@std/assert";
import { EXPIRE_PEERS_MAX, MemorySwarmStore, type MemorySwarmStoreOptions } from "./swarm.ts";
import { SwarmAnswer } from "./swarm_store.ts";
import {
  announce,
  id,
  peer,
  portsOf,
  testSwarmStore,
  TTL_MS,
} from "./swarm_store_conformance_test.ts";

const LIMITS = { peersMax: 5000, swarmsMax: 3000 };

function makeStore(options: Partial<MemorySwarmStoreOptions> = {}): MemorySwarmStore {
  return new MemorySwarmStore({ peerTtlMs: TTL_MS, random: Math.random, ...LIMITS, ...options });
}

testSwarmStore("MemorySwarmStore", { make: () => makeStore() });

testSwarmStore("MemorySwarmStore in shared memory", {
  make: () => makeStore({ shared: sharedMemory() }),
});

function sharedMemory(): NonNullable<MemorySwarmStoreOptions["shared"]> {
  const bytes = MemorySwarmStore.bytesFor(LIMITS.peersMax, LIMITS.swarmsMax);
  let held = 0;
  return {
    buffer: new SharedArrayBuffer(bytes),
    lock: {
      acquire: () => assertEquals(held++, 0),
      release: () => assertEquals(held--, 1),
    },
  };
}

Deno.test("MemorySwarmStore shares its swarms with others over the same memory", async () => {
  const shared = sharedMemory();
  const first = makeStore({ shared });
  await announce(first, peer(1, { hostname: "one" }));
  const second = makeStore({ shared });
  assertEquals((await announce(second, peer(2))).peers, [
    { host: "one", port: 1001, peerId: id(1) },
  ]);
  assertEquals(portsOf(await announce(first, peer(3))), [1, 2]);
  assertEquals([first.peerCount, second.peerCount, second.swarmCount], [3, 3, 1]);
});

Deno.test("MemorySwarmStore says when the next peer expires", async () => {
  const store = makeStore();
  assertEquals(store.nextExpiryMs, Infinity);
  await announce(store, peer(1), 0);
  await announce(store, peer(2), 100);
  await announce(store, peer(1), 200);
  assertEquals(store.nextExpiryMs, 100 + TTL_MS);
  store.expire(99 + TTL_MS);
  assertEquals(store.peerCount, 2);
  store.expire(100 + TTL_MS);
  assertEquals([store.peerCount, store.nextExpiryMs], [1, 200 + TTL_MS]);
  store.expire(1e9);
  assertEquals([store.peerCount, store.swarmCount, store.nextExpiryMs], [0, 0, Infinity]);
});

Deno.test("MemorySwarmStore forgets a bounded number of peers at a time", async () => {
  const store = makeStore();
  for (let n = 0; n < EXPIRE_PEERS_MAX + 5; n++) await announce(store, peer(n));
  store.expire(TTL_MS, 3);
  assertEquals(store.peerCount, EXPIRE_PEERS_MAX + 2);
  store.expire(TTL_MS);
  assertEquals(store.peerCount, 2);
});

Deno.test("MemorySwarmStore refuses newcomers when it is full, and only those", async () => {
  const store = makeStore({ peersMax: 2, swarmsMax: 1 });
  const refusalOf = (n: number, swarm = 1): string | null => {
    const answer = new SwarmAnswer();
    store.announce(peer(n, { infoHash: id(swarm) }), 0, answer);
    return answer.refusal;
  };
  await announce(store, peer(1));
  assertEquals(refusalOf(2, 2), "the tracker is full; try again later");
  await announce(store, peer(2));
  assert(refusalOf(3) !== null);
  await announce(store, peer(1));
  await announce(store, peer(1, { event: "stopped" }));
  await announce(store, peer(3));
});

Deno.test("MemorySwarmStore keeps its room whatever grows and shrinks", async () => {
  const store = makeStore({ peersMax: 64, swarmsMax: 64 });
  // As many rounds as would use up all room many times if any of it got lost.
  for (let round = 0; round < 200; round++) {
    const swarms = [1, 64, 8, 2][round % 4]!;
    for (let n = 0; n < 64; n++) await announce(store, peer(n, { infoHash: id(n % swarms) }));
    assertEquals([store.peerCount, store.swarmCount], [64, swarms]);
    const first = await announce(store, peer(0, { infoHash: id(0) }));
    assertEquals(first.leechers, 64 / swarms);
    assertEquals(first.peers.length, Math.min(50, 64 / swarms - 1));
    for (let n = 0; n < 64; n++) {
      const leave = peer(n, { infoHash: id(n % swarms), event: "stopped" });
      await announce(store, leave);
    }
    assertEquals([store.peerCount, store.swarmCount], [0, 0]);
  }
});
