/**
 * One process of the demo: this program again, with another command.
 *
 * @module
 */

import { TextLineStream } from "@std/streams/text-line-stream";

/** One JSON object that a process printed. */
export type DemoEvent = { readonly event: string } & Readonly<Record<string, unknown>>;

/** How to start this program again: the executable, and what stands before the command. */
function self(): { executable: string; args: string[] } {
  if (Deno.build.standalone) return { executable: Deno.execPath(), args: [] };
  const main = new URL("./main.ts", import.meta.url).href;
  return { executable: Deno.execPath(), args: ["run", "--allow-all", "--quiet", main] };
}

/** A process of this program that prints JSON. It is ended, by its id, at the latest when it is disposed of. */
export class DemoProcess implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #handle: (event: DemoEvent) => void;
  readonly #read: Promise<void>;

  /** Starts `enjambre ARGS --json`; each object that it prints goes to `handle`. */
  constructor(args: readonly string[], handle: (event: DemoEvent) => void) {
    const { executable, args: before } = self();
    this.#handle = handle;
    this.#child = new Deno.Command(executable, {
      args: [...before, ...args, "--json"],
      stdin: "null",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    this.#read = this.#readEvents();
  }

  /** Waits until it has ended by itself. @returns whether it says that all went well */
  async ended(): Promise<boolean> {
    await this.#read;
    return (await this.#child.status).success;
  }

  /** Ends it; `SIGKILL` is what an unplugged machine looks like, `SIGINT` what Ctrl-C does. */
  end(signal: "SIGKILL" | "SIGINT"): void {
    try {
      this.#child.kill(signal);
    } catch (error) {
      if (!(error instanceof TypeError)) throw error; // it has ended already
    }
  }

  /** Ends it with Ctrl-C and waits for it. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.end("SIGINT");
    await this.ended();
  }

  async #readEvents(): Promise<void> {
    const lines = this.#child.stdout
      .pipeThrough(new TextDecoderStream())
      .pipeThrough(new TextLineStream());
    for await (const line of lines) {
      if (line.startsWith("{")) this.#handle(JSON.parse(line) as DemoEvent);
    }
  }
}
