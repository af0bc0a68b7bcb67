/**
 * Bencode, the data format of BitTorrent (BEP 3): strict decoding within limits, canonical encoding,
 * and the source range of any value.
 *
 * @example The info-hash of a torrent
 * ```ts
 * import { decode, encode, sourceRange } from "@enjambre/bencode";
 * import { assert, assertEquals } from "@std/assert";
 *
 * const info = { name: "a.txt", length: 5, "piece length": 16384, pieces: new Uint8Array(20) };
 * const torrent = encode({ announce: "http://tracker.example/announce", info });
 *
 * const root = decode(torrent);
 * assert(root instanceof Map);
 * assertEquals(new TextDecoder().decode(root.get("announce") as Uint8Array).length, 31);
 *
 * const range = sourceRange(torrent, ["info"])!;
 * const hash = await crypto.subtle.digest("SHA-1", torrent.subarray(range.start, range.end));
 * assertEquals(hash.byteLength, 20);
 * ```
 *
 * @module
 */
export { decode, decodePrefix } from "./decode.ts";
export { encode } from "./encode.ts";
export { bytesOfKey, keyOfBytes } from "./key.ts";
export {
  type DecodeOptions,
  DEFAULT_MAX_BYTES,
  DEFAULT_MAX_DEPTH,
  DEFAULT_MAX_VALUES,
  INTEGER_DIGITS_MAX,
} from "./limits.ts";
export { sourceRange } from "./source_range.ts";
export { BencodeSyntaxError } from "./syntax_error.ts";
export type { BencodeDict, BencodeValue, Encodable } from "./value.ts";
