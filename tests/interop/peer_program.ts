import type { Place } from "../kit/network.ts";
import type { Requirement } from "../kit/program.ts";
import type { Scope } from "../kit/scoped.ts";

/** How long a program may take to be ready for peers. */
export const READY_LIMIT_MS = 15_000;

/** What a peer works on. */
export interface PeerTask {
  /** Takes charge of the process, and of the folders that it needs. */
  scope: Scope;
  /** The `.torrent` file; peers come from its trackers alone. */
  torrent: string;
  /** The folder in which the torrent's file or folder lies, or shall lie. */
  folder: string;
  /** Where it runs. */
  place: Place;
}

/**
 * A program that people already use, driven as a peer.
 *
 * Discovery beside the trackers (DHT, local discovery, peer exchange, port mapping) is off in all of them.
 */
export interface PeerProgram {
  readonly name: string;
  /** What the machine has to have. */
  readonly requires: readonly Requirement[];
  /** Whether it refuses peers on loopback, so that the two sides need namespaces. */
  readonly needsNamespaces: boolean;
  /** Whether it makes the files of zero bytes that a torrent names. */
  readonly makesEmptyFiles: boolean;
  /** Starts it as a seed; resolves when it takes connections. It announces itself when it likes. */
  seed(task: PeerTask): Promise<void>;
  /** Downloads, and resolves when all is there and verified. It may go on as a seed. */
  download(task: PeerTask, limitMs: number): Promise<void>;
}
