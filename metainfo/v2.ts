import { type BencodeDict, bytesOfKey, keyOfBytes } from "@enjambre/bencode";
import { hashesAreEqual } from "./hash.ts";
import { DEPTH_MAX } from "./limits.ts";
import { rootOfPieceLayer } from "./merkle.ts";
import type { Source, ValuePath } from "./source.ts";
import { checkFileCount, readEntry, type StatedFile } from "./v1.ts";

/** Bytes in a SHA-256 hash. */
const HASH_BYTES = 32;
/** The shortest piece of a v2 torrent: one block, the leaf of its hash trees. */
export const PIECE_BYTES_MIN = 16384;

/** Refuses a piece length that v2 does not allow: it is a power of two, one block at least (BEP 52). */
export function checkV2PieceLength(source: Source, pieceLength: number, at: ValuePath): void {
  if (pieceLength >= PIECE_BYTES_MIN && Number.isInteger(Math.log2(pieceLength))) return;
  throw source.error(
    [...at, "piece length"],
    `Cannot read torrent: piece length is ${pieceLength}, a power of two from ${PIECE_BYTES_MIN} is due in v2`,
  );
}

/** Reads the `file tree` of a v2 info dictionary (BEP 52), files in the tree's order. */
export function readFileTree(
  source: Source,
  info: BencodeDict,
  at: ValuePath,
  name: Uint8Array,
): StatedFile[] {
  const here = [...at, "file tree"];
  const tree = source.dict(info.get("file tree"), here, '"file tree"');
  const files: StatedFile[] = [];
  readDirectory(source, tree, here, [], files);
  if (files.length === 0) throw source.error(here, "Cannot read torrent: it has no files");
  checkFileCount(source, files.length, here);
  const only = files[0]!;
  // A v1 half that lists files says that it is a folder with one file of its own name.
  const isSingle = files.length === 1 && tree.size === 1 && only.components.length === 1 &&
    hashesAreEqual(only.components[0]!, name) && !info.has("files");
  return isSingle ? [{ ...only, components: [] }] : files;
}

function readDirectory(
  source: Source,
  tree: BencodeDict,
  at: ValuePath,
  parents: readonly Uint8Array[],
  files: StatedFile[],
): void {
  if (parents.length >= DEPTH_MAX) {
    throw source.error(at, `Cannot read torrent: file tree is deeper than ${DEPTH_MAX} names`);
  }
  for (const [key, value] of tree) {
    const here = [...at, key];
    if (key === "") {
      throw source.error(here, "Cannot read torrent: file tree has an empty name");
    }
    const node = source.dict(value, here, "entry of the file tree");
    const components = [...parents, bytesOfKey(key)];
    if (!node.has("")) {
      readDirectory(source, node, here, components, files);
      continue;
    }
    if (node.size !== 1) {
      throw source.error(here, "Cannot read torrent: entry of the file tree is file and directory");
    }
    const entryAt = [...here, ""];
    const entry = source.dict(node.get(""), entryAt, "file in the file tree");
    const file = readEntry(source, entry, entryAt, components);
    files.push({ ...file, root: file.bytes === 0 ? null : readRoot(source, entry, entryAt) });
  }
}

function readRoot(source: Source, entry: BencodeDict, at: ValuePath): Uint8Array {
  const here = [...at, "pieces root"];
  const root = source.string(entry.get("pieces root"), here, '"pieces root"');
  if (root.length !== HASH_BYTES) {
    throw source.error(
      here,
      `Cannot read torrent: "pieces root" is ${root.length} bytes, ${HASH_BYTES} are due`,
    );
  }
  if (root.every((byte) => byte === 0)) {
    throw source.error(here, 'Cannot read torrent: "pieces root" is all zero, a hash is due');
  }
  return root;
}

/**
 * Reads the `piece layers` beside the info dictionary and checks each against its file's root.
 *
 * **Shape**: one element for each of `files`; null for a file of one piece at most.
 */
export async function readPieceLayers(
  source: Source,
  torrent: BencodeDict,
  files: readonly StatedFile[],
  pieceLength: number,
): Promise<(Uint8Array | null)[]> {
  const at = ["piece layers"];
  const needed = files.some((file) => file.root !== null && file.bytes > pieceLength);
  if (!torrent.has("piece layers") && !needed) return files.map(() => null);
  const layers = source.dict(torrent.get("piece layers"), at, '"piece layers"');
  const roots = new Set(files.map((file) => file.root === null ? "" : keyOfBytes(file.root)));
  for (const key of layers.keys()) {
    if (roots.has(key)) continue;
    throw source.error([...at, key], "Cannot read torrent: piece layer belongs to no file");
  }
  const checked = new Map<string, number>();
  const result: (Uint8Array | null)[] = [];
  for (const { root, bytes } of files) {
    if (root === null || bytes <= pieceLength) {
      result.push(null);
      continue;
    }
    const key = keyOfBytes(root);
    const here = [...at, key];
    const layer = source.string(layers.get(key), here, "piece layer of a file");
    const due = Math.ceil(bytes / pieceLength) * HASH_BYTES;
    if (layer.length !== due) {
      throw source.error(
        here,
        `Cannot read torrent: piece layer is ${layer.length} bytes, ${due} are due`,
      );
    }
    if (checked.get(key) !== due) {
      if (!hashesAreEqual(await rootOfPieceLayer(layer, pieceLength), root)) {
        throw source.error(here, "Cannot read torrent: piece layer does not hash to its root");
      }
      checked.set(key, due);
    }
    result.push(layer);
  }
  return result;
}

/**
 * Refuses a hybrid torrent whose v1 and v2 halves do not describe the same files in the same places
 * (BEP 52, "Upgrade path").
 */
export function checkHybrid(
  source: Source,
  v1: readonly StatedFile[],
  v2: readonly StatedFile[],
  pieceLength: number,
): void {
  let offset = 0;
  let next = 0;
  for (const file of v1) {
    const begin = offset;
    offset += file.bytes;
    if (file.attributes.includes("p")) continue;
    const other = v2[next++];
    if (other === undefined || !filesAreEqual(file, other)) {
      throw source.error(
        file.at,
        `Cannot read torrent: file ${next - 1} of its v1 half is another than in its v2 half`,
      );
    }
    if (file.bytes > 0 && begin % pieceLength !== 0) {
      throw source.error(
        file.at,
        `Cannot read torrent: file ${
          next - 1
        } of its v1 half begins inside a piece, at a piece's beginning is due`,
      );
    }
  }
  if (next < v2.length) {
    throw source.error(
      v2[next]!.at,
      `Cannot read torrent: its v1 half has ${next} files, its v2 half ${v2.length}`,
    );
  }
}

function filesAreEqual(a: StatedFile, b: StatedFile): boolean {
  return a.bytes === b.bytes && a.components.length === b.components.length &&
    a.components.every((name, i) => hashesAreEqual(name, b.components[i]!));
}
