import { assertEquals } from "@std/assert";
import { LOOKUP_MS, Lookups, merged } from "./lookups.ts";
import type { Provider } from "./record_map.ts";

Deno.test("Lookups are done when all have answered, each once and only who was asked", () => {
  const lookups = new Lookups();
  let done = 0;
  const id = lookups.begin("h", ["a:1", "b:1"], () => done++, 0)!;
  assertEquals(lookups.answered(id, "c:1"), null);
  assertEquals(lookups.answered(id, "a:1"), "h");
  assertEquals(lookups.answered(id, "a:1"), null);
  lookups.settle(id, 0);
  assertEquals(done, 0);
  lookups.handleUnreachable("b:1", 0);
  assertEquals([done, lookups.nextDeadlineMs], [1, Infinity]);
});

Deno.test("Lookups are done in time, and at once where nobody can be asked", () => {
  const lookups = new Lookups();
  let done = 0;
  lookups.begin("h", [], () => done++, 0);
  assertEquals(done, 1);
  lookups.begin("h", ["a:1"], () => done++, 0);
  lookups.handleTime(LOOKUP_MS - 1);
  assertEquals(done, 1);
  lookups.handleTime(lookups.nextDeadlineMs);
  assertEquals(done, 2);
});

Deno.test("merged() gives each address once, signed words first, the most recently heard of first", () => {
  const provider = (address: string, owner: string | null, lastSeenMs: number): Provider => ({
    infoHash: "h",
    peerId: "p",
    left: 0,
    address,
    owner,
    lastSeenMs,
  });
  const found = merged([
    provider("a:1", null, 900),
    provider("a:1", "k", 100),
    provider("b:1", "k", 300),
    provider("b:1", "l", 400),
    provider("c:1", "k", 50),
  ], 2);
  assertEquals(found.map(({ address, owner }) => `${address} ${owner}`), ["b:1 l", "a:1 k"]);
});
