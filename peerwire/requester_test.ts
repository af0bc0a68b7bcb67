/** Which block is asked of whom, where only one peer, one time or one limit decides. */
import { assert, assertEquals } from "@std/assert";
import { BLOCK_BYTES } from "@enjambre/metainfo";
import { bitfieldOf, geometryOf, TestSwarm, type TestSwarmOptions } from "./_test_swarm.ts";
import type { MessageWriter } from "./message_writer.ts";
import { TokenBucket } from "./rate.ts";

const SECOND = 1000;

/** Pieces of 64 blocks: more than the first pipeline of a peer takes. */
function swarmOf(pieces: number, options: TestSwarmOptions = {}): TestSwarm {
  return new TestSwarm(geometryOf(64 * BLOCK_BYTES, pieces * 64 * BLOCK_BYTES), options);
}

Deno.test("Manager asks a peer for a begun piece as soon as it has it, though it lacked it before", () => {
  const swarm = swarmOf(2);
  swarm.join({ has: "x-", unchokes: true });
  for (
    const tell of [
      (writer: MessageWriter) => writer.have(0),
      (writer: MessageWriter) => writer.bitfield(bitfieldOf("xx").bytes),
    ]
  ) {
    const late = swarm.join({ has: "-x", unchokes: true });
    assertEquals(late.connection.lackedOrder > 0, true, "it was looked at for the begun piece");
    late.heard();
    late.connection.pipelineBlocks += 8;
    late.say(tell);
    assertEquals(
      late.heardOf("request").map((request) => request.split(" ")[1]),
      Array(8).fill("0"),
    );
  }
});

Deno.test("Manager asks others at once for what a silent peer owes and they have too", () => {
  const swarm = swarmOf(1);
  const silent = swarm.join({ has: "x", unchokes: true });
  const owed = silent.heardOf("request");
  swarm.pass(10 * SECOND);
  const quick = swarm.join({ has: "x", unchokes: true });
  quick.heard();
  swarm.pass(4 * SECOND); // of a peer that has sent nothing yet the first block is waited for 15 s
  const before = quick.pending("request").length;
  swarm.pass(2 * SECOND);
  const taken = quick.heardOf("request").slice(before);
  assertEquals(taken.filter((request) => owed.includes(request)).length, owed.length);
  const { recovery } = swarm.manager.stats;
  assertEquals([recovery.count, recovery.maxMs], [owed.length, 0]);
});

Deno.test("Manager asks a peer again whose pause is over with whatever comes first, not with the timer alone", () => {
  const swarm = swarmOf(1);
  const peer = swarm.join({ has: "x", unchokes: true });
  for (const request of peer.heardOf("request")) {
    const [, piece, begin, length] = request.split(" ").map(Number);
    peer.say((writer) => writer.reject(piece!, begin!, length!));
  }
  assertEquals(peer.heardOf("request"), []);
  swarm.nowMs += 2 * SECOND; // no deadline was handled meanwhile
  swarm.join();
  assertEquals(peer.heardOf("request").length, 16);
});

Deno.test("Manager gives the allowance of a download limit to its peers in turn", () => {
  const downloadBucket = new TokenBucket(8 * BLOCK_BYTES, BLOCK_BYTES);
  const swarm = swarmOf(4, { downloadBucket });
  const peers = Array.from({ length: 4 }, () => swarm.join({ has: "xxxx", unchokes: true }));
  swarm.pass(4 * SECOND);
  const counts = peers.map((peer) => peer.heardOf("request").length);
  assert(Math.min(...counts) >= 5, `${counts}`);
  assert(counts.reduce((sum, count) => sum + count) <= 4 * 8 + 3, `${counts}`);
});
