import { assertEquals } from "@std/assert";
import { BLOCK_BYTES, Geometry, type Torrent } from "@enjambre/metainfo";
import { MemoryStore } from "@enjambre/storage";
import { Session } from "./session_deno.ts";

/** A torrent of one block, which holds zeros. */
async function torrentOfZeros(): Promise<Torrent> {
  const file = {
    path: "zeros",
    bytes: BLOCK_BYTES,
    offset: 0,
    padding: false,
    executable: false,
    symlink: null,
  };
  const content = new Uint8Array(BLOCK_BYTES);
  const pieceHashes = new Uint8Array(await crypto.subtle.digest("SHA-1", content));
  const geometry = new Geometry(BLOCK_BYTES, [file]);
  return { geometry, pieceHashes, swarmHash: new Uint8Array(20).fill(7) } as unknown as Torrent;
}

Deno.test("Session carries a torrent from one session to another, and totals what both moved", async () => {
  const torrent = await torrentOfZeros();
  const [full, empty] = [new MemoryStore(torrent), new MemoryStore(torrent)];
  await full.write(0, new Uint8Array(BLOCK_BYTES));
  const [seeding, fetching] = [Session.listen({ port: 0 }), Session.listen({ port: 0 })];
  const alone = { trackers: [], peers: [] };
  seeding.add(torrent, full, Uint8Array.of(0x80), alone);
  const peers = [{ host: "127.0.0.1", port: seeding.port }];
  const active = fetching.add(torrent, empty, Uint8Array.of(0), { trackers: [], peers });
  await active.completed;
  const [sent, fetched] = [seeding.totals(), fetching.totals()];
  await Promise.all([seeding.close(), fetching.close(), full.close(), empty.close()]);
  assertEquals([sent.uploadedBytes, fetched.downloadedBytes], [BLOCK_BYTES, BLOCK_BYTES]);
  assertEquals([sent.downloadedBytes, fetched.requeuedBlocks], [0, 0]);
});
