import { assert, assertEquals } from "@std/assert";
import { Intake } from "./intake.ts";
import type { Carried } from "./messages.ts";
import type { SignedRecord } from "./record.ts";
import { RecordMap } from "./record_map.ts";
import { fakeHash, fakeVerify, ownerOf, recordOf } from "./_testdata.ts";

function intakeOf(isTrusted = false) {
  const map = new RecordMap({ hash: fakeHash, isTrusted });
  const [taken, blamed]: [string[], string[]] = [[], []];
  const options = { verify: fakeVerify, ownKey: ownerOf(9), isTrusted };
  const intake = new Intake(map, options, {
    taken: (_, from) => taken.push(from),
    blame: (from, offence) => blamed.push(`${from} ${offence}`),
  });
  return { map, intake, taken, blamed };
}

const carriedOf = (record: SignedRecord): Carried => ({ record, ageMs: 0, beat: null });
const many = (count: number, owner: string): Carried[] =>
  Array.from(
    { length: count },
    (_, at) => carriedOf(recordOf({ owner, infoHash: at.toString(16).padStart(40, "0") })),
  );

Deno.test("Intake serves connections in turn: who floods delays itself", () => {
  const { intake, taken } = intakeOf();
  for (const carried of many(1000, ownerOf(1))) intake.offer("flood", carried, "push", 0);
  for (const carried of many(10, ownerOf(2))) intake.offer("calm", carried, "push", 0);
  intake.work(0);
  assertEquals(taken.filter((from) => from === "calm").length, 10);
  assertEquals(taken.length, 32);
  // A portion at a time.
  intake.work(1);
  assertEquals(taken.length, 32);
  intake.work(5);
  assertEquals(taken.length, 64);
});

Deno.test("Intake does not verify what is known, old, expired or waiting already", () => {
  const { map, intake, blamed } = intakeOf();
  const record = recordOf({ sequence: 5 });
  for (const from of ["a", "b", "c"]) intake.offer(from, carriedOf(record), "push", 0);
  intake.work(0);
  assertEquals([intake.verified, map.size], [1, 1]);
  for (const sequence of [4, 5]) {
    intake.offer("a", carriedOf(recordOf({ sequence })), "push", 10);
    intake.work(10);
  }
  map.expire(91_000);
  intake.offer("a", carriedOf(record), "push", 91_000);
  intake.work(91_000);
  assertEquals([intake.verified, blamed], [1, ["a expired"]]);
});

Deno.test("Intake blames a forger, and takes the true record from another afterwards", () => {
  const { map, intake, blamed, taken } = intakeOf();
  const record = recordOf();
  intake.offer("liar", carriedOf({ ...record, address: "evil:1" }), "push", 0);
  intake.work(0);
  intake.offer("honest", carriedOf(record), "push", 5);
  intake.work(5);
  assertEquals([blamed, taken], [["liar forged"], ["honest"]]);
  assertEquals(map.providers(record.infoHash, 5)[0]?.address, record.address);
});

Deno.test("Intake lets an owner speak at its pace, unless the members are trusted", () => {
  const offered = (isTrusted: boolean) => {
    const { intake } = intakeOf(isTrusted);
    for (const carried of many(3000, ownerOf(1))) intake.offer("a", carried, "push", 0);
    return intake.refused;
  };
  assertEquals([offered(false), offered(true)], [1000, 0]);
});

Deno.test("Intake.drop() forgets what a connection sent", () => {
  const { intake, taken } = intakeOf();
  for (const carried of many(100, ownerOf(1))) intake.offer("a", carried, "push", 0);
  intake.drop("a");
  assertEquals(intake.nextDeadlineMs, Infinity);
  for (const carried of many(2, ownerOf(1))) intake.offer("b", carried, "push", 0);
  intake.work(0);
  assert(taken.length === 2 && taken.every((from) => from === "b"));
});

Deno.test("Intake says once that more came than may wait", () => {
  const { intake } = intakeOf(true);
  for (const carried of many(4096, ownerOf(1))) intake.offer("flood", carried, "push", 0);
  assert(!intake.takeDropped());
  for (const carried of many(4098, ownerOf(1))) intake.offer("flood", carried, "push", 0);
  assertEquals([intake.takeDropped(), intake.takeDropped(), intake.refused], [true, false, 2]);
});
