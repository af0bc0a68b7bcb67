/**
 * `enjambre verify`.
 *
 * @module
 */
import type { Geometry, Torrent } from "@enjambre/metainfo";
import type { FileOnDisk } from "@enjambre/storage";
import { checkContent, downloadCommand, misplacedHint, openForCheck } from "./check_deno.ts";
import type { VerifyCommand } from "./commands.ts";
import type { CommandContext } from "./context.ts";
import { EXIT_DONE, EXIT_FAILED } from "./failure.ts";
import { readTorrent } from "./source_deno.ts";
import { formatBytes, formatCount, sentence, shown } from "./text.ts";

/** What is wrong with one file. */
interface Trouble {
  readonly path: string;
  readonly problem: "missing" | "damaged" | "too-short" | "too-long";
  /** For people. */
  readonly text: string;
}

/** Checks data against a torrent, and changes nothing; resolves with the exit code. */
export async function runVerify(command: VerifyCommand, context: CommandContext): Promise<number> {
  const { reporter, signal } = context;
  const torrent = await readTorrent(command.source, { signal });
  const { geometry } = torrent;
  const store = await openForCheck(torrent, command.directory);
  try {
    const { bad, goodPieces } = await checkContent(store, context);
    const found = await store.files();
    const troubles = found.map((file) => troubleOf(file, geometry)).filter((each) => each !== null);
    for (const { path, text } of troubles) reporter.result(`${path}: ${text}`);
    if (troubles.length === 0) {
      const what = `${formatBytes(geometry.contentBytes)} in ${formatCount(found.length, "file")}`;
      reporter.say(`${shown(torrent.name)} is whole: ${what}, all ${goodPieces} pieces good`);
    } else {
      reporter.result(
        `${found.length - troubles.length} of ${formatCount(found.length, "file")} whole, ` +
          `${goodPieces} of ${formatCount(geometry.pieceCount, "piece")} good`,
      );
      reporter.say(await remedyOf(troubles, goodPieces, torrent, command));
    }
    const files = troubles.map(({ path, problem }) => ({ path, problem }));
    reporter.event("verified", { pieces: geometry.pieceCount, good: goodPieces, bad, files });
    return troubles.length === 0 ? EXIT_DONE : EXIT_FAILED;
  } finally {
    await store.close();
  }
}

/** What would help. */
async function remedyOf(
  troubles: readonly Trouble[],
  goodPieces: number,
  torrent: Torrent,
  { source, directory }: VerifyCommand,
): Promise<string> {
  if (troubles.every(({ problem }) => problem === "too-long")) {
    return "Nothing is missing; cut off what was added, or leave it: it does no harm";
  }
  const hint = goodPieces > 0 ? null : await misplacedHint(torrent, directory);
  if (hint !== null) return sentence(hint);
  return `${downloadCommand(source, directory)} fetches what is missing or damaged`;
}

function troubleOf(file: FileOnDisk, geometry: Geometry): Trouble | null {
  const { fileIndex, bytes, foundBytes, badPieces } = file;
  const { path } = geometry.files[fileIndex]!;
  if (foundBytes === null) return { path, problem: "missing", text: "missing" };
  const { first, end } = geometry.piecesOfFile(fileIndex);
  const pieces = `${badPieces} of ${formatCount(end - first, "piece")} bad`;
  if (foundBytes < bytes) {
    const text = `incomplete, ${formatBytes(foundBytes)} of ${formatBytes(bytes)}, ${pieces}`;
    return { path, problem: "too-short", text };
  }
  if (badPieces > 0) return { path, problem: "damaged", text: `damaged, ${pieces}` };
  if (foundBytes === bytes) return null;
  const text = `${formatBytes(foundBytes - bytes)} longer than the torrent says`;
  return { path, problem: "too-long", text };
}
