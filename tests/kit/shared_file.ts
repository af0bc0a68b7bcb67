import { buildTorrent, parseTorrent, type Torrent } from "@enjambre/metainfo";
import { pseudoRandomBytes } from "./content.ts";

/** Length of a piece unless told otherwise: four blocks, so that few bytes are many pieces, each of which can have several senders. */
const PIECE_LENGTH_DEFAULT = 65_536;

/** One file and the torrent of it, made in memory: for tests whose peers are scripted. */
export interface SharedFile {
  /** The name of the file. */
  readonly name: string;
  /** What the file holds. */
  readonly data: Uint8Array<ArrayBuffer>;
  /** The `.torrent`. */
  readonly torrentBytes: Uint8Array<ArrayBuffer>;
  /** What it says. */
  readonly torrent: Torrent;
}

/** Makes one; the same size gives the same file. It names no tracker. */
export async function makeSharedFile(
  bytes: number,
  pieceLength: number = PIECE_LENGTH_DEFAULT,
): Promise<SharedFile> {
  const name = "shared.bin";
  const data = pseudoRandomBytes(bytes, 1);
  const pieceCount = Math.ceil(bytes / pieceLength);
  const pieceHashes = new Uint8Array(20 * pieceCount);
  for (let piece = 0; piece < pieceCount; piece++) {
    const content = data.subarray(piece * pieceLength, (piece + 1) * pieceLength);
    pieceHashes.set(new Uint8Array(await crypto.subtle.digest("SHA-1", content)), 20 * piece);
  }
  const files = [{ path: [], bytes }];
  const torrentBytes = buildTorrent({ name, files, pieceLength, pieceHashes });
  return { name, data, torrentBytes, torrent: await parseTorrent(torrentBytes) };
}
