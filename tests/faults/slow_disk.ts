/**
 * Stores pieces, and measures how late the event loop is meanwhile.
 *
 * `deno run -A tests/faults/slow_disk.ts FOLDER PIECES`
 *
 * Says in JSON lines how long it took and how late timers were (`done`).
 */
import { Geometry } from "@enjambre/metainfo";
import { openDiskStore } from "@enjambre/storage";
import { pseudoRandomBytes } from "../kit/content.ts";

const PIECE_LENGTH = 1024 * 1024;
const TICK_MS = 5;
/** Files that are written at the same time. */
const FILES = 4;

if (import.meta.main) {
  const [folder, pieceCount] = [Deno.args[0]!, Number(Deno.args[1])];
  const bytes = PIECE_LENGTH * pieceCount / FILES;
  const plain = { padding: false, executable: false, symlink: null };
  const geometry = new Geometry(
    PIECE_LENGTH,
    Array.from(
      { length: FILES },
      (_, i) => ({ path: `t/${i}`, bytes, offset: i * bytes, ...plain }),
    ),
  );
  const data = pseudoRandomBytes(PIECE_LENGTH, 1);
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-1", data));
  const pieceHashes = new Uint8Array(20 * pieceCount);
  for (let piece = 0; piece < pieceCount; piece++) pieceHashes.set(hash, 20 * piece);
  const store = await openDiskStore(
    { geometry, pieceHashes, swarmHash: new Uint8Array(20) },
    folder,
  );

  const lags: number[] = [];
  const startMs = performance.now();
  let lastMs = startMs;
  const timer = setInterval(() => {
    const nowMs = performance.now();
    lags.push(Math.max(0, nowMs - lastMs - TICK_MS));
    lastMs = nowMs;
  }, TICK_MS);
  const writes = Array.from({ length: pieceCount }, (_, piece) => store.write(piece, data));
  await Promise.all(writes);
  clearInterval(timer);
  const tookMs = performance.now() - startMs;
  await store.close();
  lags.sort((a, b) => a - b);
  const p99LagMs = lags[Math.floor(lags.length * 0.99)];
  console.log(JSON.stringify({ event: "done", tookMs, p99LagMs, maxLagMs: lags.at(-1) }));
}
