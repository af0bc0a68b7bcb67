/**
 * `enjambre demo`: a whole swarm of real processes on this machine, one of which dies in the middle.
 *
 * @module
 */

import { join } from "node:path";
import { hexOfHash, parseTorrent, type Torrent } from "@enjambre/metainfo";
import { asStorageError } from "@enjambre/storage";
import { scrapeHttp } from "@enjambre/tracker";
import type { CommandContext } from "./context.ts";
import { type DemoEvent, DemoProcess } from "./demo_process_deno.ts";
import { type DemoMember, renderMember } from "./demo_view.ts";
import { CommandFailure, EXIT_DONE } from "./failure.ts";
import { formatBytes, formatCount, formatDuration, formatRate } from "./text.ts";

/** What is shared: enough to see a swarm work, little enough for half a minute. */
const DATA_BYTES: number = 64 * 1024 * 1024;

/** Leechers; one of them dies. */
const LEECHERS = 3;

/** What each process may send, bytes per second, so that there is something to see, and that a swarm is needed to be quick. */
const UPLOAD_LIMIT = 8_000_000;

/** The one that dies is slow, so that the others wait for many blocks of it when it does. */
const SLOW_UPLOAD_LIMIT = 1_000_000;

/** How much of the data the one that dies has by then. */
const DIES_AT = 0.4;

/** The swarm is given up on after this. */
const DEMO_MS_MAX = 60_000;

/** How often the picture is drawn anew on a terminal, and how often it is printed elsewhere. */
const DRAW_MS = 200;
const PRINT_MS = 2500;

/** How often the tracker is asked whether the seed has announced itself. */
const SCRAPE_MS = 50;

/** One process of the swarm, and what it has told so far. */
class Member implements DemoMember, AsyncDisposable {
  readonly name: string;
  readonly totalBytes: number = DATA_BYTES;
  haveBytes = 0;
  downBytesPerSecond = 0;
  upBytesPerSecond = 0;
  peers = 0;
  state: DemoMember["state"] = "running";
  port = 0;
  complete: DemoEvent | null = null;
  readonly #process: DemoProcess;
  readonly #listening = Promise.withResolvers<void>();
  readonly #completed = Promise.withResolvers<void>();
  readonly #hasEnough = Promise.withResolvers<void>();

  constructor(name: string, args: readonly string[]) {
    this.name = name;
    this.#process = new DemoProcess(args, (event) => this.#handle(event));
    for (const { promise } of [this.#listening, this.#completed, this.#hasEnough]) {
      promise.catch(() => {}); // whoever waits for it sees the failure
    }
  }

  /** Settles when it listens. */
  get listening(): Promise<void> {
    return this.#listening.promise;
  }

  /** Settles when it has everything. */
  get completed(): Promise<void> {
    return this.#completed.promise;
  }

  /** Settles when it has as much as the one that dies may have. */
  get hasEnough(): Promise<void> {
    return this.#hasEnough.promise;
  }

  /** Ends its process as an unplugged machine would. */
  kill(): void {
    this.#process.end("SIGKILL");
    this.state = "killed";
    this.downBytesPerSecond = 0;
    this.upBytesPerSecond = 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process[Symbol.asyncDispose]();
  }

  #handle(event: DemoEvent): void {
    switch (event.event) {
      case "listening":
        this.port = Number(event["port"]);
        return this.#listening.resolve();
      case "progress":
        return this.#handleProgress(event);
      case "complete":
        this.complete = event;
        this.haveBytes = this.totalBytes;
        this.state = "complete";
        return this.#completed.resolve();
      case "error": {
        const failure = new CommandFailure("demo", `The ${this.name} failed: ${event["message"]}`);
        this.#listening.reject(failure);
        this.#completed.reject(failure);
        return this.#hasEnough.reject(failure);
      }
    }
  }

  #handleProgress(event: DemoEvent): void {
    if (this.state === "killed" || event["haveBytes"] === undefined) return;
    this.haveBytes = Number(event["haveBytes"]);
    this.downBytesPerSecond = Number(event["downBytesPerSecond"]);
    this.upBytesPerSecond = Number(event["upBytesPerSecond"]);
    this.peers = Number(event["peers"]);
    if (this.haveBytes >= DIES_AT * this.totalBytes) this.#hasEnough.resolve();
  }
}

/** Runs the demo; resolves with the exit code. */
export async function runDemo(context: CommandContext): Promise<number> {
  const folder = await makeFolder();
  const timeout = AbortSignal.timeout(DEMO_MS_MAX);
  try {
    await using members = new AsyncDisposableStack();
    const signal = AbortSignal.any([context.signal, timeout]);
    await Promise.race([playSwarm(folder, members, context), abortion(signal)]);
    return EXIT_DONE;
  } catch (error) {
    if (!timeout.aborted) throw error;
    const message = `The swarm did not complete within ${formatDuration(DEMO_MS_MAX / 1000)}`;
    throw new CommandFailure("demo", message);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function playSwarm(
  folder: string,
  members: AsyncDisposableStack,
  context: CommandContext,
): Promise<void> {
  const { reporter } = context;
  const start = (name: string, args: readonly string[]): Member =>
    members.use(new Member(name, args));
  const data = join(folder, "data");
  reporter.say(`Making ${formatBytes(DATA_BYTES)} of data and a torrent of it`);
  await writeRandomFile(data);

  const tracker = start("tracker", ["tracker", "--hostname", "127.0.0.1", "--port", "0"]);
  await tracker.listening;
  const url = `http://127.0.0.1:${tracker.port}/announce`;
  const torrentFile = join(folder, "data.torrent");
  await runToEnd(["create", data, "--tracker", url, "--output", torrentFile]);
  const torrent = await parseTorrent(await Deno.readFile(torrentFile));

  reporter.say(`Starting a tracker, a seed and ${LEECHERS} leechers`);
  const [rate, slowRate] = [UPLOAD_LIMIT, SLOW_UPLOAD_LIMIT].map(formatRate);
  reporter.say(`Each may send ${rate}, leecher 1 only ${slowRate}`);
  const limits = (rate: number) => ["--port", "0", "--upload-limit", String(rate)];
  const state = ["--state", `${folder}/state`];
  const seedArgs = ["seed", torrentFile, "--archives", folder, ...state, ...limits(UPLOAD_LIMIT)];
  const seed = start("seed", seedArgs);
  await seed.listening;
  await untilAnnounced(url, torrent);
  const startMs = performance.now();
  const leechers = Array.from({ length: LEECHERS }, (_, i) => {
    const output = join(folder, `leecher-${i + 1}`);
    const limit = limits(i === 0 ? SLOW_UPLOAD_LIMIT : UPLOAD_LIMIT);
    const args = ["download", torrentFile, "--output", output, "--seed", ...state, ...limit];
    return start(`leecher ${i + 1}`, args);
  });

  using picture = new Picture([seed, ...leechers], context);
  const [doomed, ...survivors] = leechers as [Member, ...Member[]];
  const death = doomed.hasEnough.then(() => {
    doomed.kill();
    picture.say(`Killed ${doomed.name} in the middle; the others carry on`);
  });
  await Promise.all([death, ...survivors.map((leecher) => leecher.completed)]);
  const seconds = (performance.now() - startMs) / 1000;
  picture[Symbol.dispose]();

  for (const { name } of survivors) {
    await runToEnd(["verify", torrentFile, join(folder, name.replace(" ", "-"))]);
  }
  report(survivors, seconds, context);
}

/** Prints what happened. */
function report(survivors: readonly Member[], seconds: number, { reporter }: CommandContext): void {
  const bytes = survivors.length * DATA_BYTES;
  let requeuedBlocks = 0;
  let maxMs = 0;
  for (const { complete } of survivors) {
    requeuedBlocks += Number(complete!["requeuedBlocks"]);
    maxMs = Math.max(maxMs, (complete!["recovery"] as { maxMs: number }).maxMs);
  }
  reporter.say(
    `Done: ${survivors.length} copies of ${formatBytes(DATA_BYTES)}, all verified, in ` +
      `${formatDuration(seconds)}: ${formatRate(bytes / seconds)} together`,
  );
  reporter.say(
    requeuedBlocks === 0
      ? "No block had been asked of the one that died"
      : `${formatCount(requeuedBlocks, "block")} that the dead one owed: asked of others within ` +
        `${Math.max(0.1, maxMs).toFixed(1)} ms`,
  );
  reporter.event("demo", {
    seconds,
    copies: survivors.length,
    bytes,
    requeuedBlocks,
    recoveryMaxMs: maxMs,
  });
}

/** Shows the members until it is disposed of: lines that are drawn anew, or printed now and then. */
class Picture implements Disposable {
  readonly #members: readonly Member[];
  readonly #context: CommandContext;
  readonly #isLive: boolean;
  readonly #timer: ReturnType<typeof setInterval>;
  #drawnLines = 0;
  #isOver = false;

  constructor(members: readonly Member[], context: CommandContext) {
    this.#members = members;
    this.#context = context;
    this.#isLive = context.reporter.canDraw;
    this.#timer = setInterval(() => this.#draw(), this.#isLive ? DRAW_MS : PRINT_MS);
  }

  /** Prints a line above the picture. */
  say(text: string): void {
    this.#clear();
    this.#context.reporter.say(text);
    this.#draw();
  }

  [Symbol.dispose](): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearInterval(this.#timer);
    this.#draw();
  }

  #draw(): void {
    const { reporter, signal } = this.#context;
    if (signal.aborted) return;
    this.#clear();
    for (const member of this.#members) reporter.say(renderMember(member, reporter.columns));
    this.#drawnLines = this.#isLive ? this.#members.length : 0;
  }

  #clear(): void {
    const { reporter, signal } = this.#context;
    // What was said on Ctrl-C stands below the picture, and must not be taken back for a part of it.
    if (this.#drawnLines > 0 && !signal.aborted) reporter.eraseLines(this.#drawnLines);
    this.#drawnLines = 0;
  }
}

/** Runs another command of this program, which must succeed. */
async function runToEnd(args: readonly string[]): Promise<void> {
  let message = "it ended early";
  await using process = new DemoProcess(args, (event) => {
    if (event.event === "error") message = String(event["message"]);
  });
  if (!await process.ended()) throw new CommandFailure("demo", `${args[0]} failed: ${message}`);
}

/** Waits until the tracker knows the seed, so that the first leecher finds it. */
async function untilAnnounced(url: string, torrent: Torrent): Promise<void> {
  for (;;) {
    const result = await scrapeHttp(url, [torrent.swarmHash]);
    const counts = result instanceof Map ? result.get(hexOfHash(torrent.swarmHash)) : undefined;
    if ((counts?.seeders ?? 0) > 0) return;
    await new Promise((resolve) => setTimeout(resolve, SCRAPE_MS));
  }
}

async function makeFolder(): Promise<string> {
  try {
    return await Deno.makeTempDir({ prefix: "enjambre-demo-" });
  } catch (cause) {
    const { code } = asStorageError(cause, "make", "");
    const message = "Cannot make a folder for the demo; set TMPDIR to a folder that can be written";
    throw new CommandFailure(code, message, undefined, { cause });
  }
}

async function writeRandomFile(path: string): Promise<void> {
  const part = new Uint8Array(65_536); // as much as getRandomValues gives at once
  try {
    using file = await Deno.open(path, { write: true, createNew: true });
    for (let written = 0; written < DATA_BYTES;) {
      crypto.getRandomValues(part);
      written += await file.write(part);
    }
  } catch (error) {
    throw asStorageError(error, "write", path);
  }
}

/** Rejects when the signal is aborted. */
function abortion(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason));
    if (signal.aborted) reject(signal.reason);
  });
}
