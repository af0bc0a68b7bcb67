import { assertEquals, assertThrows } from "@std/assert";
import { AccessSyntaxError, isServed, parseInfoHashes, parsePasskeys } from "./access.ts";

const one = "01".repeat(20);
const two = "0aFF".repeat(10);
const hash = (hex: string) => Uint8Array.fromHex(hex);

Deno.test("parseInfoHashes() reads digits of either case, comments, and what counts of v2", () => {
  const keys = parseInfoHashes(`# mine\r\n${one} # a film\r\n\n  ${two}\n${"77".repeat(32)}`);
  assertEquals(keys.size, 3);
  for (const served of [one, two, "77".repeat(20)]) {
    assertEquals(isServed({ allowed: keys }, hash(served)), true);
  }
  assertEquals(parseInfoHashes("").size, 0);
});

Deno.test("parseInfoHashes() says which line it cannot read", () => {
  for (const line of ["xyz", one + "0", "g" + one.slice(1), `${one} ${two}`]) {
    const error = assertThrows(() => parseInfoHashes(`${one}\n\n${line}\n`), AccessSyntaxError);
    assertEquals(error.line, 3);
  }
});

Deno.test("isServed() lets deny win over allow, and serves all without lists", () => {
  const [a, b] = [parseInfoHashes(one), parseInfoHashes(two)];
  assertEquals(isServed({}, hash(one)), true);
  assertEquals(isServed({ allowed: a }, hash(two)), false);
  assertEquals(isServed({ denied: b }, hash(one)), true);
  assertEquals(isServed({ denied: b }, hash(two)), false);
  assertEquals(isServed({ allowed: a, denied: a }, hash(one)), false);
});

Deno.test("parsePasskeys() reads them, and does not repeat one that it refuses", () => {
  assertEquals([...parsePasskeys("abc\n# x\nD-_9 # d\n")], ["abc", "D-_9"]);
  const error = assertThrows(() => parsePasskeys("a/secret"), AccessSyntaxError);
  assertEquals([error.line, error.message.includes("secret")], [1, false]);
  assertThrows(() => parsePasskeys("a".repeat(129)), AccessSyntaxError);
});
