import { dirname, relative, resolve } from "node:path";
import type { DownloadFolder } from "./folder_deno.ts";

/** A symbolic link of a torrent (BEP 47); both paths are relative to the download folder. */
export interface TorrentLink {
  /** The index in `geometry.files`. */
  readonly fileIndex: number;
  /** Where the link is. */
  readonly path: string;
  /** What it leads to: a file or folder of the torrent. */
  readonly target: string;
}

/**
 * Makes links where nothing is yet. They are relative, and a link that would lead out of the download
 * folder, because a folder above it is a link already, is not made. Where links cannot be made (some
 * file systems, Windows, Deno without full permission to write) there are none.
 */
export async function makeLinks(
  folder: DownloadFolder,
  links: Iterable<TorrentLink>,
): Promise<void> {
  for (const { path, target } of links) {
    try {
      await folder.makeParents(path);
      const to = relativeTarget(path, target);
      const above = await Deno.realPath(dirname(folder.at(path)));
      if (!await folder.isInside(resolve(above, to))) continue;
      await Deno.symlink(to, folder.at(path));
    } catch {
      // Something is there, or links are not allowed: the torrent is whole without it.
    }
  }
}

/** Removes those links that are as `makeLinks` makes them. */
export async function removeLinks(
  folder: DownloadFolder,
  links: Iterable<TorrentLink>,
): Promise<void> {
  for (const { path, target } of links) {
    try {
      if (await Deno.readLink(folder.at(path)) !== relativeTarget(path, target)) continue;
      await Deno.remove(folder.at(path));
    } catch {
      // It is not there, or not ours.
    }
  }
}

function relativeTarget(path: string, target: string): string {
  return relative(dirname(`/${path}`), `/${target}`);
}
