/**
 * What others wrote about HTTP trackers: queries, answers, URLs and tiers.
 *
 * Every case is run by its kind; a kind or an expectation that nobody here knows fails the test. Where we
 * decide otherwise than the source of a case, the branch says so and checks what we do instead.
 */
import { bytesOfKey, encode, keyOfBytes } from "@enjambre/bencode";
import {
  type AnnounceAnswer,
  type AnnounceQuery,
  Announcer,
  type AnnounceRequest,
  buildAnnounceUrl,
  forEachParameter,
  formatHostPort,
  isTrackerUrl,
  parseAnnounceQuery,
  parseAnnounceResponse,
  parseScrapeQuery,
  parseScrapeResponse,
  percentDecode,
  percentEncode,
  QuerySyntaxError,
  scrapeUrlOf,
  writeAnnounceResponse,
  writeFailure,
  writeScrapeResponse,
} from "@enjambre/tracker";
import { assert, assertEquals, assertStringIncludes, assertThrows, fail } from "@std/assert";
import { bytesOfHex, readCases, type VectorCase, vectorTest } from "./testdata.ts";

const request: AnnounceRequest = {
  infoHash: new Uint8Array(20),
  peerId: new Uint8Array(20),
  port: 1,
  uploaded: 0,
  downloaded: 0,
  left: 0,
  event: "",
  numWant: 50,
};

/** Runs all cases of a file and names every one that fails. */
function runCases(path: string, run: (vector: VectorCase) => void): void {
  const cases = readCases(path);
  assert(cases.length > 0);
  const failures: string[] = [];
  for (const vector of cases) {
    try {
      run(vector);
    } catch (error) {
      failures.push(`${vector.id}: ${error instanceof Error ? error.message : error}`);
    }
  }
  assertEquals(failures, []);
}

vectorTest("tracker_http_request.json: queries are built and read as others do", () => {
  runCases("vectors/tracker_http_request.json", (vector) => {
    if (vector.kind === "encode") return checkEncoding(vector);
    if (vector.kind === "event") return checkEvent(vector);
    if (vector.kind === "percent-encode") return checkPercentEncoding(vector);
    if (vector.kind === "percent-decode") return checkPercentDecoding(vector);
    if (vector.kind !== "decode") fail(`unknown kind ${vector.kind}`);
    if (vector.param !== undefined) return checkInvalidParameter(vector);
    if (vector.missing_each_of !== undefined) return checkMissing(vector);
    if (vector.query !== undefined) return checkEntries(vector);
    return checkRequestLine(vector);
  });
});

function checkEncoding(vector: VectorCase): void {
  const infoHash = bytesOfHex(vector.infohash);
  const url = buildAnnounceUrl("http://tracker.example/announce", { ...request, infoHash });
  assertEquals(parseAnnounceQuery(url.slice(url.indexOf("?") + 1)).infoHash, infoHash);
  if (vector.expect_query_contains !== undefined) {
    assertStringIncludes(url, vector.expect_query_contains);
  } else if (/^(%[0-9A-Fa-f]{2})+$/.test(vector.expect)) {
    // aquatic escapes every byte and writes its digits in lower case: the same to every reader.
    assertEquals(percentDecode(vector.expect), infoHash);
  } else {
    assertEquals(percentEncode(infoHash), vector.expect);
  }
}

function checkEvent(vector: VectorCase): void {
  const query = queryOf({ event: vector.event });
  // chihaya takes events in any case, torrust in lower case alone; BEP 3 writes them so, and so do we.
  if (vector.verdict !== "ok" || vector.event !== vector.event.toLowerCase()) {
    assertThrows(() => parseAnnounceQuery(query), QuerySyntaxError, "Cannot read event");
  } else {
    assertEquals(parseAnnounceQuery(query).event || "none", vector.expect || "none");
  }
}

function checkPercentEncoding(vector: VectorCase): void {
  // Escaping a whole URL but for what is reserved is no task of ours: `fetch` does it.
  if (!vector.escape_reserved) return assertEquals(encodeURI(vector.input), vector.expect);
  assertEquals(percentEncode(new TextEncoder().encode(vector.input)), vector.expect);
}

function checkPercentDecoding(vector: VectorCase): void {
  // transmission leaves a broken escape as it is, chihaya refuses it; so do we: an info-hash that was
  // escaped wrongly must not become another one.
  if (/%(?![0-9a-fA-F]{2})/.test(vector.input)) {
    assertThrows(() => percentDecode(vector.input), QuerySyntaxError);
    return;
  }
  const expected = typeof vector.expect === "string"
    ? new TextEncoder().encode(vector.expect)
    : bytesOfHex(vector.expect.hex);
  assertEquals(percentDecode(vector.input), Uint8Array.from(expected));
}

function checkInvalidParameter(vector: VectorCase): void {
  for (const value of vector.invalid_values) {
    const query = queryOf({ [vector.param]: value });
    // "-qB0000000000000000" and the like are ids of a wrong length.
    assertThrows(() => parseAnnounceQuery(query), QuerySyntaxError, `Cannot read ${vector.param}`);
  }
}

function checkMissing(vector: VectorCase): void {
  for (const name of vector.missing_each_of) {
    const read = () => parseAnnounceQuery(queryOf({ [name]: undefined }));
    assertThrows(read, QuerySyntaxError, `Cannot read ${name}: it is missing`);
  }
}

function checkEntries(vector: VectorCase): void {
  const entries: string[][] = [];
  forEachParameter(vector.query, (name, value) => {
    entries.push([name, new TextDecoder().decode(percentDecode(value))]);
  });
  assertEquals(entries, vector.expect);
}

function checkRequestLine(vector: VectorCase): void {
  const [, path = "", query = ""] = /^GET ([^ ?]*)\??([^ ]*) /.exec(vector.request)!;
  if (vector.verdict === "error") {
    assertThrows(() => parseAnnounceQuery(query), QuerySyntaxError);
  } else if (vector.expect === undefined) {
    // Must not crash; ours says which parameter is missing.
    assertStringIncludes(vector.verdict, "must not crash");
    const error = assertThrows(() => parseAnnounceQuery(query), QuerySyntaxError);
    assertEquals(error.parameter === "", false);
  } else if (path === "/scrape") {
    assertEquals(Object.keys(vector.expect), ["info_hashes"]);
    assertEquals(parseScrapeQuery(query).map((hash) => hash.toHex()), vector.expect.info_hashes);
  } else {
    checkAnnounce(parseAnnounceQuery(query), vector.expect);
  }
}

function checkAnnounce(read: AnnounceQuery, expected: VectorCase): void {
  for (const [name, value] of Object.entries(expected)) {
    if (name === "info_hash") assertEquals(read.infoHash.toHex(), value);
    else if (name === "peer_id") assert([read.peerId.toHex(), textOf(read.peerId)].includes(value));
    else if (name === "port") assertEquals(read.port, value);
    else if (name === "left" || name === "bytes_left") assertEquals(read.left, value);
    else if (name === "uploaded" || name === "bytes_uploaded") assertEquals(read.uploaded, value);
    else if (name === "downloaded") assertEquals(read.downloaded, value);
    else if (name === "event") assertEquals(read.event || "none", value || "none");
    else if (name === "numwant") assertEquals(read.numWant, value);
    else if (name === "compact") assertEquals(read.compact, Boolean(value));
    // Our server has no use for the key yet.
    else if (name !== "key") fail(`unknown expectation ${name}`);
  }
}

/** A query that is valid but for what `fields` change. */
function queryOf(fields: Record<string, string | undefined>): string {
  const all = { info_hash: "a".repeat(20), peer_id: "b".repeat(20), port: "1", ...fields };
  return Object.entries(all).filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}=${value}`).join("&");
}

vectorTest("tracker_http_response.json: answers are read as others do", () => {
  runCases("vectors/tracker_http_response.json", (vector) => {
    if (vector.peer_dict !== undefined) return checkEntry(vector);
    const body = bytesOfHex(vector.body_hex);
    if (vector.verdict === "error") {
      // Ours are errors with an offset.
      const error = assertThrows(() => parseAnnounceResponse(body));
      assert(typeof (error as Error & { offset: number }).offset === "number");
    } else if (vector.verdict === "failure") {
      checkFailure(vector, body);
    } else {
      assertEquals(vector.verdict, "ok");
      if (vector.request?.startsWith("scrape")) checkScrape(vector, body);
      else checkAnswer(vector, body);
    }
  });
});

function checkFailure(vector: VectorCase, body: Uint8Array): void {
  assertEquals(Object.keys(vector.expect), ["failure_reason"]);
  const { failure_reason: failureReason } = vector.expect;
  assertEquals(parseAnnounceResponse(body), { ok: false, failureReason });
  assertEquals(parseScrapeResponse(body), { ok: false, failureReason });
  // The other way round, for a body that holds nothing else.
  if (body.length < 30 + failureReason.length) assertEquals(writeFailure(failureReason), body);
}

function checkScrape(vector: VectorCase, body: Uint8Array): void {
  const counts = parseScrapeResponse(body);
  assert(counts instanceof Map);
  const { complete, incomplete, downloaded, downloaders, ...rest } = vector.expect;
  assertEquals(rest, {});
  // An extension that we do not read.
  assert((downloaders ?? null) === null);
  assertEquals([...counts.values()], [
    { seeders: complete, completed: downloaded, leechers: incomplete },
  ]);
}

function checkAnswer(vector: VectorCase, body: Uint8Array): void {
  const read = parseAnnounceResponse(body);
  assert(read.ok);
  const { expect } = vector;
  for (const [name, value] of Object.entries(expect)) {
    if (name === "interval") assertEquals(read.intervalSeconds, value);
    else if (name === "min_interval") assertEquals(read.minIntervalSeconds, value);
    else if (name === "complete") assertEquals(read.seeders, value);
    else if (name === "incomplete") assertEquals(read.leechers, value);
    else if (name === "warning") assertEquals(read.warning, value);
    else if (name === "tracker_id") assertEquals(textOf(read.trackerId!), value);
    else if (name === "external_ip") assertEquals(read.externalIp, value);
    else if (name === "peers_count") checkCount(vector, read, value as number);
    else if (name === "peers" || name === "peers6") checkPeers(expect, read);
    // How many completed is for scrapes; no part of the client wants it from an announce.
    else if (name !== "downloaded") fail(`unknown expectation ${name}`);
  }
}

function checkCount(vector: VectorCase, read: AnnounceAnswer, count: number): void {
  if (vector.id === "an-malformed-InvalidIP") {
    // What is no address may be a name, as libtorrent reads it too: it is tried, and does not resolve.
    assertEquals(read.peers, [{ host: "not-an-ip", port: 6881, peerId: null }]);
  } else {
    assertEquals(read.peers.length, count);
  }
}

/** Ours are one list: what `peers` held, then `peers6`. */
function checkPeers(expect: VectorCase, read: AnnounceAnswer): void {
  const expected = [...expect.peers ?? [], ...expect.peers6 ?? []];
  assertEquals(read.peers.length, expected.length);
  expected.forEach((each, i) => {
    const { host, port, peerId } = read.peers[i]!;
    if (typeof each === "string") return assertEquals(formatHostPort(host, port), each);
    const id = peerId === null ? null : textOf(peerId);
    assertEquals({ host, port, peer_id: id }, { peer_id: null, ...each });
  });
}

/**
 * One entry of a list of peers. libtorrent refuses all of an answer for one bad entry; we skip the entry,
 * as anacrolix does: the other peers are no worse for it.
 */
function checkEntry(vector: VectorCase): void {
  const read = parseAnnounceResponse(bytesOfKey(`d5:peersl${vector.peer_dict}ee`));
  assert(read.ok);
  checkPeers({ peers: vector.verdict === "error" ? [] : [vector.expect] }, read);
}

vectorTest("tracker_urls.json: URLs, scrape URLs and tiers", () => {
  runCases("vectors/tracker_urls.json", (vector) => {
    if (vector.kind === "announce-to-scrape") return checkScrapeUrl(vector);
    if (vector.kind === "valid-tracker-url") {
      // WebRTC trackers are none of ours.
      const webRtc = /^wss?:/.test(vector.url);
      return assertEquals(isTrackerUrl(vector.url), vector.valid && !webRtc);
    }
    if (vector.kind === "parse") {
      // The parts are the platform's matter: `URL` writes addresses in one form, "http://1" included.
      return assertEquals(isTrackerUrl(vector.url), vector.verdict === "ok");
    }
    if (vector.kind === "duplicates") {
      const announcer = new Announcer([vector.urls], { random: () => 0 });
      return assertEquals(announcer.status().length, vector.expect_kept);
    }
    if (vector.kind !== "tiers") fail(`unknown kind ${vector.kind}`);
    if (vector.announce_list !== undefined) return checkFailover(vector);
    return checkTiers(vector);
  });
});

function checkScrapeUrl(vector: VectorCase): void {
  // BEP 48 looks at the path alone; the convention before it took the last slash of the URL.
  const slashInQuery = /\?.*\//.test(vector.announce);
  const expected = slashInQuery
    ? vector.announce.replace(/announce(?=[^/]*\?)/, "scrape")
    : vector.scrape ?? null;
  assertEquals(scrapeUrlOf(vector.announce), expected);
}

function checkTiers(vector: VectorCase): void {
  const tiers: string[][] = [];
  vector.tiers_given.forEach((tier: number, i: number) => {
    (tiers[tier] ??= []).push(`http://tracker-${i}/announce`);
  });
  // A shuffle that leaves all in place.
  const announcer = new Announcer(tiers, { random: () => 0.999 });
  const order = announcer.status().map(({ url }) => Number(/\d+/.exec(url)![0]));
  assertEquals(order, vector.expect_order);
}

/** BEP 12: tier by tier, and the one that answers moves to the front of its own tier. */
function checkFailover(vector: VectorCase): void {
  const tiers: string[][] = vector.announce_list.map((tier: string[]) =>
    tier.map((name) => `http://${name}/announce`)
  );
  const urls = tiers.flat();
  for (const answering of urls) {
    for (const random of [0, 0.5, 0.999]) {
      const announcer = new Announcer(tiers, { random: () => random });
      announcer.start(0, false);
      const asked: string[] = [];
      for (let order; (order = announcer.takeAnnounce()) !== null;) {
        asked.push(order.url);
        if (order.url !== answering) announcer.handleError(order.url, "down", 0);
        else announcer.handleResult(order.url, parseAnnounceResponse(encode({})), 0);
      }
      const tierOf = (url: string) => tiers.findIndex((tier) => tier.includes(url));
      assertEquals(asked.map(tierOf), asked.map(tierOf).sort());
      assertEquals(asked.at(-1), answering);
      for (const tier of tiers.slice(0, tierOf(answering))) {
        assert(tier.every((url) => asked.includes(url)));
      }
      const front = announcer.status().find(({ tier }) => tier === tierOf(answering));
      assertEquals(front?.url, answering);
    }
  }
}

vectorTest("bep_vectors.json: the values that BEPs 7, 31 and 48 print", () => {
  const cases = new Map(readCases("bep_vectors.json").map((vector) => [vector.id, vector]));
  const checks: Record<string, (vector: VectorCase) => void> = {
    "bep07-01": ({ bencoded }) => {
      const read = parseAnnounceResponse(bytesOfKey(bencoded));
      assert(read.ok);
      assertEquals(read.peers.map(({ host }) => host), [
        "105.105.105.105",
        "6969:6969:6969:6969:6969:6969:6969:6969",
      ]);
      const reply = { intervalSeconds: 1800, minIntervalSeconds: 60, seeders: 0, leechers: 0 };
      const peers = { compact4: bytesOfKey("iiiipp"), compact6: bytesOfKey("i".repeat(16) + "pp") };
      const written = textOf(writeAnnounceResponse({ ...reply, peers }));
      assertStringIncludes(written, bencoded.slice(bencoded.indexOf("5:peers")));
    },
    "bep31-02": ({ bencoded }) =>
      assertEquals(parseAnnounceResponse(bytesOfKey(bencoded)), {
        ok: false,
        failureReason: "Not a tracker",
        retryInSeconds: Infinity,
      }),
    "bep48-01": ({ request }) =>
      assertEquals(parseScrapeQuery(request.slice(request.indexOf("?") + 1)).map(textOf), [
        "x".repeat(20),
        "y".repeat(20),
      ]),
    "bep48-02": ({ bencoded }) => {
      const read = parseScrapeResponse(bytesOfKey(bencoded));
      assert(read instanceof Map);
      assertEquals([...read.values()], [
        { seeders: 11, completed: 13772, leechers: 19 },
        { seeders: 21, completed: 206, leechers: 20 },
      ]);
      const entries = [...read].map(([hex, counts]) => (
        [bytesOfHex(hex), counts as { [K in keyof typeof counts]: number }] as const
      ));
      assertEquals(textOf(writeScrapeResponse(entries)), bencoded);
    },
    "bep48-03": () => assertEquals(scrapeUrlOf("http://t/announce"), "http://t/scrape"),
  };
  for (const [id, check] of Object.entries(checks)) {
    const vector = cases.get(id);
    // The part of the test data that is at hand need not have all of them.
    if (vector !== undefined) check(vector);
  }
  assert(Object.keys(checks).some((id) => cases.has(id)));
});

/** Bytes as text, one character each. */
function textOf(bytes: Uint8Array): string {
  return keyOfBytes(bytes);
}
