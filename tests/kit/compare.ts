/** What may differ. */
export interface CompareOptions {
  /** Paths of files in the folder that need not be there. */
  mayBeMissing?: readonly string[];
}

/**
 * Compares two files or folders byte by byte.
 *
 * **Shape**: one sentence per difference (missing, not expected, another size, the first byte that differs);
 * empty where there is none.
 * **Limits**: reads whole files; meant for some MiB.
 */
export async function compareTrees(
  expected: string,
  actual: string,
  options: CompareOptions = {},
): Promise<string[]> {
  const [wanted, found] = await Promise.all([listFiles(expected), listFiles(actual)]);
  const differences: string[] = [];
  for (const path of wanted) {
    if (!found.includes(path)) {
      const isAllowed = options.mayBeMissing?.includes(path.slice(1)) ?? false;
      if (!isAllowed) differences.push(`${path || actual} is missing`);
    } else await compareFile(expected + path, actual + path, path || actual, differences);
  }
  for (const path of found) {
    if (!wanted.includes(path)) differences.push(`${path || actual} is not expected`);
  }
  return differences;
}

/** Throws where two files or folders are not the same, byte by byte; says how they differ. */
export async function assertSameTree(
  expected: string,
  actual: string,
  options: CompareOptions = {},
): Promise<void> {
  const differences = await compareTrees(expected, actual, options);
  if (differences.length > 0) throw new Error(`Copies differ:\n  ${differences.join("\n  ")}`);
}

/** Paths of the files below, each with a leading slash; for a file the empty path, for nothing none. */
async function listFiles(root: string): Promise<string[]> {
  const info = await Deno.stat(root).catch(() => null);
  if (info === null) return [];
  if (info.isFile) return [""];
  const paths: string[] = [];
  for await (const entry of Deno.readDir(root)) {
    for (const path of await listFiles(`${root}/${entry.name}`)) {
      paths.push(`/${entry.name}${path}`);
    }
  }
  return paths.sort();
}

async function compareFile(
  expected: string,
  actual: string,
  name: string,
  differences: string[],
): Promise<void> {
  const [a, b] = await Promise.all([Deno.readFile(expected), Deno.readFile(actual)]);
  if (a.length !== b.length) {
    differences.push(`${name} has ${b.length} bytes, expected ${a.length}`);
    return;
  }
  const offset = a.findIndex((byte, i) => byte !== b[i]);
  if (offset >= 0) differences.push(`${name} differs from byte ${offset} on`);
}
