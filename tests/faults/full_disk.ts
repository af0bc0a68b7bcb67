/**
 * One session with two torrents, the disk of one of which is full.
 *
 * `deno run -A tests/faults/full_disk.ts FULL_DISK OTHER_FOLDER STATE_FOLDER`
 *
 * Fills FULL_DISK with a file called `filler`, but for some of what the torrent needs. Says in JSON lines that the
 * torrent there is `paused`, that the other one is complete (`other-complete`), and, once somebody has removed the
 * filler, that both are (`complete`). Ends with an error where something is not as it should be.
 */
import { statfsSync } from "node:fs";
import { assert, assertEquals } from "@std/assert";
import { type ActiveTorrent, Session } from "@enjambre/client";
import { buildTorrent, parseTorrent, type Torrent } from "@enjambre/metainfo";
import { type KeptStore, MemoryStore, openKeptStore } from "@enjambre/storage";
import { pseudoRandomBytes } from "../kit/content.ts";
import { eventually, within } from "../kit/deadline.ts";

const PIECE_LENGTH = 16 * 1024;
/** More than the disk of the test has. */
const FULL_BYTES = 3_000_000;
const OTHER_BYTES = 5_000_000;
/** Room for a part of the torrent. */
const ROOM_BYTES = 1_000_000;
/** So slow that the other one is still under way when the disk is full. */
const BYTES_PER_SECOND = 2_000_000;
const LIMIT_MS = 30_000;

/** A torrent of one file, and a session that seeds it. */
async function seed(
  name: string,
  bytes: number,
): Promise<{ torrent: Torrent; data: Uint8Array; session: Session }> {
  const data = pseudoRandomBytes(bytes, bytes);
  const pieceHashes = new Uint8Array(20 * Math.ceil(bytes / PIECE_LENGTH));
  const pieceOf = (piece: number) =>
    data.slice(piece * PIECE_LENGTH, Math.min(bytes, (piece + 1) * PIECE_LENGTH));
  for (let piece = 0; piece * PIECE_LENGTH < bytes; piece++) {
    const hash = await crypto.subtle.digest("SHA-1", pieceOf(piece));
    pieceHashes.set(new Uint8Array(hash), 20 * piece);
  }
  const files = [{ path: [], bytes }];
  const torrent = await parseTorrent(
    buildTorrent({ name, files, pieceLength: PIECE_LENGTH, pieceHashes }),
  );
  const store = new MemoryStore(torrent);
  for (let piece = 0; piece * PIECE_LENGTH < bytes; piece++) {
    await store.write(piece, pieceOf(piece));
  }
  const session = Session.listen({ port: 0, uploadLimit: BYTES_PER_SECOND });
  session.add(torrent, store, await store.check(), { trackers: [], peers: [] });
  return { torrent, data, session };
}

/** Takes the room of the disk but for so many bytes. */
function fillBut(roomBytes: number, disk: string): void {
  const { bsize, bavail } = statfsSync(disk);
  Deno.writeFileSync(`${disk}/filler`, new Uint8Array(bsize * bavail - roomBytes));
}

function say(event: string, fields: Record<string, unknown> = {}): void {
  console.log(JSON.stringify({ event, ...fields }));
}

const [disk, elsewhere, stateDirectory] = Deno.args as [string, string, string];
const seeds = await Promise.all([seed("full.bin", FULL_BYTES), seed("other.bin", OTHER_BYTES)]);
fillBut(ROOM_BYTES, disk);
const session = Session.listen({ port: 0 });
const stores: KeptStore[] = [];
const torrents: ActiveTorrent[] = [];
for (const [i, directory] of [disk, elsewhere].entries()) {
  const { torrent, session: { port } } = seeds[i]!;
  const store = await openKeptStore(torrent, directory, { stateDirectory });
  stores.push(store);
  const peers = [{ host: "127.0.0.1", port }];
  torrents.push(session.add(torrent, store, await store.check(), { trackers: [], peers }));
}
const [full, other] = torrents as [ActiveTorrent, ActiveTorrent];
const pause = await eventually(LIMIT_MS, "a pause", () => full.snapshot().pause);
assertEquals(pause.code, "disk-full");
assert(full.snapshot().haveBytes > ROOM_BYTES / 2, "it stops before the disk is full");
assertEquals(other.snapshot().pause, null);
assert(other.snapshot().haveBytes < OTHER_BYTES, "the other one was complete already");
say("paused", { message: pause.message });
await within(LIMIT_MS, "the other torrent", other.completed);
assert(full.snapshot().pause !== null, "the disk is full no longer");
say("other-complete");
await within(LIMIT_MS, "the torrent on the disk that was full", full.completed);
assertEquals(full.snapshot().pause, null);
// Nothing was fetched twice.
assertEquals(full.snapshot().downloadedBytes, FULL_BYTES);
await session.close();
for (const [i, directory] of [disk, elsewhere].entries()) {
  const { torrent, data, session } = seeds[i]!;
  await stores[i]!.close();
  await session.close();
  assertEquals(await Deno.readFile(`${directory}/${torrent.name}`), data);
}
say("complete");
