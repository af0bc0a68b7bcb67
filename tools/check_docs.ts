/**
 * Checks what the pages and folders promise: relative links of every `.md` lead to a file, and to a heading
 * where they name one; each module has its README, `mod.ts` and `deno.json`; no file of a module is too long.
 *
 *     deno run -A tools/check_docs.ts [ROOT]
 *
 * Prints one line per violation and exits with 1, or one line that says that all is well. Whether the
 * examples run is for `deno test --doc` to find out.
 *
 * @module
 */
import { posix } from "node:path";
import { exitWith, filesBelow, repositoryRoot, type Violation } from "./_repository.ts";

/** Above this a file of a module is reported. */
const linesWarned = 500;
/** Above this a file of a module is wrong: something in it wants a file of its own. */
const linesMax = 600;

/** What each module folder has. */
const moduleFiles: readonly string[] = ["README.md", "mod.ts", "deno.json"];

/** One link in a page. */
interface Link {
  readonly line: number;
  readonly target: string;
}

/** Finds the links of a page, those in code left out. */
export function linksOf(markdown: string): Link[] {
  const links: Link[] = [];
  proseLinesOf(markdown).forEach((text, at) => {
    const inline = text.matchAll(/\]\(\s*(?:<([^>]*)>|([^\s()]*(?:\([^\s()]*\)[^\s()]*)*))/g);
    const definitions = text.matchAll(/^ {0,3}\[[^\]]+\]:\s*(?:<([^>]*)>|(\S+))/g);
    for (const [, bracketed, bare] of [...inline, ...definitions]) {
      links.push({ line: at + 1, target: bracketed ?? bare ?? "" });
    }
  });
  return links;
}

/** The lines of a page, blank where they are in a fenced block; spans of code are taken out. */
function proseLinesOf(markdown: string): string[] {
  let fence = "";
  return markdown.split("\n").map((text) => {
    const mark = /^\s*(`{3,}|~{3,})/.exec(text)?.[1] ?? "";
    if (fence === "" && mark !== "") {
      fence = mark;
      return "";
    }
    if (fence === "") return text.replace(/(`+)(?!`).*?(?<!`)\1(?!`)/g, "");
    if (mark.startsWith(fence) && text.trim() === mark) fence = "";
    return "";
  });
}

/** The names under which the headings of a page are linked to, as GitHub makes them. */
export function anchorsOf(markdown: string): Set<string> {
  const anchors = new Set<string>();
  // Code in a heading keeps its text, so fenced blocks are blanked without taking out spans.
  const prose = proseLinesOf(markdown);
  markdown.split("\n").forEach((text, at) => {
    const heading = /^#{1,6}\s+(.*?)\s*#*$/.exec(text)?.[1];
    if (heading === undefined || prose[at] === "") return;
    const name = heading.replace(/\[([^\]]*)\]\([^)]*\)/g, "$1").toLowerCase()
      .replace(/[^\p{L}\p{N}\p{M}_ -]/gu, "").replaceAll(" ", "-");
    let anchor = name;
    for (let again = 1; anchors.has(anchor); again++) anchor = `${name}-${again}`;
    anchors.add(anchor);
  });
  return anchors;
}

class Repository {
  readonly root: string;
  readonly files: ReadonlySet<string>;
  readonly folders: ReadonlySet<string>;

  constructor(root: string, files: readonly string[]) {
    this.root = root;
    this.files = new Set(files);
    this.folders = new Set(files.flatMap(foldersAbove));
  }

  read(path: string): Promise<string> {
    return Deno.readTextFile(`${this.root}/${path}`);
  }
}

function foldersAbove(path: string): string[] {
  const folder = posix.dirname(path);
  return folder === "." ? ["."] : [folder, ...foldersAbove(folder)];
}

async function violationsOfPage(repository: Repository, path: string): Promise<Violation[]> {
  const violations: Violation[] = [];
  for (const { line, target } of linksOf(await repository.read(path))) {
    const message = await complaintAboutLink(repository, path, target);
    if (message !== null) violations.push({ path, line, message });
  }
  return violations;
}

async function complaintAboutLink(
  repository: Repository,
  page: string,
  target: string,
): Promise<string | null> {
  if (/^[a-z][a-z0-9+.-]*:/i.test(target)) return null;
  const [path = "", anchor = ""] = decoded(target).split("#");
  const file = path === "" ? page : posix.join(posix.dirname(page), path).replace(/(?<=.)\/$/, "");
  if (path.startsWith("/") || file.startsWith("..")) {
    return `links to ${target}; links stay in the repository and are relative to their page`;
  }
  if (!repository.files.has(file) && !repository.folders.has(file)) {
    return `links to ${target}; there is no ${file}`;
  }
  if (anchor === "" || !file.endsWith(".md")) return null;
  if (anchorsOf(await repository.read(file)).has(anchor)) return null;
  return `links to ${target}; ${file} has no such heading`;
}

/** A link with its percent signs resolved; one that is written wrongly stays as it is, and leads nowhere. */
function decoded(target: string): string {
  try {
    return decodeURI(target);
  } catch {
    return target;
  }
}

async function violationsOfModules(repository: Repository): Promise<Violation[]> {
  const violations: Violation[] = [];
  const root = JSON.parse(await repository.read("deno.json"));
  for (const member of root.workspace) {
    const module = posix.normalize(member);
    for (const name of moduleFiles) {
      const path = `${module}/${name}`;
      if (repository.files.has(path)) continue;
      const message = `is missing; a module has ${moduleFiles.join(", ")}`;
      violations.push({ path, line: 1, message });
    }
    if (!repository.files.has(`${module}/deno.json`)) continue;
    const path = `${module}/deno.json`;
    const text = await repository.read(path);
    const config = JSON.parse(text);
    for (const [key, expected] of [["name", `@enjambre/${module}`], ["version", root.version]]) {
      if (config[key] === expected) continue;
      const line = text.split("\n").findIndex((each) => each.includes(`"${key}"`)) + 1 || 1;
      violations.push({ path, line, message: `has the ${key} ${config[key]}; it is ${expected}` });
    }
  }
  return violations;
}

async function violationsOfLength(repository: Repository, path: string): Promise<Violation[]> {
  const lines = (await repository.read(path)).trimEnd().split("\n").length;
  if (lines <= linesWarned) return [];
  const message = `has ${lines} lines; ${linesWarned} are enough, ${linesMax} the limit`;
  return [{ path, line: lines, message, isWarning: lines <= linesMax }];
}

async function violationsOf(repository: Repository): Promise<Violation[]> {
  const violations = await violationsOfModules(repository);
  const modules: string[] = JSON.parse(await repository.read("deno.json")).workspace;
  for (const path of repository.files) {
    if (path.endsWith(".md")) violations.push(...await violationsOfPage(repository, path));
    const isOfModule = modules.some((module) => path.startsWith(`${posix.normalize(module)}/`));
    if (isOfModule && path.endsWith(".ts") && !path.endsWith("_test.ts")) {
      violations.push(...await violationsOfLength(repository, path));
    }
  }
  return violations;
}

if (import.meta.main) {
  const root = await Deno.realPath(Deno.args[0] ?? repositoryRoot);
  const repository = new Repository(root, await filesBelow(root));
  const pages = [...repository.files].filter((path) => path.endsWith(".md")).length;
  exitWith(await violationsOf(repository), `docs: ${pages} pages and all modules are in order`);
}
