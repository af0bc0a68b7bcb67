import { assert, assertEquals, assertRejects } from "@std/assert";
import { Limiter } from "./limiter.ts";

Deno.test("Limiter lets as many run as it says, in their order, failures included", async () => {
  const limiter = new Limiter(3);
  let running = 0;
  let most = 0;
  const ended: number[] = [];
  await Promise.all(Array.from({ length: 20 }, (_, i) => {
    const result = limiter.run(async () => {
      most = Math.max(most, ++running);
      await Promise.resolve();
      running--;
      ended.push(i);
      if (i % 5 === 0) throw new Error(`${i}`);
      return i;
    });
    return i % 5 === 0 ? assertRejects(() => result, Error, `${i}`) : result;
  }));
  assertEquals(most, 3);
  assertEquals(ended, [...Array(20).keys()]);
  assertEquals(await limiter.run(() => Promise.resolve("free")), "free");
  assert(running === 0);
});
