/** Whose block is sent next under a limit, by what a manager says to its peers. */
import { assert, assertEquals } from "@std/assert";
import { BLOCK_BYTES } from "@enjambre/metainfo";
import { geometryOf, type ScriptedPeer, TestSwarm } from "./_test_swarm.ts";
import { TokenBucket } from "./rate.ts";

const MIB = 1024 * 1024;

/** A seed of four pieces that may send so many blocks a second, and has sent what it had saved up. */
function seedOf(blocksPerPiece: number, blocksPerSecond: number): TestSwarm {
  const bucket = new TokenBucket(blocksPerSecond * BLOCK_BYTES, BLOCK_BYTES);
  const geometry = geometryOf(blocksPerPiece * BLOCK_BYTES, 4 * blocksPerPiece * BLOCK_BYTES);
  return new TestSwarm(geometry, { has: "xxxx", uploadBucket: bucket });
}

/** A peer that is served and has asked for a whole piece. */
function asking(swarm: TestSwarm, piece: number): ScriptedPeer {
  const peer = swarm.join();
  const { pieceLength } = swarm.geometry;
  peer.say((writer) => {
    writer.interested();
    for (let begin = 0; begin < pieceLength; begin += BLOCK_BYTES) {
      writer.request(piece, begin, BLOCK_BYTES);
    }
  });
  return peer;
}

/** How many blocks each of these was sent since it was last asked. */
function sentTo(peers: readonly ScriptedPeer[]): number[] {
  return peers.map((peer) => peer.heardOf("piece").length);
}

Deno.test("UploadTurns finishes one peer's piece before another's, and lets nobody wait in vain", () => {
  const swarm = seedOf(16, 32);
  const peers = [0, 1, 2, 3].map((piece) => asking(swarm, piece));
  swarm.finishReads();
  swarm.pass(1000);
  const sent = sentTo(peers).sort((a, b) => b - a);
  assertEquals(sent[0], 16, `${sent}`); // in strict turn none would be done before the 61st block
  assert(sent[3]! >= 2, `${sent}`);
});

Deno.test("UploadTurns sends a piece that nobody has before one that many have", () => {
  const swarm = seedOf(16, 24);
  for (let i = 0; i < 6; i++) swarm.join({ has: "-xx-" });
  const [common, rare] = [asking(swarm, 1), asking(swarm, 3)];
  swarm.finishReads();
  swarm.pass(1000);
  const [ofCommon, ofRare] = sentTo([common, rare]);
  assert(ofRare! >= 14 && ofCommon! <= 10, `${ofRare} of the rare one, ${ofCommon} of the other`);
});

Deno.test("UploadTurns does not let one peer have more than a second of the limit before others", () => {
  const swarm = seedOf(4 * MIB / BLOCK_BYTES, 16);
  const peers = [0, 1, 2, 3].map((piece) => asking(swarm, piece));
  swarm.finishReads();
  swarm.pass(8000);
  const sent = sentTo(peers);
  assert(Math.max(...sent) - Math.min(...sent) <= 1, `${sent}`);
});
