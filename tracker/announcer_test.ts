import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { A, answer, B, C, make, refusal, statusOf, take, takeAll } from "./_announcing_test.ts";
import type { AnnounceResult } from "./announce.ts";
import { EARLY_ANNOUNCE_MS_MIN } from "./announce_lane.ts";
import type { Announcer, AnnouncerOptions } from "./announcer.ts";
import { BACKOFF_MS_MIN } from "./backoff.ts";

Deno.test("Announcer waits as long as a refusal says, for ever if need be", () => {
  const announcer = make([[A]]);
  announcer.start(0, false);
  take(announcer);
  announcer.handleResult(A, { ...refusal, retryInSeconds: 600 } as AnnounceResult, 0);
  assertEquals(announcer.nextDeadlineMs, 600_000);
  announcer.handleDeadline(600_000);
  take(announcer);
  announcer.handleResult(A, { ...refusal, retryInSeconds: Infinity } as AnnounceResult, 600_000);
  assertEquals(announcer.nextDeadlineMs, Infinity);
  assertEquals(statusOf(announcer, A).nextAnnounceMs, null);
});

Deno.test("Announcer tells a completion once, at once, whatever the intervals", () => {
  const announcer = make([[A]]);
  announcer.start(0, false);
  take(announcer);
  announcer.complete(5);
  assertEquals(announcer.takeAnnounce(), null);
  announcer.handleResult(A, answer(), 10);
  assertEquals(take(announcer), `completed ${A}`);
  announcer.handleResult(A, answer(), 20);
  announcer.complete(30);
  assertEquals(announcer.takeAnnounce(), null);
  announcer.handleDeadline(1_800_020);
  assertEquals(take(announcer), `- ${A}`);
});

Deno.test("Announcer does not lose a completion when every tracker fails", () => {
  const announcer = make([[A], [B]]);
  announcer.start(0, false);
  take(announcer);
  announcer.handleResult(A, answer(), 0);
  announcer.complete(100);
  assertEquals(take(announcer), `completed ${A}`);
  announcer.handleError(A, "down", 100);
  assertEquals(take(announcer), `completed ${B}`);
  announcer.handleError(B, "down", 100);
  assertEquals(announcer.nextDeadlineMs, 100 + BACKOFF_MS_MIN);
  announcer.handleDeadline(announcer.nextDeadlineMs);
  assertEquals(take(announcer), `completed ${A}`);
  announcer.handleResult(A, answer(), 20_000);
  assertEquals(announcer.nextDeadlineMs, 20_000 + 1_800_000);
});

Deno.test("Announcer never tells a completion that was none", () => {
  const announcer = make([[A]]);
  announcer.start(0, true);
  take(announcer);
  announcer.handleResult(A, answer(), 0);
  announcer.complete(10);
  assertEquals(announcer.takeAnnounce(), null);
});

Deno.test("Announcer tells at a start what is owed from an earlier run, once, instead of started", () => {
  const before = make([[A], [B]]);
  before.start(0, false);
  take(before);
  before.handleResult(A, answer(), 0);
  before.complete(10);
  for (const url of [A, B]) {
    assertEquals(take(before), `completed ${url}`);
    before.handleError(url, "down", 10);
  }
  before.stop(11);
  assertEquals(take(before), `completed ${A}`);
  before.handleError(A, "aborted", 12);
  assertEquals(take(before), `stopped ${A}`);
  before.handleError(A, "aborted", 12);
  assertEquals([before.isStopped, before.hasToldCompletion], [true, false]);

  const after = make([[A], [B]]);
  after.start(0, true, { toldTo: before.toldCompletion });
  assertEquals(take(after), `completed ${A}`);
  after.handleResult(A, answer(), 1);
  assertEquals([after.hasToldCompletion, after.toldCompletion], [true, [A]]);
  after.complete(2);
  assertEquals(after.takeAnnounce(), null);
  after.handleDeadline(after.nextDeadlineMs);
  assertEquals(take(after), `- ${A}`);
});

Deno.test("Announcer tells of an owed completion those that have not heard of it, where all are told", () => {
  const announcer = make([[A, B], [C], ["wss://u/"]], () => 0.5, { toAll: true });
  announcer.start(0, true, { toldTo: [B, "http://gone/announce"] });
  const expected = [`completed ${A}`, `completed ${C}`, `started ${B}`];
  assertEquals(takeAll(announcer).sort(), expected);
  for (const url of [A, B, C]) announcer.handleResult(url, answer(), 0);
  assertEquals([announcer.hasToldCompletion, announcer.toldCompletion], [true, [A, B, C]]);
});

Deno.test("Announcer does not tell again of a completion after something was damaged between", () => {
  const announcer = make([[A], [B]], () => 0.5, { toAll: true });
  announcer.start(0, false, { toldTo: [A] });
  assertEquals(takeAll(announcer).sort(), [`started ${A}`, `started ${B}`]);
  for (const url of [A, B]) announcer.handleResult(url, answer(), 0);
  assertEquals([announcer.hasToldCompletion, announcer.toldCompletion], [false, [A]]);
  announcer.complete(1);
  assertEquals(takeAll(announcer), [`completed ${B}`]);
});

Deno.test("Announcer has told nobody where there is nobody to tell", () => {
  for (const tiers of [[], [["wss://u/"]]]) {
    const announcer = make(tiers);
    announcer.start(0, false);
    announcer.complete(1);
    assertEquals(announcer.hasToldCompletion, false);
  }
});

Deno.test("Announcer says started once to each tracker that knows us", () => {
  const announcer = make([[A]]);
  announcer.start(0, false);
  assertEquals(take(announcer), `started ${A}`);
  announcer.start(1, false);
  announcer.handleResult(A, answer(), 2);
  announcer.start(3, false);
  assertEquals(announcer.takeAnnounce(), null);
  announcer.handleDeadline(announcer.nextDeadlineMs);
  assertEquals(take(announcer), `- ${A}`);
  announcer.handleError(A, "down", 1_800_002);
  announcer.handleDeadline(announcer.nextDeadlineMs);
  assertEquals(take(announcer), `- ${A}`);
});

Deno.test("Announcer takes leave of the trackers that know it, and of no others", () => {
  const announcer = make([[A], [B], [C]]);
  announcer.start(0, false);
  take(announcer);
  announcer.handleResult(A, answer(), 0);
  announcer.handleDeadline(1_800_000);
  take(announcer);
  announcer.handleError(A, "down", 1_800_000);
  assertEquals(take(announcer), `started ${B}`);
  announcer.handleResult(B, answer(), 1_800_000);

  announcer.stop(1_800_001);
  assertEquals(announcer.isStopped, false);
  // Both at once: one that is down takes nothing of the other's time.
  assertEquals(takeAll(announcer), [`stopped ${B}`, `stopped ${A}`]);
  announcer.handleError(A, "down", 1_800_002);
  assertEquals(announcer.isStopped, false);
  announcer.handleResult(B, answer(), 1_800_003);
  assertEquals(announcer.takeAnnounce(), null);
  assertEquals(announcer.isStopped, true);
  assertEquals(announcer.nextDeadlineMs, Infinity);
  assertEquals(announcer.status().some((status) => status.knowsUs), false);
});

Deno.test("Announcer stops at once when no tracker knows it", () => {
  const announcer = make([[A]]);
  announcer.stop(0);
  assertEquals(announcer.isStopped, true);
  announcer.start(0, false);
  take(announcer);
  announcer.handleError(A, "down", 0);
  announcer.stop(1);
  assertEquals(announcer.isStopped, true);
  assertEquals(announcer.takeAnnounce(), null);
});

Deno.test("Announcer that is stopped in the middle of an announce tells whoever may have heard it", () => {
  for (const heard of [true, false]) {
    const announcer = make([[A], [B]]);
    announcer.start(0, false);
    take(announcer);
    announcer.stop(5);
    assertEquals(announcer.takeAnnounce(), null);
    if (heard) announcer.handleResult(A, answer(), 6);
    else announcer.handleError(A, "aborted", 6);
    assertEquals(take(announcer), `stopped ${A}`);
    announcer.handleResult(A, answer(), 7);
    assertEquals(announcer.isStopped, true);
  }
  const refused = make([[A]]);
  refused.start(0, false);
  take(refused);
  refused.stop(5);
  refused.handleResult(A, refusal, 6);
  assertEquals(refused.isStopped, true);
});

Deno.test("Announcer that completes and stops in one breath tells both, in order", () => {
  const announcer = make([[A]]);
  announcer.start(0, false);
  take(announcer);
  announcer.complete(1);
  announcer.stop(2);
  announcer.handleResult(A, answer(), 3);
  assertEquals(take(announcer), `completed ${A}`);
  announcer.handleError(A, "timeout", 4);
  assertEquals(take(announcer), `stopped ${A}`);
  announcer.handleResult(A, answer(), 5);
  assertEquals(announcer.isStopped, true);
});

Deno.test("Announcer that stops while a completion is being told tells it to one tracker", () => {
  for (const heard of [true, false]) {
    const announcer = make([[A], [B]]);
    announcer.start(0, false);
    take(announcer);
    announcer.handleResult(A, answer(), 0);
    announcer.complete(1);
    take(announcer);
    announcer.handleError(A, "down", 2);
    assertEquals(take(announcer), `completed ${B}`);
    announcer.stop(3);
    // A knows us, but the completion is on its way to B.
    assertEquals(takeAll(announcer), []);
    if (heard) announcer.handleResult(B, answer(), 4);
    else announcer.handleError(B, "aborted", 4);
    const expected = heard ? [`stopped ${A}`, `stopped ${B}`] : [`completed ${A}`, `stopped ${B}`];
    assertEquals(takeAll(announcer), expected);
    assertEquals(announcer.hasToldCompletion, heard);
  }
});

Deno.test("Announcer starts again after a stop, without a second completion", () => {
  const announcer = make([[A]]);
  announcer.start(0, false);
  take(announcer);
  announcer.handleResult(A, answer(), 0);
  announcer.complete(0);
  take(announcer);
  announcer.handleResult(A, answer(), 0);
  announcer.stop(1);
  take(announcer);
  // Again before the farewell is over.
  announcer.start(2, true);
  announcer.handleResult(A, answer(), 3);
  assertEquals(take(announcer), `started ${A}`);
});

Deno.test("Announcer asks for peers early, but not before the min interval", () => {
  const announcer = make([[A]]);
  announcer.start(0, false);
  take(announcer);
  announcer.handleResult(A, answer({ minIntervalSeconds: 100 }), 0);
  announcer.wantPeers(10);
  assertEquals(announcer.takeAnnounce(), null);
  assertEquals(announcer.nextDeadlineMs, 100_000);
  announcer.handleDeadline(100_000);
  assertEquals(take(announcer), `- ${A}`);
  announcer.handleResult(A, answer({ minIntervalSeconds: null }), 100_000);
  // The wish is granted; it does not last.
  assertEquals(announcer.nextDeadlineMs, 1_900_000);
  announcer.wantPeers(100_000);
  assertEquals(announcer.nextDeadlineMs, 100_000 + 2 * EARLY_ANNOUNCE_MS_MIN);
  announcer.handleDeadline(500_000);
  take(announcer);
  announcer.handleResult(A, answer({ intervalSeconds: 5, minIntervalSeconds: null }), 500_000);
  announcer.wantPeers(500_000);
  assertEquals(announcer.nextDeadlineMs, 505_000);
});

Deno.test("Announcer obeys a min interval that exceeds the interval", () => {
  const announcer = make([[A], [B]]);
  announcer.start(0, false);
  take(announcer);
  announcer.handleResult(A, answer({ intervalSeconds: 60, minIntervalSeconds: 120 }), 0);
  // Nor does it go to another tracker meanwhile.
  assertEquals(announcer.nextDeadlineMs, 120_000);
});

Deno.test("Announcer obeys the min interval of each tracker", () => {
  const announcer = make([[A], [B]]);
  announcer.start(0, false);
  take(announcer);
  announcer.handleResult(A, answer({ minIntervalSeconds: 1500 }), 0);
  announcer.complete(10_000);
  assertEquals(take(announcer), `completed ${A}`);
  announcer.handleError(A, "down", 10_000);
  assertEquals(take(announcer), `completed ${B}`);
  announcer.handleResult(B, answer({ intervalSeconds: 60, minIntervalSeconds: 10 }), 10_000);
  // A may be tried again by now, but it asked for more patience than that.
  announcer.handleDeadline(70_000);
  assertEquals(take(announcer), `- ${B}`);
});

Deno.test("Announcer sends a tracker's id back, and keeps it when it is not repeated", () => {
  const announcer = make([[A]]);
  announcer.start(0, false);
  assertEquals(announcer.takeAnnounce()?.trackerId, null);
  announcer.handleResult(A, answer({ trackerId: new Uint8Array([1]) }), 0);
  for (let i = 0; i < 2; i++) {
    announcer.handleDeadline(announcer.nextDeadlineMs);
    assertEquals(announcer.takeAnnounce()?.trackerId, new Uint8Array([1]));
    announcer.handleResult(A, answer(), i);
  }
});

Deno.test("Announcer lists what it cannot ask, and leaves out what occurs twice", () => {
  const announcer = make([["wss://u:1/"], [], ["https://h/x", "https://h:443/x"], ["https://h/x"]]);
  assertEquals(announcer.status().map(({ url, tier }) => [url, tier]), [
    ["wss://u:1/", 0],
    ["https://h/x", 1],
  ]);
  announcer.start(0, false);
  assertEquals(take(announcer), "started https://h/x");
  assertEquals(
    statusOf(announcer, "wss://u:1/").lastError,
    "this kind of tracker is not supported",
  );
  const none = make([]);
  none.start(0, false);
  assertEquals([none.takeAnnounce(), none.nextDeadlineMs], [null, Infinity]);
  none.stop(0);
  assertEquals(none.isStopped, true);
});

Deno.test("Announcer ignores reports of what it did not order", () => {
  const announcer = make([[A], [B]]);
  announcer.handleResult(A, answer(), 0);
  announcer.start(0, false);
  take(announcer);
  announcer.handleResult(B, answer(), 1);
  announcer.handleError("http://nobody/", "x", 1);
  assertEquals(announcer.takeAnnounce(), null);
  announcer.handleResult(A, answer(), 2);
  announcer.handleResult(A, refusal, 3);
  assertEquals(statusOf(announcer, A).lastError, null);
});

Deno.test("Announcer asks less and less often for want of peers, seven times in half an hour", () => {
  const announcer = make([[A]]);
  announcer.start(0, false);
  take(announcer);
  announcer.handleResult(A, answer(), 0);
  const waits: number[] = [];
  for (let nowMs = 0; waits.length < 7;) {
    announcer.wantPeers(nowMs);
    waits.push((announcer.nextDeadlineMs - nowMs) / 1000);
    nowMs = announcer.nextDeadlineMs;
    announcer.handleDeadline(nowMs);
    assertEquals(take(announcer), `- ${A}`);
    announcer.handleResult(A, answer(), nowMs);
  }
  assertEquals(waits, [60, 120, 240, 300, 300, 300, 300]);
  // Without want of peers the interval counts again, and then patience is as at first.
  const nextMs = announcer.nextDeadlineMs;
  announcer.handleDeadline(nextMs);
  take(announcer);
  announcer.handleResult(A, answer(), nextMs);
  announcer.wantPeers(nextMs);
  assertEquals(announcer.nextDeadlineMs, nextMs + 60_000);
});

/** What can be done to an announcer; a report is about one of the orders under way, a probe about one of those. */
type Step =
  | "answer"
  | "refuse"
  | "fail"
  | "probe"
  | "lose"
  | "deadline"
  | "complete"
  | "stop"
  | "start"
  | "want";
const steps = fc.array(
  fc.tuple(
    fc.constantFrom<Step>(
      "answer",
      "refuse",
      "fail",
      "probe",
      "lose",
      "deadline",
      "complete",
      "stop",
      "start",
      "want",
    ),
    fc.integer({ min: 0, max: 400_000 }),
    fc.nat(),
  ),
  { maxLength: 80 },
);

/** Trackers that remember what they were told, and an announcer that is held to its word. */
class Witness {
  nowMs = 0;
  readonly #announcer: Announcer;
  readonly #toAll: boolean;
  readonly #underWay = new Map<string, string>();
  readonly #probing = new Set<string>();
  /** Who knows us, and until when its min interval lasts. */
  readonly #known = new Map<string, number>();
  readonly #told: string[] = [];
  #isRunning = false;
  #isComplete = false;

  constructor(options: Partial<AnnouncerOptions>) {
    this.#announcer = make([[A, B], [C]], () => 0.5, options);
    this.#toAll = options.toAll ?? false;
  }

  step(step: Step, which: number): void {
    const announcer = this.#announcer;
    if (step === "deadline") announcer.handleDeadline(this.nowMs);
    else if (step === "complete") announcer.complete(this.nowMs);
    else if (step === "stop") announcer.stop(this.nowMs);
    else if (step === "start") announcer.start(this.nowMs, false);
    else if (step === "want") announcer.wantPeers(this.nowMs);
    else if (step === "probe" || step === "lose") this.#probe(step, which);
    else this.#report(step, which);
    if (step === "start") this.#isRunning = true;
    if (step === "stop") this.#isRunning = false;
    if (step === "complete" && !announcer.isStopped) this.#isComplete = true;
    this.#drain();
    assert(announcer.nextDeadlineMs > this.nowMs || step !== "deadline", "a deadline left undone");
    const owesCompletion = this.#isRunning && this.#isComplete && !announcer.hasToldCompletion;
    const isWaiting = this.#underWay.size > 0 || Number.isFinite(announcer.nextDeadlineMs);
    assert(!owesCompletion || isWaiting, "a completion was lost");
  }

  /** A stop comes to an end within as many answers as there are trackers, and those of what was under way. */
  end(): void {
    this.step("stop", 0);
    for (let i = 0; i < 9 && !this.#announcer.isStopped; i++) this.step("answer", 0);
    assertEquals([this.#announcer.isStopped, this.#underWay.size, this.#known.size], [true, 0, 0]);
    const told = this.#told;
    if (this.#toAll) assertEquals(told.length, new Set(told).size, "a completion was told twice");
    else assert(told.length <= 1, "a completion was told twice");
  }

  #report(step: "answer" | "refuse" | "fail", which: number): void {
    const [url, event] = [...this.#underWay][which % Math.max(1, this.#underWay.size)] ?? [];
    if (url === undefined) return;
    this.#underWay.delete(url);
    if (step === "answer") {
      if (event !== "stopped") this.#known.set(url, this.nowMs + 60_000);
      if (event === "completed") this.#told.push(url);
      this.#announcer.handleResult(url, answer(), this.nowMs);
    } else if (step === "refuse") this.#announcer.handleResult(url, refusal, this.nowMs);
    else this.#announcer.handleError(url, "down", this.nowMs);
  }

  #probe(step: "probe" | "lose", which: number): void {
    const url = [...this.#probing][which % Math.max(1, this.#probing.size)];
    if (url === undefined) return;
    this.#probing.delete(url);
    this.#announcer.handleProbe(url, step === "probe" ? null : "down", this.nowMs);
  }

  #drain(): void {
    for (let order; (order = this.#announcer.takeAnnounce()) !== null;) {
      const { url, event } = order;
      assert(!this.#underWay.has(url), "two announces to one tracker at a time");
      if (this.#isRunning && !this.#toAll) {
        const others = [...this.#underWay.values()].filter((each) => each !== "stopped");
        assertEquals(others, [], "two trackers are told at a time");
      }
      this.#underWay.set(url, event);
      if (event === "started") assert(!this.#known.has(url), "a second started");
      if (event === "") assert(this.nowMs >= (this.#known.get(url) ?? Infinity), "too early");
      if (event === "stopped") this.#known.delete(url);
    }
    for (let url; (url = this.#announcer.takeProbe()) !== null;) {
      assert(!this.#underWay.has(url), "a tracker is probed that is being asked");
      this.#probing.add(url);
    }
  }
}

for (const options of [{}, { probes: true }, { toAll: true }]) {
  const name = Object.keys(options)[0] ?? "no option";
  Deno.test(`Announcer loses and doubles no event over any history, with ${name}`, () => {
    fc.assert(fc.property(steps, (history) => {
      const witness = new Witness(options);
      for (const [step, passedMs, which] of history) {
        witness.nowMs += passedMs;
        witness.step(step, which);
      }
      witness.end();
    }));
  });
}
