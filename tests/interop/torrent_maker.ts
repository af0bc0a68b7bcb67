import { runEnjambre } from "../kit/enjambre.ts";
import type { Requirement } from "../kit/program.ts";
import { run } from "../kit/running_process.ts";

const MAKE_LIMIT_MS = 20_000;
/** Small, so that some MiB are many pieces and several files share one. */
const PIECE_BYTES = 65_536;

/** What kind of torrent is made. */
export type Format = "v1" | "v2" | "hybrid";

/** A program that makes `.torrent` files. */
export interface TorrentMaker {
  readonly name: string;
  readonly requires: readonly Requirement[];
  /** Whether its torrents name the files of zero bytes. */
  readonly namesEmptyFiles: boolean;
  /** Makes `torrent` of the file or folder at `content`, with one tracker. */
  make(content: string, torrent: string, announceUrl: string): Promise<void>;
}

/** `create` of this project. */
export const ourCreate: TorrentMaker = {
  name: "our create",
  requires: [],
  namesEmptyFiles: true,
  async make(content: string, torrent: string, announceUrl: string): Promise<void> {
    await runEnjambre([
      ...["create", content, "--tracker", announceUrl],
      ...["--output", torrent, "--piece-length", String(PIECE_BYTES), "--comment", "made by us"],
    ]);
  },
};

/** mktorrent. */
export const mktorrent: TorrentMaker = {
  name: "mktorrent",
  requires: ["mktorrent"],
  namesEmptyFiles: true,
  async make(content: string, torrent: string, announceUrl: string): Promise<void> {
    const power = String(Math.log2(PIECE_BYTES));
    const args = ["-t", "2", "-l", power, "-a", announceUrl, "-o", torrent, content];
    await run("mktorrent", args, MAKE_LIMIT_MS);
  },
};

/** transmission-create. */
export const transmissionCreate: TorrentMaker = {
  name: "transmission-create",
  requires: ["transmission-create"],
  namesEmptyFiles: false,
  async make(content: string, torrent: string, announceUrl: string): Promise<void> {
    const kibibytes = String(PIECE_BYTES / 1024);
    const args = ["-s", kibibytes, "-t", announceUrl, "-o", torrent, content];
    await run("transmission-create", args, MAKE_LIMIT_MS);
  },
};
