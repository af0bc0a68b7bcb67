import { assert, assertEquals } from "@std/assert";
import { type VirtualPeer, VirtualSwarm } from "../kit/virtual_swarm.ts";

/** A seed and leechers that know each other. */
function swarmOf(leechers: number): { swarm: VirtualSwarm; source: VirtualPeer } {
  const swarm = new VirtualSwarm({
    seed: 1,
    pieces: 80,
    blocksPerPiece: 8,
    upBytesPerSecond: 200_000,
    downBytesPerSecond: 200_000,
    delayMs: [5, 60],
  });
  const source = swarm.add({ has: "everything" });
  for (let i = 0; i < leechers; i++) swarm.add({ has: "nothing" });
  swarm.introduceAll();
  return { swarm, source };
}

Deno.test("swarm: leechers give to one another what the seed sends about once", () => {
  const { swarm, source } = swarmOf(5);
  swarm.runUntilComplete();
  const bytes = swarm.geometry.totalBytes;
  const fromSeed = source.manager.stats.uploadedBytes;
  assert(fromSeed < 2 * bytes, `the seed sent ${fromSeed} bytes, the torrent has ${bytes}`);
});

Deno.test("swarm: peers that dial each other at once end with one connection for each pair", () => {
  const { swarm } = swarmOf(5);
  swarm.runTo(3000);
  for (const peer of swarm.peers) assertEquals(peer.manager.connectionCount, 5);
});
