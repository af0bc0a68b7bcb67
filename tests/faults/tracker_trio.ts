import { buildTorrent } from "@enjambre/metainfo";
import { READY_LIMIT_MS } from "../interop/peer_program.ts";
import { assertSameTree } from "../kit/compare.ts";
import { pseudoRandomBytes } from "../kit/content.ts";
import { startEnjambre } from "../kit/enjambre.ts";
import type { RunningProcess } from "../kit/running_process.ts";
import type { Scope } from "../kit/scoped.ts";
import { TempFolder } from "../kit/temp_folder.ts";

const NAME = "content.bin";
const TORRENT = "content.torrent";
const PIECE_BYTES = 64 * 1024;

/** How often the trackers have themselves announced to: not every half hour, as they would. */
export const INTERVAL_SECONDS = 3;

/** One tracker of ours, in a process of its own, which may be started again on its port. */
export class RunningTracker {
  readonly #scope: Scope;
  readonly #args: readonly string[];
  #process: RunningProcess;
  /** Host and port, as clients' events name it. */
  readonly host: string;

  private constructor(
    scope: Scope,
    args: readonly string[],
    process: RunningProcess,
    host: string,
  ) {
    this.#scope = scope;
    this.#args = args;
    this.#process = process;
    this.host = host;
  }

  /** Starts one on any port, with more options of the command line. */
  static async start(scope: Scope, args: readonly string[] = []): Promise<RunningTracker> {
    const { process, port } = await startTracker(scope, 0, args);
    return new RunningTracker(scope, args, process, `127.0.0.1:${port}`);
  }

  /** The URL to announce to. */
  get url(): string {
    return `http://${this.host}/announce`;
  }

  /** Ends it as a power cut does. */
  async kill(): Promise<void> {
    await this.#process.end("SIGKILL");
  }

  /** Starts it again, on the same port and knowing nobody. */
  async restart(): Promise<void> {
    const port = Number(this.host.split(":")[1]);
    this.#process = (await startTracker(this.#scope, port, this.#args)).process;
  }

  /** How many announces of this kind it was told since it was started. */
  heard(event: string): number {
    const isMeant = (line: string): boolean => new RegExp(`"event":"${event}"`).test(line);
    return this.#process.errorLines.filter(isMeant).length;
  }

  /** Waits until it has answered an announce of the client that listens on this port. */
  async untilAnswered(port: number, limitMs: number): Promise<void> {
    await this.#process.waitForLine(new RegExp(`"answered".*"port":${port}\\b`), limitMs);
  }
}

async function startTracker(
  scope: Scope,
  port: number,
  args: readonly string[],
): Promise<{ process: RunningProcess; port: number }> {
  const process = await scope.use(startEnjambre([
    ...["tracker", "--hostname", "127.0.0.1", "--port", String(port), "--no-udp"],
    ...["--interval", String(INTERVAL_SECONDS), "--access-log", ...args],
  ]));
  const listening = await process.waitForEvent("listening", READY_LIMIT_MS);
  return { process, port: Number(listening.port) };
}

/** A torrent of one file that names trackers, and clients of ours that take part. */
export class TrackedSwarm {
  /** Holds everything; gone with the test. */
  readonly folder: TempFolder;
  /** Bytes of the file. */
  readonly bytes: number;
  readonly #scope: Scope;

  private constructor(scope: Scope, folder: TempFolder, bytes: number) {
    this.#scope = scope;
    this.folder = folder;
    this.bytes = bytes;
  }

  /** Writes so much content, and makes a torrent of it with trackers in these tiers. */
  static async make(scope: Scope, bytes: number, tiers: string[][]): Promise<TrackedSwarm> {
    const folder = await scope.use(TempFolder.make());
    const content = pseudoRandomBytes(bytes, 1);
    await Deno.writeFile(`${await folder.folder("seed")}/${NAME}`, content);
    const pieceCount = Math.ceil(bytes / PIECE_BYTES);
    const pieceHashes = new Uint8Array(20 * pieceCount);
    for (let piece = 0; piece < pieceCount; piece++) {
      const data = content.subarray(piece * PIECE_BYTES, (piece + 1) * PIECE_BYTES);
      pieceHashes.set(new Uint8Array(await crypto.subtle.digest("SHA-1", data)), 20 * piece);
    }
    const torrent = buildTorrent({
      name: NAME,
      files: [{ path: [], bytes }],
      pieceLength: PIECE_BYTES,
      pieceHashes,
      trackers: tiers,
    });
    await Deno.writeFile(folder.join(TORRENT), torrent);
    return new TrackedSwarm(scope, folder, bytes);
  }

  /** Starts a seed of what is in a folder; resolves when it listens, with its port. */
  async seed(
    name: string,
    ...args: string[]
  ): Promise<{ process: RunningProcess; port: number }> {
    const process = await this.#start("seed", name, [
      "--archives",
      this.folder.join(name),
      ...args,
    ]);
    const { port } = await process.waitForEvent("listening", READY_LIMIT_MS);
    return { process, port: Number(port) };
  }

  /** Starts one that downloads into a folder. */
  async download(name: string, ...args: string[]): Promise<RunningProcess> {
    return await this.#start("download", name, ["--output", this.folder.join(name), ...args]);
  }

  /** Compares what is in a folder with the content. */
  async assertSame(name: string): Promise<void> {
    await assertSameTree(this.folder.join(`seed/${NAME}`), this.folder.join(`${name}/${NAME}`));
  }

  /** Each client has a state folder of its own, and keeps it when it is started again. */
  async #start(command: string, name: string, args: readonly string[]): Promise<RunningProcess> {
    return await this.#scope.use(startEnjambre([
      ...[command, this.folder.join(TORRENT), "--port", "0"],
      ...["--state", this.folder.join(`${name}-state`), ...args],
    ]));
  }
}
