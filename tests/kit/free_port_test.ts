import { assert, assertEquals, assertRejects } from "@std/assert";
import { DeadlineError } from "./deadline.ts";
import { freePort, onFreePort } from "./free_port.ts";

Deno.test("freePort() gives a port that can be listened on", async () => {
  const isListened = await onFreePort((port) => {
    using listener = Deno.listen({ hostname: "127.0.0.1", port });
    return Promise.resolve((listener.addr as Deno.NetAddr).port === port);
  });
  assert(isListened);
  assert(freePort() >= 1024);
});

Deno.test("onFreePort() tries another port where the first does not work, but not for ever", async () => {
  const ports: number[] = [];
  const start = (port: number) => {
    ports.push(port);
    return ports.length === 2 ? Promise.resolve("started") : Promise.reject(new Error("in use"));
  };
  assertEquals(await onFreePort(start), "started");
  assertEquals(ports.length, 2);
  await assertRejects(() => onFreePort(start), Error, "in use");
  assertEquals(ports.length, 6);
});

Deno.test("onFreePort() does not try again what took too long", async () => {
  let attempts = 0;
  await assertRejects(() =>
    onFreePort(() => {
      attempts++;
      return Promise.reject(new DeadlineError("too slow"));
    }), DeadlineError);
  assertEquals(attempts, 1);
});
