/**
 * `enjambre seed`.
 *
 * @module
 */
import { hexOfHash } from "@enjambre/metainfo";
import type { ActiveTorrent } from "./active_torrent_deno.ts";
import { assertSomeContent, checkContent, openContent } from "./check_deno.ts";
import type { SeedCommand } from "./commands.ts";
import type { CommandContext } from "./context.ts";
import { EXIT_INTERRUPTED } from "./failure.ts";
import type { Session } from "./session_deno.ts";
import { readTorrent } from "./source_deno.ts";
import {
  announcing,
  keepingTotals,
  listen,
  progressFields,
  swarmView,
  tellingDamage,
  trackerTiers,
  watchSwarm,
  withinPrivacy,
} from "./swarm_deno.ts";
import { formatBytes, formatDuration, shown } from "./text.ts";

/** Verifies what is there and seeds it until interrupted; resolves with the exit code. */
export async function runSeed(asked: SeedCommand, context: CommandContext): Promise<number> {
  const { reporter, signal } = context;
  const torrent = await readTorrent(asked.source, { signal });
  const command = withinPrivacy(torrent, asked, context);
  const { archives, state } = command;
  const store = await openContent(torrent, archives, state, { readOnly: true }, context);
  // First of all, so that a port in use is told of before hours of verifying.
  const listening = await listen(command, context);
  const { session } = listening;
  try {
    // What listens begins with the object that says so: no others before it.
    const checked = await checkContent(store, context, false);
    await assertSomeContent(torrent, checked, command.source, command.archives, context);
    const tiers = trackerTiers(torrent, command);
    const active = session.add(torrent, store, checked.have, {
      ...await announcing(torrent, command),
      peers: command.peers,
      isUploadOnly: true,
      ...keepingTotals(store),
      ...tellingDamage(false, context),
    });
    listening.tell({ infoHash: hexOfHash(torrent.swarmHash), name: torrent.name });
    reporter.say(
      `Seeding ${shown(torrent.name)}, ${
        formatBytes(torrent.geometry.contentBytes)
      }, on port ${session.port}` +
        `\nInfo-hash ${hexOfHash(torrent.swarmHash)}`,
    );
    if (tiers.length === 0 && command.peers.length === 0 && command.overlay === undefined) {
      reporter.warn("the torrent names no tracker: only those who know this address will come");
    }
    await seedUntilInterrupted(active, session, context);
    return EXIT_INTERRUPTED;
  } finally {
    await listening.close();
    await store.close();
  }
}

/** Tells of a seed until Ctrl-C, then closes the session. */
export async function seedUntilInterrupted(
  active: ActiveTorrent,
  session: Session,
  context: CommandContext,
): Promise<void> {
  const { reporter, signal } = context;
  const startMs = performance.now();
  const forever = new Promise<void>(() => {});
  try {
    await watchSwarm(active, context, (snapshot) => {
      const view = swarmView("Seeding", snapshot, true);
      reporter.progress(view, progressFields("seeding", snapshot));
    }, forever);
  } catch (error) {
    if (error !== signal.reason) throw error;
  }
  reporter.endProgress();
  const { uploadedBytes } = active.snapshot();
  const seconds = (performance.now() - startMs) / 1000;
  await session.close();
  reporter.say(`Stopped; ${formatBytes(uploadedBytes)} sent in ${formatDuration(seconds)}`);
  reporter.event("stopped", { uploadedBytes });
}
