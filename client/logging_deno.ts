/**
 * The log: categories `["enjambre", MODULE]`, one line each on standard error.
 *
 * @module
 */
import { configure, type LogRecord } from "@logtape/logtape";
import type { OutputOptions } from "./commands.ts";
import type { Reporter } from "./reporter.ts";

/**
 * Begins to log through the reporter: warnings, with `--quiet` errors, with `--verbose` everything. What
 * peers and trackers do is logged below the level of warnings.
 */
export async function startLogging(options: OutputOptions, reporter: Reporter): Promise<void> {
  const lowestLevel = options.verbose ? "debug" : options.quiet ? "error" : "warning";
  await configure({
    reset: true,
    sinks: { reporter: (record: LogRecord) => reporter.log(lineOf(record)) },
    loggers: [
      { category: ["enjambre"], lowestLevel, sinks: ["reporter"] },
      // Who asks for a tracker's access log wants to see it, whatever else is shown.
      {
        category: ["enjambre", "access"],
        lowestLevel: "info",
        sinks: ["reporter"],
        parentSinks: "override",
      },
      { category: ["logtape", "meta"], lowestLevel: "error", sinks: ["reporter"] },
    ],
  });
}

/** `12:31:05.250 debug   client: what happened`. */
function lineOf(record: LogRecord): string {
  const time = new Date(record.timestamp).toISOString().slice(11, 23);
  const message = record.message.map((part) => typeof part === "string" ? part : textOf(part));
  const category = record.category.slice(1).join(".");
  return `${time} ${record.level.padEnd(7)} ${category}: ${message.join("")}`;
}

function textOf(value: unknown): string {
  if (typeof value !== "object" || value === null) return String(value);
  return value instanceof Error ? value.message : JSON.stringify(value);
}
