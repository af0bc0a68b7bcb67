import { assertEquals, assertInstanceOf, assertStrictEquals } from "@std/assert";
import { PeerProtocolError } from "./errors.ts";

Deno.test("PeerProtocolError carries its code, message, name and cause", () => {
  const cause = new Error("below");
  const error = new PeerProtocolError("length", "Cannot read have: too long", { cause });
  assertInstanceOf(error, Error);
  assertEquals(error.name, "PeerProtocolError");
  assertEquals(error.code, "length");
  assertEquals(error.message, "Cannot read have: too long");
  assertStrictEquals(error.cause, cause);
});
