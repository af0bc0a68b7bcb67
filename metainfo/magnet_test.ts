import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import fc from "fast-check";
import { MagnetSyntaxError } from "./errors.ts";
import { hashOfHex, hexOfHash } from "./hash.ts";
import { formatMagnet, parseMagnet } from "./magnet.ts";

const HEX = "c12fe1c06bba254a9dc9f519b335aa7c1367a88a";
const HEX_V2 = "ab".repeat(32);

Deno.test("parseMagnet() reads every parameter that it knows", () => {
  const magnet = parseMagnet(
    `magnet:?xt=urn:btih:${HEX.toUpperCase()}&xt=urn:btmh:1220${HEX_V2}&dn=a+b%2Bc%C3%BC` +
      "&tr=http%3A%2F%2Ft%2Fannounce&tr=udp://u:1&tr=http://T:80/announce&ws=http://w/x" +
      "&x.pe=10.0.0.1:6881&x.pe=[::1]:2&x.pe=host.example:3&x.pe=nothing&dht=n:4&so=5,1-3&xl=77" +
      "&as=http://a/&xs=http://x/",
  );

  assertEquals(hexOfHash(magnet.infoHash!), HEX);
  assertEquals(hexOfHash(magnet.infoHashV2!), HEX_V2);
  assertEquals(magnet.swarmHash, magnet.infoHash!);
  assertEquals(magnet.name, "a b+cü");
  assertEquals(magnet.trackers, [["http://t/announce"], ["udp://u:1"]]);
  assertEquals(magnet.webSeeds, ["http://w/x"]);
  assertEquals(magnet.peers, [
    { host: "10.0.0.1", port: 6881 },
    { host: "::1", port: 2 },
    { host: "host.example", port: 3 },
  ]);
  assertEquals(magnet.nodes, [{ host: "n", port: 4 }]);
  assertEquals(magnet.selectOnly, [1, 2, 3, 5]);
  assertEquals(magnet.totalBytes, 77);
});

Deno.test("parseMagnet() reads base32 as the same hash", () => {
  const magnet = parseMagnet("magnet:?xt=urn:btih:YEX6DQDLXISUVHOJ6UM3GNNKPQJWPKEK");
  assertEquals(hexOfHash(magnet.infoHash!), HEX);
});

Deno.test("parseMagnet() cuts the hash of a v2 swarm to 20 bytes", () => {
  const magnet = parseMagnet(`magnet:?xt=urn:btmh:1220${HEX_V2}`);
  assertEquals(magnet.infoHash, null);
  assertEquals(hexOfHash(magnet.swarmHash), "ab".repeat(20));
});

Deno.test("parseMagnet() makes the name fit to be shown", () => {
  const magnet = parseMagnet(`magnet:?xt=urn:btih:${HEX}&dn=%1B%5B2J%E2%80%AEevil%0A`);
  assertEquals(magnet.name, "[2Jevil");
});

Deno.test("parseMagnet() refuses links that name no torrent, and says where", () => {
  const table: [uri: string, offset: number][] = [
    ["", 0],
    ["http://h/", 0],
    ["magnet:", 0],
    ["magnet:?", 8],
    ["magnet:?dn=x", 8],
    ["magnet:?xt=urn:sha1:YEX6DQDLXISUVHOJ6UM3GNNKPQJWPKEK", 8],
    [`magnet:?dn=x&xt=urn:btih:${HEX.slice(1)}`, 13],
    [`magnet:?dn=x&xt=urn:btih:${HEX}0`, 13],
    [`magnet:?xt=urn:btih:${HEX.replace("c", "g")}`, 8],
    [`magnet:?xt=urn:btih:${HEX} `, 8],
    [`magnet:?xt=urn:btmh:1220${HEX_V2.slice(2)}`, 8],
    [`magnet:?xt=urn:btmh:1114${HEX}`, 8],
    [HEX.slice(1), 0],
  ];
  for (const [uri, offset] of table) {
    const error = assertThrows(() => parseMagnet(uri), MagnetSyntaxError);
    assertEquals(error.offset, offset, uri);
    assertMatch(error.message, /^Cannot read magnet link: /);
  }
});

Deno.test("parseMagnet() spends no more on file ranges than a torrent has files", () => {
  const ranges = Array.from({ length: 5000 }, () => "0-249999").join(",");
  const magnet = parseMagnet(`magnet:?xt=urn:btih:${HEX}&so=${ranges}`);
  assertEquals(magnet.selectOnly!.length, 250000);
  assertEquals(parseMagnet(`magnet:?xt=urn:btih:${HEX}&so=0-250000`).selectOnly, null);
  const overlapping = parseMagnet(`magnet:?xt=urn:btih:${HEX}&so=0-199999,0-199999,200005`);
  assertEquals(overlapping.selectOnly!.length, 200000); // what follows the limit is left out
});

Deno.test("parseMagnet() of any text gives a link or a MagnetSyntaxError, nothing else", () => {
  const part = fc.oneof(
    fc.constantFrom("xt=urn:btih:", HEX, "&", "=", "%", "%4", "%zz", "so=1-", "tr=", "x.pe=", ".1"),
    fc.string({ maxLength: 8 }),
  );
  fc.assert(fc.property(fc.array(part, { maxLength: 10 }), (parts) => {
    try {
      assertEquals(parseMagnet("magnet:?" + parts.join("")).swarmHash.length, 20);
    } catch (error) {
      assert(error instanceof MagnetSyntaxError, String(error));
    }
  }));
});

Deno.test("formatMagnet() writes what parseMagnet() reads", () => {
  const host = fc.constantFrom("h", "a.example", "10.0.0.1", "::1");
  const address = fc.record({ host, port: fc.integer({ min: 1, max: 65535 }) });
  const spec = fc.record({
    infoHash: fc.constant(hashOfHex(HEX)),
    infoHashV2: fc.option(fc.constant(hashOfHex(HEX_V2))),
    name: fc.option(
      fc.string({ unit: "grapheme", minLength: 1 }).filter((s) => /^[^\s+]+$/.test(s)),
    ),
    trackers: fc.uniqueArray(fc.webUrl(), { maxLength: 3 }).map((urls) => urls.map((u) => [u])),
    peers: fc.array(address, { maxLength: 3 }),
    nodes: fc.array(address, { maxLength: 3 }),
    selectOnly: fc.option(fc.uniqueArray(fc.nat(50), { minLength: 1 })),
    totalBytes: fc.option(fc.nat()),
  });
  fc.assert(fc.property(spec, (given) => {
    const magnet = parseMagnet(formatMagnet(given));
    assertEquals(magnet.infoHash, given.infoHash);
    assertEquals(magnet.infoHashV2, given.infoHashV2);
    assertEquals(formatMagnet(magnet), formatMagnet({ ...given, name: magnet.name }));
    assertEquals(magnet.peers, given.peers);
    assertEquals(magnet.selectOnly, given.selectOnly?.toSorted((a, b) => a - b) ?? null);
    assertEquals(magnet.totalBytes, given.totalBytes);
  }));
});

Deno.test("formatMagnet() refuses a missing hash and hashes of other lengths", () => {
  assertThrows(() => formatMagnet({}), RangeError);
  assertThrows(() => formatMagnet({ infoHash: new Uint8Array(19) }), RangeError);
  assertThrows(() => formatMagnet({ infoHashV2: new Uint8Array(20) }), RangeError);
});
