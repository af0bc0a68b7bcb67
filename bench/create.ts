/**
 * Measures the making of a torrent: our `create` and, where it is installed, mktorrent with two threads, in turns.
 *
 * `deno task bench create [--mebibytes 1024] [--piece-length 1048576] [--runs 3] [--format v1]`
 *
 * The columns are those of `bench/check.ts`. mktorrent makes v1 torrents alone; beside another format it shows
 * what v1 costs.
 */
import { parseArgs } from "@std/cli/parse-args";
import { startEnjambre } from "../tests/kit/enjambre.ts";
import { requireProgram } from "../tests/kit/program.ts";
import { RunningProcess } from "../tests/kit/running_process.ts";
import { TempFolder } from "../tests/kit/temp_folder.ts";
import { type Contestant, makeContent, measureInTurns, workSecondsOfOurs } from "./in_turns.ts";

const MIB = 1024 * 1024;

async function main(): Promise<void> {
  const flags = parseArgs(Deno.args, {
    string: ["mebibytes", "piece-length", "runs", "format"],
    default: { mebibytes: "1024", "piece-length": String(MIB), runs: "3", format: "v1" },
  });
  const totalBytes = Number(flags.mebibytes) * MIB;
  await using folder = await TempFolder.make();
  const content = folder.join("content.bin");
  const torrent = folder.join("content.torrent");
  await makeContent(content, totalBytes);
  const tidy = async (): Promise<void> => await Deno.remove(torrent);
  const options = ["--piece-length", flags["piece-length"], "--format", flags.format];
  const contestants: Contestant[] = [{
    name: "enjambre",
    start: () => startEnjambre(["create", content, "--output", torrent, ...options]),
    workSeconds: (process) => workSecondsOfOurs(process, totalBytes),
    tidy,
  }];
  if (await requireProgram("mktorrent") === null) console.log("mktorrent is missing and left out");
  else {
    const power = String(Math.log2(Number(flags["piece-length"])));
    const args = ["-t", "2", "-l", power, "-o", torrent, content];
    contestants.push({
      name: "mktorrent",
      start: () => RunningProcess.start("mktorrent", args),
      workSeconds: () => null,
      tidy,
    });
  }
  await measureInTurns(contestants, totalBytes, Number(flags.runs));
}

if (import.meta.main) await main();
