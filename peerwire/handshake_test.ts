import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import fc from "fast-check";
import { PeerProtocolError } from "./errors.ts";
import {
  decodeHandshake,
  decodeInfoHash,
  encodeHandshake,
  HANDSHAKE_BYTES,
  HANDSHAKE_INFO_HASH_END,
} from "./handshake.ts";

const infoHash = Uint8Array.from({ length: 20 }, (_, i) => i + 1);
const peerId = Uint8Array.from({ length: 20 }, (_, i) => 0x40 + i);
const id = fc.uint8Array({ minLength: 20, maxLength: 20 });

Deno.test("encodeHandshake() writes the 68 bytes of BEP 3", () => {
  const bytes = encodeHandshake({ infoHash, peerId });
  assertEquals(bytes.length, HANDSHAKE_BYTES);
  assertEquals(bytes[0], 19);
  assertEquals(new TextDecoder().decode(bytes.subarray(1, 20)), "BitTorrent protocol");
  assertEquals([...bytes.subarray(20, 28)], [0, 0, 0, 0, 0, 0, 0, 0]);
  assertEquals([...bytes.subarray(28, 48)], [...infoHash]);
  assertEquals([...bytes.subarray(48, 68)], [...peerId]);
});

Deno.test("encodeHandshake() sets the reserved bits of BEP 5, 6, 10 and 52", () => {
  const reserved = (fields: Record<string, boolean>) => [
    ...encodeHandshake({ infoHash, peerId, ...fields }).subarray(20, 28),
  ];
  assertEquals(reserved({ dht: true }), [0, 0, 0, 0, 0, 0, 0, 0x01]);
  assertEquals(reserved({ fast: true }), [0, 0, 0, 0, 0, 0, 0, 0x04]);
  assertEquals(reserved({ extended: true }), [0, 0, 0, 0, 0, 0x10, 0, 0]);
  assertEquals(reserved({ v2: true }), [0, 0, 0, 0, 0, 0, 0, 0x10]);
  assertEquals(reserved({ fast: true, extended: true, dht: false }), [0, 0, 0, 0, 0, 0x10, 0, 4]);
});

Deno.test("encodeHandshake() lets a flag set or clear its bit of the given reserved bytes only", () => {
  const reserved = new Uint8Array(8).fill(0xff);
  const bytes = encodeHandshake({ infoHash, peerId, reserved, fast: false, dht: true });
  assertEquals([...bytes.subarray(20, 28)], [255, 255, 255, 255, 255, 255, 255, 0xfb]);
});

Deno.test("encodeHandshake() refuses ids of the wrong length", () => {
  const short = new Uint8Array(19);
  assertThrows(
    () => encodeHandshake({ infoHash: short, peerId }),
    RangeError,
    "info-hash is 19 bytes, must be 20 bytes",
  );
  assertThrows(() => encodeHandshake({ infoHash, peerId: short }), RangeError, "peer id");
  assertThrows(
    () => encodeHandshake({ infoHash, peerId, reserved: short }),
    RangeError,
    "must be 8 bytes",
  );
});

Deno.test("decodeHandshake() gives back what encodeHandshake() wrote, anywhere in a buffer", () => {
  const flag = fc.boolean();
  fc.assert(fc.property(
    fc.record({ infoHash: id, peerId: id, fast: flag, extended: flag, dht: flag, v2: flag }),
    fc.nat(40),
    fc.nat(40),
    (fields, before, behind) => {
      const bytes = encodeHandshake(fields);
      const buffer = new Uint8Array(before + bytes.length + behind).fill(0xee);
      buffer.set(bytes, before);
      const { reserved, ...decoded } = decodeHandshake(buffer, before, buffer.length)!;
      assertEquals(reserved, bytes.slice(20, 28));
      assertEquals(decoded, {
        ...fields,
        infoHash: new Uint8Array(fields.infoHash),
        peerId: new Uint8Array(fields.peerId),
      });
    },
  ));
});

Deno.test("encodeHandshake() writes a decoded handshake as it was, reserved bits without meaning included", () => {
  fc.assert(fc.property(id, id, fc.uint8Array({ minLength: 8, maxLength: 8 }), (a, b, reserved) => {
    const bytes = encodeHandshake({ infoHash: a, peerId: b, reserved });
    assertEquals(encodeHandshake(decodeHandshake(bytes, 0, bytes.length)!), bytes);
  }));
});

Deno.test("decodeHandshake() and decodeInfoHash() answer null until their bytes are there, at every length", () => {
  const bytes = encodeHandshake({ infoHash, peerId, fast: true });
  for (let end = 0; end <= HANDSHAKE_BYTES; end++) {
    assertEquals(decodeHandshake(bytes, 0, end) !== null, end === HANDSHAKE_BYTES, `at ${end}`);
    const early = decodeInfoHash(bytes, 0, end);
    assertEquals(early !== null, end >= HANDSHAKE_INFO_HASH_END, `at ${end}`);
    if (early !== null) assertEquals(early, infoHash);
  }
});

Deno.test("decodeHandshake() copies: what it gave stays when the buffer is used again", () => {
  const bytes = encodeHandshake({ infoHash, peerId, fast: true });
  const handshake = decodeHandshake(bytes, 0, bytes.length)!;
  const early = decodeInfoHash(bytes, 0, bytes.length)!;
  bytes.fill(0);
  assertEquals(handshake.infoHash, infoHash);
  assertEquals(handshake.peerId, peerId);
  assertEquals(handshake.reserved[7], 4);
  assertEquals(early, infoHash);
});

Deno.test("decodeHandshake() refuses at the first byte that is wrong, with nothing behind it", () => {
  const good = encodeHandshake({ infoHash, peerId });
  for (let i = 0; i < 20; i++) {
    const bad = good.slice(0, i + 1);
    bad[i] = bad[i]! ^ 0x80;
    for (const decode of [decodeHandshake, decodeInfoHash]) {
      const error = assertThrows(() => decode(bad, 0, i + 1), PeerProtocolError);
      assert(error instanceof PeerProtocolError);
      assertEquals(error.code, "bad-handshake");
      assertStringIncludes(error.message, `byte ${i} is 0x`);
    }
  }
});

Deno.test("decodeHandshake() refuses another protocol: encryption, HTTP, TLS", () => {
  const openers = [Uint8Array.of(0x7a), new TextEncoder().encode("GET / HTTP/1.1\r\n")];
  for (const opener of [...openers, Uint8Array.of(0x16, 3, 1), Uint8Array.of(0x14)]) {
    assertThrows(
      () => decodeHandshake(opener, 0, opener.length),
      PeerProtocolError,
      "byte 0 is 0x",
    );
  }
});

Deno.test("decodeHandshake() refuses a range outside the buffer, which is the caller's mistake", () => {
  const bytes = new Uint8Array(10);
  assertThrows(() => decodeHandshake(bytes, 0, 11), RangeError);
  assertThrows(() => decodeHandshake(bytes, 5, 4), RangeError);
  assertThrows(() => decodeInfoHash(bytes, -1, 4), RangeError);
});
