/** Checks files for Docker Compose and Docker Swarm: syntax, known keys, names, ports. */

// deno-lint-ignore no-import-prefix -- no module has it; only this program reads YAML
import { isMap, isScalar, LineCounter, parseDocument } from "npm:yaml@^2.9.1";
import type { CommandPlace } from "./check_deploy.ts";
import type { Violation } from "./_repository.ts";

/** Which program reads the file. */
export type ContainerFileKind = "compose" | "stack";

/** What may stand at the top, besides what begins with `x-`. */
const topKeys: ReadonlySet<string> = new Set(
  "configs name networks secrets services version volumes".split(" "),
);
/** What a service may say in both kinds of file. */
const commonKeys =
  ("command configs entrypoint environment healthcheck image init logging networks ports " +
    "read_only secrets stop_grace_period tmpfs ulimits user volumes working_dir cap_drop").split(
      " ",
    );
/** And in one of them; the other would ignore it, or refuse the file. */
const serviceKeys: Readonly<Record<ContainerFileKind, ReadonlySet<string>>> = {
  compose: new Set([
    ...commonKeys,
    ...["build", "depends_on", "mem_limit", "restart", "security_opt"],
  ]),
  stack: new Set([...commonKeys, "deploy"]),
};
/** Options that name other services, or the service itself. */
const naming = /^--(?:bootstrap|tracker|cluster|hostname|cluster-hostname)$/;

interface Service {
  readonly command?: unknown;
  readonly user?: unknown;
  readonly read_only?: unknown;
  readonly cap_drop?: unknown;
  readonly image?: unknown;
  readonly ports?: readonly unknown[];
  readonly volumes?: readonly unknown[];
  readonly networks?: readonly unknown[];
  readonly secrets?: readonly unknown[];
  readonly configs?: readonly unknown[];
}

/** Finds what is wrong with a file, and the command lines in it. */
export function violationsOfContainers(
  path: string,
  text: string,
  kind: ContainerFileKind,
): { violations: Violation[]; commands: CommandPlace[] } {
  const violations: Violation[] = [];
  const commands: CommandPlace[] = [];
  const lineCounter = new LineCounter();
  const document = parseDocument(text, { merge: true, lineCounter, uniqueKeys: true });
  for (const { message, pos } of [...document.errors, ...document.warnings]) {
    const { line } = lineCounter.linePos(pos[0]);
    violations.push({ path, line, message: message.replace(/ at line \d.*/s, "") });
  }
  if (violations.length > 0) return { violations, commands };

  const file = document.toJS() as Record<string, Record<string, Service>>;
  for (const key of Object.keys(file)) {
    if (topKeys.has(key) || key.startsWith("x-")) continue;
    violations.push({ path, line: 1, message: `has ${key} at the top, which nothing reads` });
  }
  const services = file["services"] ?? {};
  const lines = linesOfServices(document.get("services"), lineCounter);
  const ports = new Map<string, string>();
  for (const [name, service] of Object.entries(services)) {
    const line = lines.get(name) ?? 1;
    const say = (message: string) => violations.push({ path, line, message: `${name} ${message}` });
    for (const key of Object.keys(service)) {
      if (!serviceKeys[kind].has(key)) say(`says ${key}, which a ${kind} file has not`);
    }
    complainOfRights(service, say);
    complainOfNames(service, file, say);
    for (const port of portsOf(service)) {
      const other = ports.get(port);
      if (other !== undefined) say(`publishes ${port}, as ${other} does`);
      ports.set(port, name);
    }
    const { command } = service;
    if (!Array.isArray(command) || command.some((word) => typeof word !== "string")) {
      say("has no command that is a list of texts");
      continue;
    }
    commands.push({ path, line, args: command });
    complainOfHosts(name, command, new Set(Object.keys(services)), say);
  }
  return { violations, commands };
}

type Say = (message: string) => void;

function complainOfRights(service: Service, say: Say): void {
  if (typeof service.image !== "string") say("has no image");
  if (!/^[1-9]\d*:[1-9]\d*$/.test(String(service.user))) say("does not run as an ordinary user");
  if (service.read_only !== true) say("has a root file system that can be written to");
  if (!Array.isArray(service.cap_drop) || !service.cap_drop.includes("ALL")) {
    say("keeps capabilities");
  }
}

/** Volumes, networks, secrets and configs that a service names have to be declared. */
function complainOfNames(
  service: Service,
  file: Readonly<Record<string, object | undefined>>,
  say: Say,
): void {
  const sections = ["volumes", "networks", "secrets", "configs"] as const;
  for (const section of sections) {
    for (const each of service[section] ?? []) {
      const named = typeof each === "string" ? each : (each as { source?: string }).source ?? "";
      const name = section === "volumes" ? named.split(":")[0]! : named;
      // A folder of the host.
      if (/^[./~]/.test(name)) continue;
      if (!Object.hasOwn(file[section] ?? {}, name)) say(`names ${name}, not among ${section}`);
    }
  }
}

/** Who is to be reached by name has to be a service of the file, and a node names itself. */
function complainOfHosts(
  name: string,
  command: readonly string[],
  services: ReadonlySet<string>,
  say: Say,
): void {
  const words = command.flatMap((word) => word.startsWith("--") ? word.split(/=(.*)/, 2) : [word]);
  words.forEach((word, at) => {
    if (!naming.test(word)) return;
    for (const value of (words[at + 1] ?? "").split(",")) {
      const host = value.replace(/^\w+:\/\//, "").replace(/[:/].*$/, "");
      if (word.endsWith("hostname") && host !== name) say(`calls itself ${host}`);
      else if (!services.has(host)) say(`looks for ${host}, which is no service`);
    }
  });
}

/** The ports of the host that a service takes, as `6969/tcp`. */
function portsOf(service: Service): string[] {
  return (service.ports ?? []).map((port) => {
    if (typeof port !== "string") {
      const { published, protocol } = port as { published?: number; protocol?: string };
      return `${published}/${protocol ?? "tcp"}`;
    }
    const [mapping = "", protocol = "tcp"] = port.split("/");
    return `${mapping.split(":").at(-2) ?? mapping}/${protocol}`;
  });
}

function linesOfServices(services: unknown, lineCounter: LineCounter): Map<string, number> {
  const lines = new Map<string, number>();
  for (const { key } of isMap(services) ? services.items : []) {
    if (!isScalar(key) || key.range === undefined || key.range === null) continue;
    lines.set(String(key.value), lineCounter.linePos(key.range[0]).line);
  }
  return lines;
}
