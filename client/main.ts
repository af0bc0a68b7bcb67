/**
 * The command line: reads it, runs the command, ends with its exit code.
 *
 *     deno run -A client/main.ts --help
 *
 * @module
 */
import { asksForJson, parseCommandLine } from "./args.ts";
import type { Command, CommandLine, OutputOptions } from "./commands.ts";
import type { CommandContext } from "./context.ts";
import { runCreate } from "./create_deno.ts";
import { runDemo } from "./demo_deno.ts";
import { runDownload } from "./download_deno.ts";
import { environment } from "./environment_deno.ts";
import { asFailure, EXIT_DONE, EXIT_INTERRUPTED, EXIT_USAGE, interruption } from "./failure.ts";
import { helpOn } from "./help.ts";
import { startLogging } from "./logging_deno.ts";
import { makeReporter } from "./output_deno.ts";
import { runOverlay, runOverlayStatus } from "./overlay_deno.ts";
import type { Reporter } from "./reporter.ts";
import { runSeed } from "./seed_deno.ts";
import { runShow } from "./show_deno.ts";
import { runTracker } from "./tracker_deno.ts";
import { runTrackers } from "./trackers_deno.ts";
import { runVerify } from "./verify_deno.ts";
import { PROGRAM, VERSION } from "./version.ts";

/** How long a command may take to end after Ctrl-C before it is ended. */
const ENDING_MS_MAX = 10_000;

/** Runs a command line; resolves with the exit code. */
export async function main(args: readonly string[]): Promise<number> {
  let line: CommandLine;
  try {
    line = parseCommandLine(args, environment);
  } catch (error) {
    const reporter = makeReporter({ json: asksForJson(args), quiet: false, verbose: false });
    const failure = asFailure(error);
    reporter.fail(failure);
    return failure.exitCode;
  }
  const ending = new AbortController();
  const end = (): void => ending.abort(interruption());
  // Who reads the output has gone: as if it had been interrupted.
  const reporter = makeReporter(line.output, end);
  await startLogging(line.output, reporter);
  endOnFaults(reporter, line.output);
  try {
    endOnSignals(reporter, ending);
    return await run(line.command, { reporter, signal: ending.signal });
  } catch (error) {
    return fail(error, reporter, line.output);
  } finally {
    reporter.close();
  }
}

/** Tells what went wrong; returns the exit code. */
function fail(error: unknown, reporter: Reporter, output: OutputOptions): number {
  const failure = asFailure(error);
  reporter.endProgress();
  reporter.fail(failure);
  if (output.verbose && failure.code === "internal" && failure.cause instanceof Error) {
    reporter.log(failure.cause.stack ?? failure.cause.message);
  }
  return failure.exitCode;
}

/** What is thrown where nobody waits for it ends the process with one line, not with a stack trace. */
function endOnFaults(reporter: Reporter, output: OutputOptions): void {
  const end = (error: unknown): never => {
    const exitCode = fail(error, reporter, output);
    reporter.close();
    Deno.exit(exitCode);
  };
  globalThis.addEventListener("error", (event) => end(event.error));
  globalThis.addEventListener("unhandledrejection", (event) => end(event.reason));
}

function run(command: Command, context: CommandContext): Promise<number> | number {
  const { reporter } = context;
  switch (command.name) {
    case "download":
      return runDownload(command, context);
    case "seed":
      return runSeed(command, context);
    case "create":
      return runCreate(command, context);
    case "show":
      return runShow(command, context);
    case "verify":
      return runVerify(command, context);
    case "tracker":
      return runTracker(command, context);
    case "trackers":
      return runTrackers(command, context);
    case "overlay":
      return runOverlay(command, context);
    case "overlay-status":
      return runOverlayStatus(command, context);
    case "demo":
      return runDemo(context);
    case "help":
      reporter.event("help", { text: helpOn(command.topic) });
      reporter.result(helpOn(command.topic).trimEnd());
      return command.isWanted ? EXIT_DONE : EXIT_USAGE;
    case "version":
      reporter.event("version", { version: VERSION });
      reporter.result(PROGRAM);
      return EXIT_DONE;
  }
}

/** Ctrl-C and SIGTERM begin the ending; the second one ends the process at once. */
function endOnSignals(reporter: Reporter, ending: AbortController): void {
  const exit = (): never => {
    reporter.close();
    Deno.exit(EXIT_INTERRUPTED);
  };
  const interrupt = (): void => {
    if (ending.signal.aborted) exit();
    reporter.endProgress();
    reporter.say("Ending; Ctrl-C again ends at once");
    Deno.unrefTimer(setTimeout(exit, ENDING_MS_MAX));
    ending.abort(interruption());
  };
  Deno.addSignalListener("SIGINT", interrupt);
  if (Deno.build.os !== "windows") Deno.addSignalListener("SIGTERM", interrupt);
}

if (import.meta.main) Deno.exit(await main(Deno.args));
