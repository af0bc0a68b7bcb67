import { assertEquals, assertThrows } from "@std/assert";
import { parseIp } from "./address.ts";
import { AddressRanges } from "./address_ranges.ts";

Deno.test("AddressRanges has what begins with the same bits", () => {
  const table: [ranges: string[], address: string, isIn: boolean][] = [
    [["192.0.2.7"], "192.0.2.7", true],
    [["192.0.2.7"], "192.0.2.8", false],
    [["10.0.0.0/8"], "10.255.1.2", true],
    [["10.0.0.0/8"], "11.0.0.0", false],
    [["192.0.2.128/25"], "192.0.2.200", true],
    [["192.0.2.128/25"], "192.0.2.127", false],
    [["0.0.0.0/0"], "8.8.8.8", true],
    [["0.0.0.0/0"], "::1", false],
    [["fd00::/9", "::1"], "fd7f::3", true],
    [["fd00::/9", "::1"], "fd80::3", false],
    [["fd00::/9", "::1"], "::1", true],
    [["::ffff:192.0.2.7"], "192.0.2.7", true],
    [[], "::1", false],
  ];
  for (const [ranges, address, isIn] of table) {
    assertEquals(new AddressRanges(ranges).has(parseIp(address)!), isIn, `${ranges} ${address}`);
  }
});

Deno.test("AddressRanges refuses what is no range", () => {
  for (
    const text of ["", "localhost", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "::/129", "1.2.3"]
  ) {
    assertThrows(() => new AddressRanges([text]), RangeError, "Cannot read address range");
  }
});
