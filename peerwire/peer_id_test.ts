import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import fc from "fast-check";
import { clientName, makePeerId, PEER_ID_BYTES, PEER_ID_PREFIX } from "./peer_id.ts";

/** The bytes of a text of ASCII, filled up to a peer id. */
function peerIdOf(text: string): Uint8Array {
  return new TextEncoder().encode(text.padEnd(PEER_ID_BYTES, "x"));
}

Deno.test("makePeerId() puts the prefix before the random bytes", () => {
  const random = Uint8Array.from({ length: 12 }, (_, i) => 200 + i);
  const peerId = makePeerId(random);
  assertEquals(peerId.length, PEER_ID_BYTES);
  assertEquals(new TextDecoder().decode(peerId.subarray(0, 8)), PEER_ID_PREFIX);
  assertEquals([...peerId.subarray(8)], [...random]);
});

Deno.test("makePeerId() refuses another number of random bytes", () => {
  for (const bytes of [0, 11, 13, 20]) {
    assertThrows(() => makePeerId(new Uint8Array(bytes)), RangeError, "must be 12 bytes");
  }
});

Deno.test("clientName() knows this program and those met most", () => {
  const cases: [string, string][] = [
    ["-EJ0100-", "enjambre 0.1.0"],
    ["-TR4000-", "Transmission 4.0.0"],
    ["-TR2940-", "Transmission 2.9.4"],
    ["-qB4520-", "qBittorrent 4.5.2"],
    ["-LT20B0-", "libtorrent 2.0.11"],
    ["-lt0D80-", "rTorrent 0.13.8"],
    ["-DE203s-", "Deluge 2.0.3"],
    ["-UT3550-", "uTorrent 3.5.5"],
    ["-AZ123B-", "Vuze 1.2.3.11"],
    ["-GT0003-", "go.torrent 0.0.0.3"],
    ["-WW0105-", "WebTorrent 0.1.0.5"],
    ["A2-1-37-0-", "aria2 1.37.0"],
    ["M4-4-0--", "BitTorrent 4.4.0"],
    ["M7-10-3--", "BitTorrent 7.10.3"],
  ];
  for (const [prefix, name] of cases) assertEquals(clientName(peerIdOf(prefix)), name, prefix);
});

Deno.test("clientName() says the name alone when the version is no version", () => {
  assertEquals(clientName(peerIdOf("-TR4~~~-")), "Transmission");
  assertEquals(clientName(peerIdOf("-FD51\x01\x02-")), "Free Download Manager");
});

Deno.test("clientName() says unknown for the rest, and for what is no peer id", () => {
  const others = ["", "-", "-Z", "-zz1234-", "----", "A2-", "A2-1-2", "Mx-1-2-", "M123-4-5-"];
  for (const text of others) assertEquals(clientName(peerIdOf(text)), "unknown", text);
  assertEquals(clientName(new Uint8Array(0)), "unknown");
  assertEquals(clientName(new Uint8Array(20)), "unknown");
});

Deno.test("clientName() gives printable ASCII for any bytes", () => {
  const printable = /^[\x20-\x7e]+$/;
  const start = fc.constantFrom("", "-", "-TR", "-FD51", "-EJ", "A2-", "M", "M7-", "-lt\0");
  fc.assert(fc.property(fc.uint8Array({ maxLength: 40 }), start, (bytes, prefix) => {
    bytes.set(new TextEncoder().encode(prefix).subarray(0, bytes.length));
    assertMatch(clientName(bytes), printable);
  }));
});
