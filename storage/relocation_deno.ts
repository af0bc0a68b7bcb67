import type { DiskFile } from "./disk_file_deno.ts";
import { besidePath, removeFile } from "./file_changes_deno.ts";
import { asStorageError, storageError } from "./errors.ts";
import type { FileNames } from "./file_stamp.ts";
import type { DownloadFolder } from "./folder_deno.ts";
import { Mirror } from "./mirror_deno.ts";
import { foldersOf } from "./part_names.ts";

/** What may be given to a move or a renaming. */
export interface MoveOptions {
  /** Ends it, and everything is as it was; the promise then rejects with the signal's reason. */
  signal?: AbortSignal;
  /** Receives how many bytes are at the new place, and how many there will be. */
  onProgress?: (doneBytes: number, totalBytes: number) => void;
  /**
   * Called when everything is at the new place and still at the old one too: the moment to write down
   * where it is. When it fails, everything stays where it was. The old files are removed after it.
   */
  commit?: () => Promise<void>;
}

/** One file, and where it is to be. */
export interface Relocated {
  readonly disk: DiskFile;
  readonly names: FileNames;
}

/** A move of files that are in use. */
export interface Relocation {
  /** The torrent's mark: 8 hex digits. */
  readonly id: string;
  readonly from: DownloadFolder;
  readonly to: DownloadFolder;
  /** What moves, and only that. */
  readonly files: readonly Relocated[];
  /** Every path below `to` that this store has now; empty where `to` is another folder. */
  readonly kept: ReadonlySet<string>;
}

/**
 * Moves files that are in use. Until `commit` every file is whole at its old place; from then on, at the
 * new one. Reads and writes go on; those to a file that is being copied wait for its end.
 *
 * A journal in each of the two folders names the files that may be left behind in it when the process is
 * killed; the next move into that folder removes them.
 */
export async function relocate(relocation: Relocation, options: MoveOptions): Promise<void> {
  const { from, to, files, id } = relocation;
  const journal = `.enjambre-${id}.moving`;
  if (from !== to) await removeFile(from.at(journal));
  await removeLeftovers(relocation, journal);
  await assertFree(relocation);
  await to.makeParents(journal);
  await writeJournal(to.at(journal), files.map(({ names }) => names), id);
  const signal = options.signal ?? new AbortController().signal;
  let totalBytes = 0;
  let doneBytes = 0;
  for (const { disk } of files) totalBytes += (await disk.info())?.size ?? 0;
  const onBytes = (bytes: number): void => {
    doneBytes += bytes;
    options.onProgress?.(Math.min(doneBytes, totalBytes), totalBytes);
  };
  const mirrors: Mirror[] = [];
  const removeJournals = async (): Promise<void> => {
    for (const folder of [from, to]) await removeFile(folder.at(journal)).catch(() => {});
  };
  try {
    for (const { disk, names } of files) {
      signal.throwIfAborted();
      const mirror = new Mirror(to, names, { id, signal, onBytes });
      mirrors.push(mirror);
      await disk.mirror(mirror);
    }
    for (const mirror of mirrors) mirror.seal();
    // After the commit it is the old files that an end of the process would leave behind.
    const old = files.map(({ disk }) => disk.names);
    if (from !== to) await writeJournal(from.at(journal), old, id).catch(() => {});
    await options.commit?.();
  } catch (error) {
    for (const { disk } of files) await disk.dropMirror().catch(() => {});
    await removeFolders(to, files.map(({ names }) => names.final));
    await removeJournals();
    throw error;
  }
  const oldNames = files.map(({ disk }) => disk.names.final);
  const old: (string | null)[] = [];
  for (const { disk } of files) old.push(await disk.switchToMirror());
  // What cannot be removed stays: everything is whole at the new place.
  for (const path of old) if (path !== null) await removeFile(path).catch(() => {});
  await removeFolders(from, oldNames);
  await removeJournals();
}

/** Removes what an earlier attempt left in the way, as its journal says; never a file that is in use. */
async function removeLeftovers(
  { to, files, kept, id }: Relocation,
  journal: string,
): Promise<void> {
  let text: string;
  try {
    text = await Deno.readTextFile(to.at(journal));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    throw asStorageError(error, "read", to.at(journal));
  }
  // Whatever else stands in it stays: only names that this move needs are looked for.
  const left = new Set(text.split("\n"));
  for (const name of journalNames(files.map(({ names }) => names), id)) {
    if (!left.has(name) || kept.has(name)) continue;
    if (await to.file(name) !== null) await removeFile(to.at(name));
  }
}

/** Throws unless no file of the new names is there, those apart that have the name already. */
async function assertFree({ from, to, files, kept }: Relocation): Promise<void> {
  for (const { disk, names } of files) {
    for (const name of [names.final, names.part]) {
      const isOwn = from === to && (name === disk.names.final || name === disk.names.part);
      if (isOwn) continue;
      if (kept.has(name) || await to.file(name) !== null) {
        throw storageError("exists", "make", to.at(name));
      }
    }
  }
}

/** Every name that a move to these names may leave behind. */
function journalNames(files: readonly FileNames[], id: string): Set<string> {
  const names = new Set<string>();
  for (const { final, part } of files) names.add(final).add(part).add(besidePath(final, id));
  return names;
}

async function writeJournal(
  path: string,
  files: readonly FileNames[],
  id: string,
): Promise<void> {
  const names = journalNames(files, id);
  try {
    using file = await Deno.open(path, { write: true, create: true, truncate: true });
    const bytes = new TextEncoder().encode([...names].join("\n") + "\n");
    for (let done = 0; done < bytes.length;) done += await file.write(bytes.subarray(done));
    await file.sync();
  } catch (error) {
    throw asStorageError(error, "write", path);
  }
}

/** Removes the folders above some files as far as they are empty; never the download folder itself. */
export async function removeFolders(
  folder: DownloadFolder,
  names: readonly string[],
): Promise<void> {
  // The longest first: a folder is empty only when those in it are gone. What is not empty stays.
  for (const name of [...foldersOf(names)].sort((a, b) => b.length - a.length)) {
    await Deno.remove(folder.at(name)).catch(() => {});
  }
  folder.forget();
}
