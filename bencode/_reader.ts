import type { DecodeOptions } from "./limits.ts";
import {
  DEFAULT_MAX_BYTES,
  DEFAULT_MAX_DEPTH,
  DEFAULT_MAX_VALUES,
  INTEGER_DIGITS_MAX,
} from "./limits.ts";
import { internKey } from "./_key_cache.ts";
import { BencodeSyntaxError } from "./syntax_error.ts";

/** What {@link Reader.next} found. */
export type Token = typeof INTEGER | typeof BYTES | typeof LIST | typeof DICT | typeof END;
/** An integer; `integer` is its value. */
export const INTEGER = 0;
/** A byte string; its bytes are those from `contentStart` to `end`. */
export const BYTES = 1;
/** A list begins. */
export const LIST = 2;
/** A dictionary begins. */
export const DICT = 3;
/** The list or dictionary that began last and is still open ends. */
export const END = 4;

const BYTE_0 = 0x30;
const BYTE_MINUS = 0x2d;
const BYTE_COLON = 0x3a;
const BYTE_D = 0x64;
const BYTE_E = 0x65;
const BYTE_I = 0x69;
const BYTE_L = 0x6c;

/** Up to here a sum of digits is exact in a `number`. */
const EXACT_DIGITS = 15;

/**
 * Reads bencode token by token and enforces all of its rules; what `decode` and `sourceRange` share.
 *
 * It recurses nowhere: what is open is kept in an array, bounded by `maxDepth`.
 *
 * hot: bench/codec_bench.ts, group "decode"
 */
export class Reader {
  /** Where the value that the last token begins, or is, starts. */
  start = 0;
  /** Where the content of the last byte string starts. */
  contentStart = 0;
  /** Where the next token starts. */
  end = 0;
  /** The value of the last integer. */
  integer: number | bigint = 0;
  /** How many lists and dictionaries are open after the last token. */
  depth = 0;
  /** Whether the input is read leniently. */
  readonly lenient: boolean;

  readonly #input: Uint8Array;
  readonly #maxDepth: number;
  readonly #maxValues: number;
  #values = 0;
  /** For each open container: the key read last, `null` before the first one, `undefined` in a list. */
  readonly #lastKeys: (string | null | undefined)[] = [];

  constructor(input: Uint8Array, options: DecodeOptions) {
    if (!(input instanceof Uint8Array)) {
      throw new TypeError("Cannot decode bencode: input is not a Uint8Array");
    }
    this.lenient = options.lenient ?? false;
    this.#input = input;
    this.#maxDepth = limit("maxDepth", options.maxDepth ?? DEFAULT_MAX_DEPTH);
    this.#maxValues = limit("maxValues", options.maxValues ?? DEFAULT_MAX_VALUES);
    const maxBytes = limit("maxBytes", options.maxBytes ?? DEFAULT_MAX_BYTES);
    if (input.length > maxBytes) {
      this.#fail(maxBytes, `input is ${input.length} bytes, limit is ${maxBytes} bytes`);
    }
  }

  /** Reads the next token. Once a token leaves `depth` at 0, the value is complete. */
  next(): Token {
    if (this.depth > 0) {
      if (this.#input[this.end] === BYTE_E) return this.#close();
      const lastKey = this.#lastKeys[this.depth - 1];
      if (lastKey !== undefined) this.#readKey(lastKey);
    }
    const start = this.end;
    this.start = start;
    if (++this.#values > this.#maxValues) {
      this.#fail(start, `more than ${this.#maxValues} values`);
    }
    switch (this.#input[start]) {
      case BYTE_I:
        return this.#readInteger(start);
      case BYTE_L:
        return this.#open(start, LIST);
      case BYTE_D:
        return this.#open(start, DICT);
      default:
        this.#readBytes(start, "a value");
        return BYTES;
    }
  }

  /** The key that was read last in the open dictionary around which `depth` - 1 others are open. */
  keyAt(depth: number): string {
    return this.#lastKeys[depth - 1]!;
  }

  /** Refuses bytes after the value, unless lenient. */
  finish(): void {
    const rest = this.#input.length - this.end;
    if (rest > 0 && !this.lenient) {
      this.#fail(this.end, `${rest} bytes follow the value, none should`);
    }
  }

  #open(start: number, token: typeof LIST | typeof DICT): Token {
    if (this.depth === this.#maxDepth) {
      this.#fail(start, `nesting is deeper than ${this.#maxDepth}`);
    }
    this.#lastKeys[this.depth++] = token === DICT ? null : undefined;
    this.end = start + 1;
    return token;
  }

  #close(): Token {
    this.depth--;
    this.end++;
    return END;
  }

  #readKey(lastKey: string | null): void {
    const start = this.end;
    this.#readBytes(start, "a dictionary key");
    const key = internKey(this.#input, this.contentStart, this.end);
    if (!this.lenient && lastKey !== null && key <= lastKey) {
      const found = `key ${quote(key)} follows ${quote(lastKey)}`;
      this.#fail(start, key === lastKey ? `key ${quote(key)} occurs twice` : `${found}, unsorted`);
    }
    this.#lastKeys[this.depth - 1] = key;
    if (this.#input[this.end] === BYTE_E) this.#fail(this.end, `key ${quote(key)} has no value`);
  }

  /** Reads a byte string, `wanted` at `start`, as far as its two offsets. */
  #readBytes(start: number, wanted: string): void {
    const input = this.#input;
    let position = start;
    let length = 0;
    for (;;) {
      const digit = input[position]! - BYTE_0;
      if (!(digit >= 0 && digit <= 9)) break; // NaN at the end of the input
      length = length * 10 + digit;
      if (++position - start > EXACT_DIGITS) {
        this.#fail(start, `length of a byte string has more than ${EXACT_DIGITS} digits`);
      }
    }
    if (position === start) this.#failExpected(start, wanted);
    if (input[start] === BYTE_0 && position - start > 1) {
      this.#fail(start, "length of a byte string has a leading zero");
    }
    if (input[position] !== BYTE_COLON) this.#failExpected(position, '":" after a length');
    this.contentStart = position + 1;
    this.end = this.contentStart + length;
    if (this.end > input.length) {
      const rest = input.length - this.contentStart;
      this.#fail(start, `byte string should be ${length} bytes, input has ${rest} more`);
    }
  }

  #readInteger(start: number): Token {
    const input = this.#input;
    const negative = input[start + 1] === BYTE_MINUS;
    const first = negative ? start + 2 : start + 1;
    let position = first;
    let sum = 0;
    for (;;) {
      const digit = input[position]! - BYTE_0;
      if (!(digit >= 0 && digit <= 9)) break; // NaN at the end of the input
      sum = sum * 10 + digit;
      if (++position - first > INTEGER_DIGITS_MAX) {
        this.#fail(start, `integer has more than ${INTEGER_DIGITS_MAX} digits`);
      }
    }
    if (position === first) this.#failExpected(position, "a digit of an integer");
    if (input[position] !== BYTE_E) this.#failExpected(position, '"e" after an integer');
    if (input[first] === BYTE_0) {
      if (negative) this.#fail(start, 'integer is zero or has a leading zero after its "-"');
      if (position - first > 1) this.#fail(start, "integer has a leading zero");
    }
    this.end = position + 1;
    if (position - first <= EXACT_DIGITS) this.integer = negative ? -sum : sum;
    else this.integer = parseLarge(input, start + 1, position);
    return INTEGER;
  }

  #failExpected(offset: number, wanted: string): never {
    const byte = this.#input[offset];
    if (byte === undefined) this.#fail(this.#input.length, `input ends, expected ${wanted}`);
    this.#fail(offset, `found ${quoteByte(byte)}, expected ${wanted}`);
  }

  #fail(offset: number, what: string): never {
    throw new BencodeSyntaxError(`Cannot decode bencode at offset ${offset}: ${what}`, offset);
  }
}

/** The integer whose sign and digits stand from `start` to `end`; more digits than a sum may have. */
function parseLarge(input: Uint8Array, start: number, end: number): number | bigint {
  const value = BigInt(String.fromCharCode(...input.subarray(start, end)));
  const small = Number(value);
  return Number.isSafeInteger(small) ? small : value;
}

/** A limit that the caller gave, or a `RangeError`. */
function limit(name: string, value: number): number {
  if (Number.isInteger(value) && value >= 0) return value;
  throw new RangeError(
    `Cannot decode bencode: ${name} is ${value}, should be an integer from 0 up`,
  );
}

/** A key for an error message: hostile keys are long or unprintable. */
function quote(key: string): string {
  return JSON.stringify(key.length > 40 ? `${key.slice(0, 40)}…` : key);
}

/** A byte for an error message. */
function quoteByte(byte: number): string {
  if (byte > 0x20 && byte < 0x7f) return JSON.stringify(String.fromCharCode(byte));
  return `byte 0x${byte.toString(16).padStart(2, "0")}`;
}
