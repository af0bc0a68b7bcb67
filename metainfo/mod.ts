/**
 * Torrent files and magnet links: parsing and making v1, v2 and hybrid torrents, info-hashes, safe file
 * paths, and the arithmetic of pieces, blocks and files.
 *
 * @example Make a torrent, read it, and name it by a magnet link
 * ```ts
 * import {
 *   buildTorrent,
 *   choosePieceLength,
 *   formatMagnet,
 *   hexOfHash,
 *   parseMagnet,
 *   parseTorrent,
 * } from "@enjambre/metainfo";
 * import { assertEquals } from "@std/assert";
 *
 * const content = new TextEncoder().encode("hello");
 * const bytes = buildTorrent({
 *   name: "hello.txt",
 *   files: [{ path: [], bytes: content.length }],
 *   pieceLength: choosePieceLength(content.length),
 *   pieceHashes: new Uint8Array(await crypto.subtle.digest("SHA-1", content)),
 *   trackers: [["http://tracker.example/announce"]],
 * });
 *
 * const torrent = await parseTorrent(bytes);
 * assertEquals(torrent.geometry.files[0]!.path, "hello.txt");
 * assertEquals(torrent.geometry.pieceCount, 1);
 *
 * const link = formatMagnet({ infoHash: torrent.infoHash, name: torrent.name });
 * assertEquals(hexOfHash(parseMagnet(link).swarmHash), hexOfHash(torrent.swarmHash));
 * ```
 *
 * @module
 */
export { buildTorrent, comparePaths, type FileSpec, type TorrentSpec } from "./build.ts";
export { MagnetSyntaxError, TorrentSyntaxError } from "./errors.ts";
export { BLOCK_BYTES, Geometry, type SpanVisitor, type TorrentFile } from "./geometry.ts";
export { hashesAreEqual, hashOfHex, hexOfHash } from "./hash.ts";
export {
  DEPTH_MAX,
  FILES_MAX,
  NAME_BYTES_MAX,
  PATHS_BYTES_MAX,
  PIECE_BYTES_MAX,
  PIECES_MAX,
  TORRENT_BYTES_MAX,
  URL_CHARACTERS_MAX,
  URLS_MAX,
} from "./limits.ts";
export {
  formatMagnet,
  type Magnet,
  type MagnetPeer,
  type MagnetSpec,
  parseMagnet,
} from "./magnet.ts";
export { pieceLayerOfContent, rootOfContent, rootOfPiece, rootOfPieceLayer } from "./merkle.ts";
export { padFiles, type PadOptions } from "./pad.ts";
export { type NameOptions, printableText } from "./path.ts";
export { choosePieceLength } from "./piece_length.ts";
export { parseInfo, parseTorrent, type Torrent } from "./torrent.ts";
export { type DhtNode, trackerUrl } from "./trackers.ts";
