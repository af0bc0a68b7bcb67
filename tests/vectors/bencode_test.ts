/**
 * The bencode cases that others wrote, and the .torrent files among them.
 *
 * What decides is BEP 3. Strict mode accepts exactly what is canonical; lenient mode also accepts what
 * is wrong only by unsorted keys, keys that occur twice and bytes after the value. Where that is not
 * what the source of a case expects, the tables below say so.
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  BencodeSyntaxError,
  type BencodeValue,
  decode,
  decodePrefix,
  encode,
  keyOfBytes,
  sourceRange,
} from "@enjambre/bencode";
import { bytesOfHex, readCases, readTestdata, type VectorCase, vectorTest } from "./testdata.ts";

/** Lenient mode is about these alone. */
const LENIENT_FLAGS = ["unsorted-key", "duplicate-key", "trailing-bytes"];
/** Flags of what is canonical all the same: BEP 3 sets integers no size. */
const HARMLESS_FLAGS = ["int-over-64-bit"];

/** Why lenient mode refuses what the source of the case accepts. */
const REFUSED_AGAINST_UPSTREAM: Record<string, string> = {
  "nb-float": "BEP 3 has no fractions",
  "nb-neg-float": "BEP 3 has no fractions",
};

/** Why strict mode accepts what the source of the case refuses. */
const ACCEPTED_AGAINST_UPSTREAM: Record<string, string> = {
  "lt-int-21-digits": "BEP 3 sets integers no size; ours end at 1024 digits",
  "ar-deep-51": "the limit of that project is 50 levels, ours is 128",
};

/** A value as the vector files write it. */
interface Described {
  int?: string;
  str?: string;
  hex?: string;
  list?: Described[];
  /** Keys are text in the one file and described strings in the other. */
  dict?: [Described | string, Described][];
}

function valueOf(described: Described): BencodeValue {
  const { int, str, hex, list, dict } = described;
  if (int !== undefined) return Number.isSafeInteger(Number(int)) ? Number(int) : BigInt(int);
  if (str !== undefined) return new TextEncoder().encode(str);
  if (hex !== undefined) return bytesOfHex(hex);
  if (list !== undefined) return list.map(valueOf);
  assert(dict !== undefined, JSON.stringify(described));
  const map = new Map<string, BencodeValue>();
  for (const [described, item] of dict) {
    const bytes = valueOf(typeof described === "string" ? { str: described } : described);
    const key = keyOfBytes(bytes as Uint8Array);
    if (!map.has(key)) map.set(key, valueOf(item)); // of two equal keys the first one counts
  }
  return map;
}

/** Inputs that are given as a rule, because of their length. */
const ruled: Record<string, string> = {
  "'l' * 1024 + 'e' * 1024": "l".repeat(1024) + "e".repeat(1024),
  "'l' + 'i0e'..'i999e' + 'e'": `l${Array.from({ length: 1000 }, (_, i) => `i${i}e`).join("")}e`,
};

function inputOf(vector: VectorCase): Uint8Array<ArrayBuffer> {
  if (vector["input_hex"] !== undefined) return bytesOfHex(vector["input_hex"]);
  const text = ruled[vector["input_rule"]];
  assert(text !== undefined, `no bytes for the rule of ${vector["id"]}`);
  assertEquals(text.length, vector["input_hex_len"]);
  return new TextEncoder().encode(text);
}

function accepts(input: Uint8Array, lenient: boolean): boolean {
  try {
    decode(input, { lenient });
    return true;
  } catch (error) {
    assert(error instanceof BencodeSyntaxError, String(error));
    assert(error.offset >= 0 && error.offset <= input.length, error.message);
    return false;
  }
}

function flagsOf(vector: VectorCase): string[] {
  return (vector["strict_flags"] ?? []).filter((flag: string) => !HARMLESS_FLAGS.includes(flag));
}

vectorTest(
  "decode() accepts of the vectors what is canonical, and when lenient a little more",
  () => {
    for (const vector of readCases("vectors/bencode_decode.json")) {
      const input = inputOf(vector);
      const id: string = vector["id"];
      const canonical = vector["strict"] === "canonical";
      const lenient = canonical ||
        vector["strict"] === "non-canonical" &&
          flagsOf(vector).every((flag) => LENIENT_FLAGS.includes(flag));
      assertEquals(accepts(input, false), canonical, `${id}, strict`);
      assertEquals(accepts(input, true), lenient, `${id}, lenient`);
    }
  },
);

vectorTest(
  "decode() departs from what the source of a vector expects only where a reason is given",
  () => {
    for (const vector of readCases("vectors/bencode_decode.json")) {
      const input = inputOf(vector);
      const id: string = vector["id"];
      switch (vector["upstream"]) {
        case "accept":
          assertEquals(accepts(input, true), !(id in REFUSED_AGAINST_UPSTREAM), id);
          break;
        case "reject":
          assertEquals(accepts(input, true), id in ACCEPTED_AGAINST_UPSTREAM, id);
          break;
        case "trailing":
          assertEquals([accepts(input, false), accepts(input, true)], [false, true], id);
          break;
        default: // a seed for fuzzing: refused, or written back as it was
          if (accepts(input, false)) assertEquals(encode(decode(input)), input, id);
      }
    }
  },
);

vectorTest("decode() reads from the vectors the values that they state", () => {
  for (const vector of readCases("vectors/bencode_decode.json")) {
    const input = inputOf(vector);
    if (vector["value"] === undefined || !accepts(input, true)) continue;
    const id: string = vector["id"];
    const value = valueOf(vector["value"]);
    assertEquals(decode(input, { lenient: true }), value, id);
    if (vector["strict"] !== "canonical") continue;
    assertEquals(decode(input), value, id);
    assertEquals(encode(value), input, id);
  }
});

vectorTest("decodePrefix() ends where the vectors say that the value ends", () => {
  for (const vector of readCases("vectors/bencode_decode.json")) {
    if (vector["value_ends_at"] === undefined) continue;
    const { value, end } = decodePrefix(inputOf(vector));
    assertEquals([value, end], [valueOf(vector["value"]), vector["value_ends_at"]], vector["id"]);
  }
});

vectorTest("encode() writes the vectors as they state", () => {
  for (const vector of readCases("vectors/bencode_encode.json")) {
    const value = valueOf(vector["value"]);
    assertEquals(encode(value), bytesOfHex(vector["expected_hex"]), vector["id"]);
    assertEquals(decode(encode(value)), value, vector["id"]);
  }
});

for (const folder of ["libtorrent", "webtorrent", "other/anacrolix", "other/rqbit"]) {
  vectorTest(`decode() and sourceRange() read the torrents of ${folder}`, async () => {
    for (const vector of readCases(`${folder}/expectations.json`)) {
      await checkTorrent(readTestdata(`${folder}/${vector["file"]}`), vector);
    }
  });
}

/** Checks one .torrent file against what an independent parser found in it. */
async function checkTorrent(bytes: Uint8Array<ArrayBuffer>, vector: VectorCase): Promise<void> {
  const file: string = vector["file"];
  const { bencode, info_span: span, sha1_of_raw_info: sha1 } = vector["independent"];
  const [verdict, reasons = ""] = bencode.split(": ");
  // "non-canonical: unsorted-key@82, trailing-bytes@366"
  const flags = reasons.split(", ").map((reason: string) => reason.split("@")[0]);
  const canonical = verdict === "canonical";
  const lenient = canonical ||
    verdict === "non-canonical" && flags.every((flag: string) => LENIENT_FLAGS.includes(flag));
  assertEquals(accepts(bytes, false), canonical, `${file}, strict`);
  assertEquals(accepts(bytes, true), lenient, `${file}, lenient`);
  if (canonical) assertEquals(encode(decode(bytes)), bytes, file);
  if (!lenient) {
    assertThrows(() => sourceRange(bytes, ["info"], { lenient: true }), BencodeSyntaxError);
    return;
  }
  const range = sourceRange(bytes, ["info"], { lenient: true });
  if (span === null || span === undefined) return;
  const [start, length] = span;
  assertEquals(range, { start, end: start + length }, file);
  const hash = await crypto.subtle.digest("SHA-1", bytes.subarray(start, start + length));
  assertEquals(new Uint8Array(hash), bytesOfHex(sha1), file);
}
