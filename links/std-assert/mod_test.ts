import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertExists,
  assertInstanceOf,
  AssertionError,
  assertMatch,
  assertNotEquals,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
  equal,
  fail,
} from "@std/assert";

/** The message with which `fn` fails; written without the functions under test. */
function complaintOf(fn: () => void): string {
  try {
    fn();
  } catch (error) {
    if (!(error instanceof AssertionError)) throw error;
    return error.message;
  }
  throw new Error("The assertion did not fail");
}

function expectComplaint(fn: () => void, part: string): void {
  const message = complaintOf(fn);
  if (!message.includes(part)) {
    throw new Error(`No ${JSON.stringify(part)} in: ${message}`);
  }
}

class Point {
  x: number;
  constructor(x: number) {
    this.x = x;
  }
  get doubled(): number {
    return this.x * 2;
  }
}

class Box {
  #content: unknown;
  constructor(content: unknown) {
    this.#content = content;
  }
  get content(): unknown {
    return this.#content;
  }
}

function cycle(): object {
  const node: Record<string, unknown> = { name: "a" };
  node.self = node;
  return node;
}

function nullProto(properties: object): object {
  return Object.assign(Object.create(null), properties);
}

const key = { x: 1 };
const equalPairs: [string, unknown, unknown][] = [
  ["0 and -0", [0], [-0]],
  ["NaN", NaN, NaN],
  ["nested objects", { a: [1, { b: 2n }] }, { a: [1, { b: 2n }] }],
  ["no prototype and plain", nullProto({ a: 1 }), { a: 1 }],
  ["bytes", new Uint8Array([1, 2]), new Uint8Array([0, 1, 2]).subarray(1)],
  ["buffers", new Uint8Array([1]).buffer, new Uint8Array([1]).buffer],
  [
    "maps in another order",
    new Map([["a", 1], ["b", 2]]),
    new Map([["b", 2], ["a", 1]]),
  ],
  ["maps with object keys", new Map([[{ x: 1 }, 1]]), new Map([[{ x: 1 }, 1]])],
  [
    "maps of like keys in another order",
    new Map([[{ x: 1 }, 1], [key, 1]]),
    new Map([[key, 1], [{ x: 1 }, 1]]),
  ],
  [
    "sets of objects",
    new Set([{ a: 1 }, { a: 2 }]),
    new Set([{ a: 2 }, { a: 1 }]),
  ],
  ["dates", new Date(5), new Date(5)],
  ["invalid dates", new Date(NaN), new Date(NaN)],
  ["regular expressions", /a/g, /a/g],
  ["URLs", new URL("http://a.example/"), new URL("http://a.example")],
  ["instances", new Point(1), new Point(1)],
  ["private fields seen through getters", new Box([1]), new Box([1])],
  ["symbols as keys", { [Symbol.for("k")]: 1 }, { [Symbol.for("k")]: 1 }],
  ["cycles", cycle(), cycle()],
  ["weak references", new WeakRef({ a: 1 }), new WeakRef({ a: 1 })],
];

const unequalPairs: [string, unknown, unknown][] = [
  ["number and string", 1, "1"],
  ["null and undefined", null, undefined],
  ["null and object", null, {}],
  ["array and object", [], {}],
  ["undefined and missing", { a: undefined }, {}],
  ["undefined under other names", { a: undefined }, { b: undefined }],
  ["array lengths", [1, 2], [1, 2, 3]],
  ["bytes", new Uint8Array([1]), new Uint8Array([2])],
  ["bytes and array", new Uint8Array([1]), [1]],
  ["bytes of other widths", new Uint8Array([1]), new Uint16Array([1])],
  ["buffers", new Uint8Array([1]).buffer, new Uint8Array([2]).buffer],
  ["map values", new Map([["a", 1]]), new Map([["a", 2]])],
  ["map keys", new Map([["a", 1]]), new Map([["b", 1]])],
  ["map sizes", new Map([["a", 1]]), new Map([["a", 1], ["b", 1]])],
  ["sets", new Set([1, 2]), new Set([1, 3])],
  [
    "sets of objects",
    new Set([{ a: 1 }, { a: 2 }]),
    new Set([{ a: 1 }, { a: 1 }]),
  ],
  ["classes", new Point(1), { x: 1 }],
  ["instances", new Point(1), new Point(2)],
  ["private fields seen through getters", new Box(1), new Box(2)],
  ["regular expressions", /a/g, /a/],
  ["dates", new Date(5), new Date(6)],
  ["functions", () => 1, () => 1],
  ["error messages", new Error("a"), new Error("b")],
];

for (const [name, a, b] of equalPairs) {
  Deno.test(`assertEquals() accepts ${name}`, () => {
    assertEquals(a, b);
    assertEquals(b, a);
    expectComplaint(() => assertNotEquals(a, b), "not to be");
  });
}

for (const [name, a, b] of unequalPairs) {
  Deno.test(`assertEquals() tells apart ${name}`, () => {
    expectComplaint(() => assertEquals(a, b), "Values are not equal.");
    expectComplaint(() => assertEquals(b, a), "Values are not equal.");
    assertNotEquals(a, b);
  });
}

Deno.test("equal() refuses weak collections, whose members nobody can list", () => {
  assertThrows(
    () => equal(new WeakMap(), new WeakMap()),
    TypeError,
    "Cannot compare WeakMap",
  );
  assertThrows(
    () => equal(new WeakSet(), new WeakSet()),
    TypeError,
    "Cannot compare WeakSet",
  );
});

Deno.test("assertEquals() shows what differs and little else", () => {
  const message = complaintOf(() =>
    assertEquals({ a: 1, b: ["x", 2] }, { b: ["x", 3], a: 1 }, "why")
  );
  assertStringIncludes(message, "Values are not equal: why");
  assertStringIncludes(message, "\n-       2\n+       3\n");
  const bytes = complaintOf(() =>
    assertEquals(new Uint8Array(5000), new Uint8Array(5000).fill(7, 400, 401))
  );
  assertStringIncludes(bytes, "\n-     0,\n+     7,\n");
  assert(bytes.split("\n").length < 30, bytes);
});

Deno.test("assertEquals() shows both sides of large values that differ everywhere", () => {
  const message = complaintOf(() =>
    assertEquals(new Uint8Array(5000).fill(1), new Uint8Array(5000).fill(2))
  );
  assertStringIncludes(message, "\n-     1,");
  assertStringIncludes(message, "\n+     2,");
  assert(message.split("\n").length < 120, message);
});

Deno.test("assertEquals() compares text of several lines by line", () => {
  const message = complaintOf(() => assertEquals("a\nb\nc", "a\nx\nc"));
  assertStringIncludes(message, '    "a\\n"\n-   "b\\n"\n+   "x\\n"\n    "c"');
});

Deno.test("assert() narrows and fails with its message", () => {
  const value: string | null = ["text"][0] ?? null;
  assert(value !== null);
  assertEquals(value.length, 4);
  assertEquals(complaintOf(() => assert(0, "zero")), "zero");
});

Deno.test("assertStrictEquals() wants the same value", () => {
  const value: unknown = "text";
  assertStrictEquals(value, "text" as string);
  assertEquals(value.length, 4);
  expectComplaint(() => assertStrictEquals({}, {}), "not reference-equal");
  expectComplaint(() => assertStrictEquals(0, -0), "not strictly equal");
});

Deno.test("assertAlmostEquals() allows the tolerance", () => {
  assertAlmostEquals(0.1 + 0.2, 0.3);
  assertAlmostEquals(1, 1.05, 0.1);
  assertAlmostEquals(Infinity, Infinity);
  expectComplaint(() => assertAlmostEquals(1, 1.05), "to be close to");
  expectComplaint(() => assertAlmostEquals(NaN, 1, 10), "to be close to");
});

Deno.test("assertExists(), assertInstanceOf(), assertStringIncludes(), assertMatch(), fail()", () => {
  const maybe: number | undefined = [0][0];
  assertExists(maybe);
  assertEquals(maybe.toFixed(1), "0.0");
  expectComplaint(() => assertExists(null), "null or undefined");

  const thrown: unknown = new RangeError("r");
  assertInstanceOf(thrown, RangeError);
  assertEquals(thrown.message, "r");
  expectComplaint(
    () => assertInstanceOf(null, Map),
    'instance of "Map" but was "null".',
  );
  expectComplaint(() => assertInstanceOf(new Set(), Map), 'but was "Set".');

  assertStringIncludes("abc", "b");
  expectComplaint(
    () => assertStringIncludes("abc", "d", "why"),
    'to contain: "d": why',
  );
  assertMatch("abc", /b/);
  expectComplaint(() => assertMatch("abc", /d/), 'to match: "/d/".');
  expectComplaint(() => fail(), "Failed assertion.");
  expectComplaint(() => fail("why"), "Failed assertion: why");
});

Deno.test("assertThrows() returns what was thrown and checks class and message", () => {
  const error: RangeError = assertThrows(
    () => throwIt(new RangeError("too far")),
    RangeError,
    "far",
  );
  assertEquals(error.message, "too far");
  assertStrictEquals(assertThrows(() => throwIt("text")), "text");
  assertThrows(() => throwIt(new RangeError("sub")), Error, "sub");
  expectComplaint(
    () => assertThrows(() => 1, "why"),
    "Expected function to throw: why",
  );
  expectComplaint(
    () => assertThrows(() => throwIt(new Error("x")), TypeError),
    'Expected error to be instance of "TypeError", but was "Error".',
  );
  expectComplaint(
    () => assertThrows(() => throwIt(new Error("x")), Error, "y"),
    'Expected error message to include "y", but got "x".',
  );
  expectComplaint(
    () => assertThrows(() => throwIt("x"), Error),
    "A non-Error object was thrown.",
  );
});

Deno.test("assertRejects() resolves with the reason and checks class and message", async () => {
  const error: RangeError = await assertRejects(
    () => Promise.reject(new RangeError("too far")),
    RangeError,
    "far",
  );
  assertEquals(error.message, "too far");
  assertStrictEquals(await assertRejects(() => Promise.reject(null)), null);
  await assertRejects(
    () => assertRejects(() => Promise.resolve(1), "why"),
    AssertionError,
    "Expected function to reject: why",
  );
  await assertRejects(
    () => assertRejects(() => throwIt(new Error("at once"))),
    AssertionError,
    "Function throws when expected to reject.",
  );
  await assertRejects(
    () => assertRejects(() => Promise.reject(new Error("x")), TypeError),
    AssertionError,
    'instance of "TypeError", but was "Error".',
  );
  await assertRejects(
    () => assertRejects(() => Promise.reject("x"), Error),
    AssertionError,
    "A non-Error object was rejected.",
  );
});

function throwIt(value: unknown): never {
  throw value;
}
