/**
 * Reads the options of the overlay: those of a client that takes part in it, and those of a node alone.
 *
 * @module
 */
import { formatAddress } from "@enjambre/peerwire";
import type {
  OverlayCommand,
  OverlayOptions,
  OverlayStatusCommand,
  SwarmOptions,
} from "./commands.ts";
import { usageFailure } from "./failure.ts";
import { readAddress, readDiscoveryMode, readHostname, readPort } from "./values.ts";

/** Where a node listens unless told otherwise, as in the system that this one succeeds. */
export const OVERLAY_PORT_DEFAULT = 6000;

/** Most nodes that may be asked to hold each record: from there on they may as well be all. */
export const REPLICATION_MAX = 1000;

/** Options with a value that both take. */
export const overlayValues: readonly string[] = [
  "overlay-replication",
  "overlay-cluster",
  "overlay-secret-file",
];

/** Options with a value that may be given several times. */
export const overlayLists: readonly string[] = ["bootstrap"];

/** Options without a value. */
export const overlaySwitches: readonly string[] = ["overlay-compat"];

/** The options of one command line. */
export interface GivenOptions {
  /** The arguments that are no options. */
  readonly positionals: readonly string[];
  /** Whether an option without a value is there. */
  has(name: string): boolean;
  /** The values of an option. */
  list(name: string): readonly string[];
  /** The value of an option, read. */
  read<T>(name: string, read: (option: string, text: string) => T): T | undefined;
}

/** Reads where the peers of a swarm are to come from. */
export function readDiscovery(given: GivenOptions): Pick<SwarmOptions, "discovery" | "overlay"> {
  const isAsked =
    [...overlayValues, ...overlayLists, "overlay-port"].some((name) =>
      given.list(name).length > 0
    ) || overlaySwitches.some((name) => given.has(name));
  const discovery = given.read("discovery-mode", readDiscoveryMode) ??
    (isAsked ? "both" : "tracker");
  // They are read in any case: what makes no sense is told of.
  const overlay = readOverlay(given, "overlay-port");
  if (discovery === "tracker") return { discovery };
  if (discovery === "overlay" && given.list("tracker").length > 0) {
    throw usageFailure(
      "--discovery-mode=overlay asks no tracker; leave --tracker out, or use both",
    );
  }
  return { discovery, overlay };
}

/** Reads `overlay` and `overlay status [HOST:PORT]`. */
export function readOverlayCommand(given: GivenOptions): OverlayCommand | OverlayStatusCommand {
  const [word, address] = given.positionals;
  if (word === undefined) {
    const options = readOverlay(given, "port");
    return { name: "overlay", ...options, port: options.port ?? OVERLAY_PORT_DEFAULT };
  }
  if (word !== "status") {
    throw usageFailure(`Unknown word ${word}; enjambre overlay status shows how a node is`);
  }
  const runs =
    ["port", "hostname", ...overlayValues, ...overlayLists].find((name) =>
      given.list(name).length > 0
    ) ?? overlaySwitches.find((name) => given.has(name));
  if (runs !== undefined) {
    throw usageFailure(`--${runs} is for running a node; leave it out of enjambre overlay status`);
  }
  const state = given.list("state")[0];
  return {
    name: "overlay-status",
    ...(address !== undefined && { address: readNode("HOST:PORT", address) }),
    ...(state !== undefined && { state }),
  };
}

function readOverlay(given: GivenOptions, portName: string): OverlayOptions {
  const port = given.read(portName, readPort);
  const hostname = given.read("hostname", readHostname);
  const cluster = given.read("overlay-cluster", readCluster);
  const replication = given.read("overlay-replication", readReplication);
  const secretFile = given.list("overlay-secret-file")[0];
  const state = given.list("state")[0];
  const isCompatible = given.has("overlay-compat");
  if (isCompatible && secretFile !== undefined) {
    throw usageFailure(
      "--overlay-compat and --overlay-secret-file exclude each other: old nodes have no secret",
    );
  }
  return {
    bootstrap: given.list("bootstrap").flatMap((text) =>
      text.split(",").map((each) => readNode("--bootstrap", each.trim()))
    ),
    isCompatible,
    ...(port !== undefined && { port }),
    ...(hostname !== undefined && { hostname }),
    ...(cluster !== undefined && { cluster }),
    ...(replication !== undefined && { replication }),
    ...(secretFile !== undefined && { secretFile }),
    ...(state !== undefined && { state }),
  };
}

function readNode(option: string, text: string): string {
  return formatAddress(readAddress(option, text));
}

function readCluster(option: string, text: string): string {
  if (/^[\w.-]{1,64}$/.test(text)) return text;
  throw usageFailure(
    `${option} is ${JSON.stringify(text.slice(0, 100))}; ` +
      "up to 64 letters, digits, dots, - and _ are due",
  );
}

function readReplication(option: string, text: string): "all" | number {
  const value = /^\d{1,15}$/.test(text) ? Number(text) : NaN;
  if (value >= 1 && value <= REPLICATION_MAX) return value;
  if (text === "all") return text;
  throw usageFailure(
    `${option} is ${JSON.stringify(text.slice(0, 100))}; ` +
      `a whole number from 1 to ${REPLICATION_MAX}, or all, is due`,
  );
}
