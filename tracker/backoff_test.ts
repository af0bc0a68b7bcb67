import { assertEquals } from "@std/assert";
import { BACKOFF_MS_MAX, BACKOFF_MS_MIN, backoffMs } from "./backoff.ts";

Deno.test("backoffMs() doubles from 15 s to 30 min", () => {
  const waits = Array.from({ length: 9 }, (_, i) => backoffMs(i + 1, 0.5) / 1000);
  assertEquals(waits, [15, 30, 60, 120, 240, 480, 960, 1800, 1800]);
  assertEquals(backoffMs(2000, 0.5), BACKOFF_MS_MAX);
});

Deno.test("backoffMs() spreads by a quarter to either side, never beyond the cap", () => {
  assertEquals(backoffMs(1, 0), 0.75 * BACKOFF_MS_MIN);
  assertEquals(backoffMs(1, 0.999), 1.2495 * BACKOFF_MS_MIN);
  assertEquals(backoffMs(8, 0.999), BACKOFF_MS_MAX);
  assertEquals(backoffMs(8, 0), 0.75 * 128 * BACKOFF_MS_MIN);
});
