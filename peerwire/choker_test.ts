import { assert, assertEquals } from "@std/assert";
import { BLOCK_BYTES, Geometry } from "@enjambre/metainfo";
import { Choker } from "./choker.ts";
import { Connection, type ConnectionEvents } from "./connection.ts";
import { PeerRequests } from "./requests.ts";

const geometry = new Geometry(BLOCK_BYTES, [{
  path: "a",
  bytes: BLOCK_BYTES,
  offset: 0,
  padding: false,
  executable: false,
  symlink: null,
}]);

/** What a peer is like, in bytes per second over the last 20 seconds. */
interface Manner {
  readonly gives?: number;
  readonly takes?: number;
  readonly isInterested?: boolean;
  readonly isSnubbed?: boolean;
  readonly openedAtMs?: number;
}

const NOW_MS = 1_000_000;

function peer(id: number, manner: Manner = {}): Connection {
  const connection = new Connection({
    id,
    geometry,
    peerId: new Uint8Array(20).fill(id),
    address: `192.0.2.${id}:6881`,
    isIncoming: false,
    isFast: true,
    isExtended: true,
    requests: new PeerRequests(id),
    events: {} as ConnectionEvents,
    nowMs: manner.openedAtMs ?? 0,
  });
  connection.isInterested = manner.isInterested ?? true;
  connection.isSnubbed = manner.isSnubbed ?? false;
  for (let ms = NOW_MS - 20_000; ms < NOW_MS; ms += 1000) {
    connection.downRate.add(manner.gives ?? 0, ms);
    connection.upRate.add(manner.takes ?? 0, ms);
  }
  return connection;
}

/** Uniform numbers that a seed replays. */
function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

function idsOf(connections: Iterable<Connection>): number[] {
  return Array.from(connections, (connection) => connection.id).sort((a, b) => a - b);
}

Deno.test("Choker unchokes everybody who is interested while there are slots", () => {
  const peers = [peer(1), peer(2, { isInterested: false }), peer(3), peer(4)];
  assertEquals(idsOf(new Choker(3, () => 0).choose(peers, false, NOW_MS)), [1, 3, 4]);
  assertEquals(idsOf(new Choker(3, () => 0).choose([], false, NOW_MS)), []);
});

Deno.test("Choker unchokes those that give most, and one more by lot", () => {
  const peers = [1, 2, 3, 4, 5, 6].map((id) => peer(id, { gives: id * 1000, takes: 9000 / id }));
  for (let seed = 0; seed < 20; seed++) {
    const chosen = idsOf(new Choker(3, randomOf(seed * 7919)).choose(peers, false, NOW_MS));
    assertEquals(chosen.length, 3);
    assertEquals(chosen.slice(-2), [5, 6]);
  }
});

Deno.test("Choker, as a seed, unchokes those that take most, and one more by lot", () => {
  const peers = [1, 2, 3, 4, 5].map((id) => peer(id, { gives: id * 1000, takes: 9000 / id }));
  const chosen = idsOf(new Choker(3, randomOf(1)).choose(peers, true, NOW_MS));
  assertEquals(chosen.length, 3);
  assertEquals(chosen.slice(0, 2), [1, 2]);
});

Deno.test("Choker counts nothing for a peer that snubs us", () => {
  const peers = [
    peer(1, { gives: 9000, isSnubbed: true }),
    peer(2, { gives: 100 }),
    peer(3, { gives: 200 }),
    peer(4, { gives: 50 }),
  ];
  const chosen = new Choker(3, () => 0.999).choose(peers, false, NOW_MS);
  assert(chosen.has(peers[1]!) && chosen.has(peers[2]!));
});

Deno.test("Choker keeps the optimistic peer for three rounds, then draws again", () => {
  const peers = [peer(1, { gives: 9000 }), ...[2, 3, 4, 5, 6, 7].map((id) => peer(id))];
  const choker = new Choker(2, randomOf(7919));
  const optimistic: number[] = [];
  for (let round = 0; round < 30; round++) {
    const chosen = idsOf(choker.choose(peers, false, NOW_MS));
    assertEquals(chosen[0], 1);
    optimistic.push(chosen[1]!);
  }
  for (let i = 0; i < 30; i += 3) {
    assertEquals(new Set(optimistic.slice(i, i + 3)).size, 1, `${optimistic}`);
  }
  assert(new Set(optimistic).size > 2, `${optimistic}: others get their turn`);
});

Deno.test("Choker draws another optimistic peer at once where the present one lost interest", () => {
  const peers = [peer(1, { gives: 9000 }), peer(2), peer(3)];
  const choker = new Choker(2, () => 0);
  assertEquals(idsOf(choker.choose(peers, false, NOW_MS)), [1, 2]);
  peers[1]!.isInterested = false;
  assertEquals(idsOf(choker.choose(peers, false, NOW_MS)), [1, 3]);
});

Deno.test("Choker gives a newcomer three tickets in the draw for the optimistic slot", () => {
  const peers = [
    peer(1, { gives: 9000 }),
    peer(2),
    peer(3, { openedAtMs: NOW_MS - 59_000 }),
    peer(4, { openedAtMs: NOW_MS - 60_000 }),
  ];
  const draws = [0, 0, 0, 0, 0];
  const random = randomOf(7919);
  for (let i = 0; i < 2000; i++) {
    draws[idsOf(new Choker(2, random).choose(peers, false, NOW_MS))[1]!]!++;
  }
  assert(draws[3]! > 1000 && draws[3]! < 1400, `${draws}: 1200 are expected for peer 3`);
  assert(draws[2]! > 300 && draws[4]! > 300, `${draws}`);
});
