import { assert, assertEquals, assertRejects } from "@std/assert";
import { BLOCK_BYTES, Geometry, type Torrent } from "@enjambre/metainfo";
import { greetPeer, PRIORITY } from "@enjambre/peerwire";
import { type Damage, MemoryStore, StorageError } from "@enjambre/storage";
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

Deno.test("Session keeps one connection to a peer that it dials by name and by address", async () => {
  const torrent = await torrentOfZeros();
  const store = new MemoryStore(torrent);
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  const session = Session.listen({ port: 0 });
  const peers = ["localhost", "127.0.0.1"].map((host) => ({ host, port }));
  session.add(torrent, store, Uint8Array.of(0), { trackers: [], peers });
  const greet = async (): Promise<Deno.TcpConn> => {
    const { socket } = await greetPeer(await listener.accept(), (infoHash) => ({
      infoHash,
      peerId: new Uint8Array(20).fill(5),
      fast: true,
      extended: true,
    }), AbortSignal.timeout(10_000));
    return socket;
  };
  const sockets = [await greet(), await greet()];
  /** Resolves when the session has closed this one. */
  const closed = async (socket: Deno.TcpConn): Promise<void> => {
    const buffer = new Uint8Array(1024);
    while (await socket.read(buffer).catch(() => null) !== null);
  };
  const ends = sockets.map(closed);
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error("No connection was closed")), 10_000);
  await Promise.race([...ends, late.promise]);
  clearTimeout(timer);
  assertEquals(session.totals().peers, 1);
  await session.close();
  await Promise.all(ends);
  for (const socket of sockets) socket.close();
  await store.close();
});

/** A torrent of so many files, each a piece long, which hold their number; and a store that has them all. */
async function torrentOf(files: number): Promise<{ torrent: Torrent; full: MemoryStore }> {
  const pieceHashes = new Uint8Array(20 * files);
  const contentOf = (piece: number) => new Uint8Array(BLOCK_BYTES).fill(piece + 1);
  for (let piece = 0; piece < files; piece++) {
    pieceHashes.set(
      new Uint8Array(await crypto.subtle.digest("SHA-1", contentOf(piece))),
      20 * piece,
    );
  }
  const plain = { padding: false, executable: false, symlink: null };
  const geometry = new Geometry(
    BLOCK_BYTES,
    Array.from(
      { length: files },
      (_, i) => ({ path: `t/${i}`, bytes: BLOCK_BYTES, offset: i * BLOCK_BYTES, ...plain }),
    ),
  );
  const swarmHash = new Uint8Array(20).fill(8);
  const torrent = { geometry, pieceHashes, swarmHash } as unknown as Torrent;
  const full = new MemoryStore(torrent);
  for (let piece = 0; piece < files; piece++) await full.write(piece, contentOf(piece));
  return { torrent, full };
}

/** Stores nothing before it is told to. */
class GatedStore extends MemoryStore {
  readonly asked = Promise.withResolvers<void>();
  readonly gate = Promise.withResolvers<void>();
  /** Every write so far. */
  readonly writes: Promise<"stored" | "corrupt">[] = [];

  override write(piece: number, data: Uint8Array<ArrayBuffer>): Promise<"stored" | "corrupt"> {
    this.asked.resolve();
    const write = this.gate.promise.then(() => super.write(piece, data));
    this.writes.push(write);
    return write;
  }
}

Deno.test("ActiveTorrent.select() fetches what is wanted now, and is complete when that is here", async () => {
  const { torrent, full } = await torrentOf(4);
  const store = new GatedStore(torrent);
  const [seeding, fetching] = [Session.listen({ port: 0 }), Session.listen({ port: 0 })];
  seeding.add(torrent, full, await full.check(), { trackers: [], peers: [] });
  const { normal, unwanted } = PRIORITY;
  const active = fetching.add(torrent, store, Uint8Array.of(0), {
    trackers: [],
    peers: [{ host: "127.0.0.1", port: seeding.port }],
    filePriorities: Uint8Array.of(unwanted, normal, unwanted, unwanted),
  });
  assertEquals(active.snapshot().totalBytes, BLOCK_BYTES);
  const { completed } = active;
  await store.asked.promise;
  await active.select(Uint8Array.of(normal, unwanted, normal, unwanted));
  store.gate.resolve();
  await completed;
  // The one that was on its way is not thrown away; it may be stored last.
  await Promise.all(store.writes);
  assertEquals(await store.check(), Uint8Array.of(0b1110_0000));
  const { haveBytes, totalBytes } = active.snapshot();
  assertEquals([haveBytes, totalBytes], [2 * BLOCK_BYTES, 2 * BLOCK_BYTES]);
  await assertRejects(() => active.select(Uint8Array.of(normal)), RangeError);
  assert(active.completed === completed);
  await active.select(new Uint8Array(4).fill(normal));
  assert(active.completed !== completed, "the fourth is wanted now, and missing");
  await Promise.all([seeding.close(), fetching.close()]);
});

/** Its files are gone from the third piece on: it stores nothing more until somebody checks what is there. */
class LosingStore extends MemoryStore {
  isLost = false;
  checks = 0;
  #stored = 0;

  override async write(
    piece: number,
    data: Uint8Array<ArrayBuffer>,
  ): Promise<"stored" | "corrupt"> {
    if (this.checks === 0 && this.#stored === 2) this.isLost = true;
    if (this.isLost) throw new StorageError("not-found", "t", "Cannot write t: it is not there");
    this.#stored++;
    return await super.write(piece, data);
  }

  override inspect(): Promise<Damage[]> {
    const damage = { fileIndex: 0, path: "t", kind: "vanished", fromOffset: 0 } as const;
    return Promise.resolve(this.isLost ? [damage] : []);
  }

  override async check(): Promise<Uint8Array> {
    this.checks++;
    this.isLost = false;
    return await super.check();
  }
}

Deno.test("ActiveTorrent checks files that are gone, and keeps the pieces that could not be written meanwhile", async () => {
  const { torrent, full } = await torrentOf(8);
  const store = new LosingStore(torrent);
  const [seeding, fetching] = [Session.listen({ port: 0 }), Session.listen({ port: 0 })];
  seeding.add(torrent, full, await full.check(), { trackers: [], peers: [] });
  const told: string[] = [];
  const active = fetching.add(torrent, store, Uint8Array.of(0), {
    trackers: [],
    peers: [{ host: "127.0.0.1", port: seeding.port }],
    handleDamage: (damages) => told.push(...damages.map(({ kind }) => kind)),
  });
  await active.completed;
  assertEquals(told, ["vanished"]);
  assertEquals(store.checks, 1);
  assertEquals(active.snapshot().downloadedBytes, 8 * BLOCK_BYTES);
  assertEquals(active.snapshot().pause, null);
  await Promise.all([seeding.close(), fetching.close()]);
  assertEquals(await store.check(), await full.check());
});
