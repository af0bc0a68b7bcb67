import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import fc from "fast-check";
import { createHash } from "node:crypto";
import { hashPieces, type HashPiecesOptions, type PieceSource } from "./hash_pieces_deno.ts";
import { hashPiece, SUBTLE_BYTES_MAX } from "./piece_hasher_deno.ts";
import { makeTorrent, type TestTorrent } from "./store_conformance_test.ts";

/** The files of a torrent out of its bytes; file `i` ends after `lengths[i]` bytes where that is given. */
function sourceOf(
  torrent: TestTorrent,
  lengths: readonly (number | undefined)[] = [],
): PieceSource {
  return {
    readAt(fileIndex, offset, target) {
      const file = torrent.geometry.files[fileIndex]!;
      assert(!file.padding, "padding is not read");
      const length = Math.min(file.bytes, lengths[fileIndex] ?? file.bytes);
      const bytes = torrent.data.subarray(file.offset, file.offset + length).subarray(offset);
      const count = Math.min(bytes.length, target.length);
      target.fill(0xee);
      target.set(bytes.subarray(0, count));
      return Promise.resolve(count);
    },
  };
}

/** Hashes, and compares with the torrent's hashes: for each piece told of, whether it is good. */
async function verdicts(
  torrent: TestTorrent,
  source: PieceSource,
  options: Partial<HashPiecesOptions> = {},
): Promise<Map<number, boolean>> {
  const found = new Map<number, boolean>();
  await hashPieces(source, torrent.geometry, {
    ...options,
    onPiece: (piece, hash) => {
      assert(!found.has(piece), "each piece is told of once");
      const due = torrent.pieceHashes.subarray(20 * piece, 20 * piece + 20);
      found.set(piece, hash !== null && due.every((byte, i) => hash[i] === byte));
    },
  });
  return found;
}

const MIB = 1024 * 1024;

for (
  const [pieceLength, bytes] of [
    [16384, 5 * MIB + 1],
    [MIB, 7 * MIB + 12345],
    [3 * MIB, 20 * MIB],
    [8 * MIB, 17 * MIB],
    [9 * MIB, 30 * MIB + 7],
  ] as const
) {
  Deno.test(`hashPieces() hashes ${bytes} bytes in pieces of ${pieceLength}`, async () => {
    const third = Math.floor(bytes / 3);
    const torrent = makeTorrent(pieceLength, [
      { path: "t/a", bytes: third },
      { path: "t/pad", bytes: 1000, padding: true },
      { path: "t/b", bytes: bytes - third },
    ]);
    const found = await verdicts(torrent, sourceOf(torrent));
    assertEquals(found.size, torrent.geometry.pieceCount);
    assert([...found.values()].every((good) => good));
    // A last byte that is missing spoils the last piece and no other.
    const short = await verdicts(torrent, sourceOf(torrent, [, , bytes - third - 1]));
    const last = torrent.geometry.pieceCount - 1;
    assertEquals([...short].filter(([, good]) => !good), [[last, false]]);
  });
}

Deno.test("hashPieces() hashes the wanted pieces and no others, whatever the layout", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 50 }),
      fc.array(
        fc.record({
          bytes: fc.nat(120),
          padding: fc.boolean(),
          found: fc.option(fc.nat(120), { nil: undefined }),
        }),
        { minLength: 1, maxLength: 6 },
      ),
      fc.func(fc.boolean()),
      async (pieceLength, files, wants) => {
        const torrent = makeTorrent(
          pieceLength,
          files.map(({ bytes, padding }, i) => ({ path: `${i}`, bytes, padding })),
        );
        const { geometry } = torrent;
        const asked: number[] = [];
        const found = await verdicts(torrent, sourceOf(torrent, files.map((f) => f.found)), {
          wants: (piece) => {
            asked.push(piece);
            return wants(piece);
          },
        });
        assertEquals(asked, [...Array(geometry.pieceCount).keys()]);
        for (let piece = 0; piece < geometry.pieceCount; piece++) {
          let whole = true;
          const end = geometry.pieceBytes(piece);
          geometry.forEachSpan(piece, 0, end, (i, offset, _begin, bytes) => {
            const { padding, found = Infinity } = files[i]!;
            if (!padding && offset + bytes > found) whole = false;
          });
          assertEquals(found.get(piece), wants(piece) ? whole : undefined);
        }
      },
    ),
  );
});

Deno.test("hashPieces() ends with nothing in flight when reading fails", async () => {
  const torrent = makeTorrent(MIB, [{ path: "one", bytes: 20 * MIB }]);
  const source = sourceOf(torrent);
  const failure = new Error("bad sector");
  let inFlight = 0;
  const error = await assertRejects(() =>
    verdicts(torrent, {
      async readAt(file, offset, target) {
        inFlight++;
        await null;
        inFlight--;
        if (offset >= 8 * MIB) throw failure;
        return await source.readAt(file, offset, target);
      },
    })
  );
  assertStrictEquals(error, failure);
  assertEquals(inFlight, 0);
});

Deno.test("hashPieces() ends when its signal says so, in the middle of a big piece too", async () => {
  for (const pieceLength of [65536, 32 * MIB]) {
    const torrent = makeTorrent(pieceLength, [{ path: "one", bytes: 32 * MIB }]);
    const source = sourceOf(torrent);
    const controller = new AbortController();
    const reason = new Error("enough");
    let reads = 0;
    const error = await assertRejects(() =>
      verdicts(torrent, {
        readAt(file, offset, target) {
          if (++reads === 3) controller.abort(reason);
          return source.readAt(file, offset, target);
        },
      }, { signal: controller.signal })
    );
    assertStrictEquals(error, reason);
    assert(reads < 8, `${reads} reads`);
  }
});

Deno.test("hashPiece() gives the same SHA-1 on either side of its limit", async () => {
  for (const bytes of [1, SUBTLE_BYTES_MAX, SUBTLE_BYTES_MAX + 1, 2 * SUBTLE_BYTES_MAX + 77]) {
    const data = new Uint8Array(bytes).map((_, i) => i * 31);
    const due = new Uint8Array(createHash("sha1").update(data).digest());
    const { geometry } = makeTorrent(bytes, [{ path: "one", bytes }]);
    assertEquals(await hashPiece("v1", geometry, 0, data), due);
  }
});
