/**
 * Tells people and programs what a command does: text, one live line, or JSON.
 *
 * @module
 */
import type { OutputOptions } from "./commands.ts";
import type { CommandFailure } from "./failure.ts";
import { type ProgressView, renderLive, renderPlain } from "./progress.ts";
import { withoutControls } from "./text.ts";

/** Where text goes: standard output, standard error, or a test. */
export interface Stream {
  /** Writes all of it. */
  write(text: string): void;
  /** Whether it is a terminal that can redraw a line. */
  readonly isTerminal: boolean;
  /** Whether colours may be used. */
  readonly hasColour: boolean;
  /** How wide the terminal is now. */
  columns(): number;
}

/** What a {@link Reporter} is made from. */
export interface ReporterOptions extends OutputOptions {
  /** Standard output. */
  readonly out: Stream;
  /** Standard error. */
  readonly err: Stream;
  /** A monotonic clock. */
  readonly nowMs: () => number;
}

/** One JSON object's fields. */
export type EventFields = Readonly<Record<string, unknown>>;

/** Time between two drawings of the live line. */
const LIVE_MS = 100;
/** Time between two plain lines, unless another tenth is done. */
const PLAIN_MS = 5000;
/** The same where there is no end to reach: such a command may run for months. */
const PLAIN_ENDLESS_MS = 60_000;
/** The least time between two plain lines. */
const PLAIN_MS_MIN = 1000;
/** Time between two progress objects. */
const JSON_MS = 1000;

/**
 * Tells what happens in the way that fits: with `--json` objects on standard output and text on standard
 * error, else text on standard output; on a terminal progress is one line that is drawn anew, elsewhere
 * a line now and then. Errors and warnings always go to standard error.
 *
 * What it is given may hold anything: control characters never reach the output.
 */
export class Reporter {
  readonly #options: ReporterOptions;
  readonly #people: Stream;
  #isLive: boolean;
  #liveAtMs: number;
  #plainAtMs: number;
  #plainTenth: number;
  #jsonAtMs: number;
  #doing: string;

  /** Makes a reporter; `close` it at the end. */
  constructor(options: ReporterOptions) {
    this.#options = options;
    this.#people = options.json ? options.err : options.out;
    this.#isLive = false;
    this.#liveAtMs = -Infinity;
    this.#plainAtMs = 0;
    this.#plainTenth = 0;
    this.#jsonAtMs = -Infinity;
    this.#doing = "";
  }

  /** Whether objects are printed. */
  get isJson(): boolean {
    return this.#options.json;
  }

  /** Whether lines that were printed can be taken back: on a terminal. */
  get canDraw(): boolean {
    return this.#people.isTerminal && !this.#options.quiet;
  }

  /** How wide the terminal is now. */
  get columns(): number {
    return this.#people.columns();
  }

  /** Takes back the last lines that were said; only where {@link canDraw}. */
  eraseLines(count: number): void {
    if (this.canDraw) this.#people.write(`\x1b[${count}A\r\x1b[J`);
  }

  /** Prints one object, with `--json` only. */
  event(event: string, fields: EventFields): void {
    if (!this.#options.json) return;
    this.#clearLive();
    this.#options.out.write(jsonLine({ event, ...fields }));
  }

  /** Tells people something; not with `--quiet`. */
  say(text: string): void {
    if (!this.#options.quiet) this.#print(this.#people, text);
  }

  /** Tells people what they asked for, even with `--quiet`; with `--json` an object says it. */
  result(text: string): void {
    if (!this.#options.json) this.#print(this.#options.out, text);
  }

  /** Tells people what may be wrong, on standard error; not with `--quiet`. */
  warn(text: string): void {
    if (!this.#options.quiet) this.#print(this.#options.err, text, "33", "warning: ");
  }

  /** Tells what went wrong: one line on standard error, and with `--json` the last object. */
  fail(failure: CommandFailure): void {
    const isInterruption = failure.code === "interrupted";
    if (isInterruption) this.warnPlain(failure.message);
    else this.#print(this.#options.err, failure.message, "31", "error: ");
    this.event("error", { code: failure.code, message: withoutControls(failure.message) });
  }

  /** Prints a line of the log, on standard error. */
  log(text: string): void {
    this.#print(this.#options.err, text);
  }

  /** Tells people on standard error, without a word in front. */
  warnPlain(text: string): void {
    this.#print(this.#options.err, text);
  }

  /**
   * Tells how far something is; call it as often as you like. `fields` are those of the object; null for
   * none.
   *
   * What is told of for the first time, and with `isLast`, is told at once.
   */
  progress(view: ProgressView, fields: EventFields | null, isLast: boolean = false): void {
    const nowMs = this.#options.nowMs();
    const isNew = view.doing !== this.#doing;
    if (isNew) this.#begin(view, nowMs);
    if (fields !== null && (isNew || isLast || nowMs - this.#jsonAtMs >= JSON_MS)) {
      this.#jsonAtMs = nowMs;
      this.event("progress", fields);
    }
    if (this.#options.quiet) return;
    if (!this.#people.isTerminal) return this.#plain(view, nowMs);
    if (!isLast && nowMs - this.#liveAtMs < LIVE_MS) return;
    this.#liveAtMs = nowMs;
    const line = renderLive(cleaned(view), this.#people.columns(), this.#people.hasColour);
    this.#people.write(`${this.#isLive ? "" : HIDE_CURSOR}\r${line}${CLEAR_TO_END}`);
    this.#isLive = true;
  }

  /** Takes the live line away; progress that follows begins anew. */
  endProgress(): void {
    this.#clearLive();
    this.#doing = "";
  }

  /** Leaves the terminal as it was. */
  close(): void {
    this.endProgress();
  }

  #begin(view: ProgressView, nowMs: number): void {
    this.#doing = view.doing;
    this.#plainAtMs = nowMs;
    this.#plainTenth = tenthOf(view);
  }

  #plain(view: ProgressView, nowMs: number): void {
    const sinceMs = nowMs - this.#plainAtMs;
    const tenth = tenthOf(view);
    const isDue = sinceMs >= (view.hasEnd ? PLAIN_MS : PLAIN_ENDLESS_MS) ||
      (tenth > this.#plainTenth && sinceMs >= PLAIN_MS_MIN);
    if (!isDue) return;
    this.#plainAtMs = nowMs;
    this.#plainTenth = tenth;
    this.#print(this.#people, renderPlain(cleaned(view)));
  }

  #print(stream: Stream, text: string, colour?: string, word: string = ""): void {
    this.#clearLive();
    const isColoured = colour !== undefined && stream.hasColour;
    const shownWord = isColoured ? `\x1b[${colour}m${word}\x1b[0m` : word;
    stream.write(`${shownWord}${withoutControls(text)}\n`);
  }

  #clearLive(): void {
    if (!this.#isLive) return;
    this.#isLive = false;
    this.#liveAtMs = -Infinity;
    this.#people.write(`\r${CLEAR_TO_END}${SHOW_CURSOR}`);
  }
}

const HIDE_CURSOR = "\x1b[?25l";
const SHOW_CURSOR = "\x1b[?25h";
const CLEAR_TO_END = "\x1b[K";

function tenthOf({ doneBytes, totalBytes }: ProgressView): number {
  return totalBytes === 0 ? 0 : Math.floor(doneBytes / totalBytes * 10);
}

function cleaned(view: ProgressView): ProgressView {
  return view.note === undefined ? view : { ...view, note: withoutControls(view.note) };
}

/** One line of JSON, without the control and format characters that JSON itself allows. */
function jsonLine(value: EventFields): string {
  const text = JSON.stringify(value).replace(
    /[\u007f-\u009f\u2028\u2029]|\p{Cf}/gu,
    (character) =>
      Array.from(
        { length: character.length },
        (_, i) => "\\u" + character.charCodeAt(i).toString(16).padStart(4, "0"),
      ).join(""),
  );
  return text + "\n";
}
