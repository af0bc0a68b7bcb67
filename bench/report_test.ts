import { assertEquals, assertStringIncludes } from "@std/assert";
import { verdictsOn } from "./aims.ts";
import type { Part, Row } from "./part.ts";
import { niceAbove } from "./plot.ts";
import { ratiosOf } from "./print.ts";
import { compare } from "./quick.ts";
import { reportOf } from "./report.ts";
import type { MeasuredPart, Results } from "./results.ts";

const PART: Part = {
  name: "leech",
  about: "A download & more",
  notes: "",
  metrics: [
    { id: "transfer", name: "transfer", unit: "MB/s", better: "more", digits: 0 },
    { id: "cpu", name: "CPU", unit: "s/GiB", better: "less", digits: 2 },
    { id: "memory", name: "memory", unit: "MiB", better: "less", digits: 0 },
  ],
  options: { mebibytes: 1024 },
  runs: 3,
  warmUps: 1,
  measure: () => Promise.reject(new Error("not here")),
};

function rowOf(program: string, transfer: number[], cpu: number): Row {
  return { case: "", program, runs: { transfer, cpu: [cpu, cpu, cpu], memory: [100, 150, 120] } };
}

function resultsOf(rows: readonly Row[]): Results {
  const part: MeasuredPart = {
    day: "2026-01-02",
    machine: { processor: "P", cores: 2, memoryGibibytes: 24, system: "S" },
    versions: { enjambre: "0.1.0", deno: "2.9.6" },
    options: { mebibytes: 512, runs: 3, warmUps: 1 },
    othersShare: 0.123,
    rows,
    absent: ["libtorrent"],
  };
  return { parts: { leech: part }, quick: null };
}

const ROWS = [rowOf("enjambre", [900, 1000, 800], 1.2), rowOf("aria2", [500, 600, 550], 1.3)];

Deno.test("reportOf() gives a page that says what was measured, where, how, beside whom and without whom", () => {
  const [page, plot] = reportOf(resultsOf(ROWS), [PART]);
  assertEquals(page!.path, "docs/bench.md");
  assertStringIncludes(page!.text, "2026-01-02, on 2 cores of P, 24 GiB, S; enjambre 0.1.0");
  assertStringIncludes(page!.text, "`deno task bench leech --mebibytes 512`");
  assertStringIncludes(page!.text, "| enjambre | 900 MB/s | 1.20 s/GiB | 120 MiB |");
  assertStringIncludes(page!.text, "left out: libtorrent");
  assertStringIncludes(page!.text, "others took 12 % of the machine");
  assertEquals(plot!.path, "docs/bench/leech.svg");
});

Deno.test("reportOf() draws bars as long as their values, and text that is no markup", () => {
  const [, plot] = reportOf(resultsOf(ROWS), [PART]);
  assertStringIncludes(plot!.text, "A download &amp; more");
  const widths = [...plot!.text.matchAll(/<rect[^>]* width="([\d.]+)" height="14"/g)].map(([, w]) =>
    Number(w)
  );
  // The first metric's bars come first in each row: 900 to 550.
  assertEquals(Math.round(widths[3]! / widths[0]! * 100), Math.round(550 / 900 * 100));
});

Deno.test("verdictsOn() says whether an aim is met, missed or not measured", () => {
  const [rate, cpu, memory, upload] = verdictsOn(resultsOf(ROWS));
  assertEquals(rate!.reached, "900 MB/s, 1.64 times aria2");
  assertEquals([rate!.isMet, cpu!.isMet, memory!.isMet, upload!.isMet], [true, true, true, null]);
  const slower = [rowOf("enjambre", [700, 700, 700], 1.4), ROWS[1]!];
  assertEquals(verdictsOn(resultsOf(slower)).slice(0, 2).map(({ isMet }) => isMet), [false, false]);
});

Deno.test("ratiosOf() compares ours with each other program of the case", () => {
  assertEquals(ratiosOf(PART, [ROWS[1]!, ROWS[0]!]), [
    "enjambre : aria2: transfer 1.64, CPU 0.92, memory 1.00",
  ]);
});

Deno.test("compare() finds worse what lost more than a quarter, and nothing in what is new", () => {
  const metric = PART.metrics[0]!;
  const reading = (id: string, ratio: number) => ({ id, ratio, value: 1, metric });
  const readings = [reading("same", 1), reading("a little", 0.81), reading("much", 0.79)];
  const committed = { same: 1, "a little": 1, much: 1 };
  assertEquals(
    compare([...readings, reading("new", 0.1)], committed).map(({ isWorse }) => isWorse),
    [false, false, true, false],
  );
});

Deno.test("niceAbove() is a round number that is not below", () => {
  assertEquals([0, 0.9, 7, 1000, 1001, 84].map(niceAbove), [1, 1, 8, 1000, 1200, 100]);
});
