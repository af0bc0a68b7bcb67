/** What trackers hear of a completion, over several lives of a download. */
import { assertEquals } from "@std/assert";
import { BLOCK_BYTES, Geometry, type Torrent } from "@enjambre/metainfo";
import { COMPLETION_UNKNOWN, MemoryStore, type Totals } from "@enjambre/storage";
import { FakeTracker, noPeers } from "./_processes_test.ts";
import { Session } from "./session_deno.ts";

const NOTHING: Totals = { downloadedBytes: 0, uploadedBytes: 0, completion: COMPLETION_UNKNOWN };

/** A torrent of one block of zeros. */
async function torrentOfZeros(): Promise<Torrent> {
  const content = new Uint8Array(BLOCK_BYTES);
  const pieceHashes = new Uint8Array(await crypto.subtle.digest("SHA-1", content));
  const plain = { offset: 0, padding: false, executable: false, symlink: null };
  const geometry = new Geometry(BLOCK_BYTES, [{ path: "zeros", bytes: BLOCK_BYTES, ...plain }]);
  return { geometry, pieceHashes, swarmHash: new Uint8Array(20).fill(7) } as unknown as Torrent;
}

/** One tracker, which may be out of order, and the lives of one download. */
class Lives implements AsyncDisposable {
  isDown = false;
  totals: Totals = NOTHING;
  readonly #tracker: FakeTracker;
  readonly #torrent: Torrent;
  readonly #store: MemoryStore;
  #wake = (): void => {};

  constructor(torrent: Torrent) {
    this.#torrent = torrent;
    this.#store = new MemoryStore(torrent);
    this.#tracker = new FakeTracker(() => {
      this.#wake();
      return this.isDown ? new Response("", { status: 502 }) : noPeers();
    });
  }

  async complete(): Promise<void> {
    await this.#store.write(0, new Uint8Array(BLOCK_BYTES));
  }

  /** Takes part until the tracker has been asked, and everything is here; gives the events that it heard. */
  async live(seedPort?: number): Promise<string[]> {
    const asked = new Promise<void>((resolve) => this.#wake = resolve);
    const session = Session.listen({ port: 0 });
    const active = session.add(this.#torrent, this.#store, await this.#store.check(), {
      trackers: [[this.#tracker.url]],
      peers: seedPort === undefined ? [] : [{ host: "127.0.0.1", port: seedPort }],
      totals: this.totals,
      keepTotals: (totals) => this.totals = totals,
    });
    await Promise.all([asked, active.completed]);
    await session.close();
    return this.#tracker.events.splice(0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#tracker[Symbol.asyncDispose]();
    await this.#store.close();
  }
}

Deno.test("ActiveTorrent tells of a completion once, in a later life if it must", async () => {
  const torrent = await torrentOfZeros();
  const full = new MemoryStore(torrent);
  await full.write(0, new Uint8Array(BLOCK_BYTES));
  const seed = Session.listen({ port: 0 });
  seed.add(torrent, full, await full.check(), { trackers: [], peers: [] });
  await using lives = new Lives(torrent);
  lives.isDown = true;
  await lives.live(seed.port);
  assertEquals(lives.totals.completion, { state: "to-come", toldTo: [] });
  await lives.live();
  assertEquals(lives.totals.completion, { state: "to-come", toldTo: [] });
  lives.isDown = false;
  assertEquals(await lives.live(), ["completed", "stopped"]);
  assertEquals(lives.totals.completion, { state: "told", toldTo: [] });
  assertEquals(await lives.live(), ["started", "stopped"]);
  await Promise.all([seed.close(), full.close()]);
});

Deno.test("ActiveTorrent tells of no completion where everything was here from the beginning", async () => {
  await using lives = new Lives(await torrentOfZeros());
  await lives.complete();
  lives.isDown = true;
  await lives.live();
  lives.isDown = false;
  for (let life = 0; life < 2; life++) assertEquals(await lives.live(), ["started", "stopped"]);
});
