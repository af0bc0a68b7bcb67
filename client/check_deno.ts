/**
 * Verifies what is there of a torrent, and tells how far it is.
 *
 * @module
 */
import { basename, dirname, resolve } from "node:path";
import type { Torrent } from "@enjambre/metainfo";
import {
  type DiskStore,
  type DiskStoreOptions,
  type KeptStore,
  openDiskStore,
  openKeptStore,
  StorageError,
} from "@enjambre/storage";
import type { CommandContext } from "./context.ts";
import { CommandFailure } from "./failure.ts";
import { stateFolder } from "./state_folder_deno.ts";
import { formatCount, shellWord, shown } from "./text.ts";
import { type WorkMeter, workMeter } from "./work_deno.ts";

/** What a check found. */
export interface Checked {
  /** The good pieces, bit 0 the high bit of byte 0. */
  readonly have: Uint8Array;
  /** How many there are. */
  readonly goodPieces: number;
  /** Bytes in them. */
  readonly goodBytes: number;
  /** Indices of the others, ascending. */
  readonly bad: readonly number[];
}

/**
 * Opens the files of a torrent for its swarm, with what is remembered of them; one that is v2 only is refused, as its
 * swarm is not spoken yet.
 */
export async function openContent(
  torrent: Torrent,
  directory: string,
  state: string | undefined,
  options: DiskStoreOptions,
  { reporter }: CommandContext,
): Promise<KeptStore> {
  if (torrent.infoHash === null) {
    throw new CommandFailure(
      "not-supported",
      `${
        shown(torrent.name)
      } is a torrent of version 2 only, which is not supported yet; is there a hybrid one?`,
    );
  }
  const stateDirectory = stateFolder(state);
  let hasWarned = false;
  const onSaveFailed = ({ message, path }: StorageError): void => {
    // What is wrong with the content itself is told by whoever writes it.
    if (hasWarned || !path.startsWith(stateDirectory)) return;
    hasWarned = true;
    reporter.warn(
      `${message}; it goes on, but everything is verified again next time; --state DIR is another place`,
    );
  };
  const kept = { ...options, stateDirectory, onSaveFailed };
  const store = await orHint(torrent, directory, openKeptStore(torrent, directory, kept));
  for (const { stated, path, reason } of store.disk.renamed) {
    const why = reason === "too-long" ? "its name is too long" : "another file has its name";
    reporter.warn(`${shown(stated)} is called ${shown(path)} here: ${why} for this file system`);
  }
  return store;
}

/** Opens the files of a torrent of any version, to be checked. */
export function openForCheck(torrent: Torrent, directory: string): Promise<DiskStore> {
  return orHint(torrent, directory, openDiskStore(torrent, directory, { readOnly: true }));
}

async function orHint<T>(torrent: Torrent, directory: string, opening: Promise<T>): Promise<T> {
  try {
    return await opening;
  } catch (cause) {
    if (!(cause instanceof StorageError) || cause.code !== "not-directory") throw cause;
    const hint = await misplacedHint(torrent, directory);
    if (hint === null) throw cause;
    const message = `Cannot use ${directory}: it is a file; ${hint}`;
    throw new CommandFailure(cause.code, message, undefined, { cause });
  }
}

/**
 * Verifies what is there. `showsObjects` tells whether progress is printed as JSON objects too.
 */
export async function checkContent(
  store: DiskStore | KeptStore,
  context: CommandContext,
  showsObjects: boolean = true,
): Promise<Checked> {
  const { geometry } = store;
  const meter: WorkMeter = workMeter("Verifying", geometry.totalBytes, context, showsObjects);
  const bad: number[] = [];
  let goodBytes = 0;
  const have = await store.check({
    signal: context.signal,
    onPiece: (piece, good) => {
      const bytes = geometry.pieceBytes(piece);
      if (good) goodBytes += bytes;
      else bad.push(piece);
      meter.add(bytes);
    },
  });
  meter.end();
  bad.sort((a, b) => a - b);
  return { have, goodPieces: geometry.pieceCount - bad.length, goodBytes, bad };
}

/** Refuses content of which nothing is there, and says what would help; warns where something is missing. */
export async function assertSomeContent(
  torrent: Torrent,
  { bad, goodPieces }: Checked,
  source: string,
  directory: string,
  { reporter }: CommandContext,
): Promise<void> {
  if (bad.length === 0) return;
  const remedy = `${downloadCommand(source, directory)} --seed`;
  if (goodPieces > 0) {
    const { pieceCount } = torrent.geometry;
    return reporter.warn(
      `${bad.length} of ${formatCount(pieceCount, "piece")} are missing or damaged; ` +
        `the others are seeded, and nothing is fetched: ${remedy} would do that`,
    );
  }
  const hint = await misplacedHint(torrent, directory) ?? `${remedy} fetches it, then seeds`;
  throw new CommandFailure(
    "incomplete",
    `Nothing of ${shown(torrent.name)} is in ${directory}; ${hint}`,
  );
}

/** The command that fetches what is missing or damaged. */
export function downloadCommand(source: string, directory: string): string {
  return `enjambre download ${shellWord(source)} --output ${shellWord(directory)}`;
}

/** "Its parent is meant": where the folder itself has the torrent's name, the content may lie beside what was looked at. */
export async function misplacedHint(torrent: Torrent, directory: string): Promise<string | null> {
  try {
    const info = await Deno.stat(directory);
    const isFile = info.isFile || info.isDirectory && torrent.geometry.files.length > 1;
    const path = resolve(directory);
    if (!isFile || basename(path) !== torrent.name) return null;
    return `if that is the content itself, give the folder around it, ${dirname(path)}`;
  } catch {
    return `there is no folder ${directory}`;
  }
}
