/**
 * Measures a check of content that is all there: our `verify` and, where they are installed, aria2 and
 * libtorrent, in turns.
 *
 * `deno task bench check [--mebibytes 1024] [--piece-length 1048576] [--runs 3]`
 *
 * Everything is in memory (`/dev/shm` where there is one). Each check is a process of its own. The columns:
 *
 * - *work*: the check itself as the program tells it, without its start-up; - where it does not tell;
 * - *whole*: from the start of the process to its end;
 * - *CPU*: user and system time, as the kernel counted it at its end;
 * - *peak*: the most memory that it had resident (`VmHWM`); libtorrent maps the file, which counts too.
 *
 * Needs Linux. The ratio of two programs tells more than either figure: machines differ, and so do days.
 */
import { parseArgs } from "@std/cli/parse-args";
import { libtorrentCheckArgs } from "../tests/interop/libtorrent.ts";
import { runEnjambre, startEnjambre } from "../tests/kit/enjambre.ts";
import { requireProgram, SYSTEM_PYTHON } from "../tests/kit/program.ts";
import { RunningProcess } from "../tests/kit/running_process.ts";
import { TempFolder } from "../tests/kit/temp_folder.ts";
import { type Contestant, makeContent, measureInTurns, workSecondsOfOurs } from "./in_turns.ts";

const MIB = 1024 * 1024;

async function main(): Promise<void> {
  const flags = parseArgs(Deno.args, {
    string: ["mebibytes", "piece-length", "runs"],
    default: { mebibytes: "1024", "piece-length": String(MIB), runs: "3" },
  });
  const totalBytes = Number(flags.mebibytes) * MIB;
  await using folder = await TempFolder.make();
  const torrent = folder.join("content.torrent");
  await makeContent(folder.join("content.bin"), totalBytes);
  await runEnjambre([
    ...["create", folder.join("content.bin"), "--output", torrent],
    ...["--piece-length", flags["piece-length"]],
  ]);
  const contestants = [enjambre(torrent, folder.path, totalBytes)];
  if (await requireProgram("aria2c") === null) console.log("aria2 is missing and left out");
  else contestants.push(aria2(torrent, folder.path));
  if (await requireProgram("libtorrent") === null) {
    console.log("libtorrent is missing and left out");
  } else contestants.push(libtorrent(torrent, folder.path));
  await measureInTurns(contestants, totalBytes, Number(flags.runs));
}

const nothing = async (): Promise<void> => {};

function enjambre(torrent: string, folder: string, totalBytes: number): Contestant {
  return {
    name: "enjambre",
    start: () => startEnjambre(["verify", torrent, folder]),
    workSeconds: (process) => workSecondsOfOurs(process, totalBytes),
    tidy: nothing,
  };
}

function aria2(torrent: string, folder: string): Contestant {
  const args = [
    "--no-conf",
    "--enable-dht=false",
    "--enable-dht6=false",
    "--bt-enable-lpd=false",
    "--check-integrity=true",
    "--hash-check-only=true",
    "--bt-hash-check-seed=false",
    "--seed-time=0",
    "--summary-interval=0",
    `--dir=${folder}`,
    torrent,
  ];
  return {
    name: "aria2",
    start: () => RunningProcess.start("aria2c", args),
    workSeconds: () => null,
    tidy: nothing,
  };
}

function libtorrent(torrent: string, folder: string): Contestant {
  return {
    name: "libtorrent",
    start: () => RunningProcess.start(SYSTEM_PYTHON, libtorrentCheckArgs(torrent, folder)),
    workSeconds: (process) => JSON.parse(process.lines.at(-1)!).seconds,
    tidy: nothing,
  };
}

if (import.meta.main) await main();
