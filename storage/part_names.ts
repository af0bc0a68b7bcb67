/** What a file's name ends in until the file is whole. */
export const PART_SUFFIX = ".part";

/** The longest name that common file systems take, in bytes of UTF-8. */
const NAME_BYTES_MAX = 255;

/** Room for a number: a point and as many digits as a torrent's files can need. */
const NUMBER_BYTES_MAX = 8;

/**
 * Gives each file the path that it has until it is whole: its own and `.part`.
 *
 * No two files get one path, and none gets that of another file or folder of the torrent: beside a file
 * `a.part`, the file `a` is `a.1.part`. A name that would be too long with the suffix is cut short.
 * The same paths always give the same names.
 *
 * **Shape**: one path for each of `paths`, in their order; `/` between components.
 */
export function partPaths(paths: readonly string[]): string[] {
  if (areSimple(paths)) return paths.map((path) => path + PART_SUFFIX);
  const taken = new Set(paths.map(foldPath));
  for (const folder of foldersOf(paths)) taken.add(foldPath(folder));
  // The last number by what stands before it, so that thousands of names that are cut alike cost no search each.
  const numbers = new Map<string, number>();
  return paths.map((path) => {
    const slash = path.lastIndexOf("/") + 1;
    let free = cutPath(path, slash, NAME_BYTES_MAX - PART_SUFFIX.length) + PART_SUFFIX;
    let folded = foldPath(free);
    if (taken.has(folded)) {
      const before = cutPath(path, slash, NAME_BYTES_MAX - NUMBER_BYTES_MAX - PART_SUFFIX.length);
      const key = foldPath(before);
      let n = numbers.get(key) ?? 0;
      do {
        free = `${before}.${++n}${PART_SUFFIX}`;
        folded = foldPath(free);
      } while (taken.has(folded));
      numbers.set(key, n);
    }
    taken.add(folded);
    return free;
  });
}

/** Whether `.part` can be added to all paths as they are: the case of nearly every torrent, however many files it has. */
function areSimple(paths: readonly string[]): boolean {
  const folded = new Set<string>();
  for (const path of paths) {
    if (path.length * 3 > NAME_BYTES_MAX - PART_SUFFIX.length) return false;
    const fold = foldPath(path);
    if (fold.includes(PART_SUFFIX)) return false;
    folded.add(fold);
  }
  return folded.size === paths.length;
}

/** Each folder above some paths, once. */
export function foldersOf(paths: Iterable<string>): Set<string> {
  const folders = new Set<string>();
  for (const path of paths) {
    // From the inside out: above a folder that is known all are.
    for (let at = path.lastIndexOf("/"); at > 0; at = path.lastIndexOf("/", at - 1)) {
      const folder = path.slice(0, at);
      if (folders.has(folder)) break;
      folders.add(folder);
    }
  }
  return folders;
}

/** What two paths have in common that some file system takes for one. */
function foldPath(path: string): string {
  // deno-lint-ignore no-control-regex -- all of ASCII is meant
  return (/^[\x00-\x7f]*$/.test(path) ? path : path.normalize("NFC").toUpperCase()).toLowerCase();
}

/** Cuts the last name of a path, which begins at `slash`, where it has more than `bytesMax` bytes. */
function cutPath(path: string, slash: number, bytesMax: number): string {
  if ((path.length - slash) * 3 <= bytesMax) return path;
  return path.slice(0, slash) + cutToBytes(path.slice(slash), bytesMax);
}

/** Cuts `name` between two characters, so that it has at most `bytesMax` bytes of UTF-8. */
function cutToBytes(name: string, bytesMax: number): string {
  const bytes = new Uint8Array(bytesMax);
  const { read } = new TextEncoder().encodeInto(name, bytes);
  return name.slice(0, read);
}
