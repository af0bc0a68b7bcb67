import { assertEquals } from "@std/assert";
import { OverlayTeller } from "./overlay_teller.ts";
import { Reporter } from "./reporter.ts";

/** What is told, events as objects and words as lines. */
function bench(bootstrap: readonly string[]): { teller: OverlayTeller; told: string[] } {
  const told: string[] = [];
  const stream = {
    write: (text: string) => void told.push(text.trim()),
    isTerminal: false,
    hasColour: false,
    columns: () => 80,
  };
  const options = { json: true, quiet: false, verbose: false, nowMs: () => 0 };
  const reporter = new Reporter({ ...options, out: stream, err: stream });
  return { teller: new OverlayTeller(bootstrap, reporter), told };
}

Deno.test("OverlayTeller tells once that nobody answers, and once that somebody does", () => {
  const { teller, told } = bench(["a:1", "b:2"]);
  for (const ms of [0, 4999, 5000, 6000, 60_000]) teller.look(0, ms);
  const message = "no bootstrap node of the overlay answers (a:1, b:2)";
  assertEquals(told.splice(0), [
    `{"event":"overlay-failed","message":"${message}"}`,
    `warning: ${message}; one has to run, be reached by that name, ` +
    "and have the same cluster name and secret; it goes on trying",
  ]);
  for (const ms of [70_000, 70_500]) teller.look(2, ms);
  assertEquals(told.splice(0), ["The overlay answers", '{"event":"overlay-joined","members":2}']);
  for (const ms of [80_000, 80_500]) teller.look(0, ms);
  assertEquals(told.splice(0), [
    '{"event":"overlay-failed","message":"no overlay node answers any more"}',
    "warning: no overlay node answers any more; it goes on trying",
  ]);
});

Deno.test("OverlayTeller warns of nothing where others come by themselves", () => {
  const { teller, told } = bench([]);
  for (const members of [0, 1, 0, 1]) for (const ms of [0, 9000]) teller.look(members, ms);
  assertEquals(told, ['{"event":"overlay-joined","members":1}']);
});

Deno.test("OverlayTeller says who hung up during the greeting, with the remedy", () => {
  const { teller, told } = bench(["a:1", "b:2"]);
  teller.turnAway("192.0.2.1"); // a stranger who came
  teller.turnAway("b:2");
  teller.look(0, 0);
  teller.look(0, 5000);
  const message = "b:2 closed the connection during the greeting";
  const remedy = "its overlay has another secret, or only one side has one: " +
    "give both the same --overlay-secret-file";
  assertEquals(told, [
    `{"event":"overlay-failed","message":"${message}"}`,
    `warning: ${message}; ${remedy}; it goes on trying`,
  ]);
});
