import { assert, assertEquals } from "@std/assert";
import { Keyed, makeGreeting, readGreeting } from "./greeting_deno.ts";

const greetingText = (address: string) => JSON.stringify(makeGreeting("c", address));

function pairOf(secret = "secret", otherSecret = secret): [Keyed, Keyed] {
  const [one, other] = [greetingText("a:1"), greetingText("b:1")];
  return [
    new Keyed(secret, "dialler", one, other),
    new Keyed(otherSecret, "listener", other, one),
  ];
}

Deno.test("readGreeting() takes our overlay's greeting and no other", () => {
  const greeting = makeGreeting("c", "a:1");
  assertEquals(readGreeting(JSON.stringify(greeting), "c"), greeting);
  assertEquals(readGreeting(JSON.stringify(greeting), "d"), null);
  const wrong = [{ overlay: 2 }, { address: "a" }, { nonce: "x" }, { nonce: 7 }];
  for (const change of wrong) {
    assertEquals(readGreeting(JSON.stringify({ ...greeting, ...change }), "c"), null);
  }
  for (const line of ["", "null", "7", '{"type":"lookup"}']) {
    assertEquals(readGreeting(line, "c"), null);
  }
});

Deno.test("Keyed: both ends prove that they have the secret, and neither with the other's proof", () => {
  const [dialler, listener] = pairOf();
  assert(listener.isProof(dialler.proof) && dialler.isProof(listener.proof));
  assert(!dialler.isProof(dialler.proof) && !listener.isProof(listener.proof));
  const [, stranger] = pairOf("secret", "guess");
  assert(!dialler.isProof(stranger.proof));
  // A proof of another meeting.
  const [again] = pairOf();
  assert(!listener.isProof(again.proof));
});

Deno.test("Keyed: no line can be changed, repeated, reordered, left out or sent back", () => {
  const lines = () => {
    const [dialler, listener] = pairOf();
    return { dialler, listener, sealed: ["one", "two", ""].map((line) => dialler.seal(line)) };
  };
  const whole = lines();
  assertEquals(whole.sealed.map((line) => whole.listener.open(line)), ["one", "two", ""]);
  const changed = lines();
  assertEquals(changed.listener.open(changed.sealed[0]! + "!"), null);
  const repeated = lines();
  repeated.listener.open(repeated.sealed[0]!);
  assertEquals(repeated.listener.open(repeated.sealed[0]!), null);
  const left = lines();
  assertEquals(left.listener.open(left.sealed[1]!), null);
  const back = lines();
  assertEquals(back.dialler.open(back.sealed[0]!), null);
});
