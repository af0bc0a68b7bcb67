/** The order of pieces by how many peers have them, beside a count. */
import { assert, assertEquals } from "@std/assert";
import { randomOf } from "./_test_swarm.ts";
import { Bitfield } from "./bitfield.ts";
import { Rarity, RESTING } from "./rarity.ts";

const LEVEL = 1;

function bitfieldWith(length: number, pieces: Iterable<number>): Bitfield {
  const bitfield = new Bitfield(length);
  for (const piece of pieces) bitfield.set(piece);
  return bitfield;
}

Deno.test("Rarity.find() comes by every piece of a part, whatever its size", () => {
  for (const size of [1, 31, 32, 33, 100, 7907, 7918, 7919, 7920, 2 * 7919]) {
    const rarity = new Rarity(size, randomOf(size));
    for (let piece = 0; piece < size; piece++) rarity.add(piece);
    for (const piece of [0, size >> 1, size - 1]) {
      assertEquals(rarity.find(LEVEL, bitfieldWith(size, [piece]), size), piece, `of ${size}`);
    }
  }
});

Deno.test("Rarity.find() looks at no more pieces than it is told to", () => {
  const rarity = new Rarity(1000, randomOf(1));
  for (let piece = 0; piece < 1000; piece++) rarity.add(piece);
  rarity.add(7); // the only common one
  const has = bitfieldWith(1000, [7]);
  assertEquals([rarity.find(LEVEL, has, 999), rarity.find(LEVEL, has, 1000)], [-1, 7]);
});

Deno.test("Rarity.find() gives each of the rarest its chance, though those that came together are neighbours", () => {
  const rarity = new Rarity(300, randomOf(2));
  for (let piece = 0; piece < 300; piece++) rarity.add(piece);
  const has = bitfieldWith(300, Array.from({ length: 150 }, (_, i) => i));
  const found = new Map<number, number>();
  for (let i = 0; i < 15_000; i++) {
    const piece = rarity.find(LEVEL, has, 300);
    found.set(piece, (found.get(piece) ?? 0) + 1);
  }
  assertEquals(found.size, 150);
  assert(Math.max(...found.values()) < 1000, `${Math.max(...found.values())} of 15,000 times one`);
});

Deno.test("Rarity agrees with a count after any moves", () => {
  const length = 60;
  const random = randomOf(3);
  const rarity = new Rarity(length, random);
  const availability = new Array<number>(length).fill(0);
  const level = new Array<number>(length).fill(LEVEL);
  for (let i = 0; i < 20_000; i++) {
    const piece = Math.floor(random() * length);
    const deed = random();
    if (deed < 0.4) rarity.add(piece), availability[piece]!++;
    else if (deed < 0.8 && availability[piece]! > 0) rarity.remove(piece), availability[piece]!--;
    else rarity.setLevel(piece, level[piece] = Math.floor(random() * (RESTING + 1)));
    assertEquals(rarity.availabilityOf(piece), availability[piece]);
    assertEquals(rarity.levelOf(piece), level[piece]);
    if (i % 10 !== 0) continue;
    const there = [...level.keys()].filter((p) => level[p] === LEVEL && availability[p]! > 0);
    const found = rarity.find(LEVEL, bitfieldWith(length, there), length);
    const least = Math.min(...there.map((p) => availability[p]!));
    assertEquals(found < 0 ? Infinity : availability[found], least);
    const unseen = level.filter((each, p) => each !== RESTING && availability[p] === 0).length;
    assertEquals(rarity.unseenCount, unseen);
  }
});
