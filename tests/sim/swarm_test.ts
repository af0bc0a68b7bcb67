/**
 * Whole swarms on a virtual clock. `SEED=n deno test -A tests/sim` replays the run that a failure names.
 */
import { assert, assertEquals } from "@std/assert";
import { type VirtualPeer, VirtualSwarm } from "../kit/virtual_swarm.ts";

const LINE_BYTES_PER_SECOND = 200_000;

/** The seeds that each test is run with: the one of `SEED`, or a few. */
const seeds: readonly number[] = Deno.env.has("SEED") ? [Number(Deno.env.get("SEED"))] : [1, 2, 3];

/** Runs a test with every seed, and names the seed where it fails. */
function simulate(name: string, run: (seed: number) => void): void {
  Deno.test(`swarm: ${name}`, () => {
    for (const seed of seeds) {
      try {
        run(seed);
      } catch (cause) {
        const message = cause instanceof Error ? cause.message : String(cause);
        throw new Error(`With SEED=${seed}: ${message}`, { cause });
      }
    }
  });
}

/** A seed and leechers that know each other. */
function swarmOf(seed: number, leechers: number): {
  swarm: VirtualSwarm;
  source: VirtualPeer;
  leechers: VirtualPeer[];
} {
  const swarm = new VirtualSwarm({
    seed,
    pieces: 80,
    blocksPerPiece: 8,
    lineBytesPerSecond: LINE_BYTES_PER_SECOND,
    delayMs: [5, 60],
  });
  const source = swarm.add({ has: "everything" });
  const others = Array.from({ length: leechers }, () => swarm.add({ has: "nothing" }));
  swarm.introduceAll();
  return { swarm, source, leechers: others };
}

/** What every peer must look like when it is complete. */
function checkComplete(peers: readonly VirtualPeer[]): void {
  for (const peer of peers) {
    assert(peer.isComplete);
    const { stats } = peer.manager;
    assertEquals(peer.corruptPieces, 0);
    assertEquals(stats.wasted.unasked, 0);
    const { duplicate, abandoned } = stats.wasted;
    const bytes = peer.swarm.geometry.totalBytes;
    assert(stats.downloadedBytes <= bytes + duplicate + abandoned);
    // The end game asks again for what is in flight when it begins: a second of all lines.
    assert(duplicate <= 0.2 * bytes, `${duplicate} of ${bytes} bytes came twice`);
  }
}

/** Where a leecher is in the middle of some pieces. */
function isMidway(peer: VirtualPeer, share: number): boolean {
  return peer.manager.have.count >= share * peer.swarm.geometry.pieceCount;
}

/**
 * Something was lost, and all of it was asked of others. That it happened in the same millisecond wherever
 * somebody could be asked is what the audit after every event says.
 */
function checkRecovery(peers: readonly VirtualPeer[]): void {
  let requeued = 0;
  let recovered = 0;
  for (const { manager } of peers) {
    requeued += manager.stats.requeuedBlocks;
    recovered += manager.stats.recovery.count;
  }
  assert(requeued > 0 && recovered > 0, `${requeued} lost, ${recovered} asked again`);
}

simulate("one seed and five leechers complete, and the leechers give to one another", (seed) => {
  const { swarm, source, leechers } = swarmOf(seed, 5);
  swarm.runUntilComplete();
  checkComplete(leechers);
  const bytes = swarm.geometry.totalBytes;
  const fromSeed = source.manager.stats.uploadedBytes;
  assert(fromSeed < 4 * bytes, `the seed sent ${fromSeed} bytes, the torrent has ${bytes}`);
});

simulate("the same seed gives the same run", (seed) => {
  const run = () => {
    const { swarm, leechers } = swarmOf(seed, 3);
    swarm.runUntilComplete();
    return [swarm.clock.eventCount, ...leechers.map((peer) => peer.completedAtMs)];
  };
  assertEquals(run(), run());
});

simulate("one of four peers stops in mid-piece, and the others complete", (seed) => {
  const { swarm, leechers } = swarmOf(seed, 4);
  const [stopping, ...others] = leechers;
  swarm.runUntil(() => isMidway(stopping!, 0.4));
  stopping!.stop();
  swarm.runUntilComplete();
  checkComplete(others);
  checkRecovery(others);
});

simulate("two peers stop at once, and the others complete", (seed) => {
  const { swarm, leechers } = swarmOf(seed, 5);
  const [one, two, ...others] = leechers;
  swarm.runUntil(() => isMidway(one!, 0.4));
  one!.stop();
  two!.stop();
  swarm.runUntilComplete();
  checkComplete(others);
  checkRecovery(others);
});

simulate("a peer stops and comes back, and everybody completes", (seed) => {
  const { swarm, leechers } = swarmOf(seed, 4);
  const [leaving] = leechers;
  swarm.runUntil(() => isMidway(leaving!, 0.3));
  leaving!.stop();
  const backAtMs = swarm.clock.nowMs + 500;
  swarm.clock.after(500, () => leaving!.restart());
  swarm.runUntil(() => swarm.clock.nowMs >= backAtMs && leaving!.isUp);
  assert(leaving!.manager.have.count > 0, "it kept what it had stored");
  swarm.runUntilComplete();
  checkComplete(leechers);
});

simulate(
  "the seed stops once every piece is out, and the leechers complete among themselves",
  (seed) => {
    const { swarm, source, leechers } = swarmOf(seed, 4);
    const isOut = () => {
      for (let piece = 0; piece < swarm.geometry.pieceCount; piece++) {
        if (!leechers.some((peer) => peer.manager.have.has(piece))) return false;
      }
      return true;
    };
    swarm.runUntil(isOut);
    source.stop();
    swarm.runUntilComplete();
    checkComplete(leechers);
  },
);

simulate("the seed stops and comes back, and everybody completes", (seed) => {
  const { swarm, source, leechers } = swarmOf(seed, 3);
  swarm.runUntil(() => isMidway(leechers[0]!, 0.2));
  source.stop();
  swarm.clock.after(20_000, () => source.restart());
  swarm.runUntil(() => source.isUp);
  swarm.runUntilComplete();
  checkComplete(leechers);
});

simulate("a slow peer holds nobody up at the end", (seed) => {
  const swarm = new VirtualSwarm({
    seed,
    pieces: 20,
    blocksPerPiece: 8,
    lineBytesPerSecond: LINE_BYTES_PER_SECOND,
    delayMs: [5, 60],
  });
  swarm.add({ has: "everything" });
  swarm.add({ has: "everything", lineBytesPerSecond: 5000 });
  const leecher = swarm.add({ has: "nothing" });
  swarm.introduceAll();
  swarm.runUntilComplete();
  const idealMs = swarm.geometry.totalBytes / LINE_BYTES_PER_SECOND * 1000;
  assert(leecher.completedAtMs < 2 * idealMs, `${leecher.completedAtMs} ms, ${idealMs} at best`);
});

simulate("peers that dial each other at once end with one connection for each pair", (seed) => {
  const { swarm, leechers } = swarmOf(seed, 5);
  swarm.runUntil(() => swarm.clock.nowMs > 3000 || leechers.some((peer) => peer.isComplete));
  for (const peer of swarm.peers) assertEquals(peer.manager.connectionCount, 5);
});
