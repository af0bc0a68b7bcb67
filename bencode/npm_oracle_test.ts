/**
 * `npm:bencode` as an independent witness of what valid input means.
 *
 * It is none for what is invalid: it accepts cut byte strings, `i03e`, `i1.5e` and more. And it is one
 * only for values that it can hold, which is why this file makes no others:
 * - integers within 2^53, as it computes with `number`;
 * - ASCII keys, as it reads keys as UTF-8 and falls back to hexadecimal digits;
 * - no key `__proto__`, as its dictionaries are objects and that key would set their prototype.
 */
import { assertEquals } from "@std/assert";
import npmBencode from "bencode";
import fc from "fast-check";
import { type BencodeValue, decode, type Encodable, encode } from "./mod.ts";

/** What either side decodes to, with dictionaries as objects. */
type Plain = number | Uint8Array | Plain[] | { [key: string]: Plain };

const key = fc.oneof(
  fc.string({ unit: "binary-ascii", maxLength: 30 }),
  fc.constantFrom("constructor", "toString", "10", "9", "piece length"),
).filter((key) => key !== "__proto__");

const { value } = fc.letrec<{ value: Plain }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 5, withCrossShrink: true },
    fc.maxSafeInteger(),
    fc.uint8Array({ maxLength: 40 }),
    fc.array(tie("value"), { maxLength: 6 }),
    fc.dictionary(key, tie("value"), { maxKeys: 6, noNullPrototype: true }),
  ),
}));

/** Our value in the form of theirs. */
function plainOf(value: BencodeValue): Plain {
  if (value instanceof Map) {
    return Object.fromEntries([...value].map(([key, item]) => [key, plainOf(item)]));
  }
  if (Array.isArray(value)) return value.map(plainOf);
  if (typeof value === "bigint") throw new TypeError("npm:bencode has no bigint");
  return value;
}

Deno.test("decode() reads what npm:bencode wrote, and as npm:bencode reads it", () => {
  fc.assert(
    fc.property(value, (value) => {
      const bytes = npmBencode.encode(value);
      const decoded = plainOf(decode(bytes));
      assertEquals(decoded, value);
      assertEquals(decoded, npmBencode.decode(bytes));
    }),
    { numRuns: 500 },
  );
});

Deno.test("encode() writes what npm:bencode writes, and what it reads", () => {
  fc.assert(
    fc.property(value, (value) => {
      const bytes = encode(value as Encodable);
      assertEquals(bytes, npmBencode.encode(value));
      assertEquals(npmBencode.decode(bytes), value);
    }),
    { numRuns: 500 },
  );
});
