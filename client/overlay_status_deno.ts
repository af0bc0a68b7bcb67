/**
 * How a person asks a node of this machine how it is.
 *
 * A running node listens on a port of the loopback address besides, and writes that port and a random word into its
 * state folder, for its user alone; whoever says the word is told. So only who may read the node's key can ask, the
 * messages of the overlay have none that answers strangers, and it works on every system and inside containers.
 *
 * @module
 */
import { join } from "node:path";
import { getLogger } from "@logtape/logtape";
import type { OverlayNode, OverlayStatus } from "@enjambre/overlay";

const logger = getLogger(["enjambre", "client"]);

/** The file that says where to ask. */
const FILE_NAME = "status.json";

/** Characters of the word. */
const WORD_CHARACTERS = 32;

/** How long either side waits for the other; both are on one machine. */
const PATIENCE_MS = 2000;

/** The longest answer that is read: a node knows some hundred members. */
const ANSWER_BYTES_MAX = 1024 * 1024;

/** What a node tells of itself. */
export interface NodeReport extends OverlayStatus {
  /** The members it knows: their addresses and how they are. */
  readonly memberList: readonly { readonly address: string; readonly state: string }[];
}

/** Where a node is asked, as its file says. */
interface Place {
  readonly port: number;
  readonly word: string;
}

/** Answers those who know the word. */
export class StatusDoor {
  readonly #node: OverlayNode;
  readonly #folder: string;
  readonly #listener: Deno.TcpListener;
  readonly #word: string = crypto.getRandomValues(new Uint8Array(WORD_CHARACTERS / 2)).toHex();
  #isClosed = false;

  private constructor(node: OverlayNode, folder: string) {
    this.#node = node;
    this.#folder = folder;
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.#accept().catch((error) =>
      logger.info("the overlay node answers no more: {error}", { error })
    );
  }

  /** Opens it; null where the folder cannot be written to: then nobody can ask. */
  static async open(node: OverlayNode, folder: string): Promise<StatusDoor | null> {
    const door = new StatusDoor(node, folder);
    try {
      await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
      const place: Place = { port: door.#listener.addr.port, word: door.#word };
      const path = join(folder, FILE_NAME);
      // A file that is there keeps its mode: it is made anew.
      await Deno.remove(path).catch(() => {});
      await Deno.writeTextFile(path, JSON.stringify(place), { createNew: true, mode: 0o600 });
      return door;
    } catch (error) {
      logger.info("nobody can ask how the overlay node is: {error}", { error });
      door.#listener.close();
      return null;
    }
  }

  /** Ends, and leaves nothing behind. A second call does nothing. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#listener.close();
    await forget(this.#folder);
  }

  async #accept(): Promise<void> {
    for await (const tcp of this.#listener) this.#answer(tcp).catch(() => {});
  }

  async #answer(tcp: Deno.TcpConn): Promise<void> {
    await inTime(tcp, async () => {
      const word = new TextDecoder().decode(await readUpTo(tcp, WORD_CHARACTERS));
      if (word !== this.#word) return;
      const report: NodeReport = { ...this.#node.status(), memberList: this.#node.members() };
      await writeAll(tcp, JSON.stringify(report));
    });
  }
}

/** Asks all nodes that run with these folders, in the order of their names. */
export async function askNodes(foldersIn: string): Promise<NodeReport[]> {
  const names: string[] = [];
  try {
    for await (const entry of Deno.readDir(foldersIn)) names.push(entry.name);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  const reports = await Promise.all(names.sort().map((name) => askNode(join(foldersIn, name))));
  return reports.filter((report) => report !== null);
}

/** Asks one node; null where none is there. */
async function askNode(folder: string): Promise<NodeReport | null> {
  let place: Place;
  try {
    place = JSON.parse(await Deno.readTextFile(join(folder, FILE_NAME)));
  } catch {
    return null;
  }
  let tcp: Deno.TcpConn;
  try {
    tcp = await Deno.connect({ hostname: "127.0.0.1", port: place.port });
  } catch {
    // It was killed.
    await forget(folder);
    return null;
  }
  try {
    return await inTime(tcp, async () => {
      await writeAll(tcp, place.word);
      return JSON.parse(new TextDecoder().decode(await readUpTo(tcp, ANSWER_BYTES_MAX)));
    });
  } catch {
    // Something else listens there by now, or it is about to end.
    return null;
  }
}

/** Takes the file away, and the folder where it holds no key. */
async function forget(folder: string): Promise<void> {
  await Deno.remove(join(folder, FILE_NAME)).catch(() => {});
  await Deno.remove(folder).catch(() => {});
}

/** Does something with a connection and closes it, also where that takes too long. */
async function inTime<T>(tcp: Deno.TcpConn, work: () => Promise<T>): Promise<T> {
  const close = (): void => {
    try {
      tcp.close();
    } catch {
      // It is closed.
    }
  };
  const timer = setTimeout(close, PATIENCE_MS);
  try {
    return await work();
  } finally {
    clearTimeout(timer);
    close();
  }
}

/** Reads to the end, or so much. */
async function readUpTo(tcp: Deno.TcpConn, bytesMax: number): Promise<Uint8Array> {
  const buffer = new Uint8Array(bytesMax);
  let length = 0;
  while (length < bytesMax) {
    const count = await tcp.read(buffer.subarray(length));
    if (count === null) break;
    length += count;
  }
  return buffer.subarray(0, length);
}

async function writeAll(tcp: Deno.TcpConn, text: string): Promise<void> {
  const bytes = new TextEncoder().encode(text);
  for (let at = 0; at < bytes.length;) at += await tcp.write(bytes.subarray(at));
}
