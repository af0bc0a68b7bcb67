import { assertEquals, assertInstanceOf, assertStringIncludes, assertThrows } from "@std/assert";
import { parseCommandLine } from "./args.ts";
import type { DownloadCommand, OverlayOptions, SeedCommand } from "./commands.ts";
import { CommandFailure } from "./failure.ts";

const nobody: OverlayOptions = { bootstrap: [], isCompatible: false };
const guide = "--hostname=client1 --torrent=f --archives=d --bootstrap=client2:6000,client3:6000";

function read(args: string): DownloadCommand | SeedCommand {
  return parseCommandLine(args.split(" ")).command as DownloadCommand | SeedCommand;
}

Deno.test("readDiscovery() takes part in the overlay where that is asked for", () => {
  const cases: readonly (readonly [string, string, OverlayOptions | undefined])[] = [
    ["download a", "tracker", undefined],
    ["download a --discovery-mode overlay", "overlay", nobody],
    ["seed a --archives d --discovery-mode both", "both", nobody],
    // Whoever names a node means the overlay, and does not mean to leave the trackers out.
    ["download a --bootstrap h:1", "both", { ...nobody, bootstrap: ["h:1"] }],
    ["seed a --archives d --overlay-port 0", "both", { ...nobody, port: 0 }],
    ["download a --overlay-compat", "both", { ...nobody, isCompatible: true }],
    ["download a --overlay-cluster x", "both", { ...nobody, cluster: "x" }],
    ["download a --bootstrap h:1 --discovery-mode tracker", "tracker", undefined],
    [
      "download a --bootstrap a:1,[::1]:2 --bootstrap c:3 --hostname h --overlay-port 7" +
      " --overlay-replication 3 --overlay-cluster x --overlay-secret-file s --state st",
      "both",
      {
        bootstrap: ["a:1", "[::1]:2", "c:3"],
        isCompatible: false,
        port: 7,
        hostname: "h",
        cluster: "x",
        replication: 3,
        secretFile: "s",
        state: "st",
      },
    ],
    [
      "download a --overlay-replication all --discovery-mode=overlay",
      "overlay",
      { ...nobody, replication: "all" },
    ],
  ];
  for (const [args, discovery, overlay] of cases) {
    const command = read(args);
    assertEquals([command.discovery, command.overlay], [discovery, overlay], args);
  }
});

Deno.test("readDiscovery() reads what the older system's guide says", () => {
  const overlay = {
    bootstrap: ["client2:6000", "client3:6000"],
    isCompatible: false,
    port: 6000,
    hostname: "client1",
  };
  const command = read(`${guide} --discovery-mode=overlay --overlay-port=6000`) as DownloadCommand;
  assertEquals([command.discovery, command.overlay], ["overlay", overlay]);
  const { source, output, seed, hostname } = command;
  assertEquals([source, output, seed, hostname], ["f", "d", true, "client1"]);
  const tracker = read(`${guide} --discovery-mode=tracker --overlay-port=6000`);
  assertEquals([tracker.discovery, tracker.overlay], ["tracker", undefined]);
});

Deno.test("readOverlayCommand() reads a node, and a question to one", () => {
  const cases: readonly (readonly [string, object])[] = [
    ["overlay", { name: "overlay", ...nobody, port: 6000 }],
    ["overlay --port 0 --hostname h --bootstrap a:1 --overlay-compat", {
      name: "overlay",
      bootstrap: ["a:1"],
      isCompatible: true,
      port: 0,
      hostname: "h",
    }],
    ["overlay status", { name: "overlay-status" }],
    ["overlay status h:1 --state s", { name: "overlay-status", address: "h:1", state: "s" }],
    ["overlay --help", { name: "help", topic: "overlay", isWanted: true }],
  ];
  for (const [args, command] of cases) {
    assertEquals(parseCommandLine(args.split(" ")).command as object, command, args);
  }
});

Deno.test("what makes no sense of the overlay is refused, with a remedy", () => {
  const cases: readonly (readonly [string, string])[] = [
    ["download a --discovery-mode dht", "tracker, overlay or both is due"],
    ["download a --bootstrap h", '--bootstrap is "h"; HOST:PORT'],
    ["download a --bootstrap h:1,,", '--bootstrap is ""; HOST:PORT'],
    ["download a --discovery-mode tracker --bootstrap h", '--bootstrap is "h"; HOST:PORT'],
    ["download a --overlay-port x", "a whole number from 0 to 65535 is due"],
    ["download a --overlay-replication 0", "a whole number from 1 to 1000, or all, is due"],
    ["download a --overlay-replication some", "a whole number from 1 to 1000, or all, is due"],
    ["download a --overlay-cluster a/b", "up to 64 letters, digits"],
    ["download a --overlay-compat --overlay-secret-file s", "exclude each other"],
    [
      "download a --discovery-mode overlay --tracker http://t/a",
      "leave --tracker out, or use both",
    ],
    ["overlay --overlay-port 1", "Unknown option --overlay-port for overlay"],
    ["overlay run", "Unknown word run; enjambre overlay status"],
    ["overlay status h", 'HOST:PORT is "h"'],
    ["overlay status h:1 x", "Unexpected argument x"],
    ["overlay status --port 1", "--port is for running a node"],
  ];
  for (const [args, message] of cases) {
    const failure = assertThrows(() => parseCommandLine(args.split(" ")));
    assertInstanceOf(failure, CommandFailure);
    assertStringIncludes(failure.message, message);
    assertEquals(failure.exitCode, 2);
  }
});
