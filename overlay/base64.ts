/**
 * Base64url without padding: the form in which bytes travel in the overlay's JSON.
 *
 * @module
 */

/** Gives bytes the form in which they travel. */
export function toBase64(bytes: Uint8Array): string {
  return bytes.toBase64({ alphabet: "base64url", omitPadding: true });
}

/** Reads bytes that came; `null` where the text is not base64url, or not the one form of its bytes. */
export function fromBase64(text: string): Uint8Array<ArrayBuffer> | null {
  try {
    return Uint8Array.fromBase64(text, { alphabet: "base64url", lastChunkHandling: "loose" });
  } catch {
    return null;
  }
}

const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/** Digits of base64 in a digest: 30 bits, the most that a small integer and its XOR hold with room. */
export const DIGEST_CHARACTERS = 5;

/** Writes a number below 2^30 as five digits of base64url. */
export function digestText(value: number): string {
  let text = "";
  for (let shift = 24; shift >= 0; shift -= 6) text += DIGITS[(value >> shift) & 63];
  return text;
}

/** Reads five digits of base64url at `begin`; what is no digit counts as -1, so that any text gives a number. */
export function digestOf(text: string, begin: number): number {
  let value = 0;
  for (let at = begin; at < begin + DIGEST_CHARACTERS; at++) {
    value = (value << 6) | (DIGITS.indexOf(text[at] ?? "") & 63);
  }
  return value & 0x3fffffff;
}
