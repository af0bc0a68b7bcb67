import { keyOfBytes } from "@enjambre/bencode";
import { HASH_BYTES } from "./announce.ts";

/** How long a passkey may be, in characters. */
export const PASSKEY_CHARACTERS_MAX = 128;

/** Thrown for a line of a list that cannot be read; {@link line} says which one. */
export class AccessSyntaxError extends Error {
  /** The name of the class. */
  override readonly name: string = "AccessSyntaxError";

  /** The line, from 1 up. */
  readonly line: number;

  /** Makes the error; `message` states what was found and what should be there. */
  constructor(message: string, line: number) {
    super(message);
    this.line = line;
  }
}

/** Which torrents a tracker serves, and to whom. Left out: to all. */
export interface AccessLists {
  /** The info-hashes that alone are served, as {@link parseInfoHashes} gives them. */
  readonly allowed?: ReadonlySet<string>;
  /** The info-hashes that are not served. */
  readonly denied?: ReadonlySet<string>;
  /** What the path has to begin with, `/PASSKEY/announce`, as {@link parsePasskeys} gives them. */
  readonly passkeys?: ReadonlySet<string>;
}

/** Tells whether the lists let a torrent be served. */
export function isServed(lists: AccessLists, infoHash: Uint8Array): boolean {
  const { allowed, denied } = lists;
  if (allowed === undefined && denied === undefined) return true;
  const key = keyOfBytes(infoHash);
  return (allowed === undefined || allowed.has(key)) && !denied?.has(key);
}

/**
 * Reads a list of info-hashes: one a line, in hex, 40 digits (v1) or 64 (v2, of which 20 bytes count, as on
 * the wire). What follows `#` is a comment.
 *
 * **Shape**: keys of 20 bytes, as `keyOfBytes` makes them.
 *
 * **Errors**: {@link AccessSyntaxError}.
 */
export function parseInfoHashes(text: string): Set<string> {
  const keys: Set<string> = new Set();
  forEachEntry(text, (entry, line) => {
    if (!/^([0-9a-fA-F]{40}|[0-9a-fA-F]{64})$/.test(entry)) {
      const shown = JSON.stringify(entry.slice(0, 80));
      const message =
        `Cannot read line ${line}: ${shown} should be an info-hash of 40 or 64 digits`;
      throw new AccessSyntaxError(message, line);
    }
    keys.add(keyOfBytes(Uint8Array.fromHex(entry.slice(0, 2 * HASH_BYTES))));
  });
  return keys;
}

/**
 * Reads a list of passkeys: one a line, of letters, digits, `-` and `_`. What follows `#` is a comment.
 *
 * **Errors**: {@link AccessSyntaxError}, which does not quote the line.
 */
export function parsePasskeys(text: string): Set<string> {
  const passkeys: Set<string> = new Set();
  forEachEntry(text, (entry, line) => {
    if (!/^[A-Za-z0-9_-]+$/.test(entry) || entry.length > PASSKEY_CHARACTERS_MAX) {
      const message =
        `Cannot read line ${line}: a passkey should be 1 to ${PASSKEY_CHARACTERS_MAX}` +
        " letters, digits, - and _";
      throw new AccessSyntaxError(message, line);
    }
    passkeys.add(entry);
  });
  return passkeys;
}

function forEachEntry(text: string, visit: (entry: string, line: number) => void): void {
  text.split("\n").forEach((content, index) => {
    const entry = content.replace(/#.*/, "").trim();
    if (entry !== "") visit(entry, index + 1);
  });
}
