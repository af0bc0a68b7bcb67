import type { BencodeDict, BencodeValue } from "@enjambre/bencode";
import { DEPTH_MAX, FILES_MAX, NAME_BYTES_MAX, PATHS_BYTES_MAX, PIECES_MAX } from "./limits.ts";
import { isUtf8, textOfBytes } from "./path.ts";
import type { Source, ValuePath } from "./source.ts";

/** One file as a torrent states it: sizes checked, names not yet safe. */
export interface StatedFile {
  /** The names as they stand; none for a single-file torrent, whose file has the torrent's name. */
  readonly components: readonly Uint8Array[];
  /** How long it is; 0 for a symbolic link. */
  readonly bytes: number;
  /** The letters of BEP 47. */
  readonly attributes: string;
  /** The names of a symbolic link's target as they stand; null for what is none. */
  readonly symlink: readonly Uint8Array[] | null;
  /** v2: the root of its hash tree; null in v1 and for an empty file. */
  readonly root: Uint8Array | null;
  /** Where it is described. */
  readonly at: ValuePath;
}

/** Bytes in a SHA-1 hash. */
const HASH_BYTES = 20;

/** Reads `length` or `files` of a v1 info dictionary (BEP 3). */
export function readV1Files(source: Source, info: BencodeDict, at: ValuePath): StatedFile[] {
  const files = info.get("files");
  if (files === undefined) {
    if (info.has("length")) return [readEntry(source, info, at, [])];
    throw source.error(at, 'Cannot read torrent: it has neither "files" nor "length"');
  }
  const here = [...at, "files"];
  const list = source.list(files, here, "list of files");
  if (list.length === 0) throw source.error(here, "Cannot read torrent: it has no files");
  checkFileCount(source, list.length, here);
  return list.map((value, index) => {
    const entryAt = [...here, index];
    const entry = source.dict(value, entryAt, `file ${index}`);
    return readEntry(source, entry, entryAt, readPath(source, entry, entryAt, index));
  });
}

/** Reads the hashes of the pieces, 20 bytes each, as many as `totalBytes` need. */
export function readPieceHashes(
  source: Source,
  info: BencodeDict,
  at: ValuePath,
  pieceLength: number,
  totalBytes: number,
): Uint8Array {
  const here = [...at, "pieces"];
  const hashes = source.string(info.get("pieces"), here, '"pieces"');
  if (hashes.length % HASH_BYTES !== 0) {
    throw source.error(
      here,
      `Cannot read torrent: "pieces" is ${hashes.length} bytes, a multiple of ${HASH_BYTES} is due`,
    );
  }
  const due = Math.ceil(totalBytes / pieceLength);
  const present = hashes.length / HASH_BYTES;
  if (present !== due) {
    throw source.error(
      here,
      `Cannot read torrent: "pieces" has ${present} hashes, ${due} are due for ${totalBytes} bytes in pieces of ${pieceLength} bytes`,
    );
  }
  return hashes;
}

/** Refuses more files than {@link FILES_MAX}. */
export function checkFileCount(source: Source, count: number, at: ValuePath): void {
  if (count <= FILES_MAX) return;
  throw source.error(at, `Cannot read torrent: it has ${count} files, limit is ${FILES_MAX}`);
}

/**
 * Adds up files and refuses a sum that makes more than {@link PIECES_MAX} pieces; so no sum that goes
 * on comes near 2^53.
 */
export function checkTotal(
  source: Source,
  files: readonly StatedFile[],
  pieceLength: number,
  aligned: boolean,
): number {
  let total = 0;
  for (const file of files) {
    total += aligned ? Math.ceil(file.bytes / pieceLength) * pieceLength : file.bytes;
    if (total > PIECES_MAX * pieceLength) {
      throw source.error(
        file.at,
        `Cannot read torrent: it has ${
          Math.ceil(total / pieceLength)
        } pieces or more, limit is ${PIECES_MAX}`,
      );
    }
  }
  return total;
}

/**
 * Refuses names of more than {@link NAME_BYTES_MAX} bytes, and paths that take more than
 * {@link PATHS_BYTES_MAX} together. Every path begins with the torrent's name.
 */
export function checkPathBytes(
  source: Source,
  files: readonly StatedFile[],
  name: Uint8Array,
  at: ValuePath,
): void {
  checkNameBytes(source, name, at);
  let total = 0;
  for (const file of files) {
    let bytes = name.length;
    total += bytes;
    for (const component of file.components) {
      checkNameBytes(source, component, file.at);
      bytes += 1 + component.length;
      total += bytes;
    }
    for (const component of file.symlink ?? []) {
      checkNameBytes(source, component, file.at);
      total += 1 + component.length;
    }
    if (total <= PATHS_BYTES_MAX) continue;
    throw source.error(
      file.at,
      `Cannot read torrent: the paths of its files and of the folders above each are ${total} bytes or more, limit is ${PATHS_BYTES_MAX}`,
    );
  }
}

function checkNameBytes(source: Source, name: Uint8Array, at: ValuePath): void {
  if (name.length <= NAME_BYTES_MAX) return;
  throw source.error(
    at,
    `Cannot read torrent: a name is ${name.length} bytes, limit is ${NAME_BYTES_MAX}`,
  );
}

/** Reads what v1 and v2 say alike of a file: its length, attributes and symbolic link (BEP 47). */
export function readEntry(
  source: Source,
  entry: BencodeDict,
  at: ValuePath,
  components: readonly Uint8Array[],
): StatedFile {
  const attr = entry.get("attr");
  const attributes = attr instanceof Uint8Array ? textOfBytes(attr) : "";
  const isLink = attributes.includes("l") && !attributes.includes("p");
  const stated = entry.get("length");
  const bytes = isLink && stated === undefined
    ? 0
    : source.integer(stated, [...at, "length"], "length of file", 0, Number.MAX_SAFE_INTEGER);
  const symlink = isLink ? readNames(source, entry, [...at, "symlink path"], "symlink path") : null;
  return { components, bytes: isLink ? 0 : bytes, attributes, symlink, root: null, at };
}

function readPath(
  source: Source,
  entry: BencodeDict,
  at: ValuePath,
  index: number,
): readonly Uint8Array[] {
  const preferred = validUtf8Path(entry.get("path.utf-8"));
  if (preferred !== null) return preferred;
  const attr = entry.get("attr");
  if (!entry.has("path") && attr instanceof Uint8Array && textOfBytes(attr).includes("p")) {
    return []; // padding needs no name
  }
  return readNames(source, entry, [...at, "path"], `path of file ${index}`);
}

function readNames(
  source: Source,
  entry: BencodeDict,
  at: ValuePath,
  what: string,
): readonly Uint8Array[] {
  const list = source.list(entry.get(at[at.length - 1] as string), at, what);
  if (list.length === 0) throw source.error(at, `Cannot read torrent: ${what} is empty`);
  if (list.length > DEPTH_MAX) {
    throw source.error(
      at,
      `Cannot read torrent: ${what} has ${list.length} names, limit is ${DEPTH_MAX}`,
    );
  }
  return list.map((name, i) => source.string(name, [...at, i], `name ${i} in the ${what}`));
}

/** The `path.utf-8` that some programs write beside `path`: taken when it is a list of valid UTF-8. */
function validUtf8Path(value: BencodeValue | undefined): Uint8Array[] | null {
  if (!Array.isArray(value) || value.length === 0 || value.length > DEPTH_MAX) return null;
  const names: Uint8Array[] = [];
  for (const name of value) {
    if (!(name instanceof Uint8Array) || !isUtf8(name)) return null;
    names.push(name);
  }
  return names;
}
