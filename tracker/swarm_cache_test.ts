import { assert, assertEquals } from "@std/assert";
import {
  CACHE_AGE_MS,
  CACHE_RENEWAL_MS,
  CACHED_PEERS_MAX,
  CACHED_SWARMS_MAX,
  SwarmCache,
} from "./swarm_cache.ts";
import { IMPOSTOR_REFUSAL, SwarmAnswer } from "./swarm_store.ts";
import { compactOf, peer, portsOf } from "./swarm_store_conformance_test.ts";

const HASH = "ab".repeat(20);

function makeCache(): SwarmCache {
  return new SwarmCache({ peerTtlMs: CACHE_AGE_MS * 2, random: () => 0 });
}

/** What the store answers: leechers and seeds at 10.0.0.n with the port 1000 + n, and how many there are. */
function replyOf(leechers: readonly number[], seeds: readonly number[]): Uint8Array {
  const bytes = (
    n: number,
  ): number[] => [10, 0, n >> 8, n & 255, (1000 + n) >> 8, (1000 + n) & 255];
  const counts = [0, 0, 0, seeds.length, 0, 0, 0, 2, 0, 0, 0, leechers.length];
  const heads = [leechers.length, seeds.length, 0, 0];
  return Uint8Array.from([
    ...counts,
    ...heads,
    ...leechers.flatMap(bytes),
    ...seeds.flatMap(bytes),
  ]);
}

/** Has a cache see the answer to an announce of peer `n`. */
function remember(
  cache: SwarmCache,
  n: number,
  reply: Uint8Array,
  { hash = HASH, seed = false, nowMs = 0 } = {},
): void {
  const answer = new SwarmAnswer();
  answer.seeders = reply[3]!;
  answer.completed = reply[7]!;
  answer.leechers = reply[11]!;
  answer.count4 = reply[12]! + reply[13]!;
  cache.remember(hash, peer(n, { seed, form: "compact" }), answer, reply, nowMs);
}

function ask(cache: SwarmCache, fields: Parameters<typeof peer>[1], nowMs = 1): SwarmAnswer {
  const answer = new SwarmAnswer();
  cache.answer(HASH, peer(99, fields), nowMs, answer);
  return answer;
}

Deno.test("SwarmCache gives the peers that were seen, the asker of then among them, and counts", () => {
  const cache = makeCache();
  remember(cache, 1, replyOf([1, 2], [3]));
  assertEquals([cache.swarmCount, cache.peerCount], [1, 3]);
  const leecher = ask(cache, { form: "compact" });
  assertEquals(compactOf(leecher), ["10.0.0.1 1001", "10.0.0.2 1002", "10.0.0.3 1003"]);
  assertEquals([leecher.seeders, leecher.leechers, leecher.completed], [1, 2, 2]);
  assertEquals(compactOf(ask(cache, { form: "compact4", numWant: 1 })).length, 1);
  assertEquals(compactOf(ask(cache, { form: "compact6" })), []);
});

Deno.test("SwarmCache gives a seed no seeds, a list without ids, and nobody itself", () => {
  const cache = makeCache();
  remember(cache, 4, replyOf([1, 2], [3]), { seed: true });
  assertEquals(portsOf(ask(cache, { seed: true })), [1, 2]);
  const answer = ask(cache, { ...peer(2), peerId: peer(77).peerId });
  assertEquals(portsOf(answer), [1, 3, 4, 99]);
  assertEquals(answer.peers.map(({ peerId }) => peerId === null), [false, true, true, true]);
});

Deno.test("SwarmCache gives those who announce meanwhile, each once, until the outage is over", () => {
  const cache = makeCache();
  remember(cache, 1, replyOf([], []));
  const announce = (n: number): string[] => {
    const answer = new SwarmAnswer();
    cache.answer(HASH, peer(n, { form: "compact" }), 1, answer);
    return compactOf(answer);
  };
  assertEquals(announce(1), []);
  assertEquals(announce(5), ["10.0.0.1 1001"]);
  assertEquals(announce(6), ["10.0.0.1 1001", "10.0.0.5 1005"]);
  cache.endOutage();
  assertEquals(announce(6), ["10.0.0.1 1001"]);
});

Deno.test("SwarmCache refuses who uses the id of a peer that announced meanwhile", () => {
  const cache = makeCache();
  remember(cache, 1, replyOf([2], []));
  assertEquals(ask(cache, { key: 7 }).refusal, null);
  const impostor = ask(cache, { key: 8, address: new Uint8Array([10, 6, 6, 6]) });
  assertEquals([impostor.refusal, impostor.peers, impostor.leechers], [IMPOSTOR_REFUSAL, [], 0]);
});

Deno.test("SwarmCache renews what it knows when that is old, or more is seen", () => {
  const cache = makeCache();
  const known = (nowMs: number): number => {
    const answer = ask(cache, { form: "compact" }, nowMs);
    cache.endOutage();
    return answer.count4;
  };
  remember(cache, 1, replyOf([2, 3], [4]));
  assertEquals(known(0), 4);
  remember(cache, 1, replyOf([2], []), { nowMs: 1 });
  assertEquals([known(1), cache.peerCount], [4, 1]);
  remember(cache, 1, replyOf([2, 3, 5, 6], []), { nowMs: 2 });
  assertEquals(known(2), 5);
  remember(cache, 1, replyOf([2], []), { nowMs: CACHE_RENEWAL_MS * 2 });
  assertEquals(known(CACHE_RENEWAL_MS * 2), 2);
  // A seed sees no seeds: what it sees says less.
  remember(cache, 1, replyOf([], []), { nowMs: CACHE_RENEWAL_MS * 4, seed: true });
  assertEquals(known(CACHE_RENEWAL_MS * 4), 2);
});

Deno.test("SwarmCache forgets what is old, and swarms that are too many", () => {
  const cache = makeCache();
  remember(cache, 1, replyOf([2], []));
  assertEquals(ask(cache, { form: "compact" }, CACHE_AGE_MS).count4, 2);
  cache.endOutage();
  const late = ask(cache, { form: "compact" }, CACHE_AGE_MS + 1);
  assertEquals([late.count4, late.leechers], [0, 1]);
  for (let n = 0; n < CACHED_SWARMS_MAX + 10; n++) {
    remember(cache, 1, replyOf([2], []), { hash: String(n), nowMs: 1 });
  }
  assertEquals([cache.swarmCount, cache.peerCount], [CACHED_SWARMS_MAX, CACHED_SWARMS_MAX]);
  remember(cache, 1, replyOf([], []), { hash: "new", nowMs: CACHE_AGE_MS + 2 });
  assertEquals([cache.swarmCount, [...cache.all(CACHE_AGE_MS + 2)].length], [1, 1]);
});

Deno.test("SwarmCache keeps leechers and seeds of a large answer in proportion", () => {
  const cache = makeCache();
  const leechers = Array.from({ length: 150 }, (_, n) => n + 101);
  const seeds = Array.from({ length: 50 }, (_, n) => 300 + n);
  remember(cache, 400, replyOf(leechers, seeds));
  assertEquals(ask(cache, { form: "compact", numWant: 200 }).count4, CACHED_PEERS_MAX);
  cache.endOutage();
  const toSeed = ask(cache, { form: "compact", numWant: 200, seed: true });
  assert(toSeed.count4 > 70 && toSeed.count4 < 80, `${toSeed.count4} leechers`);
});
