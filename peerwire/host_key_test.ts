/** Addresses of one host, and of others. */
import { assertEquals, assertNotEquals } from "@std/assert";
import { hostKeyOf } from "./host_key.ts";

Deno.test("hostKeyOf() is the same for all ways to write an address, and for all addresses of a /64", () => {
  for (
    const [one, other] of [
      ["192.0.2.1", "::ffff:192.0.2.1"],
      ["192.0.2.1", "::ffff:c000:201"],
      ["2001:db8::1", "2001:0DB8:0:0::1"],
      ["2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff"],
      ["peer.example", "PEER.example"],
    ] as const
  ) assertEquals(hostKeyOf(one), hostKeyOf(other), `${one} ${other}`);
});

Deno.test("hostKeyOf() differs for different hosts", () => {
  const keys = [
    "192.0.2.1",
    "192.0.2.2",
    "2001:db8::1",
    "2001:db8:0:1::1",
    "a.example",
    "b.example",
  ]
    .map(hostKeyOf);
  for (const [i, key] of keys.entries()) {
    for (const other of keys.slice(i + 1)) assertNotEquals(key, other);
  }
});
