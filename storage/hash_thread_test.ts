import { assertEquals } from "@std/assert";
import { Geometry } from "@enjambre/metainfo";
import { HashThread } from "./hash_thread_deno.ts";
import { hashPiece } from "./piece_hasher_deno.ts";

const PIECE_BYTES = 4 * 1024 * 1024;
const PIECES = 5;

function geometryOf(pieces: number): Geometry {
  const file = { path: "a", bytes: pieces * PIECE_BYTES - 1, offset: 0 };
  return new Geometry(PIECE_BYTES, [{ ...file, padding: false, executable: false, symlink: null }]);
}

/** A piece in shared memory, like no other. */
function sharedPiece(geometry: Geometry, piece: number): Uint8Array {
  const data = new Uint8Array(new SharedArrayBuffer(geometry.pieceBytes(piece)));
  for (let i = 0; i < data.length; i += 4099) data[i] = piece + i;
  return data;
}

for (const format of ["v1", "v2", "hybrid"] as const) {
  Deno.test(`HashThread hashes ${format} pieces as the event loop does, before it runs and while it does`, async () => {
    const geometry = geometryOf(PIECES);
    const thread = HashThread.join();
    try {
      let ran = 0;
      // Until the thread has run for some; it is started by the third piece.
      for (let i = 0; ran < PIECES; i++) {
        const piece = i % PIECES;
        const data = sharedPiece(geometry, piece);
        const due = await hashPiece(format, geometry, piece, data.slice());
        if (thread.isRunning) ran++;
        assertEquals(await thread.hash(format, geometry, piece, data), due);
      }
    } finally {
      thread.leave();
    }
  });
}

Deno.test("HashThread hashes what is not in shared memory, and many at a time", async () => {
  const geometry = geometryOf(PIECES);
  const thread = HashThread.join();
  const other = HashThread.join();
  try {
    const pieces = Array.from({ length: 4 * PIECES }, (_, i) => i % PIECES);
    const due = await Promise.all(
      pieces.map((piece) => hashPiece("v1", geometry, piece, sharedPiece(geometry, piece).slice())),
    );
    const hashes = await Promise.all(pieces.map((piece, i) => {
      const data = sharedPiece(geometry, piece);
      return thread.hash("v1", geometry, piece, i % 3 === 0 ? data.slice() : data);
    }));
    assertEquals(hashes, due);
  } finally {
    thread.leave();
    other.leave();
  }
});
