/**
 * Which files of a torrent are wanted: `--select` and `--exclude`.
 *
 * @module
 */
import { posix } from "node:path";
import type { TorrentFile } from "@enjambre/metainfo";
import { PRIORITY } from "@enjambre/peerwire";
import { usageFailure } from "./failure.ts";
import { formatCount } from "./text.ts";

/** What was asked for; each entry is a glob, or numbers of files such as `3` or `1,4-7`. */
export interface FileChoice {
  /** What is wanted; all files where it is empty. */
  readonly select: readonly string[];
  /** What is not wanted of that. */
  readonly exclude: readonly string[];
}

/** Numbers and ranges of files, as `show` numbers them. */
const NUMBERS = /^\d+(-\d*)?(,\d+(-\d*)?)*$/;

/**
 * Gives each file its priority.
 *
 * A glob without `/` is matched with the names of files in any folder, another one with the path below the torrent's
 * folder. Letters count as they are written.
 *
 * **Shape** of the result: one entry per file of the torrent, padding included.
 * **Errors**: `CommandFailure` where a pattern fits no file, or no file is left.
 *
 * @example
 * ```ts
 * import { chooseFiles } from "./file_selection_deno.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const plain = { bytes: 1, offset: 0, padding: false, executable: false, symlink: null };
 * const files = [{ path: "album/a.ogg", ...plain }, { path: "album/art/a.png", ...plain }];
 * assertEquals([...chooseFiles(files, { select: ["*.ogg"], exclude: [] })], [2, 0]);
 * assertEquals([...chooseFiles(files, { select: [], exclude: ["1"] })], [0, 2]);
 * ```
 */
export function chooseFiles(
  files: readonly TorrentFile[],
  { select, exclude }: FileChoice,
): Uint8Array<ArrayBuffer> {
  const listed = files.flatMap((file, index) => file.padding ? [] : [index]);
  const chosen = new Set(select.length === 0 ? listed : []);
  for (const pattern of select) {
    for (const index of matching("--select", pattern, files, listed)) chosen.add(index);
  }
  for (const pattern of exclude) {
    for (const index of matching("--exclude", pattern, files, listed)) chosen.delete(index);
  }
  if (chosen.size === 0) {
    throw usageFailure("--select and --exclude leave no file; see enjambre show for what there is");
  }
  const priorities = new Uint8Array(files.length);
  for (const index of chosen) priorities[index] = PRIORITY.normal;
  return priorities;
}

function matching(
  option: string,
  pattern: string,
  files: readonly TorrentFile[],
  listed: readonly number[],
): readonly number[] {
  const found = NUMBERS.test(pattern)
    ? numbered(option, pattern, listed)
    : listed.filter((index) => fits(files[index]!.path, pattern));
  if (found.length > 0) return found;
  throw usageFailure(
    `${option} ${
      JSON.stringify(pattern)
    } fits no file of the torrent; see enjambre show for what there is`,
  );
}

function numbered(option: string, pattern: string, listed: readonly number[]): readonly number[] {
  return pattern.split(",").flatMap((range) => {
    const [first, last = first] = range.split("-").map((text) =>
      text === "" ? Infinity : Number(text)
    );
    if (first! >= 1 && first! <= listed.length && last! >= first!) {
      return listed.slice(first! - 1, last);
    }
    throw usageFailure(
      `${option} is ${JSON.stringify(range)}; the torrent has ${
        formatCount(listed.length, "file")
      }, numbered from 1`,
    );
  });
}

/** Whether a glob fits a path, of which the first component is the torrent's own name. */
function fits(path: string, pattern: string): boolean {
  const below = path.includes("/") ? path.slice(path.indexOf("/") + 1) : path;
  if (!pattern.includes("/")) return posix.matchesGlob(posix.basename(path), pattern);
  return posix.matchesGlob(below, pattern) || posix.matchesGlob(path, pattern);
}
