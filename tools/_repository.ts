/** What the checking programs share: the files of the repository, and how they say what is wrong. */

import { fileURLToPath } from "node:url";

/** The folder above `tools/`. */
export const repositoryRoot: string = fileURLToPath(new URL("..", import.meta.url));

/** Folders that hold what was built or fetched. */
const skippedFolders: ReadonlySet<string> = new Set(["dist", "coverage", "node_modules", "vendor"]);

/** Lists the files below a folder in order, relative to it and with `/`; hidden and built ones are left out. */
export async function filesBelow(root: string, folder: string = ""): Promise<string[]> {
  const files: string[] = [];
  for await (const entry of Deno.readDir(`${root}/${folder}`)) {
    if (entry.name.startsWith(".") || skippedFolders.has(entry.name)) continue;
    if (entry.isDirectory) files.push(...await filesBelow(root, `${folder}${entry.name}/`));
    else if (entry.isFile) files.push(folder + entry.name);
  }
  return files.sort();
}

/** One thing that is wrong. */
export interface Violation {
  /** Relative to the repository's root. */
  readonly path: string;
  /** From 1. */
  readonly line: number;
  readonly message: string;
  /** Whether it is only to be said, and the check passes all the same. */
  readonly isWarning?: boolean;
}

/** Prints one line per violation, or else `success`, and ends the program: with 1 if anything is wrong. */
export function exitWith(violations: readonly Violation[], success: string): never {
  const order = (a: Violation, b: Violation) =>
    a.path < b.path ? -1 : a.path > b.path ? 1 : a.line - b.line;
  for (const { path, line, message, isWarning } of violations.toSorted(order)) {
    console.log(`${path}:${line}: ${isWarning ? "warning: " : ""}${message}`);
  }
  const hasErrors = violations.some((violation) => !violation.isWarning);
  if (!hasErrors) console.log(success);
  Deno.exit(hasErrors ? 1 : 0);
}
