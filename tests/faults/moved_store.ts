/**
 * A store that is moved to and fro between two folders while pieces are written.
 *
 * `deno run -A tests/faults/moved_store.ts STATE_FILE FOLDER OTHER_FOLDER`
 *
 * Says in JSON lines what is good when it begins (`checked`), which piece is stored (`stored`), and how
 * often it moved (`moved`). It goes on until it is killed.
 */
import { Geometry } from "@enjambre/metainfo";
import { openDiskStore } from "@enjambre/storage";
import { pseudoRandomBytes } from "../kit/content.ts";

const PIECE_LENGTH = 64 * 1024;
const FILE_BYTES = [5_000_000, 10, 0, 300_000, 70_000];
/** Not wanted: what it shares with its neighbours is in the parts file. */
const UNWANTED_FILE = 3;

function layOut(): Geometry {
  let offset = 0;
  return new Geometry(
    PIECE_LENGTH,
    FILE_BYTES.map((bytes, i) => {
      const path = `content/folder ${i % 2}/${i}`;
      const file = { path, bytes, offset, padding: false, executable: false, symlink: null };
      offset += bytes;
      return file;
    }),
  );
}

async function hashAll(geometry: Geometry): Promise<Uint8Array> {
  const hashes = new Uint8Array(20 * geometry.pieceCount);
  for (let piece = 0; piece < geometry.pieceCount; piece++) {
    const data = pseudoRandomBytes(geometry.pieceBytes(piece), piece + 1);
    hashes.set(new Uint8Array(await crypto.subtle.digest("SHA-1", data)), 20 * piece);
  }
  return hashes;
}

function say(event: Record<string, unknown>): void {
  // At once: what this process said, its end does not take back.
  Deno.stdout.writeSync(new TextEncoder().encode(JSON.stringify(event) + "\n"));
}

if (import.meta.main) {
  const [stateFile, ...folders] = Deno.args as [string, string, string];
  const geometry = layOut();
  const torrent = {
    geometry,
    pieceHashes: await hashAll(geometry),
    swarmHash: new Uint8Array(20).fill(7),
  };
  let at = Number(await Deno.readTextFile(stateFile).catch(() => "0"));
  const priorities = Uint8Array.from(FILE_BYTES, (_, i) => i === UNWANTED_FILE ? 0 : 2);
  const store = await openDiskStore(torrent, folders[at]!, { priorities });
  const good: number[] = [];
  await store.check({ onPiece: (piece, isGood) => void (isGood && good.push(piece)) });
  say({ event: "checked", good });
  const isStored = new Set(good);

  const fetch = async (): Promise<void> => {
    for (let piece = 0; piece < geometry.pieceCount; piece++) {
      if (isStored.has(piece) || !store.selection.isPieceWanted(piece)) continue;
      await store.write(piece, pseudoRandomBytes(geometry.pieceBytes(piece), piece + 1));
      isStored.add(piece);
      say({ event: "stored", piece });
      return;
    }
  };
  for (let moves = 1;; moves++) {
    const next = 1 - at;
    const moving = store.move(folders[next]!, {
      commit: async () => {
        await Deno.writeTextFile(`${stateFile}.new`, String(next));
        await Deno.rename(`${stateFile}.new`, stateFile);
      },
    });
    await Promise.all([moving, fetch()]);
    at = next;
    say({ event: "moved", moves });
  }
}
