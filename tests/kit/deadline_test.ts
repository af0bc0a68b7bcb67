import { assertEquals, assertRejects } from "@std/assert";
import { DeadlineError, eventually, within } from "./deadline.ts";

const LIMIT_MS = 20_000;

Deno.test("within() gives the value, the error or a DeadlineError", async () => {
  assertEquals(await within(LIMIT_MS, "a value", Promise.resolve(1)), 1);
  await assertRejects(() => within(LIMIT_MS, "x", Promise.reject(new TypeError())), TypeError);
  const never = new Promise<never>(() => {});
  await assertRejects(() => within(1, "the end of time", never), DeadlineError, "end of time");
});

Deno.test("eventually() asks until there is something", async () => {
  let asked = 0;
  assertEquals(await eventually(LIMIT_MS, "three", () => ++asked === 3 ? "three" : null), "three");
  assertEquals(asked, 3);
});

Deno.test("eventually() ends at its deadline, also while a probe is under way", async () => {
  await assertRejects(() => eventually(1, "nothing", () => null), DeadlineError, "nothing");
  await assertRejects(() => eventually(1, "x", () => new Promise<never>(() => {})), DeadlineError);
});

Deno.test("eventually() fails as its probe fails", async () => {
  const probe = () => Promise.reject(new TypeError("broken"));
  await assertRejects(() => eventually(LIMIT_MS, "x", probe), TypeError, "broken");
});
