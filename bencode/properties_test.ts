import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  BencodeSyntaxError,
  type BencodeValue,
  decode,
  decodePrefix,
  encode,
  keyOfBytes,
  sourceRange,
} from "./mod.ts";

const RUNS = { numRuns: 300 };

const key = fc.oneof(
  fc.uint8Array({ maxLength: 6 }).map(keyOfBytes),
  fc.uint8Array({ minLength: 20, maxLength: 40 }).map(keyOfBytes),
  fc.constantFrom("__proto__", "constructor", "", "info", "length", "path", "7"),
);

const { value } = fc.letrec<{ value: BencodeValue }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 5, withCrossShrink: true },
    fc.maxSafeInteger(),
    fc.bigInt().map((n) => Number.isSafeInteger(Number(n)) ? Number(n) : n),
    fc.uint8Array({ maxLength: 40 }),
    fc.array(tie("value"), { maxLength: 6 }),
    fc.array(fc.tuple(key, tie("value")), { maxLength: 6 }).map((entries) => new Map(entries)),
  ),
}));

/** An encoder that shares nothing with the one under test, with one character per byte. */
function reference(value: BencodeValue): string {
  if (value instanceof Uint8Array) return `${value.length}:${keyOfBytes(value)}`;
  if (Array.isArray(value)) return `l${value.map(reference).join("")}e`;
  if (!(value instanceof Map)) return `i${value}e`;
  const entries = [...value].sort(([a], [b]) => a < b ? -1 : 1);
  return `d${entries.map(([key, item]) => `${key.length}:${key}${reference(item)}`).join("")}e`;
}

function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

/** Bytes that are bencode, or nearly. */
const input = fc.oneof(
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 30 }) },
  {
    weight: 3,
    arbitrary: fc.array(fc.constantFrom(..."ilde0123:-ab"), { maxLength: 16 }).map((characters) =>
      bytesOf(characters.join(""))
    ),
  },
  {
    weight: 5,
    arbitrary: fc.array(
      fc.constantFrom("d", "l", "e", "e", "i1e", "i-2e", "1:a", "1:b", "2:ab", "0:", "le", "i03e"),
      { maxLength: 14 },
    ).map((tokens) => bytesOf(tokens.join(""))),
  },
  {
    weight: 4,
    arbitrary: fc.tuple(value, fc.nat(), fc.nat({ max: 255 }), fc.nat({ max: 2 })).map(
      ([value, place, byte, removed]) => {
        const bytes = [...encode(value)];
        bytes.splice(place % bytes.length, removed, byte);
        return Uint8Array.from(bytes);
      },
    ),
  },
);

/** What the function returns, or the error that says why the input is refused. */
function attempt<T>(run: () => T): T | BencodeSyntaxError {
  try {
    return run();
  } catch (error) {
    if (error instanceof BencodeSyntaxError) return error;
    throw error;
  }
}

/** Calls `visit` with each value in `value` and its path, `value` and the empty path first. */
function walk(
  value: BencodeValue,
  visit: (value: BencodeValue, path: (string | number)[]) => void,
  path: (string | number)[] = [],
): void {
  visit(value, path);
  if (Array.isArray(value)) value.forEach((item, i) => walk(item, visit, [...path, i]));
  if (value instanceof Map) value.forEach((item, key) => walk(item, visit, [...path, key]));
}

Deno.test("encode() agrees with a reference encoder, and decode() inverts it", () => {
  fc.assert(
    fc.property(value, (value) => {
      const bytes = bytesOf(reference(value));
      assertEquals(encode(value), bytes);
      assertEquals(decode(bytes), value);
      assertEquals(encode(decode(bytes)), bytes);
    }),
    RUNS,
  );
});

Deno.test("decode() reads what is canonical the same in both modes", () => {
  fc.assert(
    fc.property(value, (value) => {
      const bytes = encode(value);
      assertEquals(decode(bytes, { lenient: true }), decode(bytes));
    }),
    RUNS,
  );
});

Deno.test("decode() refuses every proper prefix of a value, at an offset within it", () => {
  fc.assert(
    fc.property(value, fc.boolean(), (value, lenient) => {
      const bytes = encode(value);
      for (let end = 0; end < bytes.length; end++) {
        const error = attempt(() => decode(bytes.subarray(0, end), { lenient }));
        assert(error instanceof BencodeSyntaxError);
        assert(error.offset >= 0 && error.offset <= end);
      }
    }),
    { numRuns: 100 },
  );
});

Deno.test("decodePrefix() reads a value whatever follows", () => {
  fc.assert(
    fc.property(value, fc.uint8Array({ maxLength: 20 }), (value, rest) => {
      const bytes = encode(value);
      const message = new Uint8Array(bytes.length + rest.length);
      message.set(bytes);
      message.set(rest, bytes.length);
      assertEquals(decodePrefix(message), { value, end: bytes.length });
    }),
    RUNS,
  );
});

Deno.test("decode() accepts, of any bytes, only those that encode() would write", () => {
  let accepted = 0;
  fc.assert(
    fc.property(input, (bytes) => {
      const value = attempt(() => decode(bytes));
      if (value instanceof BencodeSyntaxError) {
        assert(value.offset >= 0 && value.offset <= bytes.length);
      } else {
        accepted++;
        assertEquals(encode(value), bytes);
      }
    }),
    { numRuns: 5000 },
  );
  assert(accepted > 50, `only ${accepted} inputs were valid: the property says little`);
});

Deno.test("decode() accepts when lenient what it accepts when strict, and gives the same", () => {
  fc.assert(
    fc.property(input, (bytes) => {
      const strict = attempt(() => decode(bytes));
      const lenient = attempt(() => decode(bytes, { lenient: true }));
      if (strict instanceof BencodeSyntaxError) {
        // The lenient reader goes at least as far.
        if (lenient instanceof BencodeSyntaxError) assert(lenient.offset >= strict.offset);
      } else {
        assertEquals(lenient, strict);
      }
    }),
    { numRuns: 5000 },
  );
});

Deno.test("sourceRange() finds every value of a document", () => {
  fc.assert(
    fc.property(value, (root) => {
      const bytes = encode(root);
      walk(root, (value, path) => {
        const range = sourceRange(bytes, path);
        assert(range !== null);
        assertEquals(bytes.slice(range.start, range.end), encode(value));
      });
    }),
    RUNS,
  );
});

Deno.test("sourceRange() and decode() agree on any bytes, in either mode", () => {
  const path = fc.array(fc.oneof(fc.constantFrom("a", "b", "ab", ""), fc.nat({ max: 2 })), {
    maxLength: 3,
  });
  fc.assert(
    fc.property(input, path, fc.boolean(), (bytes, path, lenient) => {
      const root = attempt(() => decode(bytes, { lenient }));
      const range = attempt(() => sourceRange(bytes, path, { lenient }));
      if (root instanceof BencodeSyntaxError || range instanceof BencodeSyntaxError) {
        assert(root instanceof BencodeSyntaxError && range instanceof BencodeSyntaxError);
        return assertEquals([range.offset, range.message], [root.offset, root.message]);
      }
      const values = new Map<string, BencodeValue>();
      walk(root, (value, path) => values.set(JSON.stringify(path), value));
      const value = values.get(JSON.stringify(path));
      if (range === null) return assertEquals(value, undefined);
      const source = bytes.subarray(range.start, range.end);
      const { value: found, end } = decodePrefix(source, { lenient });
      assertEquals([found, end], [value, source.length]);
    }),
    { numRuns: 5000 },
  );
});
