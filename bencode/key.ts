/** How many bytes one call of `String.fromCharCode` gets; engines bound the count of arguments. */
const BYTES_PER_CALL = 4096;

/**
 * Makes the key that stands for these bytes in a `BencodeDict`: one UTF-16 unit (0 to 255) per byte.
 *
 * @example An info-hash as the key of a scrape answer
 * ```ts
 * import { keyOfBytes } from "@enjambre/bencode";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(keyOfBytes(new Uint8Array([0x61, 0x00, 0xff])), "a\u0000\u00ff");
 * ```
 */
export function keyOfBytes(bytes: Uint8Array): string {
  let key = "";
  for (let start = 0; start < bytes.length; start += BYTES_PER_CALL) {
    const part = bytes.subarray(start, start + BYTES_PER_CALL);
    key += String.fromCharCode.apply(null, part as unknown as number[]);
  }
  return key;
}

/**
 * Gives the bytes that a key of a `BencodeDict` stands for; the inverse of {@link keyOfBytes}.
 *
 * **Errors**: `RangeError` when the key holds a unit above 255: such a string is text, not a
 * byte-string key.
 */
export function bytesOfKey(key: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(key.length);
  for (let i = 0; i < key.length; i++) {
    const unit = key.charCodeAt(i);
    if (unit > 255) throw new RangeError(notAByte(unit, i));
    bytes[i] = unit;
  }
  return bytes;
}

/** The complaint about a key that is text; `encode` makes it too. */
export function notAByte(unit: number, index: number): string {
  return `Cannot use text as a byte-string key: unit ${index} is ${unit}, limit is 255`;
}
