import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import {
  bytesOfKey,
  DEFAULT_MAX_DEPTH,
  type Encodable,
  encode,
  INTEGER_DIGITS_MAX,
  keyOfBytes,
} from "./mod.ts";

/** The encoding with one character per byte. */
function textOf(value: Encodable): string {
  return keyOfBytes(encode(value));
}

/** What the types forbid. */
// deno-lint-ignore no-explicit-any -- plain JavaScript can pass anything
const untyped = (value: any): Encodable => value;

const long = "x".repeat(10_000);

const table: [value: Encodable, text: string][] = [
  [0, "i0e"],
  [-0, "i0e"],
  [-42, "i-42e"],
  [Number.MAX_SAFE_INTEGER, "i9007199254740991e"],
  [Number.MIN_SAFE_INTEGER, "i-9007199254740991e"],
  [7n, "i7e"],
  [-9223372036854775808n, "i-9223372036854775808e"],
  ["", "0:"],
  ["spam", "4:spam"],
  [long, `10000:${long}`],
  ["ñ€😀", "9:\xc3\xb1\xe2\x82\xac\xf0\x9f\x98\x80"],
  [new Uint8Array([0, 255]), "2:\x00\xff"],
  [new Uint8Array(300), `300:${"\x00".repeat(300)}`],
  [new Uint8Array([1, 2, 3, 4]).subarray(1, 3), "2:\x02\x03"],
  [[], "le"],
  [[1, ["a"], []], "li1el1:aelee"],
  [{}, "de"],
  [new Map(), "de"],
  [{ spam: "eggs", cow: "moo" }, "d3:cow3:moo4:spam4:eggse"],
  [{ b: 1, left: undefined, "": 2, B: 3, aa: 4, a: 5 }, "d0:i2e1:Bi3e1:ai5e2:aai4e1:bi1ee"],
  [{ 10: 1, 9: 2 }, "d2:10i1e1:9i2ee"],
  [Object.assign(Object.create(null), { a: 1 }), "d1:ai1ee"],
  [JSON.parse('{"__proto__":1,"constructor":2}'), "d9:__proto__i1e11:constructori2ee"],
  [new Map([["\xff", 1], ["\x80", 2], ["__proto__", 3]]), "d9:__proto__i3e1:\x80i2e1:\xffi1ee"],
];

Deno.test("encode() writes every form canonically", () => {
  for (const [value, text] of table) assertEquals(textOf(value), text);
});

Deno.test("encode() sorts the keys of objects by their UTF-8 bytes, not by UTF-16 units", () => {
  // As UTF-16 units U+1F600 (D83D...) comes before U+FF5E; as bytes F0 comes after EF.
  const value = { "\u{1f600}": 1, "\uff5e": 2, é: undefined, z: 3 };
  assertEquals(textOf(value), "d1:zi3e3:\xef\xbd\x9ei2e4:\xf0\x9f\x98\x80i1ee");
});

Deno.test("encode() takes the keys of a Map as bytes and those of an object as text", () => {
  assertEquals(textOf(new Map([["é", 1]])), "d1:\xe9i1ee");
  assertEquals(textOf({ é: 1 }), "d2:\xc3\xa9i1ee");
});

Deno.test("encode() gives the same bytes whatever the order of insertion", () => {
  const keys = Array.from({ length: 500 }, (_, i) => `key ${(i * 7919) % 500}`);
  const inserted = new Map(keys.map((key) => [key, key]));
  const sorted = new Map([...keys].sort().map((key) => [key, key]));
  assertEquals(encode(inserted), encode(sorted));
  assertEquals(encode(Object.fromEntries(inserted)), encode(sorted));
});

Deno.test("encode() returns bytes of its own, in a buffer of exactly their length", () => {
  const value = new Uint8Array([1, 2, 3]);
  const bytes = encode(value);
  value.fill(9);
  assertEquals(keyOfBytes(bytes), "3:\x01\x02\x03");
  assertEquals(bytes.buffer.byteLength, bytes.length);
  assertNotEquals(bytes.buffer, encode(value).buffer);
});

Deno.test("encode() refuses numbers that are not safe integers", () => {
  for (const value of [1.5, NaN, Infinity, -Infinity, 2 ** 53, -(2 ** 53), 1e300]) {
    assertThrows(() => encode(value), RangeError, `${value} is not a safe integer`);
    assertThrows(() => encode({ a: [value] }), RangeError);
  }
});

Deno.test("encode() bounds the digits of a bigint", () => {
  const largest = 10n ** BigInt(INTEGER_DIGITS_MAX) - 1n;
  for (const sign of [1n, -1n]) {
    assertEquals(textOf(sign * largest), `i${sign * largest}e`);
    assertThrows(() => encode(sign * (largest + 1n)), RangeError, "more than 1024 digits");
  }
});

Deno.test("encode() refuses what bencode has no form for", () => {
  const values = [null, undefined, true, false, Symbol("s"), () => 1, new Date(0), /x/, new Set()];
  const more = [
    new ArrayBuffer(1),
    new DataView(new ArrayBuffer(1)),
    new Uint16Array(1),
    new Error(),
  ];
  for (const value of [...values, ...more]) {
    for (const around of [value, [value], { a: [value] }, new Map([["a", value]])]) {
      assertThrows(() => encode(untyped(around)), TypeError, "bencode has no form for");
    }
  }
  assertThrows(() => encode(untyped([1, , 2])), TypeError, "bencode has no form for undefined");
  class Torrent {}
  assertThrows(() => encode(untyped(new Torrent())), TypeError, "bencode has no form for Torrent");
});

Deno.test("encode() refuses keys that are not byte strings", () => {
  assertThrows(() => encode(new Map([["a€", 1]])), RangeError, "unit 1 is 8364, limit is 255");
  assertThrows(() => encode(untyped(new Map([[1, 1]]))), TypeError, "1 is not a string");
  assertThrows(() => encode(untyped(new Map([[{}, 1]]))), TypeError, "Object is not a string");
});

Deno.test("encode() refuses text that has no UTF-8 form", () => {
  for (const text of ["\ud800", "a\udc00b", "\udc00\ud800"]) {
    assertThrows(() => encode(text), RangeError, "unpaired surrogate");
    assertThrows(() => encode({ [text]: 1 }), RangeError, "unpaired surrogate");
  }
});

Deno.test("encode() bounds nesting, and so refuses a value that holds itself", () => {
  let value: Encodable = [];
  for (let depth = 1; depth < DEFAULT_MAX_DEPTH; depth++) value = [value];
  assertEquals(encode(value).length, 2 * DEFAULT_MAX_DEPTH);
  assertThrows(() => encode([value]), RangeError, `nesting is deeper than ${DEFAULT_MAX_DEPTH}`);
  const cyclic: Encodable[] = [];
  cyclic.push(new Map([["self", cyclic]]));
  assertThrows(() => encode(cyclic), RangeError, "nesting is deeper");
});

Deno.test("encode() needs no permissions", { permissions: "none" }, () => {
  assertEquals(textOf({ a: 1 }), "d1:ai1ee");
});

Deno.test("bytesOfKey() inverts keyOfBytes() for every byte and every length", () => {
  const all = Uint8Array.from({ length: 256 }, (_, i) => i);
  assertEquals(bytesOfKey(keyOfBytes(all)), all);
  for (const length of [0, 1, 4095, 4096, 4097, 10_000, 200_000]) {
    const bytes = Uint8Array.from({ length }, (_, i) => (i * 31 + (i >> 8)) & 255);
    const key = keyOfBytes(bytes);
    assert(
      key.length === length && key.charCodeAt(length - 1) === bytes[length - 1] || length === 0,
    );
    assertEquals(bytesOfKey(key), bytes);
  }
});

Deno.test("bytesOfKey() refuses text", () => {
  assertThrows(() => bytesOfKey("ab\u0100"), RangeError, "unit 2 is 256, limit is 255");
});
