import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import {
  BencodeSyntaxError,
  type BencodeValue,
  decode,
  type DecodeOptions,
  decodePrefix,
  DEFAULT_MAX_BYTES,
  DEFAULT_MAX_DEPTH,
  DEFAULT_MAX_VALUES,
  INTEGER_DIGITS_MAX,
} from "./mod.ts";

/** The bytes of a text in which each character is one byte. */
function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

/** Asserts that the input is refused at this offset, with this message. */
function assertRefused(
  text: string,
  offset: number,
  message: string,
  options: DecodeOptions = {},
): void {
  const error = assertThrows(() => decode(bytesOf(text), options), BencodeSyntaxError);
  assertEquals(
    [error.offset, error.message],
    [offset, `Cannot decode bencode at offset ${offset}: ${message}`],
  );
}

const canonical: [text: string, value: BencodeValue][] = [
  ["i0e", 0],
  ["i7e", 7],
  ["i-1e", -1],
  ["i999999999999999e", 999999999999999],
  ["i9007199254740991e", Number.MAX_SAFE_INTEGER],
  ["i-9007199254740991e", Number.MIN_SAFE_INTEGER],
  ["i9007199254740992e", 9007199254740992n],
  ["i-9007199254740992e", -9007199254740992n],
  ["i9007199254740993e", 9007199254740993n],
  ["i18446744073709551615e", 18446744073709551615n],
  [`i-${"9".repeat(INTEGER_DIGITS_MAX)}e`, -(10n ** BigInt(INTEGER_DIGITS_MAX)) + 1n],
  ["0:", bytesOf("")],
  ["4:spam", bytesOf("spam")],
  ["3:\x00\xffe", bytesOf("\x00\xffe")],
  ["12:twelve bytes", bytesOf("twelve bytes")],
  ["le", []],
  ["l0:le0:e", [bytesOf(""), [], bytesOf("")]],
  ["lli1eeli2ei3eee", [[1], [2, 3]]],
  ["de", new Map()],
  ["d0:i1e1:ai2ee", new Map([["", 1], ["a", 2]])],
  ["d1:Bi1e1:ai2e2:aai3e1:\xffi4ee", new Map([["B", 1], ["a", 2], ["aa", 3], ["\xff", 4]])],
  [
    "d1:ad1:bdee1:clee",
    new Map<string, BencodeValue>([["a", new Map([["b", new Map()]])], ["c", []]]),
  ],
  ["ld1:xleed1:xi1eee", [new Map([["x", []]]), new Map([["x", 1]])]],
];

Deno.test("decode() reads what is canonical, in both modes", () => {
  for (const [text, value] of canonical) {
    assertEquals(decode(bytesOf(text)), value, text);
    assertEquals(decode(bytesOf(text), { lenient: true }), value, text);
  }
});

const refused: [text: string, offset: number, message: string][] = [
  ["", 0, "input ends, expected a value"],
  ["e", 0, 'found "e", expected a value'],
  ["x", 0, 'found "x", expected a value'],
  ["-1:a", 0, 'found "-", expected a value'],
  [" 1:a", 0, "found byte 0x20, expected a value"],
  ["\xff", 0, "found byte 0xff, expected a value"],
  ["ie", 1, 'found "e", expected a digit of an integer'],
  ["i e", 1, "found byte 0x20, expected a digit of an integer"],
  ["i+1e", 1, 'found "+", expected a digit of an integer'],
  ["i-e", 2, 'found "e", expected a digit of an integer'],
  ["i--1e", 2, 'found "-", expected a digit of an integer'],
  ["i1.5e", 2, 'found ".", expected "e" after an integer'],
  ["i1 e", 2, 'found byte 0x20, expected "e" after an integer'],
  ["i0x1e", 2, 'found "x", expected "e" after an integer'],
  ["i12", 3, 'input ends, expected "e" after an integer'],
  ["i-0e", 0, 'integer is zero or has a leading zero after its "-"'],
  ["i-01e", 0, 'integer is zero or has a leading zero after its "-"'],
  ["i00e", 0, "integer has a leading zero"],
  ["li03ee", 1, "integer has a leading zero"],
  ["00:", 0, "length of a byte string has a leading zero"],
  ["01:a", 0, "length of a byte string has a leading zero"],
  ["2", 1, 'input ends, expected ":" after a length'],
  ["2;ab", 1, 'found ";", expected ":" after a length'],
  ["2:a", 0, "byte string should be 2 bytes, input has 1 more"],
  ["l4:spam3:ab", 7, "byte string should be 3 bytes, input has 2 more"],
  ["l4:spam3:abe", 12, "input ends, expected a value"],
  ["l", 1, "input ends, expected a value"],
  ["d", 1, "input ends, expected a dictionary key"],
  ["d1:a", 4, "input ends, expected a value"],
  ["d1:ae", 4, 'key "a" has no value'],
  ["di1ei2ee", 1, 'found "i", expected a dictionary key'],
  ["dlei1ee", 1, 'found "l", expected a dictionary key'],
  ["999999999999999:", 0, "byte string should be 999999999999999 bytes, input has 0 more"],
  ["18446744073709551616:a", 0, "length of a byte string has more than 15 digits"],
];

Deno.test("decode() refuses what is malformed in both modes, with the offset and a message", () => {
  for (const [text, offset, message] of refused) {
    assertRefused(text, offset, message);
    assertRefused(text, offset, message, { lenient: true });
  }
});

Deno.test("decode() refuses keys out of order when strict, keeps their order when lenient", () => {
  const text = "d1:bi1e1:ai2ee";
  assertRefused(text, 7, 'key "a" follows "b", unsorted');
  assertRefused("d1:ai1e1:Bi2ee", 7, 'key "B" follows "a", unsorted');
  const value = decode(bytesOf(text), { lenient: true });
  assert(value instanceof Map);
  assertEquals([...value], [["b", 1], ["a", 2]]);
});

Deno.test("decode() refuses a key that occurs twice when strict, takes the first when lenient", () => {
  const text = "d1:ald1:xi1eee1:bi2e1:alee";
  assertRefused("d1:ai1e1:ai2ee", 7, 'key "a" occurs twice');
  assertEquals(
    decode(bytesOf(text), { lenient: true }),
    new Map<string, BencodeValue>([["a", [new Map([["x", 1]])]], ["b", 2]]),
  );
});

Deno.test("decode() refuses bytes after the value when strict, ignores them when lenient", () => {
  assertRefused("i1ei2e", 3, "3 bytes follow the value, none should");
  assertRefused("de\n", 2, "1 bytes follow the value, none should");
  assertEquals(decode(bytesOf("i1ei2e"), { lenient: true }), 1);
});

Deno.test("decode() and decodePrefix() refuse a valid input that is cut at any place", () => {
  for (const [text] of canonical) {
    const whole = bytesOf(text);
    for (let end = 0; end < whole.length; end++) {
      for (const lenient of [false, true]) {
        for (const read of [decode, decodePrefix]) {
          const error = assertThrows(
            () => read(whole.subarray(0, end), { lenient }),
            BencodeSyntaxError,
          );
          assert(
            error.offset >= 0 && error.offset <= end,
            `${text} cut at ${end}: ${error.offset}`,
          );
        }
      }
    }
  }
});

Deno.test("decodePrefix() says where the value ends", () => {
  for (const [text, value] of canonical) {
    for (const rest of ["", "e", "0", "rest of the message"]) {
      assertEquals(decodePrefix(bytesOf(text + rest)), { value, end: text.length });
    }
  }
});

Deno.test("decode() makes byte strings that are views into the input", () => {
  const buffer = bytesOf("??l4:spame??");
  const value = decode(buffer.subarray(2, 10));
  assert(Array.isArray(value));
  const [spam] = value;
  assert(spam instanceof Uint8Array);
  assertStrictEquals(spam.buffer, buffer.buffer);
  assertEquals([spam.byteOffset, spam.length], [5, 4]);
});

Deno.test("decode() keeps keys such as __proto__ as keys like any other", () => {
  const names = ["__proto__", "constructor", "hasOwnProperty", "prototype", "toString"];
  const text = `d${names.map((name) => `${name.length}:${name}d8:pollutedi1ee`).join("")}e`;
  const value = decode(bytesOf(text));
  assert(value instanceof Map);
  assertEquals([...value.keys()], names);
  assertStrictEquals(Object.getPrototypeOf(value), Map.prototype);
  assertEquals(({} as Record<string, unknown>)["polluted"], undefined);
});

Deno.test("decode() keeps keys that are not UTF-8, long ones and similar ones without loss", () => {
  const long = "\xfe".repeat(10_000);
  const similar = ["lengtA", "length", "lengtz", "piece layers", "pieceXlayers"];
  const keys = ["\x00", "\x80", ...similar, long, "\xff\xfe"].sort();
  const text = `d${keys.map((key) => `${key.length}:${key}i0e`).join("")}e`;
  for (let pass = 0; pass < 2; pass++) {
    const value = decode(bytesOf(text));
    assert(value instanceof Map);
    assertEquals([...value.keys()], keys);
  }
});

Deno.test("decode() never takes one key for another that was read before", () => {
  // Whatever the function that spreads keys over the cache: among these some fall on one slot.
  const short = "xu";
  for (let extra = 0; extra < 22; extra++) {
    for (let last = 0; last < 256; last++) {
      const key = short + ".".repeat(extra) + String.fromCharCode(last);
      const value = decode(bytesOf(`ld${key.length}:${key}leed${short.length}:${short}leee`));
      assertEquals(value, [new Map([[key, []]]), new Map([[short, []]])]);
    }
  }
});

Deno.test("decode() bounds how deep values nest", () => {
  const nested = (depth: number) => "l".repeat(depth) + "e".repeat(depth);
  const message = (depth: number) => `nesting is deeper than ${depth}`;
  decode(bytesOf(nested(DEFAULT_MAX_DEPTH)));
  assertRefused(nested(DEFAULT_MAX_DEPTH + 1), DEFAULT_MAX_DEPTH, message(DEFAULT_MAX_DEPTH));
  assertRefused("d1:ad1:adeee", 8, message(2), { maxDepth: 2 });
  assertRefused("le", 0, message(0), { maxDepth: 0 });
  assertEquals(decode(bytesOf("i1e"), { maxDepth: 0 }), 1);
});

Deno.test("decode() reads a nesting of a million without overflow when the limit allows it", () => {
  const depth = 1_000_000;
  const input = new Uint8Array(2 * depth).fill(0x6c, 0, depth).fill(0x65, depth);
  let value = decode(input, { maxDepth: depth });
  let levels = 0;
  while (Array.isArray(value)) {
    levels++;
    if (value.length === 0) break;
    value = value[0]!;
  }
  assertEquals(levels, depth);
  assertThrows(() => decode(input.fill(0x6c), { maxDepth: input.length }), BencodeSyntaxError);
});

Deno.test("decode() bounds the bytes of the input before it reads any", () => {
  assertEquals(decode(bytesOf("i1e"), { maxBytes: 3 }), 1);
  assertRefused("i1e", 2, "input is 3 bytes, limit is 2 bytes", { maxBytes: 2 });
  assertRefused("xx", 1, "input is 2 bytes, limit is 1 bytes", { maxBytes: 1 });
  const error = assertThrows(
    () => decode(new Uint8Array(DEFAULT_MAX_BYTES + 1)),
    BencodeSyntaxError,
  );
  assertEquals(error.offset, DEFAULT_MAX_BYTES);
});

Deno.test("decode() bounds the number of values", () => {
  assertEquals(decode(bytesOf("li1e0:e"), { maxValues: 3 }), [1, bytesOf("")]);
  assertRefused("li1e0:e", 4, "more than 2 values", { maxValues: 2 });
  assertRefused("d1:alee", 4, "more than 1 values", { maxValues: 1 });
  const many = new Uint8Array(2 * DEFAULT_MAX_VALUES + 2);
  for (let i = 0; i < many.length; i++) many[i] = i % 2 === 0 ? 0x6c : 0x65;
  many.copyWithin(1, 0, many.length - 2); // "l" + "le" many times + "e"
  assertThrows(
    () => decode(many),
    BencodeSyntaxError,
    `more than ${DEFAULT_MAX_VALUES} values`,
  );
});

Deno.test("decode() bounds the digits of integers and lengths", () => {
  const nines = (digits: number) => "9".repeat(digits);
  const limit = INTEGER_DIGITS_MAX;
  assertRefused(`i${nines(limit + 1)}e`, 0, `integer has more than ${limit} digits`);
  assertRefused(`i-${nines(1e6)}`, 0, `integer has more than ${limit} digits`);
  assertRefused(nines(400) + ":", 0, "length of a byte string has more than 15 digits");
  assertRefused(nines(1e6), 0, "length of a byte string has more than 15 digits");
  assertRefused(`d${nines(16)}:`, 1, "length of a byte string has more than 15 digits");
});

Deno.test("decode() gets through large hostile inputs in linear time", () => {
  // Were any of these quadratic, this test would run for minutes.
  const count = 100_000;
  const size = (text: string) => {
    const value = decode(bytesOf(text), { lenient: true });
    return value instanceof Map ? value.size : Array.isArray(value) ? value.length : -1;
  };
  const keys = (names: string[]) => `d${names.map((k) => `${k.length}:${k}le`).join("")}e`;
  const longKey = "x".repeat(10 * count);
  assertEquals(size(keys(Array.from({ length: count }, (_, i) => `k${count - i}`))), count);
  assertEquals(size(keys(Array(count).fill("a"))), 1);
  assertEquals(size(keys([longKey, longKey + "y"])), 2);
  assertEquals(size(`l${"le".repeat(count)}e`), count);
  assertEquals(size(`ll${"0:".repeat(count)}e${"l0:e".repeat(count)}e`), count + 1);
  assertThrows(() => size(`l${"1:a".repeat(count)}`), BencodeSyntaxError);
});

Deno.test("decode() shortens and quotes hostile keys in messages", () => {
  const error = assertThrows(
    () => decode(bytesOf(`d9:\x1b[31mnam\ne1000:${"k".repeat(1000)}e`)),
    BencodeSyntaxError,
  );
  assert(error.message.length < 200 && !error.message.includes("\x1b"), error.message);
});

Deno.test("decode() refuses wrong arguments as mistakes of the caller", () => {
  // @ts-expect-error: text is not bytes
  assertThrows(() => decode("i1e"), TypeError, "input is not a Uint8Array");
  for (const value of [-1, 1.5, NaN, Infinity]) {
    for (const name of ["maxDepth", "maxBytes", "maxValues"]) {
      assertThrows(
        () => decode(bytesOf("i1e"), { [name]: value }),
        RangeError,
        `${name} is ${value}`,
      );
    }
  }
});

Deno.test("decode() needs no permissions", { permissions: "none" }, () => {
  assertEquals(decode(bytesOf("i1e")), 1);
});
