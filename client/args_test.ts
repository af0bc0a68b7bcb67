import { assertEquals, assertInstanceOf, assertStringIncludes, assertThrows } from "@std/assert";
import { asksForJson, parseCommandLine } from "./args.ts";
import type { Command } from "./commands.ts";
import { CommandFailure } from "./failure.ts";

const tracker = {
  name: "tracker",
  udpPort: "same",
  workers: 1,
  trustedProxies: [],
  trustedClients: [],
  fullScrape: false,
  accessLog: false,
} as const;
const swarm = { peers: [], trackers: [], announceToAll: false, discovery: "tracker" } as const;
const all = { select: [], exclude: [], allocation: "sparse" } as const;

const accepted: readonly (readonly [args: string, command: Command])[] = [
  ["download a.torrent", {
    name: "download",
    source: "a.torrent",
    output: ".",
    seed: false,
    ...all,
    ...swarm,
  }],
  [
    "download a.torrent --output d --seed --peer h:1 --peer [::1]:2 --tracker http://t/announce" +
    " --port 0 --hostname me --max-peers 7 --select *.a --select 1,3 --exclude b/* --allocation full" +
    " --memory 8M --state s --move-to m --announce-to-all",
    {
      name: "download",
      source: "a.torrent",
      output: "d",
      seed: true,
      peers: [{ host: "h", port: 1 }, { host: "::1", port: 2 }],
      trackers: ["http://t/announce"],
      announceToAll: true,
      discovery: "tracker",
      port: 0,
      hostname: "me",
      peersMax: 7,
      select: ["*.a", "1,3"],
      exclude: ["b/*"],
      allocation: "full",
      memoryBytes: 8 * 2 ** 20,
      state: "s",
      moveTo: "m",
    },
  ],
  ["seed a.torrent --archives d", { name: "seed", source: "a.torrent", archives: "d", ...swarm }],
  ["seed --archives=d a.torrent", { name: "seed", source: "a.torrent", archives: "d", ...swarm }],
  ["create p", {
    name: "create",
    path: "p",
    trackers: [],
    private: false,
    format: "v1",
    align: false,
  }],
  [
    "create p --tracker http://a/announce --tracker udp://b:1 --output o --piece-length 256K" +
    " --private --comment hi --format hybrid --align",
    {
      name: "create",
      path: "p",
      trackers: ["http://a/announce", "udp://b:1"],
      private: true,
      format: "hybrid",
      align: true,
      output: "o",
      pieceLength: 262144,
      comment: "hi",
    },
  ],
  ["create p --piece-length 1MiB", {
    name: "create",
    path: "p",
    trackers: [],
    private: false,
    format: "v1",
    align: false,
    pieceLength: 1048576,
  }],
  ["show 1e3", { name: "show", source: "1e3" }],
  ["show -- -x", { name: "show", source: "-x" }],
  ["verify a.torrent d", { name: "verify", source: "a.torrent", directory: "d" }],
  ["tracker", { ...tracker, hostname: "0.0.0.0", port: 6969 }],
  [
    "tracker --store redis://:p@a:1,b:2",
    { ...tracker, hostname: "0.0.0.0", port: 6969, storeUrl: "redis://:p@a:1,b:2" },
  ],
  ["tracker --hostname ::1 --port 80 --interval 60", {
    ...tracker,
    hostname: "::1",
    port: 80,
    intervalSeconds: 60,
  }],
  ["trackers a.torrent", { name: "trackers", source: "a.torrent", trackers: [] }],
  ["trackers a.torrent --tracker udp://t:1 --state s", {
    name: "trackers",
    source: "a.torrent",
    trackers: ["udp://t:1"],
    state: "s",
  }],
  ["demo --json", { name: "demo" }],
  ["demo --version", { name: "version" }],
  ["--help", { name: "help", topic: null, isWanted: true }],
  ["-h", { name: "help", topic: null, isWanted: true }],
  ["help seed", { name: "help", topic: "seed", isWanted: true }],
  ["download --help", { name: "help", topic: "download", isWanted: true }],
  ["demo --help", { name: "help", topic: "demo", isWanted: true }],
  ["", { name: "help", topic: null, isWanted: false }],
  ["--version", { name: "version" }],
  ["seed -V", { name: "version" }],
  ["--torrent=f --archives=d --hostname=h", {
    name: "download",
    source: "f",
    output: "d",
    seed: true,
    hostname: "h",
    ...all,
    ...swarm,
  }],
  [
    "--torrent=f --archives=d --hostname=h --discovery-mode=tracker --bootstrap=a:1,b:2 --overlay-port=6000",
    { name: "download", source: "f", output: "d", seed: true, hostname: "h", ...all, ...swarm },
  ],
  [
    "--torrent=f --archives=d --tracker=http://t/announce --peer=h:1",
    {
      name: "download",
      source: "f",
      output: "d",
      seed: true,
      peers: [{ host: "h", port: 1 }],
      trackers: ["http://t/announce"],
      announceToAll: false,
      discovery: "tracker",
      ...all,
    },
  ],
];

for (const [args, command] of accepted) {
  Deno.test(`parseCommandLine() reads: ${args || "nothing"}`, () => {
    assertEquals(parseCommandLine(words(args)).command, command);
  });
}

const refused: readonly (readonly [args: string, message: string])[] = [
  ["download", "SOURCE is missing; see enjambre download --help"],
  ["download a b", "Unexpected argument b; see enjambre download --help"],
  ["download a --foo", "Unknown option --foo for download; see enjambre download --help"],
  ["download a --foo=1", "Unknown option --foo for download; see enjambre download --help"],
  ["download a -x", "Unknown option -x for download; see enjambre download --help"],
  ["download a --output", "--output needs a value; see enjambre download --help"],
  ["download a --output=", "--output needs a value; see enjambre download --help"],
  ["download a --output --seed", "--output needs a value; see enjambre download --help"],
  ["download a --port 1 --port 2", "--port is given twice; see enjambre download --help"],
  ["download a --port 65536", '--port is "65536"; a whole number from 0 to 65535 is due'],
  ["download a --port 1e3", '--port is "1e3"; a whole number from 0 to 65535 is due'],
  ["download a --max-peers 0", '--max-peers is "0"; a whole number from 1 to 10000 is due'],
  ["download a --peer h", '--peer is "h"; HOST:PORT or [IPv6]:PORT is due, such as 192.0.2.7:6881'],
  ["download a --peer ::1:80", '--peer is "::1:80"; HOST:PORT or [IPv6]:PORT is due'],
  ["download a --peer h:0", '--peer is "h:0"; HOST:PORT or [IPv6]:PORT is due'],
  ["download a --tracker t", `--tracker is "t"; a tracker's URL is due`],
  ["download a --hostname h:1:x", '--hostname is "h:1:x"; a host name or an address is due'],
  ["download a --quiet --verbose", "--quiet and --verbose exclude each other"],
  ["tracker --store redis://h --workers 2", "--store and --workers exclude each other"],
  ["tracker --store h:1", "--store: Cannot read store URL: it should be redis://HOST:PORT"],
  ["seed a", "--archives DIR is missing; see enjambre seed --help"],
  [
    "create p --piece-length 100K",
    '--piece-length is "100K"; a power of two from 16K to 64M is due',
  ],
  ["create p --piece-length 8K", '--piece-length is "8K"; a power of two from 16K to 64M is due'],
  ["create p --piece-length 1G", '--piece-length is "1G"; a power of two from 16K to 64M is due'],
  ["create p --format v3", '--format is "v3"; v1, v2 or hybrid is due'],
  ["verify a", "DIR is missing; see enjambre verify --help"],
  ["tracker --interval 0", '--interval is "0"; a whole number from 1 to 86400 is due'],
  ["dwnload a", "Unknown command dwnload; did you mean download?"],
  ["help foo", "Unknown command foo; see enjambre --help"],
  ["--foo", "Unknown option --foo; see enjambre --help"],
  ["demo x", "Unexpected argument x; see enjambre demo --help"],
  ["demo --foo", "Unknown option --foo for demo; see enjambre demo --help"],
  ["--torrent=f", "--archives DIR is missing; see enjambre --help"],
  ["--archives=d", "--torrent FILE is missing; see enjambre --help"],
  [
    "--torrent=f --archives=d --discovery-mode=dht",
    '--discovery-mode is "dht"; tracker, overlay or both is due',
  ],
  ["--torrent=f --archives=d --bootstrap=a", '--bootstrap is "a"; HOST:PORT'],
];

for (const [args, message] of refused) {
  Deno.test(`parseCommandLine() refuses: ${args}`, () => {
    const failure = assertThrows(() => parseCommandLine(words(args)));
    assertInstanceOf(failure, CommandFailure);
    assertStringIncludes(failure.message, message);
    assertEquals([failure.code, failure.exitCode], ["usage", 2]);
  });
}

Deno.test("parseCommandLine() takes the output options before and after the command", () => {
  for (const args of ["--json --verbose show f", "show f -v --json", "--json show -v f"]) {
    const { output } = parseCommandLine(words(args));
    assertEquals(output, { json: true, quiet: false, verbose: true });
  }
  assertEquals(parseCommandLine(["show", "f", "-q"]).output.quiet, true);
});

Deno.test("asksForJson() looks at options only", () => {
  assertEquals(asksForJson(["x", "--json"]), true);
  assertEquals(asksForJson(["x", "--", "--json"]), false);
});

function words(args: string): string[] {
  return args === "" ? [] : args.split(" ");
}

Deno.test("parseCommandLine() takes a tracker's options from the environment, too", () => {
  const environment: Record<string, string> = {
    ENJAMBRE_TRACKER_PORT: "7000",
    ENJAMBRE_TRACKER_UDP_PORT: "7001",
    ENJAMBRE_TRACKER_TRUSTED_PROXY: "10.0.0.0/8, ::1",
    ENJAMBRE_TRACKER_FULL_SCRAPE: "1",
    ENJAMBRE_TRACKER_ACCESS_LOG: "0",
    ENJAMBRE_TRACKER_ALLOW: "",
    ENJAMBRE_TRACKER_RATE: "50",
  };
  const read = (line: string) => parseCommandLine(line.split(" "), (name) => environment[name]);
  assertEquals(read("tracker --port 8000 --passkeys=p --quiet").command, {
    ...tracker,
    hostname: "0.0.0.0",
    port: 8000,
    udpPort: 7001,
    trustedProxies: ["10.0.0.0/8", "::1"],
    fullScrape: true,
    requestsPerSecond: 50,
    passkeysFile: "p",
  });
  assertThrows(() => read("tracker --no-udp"), CommandFailure, "exclude each other");
  assertThrows(() => read("tracker --cert c"), CommandFailure, "go together");
  environment["ENJAMBRE_TRACKER_PORT"] = "many";
  assertThrows(() => read("tracker"), CommandFailure, '--port is "many"');
  assertEquals(read("show a").command.name, "show");
});
