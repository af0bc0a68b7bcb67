import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { BLOCK_BYTES } from "@enjambre/metainfo";
import fc from "fast-check";
import { geometryOf } from "./_test_swarm.ts";
import { Connection, type ConnectionEvents } from "./connection.ts";
import { addressOf } from "./ip_address.ts";
import { formatAddress } from "./peer_book.ts";
import {
  connectionsPerHostMax,
  crc32c,
  peerPriority,
  PROTECTED_MS,
  worstConnection,
} from "./peer_priority.ts";
import { PeerRequests } from "./requests.ts";

const NOW_MS = 1_000_000;
const SELF = { host: "198.51.100.7", port: 6881 };

/** What a connection is like; old, interested and without traffic where nothing is said. */
interface Manner {
  readonly host?: string;
  readonly openedAtMs?: number;
  readonly isInterested?: boolean;
  readonly amInterested?: boolean;
  readonly gives?: boolean;
  readonly takes?: boolean;
}

function connectionOf(id: number, manner: Manner = {}): Connection {
  const connection = new Connection({
    id,
    geometry: geometryOf(BLOCK_BYTES, BLOCK_BYTES),
    peerId: new Uint8Array(20).fill(id),
    address: formatAddress({ host: manner.host ?? `192.0.2.${id}`, port: 6881 }),
    isIncoming: false,
    isFast: true,
    isExtended: true,
    requests: new PeerRequests(id),
    events: {} as ConnectionEvents,
    nowMs: manner.openedAtMs ?? 0,
  });
  connection.isInterested = manner.isInterested ?? true;
  connection.amInterested = manner.amInterested ?? false;
  if (manner.gives) connection.downRate.add(1, NOW_MS - 1000);
  if (manner.takes) connection.upRate.add(1, NOW_MS - 1000);
  return connection;
}

function priority(one: string, other: string): number | null {
  return peerPriority(addressOf(one), addressOf(other));
}

Deno.test("crc32c() gives the check value of the Castagnoli polynomial", () => {
  assertEquals(crc32c(new TextEncoder().encode("123456789")), 0xe3069283);
  assertEquals(crc32c(new Uint8Array(0)), 0);
});

Deno.test("peerPriority() is the one that BEP 40 gives as examples", () => {
  assertEquals(priority("123.213.32.10:0", "98.76.54.32:0"), 0xec2d7224);
  assertEquals(priority("123.213.32.10:0", "123.213.32.234:0"), 0x99568189);
});

Deno.test("peerPriority() looks at every other bit of what is not compared exactly", () => {
  const far = priority("192.0.2.1:1", "198.51.100.1:1");
  assertEquals(priority("192.0.2.3:1", "198.51.100.1:1"), far, "bit 1 of the last byte");
  assertNotEquals(priority("192.0.2.5:1", "198.51.100.1:1"), far, "bit 2 of the last byte");
  const sameSixteen = priority("192.0.2.1:1", "192.0.7.1:1");
  assertNotEquals(priority("192.0.3.1:1", "192.0.7.1:1"), sameSixteen, "the third byte, whole");
  assertEquals(priority("192.0.2.3:1", "192.0.7.1:1"), sameSixteen);
  assertNotEquals(priority("192.0.2.3:1", "192.0.2.9:1"), priority("192.0.2.1:1", "192.0.2.9:1"));
  const v6 = priority("2001:db8:0:0101::1:1", "2001:db8:1::1:1");
  assertEquals(priority("2001:db8:0:0103::1:1", "2001:db8:1::1:1"), v6, "beyond /48");
  const near = priority("2001:db8:0:0101::1:1", "2001:db8:0:ff01::1:1");
  assertNotEquals(priority("2001:db8:0:0301::1:1", "2001:db8:0:ff01::1:1"), near, "one /48");
  assertEquals(priority("2001:db8:0:0103::1:1", "2001:db8:0:ff01::1:1"), near);
});

Deno.test("peerPriority() compares ports on one host, whichever end asks", () => {
  const one = priority("192.0.2.1:1234", "192.0.2.1:300");
  assertEquals(one, crc32c(Uint8Array.of(0x01, 0x2c, 0x04, 0xd2)));
  assertEquals(priority("192.0.2.1:300", "192.0.2.1:1234"), one);
});

Deno.test("peerPriority() knows nothing of names and of two families", () => {
  assertEquals(priority("peer.example:1", "192.0.2.1:1"), null);
  assertEquals(priority("192.0.2.1:1", "peer.example:1"), null);
  assertEquals(priority("192.0.2.1:1", "[2001:db8::1]:1"), null);
});

Deno.test("peerPriority() is the same at both ends, for any two addresses", () => {
  const address = fc.record({
    host: fc.oneof(fc.ipV4(), fc.ipV6(), fc.constantFrom("192.0.2.1", "192.0.2.77", "192.0.9.9")),
    port: fc.integer({ min: 1, max: 65535 }),
  });
  fc.assert(fc.property(address, address, (one, other) => {
    assertEquals(peerPriority(one, other), peerPriority(other, one));
  }));
});

Deno.test("connectionsPerHostMax() leaves half of what is left to others, and one place in any case", () => {
  const places = 100;
  let free = places;
  const takenByHost: number[] = [];
  for (let host = 0; host < 10; host++) {
    let taken = 0;
    while (free > 0 && taken < connectionsPerHostMax(free)) taken++, free--;
    takenByHost.push(taken);
  }
  assertEquals(takenByHost, [50, 25, 13, 6, 3, 2, 1, 0, 0, 0]);
  assertEquals(connectionsPerHostMax(0), 1);
});

const NEWCOMER = { host: "203.0.113.9", port: 6881 };

/** The id of the connection that yields, or null. */
function yields(connections: Connection[], newcomer = NEWCOMER, self = SELF): number | null {
  return worstConnection(connections, { newcomer, self, nowMs: NOW_MS })?.id ?? null;
}

Deno.test("worstConnection() is the useless one that is idle for the longest time", () => {
  const idle = [1, 2, 3].map((id) => connectionOf(id, { isInterested: false }));
  idle[0]!.lastBlockAtMs = 900_000;
  idle[1]!.chokeChangedAtMs = 800_000;
  idle[2]!.lastBlockAtMs = 850_000;
  assertEquals(yields([...idle, connectionOf(4), connectionOf(5, { amInterested: true })]), 2);
});

Deno.test("worstConnection() without a newcomer is a useless one or none", () => {
  const query = { newcomer: null, self: SELF, nowMs: NOW_MS };
  const useful = [1, 2, 3].map((id) => connectionOf(id));
  assertEquals(worstConnection(useful, query), null);
  const useless = connectionOf(4, { isInterested: false });
  assertEquals(worstConnection([...useful, useless], query), useless);
  assertEquals(worstConnection([], query), null);
});

Deno.test("worstConnection() gives a young connection time to show what it is good for", () => {
  const openedAtMs = NOW_MS - PROTECTED_MS;
  const query = { newcomer: null, self: SELF, nowMs: NOW_MS - 1 };
  const young = connectionOf(1, { isInterested: false, openedAtMs });
  assertEquals(worstConnection([young], query), null);
  assertEquals(worstConnection([young], { ...query, nowMs: NOW_MS }), young);
});

Deno.test("worstConnection() is the one of the lowest canonical priority, where the newcomer's is higher", () => {
  const ids = Array.from({ length: 50 }, (_, i) => i + 1);
  const connections = ids.map((id) => connectionOf(id));
  const priorityOf = (id: number) => peerPriority(SELF, { host: `192.0.2.${id}`, port: 6881 })!;
  const lowest = ids.reduce((a, b) => priorityOf(b) < priorityOf(a) ? b : a);
  assert(priorityOf(lowest) < peerPriority(SELF, NEWCOMER)!);
  assertEquals(yields(connections), lowest);
  const highest = ids.reduce((a, b) => priorityOf(b) > priorityOf(a) ? b : a);
  const better = connections.filter(({ id }) => id === highest);
  assertEquals(yields(better, addressOf(connections[lowest - 1]!.address)), null);
});

Deno.test("worstConnection() spares those that carry blocks, and those of unknown priority", () => {
  const connections = [1, 2, 3, 4, 5, 6, 7, 8].map((id) =>
    connectionOf(id, { gives: id % 2 === 0, takes: id % 2 === 1 })
  );
  assertEquals(yields(connections), null);
  assertEquals(yields([connectionOf(1, { host: "peer.example" })]), null);
  const query = { newcomer: NEWCOMER, self: null, nowMs: NOW_MS };
  assertEquals(worstConnection([connectionOf(1), connectionOf(2)], query), null);
});

Deno.test("worstConnection() takes a place from a host that has more than its share", () => {
  const crowd = [1, 2, 3].map((id) => connectionOf(id, { host: "192.0.2.200", openedAtMs: id }));
  crowd[2]!.upRate.add(1, NOW_MS);
  const others = [4, 5].map((id) => connectionOf(id));
  assertEquals(yields([...others, ...crowd]), 2, "the youngest of the crowd that carries nothing");
  assertEquals(
    worstConnection(crowd, { newcomer: addressOf(crowd[0]!.address), self: null, nowMs: NOW_MS }),
    null,
    "one more of the crowd is refused",
  );
});

Deno.test("worstConnection() lets honest hosts in where one host holds every place", () => {
  const places = 40;
  const connections = Array.from({ length: places }, (_, id) => {
    return connectionOf(id, { host: "192.0.2.200", openedAtMs: NOW_MS - 1000 });
  });
  for (let id = places; id < 3 * places; id++) {
    const newcomer = { host: `198.18.0.${id}`, port: 6881 };
    const worst = worstConnection(connections, { newcomer, self: null, nowMs: NOW_MS });
    if (worst === null) continue;
    connections.splice(connections.indexOf(worst), 1, connectionOf(id, { host: newcomer.host }));
  }
  const left = connections.filter(({ address }) => address.startsWith("192.0.2.200:"));
  assertEquals([left.length, connections.length], [1, places]);
});
