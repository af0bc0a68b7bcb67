import { asStorageError } from "./errors.ts";
import { moments } from "./file_handles_deno.ts";

/** Makes an empty file; one that appeared meanwhile is left as it is. */
export async function createFile(path: string): Promise<void> {
  try {
    await moments.run(async () => {
      (await Deno.open(path, { write: true, createNew: true })).close();
    });
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return;
    throw asStorageError(error, "make", path);
  }
}

/** Takes a file off the disk; nothing where it is not there. */
export async function removeFile(path: string): Promise<void> {
  try {
    await Deno.remove(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw asStorageError(error, "remove", path);
  }
}

/** A name in the same folder for a file that is not ready to be found; `label` tells it from others. */
export function besidePath(path: string, label: string): string {
  return `${path.slice(0, path.lastIndexOf("/") + 1)}.enjambre-${label}.new`;
}

/** Lets everybody who may read a file run it too; nothing where the file system knows no such thing. */
export async function makeExecutable(path: string): Promise<void> {
  const { mode } = await Deno.stat(path);
  if (mode === null) return;
  await Deno.chmod(path, (mode & 0o777) | ((mode & 0o444) >> 2)).catch(() => {});
}
