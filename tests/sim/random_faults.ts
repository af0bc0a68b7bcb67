/**
 * A swarm drawn by lot, with faults drawn by lot: what nobody thought of.
 */
import { integerOf, oneOf, randomOf } from "../kit/virtual_clock.ts";
import { type DiskOptions, GOOD_DISK } from "../kit/virtual_disk.ts";
import { LIES, VirtualLiar } from "../kit/virtual_liar.ts";
import { auditPeer } from "../kit/virtual_checks.ts";
import { type VirtualPeer, VirtualSwarm } from "../kit/virtual_swarm.ts";
import { bestMs, type Scenario } from "./scenario.ts";

/** Everybody is complete by so many times the best time, counted from the last fault. */
const BEST_TIMES_MAX = 12;

/**
 * And so much later: silence is believed for three minutes, twice where the second line drops too, and a peer that
 * could not be reached several times is dialled again after as long.
 */
const PATIENCE_MS = 15 * 60_000;

/** The swarm's own numbers are others than those that it is drawn by. */
const OTHER_NUMBERS = 0x5eed;

/** The slowest uplink, but for a fault: what a bad line of a phone still gives. */
const SLOW_BYTES_PER_SECOND = 10_000;

/** What is left of an uplink for a while, when that is the fault. */
const FAULTY_BYTES_PER_SECOND = 2000;

/** How long the swarm goes on when everybody is complete. */
const AFTERMATH_MS = 30_000;

/** Liars stop at last, so that a slot which one of them holds for ever is no excuse. */
const LIARS_LEAVE_MS = 10 * 60_000;

/** Mixed faults out of one seed. */
export const randomFaults: Scenario = {
  name: "mixed faults",
  run(seed) {
    const swarm = drawSwarm(seed);
    const lastFaultMs = scheduleFaults(swarm);
    swarm.runTo(lastFaultMs);
    const limitMs = lastFaultMs + BEST_TIMES_MAX * bestMs(swarm) + PATIENCE_MS;
    swarm.runUntilComplete(limitMs);
    const honest = swarm.peers.filter((peer) => peer.isHonest);
    const missing = honest.find((peer) => !peer.isUp && !stayedAway.has(peer));
    if (missing !== undefined) throw new Error(`${missing.address.host} did not come back`);
    swarm.runTo(swarm.clock.nowMs + AFTERMATH_MS);
    for (const peer of honest) if (peer.isUp) auditPeer(peer);
    return swarm;
  },
};

/** Those that left for good. */
const stayedAway = new WeakSet<VirtualPeer>();

function drawSwarm(seed: number): VirtualSwarm {
  const draw = randomOf(seed ^ OTHER_NUMBERS);
  const up = oneOf(draw, [50e3, 200e3, 1e6]);
  const hasLimit = draw() < 0.3;
  const swarm = new VirtualSwarm({
    seed,
    pieces: integerOf(draw, 6, 40),
    blocksPerPiece: oneOf(draw, [1, 2, 5, 8, 16]),
    upBytesPerSecond: up,
    downBytesPerSecond: up * integerOf(draw, 1, 10),
    ...(hasLimit && { uploadLimitBytesPerSecond: up / 2 }),
    delayMs: oneOf(draw, [[0, 1], [5, 60], [20, 300]]),
    jitterMs: oneOf(draw, [0, 0, 30]),
    ...(draw() < 0.3 && { downloadMemoryBytes: 1, uploadMemoryBytes: 1 }),
    tellsSeeds: draw() < 0.5,
  });
  const seeds = integerOf(draw, 1, 2);
  for (let i = 0; i < seeds; i++) swarm.add({ has: "everything" });
  const leechers = integerOf(draw, 2, 8);
  for (let i = 0; i < leechers; i++) {
    const isSlow = draw() < 0.15;
    const rate = isSlow ? Math.max(SLOW_BYTES_PER_SECOND, up / 10) : up;
    swarm.add({ has: "nothing", disk: drawDisk(draw), upBytesPerSecond: rate });
  }
  const liars = draw() < 0.5 ? integerOf(draw, 1, 3) : 0;
  for (let i = 0; i < liars; i++) addLiar(swarm);
  for (const peer of swarm.peers) swarm.announce(peer);
  return swarm;
}

function drawDisk(draw: () => number): DiskOptions {
  const lot = draw();
  if (lot < 0.08) return { ...GOOD_DISK, seekMs: 300, bytesPerSecond: 300e3 };
  if (lot < 0.16) return { ...GOOD_DISK, failsOneIn: 5 };
  if (lot < 0.24) return { ...GOOD_DISK, liesOneIn: 4 };
  return GOOD_DISK;
}

function addLiar(swarm: VirtualSwarm): void {
  const { random, clock, peers } = swarm;
  const liar = new VirtualLiar(swarm, oneOf(random, LIES));
  for (let i = 0; i < 3; i++) {
    const victim = oneOf(random, peers).address;
    clock.after(random() * 5000, () => liar.dial(victim));
  }
  clock.after(LIARS_LEAVE_MS, () => liar.stop());
}

/** @returns when the last one is over */
function scheduleFaults(swarm: VirtualSwarm): number {
  const { random, clock } = swarm;
  const withinMs = Math.max(5000, 1.5 * bestMs(swarm));
  let lastMs = 0;
  const count = integerOf(random, 2, 12);
  for (let i = 0; i < count; i++) {
    const atMs = random() * withinMs;
    const lastsMs = oneOf(random, [50, 2000, 30_000, 100_000]) * random();
    clock.after(atMs, () => haveFault(swarm, lastsMs));
    lastMs = Math.max(lastMs, atMs + lastsMs + 1);
  }
  return lastMs;
}

function haveFault(swarm: VirtualSwarm, lastsMs: number): void {
  const { random, clock } = swarm;
  const victim = oneOf(random, swarm.peers);
  if (!victim.isUp) return;
  const back = { keepsData: random() < 0.6, keepsId: random() < 0.5 };
  // Whoever had everything keeps it: without it nobody could complete.
  const isKeeper = swarm.peers.indexOf(victim) === 0;
  if (isKeeper) back.keepsData = true;
  const comeBack = (): void => {
    const isForGood = !isKeeper && random() < 0.2;
    if (isForGood) stayedAway.add(victim);
    else clock.after(lastsMs, () => victim.restart(back));
  };
  const faults: (() => void)[] = [
    () => (victim.stop(), comeBack()),
    () => (victim.vanish(), comeBack()),
    () => (victim.freeze(), clock.after(lastsMs, () => victim.thaw())),
    () => oneLine(victim, random)?.reset(),
    () => oneLine(victim, random)?.finish(),
    () => oneLine(victim, random)?.freeze(),
    () => {
      const line = oneLine(victim, random);
      line?.freeze();
      clock.after(lastsMs, () => line?.thaw());
    },
    () => victim.ends.forEach((end) => end.reset()),
    () => {
      const { uplink } = victim;
      uplink.bytesPerSecond = Math.min(uplink.bytesPerSecond, FAULTY_BYTES_PER_SECOND);
      clock.after(lastsMs, () => uplink.bytesPerSecond = uplink.usualBytesPerSecond);
    },
  ];
  oneOf(random, faults)();
}

function oneLine(peer: VirtualPeer, random: () => number) {
  const { ends } = peer;
  return ends.length === 0 ? null : oneOf(random, ends);
}
