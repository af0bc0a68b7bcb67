/**
 * `enjambre create`.
 *
 * @module
 */
import { basename, dirname, join, resolve } from "node:path";
import {
  buildTorrent,
  choosePieceLength,
  formatMagnet,
  hexOfHash,
  parseTorrent,
  PIECES_MAX,
  type Torrent,
  type TorrentSpec,
} from "@enjambre/metainfo";
import { asStorageError, hashScan, type Scan, scanPath } from "@enjambre/storage";
import type { CreateCommand } from "./commands.ts";
import type { CommandContext } from "./context.ts";
import { CommandFailure, EXIT_DONE } from "./failure.ts";
import { SOURCE_BYTES_MAX } from "./source_deno.ts";
import { hashRows } from "./listing.ts";
import { formatBytes, formatCount, formatPieceLength, shown } from "./text.ts";
import { PROGRAM } from "./version.ts";
import { workMeter } from "./work_deno.ts";

/** What padding and the file tree of v2 add to a torrent for each file, its path apart. */
const ALIGNED_FILE_BYTES = 150;
/** What v2 adds for each piece beside the twenty bytes of v1. */
const V2_PIECE_BYTES = 32;

/** Makes a torrent of a file or a folder; resolves with the exit code. */
export async function runCreate(command: CreateCommand, context: CommandContext): Promise<number> {
  const { reporter, signal } = context;
  const scan = await scanPath(command.path);
  for (const path of scan.skipped) {
    reporter.warn(`left out, as it is neither file nor folder: ${path}`);
  }
  if (scan.totalBytes === 0) {
    const what = scan.files.length === 0 ? "there are no files in it" : "all of it is empty";
    throw new CommandFailure("empty", `Cannot make a torrent of ${command.path}: ${what}`);
  }
  const file = command.output ?? `${scan.name}.torrent`;
  await assertFree(file);
  const pieceLength = command.pieceLength ?? choosePieceLength(scan.totalBytes);
  await assertUsable(command, scan, pieceLength);
  const meter = workMeter("Hashing", scan.totalBytes, context, true);
  let leftBytes = scan.totalBytes;
  const hashed = await hashScan(scan, pieceLength, {
    format: command.format,
    align: command.align,
    signal,
    onPiece: () => {
      const bytes = Math.min(pieceLength, leftBytes);
      leftBytes -= bytes;
      meter.add(bytes);
    },
  });
  meter.end();
  const bytes = build(command, scan.name, pieceLength, hashed);
  await writeNew(file, bytes);
  report(await parseTorrent(bytes), file, command, context);
  return EXIT_DONE;
}

function build(
  command: CreateCommand,
  name: string,
  pieceLength: number,
  hashed: Pick<TorrentSpec, "files" | "pieceHashes" | "fileRoots" | "pieceLayers">,
): Uint8Array<ArrayBuffer> {
  try {
    return buildTorrent({
      ...hashed,
      name,
      pieceLength,
      private: command.private,
      trackers: command.trackers.map((url) => [url]),
      comment: command.comment,
      createdBy: PROGRAM,
      creationDateSeconds: Math.floor(Date.now() / 1000),
    });
  } catch (cause) {
    // A name that no torrent can hold, say.
    if (cause instanceof TypeError) {
      throw new CommandFailure("create", cause.message, undefined, { cause });
    }
    throw cause;
  }
}

function report(
  torrent: Torrent,
  file: string,
  command: CreateCommand,
  { reporter }: CommandContext,
): void {
  const { geometry, infoHash, infoHashV2, name, trackers } = torrent;
  const totalBytes = geometry.contentBytes;
  const magnet = formatMagnet({ infoHash, infoHashV2, name, trackers, totalBytes });
  const pieces = formatCount(geometry.pieceCount, "piece");
  const files = geometry.files.filter(({ padding }) => !padding).length;
  reporter.say([
    `Made ${file}: ${formatBytes(totalBytes)} in ${formatCount(files, "file")}, ` +
    `${pieces} of ${formatPieceLength(geometry.pieceLength)}`,
    ...hashRows(infoHash, infoHashV2),
    `Magnet     ${magnet}`,
  ].join("\n"));
  if (command.trackers.length === 0) {
    reporter.warn(
      command.private
        ? "a private torrent without a tracker finds no peers; add one with --tracker URL"
        : "the torrent names no tracker; whoever downloads it has to give --tracker, --bootstrap or --peer",
    );
  }
  reporter.event("created", {
    file,
    name,
    format: command.format,
    infoHash: infoHash && hexOfHash(infoHash),
    infoHashV2: infoHashV2 && hexOfHash(infoHashV2),
    pieceLength: geometry.pieceLength,
    pieceCount: geometry.pieceCount,
    totalBytes,
    files,
    magnet,
  });
}

/**
 * Refuses, before hours of hashing, what would become a torrent that nobody could use: one too large to be
 * read, and names that would be made safe by whoever downloads them. Content under such names could not
 * even be seeded from here.
 */
async function assertUsable(
  command: CreateCommand,
  scan: Scan,
  pieceLength: number,
): Promise<void> {
  const isAligned = command.align || command.format !== "v1";
  const piecesOf = (bytes: number): number => Math.ceil(bytes / pieceLength);
  const pieceCount = isAligned
    ? scan.files.reduce((sum, { bytes }) => sum + piecesOf(bytes), 0)
    : piecesOf(scan.totalBytes);
  // The names as a v1 torrent without padding has them; the hashes need not fit.
  const v1Hashes = new Uint8Array(20 * piecesOf(scan.totalBytes));
  const bytes = pieceCount > PIECES_MAX
    ? null
    : build(command, scan.name, pieceLength, { files: scan.files, pieceHashes: v1Hashes });
  const torrentBytes = (bytes?.length ?? 0) +
    (isAligned ? ALIGNED_FILE_BYTES * scan.files.length : 0) +
    (command.format === "v1" ? 0 : V2_PIECE_BYTES * pieceCount);
  if (bytes === null || torrentBytes > SOURCE_BYTES_MAX) {
    throw new CommandFailure(
      "too-large",
      `Cannot make a torrent of ${command.path}: with ${formatCount(pieceCount, "piece")} of ` +
        `${formatPieceLength(pieceLength)} the torrent itself would be too large; ` +
        "give a longer --piece-length, or fewer files",
    );
  }
  const only = scan.files[0]!.path;
  if (
    command.format === "v2" && scan.files.length === 1 && only.length === 1 && only[0] === scan.name
  ) {
    throw new CommandFailure(
      "name",
      `Cannot make a torrent of ${command.path}: v2 cannot tell a folder from its only file where ` +
        "both have one name; use --format hybrid, or rename one of them",
    );
  }
  const { geometry } = await parseTorrent(bytes);
  for (const [i, file] of scan.files.entries()) {
    const path = [scan.name, ...file.path].join("/");
    const kept = geometry.files[i]!.path;
    if (path === kept) continue;
    throw new CommandFailure(
      "name",
      `Cannot make a torrent of ${command.path}: "${shown(path)}" would be called "${kept}" ` +
        "by whoever downloads it, as not every system takes such names; rename it",
    );
  }
}

/** Refuses to replace anything, and a folder that is not there, before hours of hashing. */
async function assertFree(file: string): Promise<void> {
  const info = await statOrNull(file);
  if (info !== null) {
    const what = info.isDirectory ? "a folder of that name is there" : "it exists already";
    throw new CommandFailure(
      "exists",
      `Cannot write ${file}: ${what}; remove it, or give another name with --output FILE`,
    );
  }
  const folder = dirname(resolve(file));
  if ((await statOrNull(folder))?.isDirectory) return;
  throw new CommandFailure("not-found", `Cannot write ${file}: there is no folder ${folder}`);
}

async function statOrNull(path: string): Promise<Deno.FileInfo | null> {
  try {
    return await Deno.lstat(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
      return null;
    }
    throw error;
  }
}

/** Writes a file that is there whole or not at all. */
async function writeNew(file: string, bytes: Uint8Array): Promise<void> {
  const folder = dirname(resolve(file));
  let temporary: string | null = join(folder, `.enjambre-${crypto.randomUUID()}.part`);
  try {
    await Deno.writeFile(temporary, bytes, { createNew: true });
    await assertFree(file);
    await Deno.rename(temporary, join(folder, basename(file)));
    temporary = null;
  } catch (cause) {
    if (cause instanceof CommandFailure) throw cause;
    // Under the name that was asked for, not that of the temporary file.
    throw asStorageError(cause, "write", file);
  } finally {
    if (temporary !== null) await Deno.remove(temporary).catch(() => {});
  }
}
