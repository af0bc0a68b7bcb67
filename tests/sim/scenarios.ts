/**
 * The fixed set: what has gone wrong in systems like this one, each by its name.
 */
import { checkComplete } from "../kit/virtual_checks.ts";
import { type DiskOptions, GOOD_DISK } from "../kit/virtual_disk.ts";
import { LIES, VirtualLiar } from "../kit/virtual_liar.ts";
import {
  type SwarmOptions,
  type VirtualPeer,
  type VirtualPeerOptions,
  VirtualSwarm,
} from "../kit/virtual_swarm.ts";
import { lostPeers } from "./lost_peers.ts";
import { bestMs, type Scenario } from "./scenario.ts";

/** A swarm without faults takes no longer than this many times what nobody can beat. */
const STEADY_TIMES_MAX = 2;

/** With faults that show themselves at once, no longer than this many times. */
const FAULT_TIMES_MAX = 4;

/** Silence shows itself after three minutes, and whoever dials again may meet it once more. */
const SILENCE_MS = 8 * 60_000;

const UP_BYTES_PER_SECOND = 500_000;

const usual: Omit<SwarmOptions, "seed"> = {
  pieces: 60,
  blocksPerPiece: 16,
  upBytesPerSecond: UP_BYTES_PER_SECOND,
  downBytesPerSecond: 5 * UP_BYTES_PER_SECOND,
  delayMs: [5, 100],
  jitterMs: 5,
};

/** By then whoever uses another's id is connected. */
const IMPERSONATED_MS = 2000;

/** What a scenario has to work with. */
interface Cast {
  readonly swarm: VirtualSwarm;
  readonly source: VirtualPeer;
  readonly leechers: readonly VirtualPeer[];
}

/** One seed and some leechers that a tracker makes known to one another. */
function castOf(
  seed: number,
  leechers: number,
  options: Partial<SwarmOptions> = {},
  each: Partial<VirtualPeerOptions> = {},
): Cast {
  const swarm = new VirtualSwarm({ ...usual, ...options, seed });
  const source = swarm.add({ has: "everything" });
  const others = Array.from({ length: leechers }, () => swarm.add({ has: "nothing", ...each }));
  for (const peer of swarm.peers) swarm.announce(peer);
  return { swarm, source, leechers: others };
}

/** Something that happens when the first leecher has a share of the pieces. */
function whenMidway(cast: Cast, share: number, happen: () => void): void {
  const [first] = cast.leechers;
  cast.swarm.runUntil(() => first!.manager.have.count >= share * cast.swarm.geometry.pieceCount);
  happen();
}

/** A scenario: its cast, what happens to it, and in how many best times, and how much later, all are complete. */
function scenario(
  name: string,
  cast: (seed: number) => Cast,
  happen: (cast: Cast) => void,
  limits: { times?: number; extraMs?: number; isLong?: boolean } = {},
): Scenario {
  const { times = FAULT_TIMES_MAX, extraMs = 0, isLong = false } = limits;
  return {
    name,
    isLong,
    run(seed) {
      const all = cast(seed);
      const { swarm } = all;
      const limitMs = times * bestMs(swarm) + extraMs;
      happen(all);
      swarm.runUntilComplete(swarm.clock.nowMs + limitMs);
      for (const peer of swarm.peers) {
        if (!peer.isHonest) continue;
        if (peer.isUp && !peer.isComplete) throw new Error(`${peer.address.host} is not complete`);
        if (peer.isUp) checkComplete(peer);
      }
      return swarm;
    },
  };
}

function withDisk(name: string, disk: DiskOptions, times: number): Scenario {
  return scenario(
    name,
    (seed) => {
      const cast = castOf(seed, 4);
      const peer = cast.swarm.add({ has: "nothing", disk });
      cast.swarm.announce(peer);
      return cast;
    },
    () => {},
    { times },
  );
}

function amongLiars(lie: typeof LIES[number]): Scenario {
  return scenario(
    `a peer ${lie}`,
    (seed) => castOf(seed, 5),
    ({ swarm, source, leechers }) => {
      const liar = new VirtualLiar(swarm, lie);
      liar.dial(source.address);
      liar.dial(leechers[0]!.address);
      liar.dial(leechers[1]!.address);
    },
    { extraMs: 60_000 },
  );
}

/** Somebody uses the id of a peer that comes later, and is connected to all the others by then. */
function impersonator(lie: typeof LIES[number]): Scenario {
  return scenario(
    `somebody under a peer's id ${lie}`,
    (seed) => {
      const swarm = new VirtualSwarm({ ...usual, seed });
      const source = swarm.add({ has: "everything" });
      const leechers = Array.from({ length: 5 }, () => swarm.add({ has: "nothing" }));
      return { swarm, source, leechers };
    },
    ({ swarm, leechers }) => {
      // Of the largest id: nobody's own line to it takes the place of the one that is there.
      const victim = leechers.reduce((a, b) => b.peerId[0]! > a.peerId[0]! ? b : a);
      const liar = new VirtualLiar(swarm, lie, victim);
      const others = swarm.peers.filter((peer) => peer !== victim);
      for (const peer of others) liar.dial(peer.address);
      swarm.runTo(IMPERSONATED_MS);
      for (const peer of swarm.peers) swarm.announce(peer);
    },
    { times: STEADY_TIMES_MAX, extraMs: 10_000 },
  );
}

/** All of the fixed set. */
export const scenarios: readonly Scenario[] = [
  ...lostPeers,
  scenario(
    "no fault",
    (seed) => castOf(seed, 8, { tellsSeeds: true }),
    () => {},
    { times: STEADY_TIMES_MAX },
  ),
  scenario(
    "fifty leechers",
    (seed) => castOf(seed, 50, { auditOneIn: 53, tellsSeeds: true }),
    () => {},
    { times: STEADY_TIMES_MAX, extraMs: 5000, isLong: true },
  ),
  scenario(
    "the seed stops once every piece is out",
    (seed) => castOf(seed, 5),
    ({ swarm, source, leechers }) => {
      swarm.runUntil(() => {
        for (let piece = 0; piece < swarm.geometry.pieceCount; piece++) {
          if (!leechers.some((peer) => peer.manager.have.has(piece))) return false;
        }
        return true;
      });
      source.stop();
    },
  ),
  scenario("the seed stops and comes back", (seed) => castOf(seed, 4), (cast) => {
    whenMidway(cast, 0.2, () => cast.source.stop());
    cast.swarm.clock.after(20_000, () => cast.source.restart());
    cast.swarm.runUntil(() => cast.source.isUp);
  }, { extraMs: 60_000 }),
  scenario(
    "a peer comes back under the same id and without its data",
    (seed) => castOf(seed, 4),
    (cast) =>
      whenMidway(cast, 0.5, () => {
        const [peer] = cast.leechers;
        peer!.stop();
        cast.swarm.clock.after(
          3000,
          () => peer!.restart({ keepsData: false, keepsId: true }),
        );
        cast.swarm.runUntil(() => peer!.isUp);
      }),
    { extraMs: 60_000 },
  ),
  scenario(
    "a peer says nothing any more and stays connected",
    (seed) => castOf(seed, 4),
    (cast) =>
      whenMidway(cast, 0.3, () => {
        const frozen = cast.leechers[0]!;
        frozen.freeze();
        cast.swarm.runUntil(() =>
          cast.leechers.every((peer) => peer === frozen || peer.isComplete)
        );
        frozen.thaw();
      }),
    { extraMs: SILENCE_MS },
  ),
  scenario(
    "a machine loses its power",
    (seed) => castOf(seed, 4),
    (cast) => whenMidway(cast, 0.3, () => cast.leechers[0]!.vanish()),
  ),
  scenario(
    "every line of a peer is reset, again and again",
    (seed) => castOf(seed, 5),
    (cast) => {
      for (let i = 1; i <= 8; i++) {
        cast.swarm.clock.after(
          2500 * i,
          () => cast.leechers[i % 5]!.ends.forEach((end) => end.reset()),
        );
      }
    },
    { extraMs: 120_000 },
  ),
  scenario("lines are closed on one side", (seed) => castOf(seed, 5), (cast) => {
    for (let i = 1; i <= 5; i++) {
      cast.swarm.clock.after(
        2000 * i,
        () => cast.leechers[i % 5]!.ends.slice(0, 2).forEach((end) => end.finish()),
      );
    }
  }, { extraMs: 60_000 }),
  scenario(
    "lines freeze and thaw",
    (seed) => castOf(seed, 5),
    (cast) => {
      whenMidway(cast, 0.2, () => {
        const frozen = cast.leechers.flatMap((peer) => peer.ends.slice(0, 3));
        for (const end of frozen) end.freeze();
        cast.swarm.clock.after(30_000, () => frozen.forEach((end) => end.thaw()));
      });
    },
    { extraMs: SILENCE_MS },
  ),
  scenario(
    "lines drop, and nobody says so",
    (seed) => castOf(seed, 5),
    (cast) =>
      whenMidway(
        cast,
        0.2,
        () => cast.leechers.slice(0, 3).forEach((peer) => peer.ends.forEach((end) => end.freeze())),
      ),
    { extraMs: SILENCE_MS },
  ),
  scenario(
    "a line of 300 ms",
    (seed) => castOf(seed, 3, { delayMs: [280, 320], jitterMs: 20 }),
    () => {
    },
    { extraMs: 10_000 },
  ),
  scenario(
    "a slow peer holds nobody up at the end",
    (seed) => {
      const cast = castOf(seed, 2);
      const slow = cast.swarm.add({ has: "everything", upBytesPerSecond: 10_000 });
      cast.swarm.announce(slow);
      return cast;
    },
    () => {},
    { times: STEADY_TIMES_MAX, extraMs: 5000 },
  ),
  scenario(
    "little memory",
    (seed) => castOf(seed, 5, { downloadMemoryBytes: 1, uploadMemoryBytes: 1 }),
    () => {},
  ),
  withDisk("a slow disk", { ...GOOD_DISK, seekMs: 200, bytesPerSecond: 1e6 }, FAULT_TIMES_MAX),
  withDisk("a disk that fails one write in five", { ...GOOD_DISK, failsOneIn: 5 }, FAULT_TIMES_MAX),
  withDisk("a disk that lies", { ...GOOD_DISK, liesOneIn: 3 }, FAULT_TIMES_MAX),
  ...LIES.map(amongLiars),
  impersonator("says nothing"),
  impersonator("gives bad data"),
];
