/** How `decode`, `decodePrefix` and `sourceRange` read. */
export interface DecodeOptions {
  /**
   * Also accept what real torrents, trackers and peers send against BEP 3: dictionary keys that are
   * not sorted, a key that occurs twice (the first one counts), and bytes after the value.
   *
   * All else stays refused. Default: `false`.
   */
  lenient?: boolean;
  /** How many lists and dictionaries may be open at once. Default: {@link DEFAULT_MAX_DEPTH}. */
  maxDepth?: number;
  /** How many bytes the input may have. Default: {@link DEFAULT_MAX_BYTES}. */
  maxBytes?: number;
  /** How many values the input may hold, keys not counted. Default: {@link DEFAULT_MAX_VALUES}. */
  maxValues?: number;
}

/**
 * How many lists and dictionaries may be open at once, unless the caller says otherwise.
 *
 * A v1 torrent needs 5; the file tree of a v2 torrent needs one per folder of a path, and 128 leave
 * room for 120 folders in one another. `encode` refuses deeper values, cyclic ones among them.
 */
export const DEFAULT_MAX_DEPTH = 128;

/**
 * How many bytes the input may have, unless the caller says otherwise: 64 MiB.
 *
 * The hashes of two million pieces (32 TiB in pieces of 16 MiB) are 40 MiB. What comes from a peer or a
 * tracker deserves a far lower limit from the caller.
 */
export const DEFAULT_MAX_BYTES: number = 64 * 1024 * 1024;

/**
 * How many values the input may hold, unless the caller says otherwise: 2^21.
 *
 * A file of a torrent takes five to seven. Without this limit two bytes (`de`) would buy an object of two
 * hundred; with it the worst input measured takes 450 MB. For a message of a peer or a tracker set it to
 * what the message can need.
 */
export const DEFAULT_MAX_VALUES: number = 2 ** 21;

/**
 * How many digits an integer may have, in `decode` and in `encode`.
 *
 * BEP 3 sets no limit, and no BEP uses more than 64 bits (20 digits); but turning digits into a `bigint`
 * takes more than linear time, so there is an end to it.
 */
export const INTEGER_DIGITS_MAX = 1024;
