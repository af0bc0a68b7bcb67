import { BYTES, DICT, END, INTEGER, LIST, Reader } from "./_reader.ts";
import type { DecodeOptions } from "./limits.ts";
import type { BencodeDict, BencodeValue } from "./value.ts";

/**
 * Decodes the one value that the input consists of.
 *
 * **Ownership**: byte strings are views into `input`: they show later changes of it, and keep all of it
 * alive. Copy (`slice`) what is kept for long.
 *
 * **Limits**: see {@link DecodeOptions}.
 *
 * **Cost**: linear in the length of the input.
 *
 * **Errors**: `BencodeSyntaxError` for input that is not bencode or exceeds a limit; `TypeError` or
 * `RangeError` for wrong arguments.
 *
 * **Source**: BEP 3, "bencoding".
 *
 * @example
 * ```ts
 * import { type BencodeValue, decode } from "@enjambre/bencode";
 * import { assertEquals } from "@std/assert";
 *
 * const input = new TextEncoder().encode("d3:cow3:moo4:spaml1:ai-42eee");
 * const value = decode(input);
 *
 * assertEquals(
 *   value,
 *   new Map<string, BencodeValue>([
 *     ["cow", new TextEncoder().encode("moo")],
 *     ["spam", [new TextEncoder().encode("a"), -42]],
 *   ]),
 * );
 * ```
 */
export function decode(input: Uint8Array, options: DecodeOptions = {}): BencodeValue {
  const reader = new Reader(input, options);
  const value = readValue(reader, input);
  reader.finish();
  return value;
}

/**
 * Decodes the value with which the input begins, and says where it ends; other bytes may follow.
 *
 * Such input occurs in BEP 9, where a piece of metadata follows a dictionary. All else is as in
 * {@link decode}; `maxBytes` is about the whole input.
 *
 * @example
 * ```ts
 * import { decodePrefix } from "@enjambre/bencode";
 * import { assertEquals } from "@std/assert";
 *
 * const { value, end } = decodePrefix(new TextEncoder().encode("i7e and more"));
 *
 * assertEquals([value, end], [7, 3]);
 * ```
 */
export function decodePrefix(
  input: Uint8Array,
  options: DecodeOptions = {},
): { value: BencodeValue; end: number } {
  const reader = new Reader(input, options);
  const value = readValue(reader, input);
  return { value, end: reader.end };
}

/** Builds the next value. hot: bench/codec_bench.ts, group "decode" */
function readValue(reader: Reader, input: Uint8Array): BencodeValue {
  const { buffer, byteOffset } = input;
  /** The open containers: a dictionary, or for a list the place in `listed` where its values begin. */
  const open: (BencodeDict | number)[] = [];
  // A list is cut out of this when it ends: of the right size at once, and (V8) never allocated among
  // the old objects, where a dead list would keep what it holds from being collected early.
  const listed: BencodeValue[] = [];
  for (;;) {
    let value: BencodeValue;
    switch (reader.next()) {
      case INTEGER:
        value = reader.integer;
        break;
      case BYTES: {
        const start = reader.contentStart;
        value = new Uint8Array(buffer, byteOffset + start, reader.end - start);
        break;
      }
      case LIST:
        open.push(listed.length);
        continue;
      case DICT:
        open.push(new Map());
        continue;
      case END: {
        const closed = open.pop()!;
        value = typeof closed === "number" ? listed.splice(closed) : closed;
        break;
      }
    }
    const { depth } = reader;
    if (depth === 0) return value;
    const parent = open[depth - 1]!;
    if (typeof parent === "number") {
      listed.push(value);
    } else {
      const key = reader.keyAt(depth);
      if (!reader.lenient || !parent.has(key)) parent.set(key, value);
    }
  }
}
