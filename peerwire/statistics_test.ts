import { assert, assertEquals } from "@std/assert";
import { BLOCK_BYTES } from "@enjambre/metainfo";
import { geometryOf, TestSwarm } from "./_test_swarm.ts";

Deno.test("Manager.statistics() tells payload from all else, of live peers and of those that left", () => {
  const swarm = new TestSwarm(geometryOf(BLOCK_BYTES, 4 * BLOCK_BYTES));
  const seed = swarm.join({ has: "xxxx", unchokes: true });
  seed.answer(seed.heardOf("request").slice(0, 2));
  swarm.finishStores();
  const live = swarm.manager.statistics(swarm.nowMs);
  assertEquals([live.downloadedBytes, live.uploadedBytes], [2 * BLOCK_BYTES, 0]);
  const [peer] = live.peers;
  assertEquals([peer!.downloadedBytes, peer!.isSeed, peer!.havePieces], [2 * BLOCK_BYTES, true, 4]);
  assert(peer!.downloadedOverheadBytes >= 2 * 13, "the headers of two blocks");
  assert(peer!.uploadedOverheadBytes >= 4 * 17, "four requests");
  seed.leave();
  const after = swarm.manager.statistics(swarm.nowMs);
  assertEquals(after.peers, []);
  assertEquals(after.downloadedOverheadBytes, live.downloadedOverheadBytes);
  assertEquals(after.sources, 1);
});

Deno.test("Manager.statistics() tells the availability, ours included", () => {
  const swarm = new TestSwarm(geometryOf(BLOCK_BYTES, 4 * BLOCK_BYTES), { has: "x---" });
  const availability = () => swarm.manager.statistics(swarm.nowMs).availability;
  assertEquals(availability(), 0.25); // one piece of four is there
  swarm.join({ has: "xxxx" });
  assertEquals(availability(), 1.25);
  swarm.join({ has: "-xx-" });
  assertEquals(availability(), 1.75);
});

Deno.test("Manager.statistics() times the last percent, and tells the share ratio", () => {
  const swarm = new TestSwarm(geometryOf(BLOCK_BYTES, 100 * BLOCK_BYTES));
  const seed = swarm.join({ has: "x".repeat(100), unchokes: true });
  assertEquals(swarm.manager.statistics(swarm.nowMs).shareRatio, null);
  const open: string[] = [];
  for (let answered = 0; answered < 100; answered++) {
    open.push(...seed.heardOf("request"));
    if (answered === 99) swarm.pass(700);
    seed.answer(open.splice(0, 1));
    swarm.finishStores();
  }
  const { lastPercentMs, shareRatio } = swarm.manager.statistics(swarm.nowMs);
  assertEquals([lastPercentMs, shareRatio], [700, 0]);
});
