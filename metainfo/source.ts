import {
  type BencodeDict,
  type BencodeValue,
  type DecodeOptions,
  sourceRange,
} from "@enjambre/bencode";
import { TorrentSyntaxError } from "./errors.ts";
import { TORRENT_BYTES_MAX } from "./limits.ts";

/** How torrents are decoded: as leniently as real ones need. */
export const LENIENT: DecodeOptions = { lenient: true, maxBytes: TORRENT_BYTES_MAX };

/** Keys of dictionaries and indices of lists, from the outermost value inwards. */
export type ValuePath = readonly (string | number)[];

/** The bytes of a torrent, asked for values of the right kind; what is of the wrong kind fails with its offset. */
export class Source {
  readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  /** Makes the error about the value at `path`; where that is missing, the offset is that of the nearest value around it. */
  error(path: ValuePath, message: string): TorrentSyntaxError {
    return new TorrentSyntaxError(message, this.offset(path));
  }

  /** Where the value at `path`, or the nearest one around it, begins. */
  offset(path: ValuePath): number {
    for (let depth = path.length; depth >= 0; depth--) {
      const range = sourceRange(this.bytes, path.slice(0, depth), LENIENT);
      if (range !== null) return range.start;
    }
    return 0;
  }

  /** The dictionary at `path`. */
  dict(value: BencodeValue | undefined, path: ValuePath, what: string): BencodeDict {
    if (value instanceof Map) return value;
    throw this.error(path, `Cannot read torrent: ${what} is ${kindOf(value)}, a dictionary is due`);
  }

  /** The list at `path`. */
  list(value: BencodeValue | undefined, path: ValuePath, what: string): BencodeValue[] {
    if (Array.isArray(value)) return value;
    throw this.error(path, `Cannot read torrent: ${what} is ${kindOf(value)}, a list is due`);
  }

  /** The byte string at `path`. */
  string(value: BencodeValue | undefined, path: ValuePath, what: string): Uint8Array {
    if (value instanceof Uint8Array) return value;
    throw this.error(path, `Cannot read torrent: ${what} is ${kindOf(value)}, a string is due`);
  }

  /** The integer from `min` to `max` at `path`. */
  integer(
    value: BencodeValue | undefined,
    path: ValuePath,
    what: string,
    min: number,
    max: number,
  ): number {
    if (typeof value !== "number" && typeof value !== "bigint") {
      throw this.error(path, `Cannot read torrent: ${what} is ${kindOf(value)}, an integer is due`);
    }
    if (value < min || value > max) {
      throw this.error(path, `Cannot read torrent: ${what} is ${value}, ${min} to ${max} is due`);
    }
    return Number(value);
  }
}

/** Names the kind of a value for a message. */
function kindOf(value: BencodeValue | undefined): string {
  if (value === undefined) return "missing";
  if (value instanceof Map) return "a dictionary";
  if (Array.isArray(value)) return "a list";
  if (value instanceof Uint8Array) return "a string";
  return "an integer";
}
