import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { compareRecords, fromWire, isAddress, LEFT_GONE, signedBytes, toWire } from "./record.ts";
import { recordOf } from "./_testdata.ts";

Deno.test("fromWire() reads what toWire() wrote", () => {
  const records = [
    recordOf(),
    recordOf({ left: LEFT_GONE, slot: "x_Y-9", address: "[2001:db8::1]:6881" }),
    recordOf({ note: "1z|c|a_name.example|x".padEnd(384, "~") }),
    recordOf({ anchor: "A".repeat(22), sequence: Number.MAX_SAFE_INTEGER - 1, ttlSeconds: 7200 }),
  ];
  for (const record of records) {
    assertEquals(fromWire(JSON.parse(JSON.stringify(toWire(record)))), record);
  }
});

/** A field, and what it must not be. */
const wrong: [string, unknown[]][] = [
  ["infoHash", ["", "AB".repeat(20), "ab".repeat(21), 5, null, ["ab".repeat(20)]]],
  ["key", ["", "x".repeat(43), "A".repeat(44)]],
  ["addr", ["", "host", "host:0", "host:65536", ":1", "a b:1", "a\n:1", "h:".padEnd(400, "1")]],
  ["peerId", ["-XX-", "zz".repeat(20)]],
  ["left", [-2, 0.5, 2 ** 53, "0", null]],
  ["seq", [-1, 1.5, 2 ** 53, NaN]],
  ["ttl", [9, 7201, "90"]],
  ["slot", ["a b", "x".repeat(41), 7]],
  ["note", ["a\n", "\x7f", "é", "x".repeat(385), 7]],
  ["anchor", ["A", "A".repeat(21) + "B", 7]],
  ["sig", ["", "A".repeat(85) + "B", "A".repeat(87), undefined]],
];

Deno.test("fromWire() refuses a field that cannot be", () => {
  const wire = toWire(recordOf());
  for (const [field, values] of wrong) {
    for (const value of values) {
      assertEquals(fromWire({ ...wire, [field]: value }), null, `${field}: ${value}`);
    }
  }
  for (const value of [null, 5, "text", [], {}]) assertEquals(fromWire(value), null);
});

Deno.test("fromWire() takes any JSON value without throwing", () => {
  fc.assert(fc.property(fc.jsonValue(), (value) => void fromWire(value)));
});

Deno.test("signedBytes() are the ten lines that the documentation says, or eleven with a note", () => {
  assertEquals(
    new TextDecoder().decode(signedBytes(recordOf())).split("\n").filter((_, at) => at !== 2),
    [
      "enjambre/overlay/record/1",
      "ab".repeat(20),
      "",
      "client1:6881",
      "cd".repeat(20),
      "0",
      "1000",
      "90",
      "",
    ],
  );
  const text = (note: string) => new TextDecoder().decode(signedBytes(recordOf({ note })));
  assertEquals(text("a note"), `${text("")}\na note`);
});

Deno.test("compareRecords() is an order: by sequence, then by signature", () => {
  const [older, newer] = [recordOf({ sequence: 1 }), recordOf({ sequence: 2 })];
  assert(compareRecords(newer, older) > 0 && compareRecords(older, newer) < 0);
  assertEquals(compareRecords(older, older), 0);
  const [one, other] = [recordOf({ left: 1 }), recordOf({ left: 2 })];
  assertEquals(compareRecords(one, other), -compareRecords(other, one));
});

Deno.test("isAddress() takes names as containers have them", () => {
  for (const address of ["client_overlay1:6000", "a.b-c:1", "10.0.0.1:65535", "[::1]:80"]) {
    assert(isAddress(address), address);
  }
});
