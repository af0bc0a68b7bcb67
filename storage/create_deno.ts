import { basename, join } from "node:path";
import { Geometry, type TorrentFile } from "@enjambre/metainfo";
import { asStorageError, StorageError, storageError } from "./errors.ts";
import { ReadHandle } from "./file_handles_deno.ts";
import { HandlePool } from "./handle_pool.ts";
import { hashPieces } from "./hash_pieces_deno.ts";
import { HASH_BYTES } from "./piece_hashes.ts";

/** Files that `hashScan` keeps open at a time. */
const OPEN_FILES_MAX = 32;

/** One file that is to be in a torrent. */
export interface ScannedFile {
  /** The names from the folder to the file; empty for a single file. As `buildTorrent` takes it. */
  readonly path: string[];
  /** Its size when it was found. */
  readonly bytes: number;
  /** When it was last changed, in milliseconds since 1970; null where the system does not say. */
  readonly modifiedMs: number | null;
  /** Where it is on disk. */
  readonly diskPath: string;
}

/** What is to be in a torrent. */
export interface Scan {
  /** The name of the file or folder. */
  readonly name: string;
  /** The files, ordered by path byte by byte (UTF-8, `/` between components). */
  readonly files: readonly ScannedFile[];
  /** Bytes in all files. */
  readonly totalBytes: number;
  /** What was left out: links to folders or to nothing, pipes, sockets, devices; paths on disk. */
  readonly skipped: readonly string[];
}

/**
 * Walks a file or a folder for a torrent to be made of it.
 *
 * Hidden and empty files are in it. A link to a file counts as the file; a link to a folder is left out
 * (it may lead in circles, or anywhere), and so is whatever is neither file nor folder: `skipped` names
 * them. The path itself may be a link. The order is the same on every system.
 *
 * **Errors**: `StorageError` where something cannot be read.
 *
 * @example
 * ```ts
 * import { hashScan, scanPath } from "@enjambre/storage";
 *
 * const folder = await Deno.makeTempDir();
 * await Deno.writeTextFile(`${folder}/b.txt`, "two");
 * await Deno.writeTextFile(`${folder}/a.txt`, "one");
 * const scan = await scanPath(folder);
 * console.log(scan.files.map((file) => file.path.join("/")), scan.totalBytes); // [ "a.txt", "b.txt" ] 6
 * console.log((await hashScan(scan, 16384)).length); // 20
 * await Deno.remove(folder, { recursive: true });
 * ```
 */
export async function scanPath(path: string): Promise<Scan> {
  const info = await attempt("read", path, () => Deno.stat(path));
  const name = basename(path) === "" || /^\.\.?$/.test(basename(path))
    ? basename(await attempt("read", path, () => Deno.realPath(path)))
    : basename(path);
  const files: ScannedFile[] = [];
  const skipped: string[] = [];
  if (info.isFile) files.push(scanned([], path, info));
  else if (info.isDirectory) await walk(path, [], files, skipped);
  else {
    const message = `Cannot read ${path}: it is neither a file nor a folder`;
    throw new StorageError("is-directory", path, message);
  }
  sortByPath(files);
  const totalBytes = files.reduce((sum, file) => sum + file.bytes, 0);
  return { name, files, totalBytes, skipped: skipped.sort() };
}

/** How `hashScan` reports and ends. */
export interface HashScanOptions {
  /** Receives each piece as it is hashed, in any order: for progress. */
  onPiece?: (piece: number, hash: Uint8Array) => void;
  /** Ends it; the promise then rejects with the signal's reason. */
  signal?: AbortSignal;
}

/**
 * Hashes the pieces of a torrent to be made: 20 bytes each, in order, as `pieceHashes` has them.
 *
 * **Limits**: memory as `hashPieces` says; 32 open files.
 * **Errors**: `StorageError`, code `"changed"` where a file is not as it was when it was scanned.
 */
export async function hashScan(
  scan: Scan,
  pieceLength: number,
  options: HashScanOptions = {},
): Promise<Uint8Array<ArrayBuffer>> {
  const geometry = new Geometry(pieceLength, layOut(scan.files));
  const hashes = new Uint8Array(geometry.pieceCount * HASH_BYTES);
  const handles = new HandlePool<ReadHandle>(OPEN_FILES_MAX);
  try {
    await hashPieces({ readAt: (file, offset, target) => read(file, offset, target) }, geometry, {
      onPiece: (piece, hash) => {
        // Too short is an error in `read` below, so there always is a hash.
        hashes.set(hash!, piece * HASH_BYTES);
        options.onPiece?.(piece, hash!);
      },
      ...(options.signal ? { signal: options.signal } : {}),
    });
  } finally {
    handles.dropAll();
  }
  for (const file of scan.files) await assertUnchanged(file);
  return hashes;

  async function read(
    index: number,
    offset: number,
    target: Uint8Array<ArrayBuffer>,
  ): Promise<number> {
    const { diskPath } = scan.files[index]!;
    const count = await attempt("read", diskPath, () =>
      handles.use(
        index,
        () => ReadHandle.open(diskPath),
        (handle) => handle.readAt(offset, target),
      ));
    if (count < target.length) throw storageError("changed", "hash", diskPath);
    return count;
  }
}

async function walk(
  folder: string,
  above: readonly string[],
  files: ScannedFile[],
  skipped: string[],
): Promise<void> {
  const entries = await attempt("read", folder, () => Array.fromAsync(Deno.readDir(folder)));
  for (const entry of entries) {
    const diskPath = join(folder, entry.name);
    const path = [...above, entry.name];
    if (entry.name.includes("\ufffd")) await assertUtf8Name(diskPath);
    if (entry.isDirectory) {
      await walk(diskPath, path, files, skipped);
      continue;
    }
    const info = entry.isSymlink
      ? await statLink(diskPath)
      : await attempt("read", diskPath, () => Deno.lstat(diskPath));
    if (info?.isFile) files.push(scanned(path, diskPath, info));
    else skipped.push(diskPath);
  }
}

/** Deno hands a name that is no UTF-8 on as another one, under which nothing can be opened. */
async function assertUtf8Name(path: string): Promise<void> {
  try {
    await Deno.lstat(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw asStorageError(error, "read", path);
    const message = `Cannot read ${path}: its name is not UTF-8; rename it`;
    throw new StorageError("not-found", path, message, error);
  }
}

/** What a link leads to; null where it leads to nothing. */
async function statLink(path: string): Promise<Deno.FileInfo | null> {
  try {
    return await Deno.stat(path);
  } catch (error) {
    const { code } = error as { code?: unknown };
    if (error instanceof Deno.errors.NotFound || code === "ELOOP") return null;
    throw asStorageError(error, "read", path);
  }
}

function scanned(path: string[], diskPath: string, info: Deno.FileInfo): ScannedFile {
  return { path, bytes: info.size, modifiedMs: info.mtime?.getTime() ?? null, diskPath };
}

/** Orders by the bytes of the whole path: the order of UTF-8 is that of code points, not of UTF-16. */
function sortByPath(files: ScannedFile[]): void {
  const encoder = new TextEncoder();
  const keys = new Map(files.map((file) => [file, encoder.encode(file.path.join("/"))]));
  files.sort((a, b) => compareBytes(keys.get(a)!, keys.get(b)!));
}

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    if (a[i] !== b[i]) return a[i]! - b[i]!;
  }
  return a.length - b.length;
}

function layOut(files: readonly ScannedFile[]): TorrentFile[] {
  let offset = 0;
  return files.map(({ path, bytes }) => {
    const file = {
      path: path.join("/"),
      bytes,
      offset,
      padding: false,
      executable: false,
      symlink: null,
    };
    offset += bytes;
    return file;
  });
}

async function assertUnchanged(file: ScannedFile): Promise<void> {
  const info = await attempt("read", file.diskPath, () => Deno.stat(file.diskPath));
  const modifiedMs = info.mtime?.getTime() ?? null;
  if (info.size !== file.bytes || modifiedMs !== file.modifiedMs) {
    throw storageError("changed", "hash", file.diskPath);
  }
}

async function attempt<T>(verb: string, path: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    throw asStorageError(error, verb, path);
  }
}
