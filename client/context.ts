import type { Reporter } from "./reporter.ts";

/** What every command gets beside its options. */
export interface CommandContext {
  /** Tells people and programs what happens. */
  readonly reporter: Reporter;
  /** Aborted by Ctrl-C, with the `CommandFailure` to end with as its reason. */
  readonly signal: AbortSignal;
}
