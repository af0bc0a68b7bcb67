import { assertEquals, assertInstanceOf, assertStringIncludes, assertThrows } from "@std/assert";
import fc from "fast-check";
import type { AnnounceRequest, TrackerEvent } from "./announce.ts";
import { QuerySyntaxError, TrackerError } from "./errors.ts";
import {
  buildAnnounceUrl,
  buildScrapeUrl,
  forEachParameter,
  isTrackerUrl,
  parseAnnounceQuery,
  parseScrapeQuery,
  percentDecode,
  percentEncode,
  SCRAPE_HASHES_MAX,
  scrapeUrlOf,
} from "./query.ts";

const request: AnnounceRequest = {
  infoHash: Uint8Array.from({ length: 20 }, (_, i) => i * 13),
  peerId: new TextEncoder().encode("-EN0001-0123456789 +"),
  port: 6881,
  uploaded: 1,
  downloaded: 2,
  left: 3,
  event: "started",
  numWant: 50,
};

const hash20 = fc.uint8Array({ minLength: 20, maxLength: 20 });

function queryOf(url: string): string {
  return url.slice(url.indexOf("?") + 1);
}

function valid(fields: Record<string, string | undefined> = {}): string {
  const all: Record<string, string | undefined> = {
    info_hash: "aaaaaaaaaaaaaaaaaaaa",
    peer_id: "bbbbbbbbbbbbbbbbbbbb",
    port: "1",
    ...fields,
  };
  return Object.entries(all).filter(([, v]) => v !== undefined).map((e) => e.join("=")).join("&");
}

function assertRefused(query: string, parameter: string, words: string): void {
  const error = assertThrows(() => parseAnnounceQuery(query), QuerySyntaxError);
  assertEquals(error.parameter, parameter);
  assertStringIncludes(error.message, words);
}

Deno.test("buildAnnounceUrl() writes every field, bytes percent-encoded", () => {
  const url = buildAnnounceUrl("http://t.example/announce", {
    ...request,
    key: 0xbeef,
    trackerId: new Uint8Array([0, 0x26, 0x3d]),
  });
  assertEquals(
    url,
    "http://t.example/announce?info_hash=%00%0D%1A%274AN%5Bhu%82%8F%9C%A9%B6%C3%D0%DD%EA%F7" +
      "&peer_id=-EN0001-0123456789%20%2B&port=6881&uploaded=1&downloaded=2&left=3" +
      "&no_peer_id=1&numwant=50&event=started&key=0000beef&trackerid=%00%26%3D&compact=1",
  );
});

Deno.test("buildAnnounceUrl() leaves out what is absent, and asks for no form when it gives a name", () => {
  const url = buildAnnounceUrl("http://t/a", { ...request, event: "", hostname: "seed_1" });
  for (const name of ["event", "key", "trackerid", "compact"]) {
    assertEquals(url.includes(`${name}=`), false);
  }
  assertStringIncludes(url, "&hostname=seed_1");
});

Deno.test("buildAnnounceUrl() keeps what the URL holds and drops a fragment", () => {
  const table: [url: string, start: string][] = [
    ["http://t/k%2Fe+y/announce", "http://t/k%2Fe+y/announce?info_hash="],
    ["http://t/announce?pass=a%20b", "http://t/announce?pass=a%20b&info_hash="],
    ["http://t/announce?", "http://t/announce?info_hash="],
    ["http://t/announce?a=1&", "http://t/announce?a=1&info_hash="],
    ["http://t/announce#x?y", "http://t/announce?info_hash="],
    [" https://t/announce\n", "https://t/announce?info_hash="],
  ];
  for (const [url, start] of table) {
    const built = buildAnnounceUrl(url, request);
    assertEquals(built.slice(0, start.length), start);
    // What `fetch` makes of it still has every byte.
    assertStringIncludes(new URL(built).href, percentEncode(request.infoHash));
  }
});

Deno.test("buildAnnounceUrl() refuses requests and URLs that make no sense", () => {
  const table: [Partial<AnnounceRequest>, string][] = [
    [{ infoHash: new Uint8Array(32) }, "info-hash is 32 bytes, should be 20"],
    [{ peerId: new Uint8Array(19) }, "peer id is 19 bytes, should be 20"],
    [{ port: 0 }, "port is 0, should be 1 to 65535"],
    [{ port: 65536 }, "port is 65536"],
    [{ left: -1 }, "left is -1"],
    [{ uploaded: 0.5 }, "uploaded is 0.5"],
    [{ downloaded: NaN }, "downloaded is NaN"],
    [{ numWant: -1 }, "numWant is -1"],
    [{ key: 2 ** 32 }, "key is 4294967296"],
    [{ hostname: "a b" }, "hostname"],
    [{ hostname: "a".repeat(254) }, "hostname"],
  ];
  for (const [fields, words] of table) {
    assertThrows(
      () => buildAnnounceUrl("http://t/a", { ...request, ...fields }),
      RangeError,
      words,
    );
  }
  for (const url of ["", "t.example/announce", "udp://t:1/", "file:///etc/passwd", "http://"]) {
    const error = assertThrows(() => buildAnnounceUrl(url, request), TrackerError);
    assertEquals([error.code, error.url], ["bad-url", url]);
  }
});

Deno.test("scrapeUrlOf() replaces the word in the path's last part, and only there (BEP 48)", () => {
  const table: [announce: string, scrape: string | null][] = [
    ["http://t/announce", "http://t/scrape"],
    ["http://t/x/announce", "http://t/x/scrape"],
    ["http://t/announce.php?a=announce", "http://t/scrape.php?a=announce"],
    ["http://t/announce?x=2/4", "http://t/scrape?x=2/4"],
    ["http://t/announce/announce", "http://t/announce/scrape"],
    ["http://t/announce/", null],
    ["http://t/a?/announce", null],
    ["http://t/a#/announce", null],
    ["http://t/xannounce", null],
    ["http://announce", null],
    ["http://announce?a", null],
    ["http://t", null],
    ["udp://t:80/announce", "udp://t:80/announce"],
    ["ftp://t/announce", null],
    ["announce", null],
  ];
  for (const [announce, scrape] of table) assertEquals(scrapeUrlOf(announce), scrape, announce);
});

Deno.test("buildScrapeUrl() names each info-hash, in order", () => {
  const hashes = [new Uint8Array(20).fill(0x61), new Uint8Array(20).fill(0xff)];
  const url = buildScrapeUrl("http://t/k/announce?p=1", hashes);
  assertEquals(
    url,
    `http://t/k/scrape?p=1&info_hash=${"a".repeat(20)}&info_hash=${"%FF".repeat(20)}`,
  );
  assertEquals(parseScrapeQuery(queryOf(url)), hashes);
});

Deno.test("buildScrapeUrl() says why it cannot", () => {
  const hash = new Uint8Array(20);
  const error = assertThrows(() => buildScrapeUrl("http://t/secret/a", [hash]), TrackerError);
  assertEquals(error.code, "no-scrape");
  assertEquals(error.message.includes("secret"), false);
  assertThrows(() => buildScrapeUrl("http://t/announce", []), RangeError, "0 info-hashes");
  const many = new Array<Uint8Array>(SCRAPE_HASHES_MAX + 1).fill(hash);
  assertThrows(() => buildScrapeUrl("http://t/announce", many), RangeError, "75 info-hashes");
  assertThrows(
    () => buildScrapeUrl("http://t/announce", [new Uint8Array(2)]),
    RangeError,
    "2 bytes",
  );
});

Deno.test("isTrackerUrl() wants HTTP(S) or UDP and a host", () => {
  const good = ["http://a", "https://a/announce/", "udp://a:1", "http://[::1]:80/announce"];
  for (const url of good) assertEquals(isTrackerUrl(url), true, url);
  const bad = [
    "",
    "a.example",
    "://a",
    "ws://a/",
    "http://",
    "http://a:x/",
    "udp:///a",
    "http://a b/",
  ];
  for (const url of bad) assertEquals(isTrackerUrl(url), false, url);
});

Deno.test("percentEncode() and percentDecode() are inverse for all bytes", () => {
  const all = Uint8Array.from({ length: 256 }, (_, i) => i);
  assertEquals(percentDecode(percentEncode(all)), all);
  assertEquals(percentDecode("%ab%AB%aB"), new Uint8Array([0xab, 0xab, 0xab]));
  fc.assert(fc.property(fc.uint8Array(), (bytes) => {
    assertEquals(percentDecode(percentEncode(bytes)), bytes);
  }));
});

Deno.test("percentDecode() keeps + and refuses broken escapes, saying where", () => {
  assertEquals(percentDecode("a+%2b"), new TextEncoder().encode("a++"));
  for (const text of ["ab%", "ab%4", "ab%4g", "ab%g4", "ab% 4", "abé"]) {
    assertEquals(assertThrows(() => percentDecode(text), QuerySyntaxError).offset, 2, text);
  }
});

Deno.test("forEachParameter() gives names, raw values and offsets", () => {
  const seen: [string, string, number][] = [];
  forEachParameter("a=1&&b=x=y&c&=d&e=", (...args) => seen.push(args));
  assertEquals(seen, [["a", "1", 2], ["b", "x=y", 7], ["c", "", 12], ["", "d", 14], ["e", "", 18]]);
  assertThrows(
    () => forEachParameter("a".repeat(8193), () => {}),
    QuerySyntaxError,
    "limit is 8192",
  );
});

Deno.test("parseAnnounceQuery() fills in what a peer leaves out", () => {
  assertEquals(parseAnnounceQuery(valid()), {
    infoHash: new Uint8Array(20).fill(0x61),
    peerId: new Uint8Array(20).fill(0x62),
    port: 1,
    uploaded: 0,
    downloaded: 0,
    left: null,
    event: "",
    numWant: null,
    compact: true,
    noPeerId: false,
    hostname: null,
    key: 0,
    ip: null,
  });
});

Deno.test("parseAnnounceQuery() reads a key as the number that it is, or as some number", () => {
  const keyOf = (key: string): number => parseAnnounceQuery(valid({ key })).key;
  assertEquals(["", "0", "1F", "ffffffff"].map(keyOf), [0, 0, 31, 0xffffffff]);
  assertEquals(keyOf("libtorrent%21"), keyOf("libtorrent%21"));
  assertEquals(keyOf("123456789") === keyOf("123456780"), false);
});

Deno.test("parseAnnounceQuery() reads the address that a peer says it has", () => {
  const ipOf = (ip: string) => parseAnnounceQuery(valid({ ip })).ip;
  assertEquals(ipOf("192.0.2.7"), new Uint8Array([192, 0, 2, 7]));
  assertEquals(ipOf("%3A%3a1"), new Uint8Array(16).fill(1, 15));
  assertEquals([ipOf("a.example"), ipOf("")], [null, null]);
});

Deno.test("parseAnnounceQuery() reads the odd but harmless", () => {
  const read = (fields: Record<string, string>) => parseAnnounceQuery(valid(fields));
  assertEquals(read({ left: "9223372036854775807" }).left, Number.MAX_SAFE_INTEGER);
  for (const event of ["", "none", "empty", "paused"]) assertEquals(read({ event }).event, "");
  assertEquals(read({ hostname: "a" }).compact, false);
  assertEquals(read({ hostname: "a", compact: "1" }).compact, true);
  assertEquals(read({ compact: "0" }).compact, false);
  assertEquals(read({ hostname: "" }).hostname, null);
  assertEquals(read({ hostname: "%5B::1%5D" }).hostname, "::1");
  assertEquals(read({ no_peer_id: "1" }).noPeerId, true);
  assertEquals(parseAnnounceQuery(`x=%&${valid()}&key=%zz&port=9&ip=8.8.8.8`).port, 9);
});

Deno.test("parseAnnounceQuery() names the parameter that it refuses", () => {
  for (const name of ["info_hash", "peer_id", "port"]) {
    assertRefused(valid({ [name]: undefined }), name, `Cannot read ${name}: it is missing`);
  }
  assertRefused(valid({ info_hash: "a".repeat(19) }), "info_hash", "length is 19 bytes");
  assertRefused(valid({ peer_id: "%61".repeat(21) }), "peer_id", "length is 21 bytes");
  assertRefused(valid({ info_hash: "%0%a" }), "info_hash", "two hexadecimal digits");
  assertRefused(valid({ port: "0" }), "port", "should be 1 to 65535");
  assertRefused(valid({ port: "65536" }), "port", "is 65536");
  for (const name of ["uploaded", "downloaded", "left", "numwant", "compact", "port"]) {
    for (const value of ["-1", "1.1", "a", "", "1e3", "1".repeat(21)]) {
      assertRefused(valid({ [name]: value }), name, `Cannot read ${name}: `);
    }
  }
  assertRefused(valid({ compact: "2" }), "compact", "limit is 1");
  assertRefused(valid({ event: "Started" }), "event", "started, completed or stopped");
  assertRefused(valid({ hostname: "a%00b" }), "hostname", "host name");
  assertRefused(valid({ hostname: "a".repeat(254) }), "hostname", "253");
  const error = assertThrows(() => parseAnnounceQuery("port=1&info_hash=ab%x"), QuerySyntaxError);
  assertEquals(error.offset, 19);
});

Deno.test("parseScrapeQuery() reads repeated info-hashes up to the limit", () => {
  assertEquals(parseScrapeQuery(""), []);
  const one = `info_hash=${"a".repeat(20)}&`;
  assertEquals(parseScrapeQuery(one.repeat(SCRAPE_HASHES_MAX)).length, SCRAPE_HASHES_MAX);
  const error = assertThrows(
    () => parseScrapeQuery(one.repeat(75)),
    QuerySyntaxError,
    "more than 74",
  );
  assertEquals(error.parameter, "info_hash");
  assertThrows(() => parseScrapeQuery("info_hash=a"), QuerySyntaxError, "length is 1 bytes");
});

Deno.test("what buildAnnounceUrl() writes, parseAnnounceQuery() reads", () => {
  const requests = fc.record({
    infoHash: hash20,
    peerId: hash20,
    port: fc.integer({ min: 1, max: 65535 }),
    uploaded: fc.maxSafeNat(),
    downloaded: fc.maxSafeNat(),
    left: fc.maxSafeNat(),
    event: fc.constantFrom<TrackerEvent>("", "started", "completed", "stopped"),
    numWant: fc.nat(1000),
    hostname: fc.constantFrom("a", "seed_1.example", "::1", "10.0.0.1"),
    trackerId: fc.uint8Array(),
    key: fc.nat(0xffffffff),
  }, {
    requiredKeys: [
      "infoHash",
      "peerId",
      "port",
      "uploaded",
      "downloaded",
      "left",
      "event",
      "numWant",
    ],
  });
  fc.assert(fc.property(requests, (sent) => {
    const { trackerId: _, ...fields } = sent;
    assertEquals(parseAnnounceQuery(queryOf(buildAnnounceUrl("http://t/announce", sent))), {
      ...fields,
      infoHash: Uint8Array.from(sent.infoHash),
      peerId: Uint8Array.from(sent.peerId),
      compact: sent.hostname === undefined,
      noPeerId: true,
      hostname: sent.hostname ?? null,
      key: sent.key ?? 0,
      ip: null,
    });
  }));
});

Deno.test("parseAnnounceQuery() throws nothing but QuerySyntaxError", () => {
  const pieces = fc.constantFrom(
    "info_hash=",
    "peer_id=",
    "port=",
    "%61",
    "%",
    "&",
    "=",
    "7",
    "\u00e9",
  );
  fc.assert(fc.property(fc.array(pieces, { maxLength: 60 }), (parts) => {
    for (const parse of [parseAnnounceQuery, parseScrapeQuery]) {
      try {
        parse(parts.join(""));
      } catch (error) {
        assertInstanceOf(error, QuerySyntaxError);
      }
    }
  }));
});
