/**
 * What a command line can ask for, once it is read.
 *
 * @module
 */
import type { PeerAddress } from "@enjambre/peerwire";

/** The command words, in the order in which help shows them. */
export const COMMAND_NAMES = [
  "download",
  "seed",
  "create",
  "show",
  "verify",
  "tracker",
  "trackers",
  "overlay",
  "demo",
] as const;

/** A command word. */
export type CommandName = typeof COMMAND_NAMES[number];

/** How much is printed, and how; every command takes these. */
export interface OutputOptions {
  /** One JSON object per line on standard output. */
  readonly json: boolean;
  /** Errors and results only. */
  readonly quiet: boolean;
  /** What happens inside, too. */
  readonly verbose: boolean;
}

/** How to take part in a swarm. */
export interface SwarmOptions {
  /** Peers to begin with. */
  readonly peers: readonly PeerAddress[];
  /** Tracker URLs, asked before the torrent's own. */
  readonly trackers: readonly string[];
  /** Where further peers come from. */
  readonly discovery: "tracker" | "overlay" | "both";
  /** How to take part in the overlay; there unless only trackers are asked. */
  readonly overlay?: OverlayOptions;
  /** Whether to announce to every tracker, not to one at a time. */
  readonly announceToAll: boolean;
  /** The port to listen on. */
  readonly port?: number;
  /** The name under which others reach us. */
  readonly hostname?: string;
  /** Most connections at once. */
  readonly peersMax?: number;
  /** Most that is sent, bytes per second. */
  readonly uploadLimit?: number;
  /** Most that is fetched, bytes per second. */
  readonly downloadLimit?: number;
  /** The folder for what is kept between runs; left out: the system's place for it. */
  readonly state?: string;
}

/** How to take part in the overlay. */
export interface OverlayOptions {
  /** Where to begin: `host:port` each. */
  readonly bootstrap: readonly string[];
  /** Whether the unsigned messages of old nodes are understood. */
  readonly isCompatible: boolean;
  /** The port to listen on; left out: 6000, or a free one where that is taken. */
  readonly port?: number;
  /** The name under which others reach us; left out: an address of this machine. */
  readonly hostname?: string;
  /** Which overlay; left out: the overlay module's default. */
  readonly cluster?: string;
  /** How many nodes hold each record; left out: chosen by their number. */
  readonly replication?: "all" | number;
  /** The file of what all members share; left out: an open overlay. */
  readonly secretFile?: string;
  /** The folder for what is kept between runs; left out: the system's place for it. */
  readonly state?: string;
}

/** What is downloaded, and how it is stored. */
export interface DownloadOptions {
  /** Files that are wanted, by glob or number; all where it is empty. */
  readonly select: readonly string[];
  /** Files that are not wanted of those. */
  readonly exclude: readonly string[];
  /** Whether files take their room on disk as they are written, or at once. */
  readonly allocation: "sparse" | "full";
  /** Bytes that pieces on their way to the disk may take. */
  readonly memoryBytes?: number;
  /** The folder that the files are moved to when they are complete. */
  readonly moveTo?: string;
}

/** Download a torrent. */
export interface DownloadCommand extends SwarmOptions, DownloadOptions {
  readonly name: "download";
  /** A `.torrent` file or an http(s) URL of one. */
  readonly source: string;
  /** The folder to download into. */
  readonly output: string;
  /** Go on as a seed. */
  readonly seed: boolean;
}

/** Seed a torrent. */
export interface SeedCommand extends SwarmOptions {
  readonly name: "seed";
  /** A `.torrent` file or an http(s) URL of one. */
  readonly source: string;
  /** The folder that holds the content. */
  readonly archives: string;
}

/** Make a torrent. */
export interface CreateCommand {
  readonly name: "create";
  /** A file or a folder. */
  readonly path: string;
  /** Tracker URLs, a tier each. */
  readonly trackers: readonly string[];
  /** Where to write the torrent; left out: `NAME.torrent` in the current folder. */
  readonly output?: string;
  /** Bytes in a piece; left out: chosen by size. */
  readonly pieceLength?: number;
  /** What kind of torrent it is to be. */
  readonly format: "v1" | "v2" | "hybrid";
  /** Whether files of a v1 torrent begin at pieces; those of the others always do. */
  readonly align: boolean;
  /** Whether its peers may come from its trackers only. */
  readonly private: boolean;
  /** Words for people. */
  readonly comment?: string;
}

/** Show what a torrent or a magnet link holds. */
export interface ShowCommand {
  readonly name: "show";
  /** A `.torrent` file, an http(s) URL of one, or a magnet link. */
  readonly source: string;
}

/** Check data against a torrent. */
export interface VerifyCommand {
  readonly name: "verify";
  /** A `.torrent` file or an http(s) URL of one. */
  readonly source: string;
  /** The folder that holds the content. */
  readonly directory: string;
}

/** Run a tracker. */
export interface TrackerCommand {
  readonly name: "tracker";
  /** The address to listen on. */
  readonly hostname: string;
  /** The port to listen on. */
  readonly port: number;
  /** The port for UDP; null for no UDP. */
  readonly udpPort: number | "same" | null;
  /** How often peers are to announce; left out: the tracker's own default. */
  readonly intervalSeconds?: number;
  /** How many threads answer. */
  readonly workers: number;
  /** Files of info-hashes that alone are served, and that are not. */
  readonly allowFile?: string;
  readonly denyFile?: string;
  /** A file of passkeys, of which a URL has to have one. */
  readonly passkeysFile?: string;
  /** Certificates and key, in PEM. */
  readonly certFile?: string;
  readonly keyFile?: string;
  /** Whose `X-Forwarded-For` counts. */
  readonly trustedProxies: readonly string[];
  /** Whose `ip` counts. */
  readonly trustedClients: readonly string[];
  /** How many requests an address may send in a second. */
  readonly requestsPerSecond?: number;
  /** Most connections at once of a thread. */
  readonly connectionsMax?: number;
  /** Most of them from one address. */
  readonly connectionsPerAddress?: number;
  /** Whether all swarms may be asked for. */
  readonly fullScrape: boolean;
  /** Whether every request is logged. */
  readonly accessLog: boolean;
  /** Where metrics are told. */
  readonly metricsPort?: number;
  /** Where the swarms are; left out: in memory. */
  readonly storeUrl?: string;
  /** The trackers with which it shares what it knows; left out: it is alone. */
  readonly cluster?: ClusterOptions;
}

/** How a tracker is one of a group that replicate to one another. */
export interface ClusterOptions {
  /** Where the others are, `host:port`. */
  readonly others: readonly string[];
  /** The port on which they reach us. */
  readonly port: number;
  /** The name or address by which they reach us; left out: what the tracker listens on, or one of this machine's. */
  readonly hostname?: string;
  /** The file of the secret that all of them share. */
  readonly secretFile: string;
}

/** Show how a torrent's trackers do. */
export interface TrackersCommand {
  readonly name: "trackers";
  /** A `.torrent` file, an http(s) URL of one, or a magnet link. */
  readonly source: string;
  /** Tracker URLs, shown before the torrent's own. */
  readonly trackers: readonly string[];
  /** The folder for what is kept between runs; left out: the system's place for it. */
  readonly state?: string;
}

/** Run a node of the overlay that downloads nothing. */
export interface OverlayCommand extends OverlayOptions {
  readonly name: "overlay";
  readonly port: number;
}

/** Show how the overlay nodes on this machine are. */
export interface OverlayStatusCommand {
  readonly name: "overlay-status";
  /** Which of them, `host:port`; left out: all. */
  readonly address?: string;
  /** The folder for what is kept between runs; left out: the system's place for it. */
  readonly state?: string;
}

/** Show a swarm at work. */
export interface DemoCommand {
  readonly name: "demo";
}

/** Print help. */
export interface HelpCommand {
  readonly name: "help";
  /** The command that it is about; null for all of them. */
  readonly topic: CommandName | null;
  /** Whether it was asked for; if not, nothing was, and that is wrong usage. */
  readonly isWanted: boolean;
}

/** Print the version. */
export interface VersionCommand {
  readonly name: "version";
}

/** What a command line asks for. */
export type Command =
  | DownloadCommand
  | SeedCommand
  | CreateCommand
  | ShowCommand
  | VerifyCommand
  | TrackerCommand
  | TrackersCommand
  | OverlayCommand
  | OverlayStatusCommand
  | DemoCommand
  | HelpCommand
  | VersionCommand;

/** A command line, read. */
export interface CommandLine {
  /** What to do. */
  readonly command: Command;
  /** How to tell. */
  readonly output: OutputOptions;
}
