/**
 * A download without a network, into a store that remembers: the pieces come out of a generator.
 *
 * `deno run -A tests/faults/kept_download.ts TORRENT FOLDER STATE_FOLDER`
 *
 * Says in JSON lines what is good when it begins (`checked`), which piece it gets (`fetch`), which it would
 * announce to its peers (`have`), and that it is `complete`.
 */
import { parseTorrent } from "@enjambre/metainfo";
import { openKeptStore } from "@enjambre/storage";
import { pseudoRandomBytes } from "../kit/content.ts";

/** Pieces in memory at once. */
export const PIECES_IN_MEMORY = 4;

/** How long the imagined network takes for a piece: a run of this program then gets some twenty before it is killed. */
const FETCH_MS = 4;

/** After so many pieces it saves: the time of one run is too short for the store to do so by itself. */
const PIECES_A_SAVE = 6;

/** A prime, so that all pieces have their turn, and neighbours not one after the other. */
const STRIDE = 1009;

/** What a piece of the generated content holds. */
export function contentOfPiece(piece: number, bytes: number): Uint8Array<ArrayBuffer> {
  return pseudoRandomBytes(bytes, piece + 1);
}

function say(event: Record<string, unknown>): void {
  // At once: what this process said, its end does not take back.
  Deno.stdout.writeSync(new TextEncoder().encode(JSON.stringify(event) + "\n"));
}

if (import.meta.main) {
  const [torrentPath, folder, stateDirectory] = Deno.args as [string, string, string];
  const torrent = await parseTorrent(await Deno.readFile(torrentPath));
  const { geometry } = torrent;
  const store = await openKeptStore(torrent, folder, {
    stateDirectory,
    onSaveFailed: ({ message }) => say({ event: "trouble", message }),
  });
  const good = new Set<number>();
  await store.check({ onPiece: (piece, isGood) => void (isGood && good.add(piece)) });
  say({ event: "checked", good: [...good].sort((a, b) => a - b) });

  let turn = 0;
  const nextPiece = (): number | null => {
    while (turn < geometry.pieceCount) {
      const piece = (turn++ * STRIDE) % geometry.pieceCount;
      if (!good.has(piece)) return piece;
    }
    return null;
  };
  const fetchAll = async (): Promise<void> => {
    for (let piece = nextPiece(); piece !== null; piece = nextPiece()) {
      say({ event: "fetch", piece });
      await new Promise((resolve) => setTimeout(resolve, FETCH_MS));
      const data = contentOfPiece(piece, geometry.pieceBytes(piece));
      if (await store.write(piece, data) !== "stored") throw new Error(`Piece ${piece} is wrong`);
      say({ event: "have", piece });
      if (turn % PIECES_A_SAVE === 0) store.save();
    }
  };
  await Promise.all(Array.from({ length: PIECES_IN_MEMORY }, fetchAll));
  await store.close();
  say({ event: "complete" });
}
