/**
 * Distribution time: one seed and N leechers, every upload limited, against what nobody can beat.
 *
 *     deno run -A tests/sim/distribution.ts [--peers 8,50,200,1000] [--mebibytes 64,256] [--seed 1]
 *         [--limit bucket|link] [--rate BYTES_PER_SECOND] [--explain]
 *
 * `max(F / u_seed, F / d_min, N · F / (u_seed + Σ u))` is the bound: the seed must send every byte once, everybody must
 * take them all, and all that is taken must be sent by somebody.
 */
import { parseArgs } from "@std/cli/parse-args";
import { type VirtualPeer, VirtualSwarm } from "../kit/virtual_swarm.ts";

const MIB = 1024 * 1024;
/** Pieces of 256 KiB. */
const BLOCKS_PER_PIECE = 16;
/** What every upload is limited to unless told otherwise: as in the part `swarm` of the benchmark, on real processes. */
const UPLOAD_BYTES_PER_SECOND = 4e6;
/** Downlinks are this many times as fast as uplinks, as at home. */
const DOWN_TO_UP = 10;
/** One-way delays, drawn for each line. */
const DELAY_MS: readonly [number, number] = [5, 200];
/** Where the limiter is the bucket, the uplink itself carries this much more. */
const LINK_TO_BUCKET = 10;
/** Connections of each peer; the engine's default would take more memory than a thousand peers have here. */
const CONNECTIONS_MAX = 50;
/** About so many inputs of a run are followed by a full audit. */
const AUDITS_MAX = 5000;
/** Connections of each of more than {@linkcode CROWD} peers. */
const CONNECTIONS_MAX_CROWD = 30;
const CROWD = 300;
/** Bytes of spans, and of pieces on their way to the disk, that each may hold: there are up to a thousand in this process. */
const UPLOAD_MEMORY_BYTES = 2 * MIB;
const DOWNLOAD_MEMORY_BYTES = 12 * MIB;

/** What a run is made from. */
export interface DistributionOptions {
  readonly seed: number;
  readonly leechers: number;
  readonly mebibytes: number;
  /** What every upload is limited to. */
  readonly uploadBytesPerSecond: number;
  /** What limits it: the engine's own bucket, as `--upload-limit`, or the uplink. */
  readonly limit: "bucket" | "link";
}

/** What came of it. */
export interface Distribution {
  readonly swarm: VirtualSwarm;
  readonly boundSeconds: number;
  /** When the last leecher was complete. */
  readonly seconds: number;
  /** When the first was. */
  readonly firstSeconds: number;
  /** When every piece had left the seed whole, and what the seed had sent by then. */
  readonly allOutSeconds: number;
  readonly allOutBytes: number;
  /** What was sent of what could be, in each twentieth of the time. */
  readonly use: readonly number[];
  readonly realSeconds: number;
}

/** Runs one. */
export function distribute(options: DistributionOptions): Distribution {
  const { leechers, mebibytes, uploadBytesPerSecond: up, limit } = options;
  const bytes = mebibytes * MIB;
  const pieces = bytes / (BLOCKS_PER_PIECE * 16384);
  const down = up * DOWN_TO_UP;
  const swarm = new VirtualSwarm({
    seed: options.seed,
    pieces,
    blocksPerPiece: BLOCKS_PER_PIECE,
    lastPieceLacksBytes: 0,
    upBytesPerSecond: limit === "bucket" ? up * LINK_TO_BUCKET : up,
    ...(limit === "bucket" && { uploadLimitBytesPerSecond: up }),
    downBytesPerSecond: down,
    delayMs: DELAY_MS,
    connectionsMax: leechers > CROWD ? CONNECTIONS_MAX_CROWD : CONNECTIONS_MAX,
    downloadMemoryBytes: DOWNLOAD_MEMORY_BYTES,
    tellsSeeds: true,
    uploadMemoryBytes: UPLOAD_MEMORY_BYTES,
    auditOneIn: Math.ceil(leechers * leechers * pieces / AUDITS_MAX),
  });
  const beganMs = performance.now();
  const source = swarm.add({ has: "everything" });
  for (let i = 0; i < leechers; i++) swarm.add({ has: "nothing" });
  for (const peer of swarm.peers) swarm.announce(peer);
  const boundSeconds = Math.max(
    bytes / up,
    bytes / down,
    leechers * bytes / (up * (leechers + 1)),
  );
  const watch = new Watch(swarm, source);
  const limitMs = 20 * boundSeconds * 1000 + 60_000;
  swarm.runUntil(() => watch.look(), limitMs);
  const seconds = Math.max(...swarm.peers.map((peer) => peer.completedAtMs)) / 1000;
  return {
    swarm,
    boundSeconds,
    seconds,
    firstSeconds: Math.min(
      ...swarm.peers.map((peer) => peer === source ? Infinity : peer.completedAtMs),
    ) / 1000,
    allOutSeconds: watch.allOutMs / 1000,
    allOutBytes: watch.allOutBytes,
    use: watch.use(seconds, up),
    realSeconds: (performance.now() - beganMs) / 1000,
  };
}

/** How often a {@linkcode Watch} looks, in virtual time. */
const LOOK_MS = 100;
/** Parts of the time that the use is told of. */
const USE_PARTS = 20;

/** Follows a distribution. */
class Watch {
  allOutMs = Infinity;
  allOutBytes = 0;
  readonly #swarm: VirtualSwarm;
  readonly #source: VirtualPeer;
  readonly #sentBytes: number[] = [0];
  #nextLookMs = LOOK_MS;

  constructor(swarm: VirtualSwarm, source: VirtualPeer) {
    this.#swarm = swarm;
    this.#source = source;
  }

  /** @returns whether everybody is complete */
  look(): boolean {
    const { clock, peers } = this.#swarm;
    if (clock.nowMs < this.#nextLookMs) return false;
    this.#nextLookMs = clock.nowMs + LOOK_MS;
    let sent = 0;
    for (const peer of peers) sent += peer.manager.stats.uploadedBytes;
    this.#sentBytes[Math.floor(clock.nowMs / LOOK_MS)] = sent;
    if (this.allOutMs === Infinity && this.#isAllOut()) {
      this.allOutMs = clock.nowMs;
      this.allOutBytes = this.#source.manager.stats.uploadedBytes;
    }
    return peers.every((peer) => peer.isComplete);
  }

  use(seconds: number, up: number): number[] {
    const capacity = seconds / USE_PARTS * up * this.#swarm.peers.length;
    const at = (part: number): number => {
      let index = Math.floor(part * seconds * 1000 / USE_PARTS / LOOK_MS);
      while (this.#sentBytes[index] === undefined && index > 0) index--;
      return this.#sentBytes[index]!;
    };
    return Array.from({ length: USE_PARTS }, (_, part) => (at(part + 1) - at(part)) / capacity);
  }

  #isAllOut(): boolean {
    const { peers, geometry } = this.#swarm;
    for (let piece = 0; piece < geometry.pieceCount; piece++) {
      if (!peers.some((peer) => peer !== this.#source && peer.manager.have.has(piece))) {
        return false;
      }
    }
    return true;
  }
}

function numbersOf(text: string): number[] {
  return text.split(",").map(Number);
}

function describe(options: DistributionOptions, run: Distribution): string {
  const { swarm } = run;
  let wasted = 0;
  let downloaded = 0;
  let recoveryMs = 0;
  for (const { manager: { stats } } of swarm.peers) {
    const { duplicate, unasked, corrupt, abandoned } = stats.wasted;
    wasted += duplicate + unasked + corrupt + abandoned;
    downloaded += stats.downloadedBytes;
    recoveryMs = Math.max(recoveryMs, stats.recovery.maxMs);
  }
  const bytes = options.mebibytes * MIB;
  const cells = [
    `${options.leechers}`,
    `${options.mebibytes}`,
    run.boundSeconds.toFixed(1),
    run.seconds.toFixed(1),
    (run.seconds / run.boundSeconds).toFixed(3),
    run.firstSeconds.toFixed(1),
    run.allOutSeconds.toFixed(1),
    (run.allOutBytes / bytes).toFixed(3),
    `${(100 * wasted / downloaded).toFixed(2)} %`,
    `${swarm.clock.eventCount}`,
    run.realSeconds.toFixed(1),
  ];
  return `| ${cells.join(" | ")} |`;
}

if (import.meta.main) {
  const args = parseArgs(Deno.args, {
    string: ["peers", "mebibytes", "seed", "limit", "rate"],
    boolean: ["explain"],
    default: { peers: "8,50,200,1000", mebibytes: "64,256", seed: "1", limit: "bucket" },
  });
  console.log(
    "| N | MiB | bound s | took s | ratio | first s | all out s | seed sent / F by then | wasted | events | real s |",
  );
  console.log("| --: | --: | --: | --: | --: | --: | --: | --: | --: | --: | --: |");
  for (const mebibytes of numbersOf(args.mebibytes)) {
    for (const leechers of numbersOf(args.peers)) {
      const options: DistributionOptions = {
        seed: Number(args.seed),
        leechers,
        mebibytes,
        uploadBytesPerSecond: args.rate === undefined ? UPLOAD_BYTES_PER_SECOND : Number(args.rate),
        limit: args.limit === "link" ? "link" : "bucket",
      };
      const run = distribute(options);
      console.log(describe(options, run));
      if (args.explain) {
        console.log(run.use.map((share) => `${Math.round(100 * share)}`.padStart(3)).join(" "));
      }
    }
  }
}
