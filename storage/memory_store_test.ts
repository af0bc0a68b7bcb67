import { assertEquals, assertThrows } from "@std/assert";
import { MemoryStore } from "./memory_store.ts";
import { makeTorrent, pieceOf, testPieceStore } from "./store_conformance_test.ts";

testPieceStore("MemoryStore", () =>
  Promise.resolve({
    open: (torrent) => Promise.resolve(new MemoryStore(torrent)),
    keeps: false,
    tearDown: () => Promise.resolve(),
  }));

Deno.test("MemoryStore keeps a copy: the caller's buffer may change after write()", async () => {
  const torrent = makeTorrent(16, [{ path: "one", bytes: 16 }]);
  const store = new MemoryStore(torrent);
  const data = pieceOf(torrent, 0);
  await store.write(0, data);
  data.fill(0);
  const target = new Uint8Array(16);
  await store.read(0, 0, target);
  assertEquals(target, torrent.data);
  await store.close();
});

Deno.test("MemoryStore refuses a torrent whose hashes are missing or too few", () => {
  const torrent = makeTorrent(16, [{ path: "one", bytes: 40 }]);
  assertThrows(
    () => new MemoryStore({ ...torrent, pieceHashes: null }),
    TypeError,
    "neither v1 hashes",
  );
  const short = torrent.pieceHashes.subarray(0, 59);
  assertThrows(
    () => new MemoryStore({ ...torrent, pieceHashes: short }),
    RangeError,
    "59 bytes, 60 bytes",
  );
});
