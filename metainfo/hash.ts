const DIGITS = "0123456789abcdef";

/** Writes a hash as lower-case hexadecimal digits, two for each byte. */
export function hexOfHash(bytes: Uint8Array): string {
  let text = "";
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i]!;
    text += DIGITS[byte >> 4]! + DIGITS[byte & 15]!;
  }
  return text;
}

/**
 * Reads the bytes that hexadecimal digits name, upper or lower case.
 *
 * **Errors**: `RangeError` when a character is no hexadecimal digit or their number is odd.
 */
export function hashOfHex(text: string): Uint8Array<ArrayBuffer> {
  if (text.length % 2 !== 0) {
    throw new RangeError(`Cannot read hash: it has ${text.length} digits, an even number is due`);
  }
  const bytes = new Uint8Array(text.length / 2);
  for (let i = 0; i < text.length; i++) {
    const digit = DIGITS.indexOf(text[i]!.toLowerCase());
    if (digit < 0) {
      throw new RangeError(`Cannot read hash: character ${i} is no hexadecimal digit`);
    }
    bytes[i >> 1] = (bytes[i >> 1]! << 4) | digit;
  }
  return bytes;
}

/** Tells whether two hashes are the same bytes. */
export function hashesAreEqual(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) {
    if (a[i] !== b[i]) return false;
  }
  return true;
}
