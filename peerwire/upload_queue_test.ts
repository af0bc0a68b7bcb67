import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { UploadQueue } from "./upload_queue.ts";

type Request = [piece: number, begin: number, length: number];

function listOf(queue: UploadQueue): Request[] {
  return Array.from({ length: queue.count }, (_, i) => [
    queue.pieceAt(i),
    queue.beginAt(i),
    queue.lengthAt(i),
  ]);
}

Deno.test("UploadQueue gives requests in the order in which they came", () => {
  const queue = new UploadQueue(10);
  queue.push(1, 0, 16384);
  queue.push(2 ** 32 - 1, 2 ** 31, 100);
  assertEquals(listOf(queue), [[1, 0, 16384], [2 ** 32 - 1, 2 ** 31, 100]]);
  queue.shift();
  assertEquals(listOf(queue), [[2 ** 32 - 1, 2 ** 31, 100]]);
});

Deno.test("UploadQueue.push() says no at the limit, and yes again behind it", () => {
  const queue = new UploadQueue(2);
  assertEquals([queue.push(0, 0, 1), queue.push(1, 0, 1), queue.push(2, 0, 1)], [
    true,
    true,
    false,
  ]);
  queue.shift();
  assertEquals(queue.push(3, 0, 1), true);
  assertEquals(listOf(queue).map(([piece]) => piece), [1, 3]);
});

Deno.test("UploadQueue.remove() takes the oldest of equal requests and keeps the order of the rest", () => {
  const queue = new UploadQueue(10);
  for (const piece of [5, 6, 5, 7]) queue.push(piece, 0, 1);
  assertEquals([queue.remove(5, 0, 1), queue.remove(5, 1, 1), queue.remove(8, 0, 1)], [
    true,
    false,
    false,
  ]);
  assertEquals(listOf(queue).map(([piece]) => piece), [6, 5, 7]);
});

Deno.test("UploadQueue.shift() refuses an empty queue", () => {
  assertThrows(() => new UploadQueue(1).shift(), RangeError);
});

Deno.test("UploadQueue agrees with an array after every step of any sequence", () => {
  const step = fc.record({
    kind: fc.constantFrom("push", "push", "push", "shift", "remove", "clear" as const),
    piece: fc.nat(3),
    begin: fc.nat(2),
    many: fc.constantFrom(1, 1, 1, 20),
  });
  const steps = fc.array(step, { maxLength: 100, size: "max" });
  fc.assert(fc.property(steps, fc.integer({ min: 1, max: 120 }), (steps, limit) => {
    const queue = new UploadQueue(limit);
    let model: Request[] = [];
    for (const { kind, piece, begin, many } of steps) {
      for (let i = 0; i < many; i++) {
        if (kind === "push") {
          const length = i + 1;
          assertEquals(queue.push(piece, begin, length), model.length < limit);
          if (model.length < limit) model.push([piece, begin, length]);
        } else if (kind === "shift" && model.length > 0) {
          queue.shift();
          model.shift();
        } else if (kind === "remove") {
          const length = i + 1;
          const at = model.findIndex((one) => `${one}` === `${[piece, begin, length]}`);
          assertEquals(queue.remove(piece, begin, length), at !== -1);
          if (at !== -1) model.splice(at, 1);
        } else if (kind === "clear" && many === 20) {
          queue.clear();
          model = [];
        }
      }
      assertEquals(listOf(queue), model);
    }
  }));
});
