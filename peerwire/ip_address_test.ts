/** How addresses are read. */
import { assert, assertEquals } from "@std/assert";
import { addressOf, isLoopback, parseIpAddress } from "./ip_address.ts";
import { formatAddress } from "./peer_book.ts";

Deno.test("parseIpAddress() reads both families, and no names", () => {
  const hexOf = (host: string) => {
    const bytes = parseIpAddress(host);
    return bytes === null
      ? null
      : Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
  };
  assertEquals(hexOf("192.0.2.1"), "c0000201");
  assertEquals(hexOf("2001:db8::1"), "20010db8000000000000000000000001");
  assertEquals(hexOf("::"), "0".repeat(32));
  assertEquals(hexOf("1:2:3:4:5:6:7:8"), "00010002000300040005000600070008");
  assertEquals(hexOf("::ffff:192.0.2.1"), "c0000201");
  assertEquals(hexOf("64:ff9b::192.0.2.1"), "0064ff9b0000000000000000c0000201");
  for (
    const host of ["", "peer.example", "192.0.2", "192.0.2.256", "192.0.2.1.1", "192.0.2.x", ":::"]
      .concat([
        "1:2:3:4:5:6:7",
        "1:2:3:4:5:6:7:8:9",
        "1::2::3",
        "fe80::1%eth0",
        "::12345",
        ":",
        "1:",
      ])
      .concat(["::ffff:192.0.2", "1:2:3:4:5:6:7::8"])
  ) assertEquals(hexOf(host), null, host);
});

Deno.test("addressOf() takes apart what formatAddress() puts together", () => {
  for (const host of ["192.0.2.1", "2001:db8::1", "peer.example"]) {
    assertEquals(addressOf(formatAddress({ host, port: 6881 })), { host, port: 6881 });
  }
});

Deno.test("isLoopback() knows this machine", () => {
  for (const host of ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "localhost"]) {
    assert(isLoopback(host), host);
  }
  for (const host of ["128.0.0.1", "::2", "10.0.0.1", "peer.example"]) {
    assert(!isLoopback(host), host);
  }
});
