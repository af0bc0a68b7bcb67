/**
 * `enjambre trackers`.
 *
 * @module
 */
import { hexOfHash, type Magnet, parseMagnet, type Torrent } from "@enjambre/metainfo";
import { TrackerClient, TrackerError } from "@enjambre/tracker";
import type { TrackersCommand } from "./commands.ts";
import type { CommandContext } from "./context.ts";
import { CommandFailure, EXIT_DONE, EXIT_FAILED } from "./failure.ts";
import { isMagnet, readTorrent } from "./source_deno.ts";
import { stateFolder } from "./state_folder_deno.ts";
import { formatDuration, formatWait, shown } from "./text.ts";
import { TrackersFile, type TrackersState } from "./trackers_file_deno.ts";

/** What is found out about one tracker. */
export interface TrackerRow {
  /** From 1, as people count. */
  readonly tier: number;
  /** Its announce URL. */
  readonly url: string;
  /** Whether it answers now. */
  readonly isAnswering: boolean;
  /** How long the answer to a probe took; null for none. */
  readonly latencyMs: number | null;
  /** Peers with all of it, where a scrape says so. */
  readonly seeds: number | null;
  /** Peers without all of it, where a scrape says so. */
  readonly leechers: number | null;
  /** What is wrong, now or when a running client last asked. */
  readonly lastError: string | null;
  /** When a running client announces next; null where none has said so. */
  readonly nextAnnounceSeconds: number | null;
}

/** Probes the trackers of a torrent and prints what is known of them; resolves with the exit code. */
export async function runTrackers(
  command: TrackersCommand,
  context: CommandContext,
): Promise<number> {
  const { reporter, signal } = context;
  const { tiers, infoHash } = await readTiers(command, signal);
  const state = await new TrackersFile(stateFolder(command.state)).read();
  const client = new TrackerClient();
  try {
    const rows = await Promise.all(
      tiers.flatMap((urls, tier) =>
        urls.map((url) => look(client, { tier: tier + 1, url, infoHash, state, signal }))
      ),
    );
    signal.throwIfAborted();
    for (const { isAnswering, ...fields } of rows) {
      reporter.event("tracker", { ...fields, answers: isAnswering });
    }
    reporter.result(trackersTable(rows));
    return rows.some(({ isAnswering }) => isAnswering) ? EXIT_DONE : EXIT_FAILED;
  } finally {
    client.close();
  }
}

/** A row for each tracker, for people. */
export function trackersTable(rows: readonly TrackerRow[]): string {
  const head = ["Tier", "Tracker", "Latency", "Seeds", "Leechers", "Next announce", "Last error"];
  const cells = rows.map((row) => [
    String(row.tier),
    shown(row.url),
    row.latencyMs === null ? "-" : formatDuration(row.latencyMs / 1000),
    String(row.seeds ?? "-"),
    String(row.leechers ?? "-"),
    row.nextAnnounceSeconds === null ? "-" : `in ${formatWait(row.nextAnnounceSeconds)}`,
    row.lastError === null ? "-" : shown(row.lastError),
  ]);
  const table = [head, ...cells];
  const widths = head.map((_, i) => Math.max(...table.map((row) => row[i]!.length)));
  return table.map((row) => row.map((cell, i) => cell.padEnd(widths[i]!)).join("  ").trimEnd())
    .join("\n");
}

async function readTiers(
  { source, trackers }: TrackersCommand,
  signal: AbortSignal,
): Promise<{ tiers: readonly (readonly string[])[]; infoHash: Uint8Array }> {
  const found: Magnet | Torrent = isMagnet(source)
    ? parseMagnet(source)
    : await readTorrent(source, { signal });
  const tiers = [...trackers.map((url) => [url]), ...found.trackers];
  if (tiers.length === 0) {
    throw new CommandFailure("no-trackers", "The torrent names no tracker; give --tracker URL");
  }
  // On the wire a v2 hash is cut to the length of a v1 one.
  const infoHash = found.infoHash ?? found.infoHashV2!.subarray(0, 20);
  return { tiers, infoHash };
}

/** Probes one tracker, and asks it how large the swarm is. */
async function look(client: TrackerClient, asked: {
  readonly tier: number;
  readonly url: string;
  readonly infoHash: Uint8Array;
  readonly state: TrackersState;
  readonly signal: AbortSignal;
}): Promise<TrackerRow> {
  const { tier, url, infoHash, state, signal } = asked;
  const hash = hexOfHash(infoHash);
  const nowSeconds = Date.now() / 1000;
  const known = state.trackers.find((each) => each.url === url);
  const planned = state.announces.find((each) =>
    each.url === url && each.infoHash === hash && each.atSeconds > nowSeconds
  );
  const row = {
    tier,
    url,
    isAnswering: false,
    latencyMs: null,
    seeds: null,
    leechers: null,
    lastError: known?.lastError ?? null,
    nextAnnounceSeconds: planned === undefined ? null : planned.atSeconds - nowSeconds,
  };
  const startMs = performance.now();
  try {
    await client.probe(url, { signal });
  } catch (error) {
    return { ...row, lastError: reasonOf(error) };
  }
  const answering = { ...row, isAnswering: true, latencyMs: performance.now() - startMs };
  try {
    const counts = await client.scrape(url, [infoHash], { signal });
    if (!(counts instanceof Map)) return { ...answering, lastError: counts.failureReason };
    const { seeders, leechers } = counts.get(hash) ?? { seeders: null, leechers: null };
    return { ...answering, seeds: seeders, leechers };
  } catch (error) {
    // That a tracker has no scrape is no fault of it.
    const isFault = !(error instanceof TrackerError && error.code === "no-scrape");
    return isFault ? { ...answering, lastError: reasonOf(error) } : answering;
  }
}

/** What is wrong, without the name of the tracker, which has a column of its own. */
function reasonOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.replace(/^Cannot (probe|scrape) \S+: /, "");
}
