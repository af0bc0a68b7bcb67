import { assert, assertEquals, assertInstanceOf, assertMatch, assertThrows } from "@std/assert";
import { BencodeSyntaxError, encode } from "@enjambre/bencode";
import fc from "fast-check";
import { PeerProtocolError } from "./errors.ts";
import {
  decodeExtensionHandshake,
  encodeExtensionHandshake,
  EXTENSION_MESSAGES_MAX,
  type ExtensionHandshakeFields,
  mergeExtensionHandshakes,
} from "./extension.ts";
import { MESSAGE_EXTENDED_BYTES_MAX } from "./message.ts";

const text = (value: string) => new TextEncoder().encode(value);

const empty = {
  messages: new Map<string, number>(),
  version: null,
  reqq: null,
  port: null,
  metadataSize: null,
  uploadOnly: null,
  yourIp: null,
};

Deno.test("encodeExtensionHandshake() writes a canonical dictionary of what is given", () => {
  const payload = encodeExtensionHandshake({
    messages: { ut_pex: 1, ut_metadata: 2 },
    version: "enjambre 0.1.0",
    reqq: 500,
    port: 6881,
    metadataSize: 31235,
    uploadOnly: true,
    yourIp: Uint8Array.of(127, 0, 0, 1),
  });
  const expected = "d1:md11:ut_metadatai2e6:ut_pexi1ee13:metadata_sizei31235e1:pi6881e4:reqqi500e" +
    "11:upload_onlyi1e1:v14:enjambre 0.1.06:yourip4:\x7f\0\0\x01e";
  assertEquals(payload, text(expected));
  assertEquals(encodeExtensionHandshake({ messages: {} }), text("d1:mdee"));
});

Deno.test("encodeExtensionHandshake() refuses what cannot be", () => {
  const cases: ExtensionHandshakeFields[] = [
    { messages: { ut_pex: 256 } },
    { messages: { ut_pex: -1 } },
    { messages: {}, port: 0 },
    { messages: {}, port: 65536 },
    { messages: {}, reqq: 0 },
    { messages: {}, reqq: 1.5 },
    { messages: {}, metadataSize: 0 },
    { messages: {}, yourIp: new Uint8Array(5) },
  ];
  for (const fields of cases) {
    assertThrows(() => encodeExtensionHandshake(fields), RangeError, "Cannot write extension");
  }
});

Deno.test("decodeExtensionHandshake() gives back what encodeExtensionHandshake() wrote", () => {
  const option = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });
  const name = fc.stringMatching(/^[a-zA-Z_]{1,20}$/);
  const fields = fc.record({
    messages: fc.dictionary(name, fc.nat(255), { maxKeys: 20 }),
    version: option(fc.stringMatching(/^[a-zA-Zµ]([a-zA-Z0-9 ./]{0,30}[0-9])?$/)),
    reqq: option(fc.integer({ min: 1, max: 2 ** 31 - 1 })),
    port: option(fc.integer({ min: 1, max: 65535 })),
    metadataSize: option(fc.integer({ min: 1, max: 2 ** 31 - 1 })),
    uploadOnly: option(fc.boolean()),
    yourIp: option(fc.oneof(
      fc.uint8Array({ minLength: 4, maxLength: 4 }),
      fc.uint8Array({ minLength: 16, maxLength: 16 }),
    )),
  });
  fc.assert(fc.property(fields, (given) => {
    const known = Object.entries(given).filter(([, value]) => value !== undefined);
    const decoded = decodeExtensionHandshake(
      encodeExtensionHandshake(Object.fromEntries(known) as unknown as ExtensionHandshakeFields),
    );
    assertEquals([...decoded.messages].sort(), Object.entries(given.messages).sort());
    assertEquals(decoded.version, given.version ?? null);
    assertEquals(decoded.reqq, given.reqq ?? null);
    assertEquals(decoded.port, given.port ?? null);
    assertEquals(decoded.metadataSize, given.metadataSize ?? null);
    assertEquals(decoded.uploadOnly, given.uploadOnly ?? null);
    assertEquals(decoded.yourIp && [...decoded.yourIp], given.yourIp ? [...given.yourIp] : null);
  }));
});

Deno.test("decodeExtensionHandshake() says null for what is absent", () => {
  assertEquals(decodeExtensionHandshake(text("de")), empty);
});

Deno.test("decodeExtensionHandshake() ignores each field of the wrong type or out of range", () => {
  const junk = [
    { m: [1], v: 5, reqq: "500", p: "6881", metadata_size: [], upload_only: "1", yourip: "abc" },
    { m: "x", v: [], reqq: -1, p: 65536, metadata_size: -5, upload_only: {}, yourip: 7 },
    { m: 1, v: {}, reqq: 0, p: 0, metadata_size: 0, yourip: "" },
    { m: {}, v: "", reqq: 2 ** 31, p: -1, metadata_size: 2n ** 70n, yourip: new Uint8Array(17) },
  ];
  for (const fields of junk) assertEquals(decodeExtensionHandshake(encode(fields)), empty);
});

Deno.test("decodeExtensionHandshake() keeps the good names among bad ones, and 0 as turned off", () => {
  const m = {
    ut_pex: 1,
    off: 0,
    big: 256,
    negative: -1,
    text: "1",
    list: [],
    [`${"x".repeat(65)}`]: 3,
  };
  const { messages } = decodeExtensionHandshake(encode({ m }));
  assertEquals([...messages].sort(), [["off", 0], ["ut_pex", 1]]);
});

Deno.test("decodeExtensionHandshake() takes names such as __proto__ as names", () => {
  const { messages } = decodeExtensionHandshake(text("d1:md9:__proto__i3eee"));
  assertEquals([...messages], [["__proto__", 3]]);
});

Deno.test("decodeExtensionHandshake() takes unsorted keys and bytes behind the dictionary", () => {
  const decoded = decodeExtensionHandshake(text("d1:pi6881e1:md6:ut_pexi1eeetrailing"));
  assertEquals([decoded.port, decoded.messages.get("ut_pex")], [6881, 1]);
});

Deno.test("decodeExtensionHandshake() keeps nothing of the buffer it reads", () => {
  const payload = encodeExtensionHandshake({ messages: {}, yourIp: Uint8Array.of(1, 2, 3, 4) });
  const { yourIp } = decodeExtensionHandshake(payload);
  payload.fill(0);
  assertEquals(yourIp, Uint8Array.of(1, 2, 3, 4));
  assertEquals(yourIp!.buffer.byteLength, 4);
});

Deno.test("decodeExtensionHandshake() refuses what is no dictionary, with its cause", () => {
  for (const bad of ["", "11:hello", "i5e", "le", "d", "d1:m", "d1:v3:ab", "\0\0"]) {
    const error = assertThrows(
      () => decodeExtensionHandshake(text(bad)),
      PeerProtocolError,
      "Cannot read extension handshake: ",
    );
    assert(error instanceof PeerProtocolError);
    assertEquals(error.code, "extension");
    if (bad !== "i5e" && bad !== "le") assertInstanceOf(error.cause, BencodeSyntaxError);
  }
});

Deno.test("decodeExtensionHandshake() refuses to be made to work: depth, number of values, size", () => {
  const lists = (count: number) => text(`d1:x${"l".repeat(count)}${"e".repeat(count)}e`);
  decodeExtensionHandshake(lists(10));
  const values = text(`d1:xl${"i0e".repeat(5000)}ee`);
  const size = encode({ x: new Uint8Array(MESSAGE_EXTENDED_BYTES_MAX) });
  for (const hostile of [lists(17), lists(50_000), values, size]) {
    assertThrows(() => decodeExtensionHandshake(hostile), PeerProtocolError);
  }
});

Deno.test("decodeExtensionHandshake() keeps a limited number of names", () => {
  const m = Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`name${i}`, 1]));
  assertEquals(decodeExtensionHandshake(encode({ m })).messages.size, EXTENSION_MESSAGES_MAX);
});

Deno.test("decodeExtensionHandshake() clips and cleans the version", () => {
  const versionOf = (v: string | Uint8Array) => decodeExtensionHandshake(encode({ v })).version;
  assertEquals(versionOf("\u00b5Torrent 3.5.5"), "\u00b5Torrent 3.5.5");
  assertEquals(versionOf(" a\x1b[31mb\r\n\tc\0 "), "a[31mbc");
  assertEquals(versionOf("a\u202eb\u200bc\u2028d\u0085e"), "abcde");
  assertEquals(versionOf("\n\n"), null);
  assertEquals(versionOf("x".repeat(1000)), "x".repeat(64));
  assertEquals(versionOf("\u{1f41d}".repeat(100)), "\u{1f41d}".repeat(64));
  assertEquals(versionOf(Uint8Array.of(0x61, 0xff, 0xfe, 0x62)), "ab");
});

Deno.test("decodeExtensionHandshake() shows nothing unprintable for any version", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (v) => {
    const { version } = decodeExtensionHandshake(encode({ v }));
    if (version !== null) assertMatch(version, /^[^\p{C}\p{Zl}\p{Zp}\ufffd]{1,64}$/u);
  }));
});

Deno.test("decodeExtensionHandshake() answers any bytes with a handshake or a PeerProtocolError", () => {
  const good = encodeExtensionHandshake({ messages: { ut_pex: 1 }, version: "x", reqq: 5 });
  const mutated = fc.tuple(fc.nat(good.length - 1), fc.nat(255)).map(([at, byte]) => {
    const bytes = good.slice();
    bytes[at] = byte;
    return bytes;
  });
  fc.assert(fc.property(fc.oneof(fc.uint8Array({ maxLength: 100 }), mutated), (bytes) => {
    try {
      decodeExtensionHandshake(bytes);
    } catch (error) {
      assertInstanceOf(error, PeerProtocolError);
    }
  }));
});

Deno.test("mergeExtensionHandshakes() lets a later handshake change what it names and nothing else", () => {
  const earlier = decodeExtensionHandshake(encode({
    m: { ut_pex: 1, ut_metadata: 2 },
    v: "first",
    reqq: 250,
    upload_only: 0,
  }));
  const later = decodeExtensionHandshake(encode({ m: { ut_pex: 0, new: 9 }, upload_only: 1 }));
  const merged = mergeExtensionHandshakes(earlier, later);
  assertEquals([...merged.messages].sort(), [["new", 9], ["ut_metadata", 2], ["ut_pex", 0]]);
  assertEquals([merged.version, merged.reqq, merged.uploadOnly], ["first", 250, true]);
  assertEquals(earlier.messages.get("ut_pex"), 1);
});

Deno.test("mergeExtensionHandshakes() does not let a peer pile names up", () => {
  const names = (prefix: string) =>
    decodeExtensionHandshake(encode({
      m: Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`${prefix}${i}`, 1])),
    }));
  let merged = names("a");
  for (const prefix of ["b", "c", "d"]) merged = mergeExtensionHandshakes(merged, names(prefix));
  assertEquals(merged.messages.size, EXTENSION_MESSAGES_MAX);
});
