/**
 * What is known of trackers between runs: `trackers.json` in the state folder.
 *
 * @module
 */

import { join } from "node:path";
import { getLogger } from "@logtape/logtape";
import type { TrackerMemory } from "@enjambre/tracker";

const logger = getLogger(["enjambre", "client"]);

/** The name of the file. */
const FILE_NAME = "trackers.json";

/** How many trackers are remembered: those that were heard of last. */
const TRACKERS_MAX = 1000;

/** How many announces to come are remembered: those that are due last. */
const ANNOUNCES_MAX = 1000;

/** The longest file that is read; a thousand trackers and announces with long URLs take less. */
const FILE_BYTES_MAX: number = 4 * 1024 * 1024;

/** What is known of one tracker. */
export interface KnownTracker extends TrackerMemory {
  /** What went wrong last; null once it answered again. */
  readonly lastError: string | null;
  /** When that was, in seconds since 1970. */
  readonly atSeconds: number;
}

/** When a running client is going to announce a torrent to a tracker. */
export interface PlannedAnnounce {
  /** In lower-case hex. */
  readonly infoHash: string;
  /** The tracker's announce URL. */
  readonly url: string;
  /** In seconds since 1970. */
  readonly atSeconds: number;
}

/** The same, with the process that is going to: two clients may share a torrent and a folder. */
interface OwnedAnnounce extends PlannedAnnounce {
  readonly client: number;
}

/** All that the file holds. */
export interface TrackersState {
  /** Any number, each URL once. */
  readonly trackers: readonly KnownTracker[];
  /** Of all torrents of all clients that share the folder. */
  readonly announces: readonly OwnedAnnounce[];
}

const NOTHING: TrackersState = { trackers: [], announces: [] };

/** Reads and writes what is known of trackers. It is a memory, no record: a file that cannot be read is as none. */
export class TrackersFile {
  readonly #folder: string;
  #writing: Promise<void> = Promise.resolve();

  /** Takes the state folder, which need not exist. */
  constructor(folder: string) {
    this.#folder = folder;
  }

  /** What is known; nothing where there is no file, or none that makes sense. Waits for what is being written. */
  async read(): Promise<TrackersState> {
    await this.#writing;
    return await this.#read();
  }

  /**
   * Takes note of what is known of a torrent's trackers now. What others wrote of other trackers stays; of two
   * clients that write at the same moment one may be forgotten. Resolves when it is written, or could not be.
   */
  note(
    infoHash: string,
    trackers: readonly KnownTracker[],
    announces: readonly PlannedAnnounce[],
  ): Promise<void> {
    this.#writing = this.#writing.then(() => this.#note(infoHash, trackers, announces)).catch(
      (error: unknown) => logger.info("what is known of trackers was not kept: {error}", { error }),
    );
    return this.#writing;
  }

  async #note(
    infoHash: string,
    trackers: readonly KnownTracker[],
    announces: readonly PlannedAnnounce[],
  ): Promise<void> {
    const before = await this.#read();
    const nowSeconds = Date.now() / 1000;
    const others = before.trackers.filter(({ url }) => trackers.every((each) => each.url !== url));
    const client = Deno.pid;
    const planned = before.announces.filter((each) =>
      (each.infoHash !== infoHash || each.client !== client) && each.atSeconds > nowSeconds
    );
    const own = announces.map((each) => ({ ...each, client }));
    await this.#write({
      trackers: latest([...others, ...trackers], TRACKERS_MAX),
      announces: latest([...planned, ...own], ANNOUNCES_MAX),
    });
  }

  async #read(): Promise<TrackersState> {
    try {
      const path = join(this.#folder, FILE_NAME);
      if ((await Deno.stat(path)).size > FILE_BYTES_MAX) return NOTHING;
      return parseState(JSON.parse(await Deno.readTextFile(path)));
    } catch {
      return NOTHING;
    }
  }

  /** Writes beside it and renames, so that there is always a whole one. URLs may hold passkeys: for its owner alone. */
  async #write(state: TrackersState): Promise<void> {
    await Deno.mkdir(this.#folder, { recursive: true });
    const path = join(this.#folder, FILE_NAME);
    const draft = `${path}.${Deno.pid}`;
    try {
      await Deno.writeTextFile(draft, JSON.stringify({ version: 1, ...state }), { mode: 0o600 });
      await Deno.rename(draft, path);
    } catch (error) {
      await Deno.remove(draft).catch(() => {});
      throw error;
    }
  }
}

/** Takes what makes sense of a file that anybody may have edited. */
export function parseState(value: unknown): TrackersState {
  const { version, trackers, announces } = fieldsOf(value);
  if (version !== 1) return NOTHING;
  return {
    trackers: listOf(trackers).flatMap((entry) => {
      const { url, latencyMs, successRate, lastError, atSeconds } = fieldsOf(entry);
      const makesSense = typeof url === "string" && isCount(atSeconds) &&
        (latencyMs === null || isCount(latencyMs)) && isCount(successRate) && successRate <= 1 &&
        (lastError === null || typeof lastError === "string");
      return makesSense ? [{ url, latencyMs, successRate, lastError, atSeconds }] : [];
    }),
    announces: listOf(announces).flatMap((entry) => {
      const { infoHash, url, atSeconds, client } = fieldsOf(entry);
      const makesSense = typeof infoHash === "string" && typeof url === "string" &&
        isCount(atSeconds) && isCount(client);
      return makesSense ? [{ infoHash, url, atSeconds, client }] : [];
    }),
  };
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? value as Record<string, unknown> : {};
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && value >= 0;
}

/** The last of them by their time. */
function latest<T extends { readonly atSeconds: number }>(items: readonly T[], max: number): T[] {
  return [...items].sort((a, b) => b.atSeconds - a.atSeconds).slice(0, max);
}
