import { assertEquals, assertStringIncludes } from "@std/assert";
import { CommandFailure } from "./failure.ts";
import { type ProgressView, renderLive } from "./progress.ts";
import { Reporter, type ReporterOptions } from "./reporter.ts";

class Bench {
  out = "";
  err = "";
  nowMs = 0;
  readonly reporter: Reporter;

  constructor(options: Partial<ReporterOptions> = {}, isTerminal: boolean = false) {
    const stream = (write: (text: string) => void) => ({
      write,
      isTerminal,
      hasColour: false,
      columns: () => 60,
    });
    this.reporter = new Reporter({
      json: false,
      quiet: false,
      verbose: false,
      out: stream((text) => this.out += text),
      err: stream((text) => this.err += text),
      nowMs: () => this.nowMs,
      ...options,
    });
  }

  progress(doneBytes: number, isLast: boolean = false): void {
    const view: ProgressView = { doing: "Verifying", doneBytes, totalBytes: 100, hasEnd: true };
    this.reporter.progress(view, { doneBytes }, isLast);
  }
}

Deno.test("Reporter: text goes to standard output, warnings and failures to standard error", () => {
  const bench = new Bench();
  bench.reporter.say("hello");
  bench.reporter.warn("careful");
  bench.reporter.fail(new CommandFailure("x", "it broke"));
  bench.reporter.event("done", {});
  assertEquals(bench.out, "hello\n");
  assertEquals(bench.err, "warning: careful\nerror: it broke\n");
});

Deno.test("Reporter: with JSON, standard output has objects only, and a failure is the last of them", () => {
  const bench = new Bench({ json: true });
  bench.reporter.say("hello");
  bench.reporter.result("table");
  bench.reporter.event("done", { n: 1 });
  bench.reporter.fail(new CommandFailure("x", "it broke"));
  assertEquals(
    bench.out,
    '{"event":"done","n":1}\n{"event":"error","code":"x","message":"it broke"}\n',
  );
  assertEquals(bench.err, "hello\nerror: it broke\n");
});

Deno.test("Reporter: quiet leaves results and failures", () => {
  const bench = new Bench({ quiet: true });
  bench.reporter.say("hello");
  bench.reporter.warn("careful");
  bench.progress(50);
  bench.reporter.result("table");
  bench.reporter.fail(new CommandFailure("x", "it broke"));
  assertEquals([bench.out, bench.err], ["table\n", "error: it broke\n"]);
});

Deno.test("Reporter: what came from outside cannot steer the terminal", () => {
  const bench = new Bench();
  bench.reporter.say("a\x1b[2Jb\nc\u009bd");
  assertEquals(bench.out, "a [2Jb\nc d\n");
  const json = new Bench({ json: true });
  json.reporter.event("e", { name: "a\x1b\u009b\u202eb" });
  assertEquals(json.out, '{"event":"e","name":"a\\u001b\\u009b\\u202eb"}\n');
  assertEquals(JSON.parse(json.out).name, "a\x1b\u009b\u202eb");
});

Deno.test("Reporter: on a terminal progress is one line, taken away before text", () => {
  const bench = new Bench({}, true);
  bench.progress(10);
  bench.nowMs = 10;
  bench.progress(20); // too soon
  bench.nowMs = 200;
  bench.progress(30);
  bench.reporter.say("text");
  bench.reporter.close();
  const line = (doneBytes: number): string =>
    renderLive({ doing: "Verifying", doneBytes, totalBytes: 100, hasEnd: true }, 60, false);
  assertEquals(
    bench.out,
    `\x1b[?25l\r${line(10)}\x1b[K\r${line(30)}\x1b[K\r\x1b[K\x1b[?25htext\n`,
  );
});

Deno.test("Reporter: elsewhere progress is a line every 5 s, or for another tenth after 1 s", () => {
  const bench = new Bench();
  for (const [nowMs, done] of [[0, 1], [900, 15], [1100, 16], [2000, 18], [6000, 18], [6200, 19]]) {
    bench.nowMs = nowMs!;
    bench.progress(done!);
  }
  assertEquals(
    bench.out,
    "Verifying: 16.0 %, 16 bytes of 100 bytes\nVerifying: 19.0 %, 19 bytes of 100 bytes\n",
  );
});

Deno.test("Reporter: with JSON, progress is an object each second, the first and the last at once", () => {
  const bench = new Bench({ json: true, quiet: true });
  for (const [nowMs, done] of [[0, 1], [900, 2], [1100, 3]]) {
    bench.nowMs = nowMs!;
    bench.progress(done!);
  }
  bench.progress(100, true);
  const done = bench.out.trim().split("\n").map((line) => JSON.parse(line).doneBytes);
  assertEquals(done, [1, 3, 100]);
  assertStringIncludes(bench.out, '{"event":"progress","doneBytes":1}');
});
