/**
 * Joins the reporter to the standard streams of the process.
 *
 * @module
 */
import type { OutputOptions } from "./commands.ts";
import { environment } from "./environment_deno.ts";
import { Reporter, type Stream } from "./reporter.ts";

/** Columns where nobody says how many there are. */
const COLUMNS_DEFAULT = 80;

/**
 * Makes the reporter of this process. `onBroken` is called when nobody reads a stream any more; what would go
 * there is dropped from then on.
 */
export function makeReporter(options: OutputOptions, onBroken: () => void = () => {}): Reporter {
  return new Reporter({
    ...options,
    out: streamOf(Deno.stdout, onBroken),
    err: streamOf(Deno.stderr, onBroken),
    nowMs: () => performance.now(),
  });
}

function streamOf(file: typeof Deno.stdout, onBroken: () => void): Stream {
  const isTerminal = file.isTerminal() && environment("TERM") !== "dumb";
  let isBroken = false;
  return {
    write(text) {
      if (isBroken) return;
      try {
        writeAll(file, text);
      } catch {
        // A pipe without a reader, a log on a full disk: no reason to end without taking leave.
        isBroken = true;
        onBroken();
      }
    },
    isTerminal,
    hasColour: isTerminal && (environment("NO_COLOR") ?? "") === "",
    columns,
  };
}

function writeAll(file: typeof Deno.stdout, text: string): void {
  const bytes = new TextEncoder().encode(text);
  for (let written = 0; written < bytes.length;) {
    written += file.writeSync(bytes.subarray(written));
  }
}

function columns(): number {
  try {
    return Deno.consoleSize().columns || COLUMNS_DEFAULT;
  } catch {
    return Number(environment("COLUMNS")) || COLUMNS_DEFAULT;
  }
}
