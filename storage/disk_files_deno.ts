import type { Geometry } from "@enjambre/metainfo";
import { assertDiskPaths } from "./disk_names.ts";
import { DiskFile } from "./disk_file_deno.ts";
import type { FileHandles, WriteHandle } from "./file_handles_deno.ts";
import { type Damage, type FileStamp, NO_FILE } from "./file_stamp.ts";
import { DownloadFolder } from "./folder_deno.ts";
import { makeLinks, removeLinks, type TorrentLink } from "./links_deno.ts";
import { foldersOf, partPaths } from "./part_names.ts";
import { PartsFile } from "./parts_file_deno.ts";
import { type MoveOptions, relocate, type Relocated, removeFolders } from "./relocation_deno.ts";

/** How many files are looked at together. */
const LOOKS_IN_FLIGHT = 16;
/** How many files are flushed together. */
const SYNCS_IN_FLIGHT = 4;
/** How many files one inspection looks at; the next goes on from there. */
const INSPECTED_MAX = 512;

/** What the files of a torrent are told. */
export interface DiskFilesSpec {
  readonly geometry: Geometry;
  readonly directory: string;
  /** Below the directory; by file index. */
  readonly paths: readonly string[];
  readonly handles: FileHandles;
  /** The torrent's mark in names of files that are not its own: 8 hex digits. */
  readonly id: string;
}

/** The files of one torrent on disk, all of them together. Knows nothing of good and bad. */
export class DiskFiles {
  readonly #geometry: Geometry;
  readonly #parts: PartsFile;
  readonly #links: readonly TorrentLink[];
  /** By file index; null for what is not on disk: padding, and links. */
  readonly #files: (DiskFile | null)[];
  #folder: DownloadFolder;
  #paths: readonly string[];
  #nextInspected: number;

  /** Looks at nothing yet. */
  constructor({ geometry, directory, paths, handles, id }: DiskFilesSpec) {
    const folder = new DownloadFolder(directory);
    this.#folder = folder;
    this.#geometry = geometry;
    this.#paths = paths;
    this.#nextInspected = 0;
    this.#parts = new PartsFile(geometry, folder, handles, id);
    const parts = this.#parts.map.isNeeded ? this.#parts : null;
    const partNames = partPaths(paths);
    this.#files = geometry.files.map(({ padding, symlink, bytes, executable }, fileIndex) => {
      if (padding || (symlink !== null && bytes === 0)) return null;
      const names = { final: paths[fileIndex]!, part: partNames[fileIndex]! };
      const spec = { fileIndex, bytes, isExecutable: executable, parts };
      const disk = new DiskFile(folder, handles, names, spec);
      const { first, end } = geometry.piecesOfFile(fileIndex);
      disk.badPieces = end - first;
      return disk;
    });
    this.#links = linksOf(geometry);
  }

  /** The download folder. */
  get folder(): DownloadFolder {
    return this.#folder;
  }

  /** Where each file is, or will be, below the folder; by file index. */
  get paths(): readonly string[] {
    return this.#paths;
  }

  /** One file; null for what is not on disk. */
  at(fileIndex: number): DiskFile | null {
    return this.#files[fileIndex]!;
  }

  /** Whether all files that a piece lies in are there, as far as it was seen. */
  areThere(piece: number): boolean {
    let areThere = true;
    this.#geometry.forEachSpan(piece, 0, this.#geometry.pieceBytes(piece), (file) => {
      areThere &&= this.#files[file]?.isThere ?? true;
    });
    return areThere;
  }

  /** Whether the parts file may have a file's bytes in a piece. */
  isInParts(fileIndex: number, piece: number): boolean {
    return this.#parts.map.holds(fileIndex, piece);
  }

  /** Forgets what was seen of folders and of the parts file, and looks anew. */
  async lookAgain(): Promise<void> {
    this.#folder.forget();
    await this.#parts.look();
  }

  /** Writes a whole piece, one write for each file. When one fails, the others have ended before it rejects. */
  async write(piece: number, data: Uint8Array): Promise<void> {
    const writes: Promise<void>[] = [];
    this.#geometry.forEachSpan(piece, 0, data.length, (file, offset, begin, bytes) => {
      const disk = this.#files[file];
      if (disk) writes.push(disk.write(offset, data.subarray(begin, begin + bytes)));
    });
    await allOf(writes);
  }

  /**
   * Has `put` write a whole piece that lies in one file.
   *
   * @returns what {@linkcode DiskFile.put} does; null too where it lies in several
   */
  async put(
    piece: number,
    put: (file: WriteHandle, offset: number) => Promise<boolean | null>,
  ): Promise<boolean | null> {
    const bytes = this.#geometry.pieceBytes(piece);
    let only: DiskFile | null = null;
    let at = 0;
    this.#geometry.forEachSpan(piece, 0, bytes, (file, offset, _begin, spanBytes) => {
      if (spanBytes < bytes) return;
      only = this.#files[file]!;
      at = offset;
    });
    return await (only as DiskFile | null)?.put(at, bytes, (file) => put(file, at)) ?? null;
  }

  /** Fills `target` from a file; padding reads as zeros. Resolves with fewer bytes only at the file's end. */
  async readAt(
    fileIndex: number,
    offset: number,
    target: Uint8Array<ArrayBuffer>,
  ): Promise<number> {
    const disk = this.#files[fileIndex];
    if (disk) return await disk.readAt(offset, target);
    target.fill(0);
    return target.length;
  }

  /** What tells each file from what it was before or will be; by file index. */
  async stamps(): Promise<FileStamp[]> {
    const stamps: FileStamp[] = new Array(this.#files.length).fill(NO_FILE);
    await this.forEach(async (disk, i) => {
      stamps[i] = await disk.stamp();
    });
    return stamps;
  }

  /** Waits until what was written is on the disk itself. */
  async sync(): Promise<void> {
    await this.#parts.disk.sync();
    const dirty = this.#filesWhere((disk) => disk.isDirty);
    await inLanes(dirty.length, SYNCS_IN_FLIGHT, (i) => dirty[i]!.sync());
  }

  /** Looks whether some of the files are still there and as long as they were; all have their turn. */
  async inspect(): Promise<Damage[]> {
    const found = await this.#parts.inspect(this.#files.length);
    const count = Math.min(INSPECTED_MAX, this.#files.length);
    const first = this.#nextInspected;
    this.#nextInspected = (first + count) % Math.max(1, this.#files.length);
    await inLanes(count, LOOKS_IN_FLIGHT, async (i) => {
      const fileIndex = (first + i) % this.#files.length;
      const damage = await this.#files[fileIndex]?.inspect();
      if (damage) found.push({ fileIndex, ...damage });
    });
    return found.sort((a, b) => a.fileIndex - b.fileIndex);
  }

  /**
   * Takes wanted files out of the parts file, forgets what is not `kept` of the others, and removes the
   * parts file when it holds nothing.
   */
  async settleParts(kept: (piece: number) => boolean): Promise<void> {
    const { map } = this.#parts;
    if (map.heldFiles === 0 && this.#parts.disk.knownBytes === 0) return;
    await this.forEach(async (disk, i) => {
      if (!map.holdsAny(i)) return;
      const { first, end } = this.#geometry.piecesOfFile(i);
      for (const piece of [first, end - 1]) {
        if (!kept(piece)) map.release(i, piece);
        else if (map.holds(i, piece)) map.hold(i, piece);
      }
      if (disk.isWanted && map.holdsAny(i)) await disk.adopt();
    });
    await this.#parts.removeIfUnused();
  }

  /** Gives those whole files their final name that have bytes in a piece; tells of no failure. */
  async finishOf(piece: number): Promise<void> {
    const whole: DiskFile[] = [];
    this.#geometry.forEachSpan(piece, 0, this.#geometry.pieceBytes(piece), (file) => {
      const disk = this.#files[file];
      if (disk && disk.badPieces === 0) whole.push(disk);
    });
    await Promise.allSettled(whole.map((disk) => disk.finish()));
  }

  /** Gives all whole files their final names; the first failure, or null. */
  async finish(): Promise<unknown> {
    const whole = this.#filesWhere((disk) => disk.isPart && disk.badPieces === 0);
    return await tryEach(whole, (disk) => disk.finish());
  }

  /** Makes the empty files and the links of those that are wanted; the first failure, or null. */
  async makeEmpty(isWanted: (fileIndex: number) => boolean): Promise<unknown> {
    const empty = this.#filesWhere((disk) => disk.bytes === 0 && disk.isWanted);
    const failure = await tryEach(empty, (disk) => disk.makeEmpty());
    await makeLinks(this.#folder, this.#linksNow().filter(({ fileIndex }) => isWanted(fileIndex)));
    return failure;
  }

  /** Moves all files to another folder, or, where that is null, to other paths in this one; see `relocate`. */
  async relocate(
    directory: string | null,
    paths: readonly string[],
    options: MoveOptions,
  ): Promise<void> {
    assertDiskPaths(paths.filter((_, i) => this.#files[i] !== null));
    const from = this.#folder;
    const isSameFolder = directory === null || await from.isAt(directory);
    const to = isSameFolder ? from : new DownloadFolder(directory);
    const partNames = partPaths(paths);
    const files: Relocated[] = [];
    const kept = new Set<string>();
    this.#files.forEach((disk, i) => {
      if (disk === null) return;
      const names = { final: paths[i]!, part: partNames[i]! };
      if (isSameFolder) kept.add(disk.names.final).add(disk.names.part);
      const { final, part } = disk.names;
      if (!isSameFolder || names.final !== final || names.part !== part) {
        files.push({ disk, names });
      }
    });
    const { disk } = this.#parts;
    if (!isSameFolder && this.#parts.map.isNeeded) files.push({ disk, names: disk.names });
    await relocate({ id: this.#parts.id, from, to, files, kept }, options);
    const oldLinks = this.#linksNow();
    this.#folder = to;
    this.#paths = paths;
    await removeLinks(from, oldLinks);
    await removeFolders(from, oldLinks.map(({ path }) => path));
  }

  /** Closes all files. */
  close(): void {
    for (const disk of this.#files) disk?.dropHandles();
    this.#parts.disk.dropHandles();
  }

  /** Does `act` with each file, several at a time; the first failure is thrown when all are done. */
  async forEach(act: (disk: DiskFile, fileIndex: number) => Promise<void>): Promise<void> {
    await inLanes(this.#files.length, LOOKS_IN_FLIGHT, async (i) => {
      const disk = this.#files[i];
      if (disk) await act(disk, i);
    });
  }

  /** Picks files at once: a promise for each of 250,000 would hold up the event loop. */
  #filesWhere(isDue: (disk: DiskFile) => boolean): DiskFile[] {
    return this.#files.filter((disk): disk is DiskFile => disk !== null && isDue(disk));
  }

  /** The links with the paths that files have now. */
  #linksNow(): TorrentLink[] {
    const { files } = this.#geometry;
    if (this.#links.length === 0) return [];
    const folders = new Set(this.#links.map(({ target }) => target));
    const now = foldersNow(files.map(({ path }) => path), this.#paths, folders);
    files.forEach(({ path }, i) => now.set(path, this.#paths[i]!));
    return this.#links.map(({ fileIndex, path, target }) => ({
      fileIndex,
      path: now.get(path) ?? path,
      target: now.get(target) ?? target,
    }));
  }
}

/**
 * Where folders are now: in their place if one of their files is still in them, else where the first of
 * those went.
 */
function foldersNow(
  stated: readonly string[],
  paths: readonly string[],
  folders: ReadonlySet<string>,
): Map<string, string> {
  const now = new Map<string, string>();
  stated.forEach((path, i) => {
    const names = paths[i]!.split("/");
    const statedNames = path.split("/");
    if (names.length !== statedNames.length) return;
    for (let end = 1; end < names.length; end++) {
      const folder = statedNames.slice(0, end).join("/");
      if (!folders.has(folder)) continue;
      const place = names.slice(0, end).join("/");
      if (place === folder || !now.has(folder)) now.set(folder, place);
    }
  });
  return now;
}

/** The links that lead to a file or folder of the torrent; the others are left out. */
function linksOf({ files }: Geometry): TorrentLink[] {
  if (files.every(({ symlink }) => symlink === null)) return [];
  const paths = files.filter(({ padding }) => !padding).map(({ path }) => path);
  const there = new Set([...paths, ...foldersOf(paths)]);
  const links: TorrentLink[] = [];
  files.forEach(({ path, symlink, bytes }, fileIndex) => {
    if (symlink === null || bytes > 0 || !there.has(symlink) || symlink === path) return;
    links.push({ fileIndex, path, target: symlink });
  });
  return links;
}

/** Does `act` with some files, several at a time, and goes on after a failure; the first one, or null. */
async function tryEach(
  files: readonly DiskFile[],
  act: (disk: DiskFile) => Promise<void>,
): Promise<unknown> {
  let failure: unknown = null;
  await inLanes(files.length, LOOKS_IN_FLIGHT, async (i) => {
    try {
      await act(files[i]!);
    } catch (error) {
      failure ??= error;
    }
  });
  return failure;
}

/** Waits for all, then throws what the first failed with. */
export async function allOf(work: readonly Promise<unknown>[]): Promise<void> {
  for (const result of await Promise.allSettled(work)) {
    if (result.status === "rejected") throw result.reason;
  }
}

/** Does `act` for 0 to `count`, `lanes` at a time. A failure ends its lane alone. */
async function inLanes(
  count: number,
  lanes: number,
  act: (i: number) => Promise<void> | undefined,
): Promise<void> {
  let next = 0;
  const run = async (): Promise<void> => {
    while (next < count) await act(next++);
  };
  await allOf(Array.from({ length: Math.min(lanes, count) }, run));
}
