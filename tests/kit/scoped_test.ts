import { assertEquals, assertRejects } from "@std/assert";
import { DeadlineError } from "./deadline.ts";
import { type Scope, scoped } from "./scoped.ts";

const LIMIT_MS = 20_000;

/** Something that writes down when it is disposed of. */
function recorded(log: string[], name: string): AsyncDisposable {
  return {
    [Symbol.asyncDispose]: () => {
      log.push(name);
      return Promise.resolve();
    },
  };
}

Deno.test("scoped() disposes of all, newest first", async () => {
  const log: string[] = [];
  await scoped(LIMIT_MS, async (scope) => {
    await scope.use(recorded(log, "a"));
    await scope.use(Promise.resolve(recorded(log, "b")));
  });
  assertEquals(log, ["b", "a"]);
});

Deno.test("scoped() disposes of all when the test fails, and when disposing fails", async () => {
  const log: string[] = [];
  const failing = { [Symbol.asyncDispose]: () => Promise.reject(new Error("stuck")) };
  const test = async (scope: Scope) => {
    await scope.use(recorded(log, "a"));
    await scope.use(failing);
    throw new TypeError("the test failed");
  };
  await assertRejects(() => scoped(LIMIT_MS, test));
  assertEquals(log, ["a"]);
});

Deno.test("scoped() ends a test at its limit, with what it tries to start afterwards", async () => {
  const log: string[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  const test = async (scope: Scope) => {
    await scope.use({
      [Symbol.asyncDispose]: () => {
        log.push("a");
        resolve();
        return Promise.resolve();
      },
    });
    await promise;
    await scope.use(recorded(log, "too late"));
  };
  await assertRejects(() => scoped(1, test), DeadlineError);
  assertEquals(log, ["a", "too late"]);
});
