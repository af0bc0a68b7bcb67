import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { RateMeter, TokenBucket } from "./rate.ts";

/** Adds `bytes` every `everyMs` from `fromMs` until just before `untilMs`. */
function feed(meter: RateMeter, bytes: number, everyMs: number, fromMs: number, untilMs: number) {
  for (let nowMs = fromMs; nowMs < untilMs; nowMs += everyMs) meter.add(bytes, nowMs);
}

Deno.test("RateMeter measures a steady flow, whatever the time at which it is read", () => {
  const meter = new RateMeter(20);
  feed(meter, 1000, 100, 12_345, 112_345);
  for (const laterMs of [0, 1, 499, 999]) {
    assertAlmostEquals(meter.bytesPerSecond(112_345 + laterMs), 10_000, 600);
  }
});

Deno.test("RateMeter says 0 before anything came, and while time stands still", () => {
  const meter = new RateMeter(5);
  assertEquals(meter.bytesPerSecond(0), 0);
  assertEquals(meter.bytesPerSecond(1e9), 0);
});

Deno.test("RateMeter compares a young flow with an old one: it divides by the time since the first byte", () => {
  const meter = new RateMeter(20);
  feed(meter, 1000, 100, 500_000, 503_000);
  assertAlmostEquals(meter.bytesPerSecond(503_000), 10_000, 100);
});

Deno.test("RateMeter divides a first burst by a second at least", () => {
  const meter = new RateMeter(20);
  meter.add(5000, 700);
  assertEquals(meter.bytesPerSecond(700), 5000);
  assertEquals(meter.bytesPerSecond(1700), 5000);
  assertEquals(meter.bytesPerSecond(2700), 2500);
});

Deno.test("RateMeter forgets what is older than its window", () => {
  const meter = new RateMeter(4);
  meter.add(4000, 1000);
  assertEquals(meter.bytesPerSecond(4999) > 0, true);
  assertEquals(meter.bytesPerSecond(5000), 0);
});

Deno.test("RateMeter says 0 after a long silence, and goes on from there", () => {
  const meter = new RateMeter(4);
  feed(meter, 1000, 100, 0, 10_000);
  assertEquals(meter.bytesPerSecond(1_000_000), 0);
  feed(meter, 1000, 100, 1_000_000, 1_010_000);
  assertAlmostEquals(meter.bytesPerSecond(1_010_000), 10_000, 700);
});

Deno.test("RateMeter follows a flow that changes within its window", () => {
  const meter = new RateMeter(4);
  feed(meter, 1000, 100, 0, 20_000);
  feed(meter, 5000, 100, 20_000, 24_000);
  assertAlmostEquals(meter.bytesPerSecond(24_000), 50_000, 100);
});

Deno.test("RateMeter keeps within the bytes of its window, for any sequence", () => {
  const steps = fc.array(fc.record({ laterMs: fc.nat(3000), bytes: fc.nat(100_000) }), {
    maxLength: 60,
    size: "max",
  });
  fc.assert(fc.property(steps, fc.integer({ min: 1, max: 8 }), (steps, windowSeconds) => {
    const meter = new RateMeter(windowSeconds);
    const added: { nowMs: number; bytes: number }[] = [];
    let nowMs = 0;
    for (const { laterMs, bytes } of steps) {
      nowMs += laterMs;
      meter.add(bytes, nowMs);
      added.push({ nowMs, bytes });
      const firstMs = (Math.floor(nowMs / 1000) - windowSeconds + 1) * 1000;
      const inWindow = added.filter((one) => one.nowMs >= firstMs);
      const sum = inWindow.reduce((total, one) => total + one.bytes, 0);
      const rate = meter.bytesPerSecond(nowMs);
      const elapsedMs = Math.max(1000, Math.min(nowMs - firstMs, nowMs - added[0]!.nowMs));
      assertAlmostEquals(rate, sum * 1000 / elapsedMs, 1e-6);
    }
  }));
});

Deno.test("TokenBucket passes its rate, measured over any stretch, and no more", () => {
  for (const bytesPerSecond of [1000, 500_000, 8_000_000]) {
    const bucket = new TokenBucket(bytesPerSecond, 16384);
    let sent = 0;
    let nowMs = 1000;
    while (bucket.take(16384, nowMs));
    const startMs = nowMs;
    while (sent < 200 * 16384) {
      nowMs = bucket.readyAtMs(16384, nowMs);
      assertEquals(bucket.take(16384, nowMs), true, `${nowMs}: it said that it would be ready`);
      sent += 16384;
    }
    const rate = sent / (nowMs - startMs) * 1000;
    assertAlmostEquals(rate, bytesPerSecond, 0.03 * bytesPerSecond);
  }
});

Deno.test("TokenBucket.take() succeeds at the time that readyAtMs() said, whatever the numbers", () => {
  const takes = fc.array(
    fc.record({ bytes: fc.integer({ min: 1, max: 131072 }), laterMs: fc.nat(50) }),
    {
      maxLength: 50,
      size: "max",
    },
  );
  const rate = fc.double({ min: 0.1, max: 1e9, noNaN: true });
  fc.assert(
    fc.property(
      rate,
      takes,
      fc.double({ min: 0, max: 1e9, noNaN: true }),
      (rate, takes, startMs) => {
        const bucket = new TokenBucket(rate, 131072);
        let nowMs = startMs;
        for (const { bytes, laterMs } of takes) {
          nowMs += laterMs;
          if (bucket.take(bytes, nowMs)) continue;
          const readyMs = bucket.readyAtMs(bytes, nowMs);
          assert(readyMs > nowMs, "a deadline that does not pass is waited for for ever");
          nowMs = readyMs;
          assert(bucket.take(bytes, nowMs));
        }
      },
    ),
  );
});

Deno.test("TokenBucket saves up a moment and not more: silence is no allowance for a burst", () => {
  const bucket = new TokenBucket(1_000_000, 16384);
  let taken = 0;
  while (bucket.take(1000, 3_600_000)) taken += 1000;
  assertEquals(taken, 100_000);
});

Deno.test("TokenBucket refuses a limit that lets nothing through", () => {
  assertThrows(() => new TokenBucket(0, 16384), RangeError);
  assertThrows(() => new TokenBucket(NaN, 16384), RangeError);
});

Deno.test("TokenBucket within another takes of both, and waits for the one that is later", () => {
  const session = new TokenBucket(1000, 100);
  const [one, two] = [new TokenBucket(800, 100, session), new TokenBucket(800, 100, session)];
  let taken = [0, 0];
  for (let ms = 0; ms <= 10_000; ms += 10) {
    if (one.take(100, ms)) taken = [taken[0]! + 100, taken[1]!];
    if (two.take(100, ms)) taken = [taken[0]!, taken[1]! + 100];
  }
  assertAlmostEquals(taken[0]! + taken[1]!, 10_000, 300);
  assert(taken[0]! <= 8100, `${taken[0]} bytes were taken within 800 a second`);
  assert(one.readyAtMs(100, 10_000) >= session.readyAtMs(100, 10_000));
});

Deno.test("TokenBucket.spend() goes into debt, which is paid off before anything is taken", () => {
  const bucket = new TokenBucket(1000, 100);
  bucket.spend(500, 0);
  assertEquals(bucket.take(100, 598), false);
  assertEquals(bucket.readyAtMs(100, 0), 600);
  assertEquals(bucket.take(100, 600), true);
});
