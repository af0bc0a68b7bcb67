/** The example of the README, as a program that embeds the client would have it. */
import { assertEquals } from "@std/assert";
import { buildTorrent, parseTorrent, type Torrent } from "@enjambre/metainfo";
import { MemoryStore, openDiskStore } from "@enjambre/storage";
import { Session } from "@enjambre/client";

async function download(torrent: Torrent, folder: string, host: string, port: number) {
  const store = await openDiskStore(torrent, folder);
  const session = Session.listen({ port: 0 });
  const active = session.add(torrent, store, await store.check(), {
    trackers: torrent.trackers,
    peers: [{ host, port }],
  });
  await active.completed;
  await session.close();
  await store.close();
}

Deno.test("Session: a program downloads from another session's seed", async () => {
  const content = new TextEncoder().encode("hello swarm");
  const bytes = buildTorrent({
    name: "hello.txt",
    files: [{ path: [], bytes: content.length }],
    pieceLength: 16384,
    pieceHashes: new Uint8Array(await crypto.subtle.digest("SHA-1", content)),
  });
  const torrent = await parseTorrent(bytes);
  const store = new MemoryStore(torrent);
  await store.write(0, content);
  const seed = Session.listen({ port: 0 });
  seed.add(torrent, store, await store.check(), { trackers: [], peers: [] });
  const folder = await Deno.makeTempDir();
  try {
    await download(torrent, folder, "127.0.0.1", seed.port);
    assertEquals(await Deno.readFile(`${folder}/hello.txt`), content);
  } finally {
    await seed.close();
    await store.close();
    await Deno.remove(folder, { recursive: true });
  }
});
