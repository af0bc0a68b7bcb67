/**
 * What the tests of other projects say of picking (behaviours.json, area "picker"): kept as tests here, or with
 * the reason why we differ or where it is tested.
 */
import { assert, assertEquals } from "@std/assert";
import { BLOCK_BYTES, Geometry } from "@enjambre/metainfo";
import { type BegunPiece, Bitfield, Picker, RequestTable } from "@enjambre/peerwire";
import { randomOf } from "../kit/virtual_clock.ts";
import { readCases, type VectorCase, vectorTest } from "./testdata.ts";

const PIECES = 7;
const BLOCKS = 4;

/** What we do otherwise, and what others of our tests show. */
const ELSEWHERE: Record<string, string> = {
  "pp-reverse-rarest-first": "differs: there is no mode in which the most common comes first",
  "pp-reverse-sequential-download": "differs: sequential order goes upwards only",
  "pp-downloading-piece-priority": "the downloader's: begun pieces come first (downloader_test.ts)",
  "pp-partial-piece-order-rarest-first":
    "differs: of begun pieces, the one goes on that came first to have a missing block; all are few",
  "pp-partial-piece-order-sequential":
    "differs: of begun pieces, the one goes on that came first to have a missing block",
  "pp-prefer-aligned-whole-pieces": "differs: pieces are picked one by one",
  "pp-parole-mode": "differs: who sent which bad block is remembered, so nobody is under suspicion",
  "pp-suggested-pieces": "differs: a suggestion is a hint that we do not follow (BEP 6 allows it)",
  "pp-write-failed": "differs: the piece may be begun again at once, it is not locked",
  "pp-set-pad-bytes":
    "differs: padding is fetched like anything else, as peers without BEP 47 have it",
  "pp-mark-as-pad-pick-full-piece":
    "piecePriorities() gives such a piece 0 (priorities_test.ts); without file priorities it is fetched",
  "pp-mark-as-pad-pick-less-than-one-block": "padding is fetched like anything else",
  "wl-doesNotRequestTooManyBlocks": "the downloader's: pipelines are bounded (downloader_test.ts)",
  "wl-prefersNearlyCompletePieces":
    "differs: of begun pieces, the one goes on that came first to have a missing block",
  "wl-sentCancelResetsBlocks":
    "differs: a request is cancelled only when its block is here, so nothing opens",
  "wl-unalignedTorrent":
    "differs: a block never spans two pieces, the last of a piece is shorter (geometry_test.ts)",
  "wl-unalignedTorrentGotBadPiece": "differs: a block never spans two pieces",
};

/** A torrent drawn as the availability of each piece. */
function pickerOf(drawing: string, seed = 1, randomFirstPieces = 0): Picker {
  const picker = new Picker({
    pieceCount: drawing.length,
    random: randomOf(seed),
    randomFirstPieces,
  });
  [...drawing].forEach((digit, piece) => {
    for (let i = 0; i < Number(digit); i++) picker.addHave(piece);
  });
  return picker;
}

/** A peer that has these pieces, all where none are named. */
function peerOf(pieceCount: number, pieces: readonly number[] = [...Array(pieceCount).keys()]) {
  const has = new Bitfield(pieceCount);
  for (const piece of pieces) has.set(piece);
  return has;
}

/** Begins the pieces that a peer has in the order in which they are picked. */
function drain(picker: Picker, has: Bitfield): number[] {
  const order: number[] = [];
  for (let piece = picker.pick(has); piece !== -1; piece = picker.pick(has)) {
    picker.begin(piece);
    order.push(piece);
  }
  return order;
}

/** What `availabilityOf` says of each piece. */
function availabilityOf(picker: Picker): number[] {
  return [...Array(PIECES).keys()].map((piece) => picker.availabilityOf(piece));
}

/** A request table and one begun piece of four blocks. */
function tableOf(): { table: RequestTable; begun: BegunPiece } {
  const pieceLength = BLOCKS * BLOCK_BYTES;
  const file = { path: "a", bytes: PIECES * pieceLength, offset: 0, padding: false };
  const geometry = new Geometry(pieceLength, [{ ...file, executable: false, symlink: null }]);
  const table = new RequestTable(geometry, { cancel() {}, recovered() {} });
  return { table, begun: table.begin(2, new Uint8Array(pieceLength)) };
}

const checks: Record<string, (test: VectorCase) => void> = {
  "pp-random-pick-at-same-priority"({ setup }) {
    const picked = new Set<number>();
    for (let seed = 1; seed <= 100; seed++) {
      picked.add(pickerOf(setup.availability, seed * 7919).pick(peerOf(PIECES)));
    }
    assertEquals([...picked].sort(), [0, 1, 2, 3, 4, 5]);
  },
  "pp-random-pick"() {
    const picked = new Set<number>();
    for (let seed = 1; seed <= 100; seed++) {
      picked.add(pickerOf("1234567", seed * 7919, 1).pick(peerOf(PIECES)));
    }
    assertEquals(picked.size, PIECES);
  },
  "pp-dec-refcount-split-seed"() {
    const picker = pickerOf("0000000");
    picker.addSeed();
    // There is no message that withdraws a piece; the peer says anew what it has.
    picker.removeSeed();
    picker.addBitfield(peerOf(PIECES, [0, 1, 2, 4, 5, 6]));
    assertEquals(availabilityOf(picker), [1, 1, 1, 0, 1, 1, 1]);
  },
  "pp-seed-optimization"() {
    const picker = pickerOf("1020304");
    const partial = peerOf(PIECES, [1, 2]);
    for (let i = 0; i < 3; i++) {
      picker.addSeed();
      assertEquals(availabilityOf(picker), [2, 1, 3, 1, 4, 1, 5]);
      picker.removeSeed();
      picker.addBitfield(partial);
      assertEquals(availabilityOf(picker), [1, 1, 3, 0, 3, 0, 4]);
      picker.removeBitfield(partial);
    }
  },
  "pp-have-all-have-none"() {
    const picker = pickerOf("1233333");
    picker.addSeed();
    picker.addHave(0);
    assertEquals(availabilityOf(picker), [3, 3, 4, 4, 4, 4, 4]);
    picker.removeSeed();
    assertEquals(availabilityOf(picker), [2, 2, 3, 3, 3, 3, 3]);
  },
  "pp-inc-ref-dec-ref"({ setup }) {
    const picker = pickerOf(setup.availability);
    for (const piece of setup.have) picker.begin(piece);
    assertEquals(picker.pick(peerOf(PIECES)), 0);
    picker.removeBitfield(peerOf(PIECES, [0]));
    assertEquals(picker.pick(peerOf(PIECES, [1, 2, 3, 4, 5, 6])), 1);
  },
  "pp-sequential-range-download"({ setup, expect_order }) {
    const picker = pickerOf(setup.availability);
    picker.isSequential = true;
    // There are no ranges: what is wanted first is said by priorities, here also that 6 comes before 0.
    const [first, last] = setup.range;
    for (let piece = first; piece <= last; piece++) picker.setPriority(piece, 3);
    picker.setPriority(0, 1);
    assertEquals(drain(picker, peerOf(PIECES)), expect_order);
  },
  "pp-priority-sequential-download"({ setup }) {
    const picker = pickerOf(setup.availability);
    picker.isSequential = true;
    // Theirs goes from 0 to 7, ours has three levels above 0.
    const ours: Record<string, 0 | 2 | 3> = { "0": 0, "1": 2, "7": 3 };
    [...setup.priority].forEach((digit, piece) => picker.setPriority(piece, ours[digit]!));
    assertEquals(drain(picker, peerOf(PIECES)), [3, 5, 0, 1, 2, 6]);
  },
  "pp-piece-priorities"() {
    const picker = pickerOf("1111111");
    ([1, 0, 3, 2, 3, 1, 2] as const).forEach((priority, piece) =>
      picker.setPriority(piece, priority)
    );
    const all = peerOf(PIECES);
    assert([2, 4].includes(picker.pick(all)));
    picker.setPriority(2, 1);
    assertEquals(picker.pick(all), 4);
    picker.setPriority(4, 0);
    assert([3, 6].includes(picker.pick(all)));
    picker.setPriority(1, 3);
    assertEquals(picker.pick(all), 1);
  },
  "wl-prefersHighPriorityPieces"() {
    const picker = pickerOf("1234567");
    picker.setPriority(6, 3);
    assertEquals(picker.pick(peerOf(PIECES)), 6);
  },
  "wl-onlyRequestBlocksThePeerHas"() {
    assertEquals(drain(pickerOf("1111111"), peerOf(PIECES, [1, 5])).sort(), [1, 5]);
  },
  "pp-restore-piece"() {
    const picker = pickerOf("1222222");
    const { table, begun } = tableOf();
    picker.begin(begun.piece);
    const peer = table.open(1);
    for (let block = 0; block < BLOCKS; block++) {
      table.ask(peer, begun, block, 0);
      table.receive(peer, begun, block);
    }
    table.end(begun);
    picker.giveBack(begun.piece);
    assertEquals(picker.pick(peerOf(PIECES, [begun.piece])), begun.piece);
    assertEquals(table.begin(begun.piece, begun.data).missing, BLOCKS);
  },
  "pp-reprioritize-downloading"() {
    // Differs in this: what is begun is finished, for others were asked for it; it is not begun again.
    const picker = pickerOf("1111111");
    picker.begin(3);
    picker.setPriority(3, 0);
    assertEquals([picker.isCandidate(3), picker.isWanted(3)], [false, false]);
    picker.giveBack(3);
    assert(!drain(picker, peerOf(PIECES)).includes(3));
  },
  "pp-download-filtered-piece"() {
    const picker = pickerOf("1111111");
    picker.begin(3);
    picker.setPriority(3, 0);
    picker.setPriority(3, 2);
    // It is still begun, and its blocks are the table's.
    assert(!picker.isCandidate(3));
    picker.giveBack(3);
    assert(picker.isCandidate(3));
  },
  "pp-dont-pick-requested-blocks": checkAskedOnce,
  "wl-doesNotRequestSameBlockTwice": checkAskedOnce,
  "pp-clear-peer"() {
    const { table, begun } = tableOf();
    const [one, other] = [table.open(1), table.open(2)];
    table.ask(one, begun, 0, 0);
    table.ask(other, begun, 1, 0);
    table.close(one, 0);
    assertEquals([table.liveRequests(begun, 0), table.liveRequests(begun, 1)], [0, 1]);
    assertEquals(table.firstMissing(begun), 0);
  },
  "wl-gotBadPieceResetsPiece": (test) => checks["pp-restore-piece"]!(test),
  "wl-gotChokeResetsRequestedBlocks"() {
    const { table, begun } = tableOf();
    const peer = table.open(1);
    for (const block of [0, 1, 2]) table.ask(peer, begun, block, 0);
    assertEquals([begun.missing, table.giveBackAll(peer, 0), begun.missing], [1, 3, 4]);
  },
  "wl-gotRejectResetsBlock"() {
    const { table, begun } = tableOf();
    const peer = table.open(1);
    for (const block of [0, 1, 2]) table.ask(peer, begun, block, 0);
    assertEquals(table.giveBack(peer, begun, 1, 0), true);
    assertEquals([begun.missing, table.firstMissing(begun)], [2, 1]);
  },
};

function checkAskedOnce(): void {
  const { table, begun } = tableOf();
  const peer = table.open(1);
  for (let block = 0; block < BLOCKS; block++) {
    assertEquals(table.firstMissing(begun), block);
    table.ask(peer, begun, block, 0);
  }
  assertEquals([...table.withMissing], []);
}

for (const test of readCases("vectors/behaviours.json")) {
  if (test.area !== "picker" || Object.hasOwn(ELSEWHERE, test.id)) continue;
  vectorTest(`picker: ${test.id}`, () => {
    const check = checks[test.id];
    assert(check !== undefined, "nothing is decided about this case");
    check(test);
  });
}

vectorTest("picker: what is decided elsewhere names only cases that there are", () => {
  const ids = readCases("vectors/behaviours.json").map((test) => test.id);
  for (const id of [...Object.keys(ELSEWHERE), ...Object.keys(checks)]) {
    assert(ids.includes(id), id);
  }
});
