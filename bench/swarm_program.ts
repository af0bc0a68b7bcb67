import { aria2Options } from "../tests/interop/aria2.ts";
import { libtorrentArgs } from "../tests/interop/libtorrent.ts";
import { startEnjambre } from "../tests/kit/enjambre.ts";
import { freePort } from "../tests/kit/free_port.ts";
import { loopback } from "../tests/kit/network.ts";
import { type Requirement, SYSTEM_PYTHON } from "../tests/kit/program.ts";
import { RunningProcess } from "../tests/kit/running_process.ts";

/** How long the last leecher may take until it is complete; well beyond what is measured. */
export const COMPLETE_LIMIT_MS = 300_000;
/** For how long an aria2 that has everything goes on giving: longer than a run. */
const ARIA2_SEED_MINUTES = 60;

/** One process of a swarm. */
export interface Member {
  readonly torrent: string;
  /** Where the content lies, or shall lie. */
  readonly folder: string;
  /** The most that it sends. */
  readonly uploadBytesPerSecond: number;
}

/** A program of which swarms are made. Every one of its processes gives until it is ended, complete or not. */
export interface SwarmProgram {
  readonly name: string;
  readonly requires: readonly Requirement[];
  /** Starts one that has everything. */
  seed(member: Member): RunningProcess;
  /** Starts one that has nothing. */
  leech(member: Member): RunningProcess;
  /** Resolves when a leecher has everything. */
  complete(leecher: RunningProcess): Promise<void>;
}

/** Our command line. */
export const enjambre: SwarmProgram = {
  name: "enjambre",
  requires: [],
  seed: (member) =>
    startEnjambre(["seed", member.torrent, "--archives", member.folder, ...ourOptions(member)]),
  leech: (member) =>
    startEnjambre([
      ...["download", member.torrent, "--output", member.folder, "--seed"],
      ...ourOptions(member),
    ]),
  async complete(leecher: RunningProcess): Promise<void> {
    await leecher.waitForEvent("complete", COMPLETE_LIMIT_MS);
  },
};

/** aria2, which says nothing when it is complete, but runs a program then: `echo`. */
export const aria2: SwarmProgram = {
  name: "aria2",
  requires: ["aria2c"],
  seed: (member) => startAria2(member, ["--bt-seed-unverified=true"]),
  leech: (member) => startAria2(member, ["--on-bt-download-complete=/bin/echo"]),
  async complete(leecher: RunningProcess): Promise<void> {
    // What it gives to the program: its number for the download, how many files, and the path.
    await leecher.waitForLine(/^[0-9a-f]+ 1 \//, COMPLETE_LIMIT_MS);
  },
};

/** libtorrent (Rasterbar), through its Python binding. */
export const libtorrent: SwarmProgram = {
  name: "libtorrent",
  requires: ["libtorrent"],
  seed: (member) => startLibtorrent("seed", member),
  leech: (member) => startLibtorrent("download", member),
  async complete(leecher: RunningProcess): Promise<void> {
    await leecher.waitForEvent("complete", COMPLETE_LIMIT_MS);
  },
};

function ourOptions({ uploadBytesPerSecond }: Member): string[] {
  return ["--port", "0", "--upload-limit", String(uploadBytesPerSecond)];
}

function startAria2(
  { torrent, folder, uploadBytesPerSecond }: Member,
  more: readonly string[],
): RunningProcess {
  return RunningProcess.start("aria2c", [
    ...aria2Options(folder, freePort()),
    `--max-overall-upload-limit=${uploadBytesPerSecond}`,
    `--seed-time=${ARIA2_SEED_MINUTES}`,
    ...more,
    torrent,
  ]);
}

function startLibtorrent(
  mode: "seed" | "download",
  { torrent, folder, uploadBytesPerSecond }: Member,
): RunningProcess {
  const place = loopback().left;
  const args = libtorrentArgs(mode, { torrent, folder, place }, freePort());
  return RunningProcess.start(SYSTEM_PYTHON, [...args, String(uploadBytesPerSecond)]);
}
