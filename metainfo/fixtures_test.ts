/** Torrents that the tests of this folder share, made by hand so that they may be wrong. */
import { type Encodable, encode } from "@enjambre/bencode";
import type { TorrentFile } from "./geometry.ts";
import { pieceLayerOfContent, rootOfContent } from "./merkle.ts";

/** A dictionary as plain values. */
export type Fields = { [key: string]: Encodable | undefined };

/** A right v1 info dictionary of one file of 40,000 bytes, changed as told. */
export function infoV1(changes: Fields = {}): Fields {
  return {
    name: "a.txt",
    length: 40000,
    "piece length": 16384,
    pieces: new Uint8Array(60).fill(7),
    ...changes,
  };
}

/** A right v1 info dictionary of one piece with files of these entries. */
export function infoOfFiles(files: readonly Fields[], changes: Fields = {}): Fields {
  return infoV1({ name: "t", length: undefined, pieces: new Uint8Array(20), files, ...changes });
}

/** Encodes a torrent. */
export function torrentOf(info: Encodable, changes: Fields = {}): Uint8Array<ArrayBuffer> {
  return encode({ ...changes, info });
}

/** The content that v2 fixtures are about: `length` bytes that depend on the name. */
export function contentOf(name: string, length: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(
    { length },
    (_, i) => (i * 7 + name.length * 31 + name.charCodeAt(0)) & 255,
  );
}

/** The fields of a right v2 torrent of these files (path with `/`, length): `info` and `piece layers`. */
export async function torrentV2(
  name: string,
  files: readonly (readonly [path: string, length: number])[],
  pieceLength: number = 16384,
): Promise<{ info: Fields; "piece layers": Map<string, Encodable> }> {
  const tree: Fields = {};
  const layers = new Map<string, Encodable>();
  for (const [path, length] of files) {
    const names = path.split("/");
    let node = tree;
    for (const part of names) node = (node[part] ??= {}) as Fields;
    const content = contentOf(path, length);
    const root = length === 0 ? undefined : await rootOfContent(content);
    node[""] = { length, "pieces root": root };
    if (root !== undefined && length > pieceLength) {
      const layer = await pieceLayerOfContent(content, pieceLength);
      layers.set(String.fromCharCode(...root), layer);
    }
  }
  const info = { name, "piece length": pieceLength, "meta version": 2, "file tree": tree };
  return { info, "piece layers": layers };
}

/** Lays plain files of these sizes one after another. */
export function plainFiles(sizes: readonly number[]): TorrentFile[] {
  let offset = 0;
  return sizes.map((bytes, i) => {
    const file = { path: `f${i}`, bytes, offset, padding: false, executable: false, symlink: null };
    offset += bytes;
    return file;
  });
}
