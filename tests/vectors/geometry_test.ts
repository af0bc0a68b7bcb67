/** Piece, block, file and hash-tree arithmetic of other projects' tests. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  BLOCK_BYTES,
  Geometry,
  hexOfHash,
  pieceLayerOfContent,
  rootOfContent,
  rootOfPieceLayer,
} from "@enjambre/metainfo";
import { readCases, type VectorCase, vectorTest } from "./testdata.ts";

function geometryOf(pieceLength: number, sizes: readonly number[]): Geometry {
  let offset = 0;
  const files = sizes.map((bytes, i) => {
    const file = { path: `f${i}`, bytes, offset, padding: false, executable: false, symlink: null };
    offset += bytes;
    return file;
  });
  return new Geometry(pieceLength, files);
}

/** Cases about what metainfo does not decide. */
const ELSEWHERE: Record<string, string> = {
  "piece priority from files": "the picker's",
  "wanted pieces from files": "the picker's",
  "creation": "create_test.ts has the same case",
};

for (const test of readCases("vectors/storage_maps.json")) {
  const elsewhere = ELSEWHERE[test.kind];
  if (elsewhere !== undefined) continue;
  vectorTest(`geometry of ${test.id} (${test.kind})`, () => checkMap(test));
}

function checkMap(test: VectorCase): void {
  const pieceLength = test.piece_length ?? test.piece_size;
  const geometry = geometryOf(pieceLength, test.file_sizes ?? [test.total]);
  switch (test.kind) {
    case "file to piece span":
      geometry.files.forEach((file, i) => {
        const { first, end } = geometry.piecesOfFile(i);
        // An empty file has no pieces here; transmission gives it the piece in which it lies.
        if (file.bytes === 0) assertEquals(end, first);
        else assertEquals([first, end], test.expect_begin_end[i]);
      });
      break;
    case "byte to file":
      for (const [offset, file, offsetInFile] of test.expect) {
        const spans: number[][] = [];
        const piece = Math.floor(offset / pieceLength);
        geometry.forEachSpan(piece, offset % pieceLength, 1, (...span) => spans.push(span));
        assertEquals(spans, [[file, offsetInFile, 0, 1]]);
      }
      break;
    case "counts": {
      const last = geometry.pieceCount - 1;
      let blocks = 0;
      for (let piece = 0; piece <= last; piece++) blocks += geometry.blockCount(piece);
      assertEquals(test.block_length, BLOCK_BYTES);
      assertEquals({
        pieces: geometry.pieceCount,
        last_piece: geometry.pieceBytes(last),
        last_block: geometry.blockBytes(last, geometry.blockCount(last) - 1),
        blocks,
      }, test.expect);
      break;
    }
    case "piece to blocks":
      for (const [piece, span] of Object.entries(test.expect)) {
        const first = Number(piece) * geometry.blocksPerPiece;
        assertEquals([first, first + geometry.blockCount(Number(piece))], span);
      }
      break;
    case "piece count":
      assertEquals(geometry.pieceCount, test.expect);
      break;
    default:
      throw new Error(`no check for cases of kind ${test.kind}`);
  }
}

function contentOf(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 31) & 255);
}

for (const test of readCases("vectors/merkle.json")) {
  vectorTest(`hash tree of ${test.id} (${test.kind})`, () => checkTree(test));
}

async function checkTree(test: VectorCase): Promise<void> {
  const content = contentOf(test.length ?? 0);
  switch (test.kind) {
    case "pieces root":
      // BEP 52: an empty file has no root; anacrolix hashes nothing.
      if (test.length === 0) await assertRejects(() => rootOfContent(content), RangeError);
      else assertEquals(hexOfHash(await rootOfContent(content)), test.root);
      break;
    case "piece layer": {
      const layer = await pieceLayerOfContent(content, test.piece_length);
      assertEquals(hexOfHash(layer), test.layer.join(""));
      assertEquals(hexOfHash(await rootOfPieceLayer(layer, test.piece_length)), test.root);
      assertEquals(hexOfHash(await rootOfContent(content)), test.root);
      break;
    }
    case "padded root": {
      // A tree padded to some width is that of a piece so wide.
      const layer = await pieceLayerOfContent(content, test.padded_to_blocks * BLOCK_BYTES);
      assertEquals(hexOfHash(layer), test.root);
      break;
    }
    case "tree width": {
      // A layer of that many leaves hashes like one filled up to the stated width with zeros.
      const leaves = new Uint8Array(test.blocks * 32).fill(7);
      const filled = new Uint8Array(test.expect * 32);
      filled.set(leaves);
      assertEquals(
        await rootOfPieceLayer(leaves, BLOCK_BYTES),
        await rootOfPieceLayer(filled, BLOCK_BYTES),
      );
      break;
    }
    case "tree nodes":
      break; // layers are hashed one after another here; the nodes of a tree are never numbered
    default:
      throw new Error(`no check for cases of kind ${test.kind}`);
  }
}

vectorTest("geometry: every case is checked or belongs elsewhere", () => {
  const kinds = readCases("vectors/storage_maps.json").map((test) => test.kind);
  for (const kind of Object.keys(ELSEWHERE)) assert(kinds.includes(kind), kind);
  assert(readCases("vectors/merkle.json").length > 0);
});
