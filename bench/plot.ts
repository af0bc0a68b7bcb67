/** Plots as SVG, out of rows: bars in columns, and lines. They are read on light and dark pages alike. */
import { byCase, formatNumber, medianOf, type Metric, type Row } from "./part.ts";

const WIDTH = 820;
const MARGIN = 16;
const FONT = "system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif";
const INK = "#1f2937";
const FAINT = "#6b7280";
const GRID = "#e5e7eb";
/** Ours stands out; the others keep their colour from plot to plot. */
const COLOURS: ReadonlyMap<string, string> = new Map([
  ["enjambre", "#d9480f"],
  ["aria2", "#3b6fb6"],
  ["libtorrent", "#2f9e8f"],
]);
const OTHER_COLOUR = "#9aa3af";

const LABEL_WIDTH = 150;
const ROW_HEIGHT = 22;
const BAR_HEIGHT = 14;
const CASE_HEIGHT = 22;
const HEAD_HEIGHT = 68;
/** Room behind the longest bar for its value. */
const VALUE_WIDTH = 86;

/** The line of a bound needs room for its label. */
const BOUND_HEIGHT = 18;
const CASE_GAP = 6;

const LEGEND_WIDTH = 120;
const LINE_PLOT_TOP = 98;
const LINE_PLOT_BOTTOM = 290;
const LINE_PLOT_GAP = 54;
const TICKS = 4;

/** A line that the bars of a case are seen against: nobody gets beyond it. */
export interface Bound {
  readonly label: string;
  readonly value: number;
}

/** A plot of bars: a column for each metric, a row for each program, whiskers from the least run to the most. */
export function barPlot(
  title: string,
  metrics: readonly Metric[],
  rows: readonly Row[],
  bound: Bound | null = null,
): string {
  const columnWidth = (WIDTH - 2 * MARGIN - LABEL_WIDTH) / metrics.length;
  const columns = metrics.map((metric, i) => ({
    metric,
    x: MARGIN + LABEL_WIDTH + i * columnWidth,
    width: columnWidth - VALUE_WIDTH,
  }));
  const parts = columns.flatMap(({ metric: { name, unit, better }, x }) => [
    text(x, 44, unit === "" ? name : `${name}, ${unit}`, { weight: 600 }),
    text(x, 59, `${better} is better`, { fill: FAINT, size: 11 }),
  ]);
  let y = HEAD_HEIGHT;
  for (const [name, group] of byCase(rows)) {
    if (name !== "") {
      parts.push(text(MARGIN, y + 16, name, { weight: 600 }));
      y += CASE_HEIGHT;
    }
    const top = y;
    for (const row of group) {
      parts.push(text(MARGIN, y + 15, row.program, {}));
      for (const column of columns) {
        const most = greatestOf(group, column.metric, column === columns[0] ? bound : null);
        parts.push(bar(column, y, most, row));
      }
      y += ROW_HEIGHT;
    }
    const [first] = columns;
    if (bound !== null && first !== undefined) {
      const x = first.x + bound.value / greatestOf(group, first.metric, bound) * first.width;
      parts.push(
        line(x, top, x, y + 4, `stroke="${INK}" stroke-dasharray="3 3"`),
        text(x, y + 16, bound.label, { fill: FAINT, size: 11, anchor: "middle" }),
      );
      y += BOUND_HEIGHT;
    }
    y += CASE_GAP;
  }
  return svg(title, y + MARGIN / 2, parts);
}

/** The greatest run of a case, or the bound where that is greater. */
function greatestOf(group: readonly Row[], metric: Metric, bound: Bound | null): number {
  return Math.max(bound?.value ?? 0, ...group.flatMap((row) => runsOf(row, metric)));
}

/** A column of a plot of bars. */
interface Column {
  readonly metric: Metric;
  readonly x: number;
  /** Of the longest bar. */
  readonly width: number;
}

/** The bar of one row in one column, its whisker and its value. */
function bar({ metric, x, width }: Column, y: number, most: number, row: Row): string {
  const value = medianOf(row, metric);
  if (value === null) return text(x, y + 15, "not told", { fill: FAINT, size: 11 });
  const scale = most === 0 ? 0 : width / most;
  const runs = runsOf(row, metric);
  const [least, greatest] = [Math.min(...runs) * scale, Math.max(...runs) * scale];
  const middle = y + (ROW_HEIGHT + 1) / 2;
  const whisker = `stroke="${INK}" stroke-width="1.5"`;
  return `<rect x="${n(x)}" y="${n(y + 4)}" width="${n(Math.max(value * scale, 1))}" ` +
    `height="${BAR_HEIGHT}" rx="2" fill="${colourOf(row.program)}"/>` +
    (runs.length < 2 ? "" : line(x + least, middle, x + greatest, middle, whisker)) +
    text(x + Math.max(greatest, value * scale) + 6, y + 15, formatNumber(value, metric), {});
}

/** A plot of lines: a panel for each metric, a line for each program, and the cases one beside the other. */
export function linePlot(
  title: string,
  metrics: readonly Metric[],
  rows: readonly Row[],
  caseLabel: string,
): string {
  const programs = [...new Set(rows.map((row) => row.program))];
  const parts = programs.flatMap((program, i) => {
    const x = MARGIN + i * LEGEND_WIDTH;
    return [
      `<rect x="${n(x)}" y="36" width="14" height="4" fill="${colourOf(program)}"/>`,
      text(x + 20, 42, program, {}),
    ];
  });
  const width = (WIDTH - 2 * MARGIN - LINE_PLOT_GAP * metrics.length) / metrics.length;
  metrics.forEach((metric, i) => {
    const left = MARGIN + LINE_PLOT_GAP - 8 + i * (width + LINE_PLOT_GAP);
    parts.push(...panel(left, width, metric, rows, caseLabel));
  });
  return svg(title, LINE_PLOT_BOTTOM + 44, parts);
}

/** The panel of one metric: its grid, its cases, a line for each program. */
function panel(
  left: number,
  width: number,
  metric: Metric,
  rows: readonly Row[],
  caseLabel: string,
): string[] {
  const cases = [...new Set(rows.map((row) => row.case))];
  const most = niceAbove(Math.max(...rows.map((row) => medianOf(row, metric) ?? 0)));
  const xOf = (i: number): number => left + (i + 0.5) / cases.length * width;
  const yOf = (value: number): number =>
    LINE_PLOT_BOTTOM - value / most * (LINE_PLOT_BOTTOM - LINE_PLOT_TOP);
  const faint = { fill: FAINT, size: 11 };
  const parts = [
    text(left, LINE_PLOT_TOP - 26, `${metric.name}, ${metric.unit}`, { weight: 600 }),
    text(left, LINE_PLOT_TOP - 11, `${metric.better} is better`, faint),
    text(left + width / 2, LINE_PLOT_BOTTOM + 32, caseLabel, { ...faint, anchor: "middle" }),
  ];
  for (let tick = 0; tick <= TICKS; tick++) {
    const y = yOf(most * tick / TICKS);
    parts.push(
      line(left, y, left + width, y, `stroke="${GRID}"`),
      text(left - 6, y + 4, shortNumber(most * tick / TICKS), { ...faint, anchor: "end" }),
    );
  }
  cases.forEach((name, i) => {
    const label = name.replace(/\D+$/, "");
    parts.push(text(xOf(i), LINE_PLOT_BOTTOM + 16, label, { ...faint, anchor: "middle" }));
  });
  for (const [program, own] of Map.groupBy(rows, (row) => row.program)) {
    const points = own.flatMap((row) => {
      const value = medianOf(row, metric);
      return value === null ? [] : [[xOf(cases.indexOf(row.case)), yOf(value)] as const];
    });
    const path = points.map(([x, y]) => `${n(x)},${n(y)}`).join(" ");
    const colour = colourOf(program);
    parts.push(
      `<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="2"/>`,
      ...points.map(([x, y]) => `<circle cx="${n(x)}" cy="${n(y)}" r="3.5" fill="${colour}"/>`),
    );
  }
  return parts;
}

function runsOf(row: Row, metric: Metric): readonly number[] {
  return row.runs[metric.id] ?? [];
}

function colourOf(program: string): string {
  return COLOURS.get(program) ?? OTHER_COLOUR;
}

/** A round number that is not below a value, for the end of an axis of four parts. */
export function niceAbove(value: number): number {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  const step = [1, 1.2, 1.6, 2, 2.4, 3, 4, 5, 6, 8, 10].find((each) => each * power >= value)!;
  return step * power;
}

function shortNumber(value: number): string {
  return String(Number(value.toPrecision(3)));
}

function line(x1: number, y1: number, x2: number, y2: number, style: string): string {
  return `<line x1="${n(x1)}" y1="${n(y1)}" x2="${n(x2)}" y2="${n(y2)}" ${style}/>`;
}

interface TextStyle {
  readonly fill?: string;
  readonly size?: number;
  readonly weight?: number;
  readonly anchor?: string;
}

function text(x: number, y: number, content: string, style: TextStyle): string {
  const { fill = INK, size = 13, weight = 400, anchor = "start" } = style;
  return `<text x="${n(x)}" y="${n(y)}" font-size="${size}" font-weight="${weight}" ` +
    `text-anchor="${anchor}" fill="${fill}">${escaped(content)}</text>`;
}

function svg(title: string, height: number, parts: readonly string[]): string {
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${n(height)}" ` +
    `width="${WIDTH}" height="${n(height)}" font-family="${FONT}" role="img">\n` +
    `<title>${escaped(title)}</title>\n` +
    `<rect width="${WIDTH}" height="${n(height)}" rx="6" fill="#ffffff"/>\n` +
    text(MARGIN, 22, title, { weight: 600, size: 14 }) + "\n" +
    parts.filter((part) => part !== "").join("\n") + "\n</svg>\n";
}

function escaped(content: string): string {
  return content.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

/** A coordinate with no more digits than a screen shows. */
function n(value: number): string {
  return String(Math.round(value * 10) / 10);
}
