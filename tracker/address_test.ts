import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { formatHostPort, formatIp, isHost, parseIp } from "./address.ts";

Deno.test("parseIp() reads the forms of RFC 4291, and formatIp() writes that of RFC 5952", () => {
  const table: [text: string, canonical: string][] = [
    ["0.0.0.0", "0.0.0.0"],
    ["255.255.255.255", "255.255.255.255"],
    ["::", "::"],
    ["::1", "::1"],
    ["1::", "1::"],
    ["2001:DB8:0:0:0:0:0:1", "2001:db8::1"],
    ["2001:db8:0:1:0:0:0:1", "2001:db8:0:1::1"],
    ["1:0:0:2:0:0:3:4", "1::2:0:0:3:4"],
    ["1:0:2:3:4:5:6:7", "1:0:2:3:4:5:6:7"],
    ["::1.2.3.4", "::102:304"],
    ["::ffff:1.2.3.4", "1.2.3.4"],
    ["::ffff:7f00:1", "127.0.0.1"],
    ["1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"],
  ];
  for (const [text, canonical] of table) assertEquals(formatIp(parseIp(text)!), canonical, text);
});

Deno.test("parseIp() gives null for what is no address", () => {
  const texts = ["", "1.2.3", "1.2.3.256", "1.2.3.4.5", "a.b.c.d", "localhost", ":", ":::", "1:2"];
  texts.push(
    "1::2::3",
    "1:2:3:4:5:6:7:8:9",
    "1:2:3:4:5:6:7:8::",
    "12345::",
    "fe80::1%eth0",
    "[::1]",
  );
  texts.push("1.2.3.4::", "::1.2.3", "g::", "1:2:3:4:5:6:7:1.2.3.4");
  for (const text of texts) assertEquals(parseIp(text), null, text);
});

Deno.test("formatIp() and parseIp() are inverse", () => {
  const lengths = fc.constantFrom(4, 16);
  const bytes = lengths.chain((length) =>
    fc.array(fc.constantFrom(0, 0, 0, 1, 0x80, 0xff), { minLength: length, maxLength: length })
  );
  fc.assert(fc.property(bytes, (array) => {
    const address = Uint8Array.from(array);
    const text = formatIp(address);
    const back = parseIp(text)!;
    assertEquals(formatIp(back), text);
    if (back.length === address.length) assertEquals(back, address);
  }));
  assertThrows(() => formatIp(new Uint8Array(5)), RangeError, "length is 5 bytes");
});

Deno.test("isHost() accepts names and addresses, and nothing that could be anything else", () => {
  for (const host of ["a", "seed_1", "peer-2.example.com.", "1.2.3.4", "::1", "a".repeat(253)]) {
    assertEquals(isHost(host), true, host);
  }
  const others = ["", "-a", "a-", "a b", "a/b", "a..b", ".", "a:1", "ä", "a\n", "a".repeat(254)];
  for (const host of others) assertEquals(isHost(host), false, JSON.stringify(host));
});

Deno.test("formatHostPort() puts IPv6 into brackets", () => {
  assertEquals(formatHostPort("a.example", 1), "a.example:1");
  assertEquals(formatHostPort("::1", 6881), "[::1]:6881");
});
