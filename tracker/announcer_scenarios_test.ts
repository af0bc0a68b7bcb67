/** Several trackers: which is used, and what happens when they fail and come back. */
import { assertEquals } from "@std/assert";
import {
  A,
  answer,
  B,
  C,
  D,
  make,
  makeProbing,
  refusal,
  statusOf,
  take,
  takeAll,
  takeProbes,
} from "./_announcing_test.ts";
import { type Announcer, PROBE_TIMEOUT_MS } from "./announcer.ts";
import { BACKOFF_MS_MAX, BACKOFF_MS_MIN } from "./backoff.ts";

/** Three trackers of one tier that answer probes in 10, 20 and 30 ms, the first of them in use. */
function threeUp(): Announcer {
  const announcer = makeProbing([[A, B, C]]);
  announcer.start(0, false);
  assertEquals(takeProbes(announcer).sort(), [A, B, C]);
  announcer.handleProbe(A, null, 10);
  assertEquals(take(announcer), `started ${A}`);
  announcer.handleProbe(B, null, 20);
  announcer.handleProbe(C, null, 30);
  announcer.handleResult(A, answer(), 20);
  return announcer;
}

/** Has all probes and announces fail until none is under way. */
function failAll(announcer: Announcer, nowMs: number): string[] {
  const orders: string[] = [];
  for (;;) {
    for (const url of takeProbes(announcer)) announcer.handleProbe(url, "down", nowMs);
    const order = announcer.takeAnnounce();
    if (order === null) return orders;
    orders.push(`${order.event || "-"} ${order.url}`);
    announcer.handleError(order.url, "down", nowMs);
  }
}

/** Starts, has A fail at once, and B answer at a time. */
function failOverToB(announcer: Announcer, answeredAtMs: number): void {
  announcer.start(0, false);
  take(announcer);
  announcer.handleError(A, "down", 0);
  take(announcer);
  announcer.handleResult(B, answer(), answeredAtMs);
}

Deno.test("Announcer, three up: the nearest is told, and the others are probed now and then", () => {
  const announcer = threeUp();
  announcer.handleDeadline(1_800_020);
  assertEquals(take(announcer), `- ${A}`);
  announcer.handleResult(A, answer(), 1_800_030);
  announcer.handleDeadline(3_000_000);
  assertEquals([takeAll(announcer), takeProbes(announcer).sort()], [[], [B, C]]);
});

Deno.test("Announcer, the primary dies: the next hears the same event at once", () => {
  const announcer = threeUp();
  announcer.complete(100);
  assertEquals(take(announcer), `completed ${A}`);
  announcer.handleError(A, "connection refused", 101);
  assertEquals(take(announcer), `completed ${B}`);
  announcer.handleResult(B, answer(), 121);
  assertEquals(announcer.hasToldCompletion, true);
  announcer.handleDeadline(1_800_121);
  assertEquals(take(announcer), `- ${B}`);
});

Deno.test("Announcer, all die: each is asked ever less often, and nothing is lost", () => {
  const announcer = threeUp();
  announcer.complete(100);
  assertEquals(failAll(announcer, 100), [A, B, C].map((url) => `completed ${url}`));
  let nowMs = 100;
  let tries = 0;
  while (nowMs < 24 * 3_600_000) {
    const isStated = announcer.status().every(({ nextAnnounceMs }) =>
      (nextAnnounceMs ?? 0) > nowMs
    );
    assertEquals(isStated, true, "the next try is not stated");
    nowMs = announcer.nextDeadlineMs;
    announcer.handleDeadline(nowMs);
    tries += failAll(announcer, nowMs).length;
  }
  // Half an hour apart, spread by a quarter.
  assertEquals(tries > 3 * 24 && tries < 3 * 72, true, `${tries} tries in a day`);
  assertEquals([announcer.hasToldCompletion, announcer.toldCompletion], [false, []]);
});

Deno.test("Announcer, one returns: it hears what it missed, once, and is used from then on", () => {
  const announcer = threeUp();
  announcer.complete(100);
  failAll(announcer, 100);
  for (let told = false; !told;) {
    const nowMs = announcer.nextDeadlineMs;
    announcer.handleDeadline(nowMs);
    for (let order; (order = announcer.takeAnnounce()) !== null;) {
      assertEquals(order.event, "completed");
      told = order.url === C;
      if (told) announcer.handleResult(C, answer(), nowMs);
      else announcer.handleError(order.url, "down", nowMs);
    }
  }
  assertEquals(announcer.toldCompletion, [C]);
  assertEquals(announcer.status()[0]?.url, C);
  const nowMs = statusOf(announcer, C).nextAnnounceMs!;
  for (const each of [A, B]) announcer.handleProbe(each, "down", nowMs);
  announcer.handleDeadline(nowMs);
  assertEquals(take(announcer), `- ${C}`);
});

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
  failOverToB(announcer, 0);
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

Deno.test("Announcer shuffles within tiers and moves the one that answers to the front (BEP 12)", () => {
  const order = (announcer: Announcer) => announcer.status().map(({ url }) => url);
  assertEquals(order(make([[A, B], [C]], () => 0)), [B, A, C]);
  const announcer = make([[A, B], [C]], () => 0.5);
  assertEquals(order(announcer), [A, B, C]);
  failOverToB(announcer, 0);
  // Who failed comes last until its backoff is over.
  assertEquals(order(announcer), [B, C, A]);
  announcer.handleDeadline(20_000);
  assertEquals(order(announcer), [B, A, C]);
  announcer.handleDeadline(1_800_000);
  assertEquals(take(announcer), `- ${B}`);
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
  failOverToB(announcer, 10);
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
  failOverToB(announcer, 10);
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
  assertEquals([announcer.hasToldCompletion, announcer.toldCompletion], [false, [A]]);
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
