import { DICT, END, LIST, Reader } from "./_reader.ts";
import type { DecodeOptions } from "./limits.ts";

/**
 * Finds where the value at `path` stands in the input, without building any value.
 *
 * An info-hash is taken over these bytes, the original ones, never over a re-encoding.
 *
 * **Shape**: `path` leads from the outermost value inwards: the key (a byte string, see `keyOfBytes`)
 * for a dictionary, the index for a list; the empty path names the outermost value. `end` is exclusive.
 * `null` where `decode` would yield nothing at that path either. Of a key that occurs twice (lenient
 * mode) the first one counts, as in `decode`.
 *
 * **Errors**: as `decode`: all of the input is checked by the same rules, whatever the path.
 *
 * @example
 * ```ts
 * import { sourceRange } from "@enjambre/bencode";
 * import { assertEquals } from "@std/assert";
 *
 * const torrent = new TextEncoder().encode("d4:infod4:name1:xe3:url0:e");
 *
 * assertEquals(sourceRange(torrent, ["info"]), { start: 7, end: 18 });
 * assertEquals(sourceRange(torrent, ["nothing"]), null);
 * ```
 */
export function sourceRange(
  input: Uint8Array,
  path: readonly (string | number)[],
  options: DecodeOptions = {},
): { start: number; end: number } | null {
  const reader = new Reader(input, options);
  /** How many values on the way are found: the outermost one, then one per element of the path. */
  let found = 0;
  /** Whether the value found last is open, and the next one is looked for in it. */
  let searching = true;
  /** The index of the next value in that one when it is a list, else -1. */
  let index = -1;
  let start = -1;
  let end = -1;
  do {
    const token = reader.next();
    if (token === END) {
      if (searching) searching = reader.depth >= found;
      else if (start >= 0 && end < 0 && reader.depth === path.length) end = reader.end;
      continue;
    }
    const opens = token === LIST || token === DICT;
    if (!searching || reader.depth - (opens ? 1 : 0) !== found) continue;
    if (found > 0) {
      const element = path[found - 1];
      if (index < 0 ? reader.keyAt(found) !== element : index++ !== element) continue;
    }
    found++;
    index = token === LIST ? 0 : -1;
    searching = opens && found <= path.length;
    if (found > path.length) {
      start = reader.start;
      if (!opens) end = reader.end;
    }
  } while (reader.depth > 0);
  reader.finish();
  return start < 0 ? null : { start, end };
}
