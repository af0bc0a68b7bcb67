import { assert, assertEquals } from "@std/assert";
import { Membership } from "./membership.ts";

function membershipOf(bootstrap: string[], membersMax = 8): Membership {
  let state = 1;
  const random = () => (state = (state * 16807) % 2147483647) / 2147483647;
  return new Membership({ ownAddress: "me:1", bootstrap, random, membersMax });
}

const statesOf = (membership: Membership) =>
  Object.fromEntries([...membership.all()].map(({ address, state }) => [address, state]));

Deno.test("Membership passes on only those who answered us", () => {
  const membership = membershipOf(["a:1", "b:1"]);
  membership.hint("c:1", 0);
  assertEquals(membership.sample(8, null), []);
  membership.hear("b:1", 0);
  assertEquals(membership.sample(8, null), ["b:1"]);
  assertEquals(membership.sample(8, "b:1"), []);
  assertEquals(membership.targets(8, null).sort(), ["a:1", "b:1", "c:1"]);
});

Deno.test("Membership.next() gives each its turn before any gets a second one", () => {
  const addresses = ["a:1", "b:1", "c:1", "d:1"];
  const membership = membershipOf(addresses);
  for (let turn = 0; turn < 5; turn++) {
    assertEquals(addresses.map(() => membership.next()).sort(), addresses);
  }
  assertEquals(membershipOf([]).next(), null);
});

Deno.test("Membership does not take the word of others for one that it just gave up", () => {
  const membership = membershipOf(["a:1"]);
  membership.remove("a:1", 0);
  assert(!membership.hint("a:1", 59_000));
  assertEquals(membership.lost(), "a:1");
  assert(membership.hint("a:1", 61_000));
  membership.remove("a:1", 61_000);
  membership.hear("a:1", 62_000);
  assertEquals(statesOf(membership), { "a:1": "alive" });
});

Deno.test("Membership.clear() lifts a suspicion, to be told again at first hand", () => {
  const membership = membershipOf(["a:1"]);
  membership.hear("a:1", 0);
  membership.suspect("a:1");
  assertEquals(membership.sample(1, null), []);
  membership.clear("a:1");
  assertEquals(statesOf(membership), { "a:1": "hinted" });
});

Deno.test("Membership: names that somebody invents do not displace those who answer", () => {
  const membership = membershipOf([], 100);
  for (let index = 0; index < 100; index++) membership.hear(`real${index}:1`, 0);
  for (let index = 0; index < 10_000; index++) membership.hint(`fake${index}:1`, 0);
  assertEquals(membership.size, 100);
  assert(membership.sample(100, null).length >= 70);
});

Deno.test("Membership never has ourselves", () => {
  const membership = membershipOf(["me:1"]);
  assert(!membership.hint("me:1", 0) && !membership.hear("me:1", 0));
  assertEquals(membership.size, 0);
});

Deno.test("Membership: another address of ours is no member, whoever names it", () => {
  const membership = membershipOf(["here:1", "there:1"]);
  membership.addOwnAddress("here:1");
  assertEquals([...membership.all()].map(({ address }) => address), ["there:1"]);
  assert(!membership.hint("here:1", 0));
  assert(!membership.hear("here:1", 0));
  membership.remove("there:1", 0);
  assertEquals(membership.lost(), "there:1");
  assertEquals(membership.size, 0);
});
