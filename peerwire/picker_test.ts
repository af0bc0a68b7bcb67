import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { Bitfield } from "./bitfield.ts";
import { Picker, RANDOM_FIRST_PIECES } from "./picker.ts";
import { PRIORITY, type Priority } from "./priorities.ts";
import type { Prospects } from "./prospects.ts";

/** Uniform numbers in [0, 1) that a seed replays. */
function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** A torrent drawn as the availability of each piece: `"310"` has three pieces, the last of which nobody has. */
function pickerOf(drawing: string, seed = 1): Picker {
  const picker = new Picker({ pieceCount: drawing.length, random: randomOf(seed) });
  [...drawing].forEach((digit, piece) => {
    for (let i = 0; i < Number(digit); i++) picker.addHave(piece);
  });
  return picker;
}

/** A peer drawn as what it has: `"x-x"` has the first and the third piece. */
function peerOf(drawing: string): Bitfield {
  const has = new Bitfield(drawing.length);
  [...drawing].forEach((mark, piece) => {
    if (mark === "x") has.set(piece);
  });
  return has;
}

function everything(pieceCount: number): Bitfield {
  const has = new Bitfield(pieceCount);
  has.setAll();
  return has;
}

/** Begins the pieces that a peer has, one after the other, in the order in which they are picked. */
function drain(picker: Picker, has: Bitfield): number[] {
  const order: number[] = [];
  for (let piece = picker.pick(has); piece !== -1; piece = picker.pick(has)) {
    picker.begin(piece);
    order.push(piece);
  }
  return order;
}

Deno.test("Picker.pick() gives the rarest piece that the peer has", () => {
  for (
    const [torrent, peer, piece] of [
      ["3124", "xxxx", 1],
      ["3124", "x-xx", 2],
      ["3124", "x--x", 0],
      ["3124", "---x", 3],
      ["3124", "----", -1],
      ["0001", "xxx-", 0],
      ["5", "x", 0],
      ["", "", -1],
    ] as const
  ) {
    const picked = pickerOf(torrent).pick(peerOf(peer));
    if (torrent === "0001") assert(picked >= 0 && picked <= 2);
    else assertEquals(picked, piece, `${torrent} for ${peer}`);
  }
});

Deno.test("Picker gives all pieces, rarest first, whatever the order in which peers came", () => {
  for (const drawing of ["9876543210", "0123456789", "1111122222", "5050505050", "0000000009"]) {
    const picker = pickerOf(drawing);
    const order = drain(picker, everything(drawing.length));
    const digits = order.map((piece) => drawing[piece]!);
    assertEquals(digits.join(""), [...drawing].sort().join(""), drawing);
    assertEquals(new Set(order).size, drawing.length);
    assertEquals(picker.candidateCount, 0);
  }
});

Deno.test("Picker.pick() leaves the piece a candidate until begin()", () => {
  const picker = pickerOf("12");
  const all = everything(2);
  assertEquals([picker.pick(all), picker.pick(all)], [0, 0]);
  picker.begin(0);
  assertEquals([picker.isCandidate(0), picker.isCandidate(1), picker.candidateCount], [
    false,
    true,
    1,
  ]);
  assertEquals(picker.pick(all), 1);
  picker.begin(1);
  assertEquals(picker.pick(all), -1);
});

Deno.test("Picker.giveBack() makes a piece a candidate again, as rare as it is by then", () => {
  const picker = pickerOf("2230");
  const all = everything(4);
  picker.begin(3);
  picker.begin(2);
  for (let i = 0; i < 9; i++) picker.addHave(3); // while it is begun
  picker.removeBitfield(peerOf("--x-"));
  picker.removeBitfield(peerOf("--x-"));
  picker.giveBack(2);
  picker.giveBack(3);
  assertEquals([2, 3].map((piece) => picker.availabilityOf(piece)), [1, 9]);
  const order = drain(picker, all);
  assertEquals([order[0], order[3]], [2, 3]);
});

Deno.test("Picker counts peers with everything apart: they change no order", () => {
  const picker = pickerOf("120");
  picker.addSeed();
  picker.addSeed();
  assertEquals([0, 1, 2].map((piece) => picker.availabilityOf(piece)), [3, 4, 2]);
  picker.removeSeed();
  assertEquals([0, 1, 2].map((piece) => picker.availabilityOf(piece)), [2, 3, 1]);
  assertEquals(drain(picker, everything(3)), [2, 0, 1]);
});

Deno.test("Picker.removeBitfield() undoes addBitfield()", () => {
  const picker = pickerOf("1111");
  const peer = peerOf("xx--");
  picker.addBitfield(peer);
  picker.addBitfield(peer);
  picker.removeBitfield(peer);
  picker.removeBitfield(peer);
  picker.addBitfield(peerOf("x-xx"));
  assertEquals(picker.pick(everything(4)), 1);
});

Deno.test("Picker breaks ties at random: each of the rarest comes first now and then", () => {
  const firsts = [0, 0, 0, 0, 0];
  for (let seed = 1; seed <= 2000; seed++) {
    firsts[pickerOf("11121", seed * 7919).pick(everything(5))]!++;
  }
  assertEquals(firsts[3], 0);
  for (const piece of [0, 1, 2, 4]) {
    assert(firsts[piece]! > 350 && firsts[piece]! < 650, `${firsts}: 500 of each are expected`);
  }
});

Deno.test("Picker draws the order of pieces that nobody has by lot too", () => {
  const orders = new Set<string>();
  for (let seed = 1; seed <= 50; seed++) {
    const picker = new Picker({ pieceCount: 8, random: randomOf(seed * 7919) });
    picker.addSeed();
    orders.add(drain(picker, everything(8)).join());
  }
  assert(orders.size > 40, `${orders.size} orders in 50 draws`);
});

Deno.test("Picker replays: the same numbers give the same order", () => {
  const order = (seed: number) => drain(pickerOf("1232112313", seed), everything(10));
  assertEquals(order(5), order(5));
});

Deno.test("Picker refuses what its owner must not do", () => {
  const picker = pickerOf("11");
  assertThrows(() => picker.giveBack(0), RangeError);
  assertThrows(() => picker.removeSeed(), RangeError);
  picker.begin(0);
  assertThrows(() => picker.begin(0), RangeError);
  assertThrows(
    () => picker.removeBitfield(peerOf("xx")) ?? picker.removeBitfield(peerOf("xx")),
    RangeError,
  );
  assertThrows(() => picker.setPriority(2, PRIORITY.high), RangeError);
  assertThrows(() => picker.setPriority(0, 4 as Priority), RangeError);
  assertThrows(() => picker.setPriorities(new Uint8Array(3)), RangeError);
  assertThrows(() => picker.setPriorities(Uint8Array.of(1, 4)), RangeError);
  assertThrows(() => picker.setDeadline(-1, 0), RangeError);
  assertThrows(() => picker.setDeadline(0, NaN), RangeError);
});

Deno.test("Picker draws the first pieces by lot, whatever their rarity, and then goes by it", () => {
  const firsts = new Set<number>();
  for (let seed = 1; seed <= 200; seed++) {
    const picker = new Picker({
      pieceCount: 10,
      random: randomOf(seed * 7919),
      randomFirstPieces: RANDOM_FIRST_PIECES,
    });
    for (let piece = 0; piece < 10; piece++) {
      for (let i = 0; i < piece; i++) picker.addHave(piece);
    }
    const order = drain(picker, everything(10));
    firsts.add(order[0]!);
    const rest = order.slice(RANDOM_FIRST_PIECES);
    assertEquals(rest, [...rest].sort((a, b) => a - b)); // here, the lower is the rarer
    assertEquals(new Set(order).size, 10);
  }
  assertEquals(firsts.size, 10);
});

Deno.test("Picker.setPriority() has higher priorities come first and the unwanted never", () => {
  const picker = pickerOf("12345");
  const all = everything(5);
  picker.setPriority(4, PRIORITY.high);
  picker.setPriority(1, PRIORITY.low);
  picker.setPriority(0, PRIORITY.unwanted);
  assertEquals(picker.candidateCount, 4);
  assertEquals([picker.isCandidate(0), picker.isWanted(0), picker.isWanted(1)], [
    false,
    false,
    true,
  ]);
  assertEquals(drain(picker, all), [4, 2, 3, 1]);
  picker.setPriority(0, PRIORITY.normal);
  assertEquals(drain(picker, all), [0]);
});

Deno.test("Picker.giveBack() of a piece that became unwanted makes it no candidate, until it is wanted again", () => {
  const picker = pickerOf("11");
  picker.begin(0);
  picker.setPriority(0, PRIORITY.unwanted);
  picker.giveBack(0);
  assertEquals([picker.isCandidate(0), picker.candidateCount], [false, 1]);
  picker.setPriority(0, PRIORITY.low);
  assertEquals(drain(picker, everything(2)), [1, 0]);
  picker.setPriorities(Uint8Array.of(PRIORITY.high, PRIORITY.unwanted));
  assertEquals(picker.candidateCount, 0); // both are begun, and stay so
  picker.giveBack(0);
  picker.giveBack(1);
  assertEquals(drain(picker, everything(2)), [0]);
});

Deno.test("Picker.isSequential has the lowest piece of each priority come first", () => {
  const picker = pickerOf("76543210");
  picker.isSequential = true;
  picker.setPriority(6, PRIORITY.high);
  assertEquals(picker.pick(peerOf("---xx---")), 3);
  assertEquals(drain(picker, everything(8)), [6, 0, 1, 2, 3, 4, 5, 7]);
});

Deno.test("Picker.setDeadline() has the earliest come before everything else, until it is cleared", () => {
  const picker = pickerOf("123456");
  const all = everything(6);
  picker.setPriority(0, PRIORITY.high);
  picker.setPriority(5, PRIORITY.low);
  picker.setDeadline(3, 2000);
  picker.setDeadline(5, 1000);
  picker.setDeadline(4, 3000);
  assertEquals([picker.pick(all), picker.pick(peerOf("xxx-x-"))], [5, 4]);
  picker.setDeadline(4, -5); // earlier than all, and past
  assertEquals([picker.pick(all), picker.pickUrgent(all), picker.deadlineOf(4)], [4, 4, -5]);
  picker.clearDeadline(4);
  picker.clearDeadline(4);
  assertEquals([picker.pick(all), picker.deadlineOf(4)], [5, null]);
  picker.begin(5);
  assertEquals(picker.pick(all), 3);
  picker.giveBack(5);
  assertEquals(picker.pick(all), 5, "a deadline outlasts that the piece was begun");
  picker.setPriority(5, PRIORITY.unwanted);
  assertEquals(picker.pick(all), 3);
  assertEquals(picker.pickUrgent(peerOf("x-----")), -1);
  picker.clearDeadlines();
  assertEquals(drain(picker, all), [0, 1, 2, 3, 4]);
});

/** A peer that is here, as it was counted. */
interface Peer {
  readonly has: Bitfield;
  prospects: Prospects | null;
}

/** What a {@linkcode Picker} is, told without buckets. */
class NaiveModel {
  readonly availability: number[];
  readonly begun = new Set<number>();
  readonly priority: number[];
  readonly deadlines = new Map<number, number>();
  readonly peers: Peer[] = [];
  isSequential = false;
  seeds = 0;
  readonly #randomFirstPieces: number;

  constructor(pieceCount: number, randomFirstPieces: number) {
    this.#randomFirstPieces = randomFirstPieces;
    this.availability = new Array(pieceCount).fill(0);
    this.priority = new Array(pieceCount).fill(PRIORITY.normal);
  }

  get candidates(): number[] {
    return [...this.availability.keys()].filter((piece) =>
      !this.begun.has(piece) && this.priority[piece]! > 0
    );
  }

  /** What may be picked for a peer; nothing only where it has nothing. */
  choices(has: Bitfield): number[] {
    const there = this.candidates.filter((piece) => has.has(piece));
    const urgent = there.filter((piece) => this.deadlines.has(piece));
    if (urgent.length > 0) {
      const time = (piece: number) => this.deadlines.get(piece)!;
      return [urgent.reduce((a, b) => time(b) < time(a) ? b : a)];
    }
    const most = Math.max(...there.map((piece) => this.priority[piece]!));
    const first = there.filter((piece) => this.priority[piece] === most);
    if (this.isSequential) return first.slice(0, 1);
    if (this.begun.size < this.#randomFirstPieces) return first;
    const least = Math.min(...first.map((piece) => this.availability[piece]!));
    return first.filter((piece) => this.availability[piece] === least);
  }
}

/** One thing that can happen; numbers are taken modulo what there is. */
const steps = (kinds: readonly string[], length: number) =>
  fc.array(
    fc.record({ kind: fc.constantFrom(...kinds), one: fc.nat(), other: fc.nat() }),
    { maxLength: length, size: "max" },
  );

const KINDS = [
  "have",
  "have",
  "haveUntold",
  "come",
  "comeTold",
  "replace",
  "leave",
  "seed",
  "unseed",
  "begin",
  "begin",
  "beginAny",
  "giveBack",
  "priority",
  "priority",
  "priorities",
  "deadline",
  "deadline",
  "clearDeadline",
  "clearDeadlines",
  "order",
];

type Step = { kind: string; one: number; other: number };

/** Has a peer say what it has: so many of the pieces, drawn by lot. */
function draw(peer: Peer, pieces: number, random: () => number): void {
  peer.has.clearAll();
  for (let i = 0; i < pieces; i++) peer.has.set(Math.floor(random() * peer.has.length));
}

/** Does one step with both. */
function take({ kind, one, other }: Step, picker: Picker, model: NaiveModel): void {
  const pieceCount = model.availability.length;
  const piece = one % pieceCount;
  const peer = model.peers[other % Math.max(1, model.peers.length)];
  const count = (has: Bitfield, by: number) =>
    has.forEachSet((piece) => model.availability[piece]! += by);
  switch (kind) {
    case "have":
    case "haveUntold":
      if (peer === undefined || !peer.has.set(piece)) break;
      picker.addHave(piece, kind === "have" ? peer.prospects : null);
      model.availability[piece]!++;
      break;
    case "come":
    case "comeTold": {
      const has = new Bitfield(pieceCount);
      const come = { has, prospects: kind === "come" ? null : picker.makeProspects() };
      draw(come, one % (pieceCount + 1), randomOf(other));
      picker.addBitfield(has);
      count(has, 1);
      model.peers.push(come);
      break;
    }
    case "replace":
      if (peer === undefined) break;
      picker.removeBitfield(peer.has);
      count(peer.has, -1);
      draw(peer, peer.has.count, randomOf(one));
      if (peer.prospects !== null) peer.prospects = picker.makeProspects();
      picker.addBitfield(peer.has);
      count(peer.has, 1);
      break;
    case "leave": {
      const [left] = model.peers.splice(one % Math.max(1, model.peers.length), 1);
      if (left === undefined) break;
      picker.removeBitfield(left.has);
      count(left.has, -1);
      break;
    }
    case "seed":
      picker.addSeed();
      model.seeds++;
      break;
    case "unseed":
      if (model.seeds === 0) break;
      picker.removeSeed();
      model.seeds--;
      break;
    case "begin": {
      const picked = peer === undefined ? -1 : picker.pick(peer.has, peer.prospects);
      if (picked === -1) break;
      picker.begin(picked);
      model.begun.add(picked);
      break;
    }
    case "beginAny":
      if (model.begun.has(piece)) break;
      picker.begin(piece);
      model.begun.add(piece);
      break;
    case "giveBack": {
      const begun = [...model.begun][one % Math.max(1, model.begun.size)];
      if (begun === undefined) break;
      picker.giveBack(begun);
      model.begun.delete(begun);
      break;
    }
    case "priority":
      picker.setPriority(piece, other % 4 as Priority);
      model.priority[piece] = other % 4;
      break;
    case "priorities": {
      const random = randomOf(one);
      const priorities = Uint8Array.from(model.priority, () => Math.floor(random() * 4));
      picker.setPriorities(priorities);
      priorities.forEach((priority, piece) => model.priority[piece] = priority);
      break;
    }
    case "deadline":
      picker.setDeadline(piece, other % 10);
      model.deadlines.set(piece, other % 10);
      break;
    case "clearDeadline":
      picker.clearDeadline(piece);
      model.deadlines.delete(piece);
      break;
    case "clearDeadlines":
      picker.clearDeadlines();
      model.deadlines.clear();
      break;
    case "order":
      picker.isSequential = !picker.isSequential;
      model.isSequential = !model.isSequential;
      break;
  }
}

Deno.test("Picker agrees with a naive model after every step of any sequence", () => {
  const run = fc.record({
    pieceCount: fc.integer({ min: 1, max: 12 }),
    seed: fc.nat(),
    randomFirstPieces: fc.constantFrom(0, 0, RANDOM_FIRST_PIECES),
    steps: steps(KINDS, 80),
  });
  fc.assert(
    fc.property(run, ({ pieceCount, seed, randomFirstPieces, steps }) => {
      const picker = new Picker({ pieceCount, random: randomOf(seed), randomFirstPieces });
      const model = new NaiveModel(pieceCount, randomFirstPieces);
      const all = everything(pieceCount);
      for (const step of steps) {
        take(step, picker, model);
        const { candidates } = model;
        assertEquals(picker.candidateCount, candidates.length);
        const reachable = candidates.filter((piece) =>
          model.availability[piece]! + model.seeds > 0
        );
        assertEquals(picker.reachableCount, reachable.length);
        for (let piece = 0; piece < pieceCount; piece++) {
          assertEquals(picker.isCandidate(piece), candidates.includes(piece));
          assertEquals(picker.availabilityOf(piece), model.availability[piece]! + model.seeds);
        }
        for (const { has, prospects } of [{ has: all, prospects: null }, ...model.peers]) {
          const choices = model.choices(has);
          const picked = picker.pick(has, prospects);
          assert(choices.length === 0 ? picked === -1 : choices.includes(picked));
        }
      }
      assertEquals(drain(picker, all).sort((a, b) => a - b), model.candidates);
    }),
    { numRuns: 300 },
  );
});

Deno.test("Picker forgets no piece of a large torrent, whatever is remembered of a peer", () => {
  const run = fc.record({
    pieceCount: fc.integer({ min: 200, max: 1500 }),
    seed: fc.nat(),
    steps: steps(KINDS.filter((kind) => kind !== "clearDeadlines"), 300),
  });
  let inexact = 0;
  let picks = 0;
  fc.assert(
    fc.property(run, ({ pieceCount, seed, steps }) => {
      const picker = new Picker({ pieceCount, random: randomOf(seed) });
      const model = new NaiveModel(pieceCount, 0);
      const random = randomOf(seed);
      // Few pieces are wanted, or few are there, or all of both.
      if (seed % 3 === 0) take({ kind: "priorities", one: seed, other: 0 }, picker, model);
      for (let i = 0; i < 6; i++) {
        const one = i % 2 === 0 ? i * 9 : Math.floor(random() * pieceCount);
        take({ kind: "comeTold", one, other: seed + i }, picker, model);
      }
      for (const step of steps) {
        take(step, picker, model);
        const peer = model.peers[step.one % Math.max(1, model.peers.length)];
        if (peer === undefined) continue;
        const choices = model.choices(peer.has);
        const picked = picker.pick(peer.has, peer.prospects);
        picks++;
        assertEquals(picked === -1, choices.length === 0);
        if (picked === -1 || choices.includes(picked)) continue;
        inexact++; // a choice by sampling: of the right priority at least, and of a peer with many
        assert(!model.isSequential && !model.deadlines.has(choices[0]!));
        assertEquals(model.priority[picked], model.priority[choices[0]!]);
        assert(picker.isCandidate(picked) && peer.has.has(picked) && peer.has.count > 32);
      }
    }),
    { numRuns: 60 },
  );
  assert(inexact < 0.02 * picks, `${inexact} of ${picks} picks were not the rarest`);
});

Deno.test("Picker remembers right through more pieces given back than it keeps account of", () => {
  const pieceCount = 2000;
  const picker = new Picker({ pieceCount, random: randomOf(3) });
  const has = new Bitfield(pieceCount);
  for (let piece = 0; piece < pieceCount; piece += 2) has.set(piece);
  picker.addBitfield(has);
  const prospects = picker.makeProspects();
  const drainAll = () => {
    let count = 0;
    for (let p = picker.pick(has, prospects); p !== -1; p = picker.pick(has, prospects)) {
      picker.begin(p);
      count++;
    }
    return count;
  };
  assertEquals(drainAll(), 1000);
  for (const givenBack of [1, 127, 128, 129, 255, 256, 257, 1000]) {
    for (let i = 0; i < givenBack; i++) picker.giveBack(2 * i);
    assertEquals(drainAll(), givenBack);
  }
});

Deno.test("Picker compares enough for a peer that lacks the rarest: what it picks is among its rarer pieces", () => {
  // 2,000 pieces that only others have, then 2,000 of this peer's, the later the rarer.
  const pieceCount = 4000;
  const picker = new Picker({ pieceCount, random: randomOf(5) });
  const has = new Bitfield(pieceCount);
  for (let piece = 0; piece < pieceCount; piece++) {
    const peers = piece < 2000 ? 1 : 2 + Math.floor((pieceCount - piece) / 100);
    for (let i = 0; i < peers; i++) picker.addHave(piece);
    if (piece >= 2000) has.set(piece);
  }
  const prospects = picker.makeProspects();
  let sum = 0;
  for (let i = 0; i < 400; i++) sum += picker.availabilityOf(picker.pick(has, prospects));
  assert(sum / 400 < 6, `${sum / 400} on average; 2 is the least, 12 is the mean`);
});
