import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { BLOCK_MEMBERS_MIN, MemberBlocks } from "./_member_blocks.ts";
import { MemoryCutter } from "./_memory.ts";

function makeBlocks(membersMax: number): MemberBlocks {
  const counter = new MemoryCutter(null);
  new MemberBlocks(counter, membersMax);
  const blocks = new MemberBlocks(new MemoryCutter(new ArrayBuffer(counter.bytes)), membersMax);
  blocks.format();
  return blocks;
}

Deno.test("MemberBlocks takes low blocks first, and joins what is given back", () => {
  const blocks = makeBlocks(16);
  assertEquals([blocks.take(0), blocks.take(0), blocks.take(1)], [0, 4, 8]);
  assertEquals(blocks.take(0), -1);
  blocks.release(4, 0);
  blocks.release(8, 1);
  assertEquals(blocks.take(2), -1);
  blocks.release(0, 0);
  assertEquals(blocks.take(2), 0);
});

Deno.test("MemberBlocks never gives out a member twice, and loses none", () => {
  const membersMax = 256;
  const order = fc.integer({ min: 0, max: 6 });
  const step = fc.record({ order, released: fc.integer({ min: -20, max: 20 }) });
  fc.assert(fc.property(fc.array(step, { maxLength: 100 }), (history) => {
    const blocks = makeBlocks(membersMax);
    const taken: { block: number; order: number; mark: number }[] = [];
    history.forEach(({ order, released }, mark) => {
      if (released >= 0 && released < taken.length) {
        const [gone] = taken.splice(released, 1);
        blocks.release(gone!.block, gone!.order);
        return;
      }
      const block = blocks.take(order);
      if (block < 0) return;
      blocks.members.fill(-mark - 1, block, block + (BLOCK_MEMBERS_MIN << order));
      taken.push({ block, order, mark });
    });
    for (const { block, order, mark } of taken) {
      const end = block + (BLOCK_MEMBERS_MIN << order);
      assert(blocks.members.subarray(block, end).every((member) => member === -mark - 1));
      blocks.release(block, order);
    }
    assertEquals(blocks.take(6), 0);
  }));
});
