import { assertEquals } from "@std/assert";
import { type Contestant, type Figures, inTurns, median, type PartContext } from "./part.ts";

const METRICS = [
  { id: "rate", name: "rate", unit: "MB/s", better: "more", digits: 0 },
] as const;

function contextOf(runs: number, warmUps: number, log: string[] = []): PartContext {
  return {
    runs,
    warmUps,
    only: null,
    beside: null,
    denoFlags: [],
    option: () => 0,
    log: (line) => void log.push(line),
  };
}

/** One that gives 1, then 2, and so on, and says when it was its turn. */
function counting(program: string, turns: string[]): Contestant {
  let count = 0;
  return {
    program,
    case: "",
    measure(): Promise<Figures> {
      turns.push(program);
      return Promise.resolve({ rate: ++count });
    },
  };
}

Deno.test("inTurns() lets every contestant run once in each round and counts no warm-up", async () => {
  const turns: string[] = [];
  const log: string[] = [];
  const contestants = [counting("a", turns), counting("b", turns)];
  const rows = await inTurns(METRICS, contestants, contextOf(2, 1, log));
  assertEquals(turns, ["a", "b", "a", "b", "a", "b"]);
  assertEquals(rows, [
    { case: "", program: "a", runs: { rate: [2, 3] } },
    { case: "", program: "b", runs: { rate: [2, 3] } },
  ]);
  assertEquals(log.length, 6);
});

Deno.test("inTurns() leaves out what a program does not tell", async () => {
  const silent = { program: "a", case: "", measure: () => Promise.resolve({}) };
  const [row] = await inTurns(METRICS, [silent], contextOf(1, 0));
  assertEquals(row!.runs, {});
});

Deno.test("median() is the middle one, or the mean of the two in the middle", () => {
  assertEquals(median([5, 1, 9]), 5);
  assertEquals(median([4, 1, 2, 9]), 3);
});
