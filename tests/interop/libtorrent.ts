import { onFreePort } from "../kit/free_port.ts";
import { SYSTEM_PYTHON } from "../kit/program.ts";
import { type JsonEvent, run, RunningProcess } from "../kit/running_process.ts";
import { type PeerProgram, type PeerTask, READY_LIMIT_MS } from "./peer_program.ts";
import type { Format } from "./torrent_maker.ts";

const SCRIPT = decodeURIComponent(new URL("./libtorrent_peer.py", import.meta.url).pathname);

/** libtorrent (Rasterbar), through its Python binding. */
export const libtorrent: PeerProgram = {
  name: "libtorrent",
  requires: ["libtorrent"],
  needsNamespaces: false,
  makesEmptyFiles: true,
  async seed(task: PeerTask): Promise<void> {
    await start(task, "seed");
  },
  async download(task: PeerTask, limitMs: number): Promise<void> {
    const process = await start(task, "download");
    await process.waitForEvent("complete", limitMs);
    // Only an ended session has surely written all that it has.
    await process.end();
  },
};

/** Starts a peer that downloads so slowly that it stays a leecher. */
export async function starveWithLibtorrent(task: PeerTask): Promise<void> {
  await start(task, "starve");
}

/** What libtorrent reads in a `.torrent` file, in the names of our `show --json`. */
export async function factsFromLibtorrent(torrent: string): Promise<JsonEvent> {
  const lines = await run(SYSTEM_PYTHON, [SCRIPT, "facts", torrent], READY_LIMIT_MS);
  return JSON.parse(lines[0]!);
}

/** The hashes of the torrent that libtorrent makes of a file or folder, as our `create --json` names them; `pieces` is hexadecimal. */
export async function createWithLibtorrent(
  format: Format,
  pieceLength: number,
  path: string,
): Promise<JsonEvent> {
  const args = [SCRIPT, "create", format, String(pieceLength), path];
  const lines = await run(SYSTEM_PYTHON, args, READY_LIMIT_MS);
  return JSON.parse(lines[0]!);
}

/** What to tell the system's Python so that it checks what lies in a folder. */
export function libtorrentCheckArgs(torrent: string, folder: string): string[] {
  return [SCRIPT, "check", torrent, folder];
}

/** What to tell the system's Python so that it runs a libtorrent peer. */
export function libtorrentArgs(
  mode: "seed" | "download" | "starve",
  { torrent, folder, place }: Omit<PeerTask, "scope">,
  port: number,
): string[] {
  return [SCRIPT, mode, torrent, folder, place.host, String(port)];
}

async function start(
  task: PeerTask,
  mode: "seed" | "download" | "starve",
): Promise<RunningProcess> {
  const { scope, place } = task;
  return await onFreePort(async (port) => {
    const args = libtorrentArgs(mode, task, port);
    const process = await scope.use(
      RunningProcess.start(SYSTEM_PYTHON, args, { namespace: place.namespace }),
    );
    await process.waitForEvent("listening", READY_LIMIT_MS);
    return process;
  });
}
