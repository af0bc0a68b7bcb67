import { type JsonEvent, run, RunningProcess } from "./running_process.ts";
import type { Place } from "./network.ts";

const COMMAND_LIMIT_MS = 30_000;

/** The folder of the repository, without a slash at its end. */
export const REPOSITORY: string = decodeURIComponent(
  new URL("../..", import.meta.url).pathname,
).replace(/\/$/, "");

let stateHome: string | null = null;

/** Where our programs keep their state in tests: not where those of the user do, and gone with this process. */
function environment(): Record<string, string> {
  if (stateHome === null) {
    const made = Deno.makeTempDirSync({ prefix: "enjambre-state-" });
    globalThis.addEventListener("unload", () => Deno.removeSync(made, { recursive: true }));
    stateHome = made;
  }
  return { XDG_STATE_HOME: stateHome };
}

/** Starts our command line as a user does, with `--json`; `place` says in which network. */
export function startEnjambre(args: readonly string[], place?: Place): RunningProcess {
  return RunningProcess.start(
    Deno.execPath(),
    ["run", "-A", "client/main.ts", ...args, "--json"],
    { cwd: REPOSITORY, namespace: place?.namespace ?? null, env: environment() },
  );
}

/** Runs our command line to its end and gives the objects that it printed; throws where it fails. */
export async function runEnjambre(args: readonly string[]): Promise<JsonEvent[]> {
  const lines = await run(
    Deno.execPath(),
    ["run", "-A", "client/main.ts", ...args, "--json"],
    COMMAND_LIMIT_MS,
    { cwd: REPOSITORY, env: environment() },
  );
  return lines.map((line) => JSON.parse(line));
}
