/** What downloads are measured with: content in memory, its torrent, a tracker that knows given peers, the ideal seed. */
import { encode } from "@enjambre/bencode";
import { pseudoRandomBytes } from "../tests/kit/content.ts";
import { REPOSITORY, runEnjambre } from "../tests/kit/enjambre.ts";
import { run, RunningProcess } from "../tests/kit/running_process.ts";
import { TempFolder } from "../tests/kit/temp_folder.ts";

export const MIB: number = 1024 * 1024;
export const GIB: number = 1024 * MIB;
/** How much content is made and written at a time. */
const MAKE_BYTES = 64 * MIB;
const SEED_READY_LIMIT_MS = 60_000;
const LEECH_LIMIT_MS = 300_000;
/** It lets peers wait for others, a minute at most; and aria2 takes a moment before it begins. */
const SEED_UNCHOKE_LIMIT_MS = 90_000;
/** How long peers may wait until they ask the tracker again: longer than a run. */
const TRACKER_INTERVAL_SECONDS = 1800;

/** Somebody to connect to. */
export interface PeerPlace {
  readonly host: string;
  readonly port: number;
}

/** Writes content of the size, a part at a time. */
export async function makeContent(path: string, totalBytes: number): Promise<void> {
  using file = await Deno.open(path, { write: true, createNew: true });
  for (let offset = 0; offset < totalBytes; offset += MAKE_BYTES) {
    const bytes = pseudoRandomBytes(Math.min(MAKE_BYTES, totalBytes - offset), 1 + offset);
    for (let written = 0; written < bytes.length;) {
      written += await file.write(bytes.subarray(written));
    }
  }
}

/** A tracker that answers everybody with the same peers, which may change. */
export class FixedTracker implements AsyncDisposable {
  peers: readonly PeerPlace[] = [];
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  constructor() {
    this.#server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, () => {
      const peers = new Uint8Array(6 * this.peers.length);
      for (const [i, { host, port }] of this.peers.entries()) {
        peers.set([...host.split(".").map(Number), port >> 8, port & 0xff], 6 * i);
      }
      return new Response(encode({ interval: TRACKER_INTERVAL_SECONDS, peers }));
    });
  }

  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}/announce`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }
}

/** One file in memory, its torrent, and a tracker that the torrent names. */
export class Fixture implements AsyncDisposable {
  readonly totalBytes: number;
  readonly tracker: FixedTracker = new FixedTracker();
  readonly #folder: TempFolder;

  private constructor(folder: TempFolder, totalBytes: number) {
    this.#folder = folder;
    this.totalBytes = totalBytes;
  }

  /** Makes it. **Cost**: room in memory for the content, and for what is downloaded. */
  static async make(mebibytes: number, pieceLength: number): Promise<Fixture> {
    const fixture = new Fixture(await TempFolder.make(), mebibytes * MIB);
    await makeContent(fixture.content, fixture.totalBytes);
    await runEnjambre([
      ...["create", fixture.content, "--output", fixture.torrent],
      ...["--piece-length", String(pieceLength), "--tracker", fixture.tracker.url],
    ]);
    return fixture;
  }

  /** The folder that holds the content. */
  get folder(): string {
    return this.#folder.path;
  }

  get content(): string {
    return this.#folder.join("content.bin");
  }

  get torrent(): string {
    return this.#folder.join("content.torrent");
  }

  /** GiB of content. */
  get gibibytes(): number {
    return this.totalBytes / GIB;
  }

  /** A new folder for a download, which `use` gets; removed afterwards. */
  async withTarget<T>(use: (folder: string) => Promise<T>): Promise<T> {
    const target = await this.#folder.folder("downloaded");
    try {
      return await use(target);
    } finally {
      await Deno.remove(target, { recursive: true });
    }
  }

  /** Starts the ideal seed of it: a port for each number of peers, who are unchoked when so many are there. */
  async startIdealSeed(connectionCounts: readonly number[]): Promise<IdealSeed> {
    const process = RunningProcess.start(
      Deno.execPath(),
      [
        ...["run", "-A", "bench/ideal_seed.ts", this.torrent, this.content],
        ...["--hostname", "0.0.0.0", "--connections", connectionCounts.join(",")],
      ],
      { cwd: REPOSITORY },
    );
    const { ports } = await process.waitForEvent("listening", SEED_READY_LIMIT_MS);
    const portOf = connectionCounts.map((count, i) => [count, (ports as number[])[i]!] as const);
    return new IdealSeed(process, new Map(portOf));
  }

  /** Runs the ideal leecher against whatever seeds there, and gives the bytes per second that it took. */
  async leechIdeally(port: number): Promise<number> {
    const lines = await run(
      Deno.execPath(),
      ["run", "-A", "bench/ideal_leech.ts", this.torrent, "127.0.0.1", String(port)],
      LEECH_LIMIT_MS,
      { cwd: REPOSITORY },
    );
    return JSON.parse(lines.at(-1)!).bytesPerSecond;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.tracker[Symbol.asyncDispose]();
    await this.#folder[Symbol.asyncDispose]();
  }
}

/** What the ideal seed says of one connection. */
export interface Served {
  readonly bytes: number;
  readonly firstRequestMs: number;
  readonly lastBlockMs: number;
}

/** The ideal seed in a process of its own. It listens on every address of 127.0.0.0/8. */
export class IdealSeed implements AsyncDisposable {
  readonly process: RunningProcess;
  readonly #ports: ReadonlyMap<number, number>;

  /** @param ports by the number of peers who are unchoked together */
  constructor(process: RunningProcess, ports: ReadonlyMap<number, number>) {
    this.process = process;
    this.#ports = ports;
  }

  /** Where so many are unchoked together. */
  port(connections: number): number {
    return this.#ports.get(connections)!;
  }

  /** As many addresses of that port. */
  places(connections: number): PeerPlace[] {
    return Array.from({ length: connections }, (_, i) => ({
      host: `127.0.${Math.floor(i / 250)}.${1 + i % 250}`,
      port: this.port(connections),
    }));
  }

  /** Resolves when it unchokes those who came after a moment, in milliseconds since 1970. */
  async unchoking(sinceMs: number): Promise<void> {
    const limitMs = SEED_UNCHOKE_LIMIT_MS;
    await this.process.waitForEvent("unchoking", limitMs, ({ atMs }) => Number(atMs) >= sinceMs);
  }

  /** What it said of connections that began to ask after a moment, in milliseconds since 1970. */
  servedSince(sinceMs: number): Served[] {
    return this.process.lines.map((line) => JSON.parse(line)).filter((each) =>
      each.event === "served" && each.firstRequestMs >= sinceMs
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.process.end();
  }
}
