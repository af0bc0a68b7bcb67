import { BencodeSyntaxError, encode } from "@enjambre/bencode";
import { assert, assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import fc from "fast-check";
import { formatIp } from "./address.ts";
import type { AnnounceAnswer, TrackerPeer } from "./announce.ts";
import { TrackerResponseError } from "./errors.ts";
import {
  INTERVAL_SECONDS_DEFAULT,
  INTERVAL_SECONDS_MAX,
  MESSAGE_CHARACTERS_MAX,
  parseAnnounceResponse,
  parseFailure,
  parseScrapeResponse,
  PEERS_MAX,
  writeAnnounceResponse,
  writeFailure,
  writeScrapeResponse,
} from "./response.ts";

function bytes(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

function answer(text: string): AnnounceAnswer {
  const result = parseAnnounceResponse(bytes(text));
  assert(result.ok);
  return result;
}

Deno.test("parseAnnounceResponse() fills in what the tracker leaves out", () => {
  assertEquals(answer("de"), {
    ok: true,
    intervalSeconds: INTERVAL_SECONDS_DEFAULT,
    minIntervalSeconds: null,
    seeders: null,
    leechers: null,
    peers: [],
    warning: null,
    trackerId: null,
  });
});

Deno.test("parseAnnounceResponse() reads both compact forms, and all else there is", () => {
  const result = answer(
    "d8:completei3e11:external ip4:\x01\x02\x03\x0410:incompletei4e8:intervali900e" +
      "12:min intervali60e5:peers12:\x01\x02\x03\x04\x1a\xe1\x05\x06\x07\x08\x00\x50" +
      "6:peers618:\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x1a\xe1" +
      "10:tracker id2:\x00\xff15:warning message4:slowe",
  );
  assertEquals(result, {
    ok: true,
    intervalSeconds: 900,
    minIntervalSeconds: 60,
    seeders: 3,
    leechers: 4,
    peers: [
      { host: "1.2.3.4", port: 6881, peerId: null },
      { host: "5.6.7.8", port: 80, peerId: null },
      { host: "2001:db8::1", port: 6881, peerId: null },
    ],
    warning: "slow",
    trackerId: new Uint8Array([0, 255]),
    externalIp: "1.2.3.4",
  });
});

Deno.test("parseAnnounceResponse() reads a list with addresses and names, and skips the rest", () => {
  const id = "-EN0001-abcdefghijkl";
  const peers = [
    `d2:ip7:1.2.3.47:peer id20:${id}4:porti1ee`,
    "d2:ip6:seed_14:porti2ee",
    "d2:ip3:::14:porti3ee",
    "d2:ip5:[::2]4:porti4ee",
    "d2:ip1:a7:peer id2:id4:porti5ee",
    // From here on nothing that could be dialled.
    "d2:ip1:a4:porti0ee",
    "d2:ip1:a4:porti65536ee",
    "d2:ip1:a4:porti-1ee",
    "d2:ip1:ae",
    "d4:porti1ee",
    "d2:ip0:4:porti1ee",
    "d2:ip3:a b4:porti1ee",
    "d2:ip4:a\x1b[m4:porti1ee",
    `d2:ip254:${"a".repeat(254)}4:porti1ee`,
    "d2:ipi1e4:porti1ee",
    "1:a",
    "i7e",
    "le",
  ];
  assertEquals(answer(`d5:peersl${peers.join("")}ee`).peers, [
    { host: "1.2.3.4", port: 1, peerId: bytes(id) },
    { host: "seed_1", port: 2, peerId: null },
    { host: "::1", port: 3, peerId: null },
    { host: "::2", port: 4, peerId: null },
    { host: "a", port: 5, peerId: null },
  ]);
});

Deno.test("parseAnnounceResponse() bounds what it keeps", () => {
  const compact = encode({ peers: new Uint8Array(6 * (PEERS_MAX + 1)).fill(1) });
  const list = encode({ peers: new Array(PEERS_MAX + 1).fill({ ip: "a", port: 1 }) });
  for (const body of [compact, list]) {
    const result = parseAnnounceResponse(body);
    assertEquals(result.ok && result.peers.length, PEERS_MAX);
  }
  assertEquals(answer("d5:peers6:\x01\x01\x01\x01\0\0e").peers, []);
  const long = parseAnnounceResponse(encode({ "tracker id": new Uint8Array(257) }));
  assertEquals(long.ok && long.trackerId, null);
  const wordy = parseAnnounceResponse(writeFailure("é".repeat(5000)));
  assertEquals(!wordy.ok && wordy.failureReason, "é".repeat(MESSAGE_CHARACTERS_MAX));
});

Deno.test("parseAnnounceResponse() puts intervals that make no sense within bounds", () => {
  const table: [interval: string, seconds: number][] = [
    ["i0e", INTERVAL_SECONDS_DEFAULT],
    ["i-5e", INTERVAL_SECONDS_DEFAULT],
    ["4:1800", INTERVAL_SECONDS_DEFAULT],
    ["i1e", 1],
    ["i99999999e", INTERVAL_SECONDS_MAX],
    ["i99999999999999999999e", INTERVAL_SECONDS_DEFAULT],
  ];
  for (const [interval, seconds] of table) {
    assertEquals(answer(`d8:interval${interval}e`).intervalSeconds, seconds, interval);
    const min = answer(`d12:min interval${interval}e`).minIntervalSeconds;
    assertEquals(min, seconds === INTERVAL_SECONDS_DEFAULT ? null : seconds, interval);
  }
});

Deno.test("parseAnnounceResponse() gives a refusal as a value, its words made safe", () => {
  const read = (text: string) => parseAnnounceResponse(bytes(text));
  assertEquals(read("d14:failure reason5:a\x1b[\nbe"), { ok: false, failureReason: "a [ b" });
  assertEquals(read("d14:failure reason0:e"), { ok: false, failureReason: "no reason given" });
  assertEquals(read("d14:failure reasoni1ee"), { ok: false, failureReason: "no reason given" });
  assertEquals(read("d14:failure reason1:a8:retry in5:nevere"), {
    ok: false,
    failureReason: "a",
    retryInSeconds: Infinity,
  });
  assertEquals(read("d14:failure reason1:a8:retry ini5ee"), {
    ok: false,
    failureReason: "a",
    retryInSeconds: 300,
  });
});

Deno.test("parseAnnounceResponse() says what is wrong, and where", () => {
  const table: [text: string, message: string, offset: number][] = [
    ["i1e", "Cannot read answer: it is an integer, should be a dictionary", 0],
    ["le", "Cannot read answer: it is a list, should be a dictionary", 0],
    ["d5:peers5:12345e", '"peers" is 5 bytes, should be a multiple of 6 bytes long', 8],
    ["d1:a1:b6:peers66:123456e", '"peers6" is 6 bytes, should be a multiple of 18', 15],
    ["d5:peersi1ee", '"peers" is an integer, should be a byte string or a list', 8],
    ["d5:peersdee", '"peers" is a dictionary', 8],
  ];
  for (const [text, message, offset] of table) {
    const read = () => parseAnnounceResponse(bytes(text));
    assertEquals(assertThrows(read, TrackerResponseError, message).offset, offset, text);
  }
});

Deno.test("parseAnnounceResponse() and parseScrapeResponse() refuse bodies that are cut off", () => {
  const announced = bytes(
    "d8:intervali1800e5:peersld2:ip1:a4:porti1eee6:peers618:123456789012345678e",
  );
  const scraped = bytes(`d5:filesd20:${"a".repeat(20)}d8:completei1eeee`);
  for (
    const [body, parse] of [[announced, parseAnnounceResponse], [
      scraped,
      parseScrapeResponse,
    ]] as const
  ) {
    parse(body);
    for (let end = 0; end < body.length; end++) {
      assertThrows(() => parse(body.subarray(0, end)), BencodeSyntaxError);
    }
  }
});

Deno.test("parseAnnounceResponse() throws its own errors alone, whatever comes", () => {
  const keys = fc.constantFrom(
    "peers",
    "peers6",
    "interval",
    "failure reason",
    "tracker id",
    "files",
  );
  const values = fc.anything({ values: [fc.integer(), fc.string(), fc.uint8Array()], maxDepth: 3 });
  fc.assert(fc.property(fc.dictionary(keys, values), (dict) => {
    let body;
    try {
      body = encode(dict as Parameters<typeof encode>[0]);
    } catch {
      return;
    }
    for (const parse of [parseAnnounceResponse, parseScrapeResponse]) {
      try {
        parse(body);
      } catch (error) {
        assertInstanceOf(error, TrackerResponseError);
      }
    }
  }));
});

Deno.test("parseScrapeResponse() reads the counts by info-hash, whatever its bytes", () => {
  const key = `\0\xff${"a".repeat(18)}`;
  const text = `d5:filesd20:${key}d8:completei4e10:downloadedi6e10:incompletei5ee1:xdee5:flagsdee`;
  assertEquals(
    parseScrapeResponse(bytes(text)),
    new Map([[`00ff${"61".repeat(18)}`, { seeders: 4, completed: 6, leechers: 5 }]]),
  );
  assertEquals(
    parseScrapeResponse(bytes(`d5:filesd20:${key}d8:completei-1eeee`)),
    new Map([[`00ff${"61".repeat(18)}`, { seeders: null, completed: null, leechers: null }]]),
  );
  assertEquals(parseScrapeResponse(writeFailure("no")), { ok: false, failureReason: "no" });
  assertThrows(() => parseScrapeResponse(bytes("de")), TrackerResponseError, '"files" is missing');
});

Deno.test("parseFailure() finds a refusal and never throws", () => {
  assertEquals(parseFailure(writeFailure("no")), { ok: false, failureReason: "no" });
  for (const text of ["", "de", "<html>", "i1e"]) assertEquals(parseFailure(bytes(text)), null);
});

const ports = fc.integer({ min: 1, max: 65535 });
const counts = {
  intervalSeconds: fc.integer({ min: 1, max: INTERVAL_SECONDS_MAX }),
  minIntervalSeconds: fc.integer({ min: 1, max: INTERVAL_SECONDS_MAX }),
  seeders: fc.nat(),
  leechers: fc.nat(),
};

Deno.test("what writeAnnounceResponse() writes as a list, parseAnnounceResponse() reads", () => {
  const peer = fc.record({
    host: fc.constantFrom("1.2.3.4", "seed_1", "::1"),
    port: ports,
    peerId: fc.option(
      fc.uint8Array({ minLength: 20, maxLength: 20 }).map((id) => Uint8Array.from(id)),
    ),
  });
  const warning = fc.constantFrom(null, "a little late");
  fc.assert(fc.property(fc.record({ ...counts, warning, peers: fc.array(peer) }), (reply) => {
    const read = parseAnnounceResponse(writeAnnounceResponse(reply));
    assertEquals(read, { ok: true, trackerId: null, ...reply });
  }));
});

Deno.test("what writeAnnounceResponse() writes compact, parseAnnounceResponse() reads", () => {
  const family = (length: number) =>
    fc.array(fc.tuple(fc.uint8Array({ minLength: length, maxLength: length }), ports), {
      maxLength: 9,
    });
  const pack = (peers: [Uint8Array, number][]) =>
    Uint8Array.from(peers.flatMap(([address, port]) => [...address, port >> 8, port & 255]));
  fc.assert(fc.property(fc.record(counts), family(4), family(16), (reply, four, six) => {
    const body = writeAnnounceResponse({
      ...reply,
      completed: 7,
      peers: { compact4: pack(four), compact6: pack(six) },
    });
    const peers: TrackerPeer[] = [...four, ...six].map(([address, port]) => (
      { host: formatIp(Uint8Array.from(address)), port, peerId: null }
    ));
    assertEquals(parseAnnounceResponse(body), {
      ok: true,
      warning: null,
      trackerId: null,
      ...reply,
      peers,
    });
  }));
});

Deno.test("writeScrapeResponse() and writeFailure() write canonical bencode", () => {
  const text = (body: Uint8Array) => String.fromCharCode(...body);
  const entries = ["b", "a"].map((letter) => (
    [bytes(letter.repeat(20)), { seeders: 1, completed: 2, leechers: 3 }] as const
  ));
  const file = "d8:completei1e10:downloadedi2e10:incompletei3ee";
  assertEquals(
    text(writeScrapeResponse(entries)),
    `d5:filesd20:${"a".repeat(20)}${file}20:${"b".repeat(20)}${file}ee`,
  );
  assertEquals(text(writeFailure("no")), "d14:failure reason2:noe");
});
