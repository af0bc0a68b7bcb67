import { assertEquals } from "@std/assert";
import plugin, { type Fact } from "./_facts_plugin.ts";

function factsOf(source: string): Fact[] {
  return Deno.lint.runPlugin(plugin, "file.ts", source).map(({ message }) => JSON.parse(message));
}

const touching: [string, string[]][] = [
  ["Deno.open(path);", ["Deno.open"]],
  ["const runtime = Deno;", ["Deno"]],
  ["globalThis.Deno;", ["globalThis.Deno"]],
  ['globalThis["Deno"];', ["globalThis.Deno"]],
  ["const { Deno: runtime } = globalThis;", ["globalThis"]],
  ["(globalThis as any).Deno;", ["globalThis"]],
  ["new Date();", ["Date"]],
  ["Date.now();", ["Date.now"]],
  ["let when: Date;", ["Date"]],
  ["function f(connection: Deno.Conn): void {}", ["Deno.Conn"]],
  ["type Read = typeof Deno.readFile;", ["Deno.readFile"]],
  ["const o = { fetch };", ["fetch"]],
  ["const o = { [Deno.pid]: 1 };", ["Deno.pid"]],
  ["o[performance];", ["performance"]],
  ["class A { at = Date.now(); }", ["Date.now"]],
  ["const text = `${performance.now()}`;", ["performance.now"]],
  ["function f(at = Date.now()) {}", ["Date.now"]],
  ["export { fetch };", ["fetch"]],
  ["export default setTimeout;", ["setTimeout"]],
  ["queueMicrotask(f); setTimeout(f, 1); clearInterval(1);", [
    "queueMicrotask",
    "setTimeout",
    "clearInterval",
  ]],
  ["new Worker(url); new WebSocket(url);", ["Worker", "WebSocket"]],
  ["Math.random();", ["Math.random"]],
  ['Math["random"]();', ["Math.random"]],
  ["const { random } = Math;", ["Math (unnamed member)"]],
  ["Math[name]();", ["Math (unnamed member)"]],
  ["crypto.getRandomValues(a); crypto?.randomUUID();", [
    "crypto.getRandomValues",
    "crypto.randomUUID",
  ]],
  ["crypto.subtle.generateKey(a, b, c);", ["crypto.subtle.generateKey"]],
  ["AbortSignal.timeout(1);", ["AbortSignal.timeout"]],
  ["function f(fetch: F) { fetch(); } fetch();", ["fetch"]],
  ["{ const Date = 1; Date; } Date;", ["Date"]],
  ["interface I { get(fetch: F): void } fetch();", ["fetch"]],
  ["try {} catch (performance) { performance; } performance;", ["performance"]],
];

const harmless = [
  "// Deno.open() and new Date()",
  "/** Takes the time of `Date.now()`. */ const a = 1;",
  'const text = "Deno.open()" + `fetch()`;',
  "const pattern = /Deno|fetch/;",
  "x.Date; peer.fetch(1); peer?.setTimeout(1); this.performance;",
  "const o = { Date: 1, fetch() {}, get performance() { return 1; } };",
  "class A { Date = 1; fetch(): void {} static Worker = 2; #fetch = 3; }",
  "interface I { Date: number; fetch(Worker: string): void; }",
  "type T = { Date: number; performance: string }; type Tuple = [Date: number];",
  "type Options = Other.Date;",
  "const { Date: when, fetch: other } = o;",
  "function f({ fetch }: O, Date: number, ...Worker: number[]) { return fetch(Date, Worker); }",
  "const setTimeout = (f: F) => f; setTimeout(1);",
  'import { Date } from "./date.ts"; new Date();',
  'import { Date as When } from "./date.ts"; new When();',
  'export { Date } from "./date.ts";',
  'export { time as Date } from "./date.ts";',
  "function fetch() {} fetch();",
  "class Worker {} new Worker();",
  "performance: for (;;) break performance;",
  "Math.floor(1); const root = Math.sqrt;",
  'crypto.subtle.digest("SHA-1", bytes);',
  "function f(signal: AbortSignal): boolean { return signal.aborted; }",
  "import.meta.url;",
];

for (const [source, expected] of touching) {
  Deno.test(`the plugin sees the world in: ${source}`, () => {
    const facts = factsOf(source);
    assertEquals(facts.map((fact) => fact.kind === "touch" ? fact.what : fact), expected);
  });
}

for (const source of harmless) {
  Deno.test(`the plugin sees no world in: ${source}`, () => {
    assertEquals(factsOf(source).filter((fact) => fact.kind === "touch"), []);
  });
}

const importing: [string, string | null, boolean, boolean][] = [
  ['import a from "./a.ts";', "./a.ts", false, false],
  ['import "./a.ts";', "./a.ts", false, false],
  ['import type { A } from "./a.ts";', "./a.ts", true, false],
  ['export { a } from "./a.ts";', "./a.ts", false, false],
  ['export type { A } from "./a.ts";', "./a.ts", true, false],
  ['export * from "./a.ts";', "./a.ts", false, true],
  ['export * as a from "./a.ts";', "./a.ts", false, false],
  ['await import("./a.ts");', "./a.ts", false, false],
  ["await import(name);", null, false, false],
  ['type A = import("./a.ts").A;', "./a.ts", true, false],
  ['import a = require("./a.ts");', "./a.ts", false, false],
];

for (const [source, specifier, isType, isStar] of importing) {
  Deno.test(`the plugin sees the import in: ${source}`, () => {
    assertEquals(factsOf(source), [{ kind: "import", specifier, isType, isStar }]);
  });
}

Deno.test("the plugin sees no import in a plain export or in text", () => {
  assertEquals(factsOf(`const a = 'import "./a.ts"'; export { a }; // import "./a.ts"`), []);
});
