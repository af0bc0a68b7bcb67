/**
 * The part `create`: the making of a torrent, beside mktorrent with two threads, which makes v1 torrents alone.
 */
import { RunningProcess } from "../tests/kit/running_process.ts";
import { measureWork, WORK_METRICS, type Worker, workSecondsOfOurs } from "./check.ts";
import { Fixture, MIB } from "./fixture.ts";
import type { Outcome, Part, PartContext } from "./part.ts";
import { allOfOurs } from "./programs.ts";

/** The making of a torrent. */
export const create: Part = {
  name: "create",
  about: "The making of a v1 torrent",
  notes:
    "Work is the hashing as the program tells it, whole is from the start of the process to its end; what " +
    "lies between is the start of Deno and of two workers.",
  metrics: WORK_METRICS,
  options: { mebibytes: 1024, "piece-length": MIB },
  runs: 5,
  warmUps: 1,
  async measure(context: PartContext): Promise<Outcome> {
    const pieceLength = context.option("piece-length");
    await using fixture = await Fixture.make(context.option("mebibytes"), pieceLength);
    const { content, totalBytes } = fixture;
    const made = `${fixture.folder}/made.torrent`;
    const tidy = (): Promise<void> => Deno.remove(made);
    const options = ["--piece-length", String(pieceLength), "--format", "v1", "--json"];
    const workers: Worker[] = allOfOurs(context).map((program) => ({
      name: program.name,
      requires: null,
      start: () => program.start(["create", content, "--output", made, ...options]),
      workSeconds: (process) => workSecondsOfOurs(process, totalBytes),
      tidy,
    }));
    const args = ["-t", "2", "-l", String(Math.log2(pieceLength)), "-o", made, content];
    workers.push({
      name: "mktorrent",
      requires: "mktorrent",
      start: () => RunningProcess.start("mktorrent", args),
      workSeconds: () => null,
      tidy,
    });
    return await measureWork(workers, fixture, context);
  },
};
