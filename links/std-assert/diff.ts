import { inspect } from "node:util";

/** Equal lines that are shown around a difference. */
const contextLines = 3;
/** Lines of difference that are shown; a message longer than this is read by nobody. */
const shownLinesMax = 200;
/** Lines that are shown of one run of `-` or of `+`. */
const runLinesMax = 40;
/** Above this many pairs of lines no common lines are looked for: the table would not fit in memory. */
const tableCellsMax = 4_000_000;

/** Renders a value over as many lines as it has parts, keys in order, so that renderings can be compared by line. */
export function format(value: unknown): string {
  return inspect(value, {
    depth: Infinity,
    sorted: true,
    compact: false,
    breakLength: Infinity,
    maxArrayLength: Infinity,
    maxStringLength: Infinity,
    getters: true,
  });
}

/** Renders the difference of two values: lines of `actual` begin with `-`, lines of `expected` with `+`. */
export function diff(actual: unknown, expected: unknown): string {
  const marked = markLines(linesOf(actual), linesOf(expected));
  return `\n\n    [Diff] Actual / Expected\n\n\n${shorten(marked).join("\n")}\n`;
}

function linesOf(value: unknown): string[] {
  if (typeof value === "string" && value.includes("\n")) {
    return value.split(/(?<=\n)/).map((line) => JSON.stringify(line));
  }
  return format(value).split("\n");
}

function markLines(a: readonly string[], b: readonly string[]): string[] {
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start++;
  let tail = 0;
  const tailMax = Math.min(a.length, b.length) - start;
  while (tail < tailMax && a[a.length - 1 - tail] === b[b.length - 1 - tail]) {
    tail++;
  }
  return [
    ...a.slice(0, start).map((line) => `    ${line}`),
    ...markMiddle(
      a.slice(start, a.length - tail),
      b.slice(start, b.length - tail),
    ),
    ...a.slice(a.length - tail).map((line) => `    ${line}`),
  ];
}

/** Longest common subsequence, by the textbook table. */
function markMiddle(a: readonly string[], b: readonly string[]): string[] {
  if (a.length * b.length > tableCellsMax) {
    return [
      ...a.map((line) => `-   ${line}`),
      ...b.map((line) => `+   ${line}`),
    ];
  }
  const width = b.length + 1;
  const common = new Uint32Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      common[i * width + j] = a[i] === b[j]
        ? common[(i + 1) * width + j + 1]! + 1
        : Math.max(common[(i + 1) * width + j]!, common[i * width + j + 1]!);
    }
  }
  const marked: string[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      marked.push(`    ${a[i++]}`);
      j++;
    } else if (
      j === b.length ||
      (i < a.length &&
        common[(i + 1) * width + j]! >= common[i * width + j + 1]!)
    ) marked.push(`-   ${a[i++]}`);
    else marked.push(`+   ${b[j++]}`);
  }
  return marked;
}

/** Leaves out equal lines far from any difference, the rest of long runs, and what exceeds the limit. */
function shorten(marked: readonly string[]): string[] {
  const shown: string[] = [];
  let at = 0;
  while (at < marked.length && shown.length < shownLinesMax) {
    const mark = marked[at]![0]!;
    let end = at + 1;
    while (end < marked.length && marked[end]![0] === mark) end++;
    const isEqual = mark === " ";
    const head = isEqual ? (at === 0 ? 0 : contextLines) : runLinesMax;
    const tail = isEqual && end < marked.length ? contextLines : 0;
    shown.push(
      ...cut(marked.slice(at, end), head, tail, isEqual ? "equal" : "more"),
    );
    at = end;
  }
  if (at < marked.length) shown.push(`    … ${marked.length - at} more lines`);
  return shown;
}

/** Keeps `head` lines of the beginning and `tail` of the end; one line is never replaced by a remark of one line. */
function cut(
  run: readonly string[],
  head: number,
  tail: number,
  adjective: string,
): string[] {
  const left = run.length - head - tail;
  if (left <= 1) return [...run];
  return [
    ...run.slice(0, head),
    `${run[0]![0]}   … ${left} ${adjective} lines`,
    ...run.slice(run.length - tail),
  ];
}
