/**
 * Checks `deploy/` as far as that can be done without Docker and without a host to install on: YAML and its keys,
 * names that lead to nothing, ports given twice, the Dockerfile's user and sources, the systemd unit, and that
 * every command line in there has only options that the program knows.
 *
 *     deno run -A tools/check_deploy.ts [ROOT]
 *
 * Prints one line per violation and exits with 1, or one line that says what was checked. `docker-compose` reads
 * the container files too and `systemd-analyze` the unit, where they are installed; neither needs a daemon.
 * `REQUIRE_CHECKERS=1` makes their absence a violation.
 *
 * @module
 */
import { violationsOfContainers } from "./_containers.ts";
import { exitWith, repositoryRoot, type Violation } from "./_repository.ts";

/** Where a command line of the program stands. */
export interface CommandPlace {
  readonly path: string;
  readonly line: number;
  readonly args: readonly string[];
}

/** What a Dockerfile's instructions are called. */
const instructions: ReadonlySet<string> = new Set(
  "ADD ARG CMD COPY ENTRYPOINT ENV EXPOSE FROM HEALTHCHECK LABEL RUN STOPSIGNAL USER VOLUME WORKDIR"
    .split(" "),
);
/** A unit that exposes more, by `systemd-analyze security`, has lost a protection; 10 is none at all. */
const exposureMax = 2.0;

/** Finds what is wrong with a Dockerfile; `exists` tells of a path from the repository's root. */
export function violationsOfDockerfile(
  path: string,
  text: string,
  exists: (path: string) => boolean,
): Violation[] {
  const violations: Violation[] = [];
  const say = (line: number, message: string) => violations.push({ path, line, message });
  let user = "";
  for (const { line, words } of instructionsOf(text)) {
    const [name = "", ...rest] = words;
    if (!instructions.has(name)) say(line, `begins with ${name}, which is no instruction`);
    if (name === "FROM") user = "";
    if (name === "FROM" && !/[:@]/.test(rest[0] ?? "")) {
      say(line, `takes ${rest[0]} as it is on the day; name a version`);
    }
    if (name === "USER") user = rest[0] ?? "";
    const isCopyFromHere = name === "COPY" && !rest[0]?.startsWith("--from=");
    for (const source of isCopyFromHere ? rest.slice(0, -1) : []) {
      if (!exists(source)) say(line, `copies ${source}; there is no such path`);
    }
  }
  if (!/^[1-9]\d*(:|$)/.test(user)) {
    say(1, `runs as ${user || "root"}; an ordinary user by number is due`);
  }
  if (!/^ENTRYPOINT \[/m.test(text)) {
    say(1, "has no ENTRYPOINT as a list; signals would go to a shell");
  }
  return violations;
}

/** The instructions of a Dockerfile, lines that go on put together. */
function instructionsOf(text: string): { line: number; words: string[] }[] {
  const found: { line: number; words: string[] }[] = [];
  let goesOn = false;
  text.split("\n").forEach((each, at) => {
    const said = each.trim();
    if (said === "" || said.startsWith("#")) return;
    const words = said.replace(/\\$/, "").trim().split(/\s+/);
    if (goesOn) found.at(-1)!.words.push(...words);
    else found.push({ line: at + 1, words });
    goesOn = said.endsWith("\\");
  });
  return found;
}

/** Finds the command lines in a file of variables for the unit: `ENJAMBRE=seed …`. */
export function commandsOfVariables(path: string, text: string): CommandPlace[] {
  return text.split("\n").flatMap((each, at) => {
    const value = /^ENJAMBRE=(.*)$/.exec(each)?.[1];
    return value === undefined ? [] : [{ path, line: at + 1, args: value.trim().split(/\s+/) }];
  });
}

/** Lets the program read a command line, without carrying it out. */
async function violationsOfCommand(
  root: string,
  { path, line, args }: CommandPlace,
): Promise<Violation[]> {
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-all", "--no-check", `${root}/client/main.ts`, ...args, "--help"],
    env: { NO_COLOR: "1" },
  }).output();
  if (code === 0) return [];
  const message = new TextDecoder().decode(stderr).trim().split("\n").at(-1) ?? "";
  return [{ path, line, message: `${args[0]}: ${message}` }];
}

/** Has `docker-compose` read a file for Compose or for a stack, by its schemas; null where it is not installed. */
async function violationsOfSchema(root: string, path: string): Promise<Violation[] | null> {
  const read = await run("docker-compose", ["--file", `${root}/${path}`, "config", "--quiet"]);
  if (read === null) return null;
  const message = read.text.replaceAll(`${root}/`, "").replaceAll("\n", "; ");
  return read.ok ? [] : [{ path, line: 1, message }];
}

/** Has `systemd-analyze` read a unit; null where it is not installed. */
async function violationsOfUnit(root: string, path: string): Promise<Violation[] | null> {
  const folder = await Deno.makeTempDir({ prefix: "enjambre-unit-" });
  try {
    // The program is not installed here, and it wants one that is.
    const unit = await Deno.readTextFile(`${root}/${path}`);
    const copy = `${folder}/enjambre@.service`;
    await Deno.writeTextFile(copy, unit.replaceAll("/usr/local/bin/enjambre", "/bin/true"));
    const verified = await run("systemd-analyze", ["verify", "--man=no", copy]);
    const secure = await run("systemd-analyze", [
      ...["security", "--offline=true", "--no-pager"],
      ...[`--threshold=${Math.round(10 * exposureMax)}`, copy],
    ]);
    if (verified === null || secure === null) return null;
    const violations: Violation[] = [];
    const say = (message: string) => violations.push({ path, line: 1, message });
    // It reports much of what it does not like without failing.
    if (!verified.ok || verified.text !== "") {
      say(verified.text.replaceAll(`${folder}/`, "").replaceAll("\n", "; "));
    }
    const level = /exposure level.*?:\s*(\S+)/.exec(secure.text)?.[1] ?? secure.text;
    if (!secure.ok) say(`has an exposure level of ${level}; ${exposureMax} is the limit`);
    return violations;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Runs a checker; null where it is not installed. */
async function run(
  program: string,
  args: string[],
): Promise<{ ok: boolean; text: string } | null> {
  try {
    const { success, stdout, stderr } = await new Deno.Command(program, {
      args,
      // The stack file wants to be told of an image.
      env: { LC_ALL: "C.UTF-8", SYSTEMD_COLORS: "0", IMAGE: "example/enjambre:0.1.0" },
    }).output();
    const decoder = new TextDecoder();
    return { ok: success, text: (decoder.decode(stdout) + decoder.decode(stderr)).trim() };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

function existsBelow(root: string): (path: string) => boolean {
  return (path) => {
    try {
      Deno.statSync(`${root}/${path}`);
      return true;
    } catch {
      return false;
    }
  };
}

if (import.meta.main) {
  const root = await Deno.realPath(Deno.args[0] ?? repositoryRoot);
  const read = (path: string) => Deno.readTextFile(`${root}/${path}`);
  const violations: Violation[] = [];
  const commands: CommandPlace[] = [];
  const absent = new Set<string>();
  const take = (path: string, checker: string, found: readonly Violation[] | null) => {
    violations.push(...found ?? []);
    if (found !== null) return;
    absent.add(checker);
    if (Deno.env.get("REQUIRE_CHECKERS") !== "1") return;
    violations.push({ path, line: 1, message: `was not read by ${checker}, which is due` });
  };
  for (const kind of ["compose", "stack"] as const) {
    const path = `deploy/${kind}.yaml`;
    const found = violationsOfContainers(path, await read(path), kind);
    violations.push(...found.violations);
    commands.push(...found.commands);
    take(path, "docker-compose", await violationsOfSchema(root, path));
  }
  const dockerfile = "deploy/Dockerfile";
  violations.push(
    ...violationsOfDockerfile(dockerfile, await read(dockerfile), existsBelow(root)),
  );
  for (const name of ["tracker", "overlay", "seed"]) {
    const path = `deploy/systemd/${name}.conf`;
    commands.push(...commandsOfVariables(path, await read(path)));
  }
  for (const command of commands) violations.push(...await violationsOfCommand(root, command));
  const unit = "deploy/systemd/enjambre@.service";
  take(unit, "systemd-analyze", await violationsOfUnit(root, unit));
  exitWith(
    violations,
    `deploy: two container files, the Dockerfile, the unit and ${commands.length} command lines are in order` +
      (absent.size === 0 ? "" : `; ${[...absent].join(" and ")} did not read them: not installed`),
  );
}
