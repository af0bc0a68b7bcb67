/** One download that is killed a hundred times, at random moments. */
import { assert, assertEquals } from "@std/assert";
import { buildTorrent, type Geometry, parseTorrent } from "@enjambre/metainfo";
import { pseudoRandomBytes } from "../kit/content.ts";
import { type JsonEvent, RunningProcess } from "../kit/running_process.ts";
import { scoped } from "../kit/scoped.ts";
import { TempFolder } from "../kit/temp_folder.ts";
import { contentOfPiece, PIECES_IN_MEMORY } from "./kept_download.ts";

const KILLS = 100;
const TEST_LIMIT_MS = 150_000;
const RUN_LIMIT_MS = 30_000;
/** So long after it began to fetch, a run is killed at the latest. */
const FETCHING_MS_MAX = 40;
/** So long after its start, one that is killed while it starts. */
const STARTING_MS_MAX = 200;
/** The part of the runs that are killed while they start, whatever they are at. */
const STARTING_PART = 0.25;

const PIECE_LENGTH = 16 * 1024;
/** Files of odd sizes, small ones and an empty one among them: more than a hundred short runs can fetch. */
const FILE_BYTES = [
  ...[9_000_001, 70_000, 5, 0, 16_384, 20_000_000, 33, 4_000_000, 12_345],
  ...[8_000_000, 777, 10_000_019],
];

/** The download that is killed again and again: how to start it, and what it says. */
interface Killed {
  /** Starts it over the same folder. */
  start(): RunningProcess;
  /** The pieces that it found good when it began, as said in the event `checked`. */
  goodPieces(checked: JsonEvent): readonly number[];
}

Deno.test("kill -9, a hundred times in one download: no piece that was announced is lost", () =>
  scoped(TEST_LIMIT_MS, async (scope) => {
    const seed = Number(Deno.env.get("SEED") ?? Date.now() % 1_000_000);
    const random = randomOf(seed);
    const folder = await scope.use(TempFolder.make());
    const { torrentPath, geometry } = await makeTorrent(folder);
    const killed = keptDownload(torrentPath, folder);
    const announced = new Set<number>();
    let fetched = 0;
    let foundAtStart = 0;
    for (let kill = 0; kill <= KILLS; kill++) {
      const run = await scope.use(killed.start());
      if (kill < KILLS) await killAtRandom(run, random);
      else await run.waitForSuccess(RUN_LIMIT_MS);
      const events = run.lines.filter((line) => line.endsWith("}")).map((line) => JSON.parse(line));
      assertEquals(events.filter(({ event }) => event === "trouble"), []);
      const checked = events.find(({ event }) => event === "checked");
      if (checked !== undefined) {
        const good = new Set(killed.goodPieces(checked));
        const lost = [...announced].filter((piece) => !good.has(piece));
        assertEquals(lost, [], `run ${kill}, SEED=${seed}`);
        for (const piece of good) announced.add(piece);
        foundAtStart = good.size;
      }
      for (const { event, piece } of events) {
        if (event === "have") announced.add(piece);
        if (event === "fetch") fetched++;
      }
      const isOver = announced.size === geometry.pieceCount;
      assert(isOver === (kill === KILLS), `complete after ${kill} kills, SEED=${seed}`);
    }
    await assertContent(folder.join("downloads"), geometry);
    const twice = fetched - geometry.pieceCount;
    console.log(
      `  SEED=${seed}: ${geometry.pieceCount} pieces, ${foundAtStart} of them before the last kill; ` +
        `${twice} were fetched twice (${(twice / KILLS).toFixed(2)} for each kill)`,
    );
    // What was in memory, and nothing else.
    assert(twice <= KILLS * PIECES_IN_MEMORY, `${twice} pieces were fetched twice, SEED=${seed}`);
  }));

/** The download of `kept_download.ts`. */
function keptDownload(torrentPath: string, folder: TempFolder): Killed {
  const program = new URL("kept_download.ts", import.meta.url).pathname;
  const args = [torrentPath, folder.join("downloads"), folder.join("state")];
  return {
    start: () =>
      RunningProcess.start(Deno.execPath(), ["run", "-A", "--no-check", program, ...args]),
    goodPieces: ({ good }) => good as number[],
  };
}

/** Kills a run while it starts, or while it fetches. */
async function killAtRandom(run: RunningProcess, random: () => number): Promise<void> {
  let limitMs = STARTING_MS_MAX;
  if (random() >= STARTING_PART) {
    await run.waitForEvent("checked", RUN_LIMIT_MS);
    limitMs = FETCHING_MS_MAX;
  }
  const delayMs = random() * limitMs;
  await new Promise((resolve) => setTimeout(resolve, delayMs));
  await run.end("SIGKILL");
}

async function makeTorrent(
  folder: TempFolder,
): Promise<{ torrentPath: string; geometry: Geometry }> {
  const files = FILE_BYTES.map((bytes, i) => ({ path: [`folder ${i % 3}`, `${i}.bin`], bytes }));
  const totalBytes = FILE_BYTES.reduce((sum, bytes) => sum + bytes, 0);
  const pieceHashes = new Uint8Array(20 * Math.ceil(totalBytes / PIECE_LENGTH));
  for (let piece = 0; piece * PIECE_LENGTH < totalBytes; piece++) {
    const bytes = Math.min(PIECE_LENGTH, totalBytes - piece * PIECE_LENGTH);
    const content = contentOfPiece(piece, bytes);
    pieceHashes.set(new Uint8Array(await crypto.subtle.digest("SHA-1", content)), 20 * piece);
  }
  const bytes = buildTorrent({ name: "content", files, pieceLength: PIECE_LENGTH, pieceHashes });
  const torrentPath = folder.join("content.torrent");
  await Deno.writeFile(torrentPath, bytes);
  return { torrentPath, geometry: (await parseTorrent(bytes)).geometry };
}

/** Compares every byte on disk with what it should be, and finds nothing else in the folder. */
async function assertContent(downloads: string, geometry: Geometry): Promise<void> {
  const files: Uint8Array[] = [];
  for (const { path, bytes } of geometry.files) {
    files.push(await Deno.readFile(`${downloads}/${path}`));
    assertEquals(files.at(-1)!.length, bytes, path);
  }
  for (let piece = 0; piece < geometry.pieceCount; piece++) {
    const content = contentOfPiece(piece, geometry.pieceBytes(piece));
    geometry.forEachSpan(piece, 0, content.length, (file, offset, begin, bytes) => {
      const found = files[file]!.subarray(offset, offset + bytes);
      const isSame = found.every((byte, i) => byte === content[begin + i]);
      assert(isSame, `piece ${piece} differs in ${geometry.files[file]!.path}`);
    });
  }
  const names = await Array.fromAsync(Deno.readDir(downloads), ({ name }) => name);
  assertEquals(names, ["content"]);
}

/** Random numbers that a seed replays. */
function randomOf(seed: number): () => number {
  const words = new Uint32Array(pseudoRandomBytes(4 * 4 * KILLS, seed).buffer);
  let next = 0;
  return () => words[next++ % words.length]! / 2 ** 32;
}
