import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { hashesAreEqual, hashOfHex, hexOfHash } from "./hash.ts";

Deno.test("hexOfHash() writes two lower-case digits for each byte", () => {
  assertEquals(hexOfHash(Uint8Array.of(0, 9, 10, 255)), "00090aff");
  assertEquals(hexOfHash(new Uint8Array()), "");
});

Deno.test("hashOfHex() reads what hexOfHash() writes, in either letter case", () => {
  fc.assert(fc.property(fc.uint8Array(), (bytes) => {
    const copy = Uint8Array.from(bytes);
    assertEquals(hashOfHex(hexOfHash(copy)), copy);
    assertEquals(hashOfHex(hexOfHash(copy).toUpperCase()), copy);
  }));
});

Deno.test("hashOfHex() refuses what is no pairs of hexadecimal digits", () => {
  for (const text of ["0", "0g", "zz", " 0", "-1", "0x", "é0"]) {
    assertThrows(() => hashOfHex(text), RangeError);
  }
});

Deno.test("hashesAreEqual() compares every byte and the length", () => {
  assert(hashesAreEqual(Uint8Array.of(1, 2), Uint8Array.of(1, 2)));
  assert(!hashesAreEqual(Uint8Array.of(1, 2), Uint8Array.of(1, 3)));
  assert(!hashesAreEqual(Uint8Array.of(1, 2), Uint8Array.of(1)));
});
