/**
 * Checks the import arrows and the I/O boundary of the design: which file may import what, and which files
 * may touch the world (sockets, files, timers, clocks, randomness).
 *
 *     deno run -A tools/check_layers.ts [ROOT]
 *
 * Prints one line per violation and exits with 1, or one line that says that all is well.
 *
 * @module
 */
import { posix, relative } from "node:path";
import { fileURLToPath } from "node:url";
import type { Fact } from "./_facts_plugin.ts";
import { exitWith, filesBelow, repositoryRoot, type Violation } from "./_repository.ts";

interface Module {
  /** Which of our modules it may import: those on the levels below. */
  readonly below: readonly string[];
  /** Whether it may import from npm and JSR at run time; its tests may anyway. */
  readonly hasThirdParty: boolean;
}

/** The house, from the ground up. A new module begins with a line here. */
const modules: ReadonlyMap<string, Module> = new Map([
  ["bencode", { below: [], hasThirdParty: false }],
  ["metainfo", { below: ["bencode"], hasThirdParty: false }],
  ["peerwire", { below: ["bencode", "metainfo"], hasThirdParty: false }],
  ["storage", { below: ["bencode", "metainfo"], hasThirdParty: false }],
  ["tracker", { below: ["bencode"], hasThirdParty: true }],
  ["overlay", { below: [], hasThirdParty: true }],
  ["client", {
    below: ["bencode", "metainfo", "peerwire", "storage", "tracker", "overlay"],
    hasThirdParty: true,
  }],
]);

/** Folders beside the modules, which may import every module, and what else they may reach by path. */
const freeFolders: ReadonlyMap<string, readonly string[]> = new Map([
  ["tests", ["tests"]],
  ["bench", ["bench", "tests"]],
  ["tools", ["tools"]],
  ["links", ["links"]],
]);

const scope = "@enjambre/";

/**
 * Tells what is wrong with one fact about a file, or `null`.
 *
 * `file` and every path are relative to the root, with `/`.
 */
export function complaintAbout(file: string, fact: Fact): string | null {
  if (fact.kind === "touch") {
    if (mayTouchWorld(file)) return null;
    return `touches ${fact.what}; only files whose name ends in _deno.ts may, client/main.ts and tests`;
  }
  const { specifier } = fact;
  if (specifier === null) {
    return "imports what only the running program knows; write the name as a text";
  }
  if (specifier.startsWith("node:")) {
    if (mayTouchWorld(file)) return null;
    return `imports ${specifier}; only files whose name ends in _deno.ts may, client/main.ts and tests`;
  }
  if (fact.isStar && basename(file) === "mod.ts" && modules.has(folderOf(file))) {
    return `exports all of ${specifier}; mod.ts is a list of what is public, name by name`;
  }
  if (specifier.startsWith(".")) return complaintAboutPath(file, specifier, fact.isType);
  if (specifier.startsWith(scope)) return complaintAboutModule(file, specifier);
  if (/^(https?|file|data|blob):|^\//.test(specifier)) {
    return `imports ${specifier}; what is not ours is imported by the names in deno.json`;
  }
  const module = modules.get(folderOf(file));
  if (module === undefined || module.hasThirdParty || isTest(file)) return null;
  return `imports ${specifier}; ${
    folderOf(file)
  } has no dependencies at run time, only its tests may have`;
}

function complaintAboutPath(file: string, specifier: string, isType: boolean): string | null {
  const target = posix.join(posix.dirname(file), specifier);
  const folder = folderOf(file);
  const reachable = freeFolders.get(folder) ?? [folder];
  if (!reachable.includes(folderOf(target)) || target.startsWith("..")) {
    return `imports ${specifier}; other folders are reached by name only, such as ${scope}bencode`;
  }
  if (basename(target).startsWith("_") && posix.dirname(target) !== posix.dirname(file)) {
    return `imports ${specifier}; a file whose name begins with _ is private to its folder`;
  }
  const isInward = modules.has(folder) && folder !== "client" && !mayTouchWorld(file) &&
    basename(file) !== "mod.ts" && target.endsWith("_deno.ts");
  if (isInward && !isType) {
    return `imports ${specifier}; what decides does not know its drivers, it may import their types`;
  }
  return null;
}

function complaintAboutModule(file: string, specifier: string): string | null {
  const name = specifier.slice(scope.length);
  const folder = folderOf(file);
  if (!modules.has(name)) {
    return `imports ${specifier}; there is only ${namesOf([...modules.keys()])}`;
  }
  const module = modules.get(folder);
  if (module === undefined || module.below.includes(name)) return null;
  if (name === folder) {
    return isTest(file)
      ? null
      : `imports ${specifier}; inside a module files are imported as ./x.ts`;
  }
  return `imports ${specifier}; ${folder} may import ${namesOf(module.below)}`;
}

function namesOf(names: readonly string[]): string {
  return names.length === 0 ? "no module of ours" : names.map((name) => scope + name).join(", ");
}

/** Whether this is a file in which sockets, files, timers, clocks and randomness have their place. */
function mayTouchWorld(file: string): boolean {
  return file.endsWith("_deno.ts") || file === "client/main.ts" || isTest(file) ||
    freeFolders.has(folderOf(file));
}

function isTest(file: string): boolean {
  return file.endsWith("_test.ts");
}

/** The folder of the root in which a file lies; "" for the root's own files. */
function folderOf(file: string): string {
  return file.includes("/") ? file.slice(0, file.indexOf("/")) : "";
}

function basename(file: string): string {
  return posix.basename(file);
}

/** What `deno lint --json` prints, as far as it is read here. */
interface LintReport {
  diagnostics: { filename: string; range?: { start: { line: number } }; message: string }[];
  errors: { file_path: string; message: string }[];
}

/** Has `deno lint` run the plugin over all files below `root`. */
async function lint(root: string): Promise<LintReport> {
  const folder = await Deno.makeTempDir();
  try {
    const plugin = fileURLToPath(new URL("./_facts_plugin.ts", import.meta.url));
    const config = `${folder}/deno.json`;
    // No rules but the plugin's, whatever the repository's own settings are.
    await Deno.writeTextFile(
      config,
      JSON.stringify({ lint: { plugins: [plugin], rules: { tags: [] } } }),
    );
    const output = await new Deno.Command(Deno.execPath(), {
      args: ["lint", "--json", "--config", config, "."],
      cwd: root,
    }).output();
    const text = new TextDecoder().decode(output.stdout);
    if (text === "") throw new Error(new TextDecoder().decode(output.stderr));
    return JSON.parse(text);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** A comment that hides a file, or this plugin's diagnostics, from the linter and so from this check. */
const hidingComment = /\/[/*]\s*deno-lint-ignore(?:-file\s*(?:--.*|\*\/.*)?$|.*\bfacts\/)/;

async function violationsOf(root: string, files: readonly string[]): Promise<Violation[]> {
  const report = await lint(root);
  const violations: Violation[] = [];
  for (const { file_path, message } of report.errors) {
    const line = Number(/:(\d+):\d+$/.exec(message)?.[1] ?? 1);
    violations.push({ path: nameIn(root, file_path), line, message: message.split("\n")[0]! });
  }
  for (const { filename, range, message } of report.diagnostics) {
    const path = nameIn(root, fileURLToPath(filename));
    const complaint = complaintAbout(path, JSON.parse(message));
    if (complaint === null) continue;
    violations.push({ path, line: range?.start.line ?? 1, message: complaint });
  }
  const judged = violations.filter(({ path }) => files.includes(path));
  for (const path of files) judged.push(...await violationsOfFile(root, path));
  return judged;
}

function nameIn(root: string, path: string): string {
  return relative(root, path).replaceAll("\\", "/");
}

async function violationsOfFile(root: string, path: string): Promise<Violation[]> {
  const folder = folderOf(path);
  const violations: Violation[] = [];
  if (folder !== "" && !modules.has(folder) && !freeFolders.has(folder)) {
    const message =
      `lies in ${folder}/, which tools/check_layers.ts does not know; add it to the table`;
    violations.push({ path, line: 1, message });
  }
  (await Deno.readTextFile(`${root}/${path}`)).split("\n").forEach((text, at) => {
    if (!hidingComment.test(text)) return;
    const message = "hides code from this check; name the rules that are ignored, and not this one";
    violations.push({ path, line: at + 1, message });
  });
  return violations;
}

if (import.meta.main) {
  const root = await Deno.realPath(Deno.args[0] ?? repositoryRoot);
  const files = (await filesBelow(root)).filter((path) => /\.[cm]?[jt]sx?$/.test(path));
  const success = `layers: ${files.length} files keep the arrows and the I/O boundary`;
  exitWith(await violationsOf(root, files), success);
}
