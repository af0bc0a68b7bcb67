import { assertEquals } from "@std/assert";
import { Detector } from "./detector.ts";
import { Membership } from "./membership.ts";

function detectorOf(members: string[]) {
  const membership = new Membership({ ownAddress: "me:1", bootstrap: [], random: () => 0 });
  for (const address of members) membership.hear(address, 0);
  const told: string[] = [];
  const detector = new Detector(membership, {
    send: (to, message) => told.push(`${message.type} ${to}`),
    missed: (address) => told.push(`missed ${address}`),
    gone: (address) => told.push(`gone ${address}`),
  });
  const take = () => told.splice(0);
  return { detector, membership, take };
}

/** Lets time pass to the detector's deadlines. */
function runTo(detector: Detector, untilMs: number): void {
  while (detector.nextDeadlineMs <= untilMs) detector.handleTime(detector.nextDeadlineMs);
}

Deno.test("Detector asks others, suspects, and gives up who answers nobody", () => {
  const { detector, membership, take } = detectorOf(["x:1", "a:1", "b:1"]);
  detector.ping("x:1", 0);
  assertEquals(take(), ["ping x:1"]);
  runTo(detector, 1500);
  assertEquals(take().sort(), ["missed x:1", "ping x:1", "probe a:1", "probe b:1"]);
  runTo(detector, 4500);
  assertEquals([take(), membership.get("x:1")?.state], [["ping x:1"], "suspect"]);
  runTo(detector, 100_000);
  assertEquals(take().at(-1), "gone x:1");
  assertEquals(membership.get("x:1"), null);
});

Deno.test("Detector: an answer at any time refutes it", () => {
  for (const atMs of [0, 1500, 4500, 10_000]) {
    const { detector, membership } = detectorOf(["x:1", "a:1"]);
    detector.ping("x:1", 0);
    runTo(detector, atMs);
    membership.hear("x:1", atMs);
    detector.hear("x:1");
    assertEquals([membership.get("x:1")?.state, detector.nextDeadlineMs], ["alive", Infinity]);
  }
});

Deno.test("Detector: whom another reached for us is not given up", () => {
  const { detector, membership } = detectorOf(["x:1", "a:1"]);
  detector.ping("x:1", 0);
  runTo(detector, 4500);
  detector.handleAlive("x:1");
  assertEquals([membership.get("x:1")?.state, detector.nextDeadlineMs], ["hinted", Infinity]);
});

Deno.test("Detector asks a member for somebody else, and only one that it knows", () => {
  const { detector, take } = detectorOf(["x:1"]);
  detector.handleProbe("#1", "unknown:1", 0);
  assertEquals(take(), []);
  detector.handleProbe("#1", "x:1", 0);
  detector.handleProbe("#2", "x:1", 0);
  detector.hear("x:1");
  assertEquals(take(), ["ping x:1", "ping x:1", "alive #1", "alive #2"]);
});

Deno.test("Detector is patient where its own line is bad", () => {
  const goneAfter = (trouble: number) => {
    const { detector, take } = detectorOf(["x:1", "a:1"]);
    detector.trouble = trouble;
    detector.ping("x:1", 0);
    for (;;) {
      const nowMs = detector.nextDeadlineMs;
      detector.handleTime(nowMs);
      if (take().includes("gone x:1")) return nowMs;
    }
  };
  assertEquals(goneAfter(7) > 3 * goneAfter(0), true);
});
