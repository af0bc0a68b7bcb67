import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { believe, type Found, updateStamps } from "./belief.ts";
import { type FilePlace, type FileStamp, NO_FILE } from "./file_stamp.ts";
import { makeTorrent, piecesIn } from "./store_conformance_test.ts";

/** Pieces: 0 in a, 1 in a and b, 2 in b, 3 in b and c; `empty` is in none, the padding in 3 too. */
const { geometry } = makeTorrent(64, [
  { path: "t/a", bytes: 100 },
  { path: "t/empty", bytes: 0 },
  { path: "t/b", bytes: 100 },
  { path: "t/c", bytes: 6 },
  { path: "t/.pad/50", bytes: 50, padding: true },
]);
const [A, EMPTY, B, C] = [0, 1, 2, 3];

const final = (bytes: number, modifiedMs = 5): FileStamp => ({
  place: "final",
  bytes,
  modifiedMs,
  inode: 1,
});
const part = (bytes: number, modifiedMs = 5): FileStamp => ({
  ...final(bytes, modifiedMs),
  place: "part",
});

/** As it was left: all there, pieces 0, 1 and 3 good. */
const stamps = [final(100), final(0), part(100), final(6), NO_FILE];
const resume: Parameters<typeof believe>[1] = {
  device: 10,
  good: new Uint8Array([0b1101_0000]),
  stamps,
};

/** The files as they were left, but for some. */
function found(changes: Record<number, FileStamp> = {}, device: number | null = 10): Found {
  return { device, stamps: stamps.map((stamp, file) => changes[file] ?? stamp) };
}

/** The indices of what is believed. */
function believed(now: Found, hasEndedWell = true, from = resume): unknown {
  const belief = believe(geometry, from, now, hasEndedWell);
  if (typeof belief === "string") return belief;
  return { good: piecesIn(belief.good), missing: piecesIn(belief.missing) };
}

Deno.test("believe() believes all that the files agree with", () => {
  assertEquals(believed(found()), { good: [0, 1, 3], missing: [2] });
});

Deno.test("believe() verifies what was not good, after a crash", () => {
  assertEquals(believed(found(), false), { good: [0, 1, 3], missing: [] });
});

Deno.test("believe() believes no piece of a file that changed", () => {
  const changes: [number, FileStamp, number[]][] = [
    [A, final(100, 6), [3]],
    [A, final(99), [3]],
    [A, part(100), [3]],
    [A, NO_FILE, [3]],
    [B, part(100, 6), [0]],
    [C, final(7), [0, 1]],
    [EMPTY, NO_FILE, [0, 1, 3]],
  ];
  for (const [file, stamp, good] of changes) {
    const missing = file === B ? [] : [2];
    assertEquals(believed(found({ [file]: stamp })), { good, missing }, `file ${file}`);
  }
});

Deno.test("believe() pays no heed to an inode that is another", () => {
  assertEquals(believed(found({ [A]: { ...final(100), inode: 2 } })), {
    good: [0, 1, 3],
    missing: [2],
  });
});

Deno.test("believe() believes no good piece without a file, whatever the data say", () => {
  const from = { ...resume, stamps: stamps.map((stamp, i) => i === C ? NO_FILE : stamp) };
  assertEquals(believed(found({ [C]: NO_FILE }), true, from), { good: [0, 1], missing: [2] });
});

Deno.test("believe() tells a missing volume from deleted files", () => {
  const gone = { [A]: NO_FILE, [EMPTY]: NO_FILE, [B]: NO_FILE, [C]: NO_FILE };
  assertEquals(believed(found(gone, 11)), "volume-missing");
  // Of somebody's files on the mount point, none is as ours were.
  assertEquals(believed(found({ ...gone, [A]: final(100, 9) }, 11)), "volume-missing");
  assertEquals(believed(found(gone, 10)), { good: [], missing: [] });
  assertEquals(believed(found(gone, null)), "volume-missing");
  const unknown = { ...resume, device: null };
  assertEquals(believed(found(gone, 11), true, unknown), { good: [], missing: [] });
});

Deno.test("believe() believes files on a volume that has another number now", () => {
  assertEquals(believed(found({}, 11)), { good: [0, 1, 3], missing: [2] });
  assertEquals(believed(found({ [A]: NO_FILE }, 11)), { good: [3], missing: [2] });
});

Deno.test("believe() misses no volume where nothing was", () => {
  const from = { ...resume, good: new Uint8Array(1), stamps: stamps.map(() => NO_FILE) };
  const nothing = { device: 11, stamps: from.stamps };
  assertEquals(believed(nothing, true, from), { good: [], missing: [0, 1, 2, 3] });
});

const someStamp = fc.record({
  place: fc.constantFrom<FilePlace>("none", "part", "final"),
  bytes: fc.nat({ max: 2 }),
  modifiedMs: fc.nat({ max: 2 }),
  inode: fc.constant<number | null>(null),
});
const someStamps = fc.array(someStamp, { minLength: 5, maxLength: 5 });

Deno.test("believe() believes a piece only where each of its files is there and as it was", () => {
  fc.assert(
    fc.property(
      someStamps,
      someStamps,
      fc.integer({ min: 0, max: 15 }),
      fc.boolean(),
      (known, now, bits, hasEndedWell) => {
        known[4] = now[4] = NO_FILE;
        const good = new Uint8Array([bits << 4]);
        const from = { device: 1, good, stamps: known };
        const belief = believe(geometry, from, { device: 1, stamps: now }, hasEndedWell);
        assert(belief !== "volume-missing");
        for (let piece = 0; piece < geometry.pieceCount; piece++) {
          let allAgree = true;
          let allThere = true;
          geometry.forEachSpan(piece, 0, geometry.pieceBytes(piece), (file) => {
            const [before, after] = [known[file]!, now[file]!];
            allAgree &&= before.place === after.place && before.bytes === after.bytes &&
              before.modifiedMs === after.modifiedMs;
            allThere &&= geometry.files[file]!.padding || before.place !== "none";
          });
          const wasGood = piecesIn(good).includes(piece);
          assertEquals(piecesIn(belief.good).includes(piece), wasGood && allAgree && allThere);
          assertEquals(
            piecesIn(belief.missing).includes(piece),
            !wasGood && allAgree && hasEndedWell,
          );
        }
      },
    ),
  );
});

Deno.test("updateStamps() takes over what we wrote or finished, and nothing that others changed", () => {
  const known = [part(50, 1), part(50, 1), final(50, 1), NO_FILE, part(50, 1)];
  const now = [part(60, 2), part(60, 2), final(50, 2), final(6, 2), final(50, 1)];
  const times = updateStamps(known, now, new Set([0, 3])).map(({ place, modifiedMs }) => [
    place,
    modifiedMs,
  ]);
  assertEquals(times, [["part", 2], ["part", 1], ["final", 1], ["final", 2], ["final", 1]]);
});
