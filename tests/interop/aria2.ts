import { eventually } from "../kit/deadline.ts";
import { onFreePort } from "../kit/free_port.ts";
import { isListening } from "../kit/network.ts";
import { RunningProcess } from "../kit/running_process.ts";
import { type PeerProgram, type PeerTask, READY_LIMIT_MS } from "./peer_program.ts";

const SEEDING_MINUTES = 10;

/** aria2, one process per task. */
export const aria2: PeerProgram = {
  name: "aria2",
  requires: ["aria2c"],
  needsNamespaces: false,
  makesEmptyFiles: true,
  async seed(task: PeerTask): Promise<void> {
    await start(task, ["--bt-seed-unverified=true", `--seed-time=${SEEDING_MINUTES}`]);
  },
  async download(task: PeerTask, limitMs: number): Promise<void> {
    const process = await start(task, ["--seed-time=0"]);
    await process.waitForSuccess(limitMs);
  },
};

/** What every aria2 here is told: trackers only, nothing of the user's, no output but lines. */
export function aria2Options(folder: string, port: number): string[] {
  return [
    "--no-conf=true",
    "--enable-dht=false",
    "--enable-dht6=false",
    "--bt-enable-lpd=false",
    "--enable-peer-exchange=false",
    "--disable-ipv6=true",
    "--file-allocation=none",
    "--follow-torrent=false",
    "--summary-interval=0",
    "--show-console-readout=false",
    `--stop-with-process=${Deno.pid}`,
    // The ratio at which it would stop seeding before its time.
    "--seed-ratio=0.0",
    `--listen-port=${port}`,
    `--dir=${folder}`,
  ];
}

async function start(
  { scope, torrent, folder, place }: PeerTask,
  more: string[],
): Promise<RunningProcess> {
  return await onFreePort(async (port) => {
    const args = [...aria2Options(folder, port), ...more, torrent];
    const process = await scope.use(
      RunningProcess.start("aria2c", args, { namespace: place.namespace }),
    );
    await eventually(READY_LIMIT_MS, "aria2 to listen", async () => {
      if (process.isOver) throw new Error(`aria2 ended: ${process.lines.join("\n")}`);
      return await isListening(process.pid, port) || null;
    });
    return process;
  });
}
