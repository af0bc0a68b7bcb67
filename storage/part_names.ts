/** What a file's name ends in until the file is whole. */
export const PART_SUFFIX = ".part";

/** The longest name that common file systems take, in bytes of UTF-8. */
const NAME_BYTES_MAX = 255;

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
  const taken = new Set<string>();
  for (const path of paths) {
    for (let at = path.indexOf("/"); at !== -1; at = path.indexOf("/", at + 1)) {
      taken.add(folded(path.slice(0, at)));
    }
    taken.add(folded(path));
  }
  return paths.map((path) => {
    const slash = path.lastIndexOf("/") + 1;
    for (let n = 0;; n++) {
      const suffix = n === 0 ? PART_SUFFIX : `.${n}${PART_SUFFIX}`;
      const name = cutToBytes(path.slice(slash), NAME_BYTES_MAX - suffix.length);
      const candidate = path.slice(0, slash) + name + suffix;
      if (taken.has(folded(candidate))) continue;
      taken.add(folded(candidate));
      return candidate;
    }
  });
}

/** What two names have in common that some file system takes for one. */
function folded(path: string): string {
  return path.normalize("NFC").toLowerCase();
}

/** Cuts `name` between two characters, so that it has at most `bytesMax` bytes of UTF-8. */
function cutToBytes(name: string, bytesMax: number): string {
  const bytes = new Uint8Array(bytesMax);
  const { read } = new TextEncoder().encodeInto(name, bytes);
  return name.slice(0, read);
}
