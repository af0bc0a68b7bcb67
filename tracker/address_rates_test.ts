import { assert, assertEquals } from "@std/assert";
import { parseIp } from "./address.ts";
import { AddressRates } from "./address_rates.ts";

function takeAll(rates: AddressRates, address: string, nowMs: number): number {
  let taken = 0;
  while (rates.take(parseIp(address)!, nowMs)) taken++;
  return taken;
}

Deno.test("AddressRates lets ten seconds' worth through at once, then the rate", () => {
  const rates = new AddressRates(5, () => 0.3);
  assertEquals(takeAll(rates, "192.0.2.1", 1000), 50);
  assertEquals(takeAll(rates, "192.0.2.1", 1100), 0);
  assertEquals(takeAll(rates, "192.0.2.1", 2000), 5);
  assertEquals(takeAll(rates, "192.0.2.1", 1e9), 50);
});

Deno.test("AddressRates counts each address by itself, of IPv6 each network", () => {
  const rates = new AddressRates(1, () => 0.3);
  assertEquals(takeAll(rates, "192.0.2.1", 0), 10);
  assertEquals(takeAll(rates, "192.0.2.2", 0), 10);
  assertEquals(takeAll(rates, "2001:db8::1", 0), 10);
  assertEquals(takeAll(rates, "2001:db8::2", 0), 0);
  assertEquals(takeAll(rates, "2001:db8:0:1::1", 0), 10);
});

Deno.test("AddressRates spreads addresses over its counters", () => {
  const rates = new AddressRates(0.1, () => 0.7);
  let free = 0;
  for (let i = 0; i < 10_000; i++) {
    if (rates.take(new Uint8Array([10, 1, i >> 8, i]), 0)) free++;
  }
  // 10,000 addresses in 65,536 counters share one in 13 cases of 100 at most.
  assert(free > 8500, `${free}`);
});
