/**
 * How a command fails: one line that says what is wrong and what to do, a code for programs, an exit code.
 *
 * @module
 */
import { BencodeSyntaxError } from "@enjambre/bencode";
import { MagnetSyntaxError, TorrentSyntaxError } from "@enjambre/metainfo";
import { StorageError } from "@enjambre/storage";
import { TrackerError } from "@enjambre/tracker";
import { sentence, shown } from "./text.ts";

/** Done. */
export const EXIT_DONE = 0;
/** Failed. */
export const EXIT_FAILED = 1;
/** Wrong usage. */
export const EXIT_USAGE = 2;
/** Interrupted. */
export const EXIT_INTERRUPTED = 130;

/** A command could not do what it was asked. */
export class CommandFailure extends Error {
  /** The error's class name, kept when code is minified. */
  override readonly name: string = "CommandFailure";
  /** What kind of trouble it is, for programs: `usage`, `not-found`, `torrent-syntax`… */
  readonly code: string;
  /** What the process ends with. */
  readonly exitCode: number;

  /** Makes a failure; `message` is one line for a person. */
  constructor(
    code: string,
    message: string,
    exitCode: number = EXIT_FAILED,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.code = code;
    this.exitCode = exitCode;
  }
}

/** Makes the failure of a command line that makes no sense. */
export function usageFailure(message: string): CommandFailure {
  return new CommandFailure("usage", message, EXIT_USAGE);
}

/** Makes the reason with which a command is ended from the keyboard. */
export function interruption(message: string = "Interrupted"): CommandFailure {
  return new CommandFailure("interrupted", message, EXIT_INTERRUPTED);
}

/**
 * Turns whatever was thrown into a failure of the command. What nobody expected becomes one with the
 * code `internal`, and keeps what was thrown as its cause.
 */
export function asFailure(error: unknown): CommandFailure {
  if (error instanceof CommandFailure) return error;
  const { code, message } = describe(error);
  return new CommandFailure(code, shownLine(message), EXIT_FAILED, { cause: error });
}

function describe(error: unknown): { code: string; message: string } {
  if (error instanceof StorageError || error instanceof TrackerError) {
    return { code: error.code, message: error.message };
  }
  if (error instanceof TorrentSyntaxError) {
    return {
      code: "torrent-syntax",
      message: `${error.message}; is it a complete .torrent file?`,
    };
  }
  if (error instanceof MagnetSyntaxError) return { code: "magnet-syntax", message: error.message };
  if (error instanceof BencodeSyntaxError) {
    return { code: "bencode-syntax", message: error.message };
  }
  return describeSystem(error);
}

/** What systems call it, as Deno hands it on in an error's name, and what to say to a person. */
const systemErrors: ReadonlyMap<string, readonly [code: string, what: string]> = new Map([
  ["NotFound", ["not-found", "something is not there"]],
  ["PermissionDenied", ["permission", "permission is missing"]],
  ["NotCapable", [
    "permission",
    "the program was started without a permission that it needs",
  ]],
  ["AddrInUse", [
    "port-in-use",
    "the port is in use; choose another with --port, or 0 for a free one",
  ]],
  ["AddrNotAvailable", ["listen", "the address is not one of this machine's"]],
]);

function describeSystem(error: unknown): { code: string; message: string } {
  const { name, message } = error instanceof Error
    ? error
    : { name: "Error", message: String(error) };
  const known = systemErrors.get(name);
  if (known !== undefined) return { code: known[0], message: sentence(known[1]) + ` (${message})` };
  return {
    code: "internal",
    message: `Unexpected ${name}: ${message}; this is a fault of enjambre, --verbose shows where`,
  };
}

/** One line, however many the text had; long ones stay whole, they may hold a path. */
function shownLine(text: string): string {
  return text.split("\n").map((line) => shown(line)).filter((line) => line !== "").join(" ");
}
