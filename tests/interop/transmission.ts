import { eventually } from "../kit/deadline.ts";
import { onFreePort } from "../kit/free_port.ts";
import { isListening } from "../kit/network.ts";
import { run, RunningProcess } from "../kit/running_process.ts";
import { TempFolder } from "../kit/temp_folder.ts";
import { type PeerProgram, type PeerTask, READY_LIMIT_MS } from "./peer_program.ts";

const REMOTE_LIMIT_MS = 10_000;

/** transmission-daemon, driven by transmission-remote; it does not talk to peers on 127.0.0.0/8. */
export const transmission: PeerProgram = {
  name: "transmission",
  requires: ["transmission-daemon", "namespaces"],
  needsNamespaces: true,
  makesEmptyFiles: false,
  async seed(task: PeerTask): Promise<void> {
    const remote = await start(task);
    await eventually(
      READY_LIMIT_MS,
      "transmission to verify its data",
      async () => isWhole(await remote("-t", "all", "-i")) || null,
    );
  },
  async download(task: PeerTask, limitMs: number): Promise<void> {
    const remote = await start(task);
    await eventually(
      limitMs,
      "transmission to have everything",
      async () => isWhole(await remote("-t", "all", "-i")) || null,
    );
    // What it has in its cache is written when the torrent stops.
    await remote("-t", "all", "--stop");
    await eventually(
      READY_LIMIT_MS,
      "transmission to stop",
      async () =>
        /State: (Stopped|Finished)/.test((await remote("-t", "all", "-i")).join("\n")) || null,
    );
  },
};

/** Runs one transmission-remote command and gives its lines. */
type Remote = (...args: string[]) => Promise<string[]>;

/** Starts the daemon and adds the torrent; the data that lies in the folder is verified. */
async function start({ scope, torrent, folder, place }: PeerTask): Promise<Remote> {
  const config = await scope.use(TempFolder.make());
  return await onFreePort((rpcPort) =>
    onFreePort(async (peerPort) => {
      await Deno.writeTextFile(
        config.join("settings.json"),
        JSON.stringify(settings(folder, place.host, rpcPort, peerPort)),
      );
      const daemon = await scope.use(RunningProcess.start("transmission-daemon", [
        "--foreground",
        "--config-dir",
        config.path,
      ], { namespace: place.namespace }));
      await eventually(READY_LIMIT_MS, "transmission to listen", async () => {
        if (daemon.isOver) throw new Error(`transmission ended: ${daemon.errorLines.join("\n")}`);
        return await isListening(daemon.pid, rpcPort) && await isListening(daemon.pid, peerPort) ||
          null;
      });
      const remote: Remote = (...args) =>
        run("transmission-remote", [`127.0.0.1:${rpcPort}`, ...args], REMOTE_LIMIT_MS, {
          namespace: place.namespace,
        });
      await remote("--add", torrent);
      return remote;
    })
  );
}

function isWhole(info: string[]): boolean {
  return info.some((line) => line.trim() === "Percent Done: 100%");
}

function settings(
  folder: string,
  host: string,
  rpcPort: number,
  peerPort: number,
): Record<string, unknown> {
  return {
    "bind-address-ipv4": host,
    "dht-enabled": false,
    "download-dir": folder,
    "incomplete-dir-enabled": false,
    "lpd-enabled": false,
    "peer-port": peerPort,
    "pex-enabled": false,
    "port-forwarding-enabled": false,
    "rpc-authentication-required": false,
    "rpc-bind-address": "127.0.0.1",
    "rpc-port": rpcPort,
    "rpc-whitelist-enabled": false,
    "start-added-torrents": true,
    "utp-enabled": false,
  };
}
