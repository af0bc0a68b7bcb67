import type { Folding } from "./disk_names.ts";
import { removeFile } from "./file_changes_deno.ts";

/** A file system that tells all names apart. */
export const NO_FOLDING: Folding = { cases: false, forms: false };

/**
 * Finds out which names the file system of a folder takes for one, by making a file and looking for it
 * under other names; `id` tells that file from others. Where none can be made, the answer is "none".
 */
export async function probeFolding(folder: string, id: string): Promise<Folding> {
  const base = `${folder}/.enjambre-${id}-`;
  const path = `${base}n\u00e9w`;
  try {
    (await Deno.open(path, { write: true, create: true })).close();
  } catch {
    return NO_FOLDING;
  }
  try {
    return {
      cases: await isSame(path, `${base}N\u00e9W`),
      forms: await isSame(path, `${base}ne\u0301w`),
    };
  } finally {
    await removeFile(path);
  }
}

async function isSame(path: string, other: string): Promise<boolean> {
  try {
    const [a, b] = await Promise.all([Deno.lstat(path), Deno.lstat(other)]);
    return a.ino === b.ino && a.dev === b.dev;
  } catch {
    return false;
  }
}
