import { assert, assertEquals } from "@std/assert";
import { BLOCK_BYTES } from "@enjambre/metainfo";
import { geometryOf, type ScriptedPeer, TestSwarm } from "./_test_swarm.ts";

const PIECES = 12;

/** As long as half of what small pieces are shown ahead, so that two are. */
const PIECE_BYTES: number = 256 * 1024;

/** The only seed of a torrent of twelve pieces. */
function onlySeed(): TestSwarm {
  const swarm = new TestSwarm(geometryOf(PIECE_BYTES, PIECES * PIECE_BYTES), {
    has: "x".repeat(PIECES),
  });
  swarm.manager.superSeed(true, swarm.nowMs);
  return swarm;
}

/** The pieces that a peer was shown since the last time. */
function shownTo(peer: ScriptedPeer): number[] {
  return peer.heardOf("have").map((message) => Number(message.split(" ")[1]));
}

Deno.test("Manager as the only seed says that it has nothing, serves at once, and shows two pieces", () => {
  const peer = onlySeed().join();
  const [first, second, ...rest] = peer.heard();
  assertEquals([first, second], ["have-none", "unchoke"]);
  assertEquals(rest.map((message) => message.split(" ")[0]), ["have", "have"]);
});

Deno.test("Manager as the only seed shows no piece twice before each was shown once", () => {
  const swarm = onlySeed();
  const peers = [1, 2, 3].map(() => swarm.join());
  const shown = peers.map(shownTo);
  while (shown.flat().length < PIECES) {
    for (const [i, peer] of peers.entries()) {
      if (shown.flat().length === PIECES) break;
      peer.say((writer) => writer.have(shown[i]!.at(-1)!));
      const next = shownTo(peer);
      assertEquals(next.length, 1, "one for each that it has now");
      shown[i]!.push(...next);
    }
  }
  assertEquals(new Set(shown.flat()).size, PIECES);
});

Deno.test("Manager as the only seed shows to all what nobody has any more", () => {
  const swarm = onlySeed();
  const [one, two, three] = [1, 2, 3].map(() => swarm.join()) as [
    ScriptedPeer,
    ScriptedPeer,
    ScriptedPeer,
  ];
  const [piece] = shownTo(one);
  one.say((writer) => writer.have(piece!));
  shownTo(two);
  shownTo(three);
  one.leave();
  assert(shownTo(two).includes(piece!));
  assert(shownTo(three).includes(piece!));
});

Deno.test("Manager as the only seed serves what it has not shown, too", () => {
  const swarm = onlySeed();
  const peer = swarm.join();
  const shown = shownTo(peer);
  const other = [0, 1, 2].find((piece) => !shown.includes(piece))!;
  peer.say((writer) => writer.request(other, 0, BLOCK_BYTES));
  swarm.finishReads();
  assertEquals(peer.heard(), [`piece ${other} 0 ${BLOCK_BYTES} good`]);
});

Deno.test("Manager tells everybody everything once it is not the only seed any more", () => {
  const swarm = onlySeed();
  const peer = swarm.join();
  const shown = shownTo(peer);
  swarm.manager.superSeed(false, swarm.nowMs);
  assertEquals(new Set([...shown, ...shownTo(peer)]).size, PIECES);
  assertEquals(swarm.join().heardOf("have-all"), ["have-all"]);
});

Deno.test("Manager as the only seed shows everything to a peer that is alone", () => {
  const swarm = onlySeed();
  const peer = swarm.join();
  const shown = shownTo(peer);
  peer.say((writer) => writer.interested());
  swarm.pass(2000);
  assertEquals(shownTo(peer), []);
  swarm.pass(2000);
  assertEquals(new Set([...shown, ...shownTo(peer)]).size, PIECES);
});

Deno.test("Manager does not hide what it has while it lacks something", () => {
  const swarm = new TestSwarm(geometryOf(BLOCK_BYTES, 2 * BLOCK_BYTES), { has: "x-" });
  swarm.manager.superSeed(true, swarm.nowMs);
  assertEquals(swarm.join().heard(), ["bitfield 10000000"]);
});

Deno.test("Manager as the only seed shows more to a peer that wants none of what it was shown, until it wants one", () => {
  const swarm = onlySeed();
  const [choosy, other] = [swarm.join(), swarm.join()];
  const wanted = 7;
  const seen = shownTo(choosy);
  other.say((writer) => writer.interested());
  for (let second = 0; second < 4 && !seen.includes(wanted); second++) {
    swarm.pass(1100);
    seen.push(...shownTo(choosy));
  }
  assert(seen.includes(wanted), `it was shown ${seen}`);
  assertEquals(new Set(seen).size, seen.length, "none twice");
  choosy.say((writer) => {
    writer.interested();
    writer.request(wanted, 0, BLOCK_BYTES);
  });
  swarm.finishReads();
  assertEquals(choosy.heardOf("piece"), [`piece ${wanted} 0 ${BLOCK_BYTES} good`]);
});

Deno.test("Manager as the only seed keeps no place for a peer that wants nothing of the torrent", () => {
  const swarm = onlySeed();
  const [idle, other] = [swarm.join(), swarm.join()];
  other.say((writer) => writer.interested());
  for (let second = 0; second < 6; second++) swarm.pass(1100);
  assertEquals(idle.connection.isLured, false);
  assertEquals(new Set(shownTo(idle)).size, PIECES);
});
