import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { randomOf } from "./_test_swarm.ts";
import { halfSipHash, SUSPECT_BLOCKS_MAX, Suspects } from "./suspects.ts";

const BLOCK = 4;

/** A piece of as many blocks as the drawing has letters; equal letters are equal blocks. */
function pieceOf(drawing: string): Uint8Array {
  return Uint8Array.from(drawing.repeat(BLOCK).split(""), (_, i) => {
    return drawing.charCodeAt(Math.floor(i / BLOCK));
  });
}

/** Tells of a failure: the blocks, and under each who sent it. */
function fail(suspects: Suspects, piece: number, drawing: string, senders: string): string[] {
  return suspects.handleCorrupt(piece, pieceOf(drawing), BLOCK, (block) => senders[block]!);
}

function verify(suspects: Suspects, piece: number, drawing: string): string {
  return suspects.handleVerified(piece, pieceOf(drawing), BLOCK).sort().join("");
}

function make(blocksMax?: number): Suspects {
  const random = randomOf(1);
  return new Suspects(blocksMax === undefined ? { random } : { random, blocksMax });
}

Deno.test("Suspects names who sent the block that differs from the good one, and nobody else", () => {
  const suspects = make();
  assertEquals(fail(suspects, 3, "abXd", "ABCD"), []);
  assert(suspects.has(3));
  assertEquals(verify(suspects, 3, "abcd"), "C");
  assertEquals([suspects.has(3), suspects.blockCount], [false, 0]);
  assertEquals(verify(suspects, 3, "abcd"), "", "it is forgotten");
});

Deno.test("Suspects names the peer that sent all of a bad piece at once", () => {
  const suspects = make();
  assertEquals(fail(suspects, 3, "abXd", "AAAA"), ["A"]);
  assertEquals(fail(suspects, 4, "X", "B"), ["B"]);
  assertEquals([suspects.blockCount, verify(suspects, 3, "abcd")], [0, ""]);
});

Deno.test("Suspects keeps every failure of a piece", () => {
  const suspects = make();
  fail(suspects, 3, "Xbcd", "ABCD");
  fail(suspects, 3, "aXcd", "ABCD");
  fail(suspects, 3, "abcX", "DDDE");
  assertEquals(verify(suspects, 3, "abcd"), "ABE");
});

Deno.test("Suspects names a peer once, however often it lied", () => {
  const suspects = make();
  fail(suspects, 3, "XYcd", "AABB");
  fail(suspects, 3, "abZd", "CCAA");
  assertEquals(suspects.handleVerified(3, pieceOf("abcd"), BLOCK), ["A"]);
});

Deno.test("Suspects holds nothing against a peer whose good block stood in a bad piece", () => {
  const suspects = make();
  for (let i = 0; i < 20; i++) fail(suspects, 3, "aX", "AB");
  assertEquals(verify(suspects, 3, "ab"), "B");
});

Deno.test("Suspects compares the short last block, too", () => {
  const suspects = make();
  const senderOf = (block: number) => "AB"[block]!;
  suspects.handleCorrupt(3, Uint8Array.of(1, 2, 3, 4, 5, 6), BLOCK, senderOf);
  assertEquals(suspects.handleVerified(3, Uint8Array.of(1, 2, 3, 4, 5, 7), BLOCK), ["B"]);
});

Deno.test("Suspects.sendersOf() are all who had a part in the failures", () => {
  const suspects = make();
  assertEquals([...suspects.sendersOf(3)], []);
  fail(suspects, 3, "aX", "AB");
  fail(suspects, 3, "aX", "CB");
  assertEquals([...suspects.sendersOf(3)].sort(), ["A", "B", "C"]);
  suspects.forget(3);
  assertEquals([...suspects.sendersOf(3)], []);
});

Deno.test("Suspects remembers no more than its limit, and forgets the oldest first", () => {
  const suspects = make(6);
  fail(suspects, 1, "aX", "AB");
  fail(suspects, 2, "aX", "CD");
  fail(suspects, 1, "Xb", "EF");
  fail(suspects, 3, "aX", "GH");
  assertEquals(suspects.blockCount, 6);
  assertEquals(["ab", "ab", "ab"].map((good, i) => verify(suspects, i + 1, good)), ["E", "D", "H"]);
  for (let piece = 0; piece < 1000; piece++) {
    fail(suspects, piece % 7, "abcX", "ABCD");
    assert(suspects.blockCount <= 6);
  }
  fail(suspects, 9, "abcdefgX", "ABCDEFGH");
  assertEquals(suspects.blockCount, 0, "what is larger than the limit is not kept at all");
  assertEquals(SUSPECT_BLOCKS_MAX * 16384, 2 ** 30);
});

Deno.test("halfSipHash() is HalfSipHash-2-4 with 64 bits", () => {
  const expected = ["218d1f59b9b83cc8", "be552412f8387315", "064f39ef7c50eb57", "ce0f1a45f7060679"]
    .concat(["d5e78a175be52ea1", "cb9d7c3f2f3db580"]); // of 0, 1, 2... bytes 00 01 02...; key 00 to 07
  for (const [length, hex] of expected.entries()) {
    const data = Uint8Array.of(255, 0, 1, 2, 3, 4, 5, 6);
    const out = new Uint32Array(3);
    halfSipHash(data, 1, 1 + length, 0x03020100, 0x07060504, out, 1);
    const bytes = new Uint8Array(out.buffer, 4);
    assertEquals(Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(""), hex);
  }
});

Deno.test("halfSipHash() depends on its key: equal digests cannot be prepared", () => {
  const digests = new Set<string>();
  const random = randomOf(5);
  for (let i = 0; i < 100; i++) {
    const out = new Uint32Array(2);
    const [key0, key1] = [random() * 2 ** 32 >>> 0, random() * 2 ** 32 >>> 0];
    halfSipHash(new Uint8Array(64), 0, 64, key0, key1, out, 0);
    digests.add(out.join());
  }
  assertEquals(digests.size, 100);
});

Deno.test("Suspects bans every liar whose block was replaced, and no honest peer, in any swarm", () => {
  const swarm = fc.record({
    seed: fc.nat(),
    peers: fc.integer({ min: 2, max: 12 }),
    liars: fc.integer({ min: 0, max: 6 }),
    blocks: fc.integer({ min: 1, max: 20 }),
    pieces: fc.integer({ min: 1, max: 4 }),
  });
  fc.assert(fc.property(swarm, ({ seed, peers, liars, blocks, pieces }) => {
    const random = randomOf(seed);
    const pick = (count: number) => Math.floor(random() * count);
    const suspects = new Suspects({ random });
    const isLiar = (peer: string) => Number(peer) < liars;
    const lied = Array.from({ length: pieces }, () => new Set<string>());
    const banned = new Set<string>();
    for (let round = 0; round < 60; round++) {
      const piece = pick(pieces);
      const good = Uint8Array.from({ length: blocks * BLOCK }, (_, i) => piece * 31 + i);
      const data = good.slice();
      const senders = Array.from({ length: blocks }, () => `${pick(peers)}`);
      for (const [block, sender] of senders.entries()) {
        if (!isLiar(sender) || random() < 0.5) continue; // liars send good blocks as well
        data[block * BLOCK + pick(BLOCK)]! ^= 1 + pick(255);
        lied[piece]!.add(sender);
      }
      const isGood = data.every((byte, i) => byte === good[i]);
      const named = isGood
        ? suspects.handleVerified(piece, data, BLOCK)
        : suspects.handleCorrupt(piece, data, BLOCK, (block) => senders[block]!);
      for (const peer of named) banned.add(peer);
      for (const peer of banned) assert(isLiar(peer), `${peer} is honest`);
      if (!isGood) continue;
      for (const peer of lied[piece]!) assert(banned.has(peer), `${peer} lied about ${piece}`);
    }
  }));
});
