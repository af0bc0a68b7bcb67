import { canMakeNamespaces } from "./network.ts";
import { RunningProcess } from "./running_process.ts";

const VERSION_LIMIT_MS = 10_000;
/** Folders that are looked into as well as those of PATH, which ordinary users' often lacks. */
const SYSTEM_FOLDERS = ["/usr/sbin", "/sbin"];
/** The interpreter of the Debian package that holds libtorrent; another one first in PATH does not see it. */
export const SYSTEM_PYTHON = "/usr/bin/python3";

/** What a test may need from the machine: executables, and two words that are none. */
export const REQUIREMENTS = [
  "aria2c",
  "libtorrent",
  "mktorrent",
  "namespaces",
  "opentracker",
  "redis-cli",
  "redis-server",
  "transmission-create",
  "transmission-daemon",
] as const;

/** One of them. */
export type Requirement = typeof REQUIREMENTS[number];

/** Which requirements the machine meets, and in which version; each is looked up once. */
const found: Map<Requirement, Promise<string | null>> = new Map();

/**
 * Looks for a program: its version, or null where it is missing.
 *
 * With `REQUIRE_PEERS=1` a missing one is an error, so that a test run that must cover it cannot pass
 * without.
 */
export async function requireProgram(name: Requirement): Promise<string | null> {
  if (!found.has(name)) found.set(name, findVersion(name));
  const version = await found.get(name)!;
  if (version === null && Deno.env.get("REQUIRE_PEERS") === "1") {
    throw new Error(`Cannot run with REQUIRE_PEERS=1: ${name} is missing`);
  }
  return version;
}

/** The path of an executable; null where there is none. */
export function findExecutable(name: string): string | null {
  const folders = [...(Deno.env.get("PATH") ?? "").split(":"), ...SYSTEM_FOLDERS];
  for (const folder of folders) {
    try {
      if (Deno.statSync(`${folder}/${name}`).isFile) return `${folder}/${name}`;
    } catch {
      // Not in this folder.
    }
  }
  return null;
}

async function findVersion(name: Requirement): Promise<string | null> {
  switch (name) {
    case "namespaces":
      return findExecutable("ip") !== null && await canMakeNamespaces()
        ? "network namespaces"
        : null;
    case "libtorrent": {
      const code = "import libtorrent; print('libtorrent', libtorrent.__version__)";
      return await firstLine(SYSTEM_PYTHON, ["-c", code], /^libtorrent/);
    }
    // These two do not know their own version, or show it only with a mistake; Debian does.
    case "opentracker":
    case "mktorrent":
      if (findExecutable(name) === null) return null;
      return await firstLine("dpkg-query", ["-W", name], /./) ?? `${name}, version unknown`;
    default:
      return await firstLine(name, ["--version"], /\d/);
  }
}

/** The first line of a program's output that matches; null where the program is missing or prints none. */
async function firstLine(
  program: string,
  args: string[],
  pattern: RegExp,
): Promise<string | null> {
  try {
    await using process = RunningProcess.start(program, args);
    await process.waitForExit(VERSION_LIMIT_MS);
    const line = [...process.lines, ...process.errorLines].find((line) => pattern.test(line));
    return line?.replace("\t", " ") ?? null;
  } catch {
    return null;
  }
}
