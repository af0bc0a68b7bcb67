/** The real download from a real seed, killed again and again at random moments; and interrupted, as a user does. */
import { assert, assertEquals } from "@std/assert";
import { parseTorrent } from "@enjambre/metainfo";
import { pseudoRandomBytes } from "../kit/content.ts";
import type { RunningProcess } from "../kit/running_process.ts";
import { scoped } from "../kit/scoped.ts";
import { DiskSwarm, DOWNLOAD_LIMIT_MS, lastEvent, NOTICE_LIMIT_MS } from "./disk_swarm.ts";
import { Witness } from "./witness.ts";

const MB = 1_000_000;
/** `KILLS=100` takes more than a minute. */
const KILLS = Number(Deno.env.get("KILLS") ?? 30);
const LIMIT_MS = 60_000 + 2000 * KILLS;
/** So long after it began, a run is killed at the latest. */
const FETCHING_MS_MAX = 500;
/** So long after its start, one that is killed while it starts. */
const STARTING_MS_MAX = 400;
/** The part of the runs that are killed while they start, whatever they are at. */
const STARTING_PART = 0.2;
/** What a run may have in memory when it is killed: begun pieces, those on their way to the disk, and what the line holds. */
const LOST_BYTES_MAX = 0.5 * MB;
/** What the line may hold when it is interrupted. */
const ON_THE_LINE_BYTES_MAX = 0.25 * MB;
const BYTES_PER_SECOND = 3 * MB;
/** More than all runs together can fetch. */
const CONTENT = {
  name: "content",
  files: [
    { path: "a.bin", bytes: 70_000 },
    { path: "b.bin", bytes: 5 },
    { path: "empty.bin", bytes: 0 },
    { path: "deep/c.bin", bytes: 6 * MB + KILLS * 0.7 * MB },
    { path: "deep/d.bin", bytes: KILLS * 0.4 * MB + 33 },
  ],
  bytes: 0,
};

Deno.test(`kill -9 of the client, ${KILLS} times in one download: nothing that was announced is lost`, () =>
  scoped(LIMIT_MS, async (scope) => {
    const seed = Number(Deno.env.get("SEED") ?? Date.now() % 1_000_000);
    const random = randomOf(seed);
    const swarm = await DiskSwarm.start(scope, CONTENT, BYTES_PER_SECOND);
    const torrent = await parseTorrent(await Deno.readFile(swarm.torrent));
    const witness = await scope.use(new Witness(torrent));
    const output = swarm.folder.join("output");
    const args = ["--peer", witness.address];
    const announced = new Set<number>();
    let runs = 0;
    const hear = async (): Promise<void> => {
      await witness.settled();
      for (const { had, got } of witness.testimonies.splice(0)) {
        if (had === null) continue;
        runs++;
        const lost = [...announced].filter((piece) => !had.includes(piece));
        assertEquals(lost, [], `SEED=${seed}`);
        for (const piece of [...had, ...got]) announced.add(piece);
      }
    };
    for (let kill = 0; kill < KILLS; kill++) {
      const run = await swarm.download(output, { args });
      await killAtRandom(run, random);
      assertEquals(run.errorLines.filter((line) => /error|warning/.test(line)), []);
      await hear();
    }
    const before = announced.size;
    const last = await swarm.download(output, { args });
    await last.waitForSuccess(LIMIT_MS);
    await hear();
    assertEquals(announced.size, torrent.geometry.pieceCount);
    await swarm.assertSame(output);
    const twice = await swarm.bytesGiven() - swarm.bytes;
    console.log(
      `  SEED=${seed}: ${before} of ${torrent.geometry.pieceCount} pieces came in ${KILLS} runs that were ` +
        `killed, ${runs - 1} of them in the swarm; ${twice} bytes were fetched twice, ` +
        `${Math.round(twice / KILLS)} for each kill`,
    );
    assert(twice <= KILLS * LOST_BYTES_MAX);
  }));

Deno.test("a download that is interrupted goes on where it was, in the middle of pieces", () =>
  scoped(LIMIT_MS, async (scope) => {
    const content = { ...CONTENT, files: [{ path: "a.bin", bytes: 16 * MB }] };
    const swarm = await DiskSwarm.start(scope, content, 2 * MB);
    const output = swarm.folder.join("output");
    const interruptions = [0.15, 0.35, 0.55];
    for (const part of interruptions) {
      const run = await swarm.download(output);
      await swarm.untilHas(run, part);
      const { code } = await run.end("SIGINT");
      assertEquals(code, 130);
      assertEquals(lastEvent(run, "error")?.code, "interrupted");
    }
    const last = await swarm.download(output);
    await last.waitForEvent("complete", DOWNLOAD_LIMIT_MS);
    await last.waitForSuccess(NOTICE_LIMIT_MS);
    await swarm.assertSame(output);
    const twice = await swarm.bytesGiven() - swarm.bytes;
    console.log(`  ${twice} bytes were fetched twice in ${interruptions.length} interruptions`);
    assert(twice <= interruptions.length * ON_THE_LINE_BYTES_MAX);
  }));

/** Kills a run while it starts, or while it fetches. */
async function killAtRandom(run: RunningProcess, random: () => number): Promise<void> {
  let limitMs = STARTING_MS_MAX;
  if (random() >= STARTING_PART) {
    await run.waitForEvent("listening", NOTICE_LIMIT_MS);
    limitMs = FETCHING_MS_MAX;
  }
  const delayMs = random() * limitMs;
  await new Promise((resolve) => setTimeout(resolve, delayMs));
  await run.end("SIGKILL");
}

/** Random numbers that a seed replays. */
function randomOf(seed: number): () => number {
  const words = new Uint32Array(pseudoRandomBytes(4 * 4 * KILLS, seed).buffer);
  let next = 0;
  return () => words[next++ % words.length]! / 2 ** 32;
}
