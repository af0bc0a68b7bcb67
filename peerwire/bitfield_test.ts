import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { Bitfield } from "./bitfield.ts";
import { PeerProtocolError } from "./errors.ts";

function piecesOf(bitfield: Bitfield): number[] {
  const pieces: number[] = [];
  bitfield.forEachSet((piece) => pieces.push(piece));
  return pieces;
}

function bitfieldOf(length: number, pieces: Iterable<number>): Bitfield {
  const bitfield = new Bitfield(length);
  for (const piece of pieces) bitfield.set(piece);
  return bitfield;
}

/** A length and some indices below it. */
const drawn = fc.nat(150).chain((length) =>
  fc.record({
    length: fc.constant(length),
    pieces: length === 0
      ? fc.constant<number[]>([])
      : fc.uniqueArray(fc.nat(length - 1), { maxLength: length }),
  })
);

Deno.test("Bitfield puts bit 0 into the high bit of byte 0", () => {
  const bitfield = bitfieldOf(37, [2, 7, 32]);
  assertEquals([...bitfield.bytes], [0x21, 0, 0, 0, 0x80]);
  assertEquals(bitfield.count, 3);
  assertEquals(piecesOf(bitfield), [2, 7, 32]);
});

Deno.test("Bitfield.set() and clear() tell whether something changed, and the count follows", () => {
  const bitfield = new Bitfield(9);
  assertEquals([bitfield.isEmpty, bitfield.isFull], [true, false]);
  assertEquals([bitfield.set(8), bitfield.set(8), bitfield.count], [true, false, 1]);
  assertEquals([bitfield.has(8), bitfield.has(7), bitfield.isEmpty], [true, false, false]);
  assertEquals([bitfield.clear(8), bitfield.clear(8), bitfield.count], [true, false, 0]);
});

Deno.test("Bitfield.setAll() leaves the spare bits zero, at every length", () => {
  for (let length = 0; length <= 70; length++) {
    const bitfield = new Bitfield(length);
    bitfield.setAll();
    assertEquals(bitfield.count, length);
    assertEquals(bitfield.isFull, true);
    assertEquals(piecesOf(bitfield).length, length);
    assertEquals(bitfield.nextClear(0), -1);
    assertEquals(piecesOf(Bitfield.fromBytes(bitfield.bytes, length)).length, length);
    bitfield.clearAll();
    assertEquals([bitfield.count, bitfield.nextSet(0)], [0, -1]);
  }
});

Deno.test("Bitfield.fromBytes() refuses every other number of bytes", () => {
  for (const [bytes, length] of [[0, 1], [2, 0], [2, 8], [1, 9], [2, 17], [4, 17]] as const) {
    const error = assertThrows(
      () => Bitfield.fromBytes(new Uint8Array(bytes), length),
      PeerProtocolError,
      `Cannot read bitfield: length is ${bytes} bytes`,
    ) as PeerProtocolError;
    assertEquals(error.code, "length");
  }
});

Deno.test("Bitfield.fromBytes() refuses each spare bit and takes every other", () => {
  for (let length = 1; length <= 33; length++) {
    for (let bit = 0; bit < Math.ceil(length / 8) * 8; bit++) {
      const bytes = new Uint8Array(Math.ceil(length / 8));
      bytes[bit >>> 3] = 0x80 >>> (bit & 7);
      if (bit < length) {
        assertEquals(piecesOf(Bitfield.fromBytes(bytes, length)), [bit]);
        continue;
      }
      const error = assertThrows(
        () => Bitfield.fromBytes(bytes, length),
        PeerProtocolError,
        "spare bit",
      ) as PeerProtocolError;
      assertEquals(error.code, "payload");
    }
  }
});

Deno.test("Bitfield.fromBytes() copies, also out of the middle of a larger buffer", () => {
  const buffer = Uint8Array.of(0xff, 0xa0, 0xff);
  const bitfield = Bitfield.fromBytes(buffer.subarray(1, 2), 3);
  buffer.fill(0);
  assertEquals(piecesOf(bitfield), [0, 2]);
});

Deno.test("Bitfield.has() is false outside, and set() and clear() refuse", () => {
  const bitfield = new Bitfield(10);
  bitfield.setAll();
  for (const index of [-1, 10, 15, 16, 31, 32, 1e6, 2 ** 31, 2 ** 32 - 1]) {
    assertEquals(bitfield.has(index), false);
    assertThrows(() => bitfield.set(index), RangeError, "must be from 0 to 9");
    assertThrows(() => bitfield.clear(index), RangeError);
  }
  assertThrows(() => bitfield.set(1.5), RangeError);
  assertThrows(() => bitfield.set(NaN), RangeError);
  assertEquals(bitfield.count, 10);
});

Deno.test("Bitfield refuses a length that is no count", () => {
  for (const length of [-1, 1.5, NaN, 2 ** 32]) {
    assertThrows(() => new Bitfield(length), RangeError, "must be an integer");
  }
});

Deno.test("Bitfield agrees with a plain set, whatever is done to it", () => {
  const step = fc.tuple(fc.constantFrom("set", "clear", "setAll", "clearAll"), fc.nat(1000));
  fc.assert(fc.property(fc.integer({ min: 1, max: 100 }), fc.array(step), (length, steps) => {
    const bitfield = new Bitfield(length);
    const model = new Set<number>();
    for (const [action, number] of steps) {
      const index = number % length;
      if (action === "set") {
        assertEquals(bitfield.set(index), !model.has(index));
        model.add(index);
      } else if (action === "clear") {
        assertEquals(bitfield.clear(index), model.delete(index));
      } else if (action === "setAll") {
        bitfield.setAll();
        for (let i = 0; i < length; i++) model.add(i);
      } else {
        bitfield.clearAll();
        model.clear();
      }
      assertEquals(bitfield.count, model.size);
      assertEquals(bitfield.isFull, model.size === length);
      assertEquals(bitfield.isEmpty, model.size === 0);
    }
    assertEquals(piecesOf(bitfield), [...model].sort((a, b) => a - b));
    assertEquals(piecesOf(Bitfield.fromBytes(bitfield.bytes, length)), piecesOf(bitfield));
    assertEquals(Bitfield.fromBytes(bitfield.bytes, length).count, bitfield.count);
  }));
});

Deno.test("Bitfield.nextSet() and nextClear() agree with a search bit by bit, from everywhere", () => {
  fc.assert(fc.property(drawn, ({ length, pieces }) => {
    const bitfield = bitfieldOf(length, pieces);
    for (let from = -1; from <= length + 1; from++) {
      let set = Math.max(from, 0);
      while (set < length && !bitfield.has(set)) set++;
      let clear = Math.max(from, 0);
      while (clear < length && bitfield.has(clear)) clear++;
      assertEquals(bitfield.nextSet(from), set < length ? set : -1);
      assertEquals(bitfield.nextClear(from), clear < length ? clear : -1);
    }
  }));
});

Deno.test("Bitfield.nextSet() and nextClear() cross long runs", () => {
  const bitfield = bitfieldOf(100_003, [3, 100_002]);
  assertEquals([bitfield.nextSet(0), bitfield.nextSet(4), bitfield.nextSet(100_003)], [
    3,
    100_002,
    -1,
  ]);
  bitfield.setAll();
  assertEquals(bitfield.nextClear(0), -1);
  bitfield.clear(99_999);
  assertEquals([bitfield.nextClear(0), bitfield.nextClear(100_000)], [99_999, -1]);
});

Deno.test("Bitfield.hasAnyNotIn() agrees with a search bit by bit", () => {
  fc.assert(fc.property(drawn, fc.infiniteStream(fc.boolean()), ({ length, pieces }, coin) => {
    const mine = bitfieldOf(length, pieces);
    // Mostly what I have, so that both answers come up.
    const theirs = bitfieldOf(length, pieces.filter(() => coin.next().value || coin.next().value));
    for (const [a, b] of [[mine, theirs], [theirs, mine], [mine, mine]] as const) {
      assertEquals(a.hasAnyNotIn(b), piecesOf(a).some((piece) => !b.has(piece)));
    }
  }));
});

Deno.test("Bitfield.hasAnyNotIn() looks at the pieces, not only at how many there are", () => {
  assertEquals(bitfieldOf(40, [39]).hasAnyNotIn(bitfieldOf(40, [0, 1, 2])), true);
  assertEquals(bitfieldOf(40, [1]).hasAnyNotIn(bitfieldOf(40, [0, 1, 2])), false);
  assertThrows(() => new Bitfield(3).hasAnyNotIn(new Bitfield(4)), RangeError);
});

Deno.test("Bitfield.forEachSet() lets the visit take out the piece that it is given", () => {
  const bitfield = bitfieldOf(70, [0, 31, 32, 69]);
  const seen: number[] = [];
  bitfield.forEachSet((piece) => {
    seen.push(piece);
    bitfield.clear(piece);
  });
  assertEquals(seen, [0, 31, 32, 69]);
  assertEquals(bitfield.isEmpty, true);
});
