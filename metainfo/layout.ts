import type { TorrentFile } from "./geometry.ts";
import { type NameOptions, PathResolver, safePath } from "./path.ts";
import type { StatedFile } from "./v1.ts";

/** Files with safe paths and offsets, and beside each what stated it; null for padding that nothing stated. */
export interface Layout {
  /** In the torrent's order, without gaps. */
  readonly files: readonly TorrentFile[];
  /** For each of `files` its index among the stated files, -1 for padding that was put in. */
  readonly statedIndices: readonly number[];
}

/**
 * Lays stated files one after another and gives each a safe path of its own.
 *
 * Padding takes its path last, so that it never renames a file that will be on disk.
 *
 * **Units**: with `alignBytes` above 0 a padding file follows each that does not end at a multiple.
 */
export function layFiles(
  name: string,
  stated: readonly StatedFile[],
  alignBytes: number,
  options: NameOptions,
): Layout {
  const names = stated.map((file) => namesOf(name, file, options));
  const paths = placePaths(stated, names);
  const targets = linkTargets(stated, names, paths.of);
  const files: TorrentFile[] = [];
  const statedIndices: number[] = [];
  let offset = 0;
  stated.forEach((file, i) => {
    files.push({
      path: paths.of(i),
      bytes: file.bytes,
      offset,
      padding: isPadding(file),
      executable: file.attributes.includes("x"),
      symlink: file.symlink === null
        ? null
        : linkTarget(targets, names[i]!, safePath(file.symlink, options)),
    });
    statedIndices.push(i);
    offset += file.bytes;
    const gap = alignBytes > 0 ? (alignBytes - offset % alignBytes) % alignBytes : 0;
    if (gap > 0) {
      files.push({
        path: paths.resolver.place([name, ".pad", String(gap)]),
        bytes: gap,
        offset,
        padding: true,
        executable: false,
        symlink: null,
      });
      statedIndices.push(-1);
      offset += gap;
    }
  });
  return { files, statedIndices };
}

/** What a symbolic link can lead to, by its stated path: a file's final path, or a directory's. */
function linkTargets(
  stated: readonly StatedFile[],
  names: readonly string[][],
  finalPath: (index: number) => string,
): Map<string, string> {
  const targets = new Map<string, string>();
  if (stated.every(({ symlink }) => symlink === null)) return targets;
  names.forEach((path, i) => {
    for (let end = 2; end < path.length; end++) {
      const directory = path.slice(0, end).join("/");
      targets.set(directory, directory);
    }
    const wanted = path.join("/");
    if (!targets.has(wanted)) targets.set(wanted, finalPath(i));
  });
  return targets;
}

/**
 * Where a link leads. BEP 47 counts from the torrent's folder; some programs write the path from the
 * link's own folder, which is taken where only that finds anything.
 */
function linkTarget(
  targets: ReadonlyMap<string, string>,
  link: readonly string[],
  target: readonly string[],
): string {
  const fromTorrent = [link[0]!, ...target].join("/");
  const fromLink = [...link.slice(0, -1), ...target].join("/");
  return targets.get(fromTorrent) ?? targets.get(fromLink) ?? fromTorrent;
}

function isPadding(file: StatedFile): boolean {
  return file.attributes.includes("p");
}

function namesOf(name: string, file: StatedFile, options: NameOptions): string[] {
  if (file.components.length > 0) return [name, ...safePath(file.components, options)];
  return isPadding(file) ? [name, ".pad", String(file.bytes)] : [name];
}

function placePaths(
  stated: readonly StatedFile[],
  names: readonly string[][],
): { resolver: PathResolver; of: (index: number) => string } {
  const resolver = new PathResolver(names.filter((_, i) => !isPadding(stated[i]!)));
  const paths: string[] = new Array(stated.length).fill("");
  for (const padding of [false, true]) {
    stated.forEach((file, i) => {
      if (isPadding(file) === padding) paths[i] = resolver.place(names[i]!);
    });
  }
  return { resolver, of: (index) => paths[index]! };
}
