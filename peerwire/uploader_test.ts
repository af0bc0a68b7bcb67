/** The serving side, by what a manager says to its peers. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { BLOCK_BYTES } from "@enjambre/metainfo";
import { geometryOf, type PeerOptions, type ScriptedPeer, TestSwarm } from "./_test_swarm.ts";
import { TokenBucket } from "./rate.ts";

const MIB = 1024 * 1024;

/** A seed of `pieces` pieces of a MiB. */
function seedOf(pieces = 4, options: ConstructorParameters<typeof TestSwarm>[1] = {}): TestSwarm {
  return new TestSwarm(geometryOf(MIB, pieces * MIB), { has: "x".repeat(pieces), ...options });
}

/** A peer that wants something, and is unchoked because there are slots. */
function leecherOf(swarm: TestSwarm, options: PeerOptions = {}): ScriptedPeer {
  const peer = swarm.join(options);
  peer.say((writer) => writer.interested());
  assertEquals(peer.heardOf("unchoke"), ["unchoke"]);
  return peer;
}

Deno.test("Manager sends what was asked for, in order, with the right bytes", () => {
  const swarm = seedOf();
  const peer = leecherOf(swarm);
  peer.say((writer) => {
    writer.request(2, BLOCK_BYTES, BLOCK_BYTES);
    writer.request(2, 0, 100);
    writer.request(2, MIB - 1, 1);
    writer.request(2, 7, 128 * 1024);
  });
  assertEquals(peer.heard(), []); // not before it is read
  swarm.finishReads();
  assertEquals(peer.heard(), [
    `piece 2 ${BLOCK_BYTES} ${BLOCK_BYTES} good`,
    "piece 2 0 100 good",
    `piece 2 ${MIB - 1} 1 good`,
    `piece 2 7 ${128 * 1024} good`,
  ]);
  assertEquals(swarm.manager.stats.uploadedBytes, BLOCK_BYTES + 100 + 1 + 128 * 1024);
  assertEquals(peer.connection.uploadedBytes, swarm.manager.stats.uploadedBytes);
});

Deno.test("Manager reads a range once for all who ask for it", () => {
  const swarm = seedOf();
  const peers = [1, 2, 3].map(() => leecherOf(swarm));
  for (const peer of peers) peer.say((writer) => writer.request(1, 0, BLOCK_BYTES));
  assertEquals(swarm.reads.length, 1);
  swarm.finishRead();
  peers[0]!.say((writer) => writer.request(1, 5 * BLOCK_BYTES, BLOCK_BYTES));
  assertEquals(swarm.reads.length, 0);
  for (const peer of peers) assertEquals(peer.heardOf("piece")[0], `piece 1 0 ${BLOCK_BYTES} good`);
});

Deno.test("Manager counts what several peers got from one read", () => {
  const swarm = seedOf();
  const hitRate = () => swarm.manager.statistics(swarm.nowMs).readHitRate;
  assertEquals(hitRate(), null);
  for (const _ of [1, 2]) {
    const peer = leecherOf(swarm);
    for (let begin = 0; begin < MIB; begin += BLOCK_BYTES) {
      peer.say((writer) => writer.request(1, begin, BLOCK_BYTES));
      swarm.finishReads();
    }
  }
  assertEquals([swarm.manager.stats.readBytes, hitRate()], [MIB, 0.5]);
});

Deno.test("Manager serves requests that cross the border of what is read at once", () => {
  const swarm = new TestSwarm(geometryOf(4 * MIB, 9 * MIB), { has: "xxx" });
  const peer = leecherOf(swarm);
  const requests: [number, number, number][] = [
    [0, MIB - 10, 128 * 1024],
    [0, 4 * MIB - 5, 5],
    [1, 3 * MIB, BLOCK_BYTES],
    [2, MIB - 16, 16],
    [2, 0, 128 * 1024],
  ];
  for (const request of requests) peer.say((writer) => writer.request(...request));
  swarm.finishReads();
  assertEquals(
    peer.heardOf("piece"),
    requests.map(([piece, begin, length]) => `piece ${piece} ${begin} ${length} good`),
  );
});

Deno.test("Manager forgets what was used least recently, when its memory is full", () => {
  const swarm = seedOf(4, { uploadMemoryBytes: 2 * MIB });
  const peer = leecherOf(swarm);
  for (const piece of [0, 1, 0, 2]) {
    peer.say((writer) => writer.request(piece, 0, BLOCK_BYTES));
    swarm.finishReads();
  }
  peer.say((writer) => writer.request(0, BLOCK_BYTES, BLOCK_BYTES));
  assertEquals([swarm.reads.length, peer.heardOf("piece").length], [0, 5]);
  peer.say((writer) => writer.request(1, BLOCK_BYTES, BLOCK_BYTES));
  assertEquals(swarm.reads.length, 1);
});

Deno.test("Manager reads ahead while what comes first is being sent", () => {
  const swarm = seedOf();
  const peer = leecherOf(swarm);
  peer.say((writer) => {
    writer.request(0, 0, BLOCK_BYTES);
    writer.request(3, 0, BLOCK_BYTES);
  });
  assertEquals(swarm.reads.map((order) => order.piece), [0, 3]);
});

Deno.test("Manager reads four MiB ahead for one peer, and less where memory or peers leave less", () => {
  for (const [memory, others, ahead] of [[32, 0, 4], [32, 4, 3], [4, 0, 2], [1, 0, 1]] as const) {
    const options = { has: "x".repeat(8), uploadMemoryBytes: memory * MIB };
    const swarm = new TestSwarm(geometryOf(MIB, 8 * MIB), options);
    for (let i = 0; i < others; i++) leecherOf(swarm);
    const peer = leecherOf(swarm);
    peer.say((writer) => {
      for (let piece = 0; piece < 8; piece++) {
        for (let begin = 0; begin < MIB; begin += BLOCK_BYTES) {
          writer.request(piece, begin, BLOCK_BYTES);
        }
      }
    });
    const read = swarm.reads.map((order) => order.piece);
    assertEquals(read, Array.from({ length: 1 + ahead }, (_, i) => i));
  }
});

Deno.test("Manager answers nothing, or rejects with the fast extension, while it chokes", () => {
  for (const isFast of [true, false]) {
    const swarm = seedOf();
    const peer = swarm.join({ isFast });
    peer.heard();
    peer.say((writer) => writer.request(0, 0, BLOCK_BYTES));
    assertEquals(peer.heard(), isFast ? [`reject 0 0 ${BLOCK_BYTES}`] : []);
    assertEquals(swarm.reads.length, 0);
  }
});

Deno.test("Manager sends nothing of a piece that it does not have", () => {
  const swarm = new TestSwarm(geometryOf(MIB, 2 * MIB), { has: "x-" });
  const peer = leecherOf(swarm);
  peer.say((writer) => writer.request(1, 0, BLOCK_BYTES));
  assertEquals([peer.heard(), swarm.reads.length], [[`reject 1 0 ${BLOCK_BYTES}`], 0]);
});

Deno.test("Manager does not send what was cancelled in time", () => {
  for (const isFast of [true, false]) {
    const swarm = seedOf();
    const peer = leecherOf(swarm, { isFast });
    peer.say((writer) => {
      for (const block of [0, 1, 2]) writer.request(0, block * BLOCK_BYTES, BLOCK_BYTES);
      writer.cancel(0, BLOCK_BYTES, BLOCK_BYTES);
      writer.cancel(0, 9 * BLOCK_BYTES, BLOCK_BYTES); // was never asked for
      writer.cancel(2 ** 32 - 1, 2 ** 32 - 1, 2 ** 32 - 1); // is nonsense, and harms nobody
    });
    swarm.finishReads();
    const rejects = isFast ? [`reject 0 ${BLOCK_BYTES} ${BLOCK_BYTES}`] : [];
    assertEquals(peer.heard(), [
      ...rejects,
      `piece 0 0 ${BLOCK_BYTES} good`,
      `piece 0 ${2 * BLOCK_BYTES} ${BLOCK_BYTES} good`,
    ]);
    assertEquals(peer.closed, null);
  }
});

Deno.test("Manager drops what a peer waits for when it chokes it, with a reject for each", () => {
  for (const isFast of [true, false]) {
    const swarm = seedOf();
    const peer = leecherOf(swarm, { isFast });
    peer.say((writer) => {
      writer.request(0, 0, BLOCK_BYTES);
      writer.request(0, BLOCK_BYTES, BLOCK_BYTES);
      writer.notInterested();
    });
    swarm.pass(10_000); // the round ends, and the slot goes to others
    const rejects = [0, BLOCK_BYTES].map((begin) => `reject 0 ${begin} ${BLOCK_BYTES}`);
    assertEquals(peer.heard(), isFast ? ["choke", ...rejects] : ["choke"]);
    swarm.finishReads();
    assertEquals(peer.heard(), []);
  }
});

for (
  const [what, piece, begin, length, words] of [
    ["a piece that is none", 4, 0, BLOCK_BYTES, "piece is 4"],
    ["more than 128 KiB", 0, 0, 128 * 1024 + 1, "limit is 131072"],
    ["bytes behind the end of the piece", 0, MIB - 10, 11, "outside piece"],
    ["a begin far outside", 0, 2 ** 32 - 1, BLOCK_BYTES, "outside piece"],
    ["nothing at all", 0, 0, 0, "outside piece"],
  ] as const
) {
  Deno.test(`Manager closes a connection that asks for ${what}`, () => {
    const swarm = seedOf();
    const peer = leecherOf(swarm);
    peer.say((writer) => writer.request(piece, begin, length));
    assertEquals(peer.closed?.reason, "protocol");
    assertStringIncludes(peer.closed!.message, words);
    assertEquals([swarm.manager.connectionCount, swarm.reads.length], [0, 0]);
  });
}

Deno.test("Manager queues no more than 1,024 requests of a peer, and rejects the rest", () => {
  const swarm = seedOf();
  const peer = leecherOf(swarm);
  peer.say((writer) => {
    for (let i = 0; i < 1030; i++) writer.request(0, i, 1);
  });
  assertEquals(peer.heardOf("reject").length, 6);
  assertEquals(peer.connection.uploads.count, 1024);
});

Deno.test("Manager hands a slow line no more than half a MiB at once, and more as it is sent", () => {
  const swarm = seedOf();
  const peer = leecherOf(swarm);
  peer.isReading = false;
  peer.say((writer) => {
    for (let block = 0; block < 64; block++) writer.request(0, block * BLOCK_BYTES, BLOCK_BYTES);
  });
  swarm.finishReads();
  const { pendingBytes } = peer.connection.writer;
  assert(pendingBytes >= 512 * 1024 && pendingBytes < 512 * 1024 + BLOCK_BYTES + 100);
  peer.isReading = true;
  peer.collect();
  assertEquals(peer.heardOf("piece").length, 32);
  peer.acknowledge();
  assertEquals(peer.heardOf("piece").length, 32);
});

Deno.test("Manager hands a quick line a MiB at once", () => {
  const swarm = seedOf();
  const peer = leecherOf(swarm);
  peer.connection.upRate.add(16 * MIB, swarm.nowMs);
  peer.isReading = false;
  peer.say((writer) => {
    for (let block = 0; block < 100; block++) {
      writer.request(Math.floor(block / 64), (block % 64) * BLOCK_BYTES, BLOCK_BYTES);
    }
  });
  swarm.finishReads();
  const { pendingBytes } = peer.connection.writer;
  assert(pendingBytes <= MIB && pendingBytes > MIB - BLOCK_BYTES - 100, `${pendingBytes}`);
});

Deno.test("Manager refuses what cannot be read, and goes on with the rest", () => {
  for (const isFast of [true, false]) {
    const swarm = seedOf();
    const [peer, other] = [leecherOf(swarm, { isFast }), leecherOf(swarm, { isFast })];
    peer.say((writer) => {
      writer.request(0, 0, BLOCK_BYTES);
      writer.request(0, BLOCK_BYTES, BLOCK_BYTES);
      writer.request(0, 0, BLOCK_BYTES);
      writer.request(1, 0, BLOCK_BYTES);
    });
    other.say((writer) => writer.request(0, 0, BLOCK_BYTES));
    assertEquals(swarm.reads.map((order) => order.piece), [0, 1]);
    swarm.finishRead(false);
    swarm.finishReads();
    assertEquals(peer.pending("reject").length, isFast ? 3 : 0);
    assertEquals(peer.heardOf("piece"), [`piece 1 0 ${BLOCK_BYTES} good`]);
    assertEquals(other.heardOf("reject").length, isFast ? 1 : 0);
    assertEquals([peer.connection.uploads.count, peer.closed], [0, null]);
    peer.say((writer) => writer.request(0, 0, BLOCK_BYTES)); // read again: it may be there by now
    swarm.finishReads();
    assertEquals(peer.heardOf("piece"), [`piece 0 0 ${BLOCK_BYTES} good`]);
  }
});

Deno.test("Manager serves everybody with memory for two reads, each of them with few reads", () => {
  const swarm = seedOf(8, { uploadMemoryBytes: 2 * MIB });
  const peers = [0, 1, 2, 3, 4, 5].map(() => leecherOf(swarm));
  peers.forEach((peer, piece) =>
    peer.say((writer) => {
      for (let block = 0; block < 8; block++) {
        writer.request(piece, block * BLOCK_BYTES, BLOCK_BYTES);
      }
    })
  );
  let reads = 0;
  while (swarm.reads.length > 0) {
    assert(swarm.reads.length <= 2);
    swarm.finishRead();
    assert(++reads < 100, "the peers take each other's memory away");
  }
  for (const peer of peers) assertEquals(peer.heardOf("piece").length, 8);
  assertEquals(reads, 6);
});

Deno.test("Manager serves everybody with memory for two reads though each goes from piece to piece", () => {
  const swarm = seedOf(12, { uploadMemoryBytes: 2 * MIB });
  const peers = [0, 1, 2, 3, 4, 5].map(() => leecherOf(swarm));
  peers.forEach((peer, i) =>
    peer.say((writer) => {
      for (let block = 0; block < 8; block++) {
        for (const piece of [i, i + 6]) {
          writer.request(piece, block * BLOCK_BYTES, BLOCK_BYTES);
        }
      }
    })
  );
  let reads = 0;
  while (swarm.reads.length > 0) {
    swarm.finishRead();
    assert(++reads <= 200, "the peers take each other's memory away");
  }
  for (const peer of peers) assertEquals(peer.heardOf("piece").length, 16);
});

Deno.test("Manager forgets what a peer that left was waiting for", () => {
  const swarm = seedOf();
  const peer = leecherOf(swarm);
  peer.say((writer) => writer.request(0, 0, BLOCK_BYTES));
  peer.leave();
  swarm.finishReads();
  assertEquals([swarm.manager.stats.uploadedBytes, peer.heardOf("piece")], [0, []]);
});

Deno.test("Manager under a limit sends no more than it, in turn to everybody", () => {
  const bytesPerSecond = 20 * BLOCK_BYTES;
  const swarm = seedOf(4, { uploadBucket: new TokenBucket(bytesPerSecond, 128 * 1024) });
  const peers = [0, 1, 2, 3].map(() => leecherOf(swarm));
  for (const peer of peers) {
    peer.say((writer) => {
      for (let block = 0; block < 64; block++) writer.request(1, block * BLOCK_BYTES, BLOCK_BYTES);
    });
  }
  swarm.finishReads();
  swarm.pass(100);
  for (const peer of peers) peer.heard(); // what was saved up goes to whoever came first
  const sentAtFirst = swarm.manager.stats.uploadedBytes;
  swarm.pass(8000);
  const sent = swarm.manager.stats.uploadedBytes - sentAtFirst;
  assert(Math.abs(sent - 8 * bytesPerSecond) <= 0.03 * sent, `${sent} bytes in 8 seconds`);
  const counts = peers.map((peer) => peer.heardOf("piece").length);
  assert(Math.max(...counts) - Math.min(...counts) <= 1, `${counts}`);
});
