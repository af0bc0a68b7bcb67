/**
 * Stores, reads back and checks a torrent of many small files, and watches how many files are open.
 *
 * `deno run -A tests/faults/many_files.ts FOLDER FILES`
 *
 * Says in JSON lines how many pieces are good (`checked`), and the most files that were open (`done`).
 */
import { Geometry } from "@enjambre/metainfo";
import { openDiskStore } from "@enjambre/storage";
import { pseudoRandomBytes } from "../kit/content.ts";

const PIECE_LENGTH = 64 * 1024;
const FILE_BYTES = 100;
/** Pieces in flight, as in a download. */
const LANES = 4;

function say(event: Record<string, unknown>): void {
  console.log(JSON.stringify(event));
}

if (import.meta.main) {
  const [folder, files] = [Deno.args[0]!, Number(Deno.args[1])];
  const plain = { padding: false, executable: false, symlink: null };
  const geometry = new Geometry(
    PIECE_LENGTH,
    Array.from({ length: files }, (_, i) => {
      const path = `content/folder ${i % 100}/${i}`;
      return { path, bytes: FILE_BYTES, offset: i * FILE_BYTES, ...plain };
    }),
  );
  const { pieceCount } = geometry;
  const content = pseudoRandomBytes(geometry.totalBytes, 1);
  const pieceOf = (piece: number): Uint8Array<ArrayBuffer> =>
    content.subarray(piece * PIECE_LENGTH, (piece + 1) * PIECE_LENGTH);
  const pieceHashes = new Uint8Array(20 * pieceCount);
  for (let piece = 0; piece < pieceCount; piece++) {
    pieceHashes.set(
      new Uint8Array(await crypto.subtle.digest("SHA-1", pieceOf(piece))),
      20 * piece,
    );
  }

  let openMax = 0;
  const countOpen = (): void => {
    try {
      openMax = Math.max(openMax, [...Deno.readDirSync("/proc/self/fd")].length);
    } catch {
      // Only Linux tells; elsewhere the limit alone shows it.
    }
  };
  const watch = setInterval(countOpen, 5);
  const store = await openDiskStore(
    { geometry, pieceHashes, swarmHash: new Uint8Array(20) },
    folder,
  );
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < pieceCount) {
      const piece = next++;
      await store.write(piece, pieceOf(piece));
      const target = new Uint8Array(geometry.pieceBytes(piece));
      await store.read(piece, 0, target);
      countOpen();
      if (target.some((byte, i) => byte !== pieceOf(piece)[i])) throw new Error("Read otherwise");
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  let good = 0;
  await store.check({ onPiece: (_, isGood) => void (isGood && good++) });
  say({ event: "checked", good, pieceCount });
  await store.close();
  clearInterval(watch);
  say({ event: "done", openMax });
}
