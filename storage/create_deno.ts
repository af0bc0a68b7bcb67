import { basename, join } from "node:path";
import {
  comparePaths,
  type FileSpec,
  Geometry,
  padFiles,
  rootOfPieceLayer,
  type TorrentFile,
} from "@enjambre/metainfo";
import { asStorageError, StorageError, storageError } from "./errors.ts";
import { ReadHandle } from "./file_handles_deno.ts";
import { HandlePool } from "./handle_pool.ts";
import { hashPieces } from "./hash_pieces_deno.ts";
import { HASH_BYTES, type HashFormat } from "./piece_hashes.ts";

/** Files that `hashScan` keeps open on this thread at a time. */
const OPEN_FILES_MAX = 32;
/** The bit of a file's mode (`S_IXUSR`) that other programs take for the attribute of BEP 47. */
const OWNER_MAY_RUN = 0o100;

/** One file that is to be in a torrent. */
export interface ScannedFile {
  /** The names from the folder to the file; empty for a single file. As `buildTorrent` takes it. */
  readonly path: string[];
  /** Its size when it was found. */
  readonly bytes: number;
  /** Whether its owner may run it; false where the system does not say. */
  readonly executable: boolean;
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
 * const { pieceHashes } = await hashScan(scan, 16384);
 * console.log(pieceHashes?.length); // 20
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

/** How `hashScan` hashes, reports and ends. */
export interface HashScanOptions {
  /** What kind of torrent it is for; `"v1"` by default. */
  format?: HashFormat;
  /** Whether files of a v1 torrent begin at pieces, with padding between them (BEP 47); those of the others always do. */
  align?: boolean;
  /** Receives each piece as it is hashed, in any order: for progress. */
  onPiece?: (piece: number) => void;
  /** Ends it; the promise then rejects with the signal's reason. */
  signal?: AbortSignal;
}

/** What `hashScan` found; with a name and a piece length it is what `buildTorrent` takes. */
export interface HashedScan {
  /** The files in the order in which they were hashed, padding of v1 and hybrid torrents included. */
  readonly files: readonly FileSpec[];
  /** v1 and hybrid: 20 bytes for each piece; else null. */
  readonly pieceHashes: Uint8Array<ArrayBuffer> | null;
  /** v2 and hybrid: by file index, the root of the hash tree; null for empty files and padding. */
  readonly fileRoots: readonly (Uint8Array | null)[] | null;
  /** v2 and hybrid: by file index, 32 bytes for each piece; null for files of one piece at most. */
  readonly pieceLayers: readonly (Uint8Array | null)[] | null;
}

/**
 * Hashes the pieces of a torrent to be made.
 *
 * The files of a v1 torrent are in the order of the scan, those of a v2 or hybrid one in that of its file
 * tree (BEP 52). A hybrid torrent of several files has padding behind the last one too: libtorrent does
 * so, and makes the same info-hash.
 *
 * **Limits**: memory as `hashPieces` says; 32 open files.
 * **Errors**: `StorageError`, code `"changed"` where a file is not as it was when it was scanned.
 */
export async function hashScan(
  scan: Scan,
  pieceLength: number,
  options: HashScanOptions = {},
): Promise<HashedScan> {
  const format = options.format ?? "v1";
  const files = format === "v1"
    ? scan.files
    : scan.files.toSorted((a, b) => comparePaths(a.path, b.path));
  const padded: readonly FileSpec[] = format === "v1" && !options.align
    ? files
    : padFiles(files, pieceLength, {
      afterLast: format === "v2" || format === "hybrid" && files.length > 1,
    });
  const geometry = new Geometry(pieceLength, layOut(padded));
  const hashBytes = HASH_BYTES[format];
  const hashes = new Uint8Array(geometry.pieceCount * hashBytes);
  const handles = new HandlePool<ReadHandle>(OPEN_FILES_MAX);
  // Padding is not read, so what is read was scanned.
  const diskPath = (index: number): string => (padded[index] as ScannedFile).diskPath;
  try {
    await hashPieces({ readAt, pathOf: diskPath }, geometry, {
      format,
      onPiece: (piece, hash) => {
        // Too short is an error in `readAt` below, so there always is a hash.
        hashes.set(hash!, piece * hashBytes);
        options.onPiece?.(piece);
      },
      ...(options.signal ? { signal: options.signal } : {}),
    });
  } finally {
    handles.dropAll();
  }
  for (const file of scan.files) await assertUnchanged(file);
  const { v1, roots } = splitHashes(hashes, format);
  if (roots === null) return { files: padded, pieceHashes: v1, fileRoots: null, pieceLayers: null };
  const trees = await treesOf(geometry, roots);
  const isTold = (_: unknown, i: number): boolean => format === "hybrid" || !padded[i]!.padding;
  return {
    files: padded.filter(isTold),
    pieceHashes: v1,
    fileRoots: trees.fileRoots.filter(isTold),
    pieceLayers: trees.pieceLayers.filter(isTold),
  };

  async function readAt(
    index: number,
    offset: number,
    target: Uint8Array<ArrayBuffer>,
  ): Promise<number> {
    const path = diskPath(index);
    const count = await attempt("read", path, () =>
      handles.use(
        index,
        () => ReadHandle.open(path),
        (handle) => handle.readAt(offset, target),
      ));
    if (count < target.length) throw storageError("changed", "hash", path);
    return count;
  }
}

/** Takes the two hashes of each piece apart. */
function splitHashes(
  hashes: Uint8Array<ArrayBuffer>,
  format: HashFormat,
): { v1: Uint8Array<ArrayBuffer> | null; roots: Uint8Array<ArrayBuffer> | null } {
  if (format === "v1") return { v1: hashes, roots: null };
  if (format === "v2") return { v1: null, roots: hashes };
  const pieceCount = hashes.length / HASH_BYTES.hybrid;
  const v1 = new Uint8Array(pieceCount * HASH_BYTES.v1);
  const roots = new Uint8Array(pieceCount * HASH_BYTES.v2);
  for (let piece = 0; piece < pieceCount; piece++) {
    const both = hashes.subarray(piece * HASH_BYTES.hybrid, (piece + 1) * HASH_BYTES.hybrid);
    v1.set(both.subarray(0, HASH_BYTES.v1), piece * HASH_BYTES.v1);
    roots.set(both.subarray(HASH_BYTES.v1), piece * HASH_BYTES.v2);
  }
  return { v1, roots };
}

/** The root of each file, and the piece layer of each that is larger than a piece. */
async function treesOf(
  geometry: Geometry,
  roots: Uint8Array<ArrayBuffer>,
): Promise<{ fileRoots: (Uint8Array | null)[]; pieceLayers: (Uint8Array | null)[] }> {
  const fileRoots: (Uint8Array | null)[] = [];
  const pieceLayers: (Uint8Array | null)[] = [];
  for (const [i, { bytes, padding }] of geometry.files.entries()) {
    const { first, end } = geometry.piecesOfFile(i);
    const hasTree = bytes > 0 && !padding;
    const layer = roots.subarray(first * HASH_BYTES.v2, end * HASH_BYTES.v2);
    const hasLayer = hasTree && bytes > geometry.pieceLength;
    pieceLayers.push(hasLayer ? layer : null);
    if (hasLayer) fileRoots.push(await rootOfPieceLayer(layer, geometry.pieceLength));
    else fileRoots.push(hasTree ? layer : null);
  }
  return { fileRoots, pieceLayers };
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
  return {
    path,
    bytes: info.size,
    executable: ((info.mode ?? 0) & OWNER_MAY_RUN) !== 0,
    modifiedMs: info.mtime?.getTime() ?? null,
    diskPath,
  };
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

function layOut(files: readonly FileSpec[]): TorrentFile[] {
  let offset = 0;
  return files.map(({ path, bytes, padding = false }) => {
    const file = {
      path: path.join("/"),
      bytes,
      offset,
      padding,
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
