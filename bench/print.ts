/** Tables of what was measured, for a terminal and for a page. */
import {
  byCase,
  formatValue,
  medianOf,
  type Metric,
  type Outcome,
  type Part,
  type Row,
} from "./part.ts";

/** Rows as cells: names, then a median for each metric; by case, ours first. */
export function cellsOf(part: Part, rows: readonly Row[]): string[][] {
  const hasCases = rows.some((row) => row.case !== "");
  return [
    [...(hasCases ? ["case"] : []), "program", ...part.metrics.map(({ name }) => name)],
    ...byCase(rows).flatMap(([, group]) =>
      group.map((row) => [
        ...(hasCases ? [row.case] : []),
        row.program,
        ...part.metrics.map((metric) => formatValue(medianOf(row, metric), metric)),
      ])
    ),
  ];
}

/** How many times as much ours takes or gives as each other program, in each case, in words. */
export function ratiosOf(part: Part, rows: readonly Row[]): string[] {
  const lines: string[] = [];
  for (const [name, [ours, ...others]] of byCase(rows)) {
    for (const other of others) {
      const ratios = part.metrics.flatMap((metric) => {
        const ratio = ratioOf(ours!, other, metric);
        return ratio === null ? [] : [`${metric.name} ${ratio.toFixed(2)}`];
      });
      const where = name === "" ? "" : `${name}, `;
      lines.push(`${where}${ours!.program} : ${other.program}: ${ratios.join(", ")}`);
    }
  }
  return lines;
}

/** A row's median over another's; null where one has none. */
export function ratioOf(row: Row, other: Row, metric: Metric): number | null {
  const a = medianOf(row, metric);
  const b = medianOf(other, metric);
  return a === null || b === null || b === 0 ? null : a / b;
}

/** What a terminal shows of a part. */
export function printOutcome(part: Part, { rows, absent }: Outcome): void {
  const cells = cellsOf(part, rows);
  const widths = cells[0]!.map((_, i) => Math.max(...cells.map((row) => row[i]!.length)));
  console.log(`\n${part.name}: ${part.about}; medians`);
  const names = rows.some((row) => row.case !== "") ? 2 : 1;
  for (const row of cells) {
    const padded = row.map((cell, i) =>
      i < names ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)
    );
    console.log("  " + padded.join("  "));
  }
  for (const line of ratiosOf(part, rows)) console.log("  " + line);
  if (absent.length > 0) console.log(`  not installed: ${absent.join(", ")}`);
}
