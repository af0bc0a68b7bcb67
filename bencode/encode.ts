import { keyOfBytes, notAByte } from "./key.ts";
import { DEFAULT_MAX_DEPTH, INTEGER_DIGITS_MAX } from "./limits.ts";
import type { Encodable } from "./value.ts";

/**
 * Encodes a value, canonically: the keys of dictionaries sorted by their bytes, integers and lengths
 * without leading zeros. Equal values give equal bytes. A key cannot occur twice: no `Map` and no object
 * holds one twice, and different keys of either have different bytes.
 *
 * **Ownership**: the result is the caller's; what went in is only read.
 *
 * **Limits**: {@link DEFAULT_MAX_DEPTH} containers in one another, {@link INTEGER_DIGITS_MAX} digits.
 *
 * **Cost**: linear in the length of the result, but for the sorting of keys that are not sorted.
 *
 * **Errors**: `RangeError` for a number that is not a safe integer (a `bigint` may be larger), a text
 * with an unpaired surrogate, a key of a `Map` that is not a byte string, and nesting beyond the limit,
 * as in a value that holds itself. `TypeError` for what bencode has no form for: `null`, booleans,
 * `undefined` in lists and maps, objects that are not plain.
 *
 * **Source**: BEP 3, "bencoding".
 *
 * @example
 * ```ts
 * import { encode } from "@enjambre/bencode";
 * import { assertEquals } from "@std/assert";
 *
 * const bytes = encode({ spam: ["a", -42], cow: "moo", left: undefined });
 *
 * assertEquals(new TextDecoder().decode(bytes), "d3:cow3:moo4:spaml1:ai-42eee");
 * ```
 */
export function encode(value: Encodable): Uint8Array<ArrayBuffer> {
  const writer = new Writer();
  writer.value(value, 0);
  return writer.take();
}

const BYTE_D = 0x64;
const BYTE_E = 0x65;
const BYTE_L = 0x6c;

/** Room for a message of the peer or tracker protocol, so that few values make the buffer grow. */
const INITIAL_BYTES = 512;
/** Below this length a loop is faster than the call of `TypedArray.prototype.set`. */
const LOOP_BYTES_MAX = 24;

/** The prefixes of short byte strings, ready made: `"0:"`, `"1:"`... */
const LENGTHS: readonly string[] = Array.from({ length: 256 }, (_, length) => `${length}:`);

const textEncoder = new TextEncoder();

/** Writes bencode into one buffer that doubles. hot: bench/codec_bench.ts, group "encode" */
class Writer {
  #buffer: Uint8Array<ArrayBuffer> = new Uint8Array(INITIAL_BYTES);
  #end = 0;

  /** A copy of what is written, of exactly its length. */
  take(): Uint8Array<ArrayBuffer> {
    return this.#buffer.slice(0, this.#end);
  }

  /** Writes a value of any kind; `depth` containers are open around it. */
  value(value: Encodable, depth: number): void {
    if (typeof value === "number") this.#number(value);
    else if (typeof value === "string") this.#text(value);
    else if (typeof value === "bigint") this.#bigint(value);
    else if (value instanceof Uint8Array) this.#bytes(value);
    else this.#container(value, depth + 1);
  }

  #container(value: Encodable, depth: number): void {
    if (depth > DEFAULT_MAX_DEPTH) {
      throw new RangeError(`Cannot encode value: nesting is deeper than ${DEFAULT_MAX_DEPTH}`);
    }
    if (Array.isArray(value)) {
      this.#byte(BYTE_L);
      // By index: the holes of a sparse array are refused, not skipped.
      for (let i = 0; i < value.length; i++) this.value(value[i], depth);
    } else if (value instanceof Map) {
      this.#byte(BYTE_D);
      this.#map(value, depth);
    } else if (isPlainObject(value)) {
      this.#byte(BYTE_D);
      this.#object(value, depth);
    } else {
      throw new TypeError(`Cannot encode value: bencode has no form for ${nameOf(value)}`);
    }
    this.#byte(BYTE_E);
  }

  #map(map: ReadonlyMap<string, Encodable>, depth: number): void {
    const keys = [...map.keys()];
    sortUnlessSorted(keys);
    for (const key of keys) {
      this.#key(key);
      this.value(map.get(key)!, depth);
    }
  }

  #object(object: { readonly [key: string]: Encodable | undefined }, depth: number): void {
    const texts = Object.keys(object);
    // UTF-16 order is not the order of the UTF-8 bytes: what is sorted is byte strings.
    if (!texts.every(isAscii)) {
      const map = new Map<string, Encodable>();
      for (const text of texts) {
        const value = object[text];
        if (value !== undefined) map.set(keyOfBytes(utf8(text)), value);
      }
      return this.#map(map, depth);
    }
    sortUnlessSorted(texts);
    for (const text of texts) {
      const value = object[text];
      if (value === undefined) continue;
      this.#key(text);
      this.value(value, depth);
    }
  }

  #number(value: number): void {
    if (!Number.isSafeInteger(value)) {
      throw new RangeError(`Cannot encode number: ${value} is not a safe integer`);
    }
    this.#ascii(`i${value}e`);
  }

  #bigint(value: bigint): void {
    const text = value.toString();
    if (text.length - (value < 0n ? 1 : 0) > INTEGER_DIGITS_MAX) {
      throw new RangeError(`Cannot encode bigint: more than ${INTEGER_DIGITS_MAX} digits`);
    }
    this.#ascii(`i${text}e`);
  }

  #text(text: string): void {
    if (isAscii(text)) {
      this.#length(text.length);
      this.#ascii(text);
    } else {
      this.#bytes(utf8(text));
    }
  }

  #key(key: string): void {
    if (typeof key !== "string") {
      throw new TypeError(`Cannot encode key: ${nameOf(key)} is not a string`);
    }
    this.#length(key.length);
    this.#reserve(key.length);
    const buffer = this.#buffer;
    let end = this.#end;
    for (let i = 0; i < key.length; i++) {
      const unit = key.charCodeAt(i);
      if (unit > 255) throw new RangeError(notAByte(unit, i));
      buffer[end++] = unit;
    }
    this.#end = end;
  }

  #bytes(bytes: Uint8Array): void {
    const length = bytes.length;
    this.#length(length);
    this.#reserve(length);
    if (length > LOOP_BYTES_MAX) {
      this.#buffer.set(bytes, this.#end);
    } else {
      for (let i = 0; i < length; i++) this.#buffer[this.#end + i] = bytes[i]!;
    }
    this.#end += length;
  }

  #length(length: number): void {
    this.#ascii(length < LENGTHS.length ? LENGTHS[length]! : `${length}:`);
  }

  #ascii(text: string): void {
    this.#reserve(text.length);
    const buffer = this.#buffer;
    let end = this.#end;
    for (let i = 0; i < text.length; i++) buffer[end++] = text.charCodeAt(i);
    this.#end = end;
  }

  #byte(byte: number): void {
    this.#reserve(1);
    this.#buffer[this.#end++] = byte;
  }

  /** Makes room for `bytes` more. */
  #reserve(bytes: number): void {
    const needed = this.#end + bytes;
    if (needed <= this.#buffer.length) return;
    const larger = new Uint8Array(Math.max(needed, 2 * this.#buffer.length));
    larger.set(this.#buffer.subarray(0, this.#end));
    this.#buffer = larger;
  }
}

/** Sorts byte strings by their bytes: one unit is one byte, and this compares units. */
function sortUnlessSorted(keys: string[]): void {
  for (let i = 1; i < keys.length; i++) {
    if (keys[i - 1]! > keys[i]!) {
      keys.sort();
      return;
    }
  }
}

function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 127) return false;
  return true;
}

/** The UTF-8 bytes of a text; one that has none is refused rather than changed. */
function utf8(text: string): Uint8Array {
  if (!text.isWellFormed()) {
    throw new RangeError("Cannot encode text as UTF-8: it has an unpaired surrogate");
  }
  return textEncoder.encode(text);
}

/** Whether entries are all that there is to this object; so it is not with a `Set` or a `RegExp`. */
function isPlainObject(value: unknown): value is { readonly [key: string]: Encodable | undefined } {
  if (typeof value !== "object" || value === null) return false;
  const prototype = Object.getPrototypeOf(value);
  // The second case holds for the Object.prototype of any realm.
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

/** What a value is, for an error message. */
function nameOf(value: unknown): string {
  if (typeof value === "object" && value !== null) return value.constructor?.name ?? "this object";
  return typeof value === "function" ? "a function" : String(value);
}
