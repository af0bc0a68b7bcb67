/**
 * Draws a chart as SVG: lines and points over two axes, a legend beside them. It stands on white, so that it can be
 * read on a dark page too.
 */

/** One axis. */
export interface Axis {
  /** What it shows, and in which unit. */
  readonly title: string;
  /** From where to where. */
  readonly range: readonly [number, number];
  /** Whether equal distances are equal factors. */
  readonly isLogarithmic: boolean;
  /** Where values are written, and how. */
  readonly ticks: readonly { readonly at: number; readonly text: string }[];
}

/** What is drawn in one colour. */
export interface Series {
  /** What the legend calls it. */
  readonly name: string;
  readonly color: string;
  /** The pattern of its line, as SVG's `stroke-dasharray`; "" for a solid one. */
  readonly dashes: string;
  /** Its line. */
  readonly line: readonly (readonly [number, number])[];
  /** Values that are marked by a circle. */
  readonly points: readonly (readonly [number, number])[];
}

/** A chart. */
export interface Chart {
  readonly title: string;
  readonly x: Axis;
  readonly y: Axis;
  readonly series: readonly Series[];
  /** Values of the x axis that have a name. */
  readonly marks: readonly { readonly at: number; readonly text: string }[];
}

const [WIDTH, HEIGHT] = [884, 470];
const PLOT = { left: 84, right: 590, top: 70, bottom: 400 } as const;
const LEGEND = { left: 616, line: 28, row: 24 } as const;
const INK = "#222222";
const GRID = "#dddddd";

/** Draws it. */
export function drawChart({ title, x, y, series, marks }: Chart): string {
  const atX = (value: number) => place(value, x, PLOT.left, PLOT.right);
  const atY = (value: number) => place(value, y, PLOT.bottom, PLOT.top);
  const parts = [
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#ffffff"/>`,
    text(PLOT.left, 28, "start", title, 17, "600"),
  ];
  for (const { at, text: words } of x.ticks) {
    parts.push(line(atX(at), PLOT.top, atX(at), PLOT.bottom, GRID));
    parts.push(text(atX(at), PLOT.bottom + 20, "middle", words));
  }
  for (const { at, text: words } of y.ticks) {
    parts.push(line(PLOT.left, atY(at), PLOT.right, atY(at), GRID));
    parts.push(text(PLOT.left - 8, atY(at) + 4, "end", words));
  }
  for (const { at, text: words } of marks) {
    parts.push(line(atX(at), PLOT.top - 6, atX(at), PLOT.bottom, "#888888", "2 3"));
    parts.push(text(atX(at), PLOT.top - 12, "middle", words, 12));
  }
  parts.push(line(PLOT.left, PLOT.bottom, PLOT.right, PLOT.bottom, INK));
  parts.push(line(PLOT.left, PLOT.top, PLOT.left, PLOT.bottom, INK));
  parts.push(text((PLOT.left + PLOT.right) / 2, PLOT.bottom + 46, "middle", x.title));
  const middle = (PLOT.top + PLOT.bottom) / 2;
  parts.push(
    `<g transform="translate(22 ${middle}) rotate(-90)">${text(0, 0, "middle", y.title)}</g>`,
  );
  for (const each of series) {
    const path = each.line.map(([one, other]) => `${round(atX(one))} ${round(atY(other))}`);
    if (path.length > 0) parts.push(stroke(`M${path.join("L")}`, each));
    for (const [one, other] of each.points) parts.push(circle(atX(one), atY(other), each.color));
  }
  series.forEach((each, row) => {
    const at = PLOT.top + 10 + LEGEND.row * row;
    const [from, to] = [LEGEND.left, LEGEND.left + LEGEND.line];
    if (each.line.length > 0) parts.push(stroke(`M${from} ${at}L${to} ${at}`, each));
    if (each.points.length > 0) parts.push(circle((from + to) / 2, at, each.color));
    parts.push(text(to + 8, at + 4, "start", each.name));
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" ` +
    `width="${WIDTH}" height="${HEIGHT}" font-family="Helvetica, Arial, sans-serif" role="img">\n` +
    `<title>${escape(title)}</title>\n${parts.join("\n")}\n</svg>\n`;
}

/** Where a value lies between the two ends of an axis; what is beyond the axis lies on its end. */
function place(value: number, { range, isLogarithmic }: Axis, from: number, to: number): number {
  const scale = isLogarithmic ? Math.log10 : (number: number) => number;
  const [least, most] = [scale(range[0]), scale(range[1])];
  const part = (scale(Math.min(range[1], Math.max(range[0], value))) - least) / (most - least);
  return from + part * (to - from);
}

function round(value: number): number {
  return Math.round(10 * value) / 10;
}

function line(x1: number, y1: number, x2: number, y2: number, color: string, dashes = ""): string {
  const [a, b, c, d] = [x1, y1, x2, y2].map(round);
  return `<path d="M${a} ${b}L${c} ${d}" stroke="${color}" fill="none"${dashed(dashes)}/>`;
}

function stroke(path: string, { color, dashes }: Series): string {
  return `<path d="${path}" stroke="${color}" stroke-width="2.2" stroke-linejoin="round" ` +
    `fill="none"${dashed(dashes)}/>`;
}

function circle(x: number, y: number, color: string): string {
  return `<circle cx="${round(x)}" cy="${round(y)}" r="4.5" fill="#ffffff" stroke="${color}" ` +
    `stroke-width="2"/>`;
}

function dashed(dashes: string): string {
  return dashes === "" ? "" : ` stroke-dasharray="${dashes}"`;
}

function text(
  x: number,
  y: number,
  anchor: "start" | "middle" | "end",
  words: string,
  size = 13,
  weight = "400",
): string {
  return `<text x="${round(x)}" y="${round(y)}" text-anchor="${anchor}" font-size="${size}" ` +
    `font-weight="${weight}" fill="${INK}">${escape(words)}</text>`;
}

function escape(words: string): string {
  return words.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
