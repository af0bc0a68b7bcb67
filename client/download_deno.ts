/**
 * `enjambre download`.
 *
 * @module
 */
import { dirname, resolve } from "node:path";
import { hexOfHash, type Torrent } from "@enjambre/metainfo";
import { asStorageError, type DiskStore, type KeptStore } from "@enjambre/storage";
import type { ActiveTorrent } from "./active_torrent_deno.ts";
import type { TorrentSnapshot } from "./torrent_options.ts";
import { checkContent, type Checked, openContent } from "./check_deno.ts";
import type { DownloadCommand } from "./commands.ts";
import type { CommandContext } from "./context.ts";
import { chooseFiles } from "./file_selection_deno.ts";
import { CommandFailure, EXIT_DONE, EXIT_INTERRUPTED, interruption } from "./failure.ts";
import { seedUntilInterrupted } from "./seed_deno.ts";
import { readTorrent } from "./source_deno.ts";
import {
  announcing,
  assertReachable,
  keepingTotals,
  listen,
  progressFields,
  swarmView,
  tellingDamage,
  trackerTiers,
  watchSwarm,
  withinPrivacy,
} from "./swarm_deno.ts";
import {
  formatBytes,
  formatCount,
  formatDuration,
  formatPercent,
  formatRate,
  shown,
} from "./text.ts";
import { type WorkMeter, workMeter } from "./work_deno.ts";

/** Fetches what is missing of a torrent; resolves with the exit code. */
export async function runDownload(
  asked: DownloadCommand,
  context: CommandContext,
): Promise<number> {
  const torrent = await readTorrent(asked.source, { signal: context.signal });
  const command = withinPrivacy(torrent, asked, context);
  const priorities = chooseFiles(torrent.geometry.files, command);
  const { output, state } = command;
  const store = await openContent(torrent, output, state, { priorities }, context);
  try {
    const exitCode = await complete({ command, torrent, store, priorities }, context);
    await store.close();
    return exitCode;
  } catch (error) {
    // What went wrong first is told; a store in trouble may fail to close as well.
    await store.close().catch(() => {});
    throw error;
  }
}

/** One download. */
interface Job {
  readonly command: DownloadCommand;
  readonly torrent: Torrent;
  readonly store: KeptStore;
  /** How much each file is wanted. */
  readonly priorities: Uint8Array;
}

async function complete(job: Job, context: CommandContext): Promise<number> {
  const { command, torrent, store } = job;
  const checked = await checkContent(store, context);
  const { selection } = store.disk;
  const missingPieces = checked.bad.filter((piece) => selection.isPieceWanted(piece)).length;
  tellWhatIsThere(job, checked, missingPieces, context);
  if (missingPieces > 0) {
    assertReachable(trackerTiers(torrent, command), command);
    await assertOurs(store.disk);
    await assertWritable(command.output);
    await assertRoom(job);
    await allocate(job, context);
  } else if (!command.seed) {
    await moveFiles(job, context);
    await store.close();
    const nothing = { seconds: 0, gainedBytes: 0, snapshot: null };
    reportComplete(job, nothing, context);
    return EXIT_DONE;
  }
  return await takePart(job, checked, missingPieces > 0, context);
}

/** What a download came to. */
interface Outcome {
  readonly seconds: number;
  readonly gainedBytes: number;
  /** Null where nothing had to be fetched. */
  readonly snapshot: TorrentSnapshot | null;
}

async function takePart(
  job: Job,
  checked: Checked,
  isFetching: boolean,
  context: CommandContext,
): Promise<number> {
  const { command, torrent, store, priorities } = job;
  const { reporter } = context;
  const listening = await listen(command, context);
  const { session } = listening;
  let active: ActiveTorrent | null = null;
  try {
    active = session.add(torrent, store, checked.have, {
      ...await announcing(torrent, command),
      peers: command.peers,
      filePriorities: priorities,
      begun: await store.takeBegun(),
      ...(command.memoryBytes !== undefined && { memoryBytes: command.memoryBytes }),
      ...keepingTotals(store),
      ...tellingDamage(true, context),
    });
    listening.tell();
    const outcome = await untilComplete(active, isFetching, context);
    await moveFiles(job, context);
    if (command.seed) {
      reportComplete(job, outcome, context);
      reporter.say(`Seeding on port ${session.port} until interrupted`);
      await seedUntilInterrupted(active, session, context);
      return EXIT_INTERRUPTED;
    }
    await listening.close();
    await store.close();
    reportComplete(job, outcome, context);
    return EXIT_DONE;
  } catch (error) {
    if (error !== context.signal.reason) throw error;
    throw interruption("Interrupted; what came is kept, run it again to go on from there");
  } finally {
    await listening.close();
    if (active !== null) await keepBegun(active, store, context);
  }
}

/** Keeps the blocks of pieces that are not whole yet: the next run goes on from them. */
async function keepBegun(
  active: ActiveTorrent,
  store: KeptStore,
  { reporter }: CommandContext,
): Promise<void> {
  const begun = active.begunPieces();
  if (begun.length === 0) return;
  try {
    await store.saveBegun(begun);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    reporter.warn(`${message}; ${formatCount(begun.length, "piece")} will be fetched again`);
  }
}

async function untilComplete(
  active: ActiveTorrent,
  isFetching: boolean,
  context: CommandContext,
): Promise<Outcome> {
  const { reporter } = context;
  const startMs = performance.now();
  const hadBytes = active.snapshot().haveBytes;
  const tell = (snapshot: TorrentSnapshot): void => {
    const view = swarmView("Downloading", snapshot, false);
    reporter.progress(view, progressFields("downloading", snapshot));
  };
  if (isFetching) await watchSwarm(active, context, tell, active.completed);
  const seconds = (performance.now() - startMs) / 1000;
  const snapshot = active.snapshot();
  reporter.endProgress();
  return { seconds, gainedBytes: snapshot.haveBytes - hadBytes, snapshot };
}

/** Takes the room on disk, where it is to be taken before anything comes. */
async function allocate({ command, store }: Job, context: CommandContext): Promise<void> {
  if (command.allocation === "sparse") return;
  const meter = workMeter("Allocating", await store.disk.bytesMissing(), context, true);
  await store.allocate("full", { signal: context.signal, onProgress: progressTo(meter) });
  meter.end();
}

/** Moves what is complete to where it is to be. */
async function moveFiles({ command, store }: Job, context: CommandContext): Promise<void> {
  const { moveTo } = command;
  if (moveTo === undefined || resolve(moveTo) === resolve(command.output)) return;
  const { reporter, signal } = context;
  const meter = workMeter("Moving", store.geometry.contentBytes, context, true);
  await store.move(moveTo, { signal, onProgress: progressTo(meter) });
  meter.end();
  reporter.event("moved", { directory: moveTo });
  reporter.say(`Moved to ${resolve(moveTo)}`);
}

/** Turns what is done by now into what was done since the last time. */
function progressTo(meter: WorkMeter): (doneBytes: number) => void {
  let before = 0;
  return (doneBytes) => {
    meter.add(doneBytes - before);
    before = doneBytes;
  };
}

function tellWhatIsThere(
  { torrent, store, command }: Job,
  { goodPieces, goodBytes }: Checked,
  missingPieces: number,
  { reporter }: CommandContext,
): void {
  const { pieceCount, totalBytes, contentBytes, files } = torrent.geometry;
  const { wantedBytes, wantedPieces } = store.disk.selection;
  const good = { pieces: pieceCount, good: goodPieces, goodBytes, totalBytes };
  reporter.event("checked", { ...good, wantedPieces, wantedBytes });
  const whole = formatBytes(contentBytes);
  const wanted = files.filter((file, i) => !file.padding && store.disk.selection.isWanted(i));
  const size = wantedBytes === contentBytes
    ? whole
    : `${formatCount(wanted.length, "file")}, ${formatBytes(wantedBytes)} of ${whole}`;
  const what = `${shown(torrent.name)} (${size})`;
  const where = resolve(command.output);
  if (missingPieces === 0) return reporter.say(`${what}: all of it is in ${where}`);
  reporter.say(`Downloading ${what} into ${where}`);
  const there = wantedPieces - missingPieces;
  if (there === 0) return;
  const part = formatPercent(there, wantedPieces);
  reporter.say(
    `${there} of ${formatCount(wantedPieces, "piece")} (${part}) are there, the rest is fetched`,
  );
}

function reportComplete(job: Job, outcome: Outcome, { reporter }: CommandContext): void {
  const { torrent, store } = job;
  const { seconds, gainedBytes, snapshot } = outcome;
  const bytesPerSecond = seconds > 0 ? gainedBytes / seconds : 0;
  if (snapshot !== null && gainedBytes > 0) {
    reporter.say(
      `Downloaded ${formatBytes(gainedBytes)} in ${formatDuration(seconds)}, ` +
        `${formatRate(bytesPerSecond)}, from ${formatCount(snapshot.sources, "peer")}`,
    );
    tellShare(snapshot, { reporter });
    tellTroubles(snapshot, { reporter });
  }
  reporter.event("complete", {
    infoHash: hexOfHash(torrent.swarmHash),
    name: torrent.name,
    bytes: store.disk.selection.wantedBytes,
    seconds: Math.round(seconds * 1000) / 1000,
    bytesPerSecond: Math.round(bytesPerSecond),
    gainedBytes,
    downloadedBytes: snapshot?.downloadedBytes ?? 0,
    uploadedBytes: snapshot?.uploadedBytes ?? 0,
    downloadedOverheadBytes: snapshot?.downloadedOverheadBytes ?? 0,
    uploadedOverheadBytes: snapshot?.uploadedOverheadBytes ?? 0,
    shareRatio: snapshot?.shareRatio ?? null,
    lastPercentMs: snapshot?.lastPercentMs ?? null,
    peers: snapshot?.sources ?? 0,
    wasted: snapshot?.wasted ?? { duplicate: 0, unasked: 0, corrupt: 0, abandoned: 0 },
    disconnectsWithBlocks: snapshot?.disconnectsWithBlocks ?? 0,
    requeuedBlocks: snapshot?.requeuedBlocks ?? 0,
    recovery: snapshot?.recovery ?? { count: 0, p50Ms: 0, p99Ms: 0, maxMs: 0 },
  });
}

/** What was given, what it took beside the payload, and how long the end took. */
function tellShare(
  snapshot: TorrentSnapshot,
  { reporter }: Pick<CommandContext, "reporter">,
): void {
  const { uploadedBytes, shareRatio, downloadedOverheadBytes, lastPercentMs } = snapshot;
  const parts = [
    `sent ${formatBytes(uploadedBytes)} (share ratio ${(shareRatio ?? 0).toFixed(2)})`,
    `${formatBytes(downloadedOverheadBytes)} of messages came beside the data`,
  ];
  if (lastPercentMs !== null) {
    parts.push(`the last percent took ${formatDuration(lastPercentMs / 1000)}`);
  }
  reporter.say(`  ${parts.join(", ")}`);
}

/** What came for nothing, and which blocks had to be asked of somebody else; nothing where all went well. */
function tellTroubles(
  { wasted, requeuedBlocks, recovery }: TorrentSnapshot,
  { reporter }: Pick<CommandContext, "reporter">,
): void {
  const parts = Object.entries(wasted).filter(([, bytes]) => bytes > 0).map(([cause, bytes]) =>
    `${formatBytes(bytes)} ${cause}`
  );
  if (parts.length > 0) reporter.say(`  came for nothing: ${parts.join(", ")}`);
  if (requeuedBlocks === 0) return;
  const speed = recovery.count === 0
    ? ""
    : `; half of them within ${formatDuration(recovery.p50Ms / 1000)}, all within ${
      formatDuration(recovery.maxMs / 1000)
    }`;
  reporter.say(`  ${formatCount(requeuedBlocks, "block")} asked of another peer${speed}`);
}

/**
 * Refuses to write over what was never of the torrent: a file under its final name that has another
 * size, and not one good piece. What is damaged has the right size, or good pieces; what is half
 * fetched is called `.part`.
 */
async function assertOurs(store: DiskStore): Promise<void> {
  for (const file of await store.files()) {
    const { path, bytes, foundBytes, isPart } = file;
    if (isPart || foundBytes === null || foundBytes === 0 || foundBytes === bytes) continue;
    const { first, end } = store.geometry.piecesOfFile(file.fileIndex);
    if (first === end || file.badPieces < end - first) continue;
    throw new CommandFailure(
      "exists",
      `Cannot write ${path}: a file of that name is there, and nothing in it is of the torrent; ` +
        "move it away, or choose another folder with --output",
    );
  }
}

/** Refuses to begin what the disk has no room for. */
async function assertRoom({ torrent, store, command }: Job): Promise<void> {
  const neededBytes = await store.disk.bytesMissing();
  const freeBytes = await store.disk.freeBytes();
  if (freeBytes === null || neededBytes <= freeBytes) return;
  throw new CommandFailure(
    "disk-full",
    `Cannot download ${shown(torrent.name)} into ${resolve(command.output)}: it needs ${
      formatBytes(neededBytes)
    }, ${formatBytes(freeBytes)} are free; ` +
      "free some room, choose another folder with --output, or fewer files with --select",
  );
}

/** Finds out before anything is fetched that nothing could be written. */
async function assertWritable(directory: string): Promise<void> {
  let folder = resolve(directory);
  while (!await isThere(folder) && dirname(folder) !== folder) folder = dirname(folder);
  try {
    await Deno.remove(await Deno.makeTempFile({ dir: folder, prefix: ".enjambre-" }));
  } catch (cause) {
    // The program may be allowed to write below a folder only; then the first write will tell.
    if (cause instanceof Deno.errors.NotCapable) return;
    const reason = cause instanceof Error
      ? cause.message.split(/ \(os error|: /)[0]
      : String(cause);
    throw new CommandFailure(
      asStorageError(cause, "write to", folder).code,
      `Cannot write to ${folder}: ${reason}; choose another folder with --output`,
      undefined,
      { cause },
    );
  }
}

async function isThere(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch {
    return false;
  }
}
