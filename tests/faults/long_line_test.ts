/** The seed is far away: 300 ms there and back. */
import { assert } from "@std/assert";
import { READY_LIMIT_MS } from "../interop/peer_program.ts";
import { assertSameTree } from "../kit/compare.ts";
import { writeContent } from "../kit/content.ts";
import { runEnjambre, startEnjambre } from "../kit/enjambre.ts";
import { LongLine } from "../kit/long_line.ts";
import { type Scope, scoped } from "../kit/scoped.ts";
import { TempFolder } from "../kit/temp_folder.ts";
import { DOWNLOAD_LIMIT_MS, MB, TEST_LIMIT_MS } from "./fault_swarm.ts";

const CONTENT = { name: "content.bin", files: [], bytes: 24 * MB };
const SEED_BYTES_PER_SECOND = 4 * MB;

Deno.test("300 ms there and back: the pipeline grows until a long line is full", () =>
  scoped(TEST_LIMIT_MS, async (scope) => {
    const folder = await scope.use(TempFolder.make());
    const content = await writeContent(await folder.folder("seed"), CONTENT);
    await runEnjambre(["create", content, "--output", folder.join("content.torrent")]);
    const rates = await Promise.all([0, 150].map((delayMs) => rateOver(scope, folder, delayMs)));
    const [shortLine, longLine] = rates as [number, number];
    console.log(`  ${(longLine / shortLine).toFixed(2)} of the rate without delay`);
    // Five blocks in 300 ms, the least that is kept at a peer, would be 0.07 of it.
    assert(longLine > 0.5 * shortLine, `${longLine} and ${shortLine} bytes per second`);
  }));

/** Downloads from a seed of its own over a line with so much delay each way; gives bytes per second. */
async function rateOver(scope: Scope, folder: TempFolder, delayMs: number): Promise<number> {
  const torrent = folder.join("content.torrent");
  const seed = await scope.use(startEnjambre([
    ...["seed", torrent, "--archives", folder.join("seed"), "--port", "0"],
    ...["--upload-limit", String(SEED_BYTES_PER_SECOND)],
  ]));
  const { port } = await seed.waitForEvent("listening", READY_LIMIT_MS);
  const line = await scope.use(new LongLine(Number(port), delayMs));
  const target = await folder.folder(`delay-${delayMs}`);
  const leecher = await scope.use(startEnjambre([
    ...["download", torrent, "--output", target, "--port", "0"],
    ...["--peer", `127.0.0.1:${line.port}`],
  ]));
  const { bytesPerSecond } = await leecher.waitForEvent("complete", DOWNLOAD_LIMIT_MS);
  await assertSameTree(folder.join("seed"), target);
  return Number(bytesPerSecond);
}
