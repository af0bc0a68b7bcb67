import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  type Carried,
  decodeMessage,
  encodeMessage,
  lengthOf,
  LINE_CHARACTERS_MAX,
  type Message,
} from "./messages.ts";
import { recordOf } from "./_testdata.ts";

const bytes = new Uint8Array([1, 2, 3]);
const none = new Uint8Array(0);
const carried: Carried[] = [
  { record: recordOf(), ageMs: 0, beat: null },
  {
    record: recordOf({ slot: "p", anchor: "A".repeat(22) }),
    ageMs: 7000,
    beat: { counter: 513, value: new Uint8Array(16).fill(9) },
  },
];
const marks = ["AAAAAAAA", "BBBBBBB_"];
const buckets = [0, 255];
const root = "AAAAAAAAAA";
const address = "h:1";

const messages: Message[] = [
  { type: "sync", root, marks, buckets, beats: bytes, members: [address], few: true, full: false },
  {
    type: "sync",
    root: "",
    marks: [],
    buckets: [],
    beats: none,
    members: [],
    few: false,
    full: true,
  },
  { type: "answer", buckets: "A".repeat(1280), beats: bytes, older: bytes, members: [] },
  { type: "answer", buckets: "", beats: none, older: none, members: [address] },
  { type: "list", buckets, marks, full: false },
  { type: "want", buckets, marks },
  { type: "records", records: carried, more: true },
  { type: "push", records: carried },
  { type: "beats", beats: bytes },
  { type: "keep", buckets, marks, beats: bytes },
  { type: "ping" },
  { type: "pong" },
  { type: "probe", address },
  { type: "alive", address },
  { type: "members", joined: [address], gone: [] },
  { type: "lookup", id: 1, infoHash: "ab".repeat(20), wanted: 50 },
  { type: "providers", id: 1, records: [] },
];

Deno.test("decodeMessage() reads what encodeMessage() wrote, for every message", () => {
  for (const message of messages) {
    const line = encodeMessage(message);
    assert(!line.includes("\n"));
    assertEquals(decodeMessage(line), message);
  }
});

Deno.test("encodeMessage() leaves out what says nothing", () => {
  assertEquals(encodeMessage(messages[1]!), '{"type":"sync","full":true}');
});

/** Lines that no node of ours sends. */
const malformed = [
  "",
  "null",
  "[]",
  "7",
  "{}",
  '{"type":7}',
  '{"type":"sync","root":"short"}',
  '{"type":"sync","members":["nowhere"]}',
  `{"type":"sync","members":${JSON.stringify(new Array(65).fill("h:1"))}}`,
  '{"type":"beats","beats":"!"}',
  '{"type":"beats","beats":7}',
  '{"type":"want","marks":"AAA"}',
  '{"type":"want","buckets":[256]}',
  '{"type":"push","records":[{}]}',
  `{"type":"push","records":[${JSON.stringify({ ...JSON.parse(recordText()), age: -1 })}]}`,
  `{"type":"push","records":[${JSON.stringify({ ...JSON.parse(recordText()), beat: "AA" })}]}`,
  '{"type":"probe"}',
  '{"type":"lookup","id":1,"infoHash":"ab","wanted":5}',
  '{"type":"lookup","id":-1,"infoHash":"' + "ab".repeat(20) + '","wanted":5}',
  `{"type":"ping","x":"${"y".repeat(LINE_CHARACTERS_MAX)}"}`,
];

function recordText(): string {
  const line = encodeMessage({ type: "push", records: [carried[0]!] });
  return JSON.stringify(JSON.parse(line).records[0]);
}

Deno.test("decodeMessage() refuses what cannot be", () => {
  for (const line of malformed) assertEquals(decodeMessage(line), null, line.slice(0, 80));
});

Deno.test("decodeMessage() passes over what a later version says, and names of Object", () => {
  for (const type of ["hello", "constructor", "__proto__", "toString"]) {
    assertEquals(decodeMessage(JSON.stringify({ type })), { type: "unknown" });
  }
});

Deno.test("decodeMessage() takes deep JSON without harm", () => {
  const depth = 30_000;
  const deep = "[".repeat(depth) + "]".repeat(depth);
  assertEquals(decodeMessage(deep), null);
  assertEquals(decodeMessage(`{"type":"ping","x":${deep}}`), { type: "ping" });
});

Deno.test("decodeMessage() throws for nothing that is JSON", () => {
  const types = messages.map(({ type }) => type);
  const fields = ["root", "beats", "members", "records", "marks", "buckets", "id", "address"];
  fc.assert(
    fc.property(
      fc.constantFrom(...types),
      fc.dictionary(fc.constantFrom(...fields), fc.jsonValue()),
      (type, rest) => void decodeMessage(JSON.stringify({ ...rest, type })),
    ),
  );
});

Deno.test("lengthOf() is what a record takes in a message", () => {
  const length = (records: Carried[]) => encodeMessage({ type: "push", records }).length;
  const [one, other] = carried as [Carried, Carried];
  assertEquals(length([one, other]) - length([one]), lengthOf(other));
});
