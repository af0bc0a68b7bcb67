/**
 * `enjambre show`.
 *
 * @module
 */
import type { ShowCommand } from "./commands.ts";
import type { CommandContext } from "./context.ts";
import { EXIT_DONE } from "./failure.ts";
import { parseMagnet } from "@enjambre/metainfo";
import { magnetFields, magnetTable, torrentFields, torrentTable } from "./listing.ts";
import { isMagnet, readTorrent } from "./source_deno.ts";

/** Tells what a torrent or a magnet link holds; resolves with the exit code. */
export async function runShow(command: ShowCommand, context: CommandContext): Promise<number> {
  const { reporter, signal } = context;
  if (isMagnet(command.source)) {
    const magnet = parseMagnet(command.source);
    reporter.event("magnet", magnetFields(magnet));
    reporter.result(magnetTable(magnet));
    return EXIT_DONE;
  }
  const torrent = await readTorrent(command.source, { signal });
  reporter.event("torrent", torrentFields(torrent));
  reporter.result(torrentTable(torrent));
  return EXIT_DONE;
}
