import { createHash } from "node:crypto";
import { setImmediate } from "node:timers";
import type { Geometry } from "@enjambre/metainfo";
import { type HashFormat, type PieceTree, treeOfPiece } from "./piece_hashes.ts";

/**
 * Up to this size a piece is hashed by `crypto.subtle`, off the event loop. It copies its input first,
 * on the event loop and into fresh memory; above about 16 MiB that copy alone takes more than 100 ms.
 */
export const SUBTLE_BYTES_MAX: number = 8 * 1024 * 1024;

/** What else is hashed on the event loop goes in steps of this size, half a millisecond each. */
const STEP_BYTES = 1024 * 1024;

/** Hashes one piece that comes a stretch at a time. */
export interface PieceHasher {
  /** Adds a stretch; `data` may be reused at once. */
  update(data: Uint8Array): void;
  /** Ends it: a new array, `HASH_BYTES` long. */
  digest(): Uint8Array<ArrayBuffer>;
}

/** Begins to hash a piece; `tree` says what of it is in its file's hash tree, and is not looked at in v1. */
export type BeginPiece = (format: HashFormat, tree: PieceTree) => PieceHasher;

/**
 * Makes the function that begins pieces. Refers to nothing outside itself: worker threads are given its
 * source text.
 */
export function makeBeginPiece(create: typeof createHash): BeginPiece {
  const LEAF_BYTES = 16384;
  const ROOT_BYTES = 32;
  type Hash = ReturnType<typeof createHash>;

  function beginSha1(): PieceHasher {
    const hash = create("sha1");
    return {
      update: (data) => void hash.update(data),
      digest: () => new Uint8Array(hash.digest()),
    };
  }

  function beginTree({ contentBytes, leafCount }: PieceTree): PieceHasher {
    const nodes = new Uint8Array(leafCount * ROOT_BYTES);
    let leaf: Hash | null = null;
    let done = 0;
    const endLeaf = (index: number): void => {
      nodes.set(leaf!.digest(), index * ROOT_BYTES);
      leaf = null;
    };
    const update = (data: Uint8Array): void => {
      // What comes after the content is padding, which no tree holds.
      const count = Math.min(data.length, contentBytes - done);
      for (let start = 0; start < count;) {
        const stop = Math.min(count, start + LEAF_BYTES - done % LEAF_BYTES);
        leaf ??= create("sha256");
        leaf.update(data.subarray(start, stop));
        done += stop - start;
        start = stop;
        if (done % LEAF_BYTES === 0) endLeaf(done / LEAF_BYTES - 1);
      }
    };
    const digest = (): Uint8Array<ArrayBuffer> => {
      if (leaf !== null) endLeaf(Math.floor(done / LEAF_BYTES));
      for (let width = leafCount; width > 1; width /= 2) {
        for (let start = 0; start < width * ROOT_BYTES; start += 2 * ROOT_BYTES) {
          const pair = create("sha256").update(nodes.subarray(start, start + 2 * ROOT_BYTES));
          nodes.set(pair.digest(), start / 2);
        }
      }
      return nodes.slice(0, ROOT_BYTES);
    };
    return { update, digest };
  }

  function beginBoth(tree: PieceTree): PieceHasher {
    const [v1, v2] = [beginSha1(), beginTree(tree)];
    return {
      update(data) {
        v1.update(data);
        v2.update(data);
      },
      digest() {
        const hashes = [v1.digest(), v2.digest()];
        const both = new Uint8Array(hashes[0]!.length + hashes[1]!.length);
        both.set(hashes[0]!);
        both.set(hashes[1]!, hashes[0]!.length);
        return both;
      },
    };
  }

  return (format, tree) => {
    if (format === "v1") return beginSha1();
    return format === "v2" ? beginTree(tree) : beginBoth(tree);
  };
}

/** Begins to hash a piece on this thread. */
export const beginPiece: BeginPiece = makeBeginPiece(createHash);

/**
 * Hashes a whole piece without holding up the event loop.
 *
 * **Ownership**: `data` is borrowed until the promise settles.
 */
export async function hashPiece(
  format: HashFormat,
  geometry: Geometry,
  piece: number,
  data: Uint8Array,
): Promise<Uint8Array> {
  if (format === "v1" && data.length <= SUBTLE_BYTES_MAX && !isShared(data)) {
    return new Uint8Array(await crypto.subtle.digest("SHA-1", data as Uint8Array<ArrayBuffer>));
  }
  const hasher = beginPiece(format, treeOfPiece(geometry, piece));
  for (let start = 0; start < data.length; start += STEP_BYTES) {
    hasher.update(data.subarray(start, start + STEP_BYTES));
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
  return hasher.digest();
}

/** Whether bytes lie in memory that threads share; `crypto.subtle` refuses those. */
export function isShared(data: Uint8Array): boolean {
  return data.buffer instanceof SharedArrayBuffer;
}
