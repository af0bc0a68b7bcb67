import { assert, assertEquals, assertThrows } from "@std/assert";
import { PiecePool } from "./piece_pool.ts";

Deno.test("PiecePool gives buffers of one piece length up to its limit", () => {
  const pool = new PiecePool(1000, 3500);
  assertEquals(pool.limit, 3);
  const buffers = [pool.acquire(), pool.acquire(), pool.acquire()];
  assertEquals(buffers.map((buffer) => buffer?.length), [1000, 1000, 1000]);
  assertEquals(new Set(buffers).size, 3);
  assertEquals([pool.acquire(), pool.inUse], [null, 3]);
});

Deno.test("PiecePool allows two pieces whatever its limit in bytes says", () => {
  const pool = new PiecePool(1000, 10);
  assertEquals(pool.limit, 2);
  assert(pool.acquire() !== null && pool.acquire() !== null && pool.acquire() === null);
});

Deno.test("PiecePool gives a released buffer again instead of a new one", () => {
  const pool = new PiecePool(1000, 2000);
  const buffer = pool.acquire()!;
  pool.release(buffer);
  assertEquals(pool.inUse, 0);
  assert(pool.acquire() === buffer);
});

Deno.test("PiecePool.trim() forgets the buffers that are not out", () => {
  const pool = new PiecePool(1000, 2000);
  const [free, out] = [pool.acquire()!, pool.acquire()!];
  pool.release(free);
  pool.trim();
  assert(pool.acquire() !== free);
  assertEquals(pool.inUse, 2);
  pool.release(out);
  assert(pool.acquire() === out);
});

Deno.test("PiecePool.release() refuses a buffer that it did not give", () => {
  const pool = new PiecePool(1000, 2000);
  assertThrows(() => pool.release(new Uint8Array(1000)), RangeError);
  const buffer = pool.acquire()!;
  assertThrows(() => pool.release(buffer.subarray(0, 999)), RangeError);
  pool.release(buffer);
  assertThrows(() => pool.release(buffer), RangeError);
});
