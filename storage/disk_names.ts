import type { TorrentFile } from "@enjambre/metainfo";
import { foldersOf, PART_SUFFIX } from "./part_names.ts";

/** The longest name that common file systems take, in bytes of UTF-8. */
const NAME_BYTES_MAX = 255;

/** The longest that a name is when it was cut: `.part` still fits behind it. */
const CUT_BYTES_MAX = NAME_BYTES_MAX - PART_SUFFIX.length;

/** Room for a number before the extension: a point and as many digits as a torrent's files can need. */
const NUMBER_BYTES_MAX = 8;

/** Bytes of an extension that is kept when a name is cut short; a longer one is none. */
const EXTENSION_BYTES_MAX = 16;

/** Which names a file system takes for one. */
export interface Folding {
  /** Those that differ in upper and lower case only. */
  readonly cases: boolean;
  /** Those that differ in their Unicode form only. */
  readonly forms: boolean;
}

/** What a torrent says of a file's place. */
export type StatedPath = Pick<TorrentFile, "path" | "padding">;

/** A file that has another name on disk than the torrent says. */
export interface RenamedFile {
  /** The index in `geometry.files`. */
  readonly fileIndex: number;
  /** The path that the torrent says. */
  readonly stated: string;
  /** The path that it has below the download folder. */
  readonly path: string;
  /** Why: a name in it is too long, or the file system takes it for that of another file. */
  readonly reason: "too-long" | "same-name";
}

/** Paths that a file system can hold, and what became another. */
export interface DiskNames {
  /** **Shape**: by file index. */
  readonly paths: readonly string[];
  /** Those that are not as stated; in the order of the files. */
  readonly renamed: readonly RenamedFile[];
}

/**
 * Gives each file a path that the file system can hold and tells from all others.
 *
 * A name of more than 255 bytes is cut before its extension and gets a mark made of all of it, so that
 * two long names stay two and the same name is always cut the same way. Of files that the file system
 * would take for one, or for a folder of others, the later ones get `.1`, `.2`… before the extension.
 * Everything else stays as it is, and so does padding, which is no file.
 */
export function diskNames(files: readonly StatedPath[], folding: Folding): DiskNames {
  const renamed: RenamedFile[] = [];
  const taken = new Set<string>();
  const numbers = new Map<string, number>();
  const short = files.map(({ path }) => shortPath(path));
  const onDisk = short.filter((_, i) => !files[i]!.padding);
  for (const folder of foldersOf(onDisk)) taken.add(fold(folder, folding));
  const result = short.map((path, fileIndex) => {
    if (files[fileIndex]!.padding) return path;
    const free = freePath(path, folding, taken, numbers);
    const stated = files[fileIndex]!.path;
    if (free !== path) renamed.push({ fileIndex, stated, path: free, reason: "same-name" });
    else if (path !== stated) renamed.push({ fileIndex, stated, path, reason: "too-long" });
    return free;
  });
  return { paths: result, renamed };
}

/**
 * Takes a path, or the next one with a number that is free. `numbers` has the last number by what stands
 * around it, so that thousands of files of one name cost no search each.
 */
function freePath(
  path: string,
  folding: Folding,
  taken: Set<string>,
  numbers: Map<string, number>,
): string {
  let free = path;
  let folded = fold(free, folding);
  if (taken.has(folded)) {
    const [before, after] = aroundNumber(path);
    const key = fold(`${before}/${after}`, folding);
    let n = numbers.get(key) ?? 0;
    do {
      free = `${before}.${++n}${after}`;
      folded = fold(free, folding);
    } while (taken.has(folded));
    numbers.set(key, n);
  }
  taken.add(folded);
  return free;
}

/** Whether any file system takes two of the paths for one, too long ones cut. */
export function foldSomewhere(files: readonly StatedPath[]): boolean {
  const both = { cases: true, forms: true };
  const paths = files.filter(({ padding }) => !padding).map(({ path }) => shortPath(path));
  const folded = new Set(paths.map((path) => fold(path, both)));
  if (folded.size < paths.length) return true;
  for (const folder of foldersOf(paths)) if (folded.has(fold(folder, both))) return true;
  return false;
}

/**
 * Throws `RangeError` unless all paths stay below their folder, no two are the same and none is the folder
 * of another.
 */
export function assertDiskPaths(paths: readonly string[]): void {
  for (const path of paths) {
    for (const name of path.split("/")) {
      if (
        !/^(?:|\.|\.\.)$/.test(name) && !/[\\\0]/.test(name) && byteLength(name) <= NAME_BYTES_MAX
      ) {
        continue;
      }
      throw new RangeError(`Cannot rename to ${JSON.stringify(path)}: it is no path of names`);
    }
  }
  const folders = foldersOf(paths);
  const seen = new Set<string>();
  for (const path of paths) {
    if (seen.has(path) || folders.has(path)) {
      throw new RangeError(`Cannot rename to ${JSON.stringify(path)}: another file has that path`);
    }
    seen.add(path);
  }
}

function fold(path: string, { cases, forms }: Folding): string {
  // deno-lint-ignore no-control-regex -- all of ASCII is meant
  if (/^[\x00-\x7f]*$/.test(path)) return cases ? path.toLowerCase() : path;
  const form = forms ? path.normalize("NFC") : path;
  if (!cases) return form;
  const lower = form.toUpperCase().toLowerCase();
  // Upper case takes some characters apart.
  return forms ? lower.normalize("NFC") : lower;
}

/** What stands before and behind the number that a path gets, the last name no longer than file systems take. */
function aroundNumber(path: string): [before: string, after: string] {
  const slash = path.lastIndexOf("/") + 1;
  const [stem, extension] = splitExtension(path.slice(slash));
  const bytesMax = CUT_BYTES_MAX - NUMBER_BYTES_MAX - byteLength(extension);
  return [path.slice(0, slash) + cutToBytes(stem, bytesMax), extension];
}

function shortPath(path: string): string {
  return path.length * 3 <= NAME_BYTES_MAX ? path : path.split("/").map(shortName).join("/");
}

/** A name as it is, or cut and marked where it is too long. */
function shortName(name: string): string {
  if (byteLength(name) <= NAME_BYTES_MAX) return name;
  const [stem, extension] = splitExtension(name);
  const suffix = `~${markOf(name)}${extension}`;
  return cutToBytes(stem, CUT_BYTES_MAX - byteLength(suffix)) + suffix;
}

/** Eight hex digits that are the same for the same name (FNV-1a). */
function markOf(name: string): string {
  let hash = 0x811c9dc5;
  for (const byte of encoder.encode(name)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash.toString(16).padStart(8, "0");
}

function splitExtension(name: string): [string, string] {
  const dot = name.lastIndexOf(".");
  if (dot <= 0 || byteLength(name.slice(dot)) > EXTENSION_BYTES_MAX) return [name, ""];
  return [name.slice(0, dot), name.slice(dot)];
}

const encoder = new TextEncoder();

function byteLength(text: string): number {
  return encoder.encode(text).length;
}

/** Cuts `name` between two characters, so that it has at most `bytesMax` bytes of UTF-8. */
function cutToBytes(name: string, bytesMax: number): string {
  const bytes = new Uint8Array(bytesMax);
  return name.slice(0, encoder.encodeInto(name, bytes).read);
}
