import { assertSameTree } from "../kit/compare.ts";
import { startEnjambre } from "../kit/enjambre.ts";
import type { JsonEvent, RunningProcess } from "../kit/running_process.ts";
import type { Scope } from "../kit/scoped.ts";
import { READY_LIMIT_MS } from "../interop/peer_program.ts";
import { setUpSwarm, type Swarm, waitForCounts } from "../interop/swarm.ts";
import { ourTracker } from "../interop/tracker_program.ts";

/** How long one of these tests may take. */
export const TEST_LIMIT_MS = 60_000;
/** How long a download may take; without a fault it is some ten seconds. */
export const DOWNLOAD_LIMIT_MS = 45_000;
/**
 * Blocks of one that is gone are asked of others in the same call where another has the piece; what the seed has to
 * show them first comes a moment later. None waits as long as it takes to give up on a silent peer: five seconds.
 */
export const AT_ONCE_MS = 2000;
/** A million bytes. */
export const MB = 1_000_000;
const CONTENT_NAME = "content.bin";

/** One that downloads, in a process of its own, and goes on as a seed. */
export interface Leecher {
  readonly process: RunningProcess;
  readonly folder: string;
}

/** What a completed download tells of its troubles. */
export interface Outcome {
  /** Since it began, in seconds. */
  readonly seconds: number;
  /** Blocks that were asked of somebody else because of it. */
  readonly requeuedBlocks: number;
  /** How long they waited until then. */
  readonly recovery: { readonly count: number; readonly maxMs: number };
}

/** A swarm of our processes on loopback, found through our tracker, in which something goes wrong. */
export class FaultSwarm {
  readonly #scope: Scope;
  readonly #swarm: Swarm;
  readonly #bytes: number;

  private constructor(scope: Scope, swarm: Swarm, bytes: number) {
    this.#scope = scope;
    this.#swarm = swarm;
    this.#bytes = bytes;
  }

  /** Writes so much content and starts a tracker and a seed; resolves when the tracker knows the seed. */
  static async start(
    scope: Scope,
    bytes: number,
    seedBytesPerSecond: number,
  ): Promise<FaultSwarm> {
    const content = { name: CONTENT_NAME, files: [], bytes };
    const swarm = await setUpSwarm(scope, { content, tracker: ourTracker });
    const seed = await scope.use(startEnjambre([
      ...["seed", swarm.torrent, "--archives", swarm.seedFolder],
      ...limits(seedBytesPerSecond),
    ]));
    await seed.waitForEvent("listening", READY_LIMIT_MS);
    await waitForCounts(swarm, { seeders: 1 });
    return new FaultSwarm(scope, swarm, bytes);
  }

  /** Starts one that downloads. */
  async leech(name: string, uploadBytesPerSecond: number): Promise<Leecher> {
    const folder = await this.#swarm.folder.folder(name);
    const process = await this.#scope.use(startEnjambre([
      ...["download", this.#swarm.torrent, "--output", folder, "--seed"],
      ...limits(uploadBytesPerSecond),
    ]));
    return { process, folder };
  }

  /** Waits until a leecher has this part of the content, and not all of it. */
  async untilHas({ process }: Leecher, part: number): Promise<void> {
    const isThere = (event: JsonEvent) => Number(event.haveBytes) >= part * this.#bytes;
    const { haveBytes } = await process.waitForEvent("progress", DOWNLOAD_LIMIT_MS, isThere);
    if (Number(haveBytes) < this.#bytes) return;
    throw new Error("Cannot disturb the download: it was over before anybody looked");
  }

  /** Waits until a leecher is complete, and compares what it has. */
  async untilComplete({ process, folder }: Leecher): Promise<Outcome> {
    const complete = await process.waitForEvent("complete", DOWNLOAD_LIMIT_MS);
    await assertSameTree(
      `${this.#swarm.seedFolder}/${CONTENT_NAME}`,
      `${folder}/${CONTENT_NAME}`,
    );
    return complete as JsonEvent & Outcome;
  }
}

/** What became of the blocks that were owed by somebody who failed, in several downloads together. */
export function recoveryOf(
  outcomes: readonly Outcome[],
): { requeuedBlocks: number; recoveredBlocks: number; maxMs: number } {
  const sum = { requeuedBlocks: 0, recoveredBlocks: 0, maxMs: 0 };
  for (const { requeuedBlocks, recovery } of outcomes) {
    sum.requeuedBlocks += requeuedBlocks;
    sum.recoveredBlocks += recovery.count;
    sum.maxMs = Math.max(sum.maxMs, recovery.maxMs);
  }
  return sum;
}

/** The same as a line for people. */
export function describeRecovery(outcomes: readonly Outcome[]): string {
  const { requeuedBlocks, recoveredBlocks, maxMs } = recoveryOf(outcomes);
  const seconds = Math.max(...outcomes.map(({ seconds }) => seconds));
  return `  complete after ${seconds.toFixed(1)} s; ${requeuedBlocks} blocks given back, ` +
    `${recoveredBlocks} asked of others within ${maxMs.toFixed(1)} ms`;
}

function limits(uploadBytesPerSecond: number): string[] {
  return ["--port", "0", "--upload-limit", String(uploadBytesPerSecond)];
}
