/**
 * The three cases of the old failure: a peer disconnects, and the blocks that it had been asked for stay "in progress"
 * for ever.
 *
 * Each is run twice, with the fault and without. With it, every lost block is asked of somebody else in the same
 * virtual millisecond; and the end comes no later than 5 % after what the run without it leads one to expect.
 */
import { type VirtualPeer, VirtualSwarm } from "../kit/virtual_swarm.ts";
import type { Scenario } from "./scenario.ts";

/** How much later than expected the end may come, as a share. */
const SLOWER_MAX = 1.05;

/** In the middle: the first peer that stops has this share of the pieces. */
const MIDWAY = 0.4;

/** How long the one that comes back stays away. */
const AWAY_MS = 5000;

/** How long it takes to be among the others again: a dial, handshakes, a choke round, the first blocks. */
const RETURN_MS = 12_000;

const UP_BYTES_PER_SECOND = 1e6;
const LEECHERS = 4;

/** What happens to whom. */
interface Loss {
  readonly name: string;
  readonly stopping: number;
  readonly comesBack: boolean;
}

const losses: readonly Loss[] = [
  { name: "one of four peers stops in mid-piece", stopping: 1, comesBack: false },
  { name: "two of four peers stop at once", stopping: 2, comesBack: false },
  { name: "one of four peers stops and comes back", stopping: 1, comesBack: true },
];

/** The three cases. */
export const lostPeers: readonly Scenario[] = losses.map((loss) => ({
  name: loss.name,
  run: (seed) => lose(loss, seed),
}));

function lose(loss: Loss, seed: number): VirtualSwarm {
  const without = start(seed);
  const atMs = runToMidway(without);
  const missingBytes = without.leechers.map(missingOf);
  without.swarm.runUntilComplete();
  const endMs = lastOf(without.leechers);

  const { swarm, leechers } = start(seed);
  if (runToMidway({ swarm, leechers }) !== atMs) throw new Error("the two runs are not alike");
  const stopping = leechers.slice(0, loss.stopping);
  const staying = leechers.slice(loss.stopping);
  for (const peer of stopping) peer.stop();
  if (loss.comesBack) {
    swarm.clock.after(AWAY_MS, () => stopping.forEach((peer) => peer.restart()));
    swarm.runTo(atMs + AWAY_MS);
  }
  const limitMs = SLOWER_MAX * expectedEndMs(loss, atMs, endMs, missingBytes);
  swarm.runUntilComplete(2 * limitMs);
  checkRecovery(staying);
  const tookMs = lastOf(leechers.filter((peer) => peer.isUp));
  if (tookMs > limitMs) {
    throw new Error(
      `took ${tookMs.toFixed(0)} ms, ${limitMs.toFixed(0)} ms are allowed; without the fault ${
        endMs.toFixed(0)
      } ms`,
    );
  }
  return swarm;
}

function start(seed: number): { swarm: VirtualSwarm; leechers: VirtualPeer[] } {
  const swarm = new VirtualSwarm({
    seed,
    pieces: 120,
    blocksPerPiece: 16,
    upBytesPerSecond: UP_BYTES_PER_SECOND,
    downBytesPerSecond: 10 * UP_BYTES_PER_SECOND,
    delayMs: [5, 60],
  });
  swarm.add({ has: "everything" });
  const leechers = Array.from({ length: LEECHERS }, () => swarm.add({ has: "nothing" }));
  for (const peer of swarm.peers) swarm.announce(peer);
  return { swarm, leechers };
}

function runToMidway(run: { swarm: VirtualSwarm; leechers: readonly VirtualPeer[] }): number {
  const { swarm, leechers } = run;
  const [first] = leechers;
  const isMidPiece = () => [...first!.manager.connections].some((c) => c.requests.live > 0);
  swarm.runUntil(() =>
    first!.manager.have.count >= MIDWAY * swarm.geometry.pieceCount && isMidPiece()
  );
  return swarm.clock.nowMs;
}

function missingOf(peer: VirtualPeer): number {
  const { count, length } = peer.manager.have;
  return peer.swarm.geometry.totalBytes * (1 - count / length);
}

function lastOf(peers: readonly VirtualPeer[]): number {
  return Math.max(...peers.map((peer) => peer.completedAtMs));
}

/**
 * When the end is to be expected: those that stay use the uplinks that are left as well as all used them all from
 * that moment on in the run without the fault; and nobody is quicker than the run without it, whose end the seed's own
 * uplink decides.
 */
function expectedEndMs(
  loss: Loss,
  atMs: number,
  endMs: number,
  missingBytes: readonly number[],
): number {
  const all = missingBytes.reduce((sum, bytes) => sum + bytes, 0);
  const peers = LEECHERS + 1;
  const bytesPerMs = all / (endMs - atMs) / peers; // of one uplink, as it was used
  const left = peers - loss.stopping;
  if (!loss.comesBack) {
    const staying = missingBytes.slice(loss.stopping).reduce((sum, bytes) => sum + bytes, 0);
    return Math.max(endMs, atMs + staying / (bytesPerMs * left));
  }
  const awayMs = AWAY_MS + RETURN_MS;
  const meanwhile = bytesPerMs * left * awayMs;
  return Math.max(endMs, atMs + awayMs + (all - meanwhile) / (bytesPerMs * peers));
}

/** Something was lost, and all of it was asked of others when it was. */
function checkRecovery(peers: readonly VirtualPeer[]): void {
  let requeued = 0;
  let recovered = 0;
  for (const { manager: { stats }, address } of peers) {
    requeued += stats.requeuedBlocks;
    recovered += stats.recovery.count;
    const { maxMs } = stats.recovery;
    if (maxMs >= 1) throw new Error(`${address.host} asked again only ${maxMs} ms after a loss`);
  }
  if (requeued === 0) throw new Error("nothing was lost");
  if (recovered < requeued) {
    throw new Error(`${requeued} blocks were lost, ${recovered} asked again`);
  }
}
