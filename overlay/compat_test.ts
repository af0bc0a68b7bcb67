import { assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  decodeOld,
  encodeGossip,
  encodeOldAnswer,
  escapeHash,
  unescapeHash,
  UNSIGNED_MAX,
  UnsignedProviders,
} from "./compat.ts";
import type { Provider } from "./record_map.ts";

const infoHash = "124578fb2a20" + "41".repeat(14);
const provider: Provider = {
  infoHash,
  address: "client2:6881",
  peerId: "2d4a43303030312d" + "31".repeat(12),
  left: 7,
  owner: null,
  lastSeenMs: 1000,
};
const told = { addr: "h:1", peer_id: "-JC0001-", left: 0, last_seen: 1_763_000_000 };

Deno.test("escapeHash() writes an info-hash as old nodes do, and unescapeHash() reads both forms", () => {
  assertEquals(escapeHash(infoHash), "%12Ex%FB%2A+" + "A".repeat(14));
  assertEquals(unescapeHash(infoHash.toUpperCase()), infoHash);
  assertEquals(unescapeHash("%zz"), null);
  fc.assert(fc.property(fc.uint8Array({ minLength: 20, maxLength: 20 }), (bytes) => {
    assertEquals(unescapeHash(escapeHash(bytes.toHex())), bytes.toHex());
  }));
});

Deno.test("decodeOld() reads the three messages of old nodes", () => {
  assertEquals(decodeOld(encodeGossip(infoHash, [provider], 1000, 5_000_000)), {
    type: "tell",
    infoHash,
    providers: [{
      addr: "client2:6881",
      peer_id: "-JC0001-" + "1".repeat(12),
      left: 7,
      last_seen: 5000,
    }],
  });
  const announce = { type: "Announce", info_hash: infoHash, providers: [told] };
  assertEquals(decodeOld(JSON.stringify(announce))?.type, "tell");
  const lookup = { type: "lookup", info_hash: escapeHash(infoHash), limit: 9 };
  assertEquals(decodeOld(JSON.stringify(lookup)), { type: "lookup", infoHash, limit: 9 });
});

Deno.test("decodeOld() refuses what no old node says", () => {
  const gossip = { type: "gossip", info_hash: infoHash };
  const lines = [
    "",
    "[]",
    JSON.stringify({ ...gossip, type: "hello" }),
    JSON.stringify({ ...gossip, info_hash: "short" }),
    JSON.stringify({ ...gossip, providers: [{ ...told, addr: "nowhere" }] }),
    JSON.stringify({ ...gossip, providers: [{ ...told, left: -2 }] }),
    JSON.stringify({ ...gossip, providers: new Array(1001).fill(told) }),
  ];
  for (const line of lines) assertEquals(decodeOld(line), null, line.slice(0, 60));
  fc.assert(fc.property(fc.json(), (line) => void decodeOld(line)));
});

Deno.test("encodeOldAnswer() holds as many as were asked for", () => {
  const answer = (limit: number) =>
    JSON.parse(encodeOldAnswer(new Array(60).fill(provider), limit, 1000, 0)).length;
  assertEquals([answer(5), answer(0), answer(100)], [5, 50, 60]);
});

Deno.test("UnsignedProviders forgets after 90 s, takes a leave, and keeps no more than it may", () => {
  const unsigned = new UnsignedProviders();
  unsigned.tell(infoHash, [told], 0);
  assertEquals(unsigned.providers(infoHash, 89_000).length, 1);
  assertEquals(unsigned.providers(infoHash, 90_000).length, 0);
  unsigned.tell(infoHash, [{ ...told, left: -1 }], 1000);
  assertEquals(unsigned.size, 0);
  const many = Array.from({ length: 1000 }, (_, at) => ({ ...told, addr: `h${at}:1` }));
  for (let swarm = 0; swarm < 12; swarm++) {
    unsigned.tell(swarm.toString(16).padStart(40, "0"), many, 2000);
  }
  assertEquals(unsigned.size, UNSIGNED_MAX);
  unsigned.tell(infoHash, [told], 100_000);
  assertEquals(unsigned.size, 1);
});
