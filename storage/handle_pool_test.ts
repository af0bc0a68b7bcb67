import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import fc from "fast-check";
import { HandlePool } from "./handle_pool.ts";

/** A handle that notes when it is closed, and that nobody uses it then. */
class TestHandle {
  isOpen = true;
  users = 0;
  readonly key: number;
  constructor(key: number) {
    this.key = key;
  }
  close(): void {
    assert(this.isOpen && this.users === 0);
    this.isOpen = false;
  }
}

const opened: TestHandle[] = [];
const openHandle = (key: number) => (): Promise<TestHandle> => {
  const handle = new TestHandle(key);
  opened.push(handle);
  return Promise.resolve(handle);
};
const nothing = (handle: TestHandle): Promise<TestHandle> => Promise.resolve(handle);

Deno.test("HandlePool closes the handle that was used least recently", async () => {
  const pool = new HandlePool<TestHandle>(2);
  const first = await pool.use(1, openHandle(1), nothing);
  const second = await pool.use(2, openHandle(2), nothing);
  assertEquals(await pool.use(1, openHandle(1), nothing), first);
  await pool.use(3, openHandle(3), nothing);
  assertEquals([first.isOpen, second.isOpen, pool.openCount], [true, false, 2]);
  pool.dropAll();
  assertEquals([first.isOpen, pool.openCount], [false, 0]);
});

Deno.test("HandlePool opens a dropped handle anew, and closes the old one when its user is done", async () => {
  const pool = new HandlePool<TestHandle>(2);
  const { promise, resolve } = Promise.withResolvers<void>();
  const using = pool.use(1, openHandle(1), (handle) => promise.then(() => handle));
  pool.drop(1);
  const second = await pool.use(1, openHandle(1), nothing);
  resolve();
  const first = await using;
  assert(first !== second);
  assertEquals([first.isOpen, second.isOpen, pool.openCount], [false, true, 1]);
  pool.dropAll();
});

Deno.test("HandlePool hands on a failure to open, and tries again", async () => {
  const pool = new HandlePool<TestHandle>(1);
  const fail = (): Promise<TestHandle> => Promise.reject(new Error("no such file"));
  const results = await Promise.allSettled([
    pool.use(1, fail, nothing),
    pool.use(1, fail, nothing),
    pool.use(2, openHandle(2), nothing),
  ]);
  assertEquals(results.map((result) => result.status), ["rejected", "rejected", "fulfilled"]);
  await assertRejects(() => pool.use(3, fail, nothing), Error, "no such file");
  assertEquals(pool.openCount, 0);
  assertEquals((await pool.use(3, openHandle(3), nothing)).key, 3);
  pool.dropAll();
});

Deno.test("HandlePool refuses a limit below one", () => {
  assertThrows(() => new HandlePool(0), RangeError, "at least 1");
  assertThrows(() => new HandlePool(1.5), RangeError);
});

Deno.test("HandlePool never has more open than its limit, whatever overlaps", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 3 }),
      fc.array(
        fc.record({ key: fc.nat(5), turns: fc.nat(6), fails: fc.boolean(), drops: fc.boolean() }),
        { maxLength: 40 },
      ),
      async (limit, uses) => {
        opened.length = 0;
        const pool = new HandlePool<TestHandle>(limit);
        await Promise.all(uses.map(async ({ key, turns, fails, drops }) => {
          if (drops) pool.drop(key);
          const open = fails ? () => Promise.reject(new Error("no")) : openHandle(key);
          const used = pool.use(key, open, async (handle) => {
            handle.users++;
            for (let i = 0; i < turns; i++) {
              await null;
              assert(handle.isOpen && handle.key === key);
              assert(opened.filter((each) => each.isOpen).length <= limit);
            }
            handle.users--;
          });
          await used.catch((error) => assertEquals(error.message, "no"));
        }));
        pool.dropAll();
        assertEquals(pool.openCount, 0);
        assert(opened.every((each) => !each.isOpen));
      },
    ),
  );
});
