/** Bytes in a SHA-256 hash. */
const HASH_BYTES = 32;
/** Bytes in a leaf of the hash trees of BEP 52. */
const LEAF_BYTES = 16384;
/** Digests in flight at once: enough to keep the hashing threads busy, few enough to need no memory. */
const DIGESTS_MAX = 512;

/**
 * Computes the root of a file's hash tree from its piece layer (BEP 52).
 *
 * **Shape**: `layer` holds 32 bytes for each piece of the file. Places that the file does not reach are
 * filled with the root of a tree of zero hashes, so high as a piece.
 * **Units**: `pieceLength` in bytes, a power of two from 16384.
 */
export async function rootOfPieceLayer(
  layer: Uint8Array,
  pieceLength: number,
): Promise<Uint8Array<ArrayBuffer>> {
  let filler: Uint8Array<ArrayBuffer> = new Uint8Array(HASH_BYTES);
  for (let width = LEAF_BYTES; width < pieceLength; width *= 2) {
    filler = await digestPair(filler, filler);
  }
  return await rootOfHashes(layer.slice(), filler);
}

/**
 * Computes the root of a file's hash tree from its content (BEP 52).
 *
 * **Errors**: `RangeError` for empty content, which has no tree.
 */
export async function rootOfContent(content: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
  const leaves = await pieceLayerOfContent(content, LEAF_BYTES);
  return await rootOfHashes(leaves, new Uint8Array(HASH_BYTES));
}

/**
 * Computes the piece layer of a file from its content: 32 bytes for each piece (BEP 52).
 *
 * **Errors**: `RangeError` for empty content, which has no tree.
 */
export async function pieceLayerOfContent(
  content: Uint8Array,
  pieceLength: number,
): Promise<Uint8Array<ArrayBuffer>> {
  if (content.length === 0) throw new RangeError("Cannot hash content: it is empty");
  const layer = new Uint8Array(Math.ceil(content.length / pieceLength) * HASH_BYTES);
  for (let piece = 0; piece * pieceLength < content.length; piece++) {
    const bytes = content.subarray(piece * pieceLength, (piece + 1) * pieceLength);
    layer.set(await rootOfPiece(bytes, pieceLength / LEAF_BYTES), piece * HASH_BYTES);
  }
  return layer;
}

/**
 * Computes the root of the part of a file's hash tree that is over one piece (BEP 52).
 *
 * **Shape**: `bytes` is what the file has of the piece; `leafCount` a power of two: the blocks of a whole
 * piece, or for a file that is not larger than a piece the least that hold all of it (then it is the
 * file's root).
 */
export async function rootOfPiece(
  bytes: Uint8Array,
  leafCount: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const leaves = new Uint8Array(leafCount * HASH_BYTES);
  for (let leaf = 0; leaf * LEAF_BYTES < bytes.length; leaf++) {
    const block = bytes.slice(leaf * LEAF_BYTES, (leaf + 1) * LEAF_BYTES);
    leaves.set(new Uint8Array(await crypto.subtle.digest("SHA-256", block)), leaf * HASH_BYTES);
  }
  return await rootOfHashes(leaves, new Uint8Array(HASH_BYTES));
}

/** Hashes pairs, layer by layer, up to the root; `filler` stands for each missing hash. */
async function rootOfHashes(
  hashes: Uint8Array<ArrayBuffer>,
  filler: Uint8Array<ArrayBuffer>,
): Promise<Uint8Array<ArrayBuffer>> {
  let layer = hashes;
  while (layer.length > HASH_BYTES) {
    layer = await parentsOf(layer, filler);
    filler = await digestPair(filler, filler);
  }
  return layer;
}

async function parentsOf(
  layer: Uint8Array<ArrayBuffer>,
  filler: Uint8Array,
): Promise<Uint8Array<ArrayBuffer>> {
  const pairs = Math.ceil(layer.length / (2 * HASH_BYTES));
  const children = new Uint8Array(pairs * 2 * HASH_BYTES);
  children.set(layer);
  if (children.length > layer.length) children.set(filler, layer.length);
  const parents = new Uint8Array(pairs * HASH_BYTES);
  for (let first = 0; first < pairs; first += DIGESTS_MAX) {
    const digests: Promise<ArrayBuffer>[] = [];
    for (let i = first; i < pairs && i < first + DIGESTS_MAX; i++) {
      const pair = children.subarray(2 * i * HASH_BYTES, 2 * (i + 1) * HASH_BYTES);
      digests.push(crypto.subtle.digest("SHA-256", pair));
    }
    const done = await Promise.all(digests);
    done.forEach((digest, i) => parents.set(new Uint8Array(digest), (first + i) * HASH_BYTES));
  }
  return parents;
}

async function digestPair(a: Uint8Array, b: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
  const pair = new Uint8Array(2 * HASH_BYTES);
  pair.set(a);
  pair.set(b, HASH_BYTES);
  return new Uint8Array(await crypto.subtle.digest("SHA-256", pair));
}
