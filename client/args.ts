/**
 * Reads command lines.
 *
 * @module
 */
import { WORKERS_MAX } from "@enjambre/tracker";
import { parseArgs } from "@std/cli/parse-args";
import {
  type Command,
  COMMAND_NAMES,
  type CommandLine,
  type CommandName,
  type DownloadOptions,
  type OutputOptions,
  type SwarmOptions,
  type TrackerCommand,
} from "./commands.ts";
import { clusterLists, clusterValues, readCluster } from "./cluster_args.ts";
import { type CommandFailure, usageFailure } from "./failure.ts";
import {
  overlayLists,
  overlaySwitches,
  overlayValues,
  readDiscovery,
  readOverlayCommand,
} from "./overlay_args.ts";
import {
  readAddress,
  readAllocation,
  readCount,
  readFormat,
  readHostname,
  readPieceLength,
  readPort,
  readRate,
  readSize,
  readStoreUrl,
  readTrackerUrl,
} from "./values.ts";

/** Where our tracker listens unless told otherwise, the port that many trackers have. */
export const TRACKER_PORT_DEFAULT = 6969;
/** Most connections that may be asked for. */
export const PEERS_MAX_MAX = 10_000;

/** What a command takes. */
interface Syntax {
  /** Options with a value. */
  readonly values: readonly string[];
  /** Options with a value that may be given several times. */
  readonly lists: readonly string[];
  /** Options without a value. */
  readonly switches: readonly string[];
  /** What its arguments are called in messages. */
  readonly positionals: readonly string[];
  /** The same of those that may be left out. */
  readonly optional?: readonly string[];
}

const swarmValues = [
  ...["port", "hostname", "max-peers", "upload-limit", "download-limit", "state"],
  ...["discovery-mode", "overlay-port", ...overlayValues],
];
const downloadValues = ["allocation", "memory", "move-to"];
const downloadLists = ["select", "exclude"];
const swarmLists = ["peer", "tracker", ...overlayLists];
const swarmSwitches = ["announce-to-all", ...overlaySwitches];
const globalSwitches = ["help", "json", "quiet", "verbose", "version"];
const aliases = { help: "h", quiet: "q", verbose: "v", version: "V" };

const trackerSyntax: Syntax = {
  values: [
    ...["hostname", "port", "udp-port", "interval", "workers", "cert", "key", "metrics-port"],
    ...["allow", "deny", "passkeys", "rate", "max-connections", "address-connections"],
    ...["store", ...clusterValues],
  ],
  lists: ["trusted-proxy", "trusted-client", ...clusterLists],
  switches: ["no-udp", "full-scrape", "access-log"],
  positionals: [],
};

const syntaxes: Readonly<Record<CommandName, Syntax>> = {
  download: {
    values: ["output", ...downloadValues, ...swarmValues],
    lists: [...downloadLists, ...swarmLists],
    switches: ["seed", ...swarmSwitches],
    positionals: ["SOURCE"],
  },
  seed: {
    values: ["archives", ...swarmValues],
    lists: swarmLists,
    switches: swarmSwitches,
    positionals: ["TORRENT"],
  },
  create: {
    values: ["output", "piece-length", "comment", "format"],
    lists: ["tracker"],
    switches: ["private", "align"],
    positionals: ["PATH"],
  },
  show: { values: [], lists: [], switches: [], positionals: ["FILE"] },
  verify: { values: [], lists: [], switches: [], positionals: ["TORRENT", "DIR"] },
  tracker: trackerSyntax,
  trackers: { values: ["state"], lists: ["tracker"], switches: [], positionals: ["TORRENT"] },
  overlay: {
    values: ["port", "hostname", "state", ...overlayValues],
    lists: overlayLists,
    switches: overlaySwitches,
    positionals: [],
    optional: ["status", "HOST:PORT"],
  },
  demo: { values: [], lists: [], switches: [], positionals: [] },
};

/** The options of the system that this one succeeds, and ours for a swarm; no command word goes with them. */
const olderSyntax: Syntax = {
  values: ["torrent", "archives", ...downloadValues, ...swarmValues],
  lists: [...downloadLists, ...swarmLists],
  switches: swarmSwitches,
  positionals: [],
};

/**
 * Reads a command line. `environment` gives variables by name: every option of `tracker` may be one of
 * them, `ENJAMBRE_TRACKER_PORT` for `--port`; what the command line says wins.
 *
 * **Errors**: `CommandFailure` with the exit code 2, whose message says what to do instead.
 *
 * @example
 * ```ts
 * import { parseCommandLine } from "./args.ts";
 *
 * const { command } = parseCommandLine(["download", "debian.torrent", "--output", "isos"]);
 * console.log(command.name === "download" && command.output); // isos
 * ```
 */
export function parseCommandLine(
  args: readonly string[],
  environment: (name: string) => string | undefined = () => undefined,
): CommandLine {
  const wordAt = args.findIndex((arg) => !isGlobalSwitch(arg));
  const word = args[wordAt];
  if (word === undefined || word.startsWith("-")) return parseWithoutWord(args);
  const rest = [...args.slice(0, wordAt), ...args.slice(wordAt + 1)];
  if (word === "help") return parseHelp(rest);
  const name = COMMAND_NAMES.find((each) => each === word);
  if (name === undefined) throw usageFailure(`Unknown command ${word}${suggestion(word)}`);
  const given = name === "tracker" ? [...argsOf(environment, rest), ...rest] : rest;
  const values = new Values(given, syntaxes[name], name);
  const output = values.output;
  if (values.has("help")) return { command: { name: "help", topic: name, isWanted: true }, output };
  if (values.has("version")) return { command: { name: "version" }, output };
  return { command: readers[name](values), output };
}

/** The options of `tracker` that stand in the environment and not on the command line; lists have commas. */
function argsOf(
  environment: (name: string) => string | undefined,
  args: readonly string[],
): string[] {
  const { values, lists, switches } = trackerSyntax;
  return [...values, ...lists, ...switches].flatMap((name) => {
    const option = `--${name}`;
    const text = environment(`ENJAMBRE_TRACKER_${name.toUpperCase().replaceAll("-", "_")}`) ?? "";
    if (text === "" || args.some((arg) => arg === option || arg.startsWith(`${option}=`))) {
      return [];
    }
    if (switches.includes(name)) return /^(1|true|yes|on)$/i.test(text) ? [option] : [];
    const texts = lists.includes(name) ? text.split(",").map((each) => each.trim()) : [text];
    return texts.map((each) => `${option}=${each}`);
  });
}

/** Tells whether a command line asks for JSON, also where it cannot be read otherwise. */
export function asksForJson(args: readonly string[]): boolean {
  const end = args.indexOf("--");
  return (end < 0 ? args : args.slice(0, end)).includes("--json");
}

/** The options of one command line, checked against what the command takes. */
class Values {
  readonly output: OutputOptions;
  readonly positionals: readonly string[];
  readonly #options: Readonly<Record<string, unknown>>;
  readonly #helpAt: string;

  constructor(args: readonly string[], syntax: Syntax, commandName: CommandName | null) {
    this.#helpAt = commandName === null ? "enjambre --help" : `enjambre ${commandName} --help`;
    const parsed = parseArgs([...args], {
      boolean: [...globalSwitches, ...syntax.switches],
      string: [...syntax.values, ...syntax.lists, "_"],
      collect: [...syntax.values, ...syntax.lists],
      alias: aliases,
      unknown: (arg, key) => {
        // Without a key it is no option.
        if (key !== undefined) throw this.#unknown(arg, commandName, syntax);
        return true;
      },
    });
    // The names are not literals here, so the types that parseArgs derives from them say nothing.
    this.#options = parsed as unknown as Record<string, unknown>;
    this.positionals = (this.#options["_"] as unknown[]).map(String);
    this.output = {
      json: this.has("json"),
      quiet: this.has("quiet"),
      verbose: this.has("verbose"),
    };
    if (this.has("help") || this.has("version")) return;
    for (const name of [...syntax.values, ...syntax.lists]) {
      if (this.list(name).includes("")) throw this.#usage(`--${name} needs a value`);
    }
    for (const name of syntax.values) {
      if (this.list(name).length > 1) throw this.#usage(`--${name} is given twice`);
    }
    this.#checkPositionals(syntax.positionals, syntax.optional ?? []);
    if (this.output.quiet && this.output.verbose) {
      throw this.#usage("--quiet and --verbose exclude each other");
    }
  }

  has(name: string): boolean {
    return this.#options[name] === true;
  }

  list(name: string): readonly string[] {
    return (this.#options[name] as string[] | undefined) ?? [];
  }

  /** The value of an option, read; undefined where the option is absent. */
  read<T>(name: string, read: (option: string, text: string) => T): T | undefined {
    const text = this.list(name)[0];
    return text === undefined ? undefined : read(`--${name}`, text);
  }

  /** The value of an option that has to be there. */
  required(name: string, placeholder: string): string {
    const text = this.list(name)[0];
    if (text !== undefined) return text;
    throw this.#usage(`--${name} ${placeholder} is missing`);
  }

  #checkPositionals(required: readonly string[], optional: readonly string[]): void {
    const missing = required[this.positionals.length];
    if (missing !== undefined) throw this.#usage(`${missing} is missing`);
    const names = [...required, ...optional];
    const extra = this.positionals[names.length];
    if (extra !== undefined) throw this.#usage(`Unexpected argument ${extra}`);
    const empty = this.positionals.indexOf("");
    if (empty >= 0) throw this.#usage(`${names[empty]} is empty`);
  }

  #unknown(arg: string, commandName: CommandName | null, syntax: Syntax): CommandFailure {
    const option = arg.replace(/(?<=.)=.*$/s, "");
    const known = [...syntax.values, ...syntax.lists, ...syntax.switches, ...globalSwitches];
    if (known.includes(option.replace(/^--/, ""))) return this.#usage(`${option} needs a value`);
    return this.#usage(
      `Unknown option ${option}${commandName === null ? "" : ` for ${commandName}`}`,
    );
  }

  #usage(message: string): CommandFailure {
    return usageFailure(`${message}; see ${this.#helpAt}`);
  }
}

const readers: Readonly<Record<CommandName, (values: Values) => Command>> = {
  download: (values) => ({
    name: "download",
    source: values.positionals[0]!,
    output: values.list("output")[0] ?? ".",
    seed: values.has("seed"),
    ...readDownloadOptions(values),
    ...readSwarmOptions(values),
  }),
  seed: (values) => ({
    name: "seed",
    source: values.positionals[0]!,
    archives: values.required("archives", "DIR"),
    ...readSwarmOptions(values),
  }),
  create: (values) => ({
    name: "create",
    path: values.positionals[0]!,
    trackers: values.list("tracker").map((text) => readTrackerUrl("--tracker", text)),
    private: values.has("private"),
    format: values.read("format", readFormat) ?? "v1",
    align: values.has("align"),
    ...present("output", values.list("output")[0]),
    ...present("pieceLength", values.read("piece-length", readPieceLength)),
    ...present("comment", values.list("comment")[0]),
  }),
  show: (values) => ({ name: "show", source: values.positionals[0]! }),
  verify: (values) => ({
    name: "verify",
    source: values.positionals[0]!,
    directory: values.positionals[1]!,
  }),
  tracker: readTracker,
  trackers: (values) => ({
    name: "trackers",
    source: values.positionals[0]!,
    trackers: values.list("tracker").map((text) => readTrackerUrl("--tracker", text)),
    ...present("state", values.list("state")[0]),
  }),
  overlay: readOverlayCommand,
  demo: () => ({ name: "demo" }),
};

function readTracker(values: Values): TrackerCommand {
  const count = (name: string, max: number): number | undefined =>
    values.read(name, (option, text) => readCount(option, text, 1, max));
  if ((values.list("cert").length > 0) !== (values.list("key").length > 0)) {
    throw usageFailure("--cert and --key go together; see enjambre tracker --help");
  }
  if (values.has("no-udp") && values.list("udp-port").length > 0) {
    throw usageFailure("--udp-port and --no-udp exclude each other");
  }
  const workers = count("workers", WORKERS_MAX) ?? 1;
  const storeUrl = values.read("store", readStoreUrl);
  const cluster = readCluster(values);
  if (storeUrl !== undefined && workers > 1) {
    throw usageFailure(
      "--store and --workers exclude each other: start more trackers on one store",
    );
  }
  if (storeUrl !== undefined && cluster !== undefined) {
    throw usageFailure(
      "--store and --cluster exclude each other: trackers on one store share swarms",
    );
  }
  return {
    name: "tracker",
    hostname: values.read("hostname", readHostname) ?? "0.0.0.0",
    port: values.read("port", readPort) ?? TRACKER_PORT_DEFAULT,
    udpPort: values.has("no-udp") ? null : values.read("udp-port", readPort) ?? "same",
    workers,
    trustedProxies: values.list("trusted-proxy"),
    trustedClients: values.list("trusted-client"),
    fullScrape: values.has("full-scrape"),
    accessLog: values.has("access-log"),
    ...present("intervalSeconds", count("interval", 86_400)),
    ...present("requestsPerSecond", count("rate", 1_000_000)),
    ...present("connectionsMax", count("max-connections", 1_000_000)),
    ...present("connectionsPerAddress", count("address-connections", 1_000_000)),
    ...present("metricsPort", values.read("metrics-port", readPort)),
    ...present("certFile", values.list("cert")[0]),
    ...present("keyFile", values.list("key")[0]),
    ...present("allowFile", values.list("allow")[0]),
    ...present("denyFile", values.list("deny")[0]),
    ...present("passkeysFile", values.list("passkeys")[0]),
    ...present("storeUrl", storeUrl),
    ...present("cluster", cluster),
  };
}

function readSwarmOptions(values: Values): SwarmOptions {
  return {
    peers: values.list("peer").map((text) => readAddress("--peer", text)),
    trackers: values.list("tracker").map((text) => readTrackerUrl("--tracker", text)),
    announceToAll: values.has("announce-to-all"),
    ...readDiscovery(values),
    ...present("port", values.read("port", readPort)),
    ...present("hostname", values.read("hostname", readHostname)),
    ...present(
      "peersMax",
      values.read("max-peers", (option, text) => readCount(option, text, 1, PEERS_MAX_MAX)),
    ),
    ...present("uploadLimit", values.read("upload-limit", readRate)),
    ...present("downloadLimit", values.read("download-limit", readRate)),
    ...present("state", values.list("state")[0]),
  };
}

function readDownloadOptions(values: Values): DownloadOptions {
  return {
    select: values.list("select"),
    exclude: values.list("exclude"),
    allocation: values.read("allocation", readAllocation) ?? "sparse",
    ...present("memoryBytes", values.read("memory", readSize)),
    ...present("moveTo", values.list("move-to")[0]),
  };
}

/** Reads `help [COMMAND]`. */
function parseHelp(args: readonly string[]): CommandLine {
  const values = new Values(
    [...args, "--help"],
    { values: [], lists: [], switches: [], positionals: [] },
    null,
  );
  const word = values.positionals[0];
  const topic = COMMAND_NAMES.find((each) => each === word) ?? null;
  if (word !== undefined && topic === null) {
    throw usageFailure(`Unknown command ${word}${suggestion(word)}`);
  }
  return { command: { name: "help", topic, isWanted: true }, output: values.output };
}

/** Reads a command line without command word: the options of the older system, or `--help` and the like. */
function parseWithoutWord(args: readonly string[]): CommandLine {
  const values = new Values(args, olderSyntax, null);
  const { output } = values;
  if (values.has("version")) return { command: { name: "version" }, output };
  const names = [...olderSyntax.values, ...olderSyntax.lists];
  const isOlder = names.some((name) => values.list(name).length > 0);
  if (values.has("help") || !isOlder) {
    return { command: { name: "help", topic: null, isWanted: values.has("help") }, output };
  }
  const source = values.required("torrent", "FILE");
  const folder = values.required("archives", "DIR");
  return {
    command: {
      name: "download",
      source,
      output: folder,
      seed: true,
      ...readDownloadOptions(values),
      ...readSwarmOptions(values),
    },
    output,
  };
}

function isGlobalSwitch(arg: string): boolean {
  return globalSwitches.includes(arg.replace(/^--/, "")) && arg.startsWith("--") ||
    Object.values(aliases).includes(arg.slice(1)) && arg.startsWith("-") && arg.length === 2;
}

/** "; did you mean seed?" where one letter or two are wrong, else where help is. */
function suggestion(word: string): string {
  const near = COMMAND_NAMES.find((name) => distance(word, name) <= 2);
  return near === undefined ? "; see enjambre --help" : `; did you mean ${near}?`;
}

/** How many letters have to be changed, added or taken away (Levenshtein). */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= Math.min(a.length, 20); i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[b.length]! + Math.max(0, a.length - 20);
}

/** A property that is only there where it has a value. */
function present<Name extends string, T>(
  name: Name,
  value: T | undefined,
): { readonly [Key in Name]?: T } {
  return value === undefined ? {} : { [name]: value } as { readonly [Key in Name]?: T };
}
