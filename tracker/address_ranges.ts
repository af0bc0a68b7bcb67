import { parseIp } from "./address.ts";

/** A range of addresses: those that begin with the same bits. */
interface Range {
  readonly bytes: Uint8Array;
  readonly bits: number;
}

/** Sets of addresses, such as those of an operator's proxies. */
export class AddressRanges {
  readonly #ranges: readonly Range[];

  /**
   * Reads ranges: `192.0.2.7`, `10.0.0.0/8`, `fd00::/8`.
   *
   * **Errors**: `RangeError` for what is none.
   */
  constructor(texts: readonly string[]) {
    this.#ranges = texts.map(parseRange);
  }

  /** Whether an address of 4 or 16 bytes is in one of them. */
  has(address: Uint8Array): boolean {
    return this.#ranges.some(({ bytes, bits }) => {
      if (bytes.length !== address.length) return false;
      const whole = bits >> 3;
      for (let i = 0; i < whole; i++) if (bytes[i] !== address[i]) return false;
      const rest = bits & 7;
      return rest === 0 || (bytes[whole]! ^ address[whole]!) >> 8 - rest === 0;
    });
  }
}

function parseRange(text: string): Range {
  const slash = text.indexOf("/");
  const bytes = parseIp(slash < 0 ? text : text.slice(0, slash));
  const suffix = slash < 0 ? null : text.slice(slash + 1);
  const bitsMax = bytes === null ? 0 : bytes.length * 8;
  const bits = suffix === null ? bitsMax : Number(suffix);
  if (bytes === null || suffix !== null && !/^\d{1,3}$/.test(suffix) || bits > bitsMax) {
    throw new RangeError(
      `Cannot read address range ${JSON.stringify(text)}: should be as 192.0.2.7 or 10.0.0.0/8`,
    );
  }
  return { bytes, bits };
}
