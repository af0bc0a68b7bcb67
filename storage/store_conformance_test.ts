/**
 * What every `PieceStore` has to do. A test file calls `testPieceStore` with a way to open its own kind.
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { Geometry, type TorrentFile } from "@enjambre/metainfo";
import fc from "fast-check";
import { createHash } from "node:crypto";
import { StorageError } from "./errors.ts";
import type { PieceStore, StoredTorrent } from "./store.ts";

/** A torrent, and all its bytes as the wire carries them. */
export interface TestTorrent extends StoredTorrent {
  readonly swarmHash: Uint8Array<ArrayBuffer>;
  readonly pieceHashes: Uint8Array;
  readonly data: Uint8Array<ArrayBuffer>;
}

/** A file of a test torrent. */
export interface TestFile {
  path: string;
  bytes: number;
  padding?: boolean;
  symlink?: string;
}

/** One kind of store, made anew for each test. */
export interface StoreKind {
  open(torrent: TestTorrent): Promise<PieceStore>;
  /** Whether a store that is opened again over the same place finds what was there. */
  readonly keeps: boolean;
  /**
   * Does something, which one `choice` says, that changes neither what is readable nor what is found
   * when the store is opened again: wants other files, moves the data… Left out by stores that cannot.
   */
  disturb?(store: PieceStore, torrent: TestTorrent, choice: number): Promise<void>;
  tearDown(): Promise<void>;
}

/** Makes a torrent whose bytes are never zero, padding apart, and tell places apart. */
export function makeTorrent(pieceLength: number, files: readonly TestFile[]): TestTorrent {
  let offset = 0;
  const laidOut: TorrentFile[] = files.map(({ path, bytes, padding = false, symlink = null }) => {
    const file = { path, bytes, offset, padding, executable: false, symlink };
    offset += bytes;
    return file;
  });
  const geometry = new Geometry(pieceLength, laidOut);
  const data = new Uint8Array(offset);
  for (let i = 0; i < offset; i++) data[i] = 1 + (Math.imul(i + 7, 2654435761) >>> 13) % 255;
  for (const file of laidOut) {
    if (file.padding) data.fill(0, file.offset, file.offset + file.bytes);
  }
  const pieceHashes = new Uint8Array(20 * geometry.pieceCount);
  for (let piece = 0; piece < geometry.pieceCount; piece++) {
    const bytes = data.subarray(piece * pieceLength, (piece + 1) * pieceLength);
    pieceHashes.set(createHash("sha1").update(bytes).digest(), 20 * piece);
  }
  const names = laidOut.map(({ path }) => path).join("\n");
  const hash = createHash("sha1").update(pieceHashes).update(names).digest();
  const swarmHash = new Uint8Array(hash);
  return { geometry, pieceHashes, data, swarmHash };
}

/** The bytes of one piece, as they should be. */
export function pieceOf(torrent: TestTorrent, piece: number): Uint8Array<ArrayBuffer> {
  const { pieceLength } = torrent.geometry;
  return torrent.data.slice(piece * pieceLength, (piece + 1) * pieceLength);
}

/** Whether a piece is nothing but padding: it needs no file, so a check may find it good without any write. */
function isPadding(torrent: TestTorrent, piece: number): boolean {
  return pieceOf(torrent, piece).every((byte) => byte === 0);
}

/** The indices of the bits that are set. */
export function piecesIn(bitfield: Uint8Array): number[] {
  const pieces = [];
  for (let i = 0; i < bitfield.length * 8; i++) {
    if ((bitfield[i >> 3]! & (0x80 >> (i & 7))) !== 0) pieces.push(i);
  }
  return pieces;
}

/** Writes pieces and expects them to be taken. */
export async function writePieces(
  store: PieceStore,
  torrent: TestTorrent,
  pieces: Iterable<number>,
): Promise<void> {
  for (const piece of pieces) {
    assertEquals(await store.write(piece, pieceOf(torrent, piece)), "stored");
  }
}

/** Writes all pieces, the last one first. */
export async function writeAll(store: PieceStore, torrent: TestTorrent): Promise<void> {
  await writePieces(store, torrent, [...Array(torrent.geometry.pieceCount).keys()].reverse());
}

/** Expects every byte of some pieces to be readable and right. */
export async function assertReadable(
  store: PieceStore,
  torrent: TestTorrent,
  pieces: Iterable<number>,
): Promise<void> {
  for (const piece of pieces) {
    const target = new Uint8Array(torrent.geometry.pieceBytes(piece)).fill(0xaa);
    await store.read(piece, 0, target);
    assertEquals(target, pieceOf(torrent, piece));
  }
}

/** Expects a `StorageError` with a code. */
export async function assertStorageError(
  act: () => Promise<unknown>,
  code: StorageError["code"],
): Promise<StorageError> {
  const error = await assertRejects(act, StorageError);
  assertEquals(error.code, code, error.message);
  return error;
}

/** Layouts that every store is tried with. */
const layouts: Record<string, { pieceLength: number; files: TestFile[] }> = {
  "one file": { pieceLength: 64, files: [{ path: "one", bytes: 256 }] },
  "one file with a short last piece": { pieceLength: 64, files: [{ path: "one", bytes: 201 }] },
  "one file shorter than a piece": { pieceLength: 1024, files: [{ path: "one", bytes: 5 }] },
  "files that begin and end in mid-piece": {
    pieceLength: 64,
    files: [
      { path: "t/a", bytes: 100 },
      { path: "t/b/c", bytes: 7 },
      { path: "t/b/d", bytes: 150 },
      { path: "t/e", bytes: 64 },
    ],
  },
  "empty files": {
    pieceLength: 64,
    files: [
      { path: "t/empty1", bytes: 0 },
      { path: "t/a", bytes: 64 },
      { path: "t/deep/empty2", bytes: 0 },
      { path: "t/b", bytes: 10 },
      { path: "t/empty3", bytes: 0 },
    ],
  },
  "only empty files": { pieceLength: 64, files: [{ path: "t/a", bytes: 0 }] },
  "padding files": {
    pieceLength: 64,
    files: [
      { path: "t/a", bytes: 70 },
      { path: "t/.pad/58", bytes: 58, padding: true },
      { path: "t/b", bytes: 100 },
      { path: "t/.pad/92", bytes: 92, padding: true },
      { path: "t/c", bytes: 3 },
    ],
  },
  "many files in one piece": {
    pieceLength: 1024,
    files: Array.from({ length: 40 }, (_, i) => ({ path: `t/${i % 4}/${i}`, bytes: 11 + i })),
  },
  "a piece of one byte": { pieceLength: 1, files: [{ path: "one", bytes: 9 }] },
};

/** Defines the tests of one kind of store; `name` is what the tests call it. */
export function testPieceStore(name: string, setUp: () => Promise<StoreKind>): void {
  const test = (what: string, run: (kind: StoreKind) => Promise<void>): void => {
    Deno.test(`${name} ${what}`, async () => {
      const kind = await setUp();
      try {
        await run(kind);
      } finally {
        await kind.tearDown();
      }
    });
  };

  for (const [layout, { pieceLength, files }] of Object.entries(layouts)) {
    test(`stores and reads back ${layout}`, async (kind) => {
      const torrent = makeTorrent(pieceLength, files);
      const all = [...Array(torrent.geometry.pieceCount).keys()];
      const store = await kind.open(torrent);
      const found = piecesIn(await store.check());
      assertEquals(found.filter((piece) => !isPadding(torrent, piece)), []);
      await writeAll(store, torrent);
      await assertReadable(store, torrent, all);
      assertEquals(piecesIn(await store.check()), all);
      await store.close();
      if (!kind.keeps) return;
      const again = await kind.open(torrent);
      assertEquals(piecesIn(await again.check()), all);
      await assertReadable(again, torrent, all);
      await again.close();
    });
  }

  testRefusals(test);
  testOverlap(test);
  testAtRandom(test);
}

type Define = (what: string, run: (kind: StoreKind) => Promise<void>) => void;

const mixed = layouts["files that begin and end in mid-piece"]!;

function testRefusals(test: Define): void {
  test("refuses a corrupt piece and keeps nothing of it", async (kind) => {
    const torrent = makeTorrent(mixed.pieceLength, mixed.files);
    const store = await kind.open(torrent);
    const corrupt = pieceOf(torrent, 1);
    corrupt[40]! ^= 1;
    assertEquals(await store.write(1, corrupt), "corrupt");
    await assertStorageError(() => store.read(1, 0, new Uint8Array(1)), "not-stored");
    assertEquals(piecesIn(await store.check()), []);
    await writePieces(store, torrent, [1]);
    assertEquals(await store.write(1, corrupt), "corrupt");
    await assertReadable(store, torrent, [1]);
    await store.close();
  });

  test("refuses indices and lengths outside the torrent", async (kind) => {
    const torrent = makeTorrent(64, [{ path: "one", bytes: 100 }]);
    const store = await kind.open(torrent);
    await writeAll(store, torrent);
    await assertRejects(() => store.write(2, new Uint8Array(64)), RangeError);
    await assertRejects(() => store.write(-1, new Uint8Array(64)), RangeError);
    await assertRejects(() => store.write(0, new Uint8Array(63)), RangeError);
    await assertRejects(() => store.write(1, new Uint8Array(64)), RangeError);
    await assertRejects(() => store.read(2, 0, new Uint8Array(1)), RangeError);
    await assertRejects(() => store.read(1, 30, new Uint8Array(7)), RangeError);
    await assertRejects(() => store.read(0, -1, new Uint8Array(1)), RangeError);
    await assertReadable(store, torrent, [0, 1]);
    await store.close();
  });

  test("reads no piece that is not known to be good", async (kind) => {
    const torrent = makeTorrent(64, [{ path: "one", bytes: 100 }]);
    const store = await kind.open(torrent);
    await writePieces(store, torrent, [1]);
    await assertStorageError(() => store.read(0, 0, new Uint8Array(64)), "not-stored");
    await store.close();
  });

  test("refuses every call after close, and closes twice", async (kind) => {
    const torrent = makeTorrent(64, [{ path: "one", bytes: 100 }]);
    const store = await kind.open(torrent);
    await writeAll(store, torrent);
    await store.close();
    await store.close();
    await assertStorageError(() => store.write(0, pieceOf(torrent, 0)), "closed");
    await assertStorageError(() => store.read(0, 0, new Uint8Array(1)), "closed");
    await assertStorageError(() => store.check(), "closed");
  });
}

function testOverlap(test: Define): void {
  test("takes writes and reads that overlap", async (kind) => {
    const torrent = makeTorrent(64, [
      { path: "t/a", bytes: 1000 },
      { path: "t/b", bytes: 50 },
      { path: "t/c", bytes: 3000 },
    ]);
    const { pieceCount } = torrent.geometry;
    const store = await kind.open(torrent);
    await Promise.all(Array.from({ length: pieceCount }, async (_, i) => {
      const piece = (i * 29) % pieceCount;
      // Each piece twice at once, as at the end of a download; then read while others are written.
      assertEquals(
        await Promise.all([
          store.write(piece, pieceOf(torrent, piece)),
          store.write(piece, pieceOf(torrent, piece)),
        ]),
        ["stored", "stored"],
      );
      await Promise.all([
        assertReadable(store, torrent, [piece]),
        assertReadable(store, torrent, [piece]),
      ]);
    }));
    assertEquals(piecesIn(await store.check()).length, pieceCount);
    await store.close();
  });

  test("finishes writes under way when it is closed", async (kind) => {
    const torrent = makeTorrent(mixed.pieceLength, mixed.files);
    const store = await kind.open(torrent);
    const results: string[] = [];
    for (let piece = 0; piece < 6; piece++) {
      store.write(piece, pieceOf(torrent, piece)).then((result) => results.push(result));
    }
    await store.close();
    assertEquals(results, Array(6).fill("stored"));
    if (!kind.keeps) return;
    const again = await kind.open(torrent);
    assertEquals(piecesIn(await again.check()), [0, 1, 2, 3, 4, 5]);
    await again.close();
  });

  test("tells each verdict of a check once, and keeps what is written meanwhile", async (kind) => {
    const torrent = makeTorrent(mixed.pieceLength, mixed.files);
    const store = await kind.open(torrent);
    await writePieces(store, torrent, [0, 4]);
    const verdicts = new Map<number, boolean>();
    const check = store.check({
      onPiece: (piece, good) => {
        assert(!verdicts.has(piece));
        verdicts.set(piece, good);
      },
    });
    const writes = writePieces(store, torrent, [2, 3]);
    const bitfield = await check;
    await writes;
    assertEquals(verdicts.size, torrent.geometry.pieceCount);
    assertEquals([verdicts.get(0), verdicts.get(1), verdicts.get(4)], [true, false, true]);
    assert(piecesIn(bitfield).includes(0) && piecesIn(bitfield).includes(4));
    await assertReadable(store, torrent, [0, 2, 3, 4]);
    await store.close();
  });

  test("ends a check when its signal says so, and goes on being a store", async (kind) => {
    const torrent = makeTorrent(mixed.pieceLength, mixed.files);
    const store = await kind.open(torrent);
    await writeAll(store, torrent);
    const reason = new Error("enough");
    assertEquals(
      await assertRejects(() => store.check({ signal: AbortSignal.abort(reason) })),
      reason,
    );
    const controller = new AbortController();
    const late = store.check({
      signal: controller.signal,
      onPiece: () => controller.abort(reason),
    });
    // One piece may be the last of what is in flight, so either end is right; a hang is not.
    await late.catch((error) => assertEquals(error, reason));
    assertEquals(piecesIn(await store.check()).length, torrent.geometry.pieceCount);
    await store.close();
  });
}

const someFiles = fc.array(
  fc.record({
    bytes: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 90 })),
    padding: fc.boolean(),
    folder: fc.integer({ min: 0, max: 2 }),
  }),
  { minLength: 1, maxLength: 7 },
);

const someSteps = fc.array(
  fc.record({
    act: fc.constantFrom(
      "write",
      "write",
      "write",
      "corrupt",
      "read",
      "check",
      "reopen",
      "disturb",
      "disturb",
      "together",
      "together",
    ),
    where: fc.nat(),
    from: fc.nat(),
    length: fc.nat(),
  }),
  { minLength: 10, maxLength: 40, size: "max" },
);

function testAtRandom(test: Define): void {
  test("agrees with a plain array, whatever is done in whatever order", async (kind) => {
    let torrents = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 70 }),
        someFiles,
        someSteps,
        async (pieceLength, files, steps) => {
          const root = `t${torrents++}`;
          const torrent = makeTorrent(
            pieceLength,
            files.map(({ folder, ...file }, i) => ({
              ...file,
              path: `${root}/${"sub/".repeat(folder)}${i}`,
            })),
          );
          await takeSteps(kind, torrent, steps);
        },
      ),
      { numRuns: 100 },
    );
  });
}

type Step = { act: string; where: number; from: number; length: number };

async function takeSteps(kind: StoreKind, torrent: TestTorrent, steps: Step[]): Promise<void> {
  const { geometry } = torrent;
  const good = new Set<number>();
  const expected = (): number[] => [...good].sort((a, b) => a - b);
  let store = await kind.open(torrent);
  for (const { act, where, from, length } of geometry.pieceCount === 0 ? [] : steps) {
    const piece = where % geometry.pieceCount;
    const bytes = geometry.pieceBytes(piece);
    if (act === "write") {
      await writePieces(store, torrent, [piece]);
      good.add(piece);
    } else if (act === "corrupt") {
      const data = pieceOf(torrent, piece);
      data[from % bytes]! ^= 0xff;
      assertEquals(await store.write(piece, data), "corrupt");
    } else if (act === "read" && good.has(piece)) {
      const begin = from % bytes;
      const target = new Uint8Array(1 + length % (bytes - begin));
      await store.read(piece, begin, target);
      assertEquals(target, pieceOf(torrent, piece).slice(begin, begin + target.length));
    } else if (act === "check" || (act === "reopen" && kind.keeps)) {
      if (act === "reopen") {
        await store.close();
        store = await kind.open(torrent);
      }
      const found = piecesIn(await store.check());
      assertEquals(found.filter((i) => good.has(i) || !isPadding(torrent, i)), expected());
    } else if (act === "disturb") {
      await kind.disturb?.(store, torrent, from);
    } else if (act === "together") {
      const pieces = [piece, length % geometry.pieceCount];
      const writes = pieces.map((each) => writePieces(store, torrent, [each]));
      await Promise.all([...writes, kind.disturb?.(store, torrent, from)]);
      for (const each of pieces) good.add(each);
    }
  }
  await assertReadable(store, torrent, good);
  await store.close();
}
