/**
 * The command line as a process of its own, in a folder of its own, for tests.
 *
 * @module
 */
import { encode } from "@enjambre/bencode";
import { fileURLToPath } from "node:url";
import { TextLineStream } from "@std/streams/text-line-stream";

const mainPath = fileURLToPath(import.meta.resolve("./main.ts"));
/** What a test waits for at most; a slow machine needs a part of it. */
const PATIENCE_MS = 60_000;

export type Json = Record<string, unknown>;

export interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
  /** The objects on standard output, with `--json`. */
  readonly events: Json[];
}

export class Running implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #lines: ReadableStreamDefaultReader<string>;
  readonly #err: Promise<string>;
  #out = "";
  #isEnded = false;

  constructor(directory: string, args: readonly string[], env: Record<string, string> = {}) {
    this.#child = new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-check", "-A", mainPath, ...args],
      cwd: directory,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
      env: { NO_COLOR: "1", XDG_STATE_HOME: stateOf(directory), ...env },
    }).spawn();
    this.#err = new Response(this.#child.stderr).text();
    this.#lines = this.#child.stdout.pipeThrough(new TextDecoderStream())
      .pipeThrough(new TextLineStream()).getReader();
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** The next object of this kind. */
  async event(name: string, isMeant: (event: Json) => boolean = () => true): Promise<Json> {
    for (;;) {
      const line = await this.#next();
      if (line === null) throw new Error(`No ${name} came: ${this.#out}${await this.#err}`);
      const event = JSON.parse(line) as Json;
      if (event["event"] === name && isMeant(event)) return event;
    }
  }

  async ended(): Promise<Ended> {
    while (await this.#next() !== null);
    const { code } = await this.#child.status;
    this.#isEnded = true;
    const events = this.#out.startsWith("{")
      ? this.#out.trim().split("\n").map((line) => JSON.parse(line) as Json)
      : [];
    return { code, out: this.#out, err: await this.#err, events };
  }

  signal(): void {
    this.#child.kill("SIGINT");
  }

  interrupt(): Promise<Ended> {
    this.signal();
    return this.ended();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isEnded) return;
    this.#child.kill("SIGKILL");
    await this.ended();
  }

  async #next(): Promise<string | null> {
    const { promise, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => reject(new Error(`Nothing came: ${this.#out}`)), PATIENCE_MS);
    try {
      const { done, value } = await Promise.race([this.#lines.read(), promise]);
      if (done) return null;
      this.#out += value + "\n";
      return value;
    } finally {
      clearTimeout(timer);
    }
  }
}

export class Folder implements AsyncDisposable {
  readonly path: string;

  constructor() {
    this.path = Deno.makeTempDirSync({ prefix: "enjambre-test-" });
  }

  start(...args: string[]): Running {
    return new Running(this.path, args);
  }

  async run(...args: string[]): Promise<Ended> {
    await using running = this.start(...args);
    return await running.ended();
  }

  async runWith(env: Record<string, string>, ...args: string[]): Promise<Ended> {
    await using running = new Running(this.path, args, env);
    return await running.ended();
  }

  at(name: string): string {
    return `${this.path}/${name}`;
  }

  /** Writes a file of bytes that differ from block to block. */
  async write(name: string, bytes: number, seed: number = 1): Promise<Uint8Array> {
    const data = new Uint8Array(bytes);
    for (let i = 0, state = seed; i < bytes; i++) {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0;
      data[i] = state >>> 16;
    }
    await Deno.writeFile(this.at(name), data);
    return data;
  }

  async names(name: string = "."): Promise<string[]> {
    const entries = await Array.fromAsync(Deno.readDir(this.at(name)));
    return entries.map((entry) => entry.name).sort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.path, { recursive: true });
    await Deno.remove(stateOf(this.path), { recursive: true }).catch(() => {});
  }
}

/** Beside the folder of a test, where nothing of the user's is. */
function stateOf(directory: string): string {
  return `${directory}-state`;
}

/** A tracker that records which events it is told, and answers as it is made to; null keeps it silent. */
export class FakeTracker implements AsyncDisposable {
  readonly events: string[] = [];
  readonly url: string;
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  readonly #silence = Promise.withResolvers<void>();

  constructor(answer: (event: string) => Response | null) {
    this.#server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
      const event = new URL(request.url).searchParams.get("event") ?? "";
      this.events.push(event);
      return answer(event) ?? this.#silence.promise.then(noPeers);
    });
    this.url = `http://127.0.0.1:${this.#server.addr.port}/announce`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#silence.resolve();
    await this.#server.shutdown();
  }
}

export function noPeers(): Response {
  return new Response(encode({ interval: 1800, peers: new Uint8Array(0) }));
}

export function lastOf(ended: Ended): Json {
  return ended.events.at(-1) ?? {};
}
