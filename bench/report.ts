/** Makes the page `docs/bench.md` and its plots out of the committed results. */
import { REPOSITORY } from "../tests/kit/enjambre.ts";
import { type Verdict, verdictsOn } from "./aims.ts";
import type { Machine } from "./machine.ts";
import { byCase, medianOf, type Metric, type Part, type Row } from "./part.ts";
import { barPlot, type Bound, linePlot } from "./plot.ts";
import { cellsOf, ratioOf, ratiosOf } from "./print.ts";
import type { MeasuredPart, Results } from "./results.ts";

/** A file to be written, its path from the repository's root. */
export interface ReportFile {
  readonly path: string;
  readonly text: string;
}

/** Columns of a plot, where not all metrics are worth one. */
const PLOTTED: Readonly<Record<string, readonly string[]>> = {
  peers: ["transfer", "cpu", "memory"],
  swarm: ["seconds"],
  start: ["time"],
  tracker: ["rate", "cpu"],
  codec: ["time"],
  idle: ["cpu", "memory"],
};
/** Cases that are plotted of parts with many. */
const PLOTTED_CASES: Readonly<Record<string, readonly string[]>> = {
  codec: ["decode", "encode", "encode, objects and text"],
};

/** Writes the page and the plots. */
export async function writeReport(results: Results, parts: readonly Part[]): Promise<void> {
  await Deno.mkdir(`${REPOSITORY}/docs/bench`, { recursive: true });
  for (const { path, text } of reportOf(results, parts)) {
    await Deno.writeTextFile(`${REPOSITORY}/${path}`, text);
  }
  // The table's columns are aligned by whoever knows how.
  await new Deno.Command(Deno.execPath(), {
    args: ["fmt", "--quiet", "docs/bench.md"],
    cwd: REPOSITORY,
  }).output();
}

/** The page and the plots. */
export function reportOf(results: Results, parts: readonly Part[]): ReportFile[] {
  const files: ReportFile[] = [];
  const sections: string[] = [];
  for (const part of parts) {
    const measured = results.parts[part.name];
    if (measured === undefined) continue;
    const path = `docs/bench/${part.name}.svg`;
    files.push({ path, text: plotOf(part, measured) });
    sections.push(sectionOf(part, measured));
  }
  const page = [
    introduction(results),
    aimsSection(verdictsOn(results)),
    ...sections,
    notDoneSection(results),
  ].join("\n\n");
  return [{ path: "docs/bench.md", text: page + "\n" }, ...files];
}

function introduction({ parts }: Results): string {
  const all = Object.values(parts);
  const days = [...new Set(all.map(({ day }) => day))].sort();
  const machines = [...new Set(all.map(({ machine }) => describeMachine(machine)))];
  const versions = Object.assign({}, ...all.map(({ versions }) => versions));
  const named = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return `# Benchmarks

Made by \`deno task bench --report\` out of [bench/results.json](../bench/results.json); a change here
is lost when it is made again. \`deno task bench all --save --report\` measures everything anew, and
[bench/README.md](../bench/README.md) says how.

Measured on ${days.join(" and ")}, on ${machines.join("; ")}; ${named.join(", ")}.

Everything runs on loopback and in memory. In each round every program runs once, one after the
other; one round warms up, since the first write into fresh memory is several times slower on a
virtual machine. Figures are medians of the rounds; in the plots a dark line reaches from the least
to the greatest. The machine is shared: "others" says how much of it other work took during a part.
So keep the ratios rather than the figures.`;
}

function aimsSection(verdicts: readonly Verdict[]): string {
  const rows = verdicts.map(({ what, aim, reached, others, isMet }) => {
    const met = isMet === null ? "" : isMet ? "yes" : "**no**";
    return `| ${[what, aim, reached, met, others].join(" | ")} |`;
  });
  const missed = verdicts.filter(({ why }) => why !== "");
  const whys = missed.map(({ what, why }) => `- ${what}: ${why}`);
  return [
    "## What was aimed at",
    [
      "| what | aim | reached | met | others |",
      "| --- | --- | --- | --- | --- |",
      ...rows,
    ].join("\n"),
    ...(whys.length > 0
      ? ["What falls short, and why ([performance.md](performance.md) says more):", whys.join("\n")]
      : []),
  ].join("\n\n");
}

function sectionOf(part: Part, measured: MeasuredPart): string {
  const { rows, absent } = measured;
  const [head, ...cells] = cellsOf(part, rows);
  const names = rows.some((row) => row.case !== "") ? 2 : 1;
  const table = [
    `| ${head!.join(" | ")} |`,
    `| ${head!.map((_, i) => i < names ? "---" : "--:").join(" | ")} |`,
    ...cells.map((row) => `| ${row.join(" | ")} |`),
  ];
  const ratios = ratiosOf(part, rows).map((each) => `- ${each}`);
  const lines = [
    `## ${part.name}`,
    `${part.about}. \`${commandOf(part, measured)}\``,
    part.notes,
    `![${altOf(part, measured)}](bench/${part.name}.svg)`,
    table.join("\n"),
    ...(ratios.length === 0 ? [] : ["Ours to theirs:", ratios.join("\n")]),
    `${roundsOf(measured)}; others took ${
      Math.round(measured.othersShare * 100)
    } % of the machine.`,
  ];
  if (absent.length > 0) lines.push(`Not installed, and left out: ${absent.join(", ")}.`);
  return lines.join("\n\n");
}

function roundsOf({ options, day }: MeasuredPart): string {
  const { runs = 0, warmUps = 0 } = options;
  const warm = warmUps === 0 ? "" : `, ${warmUps} to warm up`;
  return `${day}: ${runs} ${runs === 1 ? "round" : "rounds"}${warm}`;
}

/** The command that measures it so again. */
function commandOf(part: Part, { options }: MeasuredPart): string {
  const asked = Object.entries(part.options).flatMap(([name, value]) =>
    options[name] === undefined || options[name] === value ? [] : [`--${name} ${options[name]}`]
  );
  if (options["runs"] !== part.runs) asked.push(`--runs ${options["runs"]}`);
  return ["deno task bench", part.name, ...asked].join(" ");
}

/** What a plot says, in words. */
function altOf(part: Part, { rows }: MeasuredPart): string {
  const metric = part.metrics[0]!;
  const said = byCase(rows).flatMap(([name, [ours, ...others]]) =>
    others.flatMap((other) => {
      const ratio = ratioOf(ours!, other, metric);
      const where = name === "" ? "" : `${name}, `;
      return ratio === null ? [] : [`${where}${ratio.toFixed(2)} times ${other.program}`];
    })
  );
  const tail = said.length === 0 ? "" : `: ours ${said.slice(0, 4).join("; ")}`;
  return `Plot of ${part.name}, ${metric.name}${tail}`;
}

function plotOf(part: Part, measured: MeasuredPart): string {
  // The ideal peers are so much faster that beside them the others could not be told apart.
  const rows = measured.rows.filter(({ program }) => !program.startsWith("ideal "));
  const ids = PLOTTED[part.name] ?? part.metrics.map(({ id }) => id);
  const metrics = part.metrics.filter(({ id }) => ids.includes(id));
  if (part.name === "peers") return linePlot(part.about, metrics, rows, "connections");
  const cases = PLOTTED_CASES[part.name];
  const shown = cases === undefined ? rows : rows.filter((row) => cases.includes(row.case));
  return barPlot(part.about, metrics, shown, boundOf(part, rows));
}

/** What nobody can do better than, where a part knows. */
function boundOf(part: Part, rows: readonly Row[]): Bound | null {
  const metricOf = (id: string): Metric | undefined => part.metrics.find((each) => each.id === id);
  const [seconds, bound] = [metricOf("seconds"), metricOf("bound")];
  const [row] = rows;
  if (seconds === undefined || bound === undefined || row === undefined) return null;
  const ratio = ratioOfMedians(row, seconds, bound);
  return ratio === null ? null : { label: `bound ${ratio.toFixed(1)} s`, value: ratio };
}

function ratioOfMedians(row: Row, a: Metric, b: Metric): number | null {
  const [top, bottom] = [medianOf(row, a), medianOf(row, b)];
  return top === null || bottom === null || bottom === 0 ? null : top / bottom;
}

function notDoneSection({ quick }: Results): string {
  const noted = quick === null ? "" : ` They were last set on ${quick.day}.`;
  return `## Whether it got worse

\`deno task bench --quick\` takes less than a minute and fails when a figure is more than 25 % worse than
what was committed, after both were held against what the machine gives by itself at that moment.${noted}`;
}

function describeMachine({ processor, cores, memoryGibibytes, system }: Machine): string {
  return `${cores} cores of ${processor}, ${memoryGibibytes} GiB, ${system}`;
}
