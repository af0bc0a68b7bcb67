import {
  type BencodeDict,
  BencodeSyntaxError,
  type BencodeValue,
  decode,
  sourceRange,
} from "@enjambre/bencode";
import { TorrentSyntaxError } from "./errors.ts";
import { Geometry } from "./geometry.ts";
import { layFiles } from "./layout.ts";
import { PIECE_BYTES_MAX } from "./limits.ts";
import { isUtf8, type NameOptions, printableText, safeName, textOfBytes } from "./path.ts";
import { LENIENT, Source, type ValuePath } from "./source.ts";
import { type DhtNode, readNodes, readTrackers, readWebSeeds } from "./trackers.ts";
import { checkPathBytes, checkTotal, readPieceHashes, readV1Files, type StatedFile } from "./v1.ts";
import { checkHybrid, checkV2PieceLength, readFileTree, readPieceLayers } from "./v2.ts";

/** What a torrent says: names safe, numbers checked, hashes over the bytes as they stand. */
export interface Torrent {
  /** The torrent's name, safe as a file name. */
  readonly name: string;
  /** v1: SHA-1 of the info dictionary, 20 bytes; null for a torrent that is only v2. */
  readonly infoHash: Uint8Array<ArrayBuffer> | null;
  /** v2: SHA-256 of the info dictionary, 32 bytes; null for a torrent that is only v1. */
  readonly infoHashV2: Uint8Array<ArrayBuffer> | null;
  /** The 20 bytes for handshakes and trackers: the v1 hash, else the v2 hash cut short. */
  readonly swarmHash: Uint8Array<ArrayBuffer>;
  /** The info dictionary as it stands. */
  readonly infoBytes: Uint8Array;
  /** Pieces, blocks and files. */
  readonly geometry: Geometry;
  /** v1: 20 bytes for each piece, one after another; null for a torrent that is only v2. */
  readonly pieceHashes: Uint8Array | null;
  /** v2: by file index, the root of the file's hash tree; null for empty files, padding and v1. */
  readonly fileRoots: readonly (Uint8Array | null)[];
  /** v2: by file index, 32 bytes for each piece of the file; null for files of one piece at most, and after `parseInfo`. */
  readonly pieceLayers: readonly (Uint8Array | null)[];
  /** Whether its peers may come from its trackers only (BEP 27). */
  readonly private: boolean;
  /** The maker's words, fit to be shown, in several lines perhaps; null where there are none. */
  readonly comment: string | null;
  /** The program that made it, fit to be shown; null where it does not say. */
  readonly createdBy: string | null;
  /** When it was made, in seconds since 1970 as stated; null where it does not say. */
  readonly creationDateSeconds: number | null;
  /** Tracker URLs by tier (BEP 12), in the order in which they stand. */
  readonly trackers: readonly (readonly string[])[];
  /** URLs of web seeds (BEP 19); with several files they end in `/`, and the torrent's name is to be appended. */
  readonly webSeeds: readonly string[];
  /** URLs of the older kind of web seed (BEP 17). */
  readonly httpSeeds: readonly string[];
  /** Nodes of the distributed hash table to begin with (BEP 5). */
  readonly nodes: readonly DhtNode[];
}

/** What the info dictionary alone says. */
interface Info {
  /** As stated: not yet safe. */
  readonly name: string;
  readonly pieceLength: number;
  readonly v1: readonly StatedFile[] | null;
  readonly v2: readonly StatedFile[] | null;
  readonly pieceHashes: Uint8Array | null;
  readonly private: boolean;
}

/**
 * Parses a `.torrent` file: v1 (BEP 3), v2 or both (BEP 52).
 *
 * Keys out of order, keys that occur twice and bytes after the end are accepted, and the info-hash is
 * taken over the bytes as they are. What is optional and malformed (a date that is text, a tracker
 * that is no URL) is left out; what is needed and malformed is refused.
 *
 * **Ownership**: copies `bytes`; the result keeps nothing of the caller's.
 * **Limits**: those of `limits.ts`, all named in the README.
 * **Errors**: `TorrentSyntaxError`, which says what is wrong and at which byte.
 *
 * @example
 * ```ts
 * import { hexOfHash, parseTorrent } from "@enjambre/metainfo";
 * import { assertEquals } from "@std/assert";
 *
 * const bytes = new TextEncoder().encode(
 *   "d8:announce16:http://tracker/a4:infod6:lengthi5e4:name1:x12:piece lengthi16384e" +
 *     "6:pieces20:aaaaaaaaaaaaaaaaaaaaee",
 * );
 * const torrent = await parseTorrent(bytes);
 *
 * assertEquals(torrent.geometry.files[0]!.path, "x");
 * assertEquals(torrent.trackers, [["http://tracker/a"]]);
 * assertEquals(hexOfHash(torrent.swarmHash), "67e956e7f453e8f1ec1989b7f2fb135490164bd5");
 * ```
 */
export async function parseTorrent(
  bytes: Uint8Array,
  options: NameOptions = {},
): Promise<Torrent> {
  const source = new Source(bytes.slice());
  const torrent = source.dict(decodeAll(source.bytes), [], "the file");
  const dict = source.dict(torrent.get("info"), ["info"], '"info"');
  const range = sourceRange(source.bytes, ["info"], LENIENT)!;
  const info = readInfo(source, dict, ["info"]);
  const layers = info.v2 === null
    ? null
    : await readPieceLayers(source, torrent, info.v2, info.pieceLength);
  return await compose(source.bytes.slice(range.start, range.end), info, layers, torrent, options);
}

/**
 * Parses an info dictionary alone, as peers hand it to somebody who has only a magnet link (BEP 9).
 *
 * Trackers, dates and piece layers stand beside the info dictionary in a `.torrent` file: they are
 * empty here. Whether the bytes are the ones that the link means is for the caller to check: compare
 * `infoHash` or `infoHashV2`.
 *
 * **Ownership**, **Limits**, **Errors**: as for `parseTorrent`.
 */
export async function parseInfo(
  infoBytes: Uint8Array,
  options: NameOptions = {},
): Promise<Torrent> {
  const source = new Source(infoBytes.slice());
  const dict = source.dict(decodeAll(source.bytes), [], "the info dictionary");
  const range = sourceRange(source.bytes, [], LENIENT)!;
  const info = readInfo(source, dict, []);
  return await compose(source.bytes.slice(range.start, range.end), info, null, new Map(), options);
}

function decodeAll(bytes: Uint8Array): BencodeValue {
  try {
    return decode(bytes, LENIENT);
  } catch (error) {
    if (!(error instanceof BencodeSyntaxError)) throw error;
    const reason = error.message.replace(/^Cannot decode bencode at offset \d+: /, "");
    throw new TorrentSyntaxError(`Cannot read torrent: ${reason}`, error.offset, { cause: error });
  }
}

function readInfo(source: Source, info: BencodeDict, at: ValuePath): Info {
  const nameBytes = readNameBytes(source, info, at);
  const pieceLength = source.integer(
    info.get("piece length"),
    [...at, "piece length"],
    "piece length",
    1,
    PIECE_BYTES_MAX,
  );
  const hasV2 = readMetaVersion(source, info, at) === 2;
  const hasV1 = info.has("pieces") || !hasV2;
  let v2: StatedFile[] | null = null;
  if (hasV2) {
    checkV2PieceLength(source, pieceLength, at);
    v2 = readFileTree(source, info, at, nameBytes);
    checkTotal(source, v2, pieceLength, true);
    checkPathBytes(source, v2, nameBytes, at);
  }
  let v1: StatedFile[] | null = null;
  let pieceHashes: Uint8Array | null = null;
  if (hasV1) {
    v1 = readV1Files(source, info, at);
    const totalBytes = checkTotal(source, v1, pieceLength, false);
    checkPathBytes(source, v1, nameBytes, at);
    pieceHashes = readPieceHashes(source, info, at, pieceLength, totalBytes);
    if (v2 !== null) checkHybrid(source, v1, v2, pieceLength);
  }
  const secret = info.get("private");
  return {
    name: textOfBytes(nameBytes),
    pieceLength,
    v1,
    v2,
    pieceHashes,
    private: secret instanceof Uint8Array ? textOfBytes(secret) === "1" : secret === 1,
  };
}

/** The version of the format: 1 where it is not stated. */
function readMetaVersion(source: Source, info: BencodeDict, at: ValuePath): number {
  const version = info.get("meta version");
  if (version === undefined) {
    if (!info.has("file tree") || info.has("pieces")) return 1;
    throw source.error(at, 'Cannot read torrent: "meta version" is missing, 2 is due');
  }
  return source.integer(version, [...at, "meta version"], '"meta version"', 1, 2);
}

/** The bytes of the name: `name.utf-8` where that is valid. A name of which nothing can be seen is refused. */
function readNameBytes(source: Source, info: BencodeDict, at: ValuePath): Uint8Array {
  const preferred = info.get("name.utf-8");
  if (preferred instanceof Uint8Array && isUtf8(preferred) && isVisible(preferred)) {
    return preferred;
  }
  const here = [...at, "name"];
  const name = source.string(info.get("name"), here, '"name"');
  if (isVisible(name)) return name;
  throw source.error(
    here,
    'Cannot read torrent: "name" is empty or nothing but dots, separators and unprintable characters',
  );
}

function isVisible(name: Uint8Array): boolean {
  return /[^\p{C}\s./\\]/u.test(textOfBytes(name));
}

async function compose(
  infoBytes: Uint8Array<ArrayBuffer>,
  info: Info,
  layers: readonly (Uint8Array | null)[] | null,
  torrent: BencodeDict,
  options: NameOptions,
): Promise<Torrent> {
  const { v1, v2, pieceLength } = info;
  const name = safeName(info.name, options)!;
  const layout = layFiles(name, v1 ?? v2!, v1 === null ? pieceLength : 0, options);
  // In a hybrid torrent the v2 files are the v1 files without padding, in the same order.
  let next = 0;
  const v2Indices = layout.files.map((file) => v2 === null || file.padding ? -1 : next++);
  const infoHash = v1 === null
    ? null
    : new Uint8Array(await crypto.subtle.digest("SHA-1", infoBytes));
  const infoHashV2 = v2 === null
    ? null
    : new Uint8Array(await crypto.subtle.digest("SHA-256", infoBytes));
  const date = torrent.get("creation date");
  return {
    name,
    infoHash,
    infoHashV2,
    swarmHash: infoHash ?? infoHashV2!.slice(0, 20),
    infoBytes,
    geometry: new Geometry(pieceLength, layout.files),
    pieceHashes: info.pieceHashes,
    fileRoots: v2Indices.map((i) => v2?.[i]?.root ?? null),
    pieceLayers: v2Indices.map((i) => layers?.[i] ?? null),
    private: info.private,
    comment: shownText(torrent, "comment"),
    createdBy: shownText(torrent, "created by"),
    creationDateSeconds: typeof date === "number" && date >= 0 ? date : null,
    trackers: readTrackers(torrent),
    webSeeds: readWebSeeds(torrent.get("url-list"), (v2 ?? v1!).length > 1),
    httpSeeds: readWebSeeds(torrent.get("httpseeds"), false),
    nodes: readNodes(torrent.get("nodes")),
  };
}

function shownText(torrent: BencodeDict, key: string): string | null {
  const preferred = torrent.get(`${key}.utf-8`);
  const value = preferred instanceof Uint8Array && isUtf8(preferred) ? preferred : torrent.get(key);
  return value instanceof Uint8Array
    ? textOfBytes(value).split(/\r?\n/).map(printableText).join("\n")
    : null;
}
