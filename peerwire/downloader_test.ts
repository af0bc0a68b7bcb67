/** The fetching side, by what a manager says to its peers. */
import { assert, assertAlmostEquals, assertEquals, assertStringIncludes } from "@std/assert";
import { BLOCK_BYTES } from "@enjambre/metainfo";
import {
  fillContent,
  geometryOf,
  isContent,
  type PeerOptions,
  type ScriptedPeer,
  TestSwarm,
  type TestSwarmOptions,
} from "./_test_swarm.ts";
import { TokenBucket } from "./rate.ts";

const BLOCKS = 4;
const PIECE_BYTES = BLOCKS * BLOCK_BYTES;

/** A torrent of `pieces` pieces of four blocks, the last piece one and a half. */
function swarmOf(pieces: number, options: TestSwarmOptions = {}): TestSwarm {
  const lastBytes = BLOCK_BYTES + BLOCK_BYTES / 2;
  return new TestSwarm(geometryOf(PIECE_BYTES, (pieces - 1) * PIECE_BYTES + lastBytes), options);
}

function seedOf(swarm: TestSwarm, options: PeerOptions = {}): ScriptedPeer {
  return swarm.join({ has: "x".repeat(swarm.geometry.pieceCount), unchokes: true, ...options });
}

/** The pieces that requests are for, each once. */
function piecesIn(requests: readonly string[]): number[] {
  return [...new Set(requests.map((request) => Number(request.split(" ")[1])))].sort((a, b) =>
    a - b
  );
}

Deno.test("Manager asks for many blocks at once, before the first answer", () => {
  const swarm = swarmOf(10);
  const requests = seedOf(swarm).heardOf("request");
  assertEquals(requests.length, 16);
  assertEquals(new Set(requests).size, 16);
  assert(piecesIn(requests).length <= 5, "begun pieces come first");
});

Deno.test("Manager asks again for as many blocks as came, so that the pipeline never runs dry", () => {
  const swarm = swarmOf(20);
  const peer = seedOf(swarm);
  const open = peer.heardOf("request");
  for (let i = 0; i < 30; i++) {
    peer.answer(open.splice(0, 1));
    const more = peer.heardOf("request");
    assert(more.length >= 1, `nothing was asked after block ${i}`);
    open.push(...more);
    assert(peer.connection.requests.live >= 16);
  }
});

Deno.test("Manager asks for whole blocks, and for what is left at the end of the last piece", () => {
  const swarm = swarmOf(2);
  const requests = seedOf(swarm).heardOf("request").sort();
  assertEquals(
    requests,
    [
      ...[0, 1, 2, 3].map((block) => `request 0 ${block * BLOCK_BYTES} ${BLOCK_BYTES}`),
      `request 1 0 ${BLOCK_BYTES}`,
      `request 1 ${BLOCK_BYTES} ${BLOCK_BYTES / 2}`,
    ].sort(),
  );
});

Deno.test("Manager asks a peer only for pieces that it has, and asks nothing while choked", () => {
  const swarm = swarmOf(6);
  const peer = swarm.join({ has: "x--x--" });
  assertEquals(peer.heardOf("request"), []);
  peer.say((writer) => writer.unchoke());
  assertEquals(piecesIn(peer.heardOf("request")), [0, 3]);
  peer.say((writer) => writer.have(1));
  assertEquals(piecesIn(peer.heardOf("request")), [1]);
});

Deno.test("Manager asks for the rarest piece first", () => {
  const swarm = swarmOf(10, { has: "xxxx------" }); // the very first ones come at random
  for (const has of ["----xxx-xx", "----xxx-x-", "----xx--x-"]) swarm.join({ has });
  const requests = seedOf(swarm).heardOf("request");
  const order = [...new Set(requests.map((request) => Number(request.split(" ")[1])))];
  assertEquals(order.slice(0, 3), [7, 9, 6]);
});

Deno.test("Manager stores a complete piece once, with the right bytes, and tells everybody", () => {
  const swarm = swarmOf(3);
  const [peer, other] = [seedOf(swarm), swarm.join({ has: "---" })];
  other.heard();
  peer.answerAll();
  assertEquals(swarm.stores.map((order) => order.piece).sort(), [0, 1, 2]);
  for (const { piece, data } of swarm.stores) {
    assertEquals(data.length, swarm.geometry.pieceBytes(piece));
    assert(isContent(data, piece, 0));
  }
  assertEquals(other.heardOf("have"), []); // not before it is stored
  const first = swarm.finishStore();
  assertEquals(other.heardOf("have"), [`have ${first}`]);
  assertEquals([swarm.done, swarm.manager.have.has(first)], [[first], true]);
  swarm.finishStores();
  assertEquals(swarm.manager.have.isFull, true);
  assertEquals(swarm.manager.stats.verifiedBytes, swarm.geometry.totalBytes);
  assertEquals(swarm.manager.stats.downloadedBytes, swarm.geometry.totalBytes);
});

Deno.test("Manager assembles blocks that come in any order, from several peers", () => {
  const swarm = swarmOf(2);
  const [one, two] = [seedOf(swarm), seedOf(swarm)];
  const requests = one.heardOf("request").reverse();
  one.answer(requests.slice(0, 3));
  one.leave();
  two.answerAll();
  swarm.finishStores();
  assertEquals(swarm.manager.have.isFull, true);
});

for (
  const [way, lose] of [
    ["leaves", (peer: ScriptedPeer) => peer.leave()],
    ["chokes us", (peer: ScriptedPeer) => peer.say((writer) => writer.choke())],
    ["rejects", (peer: ScriptedPeer, requests: readonly string[]) =>
      peer.say((writer) => {
        for (const request of requests) {
          const [, piece, begin, length] = request.split(" ").map(Number);
          writer.reject(piece!, begin!, length!);
        }
      })],
    ["breaks the protocol", (peer: ScriptedPeer) => peer.say((writer) => writer.have(1000))],
  ] as const
) {
  for (const isFast of [true, false]) {
    if (way === "rejects" && !isFast) continue;
    Deno.test(`Manager asks others, in the same call, for the blocks of a peer that ${way} (fast: ${isFast})`, () => {
      const swarm = swarmOf(10);
      const losing = seedOf(swarm, { isFast });
      const lost = losing.heardOf("request");
      const other = seedOf(swarm);
      assertEquals(other.heardOf("request").some((request) => lost.includes(request)), false);
      other.connection.pipelineBlocks = 100; // room for all of them
      lose(losing, lost);
      const asked = other.heardOf("request");
      for (const request of lost) assert(asked.includes(request), `${request} was not asked again`);
      const { stats } = swarm.manager;
      assertEquals([stats.requeuedBlocks, stats.recovery.count], [16, 16]);
      assertEquals(stats.recovery.maxMs, 0);
    });
  }
}

Deno.test("Manager shares what a peer leaves behind among the others, the emptiest pipeline first", () => {
  const swarm = swarmOf(40);
  const leaving = seedOf(swarm);
  const lost = leaving.heardOf("request");
  const [full, half, empty] = [seedOf(swarm), seedOf(swarm), swarm.join({ has: "x".repeat(40) })];
  full.heard();
  half.heard();
  empty.say((writer) => writer.choke());
  half.connection.pipelineBlocks = 24;
  empty.connection.isChoking = false; // it has let us ask just now, and nothing was asked yet
  leaving.leave();
  const lostAskedOf = (peer: ScriptedPeer) =>
    peer.heardOf("request").filter((request) => lost.includes(request)).length;
  // 16 of them: 12 bring the room of the one down to 4, and 4 that of the other.
  assertEquals([full, half, empty].map(lostAskedOf), [0, 4, 12]);
});

Deno.test("Manager remembers a lost block until somebody has it, and measures the wait", () => {
  const swarm = swarmOf(3);
  const leaving = seedOf(swarm);
  leaving.heard();
  leaving.leave();
  swarm.nowMs += 700;
  const other = seedOf(swarm);
  assertEquals(other.heardOf("request").length, 10);
  assertEquals(swarm.manager.stats.recovery, { count: 10, p50Ms: 700, p99Ms: 700, maxMs: 700 });
});

Deno.test("Manager takes what comes in spite of a choke from a peer with the fast extension", () => {
  const swarm = swarmOf(2);
  const peer = seedOf(swarm);
  const requests = peer.heardOf("request");
  peer.say((writer) => writer.choke());
  peer.answer(requests);
  assertEquals(swarm.stores.length, 2);
  assertEquals(swarm.manager.stats.wasted.unasked, 0);
});

Deno.test("Manager takes what comes though the peer choked and unchoked twice in the meantime", () => {
  const swarm = swarmOf(2);
  const peer = seedOf(swarm);
  const requests = peer.heardOf("request");
  peer.say((writer) => {
    for (let i = 0; i < 2; i++) writer.choke(), writer.unchoke();
  });
  peer.answer(requests);
  assertEquals(swarm.stores.length, 2);
  assertEquals(swarm.manager.stats.wasted, {
    duplicate: 0,
    unasked: 0,
    corrupt: 0,
    abandoned: 0,
  });
});

Deno.test("Manager asks a peer again at once when it unchokes again, its rejects being no refusal", () => {
  const swarm = swarmOf(2);
  const peer = seedOf(swarm);
  const requests = peer.heardOf("request");
  peer.say((writer) => {
    writer.choke();
    for (const request of requests) {
      const [, piece, begin, length] = request.split(" ").map(Number);
      writer.reject(piece!, begin!, length!);
    }
    writer.unchoke();
  });
  assertEquals(peer.heardOf("request").sort(), requests.sort());
});

Deno.test("Manager does not count against a peer what crosses its choke on the way", () => {
  const swarm = swarmOf(20);
  const peer = seedOf(swarm, { isFast: false });
  for (let round = 0; round < 5; round++) {
    const requests = peer.heardOf("request");
    assertEquals(requests.length, 16);
    peer.say((writer) => writer.choke());
    peer.answer(requests);
    peer.say((writer) => writer.unchoke());
  }
  assertEquals(peer.closed, null);
});

Deno.test("Manager does not count against a peer what it owed late when it choked", () => {
  const swarm = swarmOf(20);
  const peer = seedOf(swarm, { isFast: false });
  const owed: string[] = [];
  for (let round = 0; round < 3; round++) {
    owed.push(...peer.heardOf("request"));
    peer.connection.pipelineBlocks = 16;
    swarm.pass(round === 0 ? 22_000 : 21_000);
  }
  owed.push(...peer.heardOf("request"));
  const { live, late } = peer.connection.requests;
  assert(late > 0);
  const before = peer.connection.unaskedBlocks;
  peer.say((writer) => writer.choke());
  assertEquals(peer.connection.unaskedBlocks, before - live - late);
});

Deno.test("Manager asks a peer that stalls again for the same blocks when nobody else has them", () => {
  const swarm = swarmOf(1);
  const peer = seedOf(swarm);
  const requests = peer.heardOf("request");
  swarm.pass(22_000);
  assertEquals(peer.heardOf("request"), []); // its late answer is still welcome
  swarm.pass(22_000);
  assertEquals(peer.heardOf("request"), requests);
});

Deno.test("Manager leaves a peer that rejects alone for a second, then asks it again", () => {
  const swarm = swarmOf(2);
  const peer = seedOf(swarm);
  const reject = (request: string) => {
    const [, piece, begin, length] = request.split(" ").map(Number);
    peer.say((writer) => writer.reject(piece!, begin!, length!));
  };
  peer.heardOf("request").forEach(reject);
  assertEquals(peer.heardOf("request"), []);
  swarm.pass(3000);
  assertEquals(peer.heardOf("request").length, 6);
});

Deno.test("Manager gives up on a peer that sends nothing for 15 seconds, and still takes its late answer", () => {
  const swarm = swarmOf(4);
  const stalling = swarm.join({ has: "x---", unchokes: true });
  const owed = stalling.heardOf("request");
  assertEquals(owed.length, 4);
  swarm.pass(14_000);
  assertEquals(stalling.connection.isSnubbed, false);
  swarm.pass(2000);
  assertEquals(stalling.connection.isSnubbed, true);
  assertEquals(stalling.connection.requests.live, 0);
  stalling.answer(owed.slice(0, 1));
  assertEquals(stalling.connection.isSnubbed, false);
  assertEquals(swarm.manager.stats.wasted.unasked, 0);
});

Deno.test("Manager asks others at once for what a stalled peer owes", () => {
  const swarm = swarmOf(60);
  const stalling = seedOf(swarm);
  const owed = stalling.heardOf("request");
  const other = seedOf(swarm);
  const open = other.heardOf("request");
  const asked = new Set(open);
  for (let second = 0; second < 22; second++) {
    swarm.pass(1000);
    other.answer(open.splice(0, 4));
    open.push(...other.heardOf("request"));
    for (const request of open) asked.add(request);
  }
  for (const request of owed) assert(asked.has(request), `${request} is not asked of the other`);
  assertEquals(swarm.manager.stats.requeuedBlocks, 16);
  assertEquals(swarm.manager.stats.recovery.p50Ms, 0);
});

Deno.test("Manager gives up on requests by what the peer's own rate leads one to expect", () => {
  const swarm = swarmOf(200);
  const peer = seedOf(swarm);
  const open = peer.heardOf("request");
  for (let second = 0; second < 10; second++) { // 20 blocks a second
    swarm.pass(1000);
    peer.answer(open.splice(0, 20));
    open.push(...peer.heardOf("request"));
  }
  assertEquals(peer.connection.requests.late, 0);
  swarm.pass(4000);
  assertEquals([peer.connection.isSnubbed, peer.connection.requests.late], [false, 0]);
  swarm.pass(5000);
  assertEquals([peer.connection.isSnubbed, peer.connection.requests.late > 0], [true, true]);
});

Deno.test("Manager gives up on the one request that a peer skips, and on no other", () => {
  const swarm = swarmOf(200);
  const peer = seedOf(swarm);
  const [skipped, ...open] = peer.heardOf("request");
  for (let second = 0; second < 18; second++) {
    swarm.pass(1000);
    peer.answer(open.splice(0, 20));
    open.push(...peer.heardOf("request"));
  }
  assertEquals([peer.connection.isSnubbed, peer.connection.requests.late], [false, 1]);
  assertEquals(swarm.manager.stats.requeuedBlocks, 1);
  peer.answer([skipped!]);
  assertEquals([peer.connection.requests.late, swarm.manager.stats.wasted.unasked], [0, 0]);
});

Deno.test("Manager asks a stalled peer for few new blocks", () => {
  const swarm = swarmOf(60);
  const stalling = seedOf(swarm);
  assertEquals(stalling.heardOf("request").length, 16);
  swarm.pass(22_000);
  assert(stalling.heardOf("request").length <= 5);
});

Deno.test("Manager keeps no more requests at a peer than the peer says it queues", () => {
  const swarm = swarmOf(60);
  const peer = swarm.join({ has: "x".repeat(60), isExtended: true });
  peer.say((writer) => {
    writer.extended(0, new TextEncoder().encode("d1:md11:ut_metadatai1ee4:reqqi3ee"));
    writer.extended(0, new TextEncoder().encode("d1:mde1:v4:oncee"));
    writer.unchoke();
  });
  const open = peer.heardOf("request");
  for (let i = 0; i < 20; i++) {
    assertEquals(open.length, 3);
    peer.answer(open.splice(0, 1));
    open.push(...peer.heardOf("request"));
  }
  const { extensions } = peer.connection;
  assertEquals([extensions?.reqq, extensions?.version], [3, "once"]);
  assertEquals(extensions?.messages.get("ut_metadata"), 1);
});

Deno.test("Manager doubles the pipeline of a new peer with every round of answers", () => {
  const swarm = swarmOf(40);
  const peer = seedOf(swarm);
  peer.answer(peer.heardOf("request"));
  assertEquals(peer.connection.requests.live, 32);
  peer.answer(peer.heardOf("request"));
  assertEquals(peer.connection.requests.live, 64);
});

Deno.test("Manager gives what may be begun to the peer with the most room", () => {
  const swarm = swarmOf(10, { downloadMemoryBytes: 2 * PIECE_BYTES });
  const full = seedOf(swarm);
  full.answerAll();
  full.connection.pipelineBlocks = 5;
  const empty = seedOf(swarm);
  assertEquals(empty.heardOf("request"), []); // the memory is full
  swarm.finishStore();
  assertEquals(full.heardOf("request"), []);
  assert(empty.heardOf("request").length > 0);
});

Deno.test("Manager asks a fast peer for more at once, and a slow one for at least five", () => {
  const swarm = swarmOf(400);
  const [fast, slow] = [seedOf(swarm), seedOf(swarm)];
  const [open, slowOpen] = [fast.heardOf("request"), slow.heardOf("request")];
  for (let i = 0; i < 100; i++) {
    fast.answer(open.splice(0, 10));
    if (i % 10 === 0) slow.answer(slowOpen.splice(0, 1));
    swarm.pass(100);
    open.push(...fast.heardOf("request"));
    slowOpen.push(...slow.heardOf("request"));
    swarm.finishStores();
  }
  assert(fast.connection.requests.live >= 15, `${fast.connection.requests.live} at 100 a second`);
  assert(fast.connection.requests.live <= 500);
  const { live } = slow.connection.requests;
  assert(live >= 5 && live <= 20, `${live} at 1 a second`);
});

Deno.test("Manager fetches a corrupt piece again, and bans whoever sent all of it", () => {
  const swarm = swarmOf(1);
  const liar = seedOf(swarm, { idByte: 66 });
  liar.answer(liar.heardOf("request"), false);
  const honest = seedOf(swarm);
  honest.heard();
  assertEquals(swarm.finishStore(), 0);
  assertEquals(liar.closed?.reason, "corrupt");
  assertEquals(swarm.tryJoin({ idByte: 66 }), "banned");
  assertEquals(swarm.manager.stats.wasted.corrupt, swarm.geometry.totalBytes);
  assertEquals(swarm.manager.have.isEmpty, true);
  honest.answerAll();
  swarm.finishStores();
  assertEquals(swarm.manager.have.isFull, true);
});

Deno.test("Manager bans whoever sent the bad block of a piece that several sent, and nobody else", () => {
  const swarm = swarmOf(8, { downloadMemoryBytes: PIECE_BYTES });
  const liar = seedOf(swarm);
  const [first] = liar.heardOf("request");
  liar.answer([first!], false);
  liar.say((writer) => writer.choke()); // and somebody else sends the rest
  const honest = seedOf(swarm);
  honest.answerAll();
  swarm.finishStores();
  assertEquals([liar.closed, honest.closed], [null, null], "either may have lied");
  while (!swarm.manager.have.isFull) {
    honest.answerAll();
    swarm.finishStores();
  }
  assertEquals(liar.closed?.reason, "corrupt");
  assertEquals(honest.closed?.reason, "useless", "both are complete");
  assertEquals(swarm.tryJoin({ idByte: liar.connection.peerId[0]! }), "banned");
});

Deno.test("Manager fetches a piece again that could not be stored", () => {
  const swarm = swarmOf(1);
  const peer = seedOf(swarm);
  const requests = peer.heardOf("request");
  peer.answer(requests);
  swarm.finishStore("failed");
  assertEquals([peer.closed, swarm.done], [null, []]);
  assertEquals(peer.heardOf("request"), requests);
});

Deno.test("Manager bears some blocks that nobody asked for, then closes the connection", () => {
  const swarm = swarmOf(40);
  const peer = swarm.join({ has: "x".repeat(40) }); // choking: nothing is asked
  const block = new Uint8Array(BLOCK_BYTES);
  for (let i = 0; i < 32; i++) peer.say((writer) => writer.piece(i, 0, block, 0, BLOCK_BYTES));
  assertEquals([peer.closed, swarm.manager.stats.wasted.unasked], [null, 32 * BLOCK_BYTES]);
  peer.say((writer) => writer.piece(33, 0, block, 0, BLOCK_BYTES));
  assertEquals(peer.closed?.reason, "protocol");
  assertStringIncludes(peer.closed!.message, "nobody asked");
  assertEquals(swarm.stores, []);
});

Deno.test("Manager takes no block of the wrong length, begin or piece for one that it asked for", () => {
  const swarm = swarmOf(3);
  const peer = seedOf(swarm);
  const requests = peer.heardOf("request");
  const block = new Uint8Array(BLOCK_BYTES);
  peer.say((writer) => {
    writer.piece(0, 0, block, 0, BLOCK_BYTES - 1);
    writer.piece(0, 1, block, 0, BLOCK_BYTES);
    writer.piece(2 ** 32 - 1, 0, block, 0, BLOCK_BYTES);
    writer.piece(0, 2 ** 32 - BLOCK_BYTES, block, 0, BLOCK_BYTES);
    writer.piece(2, BLOCK_BYTES, block, 0, BLOCK_BYTES); // the last block is half as long
  });
  assertEquals(peer.connection.unaskedBlocks, 5);
  assertEquals(peer.connection.requests.live, 10);
  peer.answer(requests);
  swarm.finishStores();
  assertEquals(swarm.manager.have.isFull, true);
});

Deno.test("Manager asks several peers for the last blocks, and cancels as they come", () => {
  const swarm = swarmOf(2);
  const peers = [1, 2, 3, 4].map(() => seedOf(swarm));
  const heard = peers.map((peer) => peer.heardOf("request").sort());
  assertEquals(heard.map((requests) => requests.length), [6, 4, 4, 4]);
  const asked = new Map<string, number>();
  for (const request of heard.flat()) asked.set(request, (asked.get(request) ?? 0) + 1);
  assertEquals([...asked.values()], [3, 3, 3, 3, 3, 3]); // three at most
  const [first] = heard[0]!;
  peers[0]!.answer([first!]);
  const cancel = first!.replace("request", "cancel");
  const alsoAsked = peers.filter((_, i) => i > 0 && heard[i]!.includes(first!));
  for (const peer of peers) {
    assertEquals(peer.heardOf("cancel"), alsoAsked.includes(peer) ? [cancel] : []);
  }
  alsoAsked[0]!.answer([first!]); // it crossed the cancel
  const { wasted } = swarm.manager.stats;
  assertEquals([wasted.duplicate, wasted.unasked], [BLOCK_BYTES, 0]);
  assertEquals(alsoAsked[0]!.closed, null);
  peers[0]!.answer(heard[0]!.slice(1));
  swarm.finishStores();
  assertEquals(swarm.manager.have.isFull, true);
  assertEquals(peers.map((peer) => peer.connection.requests.live), [0, 0, 0, 0]);
});

Deno.test("Manager asks a peer in the end game only for what it has", () => {
  const swarm = swarmOf(2);
  seedOf(swarm);
  const other = swarm.join({ has: "x-", unchokes: true });
  assertEquals(piecesIn(other.heardOf("request")), [0]);
});

Deno.test("Manager does not count against a peer what crosses its cancels on the way", () => {
  const swarm = swarmOf(11);
  const [one, two] = [seedOf(swarm), swarm.join({ has: "x".repeat(11) })];
  one.connection.pipelineBlocks = two.connection.pipelineBlocks = 100;
  const [first, ...others] = one.heardOf("request");
  one.answer([first!]);
  const requests = [...others, ...one.heardOf("request")];
  two.say((writer) => writer.unchoke());
  one.answer(requests); // each makes room at the other, which is asked for the next
  const twice = two.heardOf("request");
  assert(twice.length > 32, `${twice.length} blocks were asked of both`);
  two.answer(twice);
  assertEquals(two.closed, null);
  assertEquals(swarm.manager.stats.wasted.unasked, 0);
});

Deno.test("Manager does not count against peers what it forgot while our own line was down", () => {
  const swarm = swarmOf(300);
  const peers = [1, 2, 3].map(() => swarm.join({ has: "x".repeat(300) }));
  for (const peer of peers) {
    peer.connection.pipelineBlocks = 100;
    peer.say((writer) => writer.unchoke());
  }
  swarm.pass(60_000); // then all that was asked meanwhile is answered, some of it twice
  for (const peer of peers) {
    for (const request of peer.heardOf("request")) peer.answer([request]);
    assertEquals(peer.closed, null);
  }
});

Deno.test("Manager has silent peers keep no block from one that answers, however many they are", () => {
  for (const count of [1, 4, 12]) {
    const swarm = new TestSwarm(geometryOf(32 * BLOCK_BYTES, 8 * 32 * BLOCK_BYTES));
    for (let i = 0; i < count; i++) swarm.join({ has: "x".repeat(8), unchokes: true });
    const honest = swarm.join({ has: "x".repeat(8), unchokes: true });
    for (;;) {
      const requests = honest.heardOf("request");
      if (requests.length === 0) break;
      honest.answer(requests);
      swarm.finishStores();
    }
    assertEquals(swarm.manager.have.count, 8, `beside ${count} silent peers`);
  }
});

Deno.test("Manager enters the end game though nobody has some piece", () => {
  const swarm = swarmOf(3);
  const slow = swarm.join({ has: "xx-", unchokes: true });
  assertEquals(slow.heardOf("request").length, 8);
  const quick = swarm.join({ has: "xx-", unchokes: true });
  assertEquals(quick.heardOf("request").length, 4);
});

Deno.test("Manager asks nobody twice while a piece can still be begun", () => {
  const swarm = swarmOf(30);
  const peers = [1, 2, 3].map(() => seedOf(swarm));
  const requests = peers.flatMap((peer) => peer.heardOf("request"));
  assertEquals(new Set(requests).size, requests.length);
});

Deno.test("Manager goes on at once where a cancel made room in a pipeline", () => {
  const swarm = swarmOf(40);
  const slow = seedOf(swarm);
  const [owed] = slow.heardOf("request");
  swarm.pass(22_000); // the slow one stalls; what it owes may come late
  slow.heard();
  const other = seedOf(swarm);
  assert(other.heardOf("request").includes(owed!));
  slow.answer([owed!]);
  assertEquals(other.heard().map((message) => message.split(" ")[0]), ["cancel", "request"]);
});

Deno.test("Manager does not take the reject of what it cancelled for a refusal", () => {
  const swarm = swarmOf(2);
  const [one, two] = [seedOf(swarm), seedOf(swarm)];
  const requests = one.heardOf("request");
  one.answer(requests.slice(0, 1));
  const [cancel] = two.heardOf("cancel");
  const [, piece, begin, length] = cancel!.split(" ").map(Number);
  two.say((writer) => writer.reject(piece!, begin!, length!));
  assertEquals(two.connection.askAgainAtMs, 0);
});

Deno.test("Manager begins no piece beyond its memory, and goes on when a piece is stored", () => {
  const swarm = swarmOf(10, { downloadMemoryBytes: 3 * PIECE_BYTES });
  const peer = seedOf(swarm);
  peer.connection.pipelineBlocks = 100;
  peer.answerAll();
  assertEquals(swarm.stores.length, 3);
  swarm.pass(5000);
  assertEquals(peer.heardOf("request"), []);
  swarm.finishStore();
  const requests = peer.heardOf("request");
  assertEquals(piecesIn(requests).length, 1);
  peer.answer(requests);
  while (swarm.stores.length > 0) {
    swarm.finishStore();
    peer.answerAll();
  }
  assertEquals(swarm.manager.have.isFull, true);
});

Deno.test("Manager gives up a begun piece whose only holder left, when the memory is full", () => {
  const swarm = swarmOf(10, { downloadMemoryBytes: 2 * PIECE_BYTES });
  const leaving = swarm.join({ has: "xx--------", unchokes: true });
  const requests = leaving.heardOf("request");
  assertEquals(piecesIn(requests), [0, 1]);
  leaving.answer(requests.filter((request) => request.startsWith("request 0")).slice(0, 3));
  leaving.leave();
  const other = swarm.join({ has: "--xxxxxxxx", unchokes: true });
  const asked = other.heardOf("request");
  assert(asked.length > 0, "the memory is held by pieces that nobody can complete");
  for (let rounds = 0; rounds < 30; rounds++) {
    other.answer(other.heardOf("request"));
    other.answer(asked.splice(0));
    swarm.finishStores();
  }
  assertEquals(swarm.manager.have.count, 8);
  assert(swarm.manager.stats.wasted.abandoned % BLOCK_BYTES === 0);
});

Deno.test("Manager gives up no piece that somebody is asked for, though the memory is full", () => {
  const swarm = swarmOf(10, { downloadMemoryBytes: 2 * PIECE_BYTES });
  const one = swarm.join({ has: "xx--------" });
  one.connection.pipelineBlocks = 6;
  one.say((writer) => writer.unchoke()); // two blocks are left that nobody is asked for
  const requests = one.heardOf("request");
  assertEquals(requests.length, 6);
  const other = swarm.join({ has: "--xxxxxxxx", unchokes: true });
  assertEquals(other.heardOf("request"), []);
  assertEquals(one.heardOf("cancel"), []);
  one.answer(requests);
  one.answerAll();
  swarm.finishStores();
  assertEquals(swarm.manager.have.count >= 2, true);
});

Deno.test("Manager gives up the begun piece of which least is here", () => {
  const swarm = swarmOf(10, { downloadMemoryBytes: 2 * PIECE_BYTES });
  const leaving = swarm.join({ has: "xx--------", unchokes: true });
  const requests = leaving.heardOf("request");
  leaving.answer(requests.filter((request) => request.startsWith("request 0")).slice(0, 3));
  leaving.answer(requests.filter((request) => request.startsWith("request 1")).slice(0, 1));
  leaving.leave();
  swarm.join({ has: "--x-------", unchokes: true });
  assertEquals(swarm.manager.stats.wasted.abandoned, BLOCK_BYTES);
});

Deno.test("Manager forgets no block when a block comes one byte at a time", () => {
  const swarm = swarmOf(1);
  const peer = seedOf(swarm);
  const [request] = peer.heardOf("request");
  const [, piece, begin, length] = request!.split(" ").map(Number);
  const block = new Uint8Array(length!);
  fillContent(block, piece!, begin!);
  const head = [0, 0, (9 + length!) >>> 8, (9 + length!) & 0xff, 7];
  const bytes = new Uint8Array([...head, 0, 0, 0, piece!, 0, 0, begin! >>> 8, 0, ...block]);
  for (const byte of bytes) peer.feed(new Uint8Array([byte]));
  assertEquals(swarm.manager.stats.downloadedBytes, length);
  assertEquals(peer.closed, null);
});

Deno.test("Manager asks for no more than its download limit allows, within 3 %", () => {
  const bytesPerSecond = 1_000_000;
  const downloadBucket = new TokenBucket(bytesPerSecond, 2 * BLOCK_BYTES);
  const swarm = swarmOf(400, { downloadBucket });
  const peers = [1, 2, 3].map(() => seedOf(swarm));
  for (let ms = 0; ms < 20_000; ms += 100) {
    swarm.pass(100);
    for (const peer of peers) peer.answer(peer.heardOf("request"));
    swarm.finishStores();
  }
  const { downloadedBytes } = swarm.manager.stats;
  assertAlmostEquals(downloadedBytes / 20 / bytesPerSecond, 1, 0.03);
});

Deno.test("Manager asks a quicker peer too for the last block of a piece that a slow one holds up", () => {
  const swarm = swarmOf(300);
  const slow = seedOf(swarm);
  const owed = slow.heardOf("request");
  const quick = seedOf(swarm);
  const open = quick.heardOf("request");
  slow.answer(owed.splice(0, 3)); // a block of the first piece is left
  const asked: string[] = [];
  for (let second = 0; second < 6; second++) {
    swarm.pass(1000);
    quick.answer(open.splice(0, 20));
    const heard = quick.heardOf("request");
    asked.push(...heard);
    open.push(...heard);
    swarm.finishStores();
  }
  assertEquals(swarm.manager.stats.requeuedBlocks, 0, "nobody was given up on");
  assert(asked.includes(owed[0]!));
});

Deno.test("Manager asks for nothing that is unwanted, and is done without it", () => {
  const swarm = swarmOf(6);
  swarm.manager.setPriorities(Uint8Array.of(2, 0, 2, 0, 2, 0), swarm.nowMs);
  const onlyUnwanted = swarm.join({ has: "-x-x-x", unchokes: true });
  assertEquals(onlyUnwanted.heard(), ["have-none"]); // and no interest
  const seed = seedOf(swarm);
  seed.answerAll();
  swarm.finishStores();
  assertEquals(swarm.manager.have.count, 3);
  assertEquals(seed.closed?.reason, "useless");
  swarm.manager.setPriorities(new Uint8Array(6).fill(2), swarm.nowMs);
  assertEquals(onlyUnwanted.heardOf("interested"), ["interested"]);
});

Deno.test("Manager fetches pieces in order where told to, and those with a deadline before all", () => {
  const swarm = swarmOf(40);
  swarm.manager.setSequential(true);
  swarm.manager.setDeadline(30, 9000, swarm.nowMs);
  swarm.manager.setDeadline(20, 5000, swarm.nowMs);
  const has = "x".repeat(40);
  const requests = swarm.join({ has, unchokes: true }).heardOf("request");
  const order = [...new Set(requests.map((request) => Number(request.split(" ")[1])))];
  assertEquals(order.slice(0, 2), [20, 30]);
  swarm.manager.setDeadline(7, 1, swarm.nowMs); // before what is begun already
  const other = swarm.join({ has, unchokes: true });
  assertEquals(other.heardOf("request")[0], `request 7 0 ${BLOCK_BYTES}`);
});

Deno.test("Manager fills a long pipeline when an eighth of it was answered, and not for every block", () => {
  const swarm = swarmOf(200);
  const peer = seedOf(swarm);
  const open = peer.heardOf("request");
  while (open.length < 128) {
    peer.answer(open.splice(0));
    open.push(...peer.heardOf("request"));
  }
  const { connection } = peer;
  let waited = 0;
  for (let refills = 0; refills < 5;) {
    peer.answer(open.splice(0, 1));
    waited++;
    const more = peer.heardOf("request");
    const { pipelineBlocks, requests } = connection;
    if (more.length === 0) {
      assert(pipelineBlocks - requests.live < Math.floor(pipelineBlocks / 8));
      continue;
    }
    assertEquals(requests.live, pipelineBlocks);
    assert(waited > 5, `asked for ${more.length} after ${waited} blocks`);
    open.push(...more);
    refills++;
    waited = 0;
  }
});
