import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { DeadlineError } from "./deadline.ts";
import { run, RunningProcess } from "./running_process.ts";

/** Long for a program that only starts; reached by none of these tests. */
const LIMIT_MS = 20_000;
/** Prints, then waits until its input ends. */
const PRINTING = `
  console.log("first line");
  console.log('{"event":"ready","port":7}');
  console.error("to people");
  await new Response(Deno.stdin.readable).text();
`;

function startDeno(code: string): RunningProcess {
  return RunningProcess.start(Deno.execPath(), ["eval", "--no-config", code]);
}

Deno.test("RunningProcess gives lines and events, those that came already too", async () => {
  await using process = startDeno(PRINTING);
  assertEquals((await process.waitForEvent("ready", LIMIT_MS)).port, 7);
  assertEquals(await process.waitForLine(/people/, LIMIT_MS), "to people");
  assertEquals(await process.waitForLine(/^first/, LIMIT_MS), "first line");
  assertEquals((await process.waitForEvent("ready", LIMIT_MS)).port, 7);
});

Deno.test("RunningProcess end() ends the process and waits for it", async () => {
  const process = startDeno(PRINTING);
  await process.waitForEvent("ready", LIMIT_MS);
  assert(!process.isOver);
  const status = await process.end();
  assertEquals(status.signal, "SIGTERM");
  assert(process.isOver);
  await process.end();
});

Deno.test("RunningProcess fails a wait at once when the process ends, quoting what it said", async () => {
  await using process = startDeno(`console.log("about to end"); Deno.exit(3);`);
  const error = await assertRejects(() => process.waitForEvent("never", LIMIT_MS), Error);
  assertMatch(error.message, /about to end/);
  assertEquals((await process.waitForExit(LIMIT_MS)).code, 3);
  await assertRejects(() => process.waitForLine(/never/, LIMIT_MS), Error, "ended");
  await assertRejects(() => process.waitForSuccess(LIMIT_MS), Error, "code 3");
});

Deno.test("RunningProcess fails a wait at its deadline", async () => {
  await using process = startDeno(PRINTING);
  await process.waitForEvent("ready", LIMIT_MS);
  await assertRejects(() => process.waitForLine(/never/, 1), DeadlineError);
});

Deno.test("run() gives the output of a program, and throws where it fails", async () => {
  const eval_ = ["eval", "--no-config"];
  const lines = await run(Deno.execPath(), [...eval_, "console.log('a\\nb')"], LIMIT_MS);
  assertEquals(lines, ["a", "b"]);
  await assertRejects(() => run(Deno.execPath(), [...eval_, "Deno.exit(1)"], LIMIT_MS), Error);
});
