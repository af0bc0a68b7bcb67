/** The programs that are measured, ours and those that it is compared with, each started as it goes fastest. */
import { aria2Options } from "../tests/interop/aria2.ts";
import { eventually } from "../tests/kit/deadline.ts";
import { REPOSITORY } from "../tests/kit/enjambre.ts";
import { freePort } from "../tests/kit/free_port.ts";
import { isListening } from "../tests/kit/network.ts";
import { type Requirement, requireProgram, SYSTEM_PYTHON } from "../tests/kit/program.ts";
import { RunningProcess } from "../tests/kit/running_process.ts";
import type { Scope } from "../tests/kit/scoped.ts";
import type { Fixture } from "./fixture.ts";
import { type Contestant, type Figures, OURS, type PartContext } from "./part.ts";

/** How long anything that is measured may take until it is complete; well beyond what is measured. */
export const COMPLETE_LIMIT_MS = 300_000;
/** How long a seed may take until it listens. */
const LISTEN_LIMIT_MS = 60_000;
/** For how long an aria2 that has everything goes on giving: longer than a run. */
const ARIA2_SEED_MINUTES = 60;
const LIBTORRENT_SCRIPT: string = `${REPOSITORY}/bench/libtorrent_peer.py`;

/** What one process of a swarm is told. */
export interface Task {
  readonly torrent: string;
  /** Where the content lies, or shall lie. */
  readonly folder: string;
  /** The most that it sends; absent for no limit. */
  readonly uploadBytesPerSecond?: number;
  /** Connections that it shall take and make; absent for its default. */
  readonly connectionsMax?: number;
  /** Whether a leecher that is complete goes on giving; absent: it ends. */
  readonly staysAsSeed?: boolean;
}

/** A seed that listens. */
export interface RunningSeed {
  readonly process: RunningProcess;
  readonly port: number;
}

/** A program that takes part in swarms. */
export interface SwarmProgram {
  readonly name: string;
  readonly requires: Requirement | null;
  /** Connections beyond which it makes none, whatever it is told. */
  readonly connectionsMax: number;
  /** Starts one that has everything, and waits until it listens. */
  seed(task: Task): Promise<RunningSeed>;
  /** Starts one that has nothing. */
  leech(task: Task): RunningProcess;
  /** Resolves when a leecher has everything. */
  complete(leecher: RunningProcess): Promise<void>;
}

let stateHome: string | null = null;

/** Where our programs keep their state: not where those of the user do, and gone with this process. */
function stateEnvironment(): Record<string, string> {
  if (stateHome === null) {
    const made = Deno.makeTempDirSync({ prefix: "enjambre-bench-state-" });
    globalThis.addEventListener("unload", () => Deno.removeSync(made, { recursive: true }));
    stateHome = made;
  }
  return { XDG_STATE_HOME: stateHome };
}

/** Our command line, out of one checkout of this repository. */
export class Enjambre implements SwarmProgram {
  readonly name: string;
  readonly requires: null = null;
  readonly connectionsMax: number = Infinity;
  readonly #root: string;
  readonly #denoFlags: readonly string[];

  /** @param name what tables call it; @param root the checkout */
  constructor(name: string, root: string, denoFlags: readonly string[] = []) {
    this.name = name;
    this.#root = root;
    this.#denoFlags = denoFlags;
  }

  /** Starts the command line with `args` as they are. */
  start(args: readonly string[]): RunningProcess {
    return RunningProcess.start(
      Deno.execPath(),
      ["run", "-A", ...this.#denoFlags, "client/main.ts", ...args],
      { cwd: this.#root, env: stateEnvironment() },
    );
  }

  async seed(task: Task): Promise<RunningSeed> {
    const { torrent, folder } = task;
    const process = this.start(["seed", torrent, "--archives", folder, ...this.#options(task)]);
    const { port } = await process.waitForEvent("listening", LISTEN_LIMIT_MS);
    return { process, port: Number(port) };
  }

  leech(task: Task): RunningProcess {
    const { torrent, folder, staysAsSeed = false } = task;
    const more = staysAsSeed ? ["--seed"] : [];
    return this.start(["download", torrent, "--output", folder, ...more, ...this.#options(task)]);
  }

  async complete(leecher: RunningProcess): Promise<void> {
    await leecher.waitForEvent("complete", COMPLETE_LIMIT_MS);
  }

  #options({ uploadBytesPerSecond, connectionsMax }: Task): string[] {
    const options = ["--port", "0", "--json"];
    if (uploadBytesPerSecond !== undefined) {
      options.push("--upload-limit", String(uploadBytesPerSecond));
    }
    if (connectionsMax !== undefined) options.push("--max-peers", String(connectionsMax));
    return options;
  }
}

/** aria2, which says nothing when it is complete, but runs a program then: `echo`. */
export const aria2: SwarmProgram = {
  name: "aria2",
  requires: "aria2c",
  connectionsMax: 30, // it dials no more once it knows these
  async seed(task: Task): Promise<RunningSeed> {
    const port = freePort();
    const process = startAria2(task, port, [
      "--bt-seed-unverified=true",
      `--seed-time=${ARIA2_SEED_MINUTES}`,
    ]);
    await eventually(
      LISTEN_LIMIT_MS,
      "aria2 to listen",
      async () => await isListening(process.pid, port) || null,
    );
    return { process, port };
  },
  leech: (task) =>
    startAria2(task, freePort(), [
      `--seed-time=${task.staysAsSeed ? ARIA2_SEED_MINUTES : 0}`,
      "--on-bt-download-complete=/bin/echo",
    ]),
  async complete(leecher: RunningProcess): Promise<void> {
    // What it gives to the program: its number for the download, how many files, and the path.
    await leecher.waitForLine(/^[0-9a-f]+ 1 \//, COMPLETE_LIMIT_MS);
  },
};

/** libtorrent (Rasterbar), through its Python binding, which does none of the work. */
export const libtorrent: SwarmProgram = {
  name: "libtorrent",
  requires: "libtorrent",
  connectionsMax: Infinity,
  async seed(task: Task): Promise<RunningSeed> {
    const process = startLibtorrent("seed", task);
    const { port } = await process.waitForEvent("listening", LISTEN_LIMIT_MS);
    return { process, port: Number(port) };
  },
  leech: (task) => startLibtorrent(task.staysAsSeed ? "stay" : "download", task),
  async complete(leecher: RunningProcess): Promise<void> {
    await leecher.waitForEvent("complete", COMPLETE_LIMIT_MS);
  },
};

function startAria2(task: Task, port: number, more: readonly string[]): RunningProcess {
  const { torrent, folder, uploadBytesPerSecond, connectionsMax } = task;
  const options = [...aria2Options(folder, port), ...more];
  if (uploadBytesPerSecond !== undefined) {
    options.push(`--max-overall-upload-limit=${uploadBytesPerSecond}`);
  }
  if (connectionsMax !== undefined) options.push(`--bt-max-peers=${connectionsMax}`);
  return RunningProcess.start("aria2c", [...options, torrent]);
}

function startLibtorrent(mode: string, task: Task): RunningProcess {
  const { torrent, folder, uploadBytesPerSecond } = task;
  const limit = uploadBytesPerSecond === undefined ? [] : [String(uploadBytesPerSecond)];
  const args = [LIBTORRENT_SCRIPT, mode, torrent, folder, String(freePort()), ...limit];
  return RunningProcess.start(SYSTEM_PYTHON, args);
}

/** Our program out of this checkout, as a context wants it. */
export function ours(context: PartContext): Enjambre {
  return new Enjambre(OURS, REPOSITORY, context.denoFlags);
}

/** Our program, and another checkout's where one was asked for. */
export function allOfOurs(context: PartContext): Enjambre[] {
  const programs = [ours(context)];
  if (context.beside !== null) programs.push(new Enjambre("beside", context.beside));
  return programs;
}

/** Which of some programs to measure, and the names of those that are not installed. */
export async function present<T extends { name: string; requires: Requirement | null }>(
  programs: readonly T[],
  { only }: PartContext,
): Promise<{ programs: T[]; absent: string[] }> {
  const wanted = programs.filter(({ name }) => only === null || name === only);
  const versions = await Promise.all(
    wanted.map(({ requires }) => requires === null ? "" : requireProgram(requires)),
  );
  return {
    programs: wanted.filter((_, i) => versions[i] !== null),
    absent: wanted.filter((_, i) => versions[i] === null).map(({ name }) => name),
  };
}

/** Starts a seed of each program, which all run until `scope` ends, and has each measured when its turn comes. */
export async function seedingContestants(
  programs: readonly SwarmProgram[],
  fixture: Fixture,
  scope: Scope,
  measure: (seed: RunningSeed, fixture: Fixture, program: SwarmProgram) => Promise<Figures>,
): Promise<Contestant[]> {
  const { torrent, folder } = fixture;
  const contestants: Contestant[] = [];
  for (const program of programs) {
    const running = await program.seed({ torrent, folder });
    await scope.use(running.process);
    contestants.push({
      program: program.name,
      case: "",
      measure: () => measure(running, fixture, program),
    });
  }
  return contestants;
}
