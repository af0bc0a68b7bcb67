import { TextLineStream } from "@std/streams";
import { within } from "./deadline.ts";

/** Lines of output that are kept; later ones are only looked at. */
const LINES_MAX = 10_000;
/** Lines of output that an error message quotes. */
const LINES_QUOTED = 15;
/** How long a process may take to end when it is asked to; then it is killed. */
const END_GRACE_MS = 10_000;
/** How long output may still come after a process has ended (from a process that inherited it). */
const OUTPUT_GRACE_MS = 1_000;

/** Where and how a process runs. */
export interface StartOptions {
  /** The network namespace to run in; null or absent for that of the test. */
  namespace?: string | null;
  /** The folder to run in. */
  cwd?: string;
  /** Variables to add to the environment. */
  env?: Record<string, string>;
}

/** What a program that speaks JSON lines says: one object per line, each with its `event`. */
export type JsonEvent = { event: string } & Record<string, unknown>;

/** A wait for a line that has not come yet. */
interface Waiter {
  matches(line: string, isError: boolean): boolean;
  resolve(line: string): void;
  reject(error: Error): void;
}

/**
 * One process that a test started: its output as lines, and its end.
 *
 * Its standard input stays open until it ends, so that a program which ends with its input does not outlive the
 * test that started it.
 *
 * **Ownership**: whoever started it ends it, with `await using` or `end()`; only this process is signalled.
 */
export class RunningProcess implements AsyncDisposable {
  /** What messages call it. */
  readonly name: string;
  /** Its process id; the same as the program's also in a namespace. */
  readonly pid: number;
  /** What it wrote to standard output so far. */
  readonly lines: string[] = [];
  /** What it wrote to standard error so far. */
  readonly errorLines: string[] = [];
  /** Resolves when it has ended and all its output has been read. */
  readonly exited: Promise<Deno.CommandStatus>;
  readonly #child: Deno.ChildProcess;
  readonly #waiters: Set<Waiter> = new Set();
  #status: Deno.CommandStatus | null = null;

  private constructor(name: string, child: Deno.ChildProcess) {
    this.name = name;
    this.pid = child.pid;
    this.#child = child;
    this.exited = this.#follow();
  }

  /**
   * Starts a program.
   *
   * **Errors**: `Deno.errors.NotFound` where there is no such program.
   */
  static start(
    program: string,
    args: readonly string[],
    options: StartOptions = {},
  ): RunningProcess {
    const { namespace = null, cwd, env } = options;
    const command = namespace === null
      ? [program, ...args]
      : ["ip", "netns", "exec", namespace, program, ...args];
    const child = new Deno.Command(command[0]!, {
      args: command.slice(1),
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
      ...(cwd === undefined ? {} : { cwd }),
      ...(env === undefined ? {} : { env }),
    }).spawn();
    return new RunningProcess(program.slice(program.lastIndexOf("/") + 1), child);
  }

  /** Whether it has ended. */
  get isOver(): boolean {
    return this.#status !== null;
  }

  /** Waits for a line of either output that matches, or takes one that has come already. */
  async waitForLine(pattern: RegExp, limitMs: number): Promise<string> {
    const past = this.lines.find((line) => pattern.test(line)) ??
      this.errorLines.find((line) => pattern.test(line));
    return past ??
      await this.#wait(`${pattern} from ${this.name}`, limitMs, (line) => pattern.test(line));
  }

  /** Waits for the JSON line whose `event` is `name` and that `isWanted`, or takes one that has come already. */
  async waitForEvent(
    name: string,
    limitMs: number,
    isWanted: (event: JsonEvent) => boolean = () => true,
  ): Promise<JsonEvent> {
    const matches = (line: string): boolean => {
      const event = parseEvent(line);
      return event?.event === name && isWanted(event);
    };
    const past = this.lines.find(matches);
    const line = past ??
      await this.#wait(
        `event "${name}" from ${this.name}`,
        limitMs,
        (line, isError) => !isError && matches(line),
      );
    return parseEvent(line)!;
  }

  /** Waits for its end; all its output has been read then. */
  async waitForExit(limitMs: number): Promise<Deno.CommandStatus> {
    try {
      return await within(limitMs, `the end of ${this.name}`, this.exited);
    } catch (error) {
      throw this.#explained(error as Error);
    }
  }

  /** Waits for its end and throws, quoting its output, where it was not a success. */
  async waitForSuccess(limitMs: number): Promise<void> {
    const { code, signal } = await this.waitForExit(limitMs);
    if (code !== 0) {
      throw this.#explained(new Error(`${this.name} ended with ${signal ?? `code ${code}`}`));
    }
  }

  /** Sends a signal to this process alone; nothing where it has ended. */
  signal(signal: Deno.Signal): void {
    if (this.#status !== null) return;
    try {
      this.#child.kill(signal);
    } catch (error) {
      // It ended between the check and the signal.
      if (!(error instanceof TypeError) && !(error instanceof Deno.errors.NotFound)) throw error;
    }
  }

  /** Asks it to end, kills it where it does not within ten seconds, and waits until it is gone. */
  async end(signal: Deno.Signal = "SIGTERM"): Promise<Deno.CommandStatus> {
    this.signal(signal);
    try {
      return await within(END_GRACE_MS, `the end of ${this.name}`, this.exited);
    } catch {
      this.signal("SIGKILL");
      return await this.exited;
    }
  }

  /** Ends it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.end();
  }

  async #wait(
    what: string,
    limitMs: number,
    matches: Waiter["matches"],
  ): Promise<string> {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const waiter: Waiter = { matches, resolve, reject };
    if (this.#status !== null) reject(new Error(`Cannot wait for ${what}: it has ended`));
    else this.#waiters.add(waiter);
    try {
      return await within(limitMs, what, promise);
    } catch (error) {
      throw this.#explained(error as Error);
    } finally {
      this.#waiters.delete(waiter);
    }
  }

  async #follow(): Promise<Deno.CommandStatus> {
    const stop = new AbortController();
    const reading = Promise.all([
      this.#read(this.#child.stdout, this.lines, false, stop.signal),
      this.#read(this.#child.stderr, this.errorLines, true, stop.signal),
    ]);
    const status = await this.#child.status;
    await within(OUTPUT_GRACE_MS, "output", reading).catch(() => stop.abort());
    await reading;
    await this.#child.stdin.close().catch(() => {});
    this.#status = status;
    const how = status.signal ?? `code ${status.code}`;
    for (const waiter of this.#waiters) waiter.reject(new Error(`${this.name} ended with ${how}`));
    return status;
  }

  async #read(
    stream: ReadableStream<Uint8Array<ArrayBuffer>>,
    lines: string[],
    isError: boolean,
    signal: AbortSignal,
  ): Promise<void> {
    const text = stream
      .pipeThrough(new TextDecoderStream(), { signal })
      .pipeThrough(new TextLineStream({ allowCR: true }));
    try {
      for await (const line of text) {
        if (lines.length < LINES_MAX) lines.push(line);
        for (const waiter of this.#waiters) {
          if (waiter.matches(line, isError)) waiter.resolve(line);
        }
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  #explained(error: Error): Error {
    const said = [...this.lines.slice(-LINES_QUOTED), ...this.errorLines.slice(-LINES_QUOTED)];
    if (said.length > 0) error.message += `\n  ${this.name} said:\n    ${said.join("\n    ")}`;
    return error;
  }
}

/** Runs a program to its end and gives the lines of its standard output; throws where it fails. */
export async function run(
  program: string,
  args: readonly string[],
  limitMs: number,
  options: StartOptions = {},
): Promise<string[]> {
  await using process = RunningProcess.start(program, args, options);
  await process.waitForSuccess(limitMs);
  return process.lines;
}

function parseEvent(line: string): JsonEvent | null {
  if (!line.startsWith("{")) return null;
  try {
    const value = JSON.parse(line);
    return typeof value.event === "string" ? value : null;
  } catch {
    return null;
  }
}
