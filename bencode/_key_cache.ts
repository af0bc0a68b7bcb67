import { keyOfBytes } from "./key.ts";

/** Longer keys are rare, and file names rather than the words of a format. */
const CACHED_LENGTH_MAX = 24;
/** A power of two; the words of all BEPs together are fewer. */
const SLOTS = 512;

/**
 * The key last seen in each slot. A torrent says "length" and "path" once per file: taking the string
 * from here costs a comparison, making it anew an allocation and, in a `Map`, a hash.
 *
 * Whoever sends the input decides what stands here; hence the fixed size and the comparison.
 */
const cache: string[] = new Array<string>(SLOTS).fill("");

/**
 * Does what `keyOfBytes` does for the bytes from `start` to `end`, without a new string for a short key
 * that was seen lately.
 *
 * hot: bench/codec_bench.ts, group "decode"
 */
export function internKey(input: Uint8Array, start: number, end: number): string {
  const length = end - start;
  if (length === 0) return "";
  if (length > CACHED_LENGTH_MAX) return keyOfBytes(input.subarray(start, end));
  const slot = (length * 37 + input[start]! * 5 + input[end - 1]! * 3) & (SLOTS - 1);
  const cached = cache[slot]!;
  if (cached.length === length) {
    let i = 0;
    while (i < length && cached.charCodeAt(i) === input[start + i]) i++;
    if (i === length) return cached;
  }
  return cache[slot] = keyOfBytes(input.subarray(start, end));
}
