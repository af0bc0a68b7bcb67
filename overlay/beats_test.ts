import { assert, assertEquals } from "@std/assert";
import { BEAT_BYTES, BeatMaker, BeatTable, CHAIN_LENGTH, packBeats } from "./beats.ts";
import { fakeHash, ownerOf } from "./_testdata.ts";

const OWNER = ownerOf(1);

function makerOf(index: number): BeatMaker {
  return new BeatMaker(new Uint8Array(16).fill(index), fakeHash);
}

function tableWith(...makers: BeatMaker[]): BeatTable {
  const table = new BeatTable(fakeHash);
  makers.forEach(({ anchor }, at) => void table.hold(anchor, ownerOf(at), 0));
  return table;
}

function beatOf(maker: BeatMaker, counter: number): Uint8Array {
  const table = new BeatTable(fakeHash);
  const chain = table.hold(maker.anchor, OWNER, 0)!;
  table.advance(chain, { counter, value: maker.valueAt(counter)! }, 0);
  return packBeats([chain]);
}

Deno.test("BeatTable takes an owner's beats, also when some were missed, and each once", () => {
  const maker = makerOf(1);
  const table = tableWith(maker);
  assertEquals(table.take(beatOf(maker, 1), 9, 100), { news: 1, wrong: 0 });
  assertEquals(table.find(maker.anchor, ownerOf(0))!.heardMs, 100);
  assertEquals(table.take(beatOf(maker, 1), 9, 200), { news: 0, wrong: 0 });
  assertEquals(table.take(beatOf(maker, 5), 9, 300), { news: 1, wrong: 0 });
  assertEquals(table.take(beatOf(maker, 4), 9, 400), { news: 0, wrong: 0 });
  assertEquals(table.find(maker.anchor, ownerOf(0))!.heardMs, 300);
});

Deno.test("BeatTable takes no beat that its owner did not reveal", () => {
  const maker = makerOf(1);
  const table = tableWith(maker);
  const forged = beatOf(maker, 3);
  forged[BEAT_BYTES - 1]! ^= 1;
  assertEquals(table.take(forged, 9, 100), { news: 0, wrong: 1 });
  // A beat of another counter than it says.
  const moved = beatOf(maker, 3);
  moved[4] = 4;
  assertEquals(table.take(moved, 9, 100), { news: 0, wrong: 1 });
  assertEquals(table.find(maker.anchor, ownerOf(0))!.counter, 0);
});

Deno.test("BeatTable.take() walks a few steps and stops after too many that are wrong", () => {
  const maker = makerOf(1);
  let hashes = 0;
  const table = new BeatTable((bytes) => (hashes++, fakeHash(bytes)));
  table.hold(maker.anchor, OWNER, 0);
  assertEquals(table.take(beatOf(maker, 900), 9, 0), { news: 0, wrong: 0 });
  assertEquals(hashes, 0);
  const forged = beatOf(maker, 16).fill(7, 5);
  const many = new Uint8Array(100 * BEAT_BYTES);
  for (let at = 0; at < 100; at++) many.set(forged, at * BEAT_BYTES);
  assertEquals(table.take(many, 5, 0), { news: 0, wrong: 5 });
  assertEquals(hashes, 5 * 16);
});

Deno.test("BeatTable.compare() finds who has the newer beat, across the turn of the low byte", () => {
  const makers = [makerOf(1), makerOf(2), makerOf(3)];
  const [ours, theirs] = [tableWith(...makers), tableWith(...makers)];
  const set = (table: BeatTable, at: number, counter: number) => {
    const chain = table.find(makers[at]!.anchor, ownerOf(at))!;
    table.advance(chain, { counter, value: makers[at]!.valueAt(counter)! }, counter);
  };
  set(ours, 0, 257);
  set(theirs, 0, 255);
  set(ours, 1, 3);
  set(theirs, 1, 4);
  const { newer, older } = ours.compare(theirs.summary(0, 1));
  assertEquals(newer.map(({ anchor }) => anchor), [makers[0]!.anchor]);
  assertEquals(ours.withTags(older).map(({ anchor }) => anchor), [makers[1]!.anchor]);
  assertEquals(ours.compare(ours.summary(0, 1)), { newer: [], older: [] });
});

Deno.test("BeatTable.hold() follows two chains of an owner, and lets go of those without records", () => {
  const table = new BeatTable(fakeHash);
  const [one, two, three] = [makerOf(1), makerOf(2), makerOf(3)];
  const first = table.hold(one.anchor, OWNER, 0)!;
  assertEquals(table.hold(one.anchor, OWNER, 0), first);
  assert(table.hold(two.anchor, OWNER, 0) !== null);
  assertEquals(table.hold(three.anchor, OWNER, 0), null);
  table.release(first);
  assertEquals(table.size, 2);
  table.release(first);
  assertEquals(table.size, 1);
  assert(table.hold(three.anchor, OWNER, 0) !== null);
});

Deno.test("BeatTable keeps the chain of one who copies another's anchor apart", () => {
  const maker = makerOf(1);
  const table = new BeatTable(fakeHash);
  const thief = table.hold(maker.anchor, ownerOf(2), 0)!;
  const owner = table.hold(maker.anchor, OWNER, 0)!;
  assert(thief !== owner);
  table.take(beatOf(maker, 1), 9, 50);
  assertEquals(owner.heardMs, 50);
});

Deno.test("BeatMaker reveals values up to the chain's end, and none beyond", () => {
  const maker = makerOf(1);
  assertEquals(maker.valueAt(CHAIN_LENGTH)?.length, 16);
  assertEquals(maker.valueAt(CHAIN_LENGTH + 1), null);
  const table = tableWith(maker);
  const last = { counter: CHAIN_LENGTH, value: maker.valueAt(CHAIN_LENGTH)! };
  assert(table.isGenuine(maker.anchor, ownerOf(0), last));
  assert(!table.isGenuine(maker.anchor, ownerOf(0), { ...last, counter: CHAIN_LENGTH - 1 }));
});
