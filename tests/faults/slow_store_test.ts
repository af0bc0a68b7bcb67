/** A store that takes half a second for each write, in a session that takes part in a swarm. */
import { assert, assertEquals } from "@std/assert";
import { Session } from "@enjambre/client";
import { MemoryStore, type PieceStore } from "@enjambre/storage";
import { within } from "../kit/deadline.ts";
import { ScriptedPeer } from "../kit/scripted_peer.ts";
import { makeSharedFile, type SharedFile } from "../kit/shared_file.ts";

const DELAY_MS = 500;
const LIMIT_MS = 30_000;
const TICK_MS = 2;
const PIECE_LENGTH = 256 * 1024;
const PIECES = 64;

/** Writes into memory, after half a second. */
class SlowStore extends MemoryStore implements PieceStore {
  /** Writes that have not ended. */
  writing = 0;

  override async write(
    piece: number,
    data: Uint8Array<ArrayBuffer>,
  ): Promise<"stored" | "corrupt"> {
    this.writing++;
    await new Promise((resolve) => setTimeout(resolve, DELAY_MS));
    this.writing--;
    return await super.write(piece, data);
  }
}

Deno.test(`a store that takes ${DELAY_MS} ms for each write does not hold up the network`, async () => {
  const shared = await makeSharedFile(PIECE_LENGTH * PIECES, PIECE_LENGTH);
  const { torrent } = shared;
  const full = await fullStore(shared);
  const slow = new SlowStore(torrent);
  const seeding = Session.listen({ port: 0 });
  const fetching = Session.listen({ port: 0 });
  seeding.add(torrent, full, await full.check(), { trackers: [], peers: [] });
  const lags = new Lags();
  const startMs = performance.now();
  const active = fetching.add(torrent, slow, new Uint8Array(Math.ceil(PIECES / 8)), {
    trackers: [],
    peers: [{ host: "127.0.0.1", port: seeding.port }],
    memoryBytes: PIECE_LENGTH * PIECES / 2,
  });
  // Somebody comes and is answered while pieces hang: asked again and again until all is stored.
  const answersMs: number[] = [];
  let isOver = false;
  const ended = active.completed.then(() => void (isOver = true));
  while (!isOver) {
    const wasWriting = slow.writing > 0;
    const askedMs = performance.now();
    using peer = await ScriptedPeer.dial(fetching.port, shared);
    await peer.greet();
    if (wasWriting && slow.writing > 0) answersMs.push(performance.now() - askedMs);
    await new Promise((resolve) => setTimeout(resolve, TICK_MS));
  }
  await within(LIMIT_MS, "the download", ended);
  const tookMs = performance.now() - startMs;
  const { p99Ms, maxMs } = lags.end();
  await Promise.all([seeding.close(), fetching.close()]);
  assertEquals(await slow.check(), await full.check());
  console.log(
    `  ${PIECES} pieces in ${Math.round(tookMs)} ms, two halves of them at a time; ` +
      `event loop late by ${p99Ms.toFixed(1)} ms (p99), ${maxMs.toFixed(1)} ms at most; ` +
      `${answersMs.length} handshakes answered meanwhile, within ` +
      `${Math.max(...answersMs).toFixed(1)} ms`,
  );
  assert(answersMs.length > 0, "nobody was answered while pieces were being written");
});

/** A store that has everything. */
async function fullStore({ torrent, data }: SharedFile): Promise<MemoryStore> {
  const store = new MemoryStore(torrent);
  for (let piece = 0; piece < PIECES; piece++) {
    await store.write(piece, data.slice(piece * PIECE_LENGTH, (piece + 1) * PIECE_LENGTH));
  }
  return store;
}

/** How late timers are. */
class Lags {
  readonly #lags: number[] = [];
  #lastMs = performance.now();
  readonly #timer = setInterval(() => {
    const nowMs = performance.now();
    this.#lags.push(Math.max(0, nowMs - this.#lastMs - TICK_MS));
    this.#lastMs = nowMs;
  }, TICK_MS);

  /** Ends the measuring. */
  end(): { p99Ms: number; maxMs: number } {
    clearInterval(this.#timer);
    const sorted = this.#lags.sort((a, b) => a - b);
    return { p99Ms: sorted[Math.floor(sorted.length * 0.99)] ?? 0, maxMs: sorted.at(-1) ?? 0 };
  }
}
