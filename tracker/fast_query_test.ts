import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { Exchange } from "./exchange.ts";
import { readUsualAnnounce } from "./fast_query.ts";
import { buildAnnounceUrl, parseAnnounceQuery, percentEncode } from "./query.ts";
import { NUM_WANT_DEFAULT } from "./swarm_store.ts";

/** Reads both ways; where the fast one reads at all, the other has to read the same. Whether it read. */
function readBoth(query: string): boolean {
  const before = "GET /announce?";
  const bytes = Uint8Array.from(before + query + " HTTP/1.1", (unit) => unit.charCodeAt(0));
  const exchange = new Exchange();
  const isRead = readUsualAnnounce(bytes, before.length, before.length + query.length, exchange);
  if (!isRead) return false;
  const read = parseAnnounceQuery(query);
  assertEquals({
    infoHash: exchange.infoHash,
    peerId: exchange.peerId,
    port: exchange.port,
    seed: exchange.seed,
    event: exchange.event,
    numWant: exchange.numWant,
    form: exchange.form,
    noPeerId: exchange.noPeerId,
    hostname: exchange.hostname,
    key: exchange.key,
    ip: exchange.ip,
  }, {
    infoHash: read.infoHash,
    peerId: read.peerId,
    port: read.port,
    seed: read.left === 0,
    event: read.event,
    numWant: read.numWant ?? NUM_WANT_DEFAULT,
    form: read.compact ? "compact" : "list",
    noPeerId: read.noPeerId,
    hostname: read.hostname,
    key: read.key,
    ip: read.ip,
  });
  return true;
}

const id = fc.uint8Array({ minLength: 20, maxLength: 20 });
const count = fc.nat();

Deno.test("readUsualAnnounce() reads what our own client sends", () => {
  const request = fc.record({
    infoHash: id,
    peerId: id,
    port: fc.integer({ min: 1, max: 65535 }),
    uploaded: count,
    downloaded: count,
    left: count,
    event: fc.constantFrom("", "started", "completed", "stopped"),
    numWant: fc.nat(1000),
    key: fc.integer({ min: 0, max: 0xffffffff }),
  });
  fc.assert(fc.property(request, (fields) => {
    const url = buildAnnounceUrl("http://tracker.example/announce", fields);
    assert(readBoth(url.slice(url.indexOf("?") + 1)), url);
  }));
});

Deno.test("readUsualAnnounce() never reads otherwise than parseAnnounceQuery()", () => {
  const hash = id.map(percentEncode);
  const value = fc.oneof(
    hash,
    fc.constantFrom(
      "",
      "0",
      "1",
      "00",
      "007",
      "65535",
      "65536",
      "99999999999999999999",
      "-1",
      "1e3",
    ),
    fc.constantFrom("started", "stopped", "paused", "Started", "%73", "%", "%zz", "a%26b", "::1"),
    fc.constantFrom("ABCDEF01", "abcdef0123", "xyz", "1.2.3.4", "h%C3", "\xe9"),
  );
  const name = fc.constantFrom(
    ...["info_hash", "peer_id", "port", "left", "event", "numwant", "compact", "uploaded"],
    ...["downloaded", "key", "no_peer_id", "ip", "hostname", "trackerid", "x", "", "info_hasH"],
  );
  const more = fc.tuple(name, fc.constantFrom("=", "=", "=", ""), value).map((all) => all.join(""));
  const parts = fc.tuple(
    hash,
    hash,
    fc.integer({ min: 0, max: 70000 }),
    fc.array(more, { maxLength: 5 }),
  );
  let count = 0;
  fc.assert(
    fc.property(parts, fc.nat(), ([infoHash, peerId, port, others], seed) => {
      const all = [`info_hash=${infoHash}`, `peer_id=${peerId}`, `port=${port}`, ...others];
      const first = seed % all.length;
      if (readBoth([...all.slice(first), ...all.slice(0, first)].join("&"))) count++;
    }),
    { numRuns: 2000 },
  );
  assert(count > 100, `${count}`);
});

Deno.test("readUsualAnnounce() leaves what is missing or cut off to parseAnnounceQuery()", () => {
  const hash = percentEncode(new Uint8Array(20).fill(200));
  const query = `info_hash=${hash}&peer_id=${hash}&port=6881`;
  assert(readBoth(query));
  const names = [/info_hash=[^&]*&/, /peer_id=[^&]*&/, /&port=\d*/];
  for (const name of names) assert(!readBoth(query.replace(name, "")));
  // But for the port, nothing may be cut off.
  for (let length = 0; length < query.length - 3; length++) {
    assert(!readBoth(query.slice(0, length)));
  }
  assert(!readBoth(`${query}&x=${"a".repeat(8192)}`));
  // A byte beyond ASCII has to be encoded, or else nobody knows what it was.
  assert(readBoth(query.replace("%C8", "\x7f")));
  assert(!readBoth(query.replace("%C8", "\x80")));
});
