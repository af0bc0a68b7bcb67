/** Sessions that find each other by the overlay alone. */
import { assertEquals } from "@std/assert";
import { buildTorrent, parseTorrent, type Torrent } from "@enjambre/metainfo";
import { OverlayNode } from "@enjambre/overlay";
import { MemoryStore } from "@enjambre/storage";
import { Session } from "@enjambre/client";
import { eventually, within } from "../kit/deadline.ts";
import { ScriptedPeer } from "../kit/scripted_peer.ts";
import { makeSharedFile } from "../kit/shared_file.ts";

const LIMIT_MS = 30_000;
const content = new Uint8Array(100_000).fill(5);
const alone = { trackers: [], peers: [] };

async function torrentOf(isPrivate: boolean): Promise<Torrent> {
  const pieceLength = 16384;
  const hashes: Uint8Array[] = [];
  for (let at = 0; at < content.length; at += pieceLength) {
    const piece = content.slice(at, at + pieceLength);
    hashes.push(new Uint8Array(await crypto.subtle.digest("SHA-1", piece)));
  }
  const pieceHashes = new Uint8Array(hashes.flatMap((hash) => [...hash]));
  const files = [{ path: [], bytes: content.length }];
  return await parseTorrent(
    buildTorrent({ name: "x", files, pieceLength, pieceHashes, private: isPrivate }),
  );
}

async function fullStore(torrent: Torrent): Promise<MemoryStore> {
  const store = new MemoryStore(torrent);
  for (let piece = 0; piece < torrent.geometry.pieceCount; piece++) {
    const at = piece * torrent.geometry.pieceLength;
    await store.write(piece, content.slice(at, at + torrent.geometry.pieceBytes(piece)));
  }
  return store;
}

function nodeAt(bootstrap: readonly string[]): OverlayNode {
  return OverlayNode.listen({
    hostname: "127.0.0.1",
    listenOn: "127.0.0.1",
    port: 0,
    bootstrap,
  });
}

/** Resolves when a node knows of a change. */
function change(node: OverlayNode, kind: string, isMeant: (left: number) => boolean) {
  const { promise, resolve } = Promise.withResolvers<void>();
  node.subscribe(null, (change) => {
    if (change.kind === kind && isMeant(change.provider.left)) resolve();
  });
  return within(LIMIT_MS, `a provider to be ${kind}`, promise);
}

Deno.test("Session finds peers by the overlay, says when it is complete, and takes leave", async () => {
  const torrent = await torrentOf(false);
  const witness = nodeAt([]);
  const seeding = Session.listen({ port: 0, overlay: nodeAt([witness.address]) });
  const full = await fullStore(torrent);
  const seen = change(witness, "added", (left) => left === 0);
  seeding.add(torrent, full, await full.check(), alone);
  await seen;

  const completed = change(witness, "changed", (left) => left === 0);
  const gone = change(witness, "removed", () => true);
  const fetching = Session.listen({ port: 0, overlay: nodeAt([witness.address]) });
  const empty = new MemoryStore(torrent);
  const active = fetching.add(torrent, empty, await empty.check(), alone);
  await within(LIMIT_MS, "the download", active.completed);
  await completed;
  const { overlay } = active.snapshot();
  assertEquals([overlay?.seeds, overlay?.leechers], [1, 0]);
  await fetching.close();
  await gone;
  assertEquals(witness.status().offences, {
    forged: 0,
    malformed: 0,
    wrongBeat: 0,
    expired: 0,
    flood: 0,
  });
  await Promise.all([seeding.close(), witness.close(), full.close(), empty.close()]);
});

Deno.test("Session keeps private torrents out of the overlay", async () => {
  const torrent = await torrentOf(true);
  const node = nodeAt([]);
  const session = Session.listen({ port: 0, overlay: node });
  const store = await fullStore(torrent);
  const active = session.add(torrent, store, await store.check(), alone);
  assertEquals([active.snapshot().overlay, node.status().records], [null, 0]);
  await session.close();
  await store.close();
});

Deno.test("Session that is the only seed in the overlay shows a peer nothing at first, until there is another", async () => {
  const shared = await makeSharedFile(200_000);
  const store = new MemoryStore(shared.torrent);
  const { pieceCount, pieceLength } = shared.torrent.geometry;
  for (let piece = 0; piece < pieceCount; piece++) {
    await store.write(piece, shared.data.slice(piece * pieceLength, (piece + 1) * pieceLength));
  }
  const witness = nodeAt([]);
  const seed = (): Session => {
    const session = Session.listen({ port: 0, overlay: nodeAt([witness.address]) });
    session.add(shared.torrent, store, new Uint8Array(1).fill(0xf0), alone);
    return session;
  };
  /** Dials again and again until it is told this first. */
  const untilTold = (session: Session, kind: string) =>
    eventually(LIMIT_MS, `a peer to be told ${kind}`, async () => {
      using peer = await ScriptedPeer.dial(session.port, shared);
      await peer.greet();
      let said = (await peer.hear()).kind;
      if (said === "handleExtended") said = (await peer.hear()).kind;
      return said === kind || null;
    });
  const first = seed();
  await untilTold(first, "handleHaveNone");
  const second = seed();
  await untilTold(first, "handleHaveAll");
  await second.close();
  await untilTold(first, "handleHaveNone");
  await Promise.all([first.close(), witness.close()]);
  await store.close();
});
