import { assertEquals, assertStringIncludes } from "@std/assert";
import { type Chart, drawChart } from "./chart.ts";

const chart: Chart = {
  title: "Less < more & so on",
  x: { title: "nodes", range: [10, 1000], isLogarithmic: true, ticks: [{ at: 100, text: "100" }] },
  y: { title: "%", range: [0, 100], isLogarithmic: false, ticks: [{ at: 50, text: "50" }] },
  series: [{ name: "one", color: "#123456", dashes: "", line: [[10, 0], [1000, 100]], points: [] }],
  marks: [],
};

Deno.test("drawChart() draws a line from corner to corner, and the middle in the middle", () => {
  const svg = drawChart(chart);
  const [from, to] = /d="M([\d. ]+)L([\d. ]+)" stroke="#123456"/.exec(svg)!.slice(1)
    .map((pair) => pair.split(" ").map(Number));
  const middle = /<path d="M([\d.]+) [\d.]+L\1 [\d.]+" stroke="#dddddd"/.exec(svg)![1];
  assertEquals(Number(middle), (from![0]! + to![0]!) / 2);
});

Deno.test("drawChart() keeps what is beyond an axis on it, and escapes words", () => {
  const points: [number, number][] = [[1, 500]];
  const beyond = drawChart({ ...chart, series: [{ ...chart.series[0]!, line: [], points }] });
  const [from] = /d="M([\d.]+) /.exec(drawChart(chart).split("#123456")[0]!.split("\n").at(-1)!)!
    .slice(1);
  assertStringIncludes(beyond, `<circle cx="${from}"`);
  assertStringIncludes(beyond, "Less &lt; more &amp; so on");
});
