import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import type { AnnounceAnswer, AnnounceResult } from "./announce.ts";
import { EARLY_ANNOUNCE_MS_MIN } from "./announce_lane.ts";
import {
  Announcer,
  type AnnouncerOptions,
  PROBE_TIMEOUT_MS,
  type TrackerStatus,
} from "./announcer.ts";
import { BACKOFF_MS_MAX, BACKOFF_MS_MIN } from "./backoff.ts";

const A = "http://a/announce";
const B = "http://b/announce";
const C = "http://c/announce";
const D = "http://d/announce";

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
function make(
  tiers: string[][],
  random: () => number = () => 0.5,
  options: Partial<AnnouncerOptions> = {},
): Announcer {
  return new Announcer(tiers, { ...options, random });
}

/** One that probes, with the same steady chance. */
function makeProbing(tiers: string[][], options: Partial<AnnouncerOptions> = {}): Announcer {
  return make(tiers, () => 0.5, { ...options, probes: true });
}

/** Takes the order that must be there, as "event url". */
function take(announcer: Announcer): string {
  const order = announcer.takeAnnounce();
  assert(order !== null, "there is no order");
  assertEquals(announcer.takeAnnounce(), null);
  return `${order.event || "-"} ${order.url}`;
}

/** Takes all orders, as "event url". */
function takeAll(announcer: Announcer): string[] {
  const orders: string[] = [];
  for (let order; (order = announcer.takeAnnounce()) !== null;) {
    orders.push(`${order.event || "-"} ${order.url}`);
  }
  return orders;
}

/** Takes all probes. */
function takeProbes(announcer: Announcer): string[] {
  const urls: string[] = [];
  for (let url; (url = announcer.takeProbe()) !== null;) urls.push(url);
  return urls;
}

function statusOf(announcer: Announcer, url: string): TrackerStatus {
  return announcer.status().find((status) => status.url === url)!;
}

Deno.test("Announcer hands an event on to the next tracker at once, and remembers who answered", () => {
  const announcer = make([[A], [B], [C]]);
  announcer.start(0, false);
  assertEquals(take(announcer), `started ${A}`);
  assertEquals(announcer.nextDeadlineMs, Infinity);
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
    latencyMs: 10,
    successRate: 1,
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
  // Who failed comes last until its backoff is over.
  assertEquals(order(announcer), [B, C, A]);
  announcer.handleDeadline(20_000);
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

Deno.test("Announcer probes all of a tier at once and announces to the first that answers", () => {
  const announcer = makeProbing([[A, B], [C]]);
  announcer.start(0, false);
  assertEquals(takeAll(announcer), []);
  assertEquals(takeProbes(announcer), [A, B]);
  assertEquals(announcer.nextDeadlineMs, PROBE_TIMEOUT_MS);
  announcer.handleProbe(B, null, 40);
  assertEquals(take(announcer), `started ${B}`);
  // The slower one is known then, too.
  announcer.handleProbe(A, null, 90);
  announcer.handleResult(B, answer(), 100);
  assertEquals(announcer.status().map(({ url, latencyMs }) => [url, latencyMs]), [
    [B, 45],
    [A, 90],
    [C, null],
  ]);
});

Deno.test("Announcer probes the next tier when all of one fail, and asks unprobed when all do", () => {
  const announcer = makeProbing([[A, B], [C, D]]);
  announcer.start(0, false);
  assertEquals(takeProbes(announcer), [A, B]);
  announcer.handleProbe(A, "connection refused", 5);
  assertEquals([takeAll(announcer), takeProbes(announcer)], [[], []]);
  // B does not answer at all.
  announcer.handleDeadline(PROBE_TIMEOUT_MS);
  assertEquals(takeProbes(announcer), [C, D]);
  announcer.handleProbe(C, "HTTP 502", PROBE_TIMEOUT_MS + 5);
  announcer.handleProbe(D, "HTTP 502", PROBE_TIMEOUT_MS + 6);
  const nowMs = PROBE_TIMEOUT_MS + 7;
  const asked: string[] = [];
  for (let i = 0; i < 4; i++) {
    asked.push(take(announcer));
    announcer.handleError(asked.at(-1)!.split(" ")[1]!, "down", nowMs);
  }
  assertEquals(asked, [A, B, C, D].map((url) => `started ${url}`));
  assertEquals([announcer.takeAnnounce(), takeProbes(announcer)], [null, []]);
  assertEquals(announcer.nextDeadlineMs, nowMs + BACKOFF_MS_MIN);
  assertEquals(statusOf(announcer, B).nextAnnounceMs, nowMs + BACKOFF_MS_MIN);
  announcer.handleProbe(B, null, nowMs + 1);
  assertEquals(statusOf(announcer, B).latencyMs, null, "too late to count");
});

Deno.test("Announcer does not probe the only tracker of a tier, nor one that it knows", () => {
  const announcer = makeProbing([[A], [B, C]]);
  announcer.start(0, false);
  assertEquals([take(announcer), takeProbes(announcer)], [`started ${A}`, []]);
  announcer.handleError(A, "down", 0);
  assertEquals([takeAll(announcer), takeProbes(announcer)], [[], [B, C]]);
  announcer.handleProbe(C, null, 10);
  assertEquals(take(announcer), `started ${C}`);
});

Deno.test("Announcer probes a tracker that failed, and goes back to it when it is better", () => {
  const announcer = makeProbing([[A], [B]]);
  announcer.start(0, false);
  take(announcer);
  announcer.handleError(A, "down", 0);
  take(announcer);
  announcer.handleResult(B, answer(), 10);
  assertEquals(announcer.nextDeadlineMs, BACKOFF_MS_MIN);
  announcer.handleDeadline(BACKOFF_MS_MIN);
  assertEquals(takeProbes(announcer), [A]);
  assertEquals(announcer.takeProbe(), null);
  announcer.handleProbe(A, "down", BACKOFF_MS_MIN);
  assertEquals(announcer.nextDeadlineMs, BACKOFF_MS_MIN + 2 * BACKOFF_MS_MIN);
  announcer.handleDeadline(announcer.nextDeadlineMs);
  assertEquals(takeProbes(announcer), [A]);
  announcer.handleProbe(A, null, 45_010);
  assertEquals(announcer.takeAnnounce(), null, "the interval is obeyed");
  assertEquals(statusOf(announcer, A).lastError, "down", "an announce has yet to prove it");
  announcer.handleDeadline(1_800_010);
  assertEquals(take(announcer), `started ${A}`);
  announcer.handleResult(A, answer(), 1_800_020);
  assertEquals(statusOf(announcer, A).lastError, null);
});

Deno.test("Announcer leaves a tracker that fails its probe alone at its next announce", () => {
  const announcer = makeProbing([[A], [B]]);
  announcer.start(0, false);
  take(announcer);
  announcer.handleError(A, "down", 0);
  take(announcer);
  announcer.handleResult(B, answer(), 10);
  announcer.handleDeadline(BACKOFF_MS_MIN);
  takeProbes(announcer);
  announcer.handleProbe(A, "down", BACKOFF_MS_MIN);
  // No probe has succeeded by then, though its backoff is over.
  announcer.handleDeadline(1_800_010);
  assertEquals(take(announcer), `- ${B}`);
});

Deno.test("Announcer moves within a tier only to one that is clearly better", () => {
  // A answers the probe in 100 ms, B in `bMs`, and then A the announce in `aMs`: a quarter of that counts.
  const second = (bMs: number, aMs: number) => {
    const announcer = makeProbing([[A, B]]);
    announcer.start(0, false);
    takeProbes(announcer);
    announcer.handleProbe(A, null, 100);
    take(announcer);
    announcer.handleProbe(B, null, bMs);
    announcer.handleResult(A, answer(), 100 + aMs);
    announcer.handleDeadline(2_000_000);
    return take(announcer);
  };
  assertEquals(second(110, 100), `- ${A}`);
  assertEquals(second(150, 500), `- ${A}`);
  assertEquals(second(139, 500), `started ${B}`);
  const flapping = makeProbing([[A, B]]);
  flapping.start(0, false);
  takeProbes(flapping);
  flapping.handleProbe(A, null, 100);
  take(flapping);
  flapping.handleProbe(B, null, 101);
  // Both vary by a third from one announce to the next.
  let nowMs = 200;
  let url = A;
  for (let i = 0; i < 30; i++) {
    flapping.handleResult(url, answer(), nowMs + (i % 2 === 0 ? 130 : 80));
    nowMs += 2_000_000;
    flapping.handleDeadline(nowMs);
    for (const probed of takeProbes(flapping)) flapping.handleProbe(probed, null, nowMs + 100);
    url = take(flapping).split(" ")[1]!;
    assertEquals(url, A);
  }
});

Deno.test("Announcer announces to all where that is wanted, each in its own time", () => {
  const announcer = make([[A, B], [C]], () => 0.5, { toAll: true, probes: true });
  announcer.start(0, false);
  assertEquals(takeAll(announcer).sort(), [`started ${A}`, `started ${B}`, `started ${C}`]);
  announcer.handleResult(A, answer({ intervalSeconds: 100 }), 0);
  announcer.handleResult(B, answer({ intervalSeconds: 200 }), 0);
  announcer.handleError(C, "down", 0);
  assertEquals(announcer.nextDeadlineMs, BACKOFF_MS_MIN);
  announcer.handleDeadline(BACKOFF_MS_MIN);
  assertEquals(takeAll(announcer), [`started ${C}`]);
  announcer.handleError(C, "down", BACKOFF_MS_MIN);
  announcer.complete(50_000);
  assertEquals(takeAll(announcer).sort(), [`completed ${A}`, `completed ${B}`, `completed ${C}`]);
  announcer.handleResult(A, answer(), 50_000);
  announcer.handleResult(C, refusal, 50_000);
  assertEquals(announcer.hasToldCompletion, true);
  announcer.stop(50_001);
  assertEquals(takeAll(announcer), [`stopped ${A}`]);
  announcer.handleError(B, "aborted", 50_002);
  announcer.handleResult(A, answer(), 50_003);
  // B has the completion still to hear; C knows nothing of us.
  assertEquals(takeAll(announcer), [`completed ${B}`]);
  announcer.handleResult(B, answer(), 50_004);
  assertEquals(takeAll(announcer), [`stopped ${B}`]);
  announcer.handleResult(B, answer(), 50_005);
  assertEquals(announcer.isStopped, true);
});

Deno.test("Announcer begins with the order that it remembers", () => {
  const before = makeProbing([[A, B], [C]]);
  before.start(0, false);
  takeProbes(before);
  before.handleProbe(B, null, 10);
  take(before);
  before.handleProbe(A, null, 500);
  before.handleResult(B, answer(), 600);
  const memory = before.memory();
  assertEquals(memory.map(({ url }) => url), [A, B]);
  const after = makeProbing([[A, B], [C]], { memory });
  assertEquals(after.status().map(({ url }) => url), [B, A, C]);
  // They are probed again all the same; and what is now counts for as much as all that was.
  after.start(0, false);
  assertEquals(takeProbes(after), [B, A]);
  after.handleProbe(A, null, 100);
  assertEquals(take(after), `started ${A}`);
  assertEquals(statusOf(after, A).latencyMs, 300);
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
