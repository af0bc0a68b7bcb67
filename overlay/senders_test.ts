import { assert, assertEquals } from "@std/assert";
import { Allowance, Senders } from "./senders.ts";

Deno.test("Allowance gives so many at once, and so many per second after that", () => {
  const allowance = new Allowance(3, 2, 0);
  const take = (nowMs: number) => [0, 0, 0, 0].filter(() => allowance.take(nowMs)).length;
  assertEquals([take(0), take(0), take(1000), take(1_000_000)], [3, 0, 2, 3]);
  assert(!allowance.isFull(1_000_000) && allowance.isFull(1_002_000));
});

Deno.test("Senders: a forgery ends a connection, small offences only when they are many", () => {
  const senders = new Senders();
  assert(senders.blame("#1", "forged", 1, 0));
  assert(!senders.blame("#2", "expired", 1000, 0));
  assert(senders.blame("#2", "expired", 1001, 0));
  // Forty a second go on for ever.
  for (let second = 0; second < 1000; second++) {
    assert(!senders.blame("#3", "expired", 40, 1000 * second));
  }
  assert(!senders.blame("#4", "flood", 0, 0));
  assertEquals([senders.offences.forged, senders.offences.expired], [1, 42_001]);
});
