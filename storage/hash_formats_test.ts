/** The hashes of v2 and hybrid torrents, on this thread and as worker threads make them, against the hash trees of metainfo. */
import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { Geometry, rootOfPiece, type TorrentFile } from "@enjambre/metainfo";
import fc from "fast-check";
import { createHash } from "node:crypto";
import { closeSync, openSync, readSync } from "node:fs";
import { hashPieces, type PieceSource } from "./hash_pieces_deno.ts";
import {
  type HashAnswer,
  type HashJob,
  servePieceJobs,
  type WorkerAnswer,
} from "./piece_worker_deno.ts";
import { HASH_BYTES, type HashFormat, treeOfPiece } from "./piece_hashes.ts";
import { beginPiece } from "./piece_hasher_deno.ts";
import { folderTest } from "./test_folder_test.ts";

const MIB = 1024 * 1024;
/** How long a program may take that hashes for less than a second; one that never ends has to fail. */
const PROGRAM_LIMIT_MS = 60_000;
/** Says what `@enjambre/metainfo` is. */
const CONFIG = decodeURIComponent(new URL("../deno.json", import.meta.url).pathname);

/** Lays files at piece boundaries, as BEP 52 has them. */
function alignedGeometry(pieceLength: number, sizes: readonly number[]): Geometry {
  const files: TorrentFile[] = [];
  let offset = 0;
  const add = (path: string, bytes: number, padding: boolean): void => {
    files.push({ path, bytes, offset, padding, executable: false, symlink: null });
    offset += bytes;
  };
  sizes.forEach((bytes, i) => {
    add(`t/${i}`, bytes, false);
    const gap = (pieceLength - bytes % pieceLength) % pieceLength;
    if (gap > 0) add(`t/.pad/${gap}`, gap, true);
  });
  return new Geometry(pieceLength, files);
}

/** The bytes that the wire carries: padding is zero, nothing else is. */
function contentOf({ files, totalBytes }: Geometry): Uint8Array<ArrayBuffer> {
  const data = new Uint8Array(totalBytes);
  for (let i = 0; i < totalBytes; i++) data[i] = 1 + (Math.imul(i + 3, 2654435761) >>> 13) % 255;
  for (const file of files) {
    if (file.padding) data.fill(0, file.offset, file.offset + file.bytes);
  }
  return data;
}

function sourceOf({ files }: Geometry, data: Uint8Array): PieceSource {
  return {
    readAt(file, offset, target) {
      assert(!files[file]!.padding, "padding is not read");
      const start = files[file]!.offset + offset;
      target.set(data.subarray(start, start + target.length));
      return Promise.resolve(target.length);
    },
  };
}

/** The hash that a piece should have, by other code. */
async function hashOf(
  format: HashFormat,
  geometry: Geometry,
  piece: number,
  data: Uint8Array,
): Promise<number[]> {
  const start = piece * geometry.pieceLength;
  const bytes = data.subarray(start, start + geometry.pieceBytes(piece));
  const v1 = format === "v2" ? [] : [...createHash("sha1").update(bytes).digest()];
  if (format === "v1") return v1;
  const { contentBytes, leafCount } = treeOfPiece(geometry, piece);
  return [...v1, ...await rootOfPiece(bytes.subarray(0, contentBytes), leafCount)];
}

Deno.test("treeOfPiece() gives small files trees of their own size, and padding no place in any", () => {
  const geometry = alignedGeometry(65536, [1, 16384, 16385, 40000, 65536, 65537, 0, 200_000]);
  const trees = Array.from({ length: geometry.pieceCount }, (_, i) => treeOfPiece(geometry, i));
  assertEquals(trees.map((tree) => [tree.contentBytes, tree.leafCount]), [
    [1, 1],
    [16384, 1],
    [16385, 2],
    [40000, 4],
    [65536, 4],
    [65536, 4],
    [1, 4],
    [65536, 4],
    [65536, 4],
    [65536, 4],
    [3392, 4],
  ]);
});

for (const format of ["v2", "hybrid"] as const) {
  for (const pieceLength of [16384, 65536, 4 * MIB]) {
    Deno.test(`hashPieces() hashes ${format} pieces of ${pieceLength} bytes`, async () => {
      const geometry = alignedGeometry(pieceLength, [5 * MIB + 1, 0, 5, 70_000, 16384]);
      const data = contentOf(geometry);
      const found = new Map<number, number[]>();
      await hashPieces(sourceOf(geometry, data), geometry, {
        format,
        onPiece: (piece, hash) => void found.set(piece, [...hash!]),
      });
      assertEquals(found.size, geometry.pieceCount);
      for (const [piece, hash] of found) {
        assertEquals(hash, await hashOf(format, geometry, piece, data));
      }
    });
  }
}

Deno.test("beginPiece() gives the same hash however the bytes are cut", async () => {
  const geometry = alignedGeometry(65536, [50_000]);
  const data = contentOf(geometry);
  const due = await hashOf("hybrid", geometry, 0, data);
  fc.assert(
    fc.property(fc.array(fc.nat(data.length), { maxLength: 6 }), (cuts) => {
      const hasher = beginPiece("hybrid", treeOfPiece(geometry, 0));
      const places = [0, ...cuts.sort((a, b) => a - b), data.length];
      places.forEach((at, i) => hasher.update(data.subarray(at, places[i + 1] ?? at)));
      assertEquals([...hasher.digest()], due);
    }),
  );
});

/** What a worker thread would answer, on this thread. */
function answerTo(job: HashJob): HashAnswer {
  const answers: WorkerAnswer[] = [];
  const scope: Parameters<typeof servePieceJobs>[1] = {
    onmessage: null,
    postMessage: (answer) => void answers.push(answer),
    close: () => {},
  };
  servePieceJobs(beginPiece, scope);
  assertEquals(answers, ["ready"]);
  scope.onmessage!({ data: job });
  assertEquals(answers.length, 2);
  return answers[1] as HashAnswer;
}

folderTest(
  "a worker thread hashes what lies in several files, padding between them",
  async (root) => {
    await Deno.mkdir(root);
    for (const format of ["v1", "v2", "hybrid"] as const) {
      const pieceLength = 32768;
      const geometry = alignedGeometry(pieceLength, [700_000, 5, 40_000]);
      const data = contentOf(geometry);
      await Deno.writeFile(`${root}/all`, data);
      const stretches = geometry.files.map(({ offset, bytes, padding }) => ({
        path: padding ? null : `${root}/all`,
        offset,
        bytes,
      }));
      const pieces = Array.from({ length: geometry.pieceCount }, (_, i) => i);
      const trees = format === "v1" ? [] : pieces.map((piece) => treeOfPiece(geometry, piece));
      const job: HashJob = { format, pieceLength, bytes: data.length, stretches, trees };
      const due = await Promise.all(pieces.map((piece) => hashOf(format, geometry, piece, data)));
      assertEquals([...answerTo(job) as Uint8Array], due.flat());

      await Deno.truncate(`${root}/all`, geometry.files.at(-2)!.offset + 39_999);
      assertEquals(answerTo(job), null);
      const gone = { path: `${root}/gone`, offset: 0, bytes: data.length };
      assertEquals(answerTo({ ...job, stretches: [gone] }), null);
    }
  },
);

/** More than is worth worker threads, with a last piece that is short. */
const BIG_BYTES = 200 * MIB + 12_345;

/** Makes a big file, nearly all of it a hole, and calls `run` with a source that reads it on this thread. */
async function withBigFile(
  path: string,
  run: (source: PieceSource, reads: { count: number }) => Promise<void>,
): Promise<void> {
  const file = await Deno.open(path, { create: true, write: true });
  await file.truncate(BIG_BYTES);
  for (let at = 0; at < BIG_BYTES; at += 7 * MIB) {
    await file.seek(at, Deno.SeekMode.Start);
    await file.write(new Uint8Array([1, 2, at / MIB]));
  }
  file.close();
  const reads = { count: 0 };
  const descriptor = openSync(path, "r");
  try {
    await run({
      readAt: (_, offset, target) => {
        reads.count++;
        return Promise.resolve(readSync(descriptor, target, 0, target.length, offset));
      },
    }, reads);
  } finally {
    closeSync(descriptor);
  }
}

async function allHashes(
  geometry: Geometry,
  source: PieceSource,
  format: HashFormat,
): Promise<Uint8Array> {
  const hashBytes = HASH_BYTES[format];
  const all = new Uint8Array(geometry.pieceCount * hashBytes);
  const told = new Set<number>();
  await hashPieces(source, geometry, {
    format,
    onPiece: (piece, hash) => {
      assert(!told.has(piece), "each piece is told of once");
      told.add(piece);
      all.set(hash!, piece * hashBytes);
    },
  });
  assertEquals(told.size, geometry.pieceCount);
  return all;
}

folderTest("hashPieces() finds the same by worker threads as without", async (root) => {
  await Deno.mkdir(root);
  await withBigFile(`${root}/big`, async (source, reads) => {
    for (const [format, pieceLength] of [["v1", 65536], ["v1", 16 * MIB], ["v2", MIB]] as const) {
      const geometry = alignedGeometry(pieceLength, [BIG_BYTES]);
      const due = await allHashes(geometry, source, format);
      reads.count = 0;
      const onThreads = { ...source, pathOf: () => `${root}/big` };
      assertEquals(await allHashes(geometry, onThreads, format), due);
      // Where they are not there, or something else is, the source itself is read.
      for (const pathOf of [() => `${root}/gone`, () => root, () => null]) {
        assertEquals(await allHashes(geometry, { ...source, pathOf }, format), due);
      }
    }
  });
});

folderTest(
  "hashPieces() reads hardly anything on this thread once worker threads do",
  async (root) => {
    await Deno.mkdir(root);
    await withBigFile(`${root}/big`, async (source) => {
      const geometry = alignedGeometry(MIB, [BIG_BYTES]);
      let paths = 0;
      const reads = { here: 0 };
      // Here reading waits until worker threads had nearly all, however long they take to start.
      const { promise: haveBegun, resolve: begin } = Promise.withResolvers<void>();
      await allHashes(geometry, {
        async readAt(file, offset, target) {
          if (++reads.here > 6) await haveBegun;
          return await source.readAt(file, offset, target);
        },
        pathOf: () => {
          if (++paths === 40) begin();
          return `${root}/big`;
        },
      }, "v1");
      assert(reads.here < 50, `${reads.here} reads on this thread`);
    });
  },
);

folderTest(
  "hashPieces() ends worker threads when its signal says so, and when onPiece throws",
  async (root) => {
    await Deno.mkdir(root);
    await withBigFile(`${root}/big`, async (source) => {
      const geometry = alignedGeometry(MIB, [BIG_BYTES]);
      const reason = new Error("enough");
      for (const how of ["signal", "throw"]) {
        const controller = new AbortController();
        let paths = 0;
        const onThreads = { ...source, pathOf: () => (paths++, `${root}/big`) };
        const error = await assertRejects(() =>
          hashPieces(onThreads, geometry, {
            signal: controller.signal,
            onPiece: (piece) => {
              if (piece < 100) return;
              if (how === "throw") throw reason;
              controller.abort(reason);
            },
          })
        );
        assertStrictEquals(error, reason);
      }
    });
  },
);

Deno.test("two checks at once share their worker threads, and the program ends after them", async () => {
  const root = await Deno.makeTempDir();
  try {
    await withBigFile(`${root}/big`, async () => {
      const program = `
        import { hashScan, scanPath } from "${new URL("./create_deno.ts", import.meta.url)}";
        const scan = await scanPath(Deno.args[0]);
        const found = await Promise.all([hashScan(scan, 65536), hashScan(scan, 65536)]);
        const [a, b] = found.map(({ pieceHashes }) => pieceHashes.toHex());
        console.log(a === b, a.length);
        const controller = new AbortController();
        let pieces = 0;
        const onPiece = () => ++pieces === 2000 && controller.abort("enough");
        await hashScan(scan, 65536, { onPiece, signal: controller.signal }).catch(console.log);
      `;
      await Deno.writeTextFile(`${root}/program.js`, program);
      // Permission to read the file is enough.
      const { code, stdout } = await new Deno.Command(Deno.execPath(), {
        args: [
          ...["run", "--no-prompt", "--config", CONFIG, `--allow-read=${root}`],
          ...[`${root}/program.js`, `${root}/big`],
        ],
        signal: AbortSignal.timeout(PROGRAM_LIMIT_MS),
      }).output();
      assertEquals([code, new TextDecoder().decode(stdout)], [0, "true 128040\nenough\n"]);
    });
  } finally {
    await Deno.remove(root, { recursive: true });
  }
});
