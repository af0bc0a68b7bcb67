import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  FIRST_SAVE_MS,
  SAVE_INTERVAL_MS,
  SaveSchedule,
  TOTALS_INTERVAL_MS,
} from "./save_schedule.ts";

Deno.test("SaveSchedule saves nothing while nothing changes", () => {
  const schedule = new SaveSchedule();
  assertEquals(schedule.nextDeadlineMs, Infinity);
  schedule.handleProgress(0);
  schedule.begin(FIRST_SAVE_MS);
  schedule.end(FIRST_SAVE_MS + 1, true);
  assertEquals([schedule.nextDeadlineMs, schedule.hasChanges], [Infinity, false]);
});

Deno.test("SaveSchedule saves soon after the first progress, however much follows", () => {
  const schedule = new SaveSchedule();
  for (let nowMs = 100; nowMs < 900; nowMs += 50) schedule.handleProgress(nowMs);
  assertEquals(schedule.nextDeadlineMs, 100 + FIRST_SAVE_MS);
});

Deno.test("SaveSchedule keeps a distance to the save before", () => {
  const schedule = new SaveSchedule();
  schedule.handleProgress(0);
  schedule.begin(1000);
  schedule.handleProgress(1010);
  assertEquals([schedule.nextDeadlineMs, schedule.hasChanges], [Infinity, true]);
  schedule.end(1020, true);
  assertEquals(schedule.nextDeadlineMs, 1020 + SAVE_INTERVAL_MS);
  schedule.begin(6020);
  schedule.end(6021, true);
  schedule.handleProgress(100_000);
  assertEquals(schedule.nextDeadlineMs, 100_000 + FIRST_SAVE_MS);
});

Deno.test("SaveSchedule keeps a longer distance where saving is slow", () => {
  const schedule = new SaveSchedule();
  schedule.handleProgress(0);
  schedule.begin(1000);
  schedule.end(3000, true);
  schedule.handleProgress(3001);
  assertEquals(schedule.nextDeadlineMs, 3000 + 20 * 2000);
});

Deno.test("SaveSchedule lets totals wait, and progress not wait for them", () => {
  const schedule = new SaveSchedule();
  schedule.handleTotals(0);
  schedule.handleTotals(500);
  assertEquals(schedule.nextDeadlineMs, TOTALS_INTERVAL_MS);
  schedule.handleProgress(600);
  assertEquals(schedule.nextDeadlineMs, 600 + FIRST_SAVE_MS);
});

Deno.test("SaveSchedule tries again after a failure", () => {
  const schedule = new SaveSchedule();
  schedule.handleProgress(0);
  schedule.begin(1000);
  schedule.end(1001, false);
  assertEquals([schedule.nextDeadlineMs, schedule.hasChanges], [1001 + SAVE_INTERVAL_MS, true]);
});

Deno.test("SaveSchedule forgets no change, and never saves twice within its interval", () => {
  const step = fc.record({
    act: fc.constantFrom("progress", "totals", "wait"),
    ms: fc.nat({ max: 9000 }),
    saveMs: fc.nat({ max: 400 }),
    succeeds: fc.boolean(),
  });
  fc.assert(fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
    const schedule = new SaveSchedule();
    let nowMs = 0;
    let endedMs = -Infinity;
    let changedMs: number | null = null;
    for (const { act, ms, saveMs, succeeds } of steps) {
      nowMs += ms;
      if (act === "progress") schedule.handleProgress(nowMs);
      if (act === "totals") schedule.handleTotals(nowMs);
      if (act !== "wait") changedMs ??= nowMs;
      assertEquals(schedule.hasChanges, changedMs !== null);
      if (nowMs < schedule.nextDeadlineMs) {
        if (changedMs !== null) assert(schedule.nextDeadlineMs <= changedMs + 80_000);
        continue;
      }
      assert(nowMs >= endedMs + SAVE_INTERVAL_MS);
      schedule.begin(nowMs);
      nowMs += saveMs;
      schedule.end(nowMs, succeeds);
      endedMs = nowMs;
      changedMs = succeeds ? null : nowMs;
    }
  }));
});
