import { assertEquals } from "@std/assert";
import { KEPT_ANNOUNCES_MAX, KeptAnnounces } from "./kept_announces.ts";
import { id, peer } from "./swarm_store_conformance_test.ts";

const all = (): boolean => true;

Deno.test("KeptAnnounces keeps the last of each peer, and that it completed", () => {
  const kept = new KeptAnnounces();
  kept.keep("a", peer(1, { event: "started" }), 1);
  kept.keep("a", peer(2), 2);
  kept.keep("b", peer(1), 3);
  kept.keep("a", peer(1, { event: "completed", seed: true }), 4);
  kept.keep("a", peer(1, { seed: true, port: 9 }), 5);
  const taken = kept.takeSome(10, all);
  const told = taken.map((each) => [each.hash, each.atMs, each.announce.port, each.isCompleted]);
  assertEquals(told, [["a", 2, 1002, false], ["b", 3, 1001, false], ["a", 5, 9, true]]);
  assertEquals(kept.size, 0);
  kept.keep("a", peer(1, { event: "completed" }), 1);
  kept.keep("a", peer(1, { event: "stopped" }), 2);
  const stopped = kept.take("a", peer(1));
  assertEquals([stopped?.announce.event, stopped?.isCompleted], ["stopped", true]);
});

Deno.test("KeptAnnounces keeps an announce of either family", () => {
  const kept = new KeptAnnounces();
  const six = { address: new Uint8Array(16).fill(0x20) };
  kept.keep("a", peer(1), 1);
  kept.keep("a", peer(1, six), 2);
  assertEquals(kept.size, 2);
  assertEquals(kept.take("a", peer(1, six))?.atMs, 2);
  assertEquals(kept.take("a", peer(1))?.atMs, 1);
});

Deno.test("KeptAnnounces leaves to a peer what was kept of it when another one uses its id", () => {
  const kept = new KeptAnnounces();
  const impostor = peer(1, { key: 8, address: new Uint8Array([10, 6, 6, 6]), event: "stopped" });
  kept.keep("a", peer(1, { key: 7, event: "completed" }), 1);
  kept.keep("a", impostor, 2);
  assertEquals(kept.take("a", impostor), null);
  // It moved, and proves it; then it sends no key from where it is.
  kept.keep("a", peer(1, { key: 7, address: new Uint8Array([10, 1, 1, 1]) }), 3);
  kept.keep("a", peer(1, { address: new Uint8Array([10, 1, 1, 1]) }), 4);
  const taken = kept.take("a", peer(1, { key: 7 }));
  assertEquals([taken?.atMs, taken?.isCompleted, taken?.announce.key], [4, true, 7]);
});

Deno.test("KeptAnnounces copies the bytes of what it keeps", () => {
  const kept = new KeptAnnounces();
  const announce = peer(7);
  kept.keep("a", announce, 0);
  announce.peerId.fill(0);
  announce.address.fill(0);
  const copy = kept.takeSome(1, all)[0]!.announce;
  assertEquals([copy.peerId, [...copy.address]], [id(7), [10, 0, 0, 7]]);
});

Deno.test("KeptAnnounces gives what is wanted, and does not put back what is old", () => {
  const kept = new KeptAnnounces();
  kept.keep("a", peer(1), 1);
  kept.keep("b", peer(2), 2);
  const [taken] = kept.takeSome(5, (hash) => hash === "b");
  assertEquals([taken?.hash, kept.size], ["b", 1]);
  kept.keep("b", peer(2, { port: 5 }), 3);
  kept.putBack(taken!);
  assertEquals(kept.take("b", peer(2))?.announce.port, 5);
  kept.putBack(taken!);
  assertEquals(kept.take("b", peer(2))?.announce.port, 1002);
  assertEquals(kept.take("b", peer(2)), null);
});

Deno.test("KeptAnnounces drops the oldest when there are too many", () => {
  const kept = new KeptAnnounces();
  for (let n = 0; n <= KEPT_ANNOUNCES_MAX; n++) kept.keep(String(n), peer(1), n);
  assertEquals([kept.size, kept.takeSome(1, all)[0]?.atMs], [KEPT_ANNOUNCES_MAX, 1]);
});
