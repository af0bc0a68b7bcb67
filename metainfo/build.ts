import { type Encodable, encode, keyOfBytes } from "@enjambre/bencode";
import { DEPTH_MAX, PIECE_BYTES_MAX } from "./limits.ts";
import { cleanTiers, webSeedUrl } from "./trackers.ts";
import { PIECE_BYTES_MIN } from "./v2.ts";

/** Bytes in a SHA-256 hash. */
const ROOT_BYTES = 32;

/** One file of a torrent that is to be made. */
export interface FileSpec {
  /** The names from the torrent's folder to the file; empty for the one file of a single-file torrent, which has the torrent's name. */
  readonly path: readonly string[];
  /** How long the file is. */
  readonly bytes: number;
  /** Whether it is a program (BEP 47). Told in v2 and hybrid torrents alone, as other programs do: it changes the info-hash. */
  readonly executable?: boolean;
  /** Whether it is padding (BEP 47), as `padFiles` puts it; false by default. */
  readonly padding?: boolean;
}

/** What {@link buildTorrent} writes: v1 where there are `pieceHashes`, v2 where there are `fileRoots`, hybrid with both. */
export interface TorrentSpec {
  /** The name of the folder, or of the one file. */
  readonly name: string;
  /**
   * The files in the order in which their content was hashed. One with an empty path makes a single-file
   * torrent. Padding belongs to v1 alone; a hybrid torrent has it behind each file that needs it to let
   * the next one begin at a piece.
   */
  readonly files: readonly FileSpec[];
  /** Bytes in a piece; see `choosePieceLength`. A power of two from 16 KiB in v2. */
  readonly pieceLength: number;
  /** v1: SHA-1 of each piece, 20 bytes each, one after another. */
  readonly pieceHashes?: Uint8Array | null;
  /** v2: the root of each file's hash tree, by file index; null for empty files and padding. */
  readonly fileRoots?: readonly (Uint8Array | null)[] | null;
  /** v2: 32 bytes for each piece of a file, by file index; null for files of one piece at most. */
  readonly pieceLayers?: readonly (Uint8Array | null)[] | null;
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
 * Writes a `.torrent` file, v1 (BEP 3), v2 or both (BEP 52), from what is known of its content: the same
 * input gives the same bytes.
 *
 * **Errors**: `RangeError` when numbers do not fit one another (piece length, sizes, number and length of
 * hashes); `TypeError` when a name cannot be a file's, two files have one path, a URL is none, or the
 * files of a hybrid torrent are not laid out as BEP 52 has them.
 */
export function buildTorrent(spec: TorrentSpec): Uint8Array<ArrayBuffer> {
  checkPaths(spec);
  checkSizes(spec);
  const isV1 = (spec.pieceHashes ?? null) !== null;
  const isV2 = (spec.fileRoots ?? null) !== null;
  if (!isV1 && !isV2) throw new TypeError("Cannot make torrent: it has neither hashes nor roots");
  if (isV2) checkV2(spec);
  if (isV1 && isV2) checkHybridLayout(spec);
  const trackers = checkedTrackers(spec.trackers ?? []);
  const urls = trackers.flat();
  return encode({
    announce: urls[0],
    "announce-list": urls.length > 1 ? trackers : undefined,
    comment: spec.comment,
    "created by": spec.createdBy,
    "creation date": spec.creationDateSeconds,
    "url-list": checkedWebSeeds(spec.webSeeds),
    "piece layers": isV2 ? pieceLayersOf(spec) : undefined,
    info: {
      name: spec.name,
      "piece length": spec.pieceLength,
      private: spec.private === true ? 1 : undefined,
      ...(isV1 ? v1Fields(spec, isV2) : {}),
      ...(isV2 ? { "meta version": 2, "file tree": fileTreeOf(spec) } : {}),
    },
  });
}

/** What v1 says of the files. */
function v1Fields(
  { files, pieceHashes }: TorrentSpec,
  isHybrid: boolean,
): { [key: string]: Encodable | undefined } {
  const attr = ({ padding, executable }: FileSpec): string | undefined =>
    padding ? "p" : executable && isHybrid ? "x" : undefined;
  const only = files.length === 1 && files[0]!.path.length === 0 ? files[0] : undefined;
  if (only !== undefined) return { attr: attr(only), length: only.bytes, pieces: pieceHashes! };
  return {
    files: files.map((file): Encodable => ({
      attr: attr(file),
      length: file.bytes,
      path: file.path,
    })),
    pieces: pieceHashes!,
  };
}

/** A directory of the file tree; keys are byte strings. */
type Tree = Map<string, Encodable>;

function fileTreeOf({ name, files, fileRoots }: TorrentSpec): Tree {
  const root: Tree = new Map();
  files.forEach(({ path, bytes, executable, padding }, i) => {
    if (padding) return;
    let tree = root;
    for (const part of path.length === 0 ? [name] : path) {
      const key = keyOfText(part);
      let below = tree.get(key) as Tree | undefined;
      if (below === undefined) tree.set(key, below = new Map());
      tree = below;
    }
    const entry = {
      attr: executable ? "x" : undefined,
      length: bytes,
      "pieces root": fileRoots![i] ?? undefined,
    };
    tree.set("", entry);
  });
  return root;
}

function pieceLayersOf({ fileRoots, pieceLayers }: TorrentSpec): Map<string, Encodable> {
  const layers = new Map<string, Encodable>();
  fileRoots!.forEach((root, i) => {
    const layer = pieceLayers?.[i] ?? null;
    if (root !== null && layer !== null) layers.set(keyOfBytes(root), layer);
  });
  return layers;
}

function checkSizes(spec: TorrentSpec): void {
  const { files, pieceLength, pieceHashes, creationDateSeconds } = spec;
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
  if (pieceHashes && pieceHashes.length !== due) {
    throw new RangeError(
      `Cannot make torrent: piece hashes are ${pieceHashes.length} bytes, ${due} are due`,
    );
  }
}

function checkV2({ files, pieceLength, fileRoots, pieceLayers }: TorrentSpec): void {
  if (pieceLength < PIECE_BYTES_MIN || !Number.isInteger(Math.log2(pieceLength))) {
    throw new RangeError(
      `Cannot make torrent: piece length is ${pieceLength}, a power of two from ${PIECE_BYTES_MIN} is due in v2`,
    );
  }
  const directories = new Set<string>();
  files.forEach(({ path, bytes, padding }, i) => {
    const hasTree = bytes > 0 && !padding;
    checkLength(`root of file ${i}`, fileRoots![i], hasTree ? ROOT_BYTES : 0);
    const pieces = hasTree && bytes > pieceLength ? Math.ceil(bytes / pieceLength) : 0;
    checkLength(`piece layer of file ${i}`, pieceLayers?.[i], pieces * ROOT_BYTES);
    if (path.length > DEPTH_MAX) {
      throw new RangeError(
        `Cannot make torrent: a path has ${path.length} names, limit is ${DEPTH_MAX}`,
      );
    }
    for (let end = 1; end < path.length; end++) directories.add(path.slice(0, end).join("/"));
  });
  const both = files.find(({ path, padding }) => !padding && directories.has(path.join("/")));
  if (both === undefined) return;
  throw new TypeError(
    `Cannot make torrent: ${both.path.join("/")} is the path of a file and of a folder`,
  );
}

function checkLength(what: string, hash: Uint8Array | null | undefined, due: number): void {
  const length = hash?.length ?? 0;
  if (length === due) return;
  throw new RangeError(`Cannot make torrent: ${what} is ${length} bytes, ${due} are due`);
}

/** A hybrid torrent names its files in one order in both halves, each at the beginning of a piece. */
function checkHybridLayout({ files, pieceLength }: TorrentSpec): void {
  let offset = 0;
  let last: readonly string[] | null = null;
  for (const { path, bytes, padding } of files) {
    if (!padding) {
      if (bytes > 0 && offset % pieceLength !== 0) {
        throw new TypeError(
          `Cannot make torrent: ${path.join("/")} begins inside a piece; padding is due before it`,
        );
      }
      if (last !== null && comparePaths(last, path) > 0) {
        throw new TypeError(
          `Cannot make torrent: ${path.join("/")} is out of order, that of the file tree is due`,
        );
      }
      last = path;
    }
    offset += bytes;
  }
}

/**
 * Compares two paths as a v2 file tree orders them: name by name, each by its bytes.
 *
 * **Shape** of the result: as `Array.sort` takes it.
 */
export function comparePaths(a: readonly string[], b: readonly string[]): number {
  for (let i = 0; i < a.length && i < b.length; i++) {
    if (a[i] === b[i]) continue;
    const [keyA, keyB] = [keyOfText(a[i]!), keyOfText(b[i]!)];
    return keyA < keyB ? -1 : 1;
  }
  return a.length - b.length;
}

/** What a text is as the key of a dictionary. */
function keyOfText(text: string): string {
  return keyOfBytes(new TextEncoder().encode(text));
}

function checkPaths({ name, files }: TorrentSpec): void {
  if (files.length === 0) throw new TypeError("Cannot make torrent: it has no files");
  checkName(name);
  const paths = new Set<string>();
  for (const { path, padding } of files) {
    if (path.length === 0 && files.length > 1) {
      throw new TypeError("Cannot make torrent: one of several files has no path");
    }
    path.forEach(checkName);
    const joined = path.join("/");
    if (paths.has(joined) && !padding) {
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
