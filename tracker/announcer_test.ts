import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import type { AnnounceAnswer, AnnounceResult } from "./announce.ts";
import {
  Announcer,
  BACKOFF_MS_MAX,
  BACKOFF_MS_MIN,
  EARLY_ANNOUNCE_MS_MIN,
  type TrackerStatus,
} from "./announcer.ts";

const A = "http://a/announce";
const B = "http://b/announce";
const C = "http://c/announce";

function answer(fields: Partial<AnnounceAnswer> = {}): AnnounceAnswer {
  return {
    ok: true,
    intervalSeconds: 1800,
    minIntervalSeconds: 60,
    seeders: 1,
    leechers: 2,
    peers: [],
    warning: null,
    trackerId: null,
    ...fields,
  };
}

const refusal: AnnounceResult = { ok: false, failureReason: "no" };

/** With 0.5 jitter is 1, and the shuffle of two leaves them in order. */
function make(tiers: string[][], random: () => number = () => 0.5): Announcer {
  return new Announcer(tiers, { random });
}

/** Takes the order that must be there, as "event url". */
function take(announcer: Announcer): string {
  const order = announcer.takeAnnounce();
  assert(order !== null, "there is no order");
  assertEquals(announcer.takeAnnounce(), null);
  assertEquals(announcer.nextDeadlineMs, Infinity);
  return `${order.event || "-"} ${order.url}`;
}

function statusOf(announcer: Announcer, url: string): TrackerStatus {
  return announcer.status().find((status) => status.url === url)!;
}

Deno.test("Announcer hands an event on to the next tracker at once, and remembers who answered", () => {
  const announcer = make([[A], [B], [C]]);
  announcer.start(0, false);
  assertEquals(take(announcer), `started ${A}`);
  announcer.handleError(A, "connection refused", 10);
  assertEquals(take(announcer), `started ${B}`);
  announcer.handleResult(B, answer({ seeders: 7, leechers: 8, warning: "w" }), 20);
  assertEquals(announcer.takeAnnounce(), null);
  assertEquals(announcer.nextDeadlineMs, 20 + 1_800_000);
  assertEquals(statusOf(announcer, A).lastError, "connection refused");
  assertEquals(statusOf(announcer, C).lastAnswerMs, null);
  assertEquals(statusOf(announcer, B), {
    url: B,
    tier: 1,
    announcing: false,
    knowsUs: true,
    lastError: null,
    failures: 0,
    lastAnswerMs: 20,
    nextAnnounceMs: 1_800_020,
    seeders: 7,
    leechers: 8,
    peerCount: 0,
    warning: "w",
  });
});

Deno.test("Announcer goes back to a better tracker once its backoff is over", () => {
  const announcer = make([[A], [B]]);
  announcer.start(0, false);
  take(announcer);
  announcer.handleError(A, "down", 0);
  take(announcer);
  announcer.handleResult(B, answer(), 0);
  announcer.handleDeadline(1_799_999);
  assertEquals(announcer.takeAnnounce(), null);
  announcer.handleDeadline(1_800_000);
  assertEquals(take(announcer), `started ${A}`);
  announcer.handleResult(A, answer(), 1_800_000);
  announcer.handleDeadline(3_600_000);
  assertEquals(take(announcer), `- ${A}`);
});

Deno.test("Announcer backs off from each tracker, doubling to half an hour, when all fail", () => {
  const announcer = make([[A, B]]);
  announcer.start(0, false);
  let nowMs = 0;
  for (let round = 0; round < 10; round++) {
    assertEquals(take(announcer), `started ${A}`);
    announcer.handleError(A, "down", nowMs);
    assertEquals(take(announcer), `started ${B}`);
    announcer.handleResult(B, refusal, nowMs);
    const backoffMs = Math.min(BACKOFF_MS_MIN * 2 ** round, BACKOFF_MS_MAX);
    assertEquals(announcer.nextDeadlineMs, nowMs + backoffMs);
    assertEquals(statusOf(announcer, B).nextAnnounceMs, nowMs + backoffMs);
    assertEquals(statusOf(announcer, B).lastError, "the tracker refused: no");
    announcer.handleDeadline(announcer.nextDeadlineMs - 1);
    assertEquals(announcer.takeAnnounce(), null);
    nowMs = announcer.nextDeadlineMs;
    announcer.handleDeadline(nowMs);
  }
  take(announcer);
  announcer.handleResult(A, answer(), nowMs);
  assertEquals(statusOf(announcer, A).failures, 0);
});

Deno.test("Announcer spreads retries by a quarter to either side", () => {
  for (const [random, factor] of [[0, 0.75], [0.999, 1.2495]] as const) {
    const announcer = make([[A]], () => random);
    announcer.start(0, false);
    take(announcer);
    announcer.handleError(A, "down", 0);
    assertEquals(announcer.nextDeadlineMs, BACKOFF_MS_MIN * factor);
  }
});

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
  assertEquals(take(announcer), `stopped ${A}`);
  announcer.handleError(A, "down", 1_800_002);
  assertEquals(take(announcer), `stopped ${B}`);
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
  assertEquals(announcer.nextDeadlineMs, 100_000 + EARLY_ANNOUNCE_MS_MIN);
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

Deno.test("Announcer shuffles within tiers and moves the one that answers to the front (BEP 12)", () => {
  const order = (announcer: Announcer) => announcer.status().map(({ url }) => url);
  assertEquals(order(make([[A, B], [C]], () => 0)), [B, A, C]);
  const announcer = make([[A, B], [C]], () => 0.5);
  assertEquals(order(announcer), [A, B, C]);
  announcer.start(0, false);
  take(announcer);
  announcer.handleError(A, "down", 0);
  take(announcer);
  announcer.handleResult(B, answer(), 0);
  assertEquals(order(announcer), [B, A, C]);
  announcer.handleDeadline(1_800_000);
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
  const announcer = make([["udp://u:1/"], [], ["https://h/x", "https://h:443/x"], ["https://h/x"]]);
  assertEquals(announcer.status().map(({ url, tier }) => [url, tier]), [
    ["udp://u:1/", 0],
    ["https://h/x", 1],
  ]);
  announcer.start(0, false);
  assertEquals(take(announcer), "started https://h/x");
  assertEquals(
    statusOf(announcer, "udp://u:1/").lastError,
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

/** What can be done to an announcer; a report is about the order under way. */
type Step = "answer" | "refuse" | "fail" | "deadline" | "complete" | "stop" | "start" | "want";
const steps = fc.array(
  fc.tuple(
    fc.constantFrom<Step>(
      "answer",
      "refuse",
      "fail",
      "deadline",
      "complete",
      "stop",
      "start",
      "want",
    ),
    fc.integer({ min: 0, max: 400_000 }),
  ),
  { maxLength: 80 },
);

Deno.test("Announcer keeps its promises over any history", () => {
  fc.assert(fc.property(steps, (history) => {
    const announcer = make([[A, B], [C]]);
    let nowMs = 0;
    let underWay: { url: string; event: string } | null = null;
    let completedAnswers = 0;
    const known: Set<string> = new Set();
    const drain = () => {
      const order = announcer.takeAnnounce();
      if (order === null) return;
      assertEquals(underWay, null, "one announce at a time");
      underWay = { url: order.url, event: order.event };
      if (order.event === "started") assert(!known.has(order.url), "a second started");
      if (order.event === "") assert(known.has(order.url), "no started before");
      if (order.event === "stopped") known.delete(order.url);
    };
    const report = (step: Step) => {
      if (underWay === null) return;
      const { url, event } = underWay;
      underWay = null;
      if (step === "answer") {
        if (event !== "stopped") known.add(url);
        if (event === "completed") completedAnswers++;
        announcer.handleResult(url, answer(), nowMs);
      } else if (step === "refuse") announcer.handleResult(url, refusal, nowMs);
      else announcer.handleError(url, "down", nowMs);
    };
    for (const [step, passedMs] of history) {
      nowMs += passedMs;
      if (step === "deadline") announcer.handleDeadline(nowMs);
      else if (step === "complete") announcer.complete(nowMs);
      else if (step === "stop") announcer.stop(nowMs);
      else if (step === "start") announcer.start(nowMs, false);
      else if (step === "want") announcer.wantPeers(nowMs);
      else report(step);
      drain();
      assert(announcer.nextDeadlineMs > nowMs || step !== "deadline", "a deadline left undone");
    }
    // Whatever happened: a stop comes to an end within as many announces as there are trackers, and two.
    announcer.stop(nowMs);
    drain();
    for (let i = 0; i < 6 && !announcer.isStopped; i++) {
      report("answer");
      drain();
    }
    assertEquals([announcer.isStopped, underWay, known.size], [true, null, 0]);
    assert(completedAnswers <= 1, "completed was told twice");
  }));
});
