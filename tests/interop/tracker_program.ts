import { decode } from "@enjambre/bencode";
import { eventually } from "../kit/deadline.ts";
import { REPOSITORY, startEnjambre } from "../kit/enjambre.ts";
import { isListening, type Place } from "../kit/network.ts";
import type { Requirement } from "../kit/program.ts";
import { run, RunningProcess } from "../kit/running_process.ts";
import type { Scope } from "../kit/scoped.ts";
import { TempFolder } from "../kit/temp_folder.ts";
import { READY_LIMIT_MS } from "./peer_program.ts";

const SCRAPE_LIMIT_MS = 10_000;

/** What a tracker counts for one torrent (BEP 48). */
export interface ScrapeCounts {
  seeders: number;
  leechers: number;
  /** Downloads that were completed, as their peers said. */
  completed: number;
}

/** A program that is started as a tracker. */
export interface TrackerProgram {
  readonly name: string;
  readonly requires: readonly Requirement[];
  /** Starts it; resolves when it takes requests. It fails where the port is in use. */
  start(scope: Scope, place: Place, port: number, infoHash: Uint8Array): Promise<void>;
}

/** The tracker of this project. */
export const ourTracker: TrackerProgram = {
  name: "our tracker",
  requires: [],
  async start(scope: Scope, place: Place, port: number): Promise<void> {
    const args = ["tracker", "--hostname", place.host, "--port", String(port)];
    const process = await scope.use(startEnjambre(args, place));
    await process.waitForEvent("listening", READY_LIMIT_MS);
  },
};

/** opentracker, as Debian builds it: it answers for whitelisted torrents alone. */
export const opentracker: TrackerProgram = {
  name: "opentracker",
  requires: ["opentracker"],
  async start(scope: Scope, place: Place, port: number, infoHash: Uint8Array): Promise<void> {
    const folder = await scope.use(TempFolder.make());
    await Deno.writeTextFile(folder.join("whitelist.txt"), `${infoHash.toHex()}\n`);
    // It makes this folder its root and goes on as `nobody`.
    await Deno.chmod(folder.path, 0o755);
    const process = await scope.use(RunningProcess.start("opentracker", [
      ...["-i", place.host, "-p", String(port), "-P", String(port)],
      ...["-d", folder.path, "-w", "whitelist.txt"],
    ], { namespace: place.namespace }));
    await eventually(READY_LIMIT_MS, "opentracker to listen", async () => {
      if (process.isOver) throw new Error(`opentracker ended: ${process.errorLines.join("\n")}`);
      return await isListening(process.pid, port) || null;
    });
  },
};

/** The URL under which peers announce themselves to a tracker. */
export function announceUrl(place: Place, port: number): string {
  return `http://${place.host}:${port}/announce`;
}

/** Asks a tracker for its counts of one torrent; from within the namespace that it runs in. */
export async function scrape(
  announce: string,
  place: Place,
  infoHash: Uint8Array,
): Promise<ScrapeCounts> {
  const escaped = [...infoHash].map((byte) => "%" + byte.toString(16).padStart(2, "0")).join("");
  const url = `${announce.replace(/announce$/, "scrape")}?info_hash=${escaped}`;
  const answer = decode(await fetchBytes(url, place));
  const files = answer instanceof Map ? answer.get("files") : undefined;
  const counts = files instanceof Map ? [...files.values()][0] : undefined;
  if (!(counts instanceof Map)) return { seeders: 0, leechers: 0, completed: 0 };
  return {
    seeders: Number(counts.get("complete")),
    leechers: Number(counts.get("incomplete")),
    completed: Number(counts.get("downloaded")),
  };
}

async function fetchBytes(url: string, place: Place): Promise<Uint8Array> {
  if (place.namespace === null) {
    const response = await fetch(url, { signal: AbortSignal.timeout(SCRAPE_LIMIT_MS) });
    return await response.bytes();
  }
  const program = `${REPOSITORY}/tests/kit/fetch_hex.ts`;
  const args = ["run", "--no-config", "--allow-net", program, url];
  const [hex] = await run(Deno.execPath(), args, SCRAPE_LIMIT_MS, { namespace: place.namespace });
  return Uint8Array.fromHex(hex!);
}
