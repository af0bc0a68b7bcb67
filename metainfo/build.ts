import { type Encodable, encode } from "@enjambre/bencode";
import { PIECE_BYTES_MAX } from "./limits.ts";
import { cleanTiers, webSeedUrl } from "./trackers.ts";

/** One file of a torrent that is to be made. */
export interface FileSpec {
  /** The names from the torrent's folder to the file; empty for the one file of a single-file torrent, which has the torrent's name. */
  readonly path: readonly string[];
  /** How long the file is. */
  readonly bytes: number;
}

/** What {@link buildTorrent} writes. */
export interface TorrentSpec {
  /** The name of the folder, or of the one file. */
  readonly name: string;
  /** The files in the order in which their content was hashed. One with an empty path makes a single-file torrent. */
  readonly files: readonly FileSpec[];
  /** Bytes in a piece; see `choosePieceLength`. */
  readonly pieceLength: number;
  /** SHA-1 of each piece, 20 bytes each, one after another. */
  readonly pieceHashes: Uint8Array;
  /** Whether peers may come from the trackers only (BEP 27). Only true is written: it changes the info-hash. */
  readonly private?: boolean | undefined;
  /** Tracker URLs by tier, as given (BEP 12). One URL alone makes no `announce-list`. */
  readonly trackers?: readonly (readonly string[])[] | undefined;
  /** URLs of web seeds (BEP 19). */
  readonly webSeeds?: readonly string[] | undefined;
  /** Words for people. */
  readonly comment?: string | undefined;
  /** The program that makes it. */
  readonly createdBy?: string | undefined;
  /** When it is made, in seconds since 1970. */
  readonly creationDateSeconds?: number | undefined;
}

/**
 * Writes a v1 `.torrent` file (BEP 3) from what is known of its content: the same input gives the
 * same bytes.
 *
 * **Errors**: `RangeError` when numbers do not fit one another (piece length, sizes, number of
 * hashes); `TypeError` when a name cannot be a file's, two files have one path, or a URL is none.
 */
export function buildTorrent(spec: TorrentSpec): Uint8Array<ArrayBuffer> {
  const { name, files, pieceLength, pieceHashes } = spec;
  checkPaths(spec);
  checkSizes(spec);
  const only = files.length === 1 && files[0]!.path.length === 0 ? files[0] : undefined;
  const trackers = checkedTrackers(spec.trackers ?? []);
  const urls = trackers.flat();
  return encode({
    announce: urls[0],
    "announce-list": urls.length > 1 ? trackers : undefined,
    comment: spec.comment,
    "created by": spec.createdBy,
    "creation date": spec.creationDateSeconds,
    "url-list": checkedWebSeeds(spec.webSeeds),
    info: {
      name,
      length: only?.bytes,
      files: only === undefined
        ? files.map((file): Encodable => ({ length: file.bytes, path: file.path }))
        : undefined,
      "piece length": pieceLength,
      pieces: pieceHashes,
      private: spec.private === true ? 1 : undefined,
    },
  });
}

function checkSizes({ files, pieceLength, pieceHashes, creationDateSeconds }: TorrentSpec): void {
  if (!Number.isInteger(pieceLength) || pieceLength < 1 || pieceLength > PIECE_BYTES_MAX) {
    throw new RangeError(
      `Cannot make torrent: piece length is ${pieceLength}, 1 to ${PIECE_BYTES_MAX} bytes are due`,
    );
  }
  if (creationDateSeconds !== undefined && !Number.isSafeInteger(creationDateSeconds)) {
    throw new RangeError(`Cannot make torrent: creation date is ${creationDateSeconds} seconds`);
  }
  let total = 0;
  for (const { bytes } of files) {
    total += bytes;
    if (!Number.isSafeInteger(bytes) || bytes < 0 || !Number.isSafeInteger(total)) {
      throw new RangeError(`Cannot make torrent: a file has ${bytes} bytes, all have ${total}`);
    }
  }
  const due = 20 * Math.ceil(total / pieceLength);
  if (pieceHashes.length !== due) {
    throw new RangeError(
      `Cannot make torrent: piece hashes are ${pieceHashes.length} bytes, ${due} are due`,
    );
  }
}

function checkPaths({ name, files }: TorrentSpec): void {
  if (files.length === 0) throw new TypeError("Cannot make torrent: it has no files");
  checkName(name);
  const paths = new Set<string>();
  for (const { path } of files) {
    if (path.length === 0 && files.length > 1) {
      throw new TypeError("Cannot make torrent: one of several files has no path");
    }
    path.forEach(checkName);
    const joined = path.join("/");
    if (paths.has(joined)) {
      throw new TypeError(`Cannot make torrent: two files have the path ${joined}`);
    }
    paths.add(joined);
  }
}

function checkName(name: string): void {
  const isName = name !== "" && name !== "." && name !== "..";
  if (isName && !name.includes("/") && !name.includes("\0")) return;
  throw new TypeError(`Cannot make torrent: ${JSON.stringify(name)} is no name of a file`);
}

function checkedTrackers(tiers: readonly (readonly string[])[]): string[][] {
  for (const url of tiers.flat()) {
    if (cleanTiers([[url]]).length > 0) continue;
    throw new TypeError(
      `Cannot make torrent: tracker ${JSON.stringify(url)} is no http, https, udp, ws or wss URL`,
    );
  }
  return cleanTiers(tiers);
}

function checkedWebSeeds(urls: readonly string[] | undefined): string[] | undefined {
  if (urls === undefined || urls.length === 0) return undefined;
  return urls.map((text) => {
    const url = webSeedUrl(text);
    if (url !== null) return url;
    throw new TypeError(
      `Cannot make torrent: web seed ${JSON.stringify(text)} is no http or https URL`,
    );
  });
}
