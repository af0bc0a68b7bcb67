import { READY_LIMIT_MS } from "../interop/peer_program.ts";
import { assertSameTree } from "../kit/compare.ts";
import { type Content, contentBytes, writeContent } from "../kit/content.ts";
import { runEnjambre, startEnjambre } from "../kit/enjambre.ts";
import type { JsonEvent, RunningProcess } from "../kit/running_process.ts";
import type { Scope } from "../kit/scoped.ts";
import { TempFolder } from "../kit/temp_folder.ts";
import type { MountSpace } from "./mount_space.ts";

/** How long a download of some megabytes may take, trouble included. */
export const DOWNLOAD_LIMIT_MS = 45_000;
/** How soon trouble is noticed, and its end: every five seconds somebody looks. */
export const NOTICE_LIMIT_MS = 10_000;
/** Length of a piece: many, so that there is a middle to fail in. */
const PIECE_LENGTH = "64K";

/** Who starts programs of ours: this test, or one in a mount namespace. */
type Starter = (args: readonly string[]) => RunningProcess;

/** How a download is started. */
export interface DownloadOptions {
  /** More options of the command line. */
  readonly args?: readonly string[];
  /** Where its disk is. */
  readonly space?: MountSpace;
}

/** A seed with a limit, and one that downloads from it while its disk is in trouble. */
export class DiskSwarm {
  readonly folder: TempFolder;
  /** The `.torrent` file. */
  readonly torrent: string;
  /** Where downloads keep what they remember: not on the disk that is in trouble. */
  readonly state: string;
  readonly #scope: Scope;
  readonly #content: Content;
  readonly #peer: string;
  readonly #seed: RunningProcess;

  private constructor(
    scope: Scope,
    folder: TempFolder,
    content: Content,
    torrent: string,
    seed: RunningProcess,
    port: number,
  ) {
    this.#scope = scope;
    this.folder = folder;
    this.torrent = torrent;
    this.state = folder.join("state");
    this.#content = content;
    this.#seed = seed;
    this.#peer = `127.0.0.1:${port}`;
  }

  /** Writes content, makes a torrent of it and seeds it, so many bytes per second. */
  static async start(scope: Scope, content: Content, bytesPerSecond: number): Promise<DiskSwarm> {
    const folder = await scope.use(TempFolder.make());
    const path = await writeContent(await folder.folder("seed"), content);
    const torrent = folder.join("content.torrent");
    await runEnjambre(["create", path, "--output", torrent, "--piece-length", PIECE_LENGTH]);
    const seed = await scope.use(startEnjambre([
      ...["seed", torrent, "--archives", folder.join("seed"), "--port", "0"],
      ...["--upload-limit", String(bytesPerSecond)],
    ]));
    const { port } = await seed.waitForEvent("listening", READY_LIMIT_MS);
    return new DiskSwarm(scope, folder, content, torrent, seed, Number(port));
  }

  /** Bytes of the content. */
  get bytes(): number {
    return contentBytes(this.#content);
  }

  /** Ends the seed; gives how many bytes of content it sent. */
  async bytesGiven(): Promise<number> {
    await this.#seed.end("SIGINT");
    return Number(lastEvent(this.#seed, "stopped")!.uploadedBytes);
  }

  /** Starts `download` into a folder. */
  async download(output: string, options: DownloadOptions = {}): Promise<RunningProcess> {
    const { args = [], space } = options;
    const start: Starter = space === undefined
      ? startEnjambre
      : (args) => space.startProgram("client/main.ts", [...args, "--json"]);
    return await this.#scope.use(start([
      ...["download", this.torrent, "--output", output, "--port", "0", "--state", this.state],
      ...["--peer", this.#peer, ...args],
    ]));
  }

  /** Waits until a download has this part of the content, and not all of it. */
  async untilHas(download: RunningProcess, part: number): Promise<JsonEvent> {
    const isThere = (event: JsonEvent) => Number(event.haveBytes) >= part * this.bytes;
    const event = await download.waitForEvent("progress", DOWNLOAD_LIMIT_MS, isThere);
    if (Number(event.haveBytes) < this.bytes) return event;
    throw new Error("Cannot disturb the download: it was over before anybody looked");
  }

  /** Compares what a download made with the content, byte by byte; nothing else may be in the folder. */
  async assertSame(output: string): Promise<void> {
    await assertSameTree(this.folder.join("seed"), output);
  }
}

/** The last object of this kind that came so far. */
export function lastEvent(process: RunningProcess, name: string): JsonEvent | undefined {
  const events = process.lines.filter((line) => line.startsWith("{") && line.endsWith("}"))
    .map((line) => JSON.parse(line) as JsonEvent);
  return events.findLast(({ event }) => event === name);
}

/** The next progress that is told. */
export async function nextProgress(process: RunningProcess): Promise<JsonEvent> {
  const before = process.lines.length;
  await process.waitForEvent("progress", NOTICE_LIMIT_MS, () => process.lines.length > before);
  return lastEvent(process, "progress")!;
}
