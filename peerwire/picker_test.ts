import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { Bitfield } from "./bitfield.ts";
import { Picker } from "./picker.ts";

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
});

/** What a {@linkcode Picker} is, told without buckets. */
class NaiveModel {
  readonly availability: number[];
  readonly candidates: Set<number>;
  readonly peers: Bitfield[] = [];
  seeds = 0;

  constructor(pieceCount: number) {
    this.availability = new Array(pieceCount).fill(0);
    this.candidates = new Set(this.availability.keys());
  }

  /** The rarest of the candidates that a peer has. */
  rarest(has: Bitfield): number[] {
    const there = [...this.candidates].filter((piece) => has.has(piece));
    const least = Math.min(...there.map((piece) => this.availability[piece]!));
    return there.filter((piece) => this.availability[piece] === least);
  }
}

const peerDrawing = (pieceCount: number) =>
  fc.array(fc.constantFrom("x", "-"), { minLength: pieceCount, maxLength: pieceCount })
    .map((marks) => marks.join(""));

Deno.test("Picker agrees with a naive model after every step of any sequence", () => {
  const step = (pieceCount: number) =>
    fc.oneof(
      fc.record({ kind: fc.constant("have" as const), piece: fc.nat(pieceCount - 1) }),
      fc.record({ kind: fc.constant("come" as const), peer: peerDrawing(pieceCount) }),
      fc.record({ kind: fc.constant("leave" as const), which: fc.nat() }),
      fc.record({ kind: fc.constantFrom("seed" as const, "unseed" as const) }),
      fc.record({ kind: fc.constant("begin" as const), peer: peerDrawing(pieceCount) }),
      fc.record({ kind: fc.constant("beginAny" as const), which: fc.nat() }),
      fc.record({ kind: fc.constant("giveBack" as const), which: fc.nat() }),
    );
  const run = fc.integer({ min: 1, max: 12 }).chain((pieceCount) =>
    fc.record({
      pieceCount: fc.constant(pieceCount),
      seed: fc.nat(),
      steps: fc.array(step(pieceCount), { maxLength: 60, size: "max" }),
    })
  );
  fc.assert(fc.property(run, ({ pieceCount, seed, steps }) => {
    const picker = new Picker({ pieceCount, random: randomOf(seed) });
    const model = new NaiveModel(pieceCount);
    const all = everything(pieceCount);
    for (const step of steps) {
      switch (step.kind) {
        case "have": {
          const has = new Bitfield(pieceCount);
          has.set(step.piece);
          picker.addHave(step.piece);
          model.availability[step.piece]!++;
          model.peers.push(has);
          break;
        }
        case "come": {
          const has = peerOf(step.peer);
          picker.addBitfield(has);
          has.forEachSet((piece) => model.availability[piece]!++);
          model.peers.push(has);
          break;
        }
        case "leave": {
          if (model.peers.length === 0) break;
          const [has] = model.peers.splice(step.which % model.peers.length, 1);
          picker.removeBitfield(has!);
          has!.forEachSet((piece) => model.availability[piece]!--);
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
          const piece = picker.pick(peerOf(step.peer));
          if (piece === -1) break;
          picker.begin(piece);
          model.candidates.delete(piece);
          break;
        }
        case "beginAny": {
          const piece = [...model.candidates][step.which % Math.max(1, model.candidates.size)];
          if (piece === undefined) break;
          picker.begin(piece);
          model.candidates.delete(piece);
          break;
        }
        case "giveBack": {
          const begun = [...model.availability.keys()]
            .filter((piece) => !model.candidates.has(piece));
          const piece = begun[step.which % Math.max(1, begun.length)];
          if (piece === undefined) break;
          picker.giveBack(piece);
          model.candidates.add(piece);
          break;
        }
      }
      assertEquals(picker.candidateCount, model.candidates.size);
      for (let piece = 0; piece < pieceCount; piece++) {
        assertEquals(picker.isCandidate(piece), model.candidates.has(piece));
        assertEquals(picker.availabilityOf(piece), model.availability[piece]! + model.seeds);
      }
      for (const has of [all, ...model.peers.slice(-2)]) {
        const rarest = model.rarest(has);
        const picked = picker.pick(has);
        assert(rarest.length === 0 ? picked === -1 : rarest.includes(picked));
      }
    }
    const order = drain(picker, all);
    assertEquals([...order].sort((a, b) => a - b), [...model.candidates].sort((a, b) => a - b));
    for (let i = 1; i < order.length; i++) {
      assert(model.availability[order[i - 1]!]! <= model.availability[order[i]!]!);
    }
  }));
});
