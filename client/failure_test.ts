import { assertEquals, assertStringIncludes } from "@std/assert";
import { decode } from "@enjambre/bencode";
import { parseMagnet, parseTorrent } from "@enjambre/metainfo";
import { StorageError } from "@enjambre/storage";
import { TrackerError } from "@enjambre/tracker";
import { asFailure, CommandFailure, interruption, usageFailure } from "./failure.ts";

async function thrownBy(act: () => unknown): Promise<unknown> {
  try {
    await act();
  } catch (error) {
    return error;
  }
  throw new Error("Nothing was thrown");
}

const bytes = new TextEncoder().encode("d4:infod");

const table: readonly (readonly [what: string, act: () => unknown, code: string, says: string])[] =
  [
    [
      "a torrent cut short",
      () => parseTorrent(bytes),
      "torrent-syntax",
      "(at byte 8); is it a complete",
    ],
    ["a magnet link", () => parseMagnet("magnet:?x=1"), "magnet-syntax", "magnet link"],
    ["bencode", () => decode(bytes), "bencode-syntax", "offset 8"],
    [
      "a full disk",
      () => {
        throw new StorageError(
          "disk-full",
          "/x",
          "Cannot write /x: the disk is full; free some room",
        );
      },
      "disk-full",
      "free some room",
    ],
    [
      "a tracker",
      () => {
        throw new TrackerError("unreachable", "http://t/announce", "Cannot announce to t: refused");
      },
      "unreachable",
      "refused",
    ],
    [
      "a file that is not there",
      () => Deno.readFile("/nonexistent/x"),
      "not-found",
      "/nonexistent/x",
    ],
    [
      "a port in use",
      () => {
        throw new Deno.errors.AddrInUse("Address already in use");
      },
      "port-in-use",
      "--port",
    ],
    [
      "a fault",
      () => {
        throw new TypeError("x is\nnot a function");
      },
      "internal",
      "Unexpected TypeError: x is not a function; this is a fault of enjambre",
    ],
    [
      "what is no error",
      () => {
        throw "text";
      },
      "internal",
      "text",
    ],
  ];

for (const [what, act, code, says] of table) {
  Deno.test(`asFailure() names ${what} in one line`, async () => {
    const failure = asFailure(await thrownBy(act));
    assertEquals([failure.code, failure.exitCode], [code, 1]);
    assertStringIncludes(failure.message, says);
    assertEquals(failure.message.includes("\n"), false);
  });
}

Deno.test("asFailure() leaves failures as they are", () => {
  const failures = [usageFailure("a"), interruption(), new CommandFailure("x", "y")];
  assertEquals(failures.map((failure) => asFailure(failure).exitCode), [2, 130, 1]);
});
