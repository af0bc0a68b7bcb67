import { assert, assertEquals } from "@std/assert";
import { BLOCK_BYTES, Geometry } from "@enjambre/metainfo";
import { CHOKE_ROUND_MS, Choker } from "./choker.ts";
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

Deno.test("Choker leaves only the optimistic slot to peers that snub us, though slots are free", () => {
  const snubbing = [1, 2, 3].map((id) => peer(id, { gives: 9000, isSnubbed: true }));
  const other = peer(4);
  const choker = new Choker(8, randomOf(1));
  assertEquals(choker.choose([...snubbing, other], false, NOW_MS).size, 2);
  assert(choker.choose([...snubbing, other], false, NOW_MS).has(other));
  assertEquals(choker.choose([...snubbing, other], true, NOW_MS).size, 4, "a seed asks nobody");
});

Deno.test("Choker asks how many slots there are each time", () => {
  let slots = 2;
  const choker = new Choker(() => slots, () => 0);
  const peers = [1, 2, 3, 4, 5].map((id) => peer(id));
  assertEquals([choker.slots, choker.choose(peers, false, NOW_MS).size], [2, 2]);
  slots = 4;
  assertEquals([choker.slots, choker.choose(peers, false, NOW_MS).size], [4, 4]);
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

/** Whom a choker serves over many rounds: what each peer gives and takes by the second, as it is let. */
class Rounds {
  readonly peers: Connection[] = [];
  /** Bytes that each peer takes in a second while it is served, by id; 100 where nothing is said. */
  readonly takes = new Map<number, number>();
  /** In how many rounds each was served. */
  readonly served = new Map<number, number>();
  nowMs = NOW_MS;
  readonly #choker: Choker;
  readonly #isSeed: boolean;

  constructor(slots: number, isSeed: boolean, seed: number) {
    this.#choker = new Choker(slots, randomOf(seed * 7919 + 1));
    this.#isSeed = isSeed;
  }

  join(id: number, takes = 100): Connection {
    const joined = peer(id, { openedAtMs: this.nowMs });
    this.peers.push(joined);
    this.takes.set(id, takes);
    return joined;
  }

  round(): Set<Connection> {
    const chosen = this.#choker.choose(this.peers, this.#isSeed, this.nowMs);
    for (const connection of this.peers) {
      if (connection.amChoking !== chosen.has(connection)) continue;
      connection.amChoking = !connection.amChoking;
      connection.chokeChangedAtMs = this.nowMs;
    }
    for (const { id } of chosen) this.served.set(id, (this.served.get(id) ?? 0) + 1);
    for (let second = 0; second < CHOKE_ROUND_MS / 1000; second++) {
      for (const connection of chosen) {
        const bytes = this.takes.get(connection.id)!;
        connection.uploadedBytes += bytes;
        connection.upRate.add(bytes, this.nowMs);
      }
      this.nowMs += 1000;
    }
    return chosen;
  }

  run(rounds: number): void {
    for (let round = 0; round < rounds; round++) this.round();
  }

  bytesOf(id: number): number {
    return this.peers.find((connection) => connection.id === id)!.uploadedBytes;
  }
}

Deno.test("Choker, as a seed, gives every peer the same over 60 rounds", () => {
  for (let seed = 0; seed < 20; seed++) {
    const rounds = new Rounds(5, true, seed);
    for (let id = 1; id <= 20; id++) rounds.join(id);
    rounds.run(60);
    const counts = Array.from({ length: 20 }, (_, i) => rounds.served.get(i + 1) ?? 0);
    assert(Math.min(...counts) >= 11 && Math.max(...counts) <= 20, `${seed}: ${counts}`);
  }
});

Deno.test("Choker, as a seed, lets a peer keep its slot for three rounds, and then another has it", () => {
  const rounds = new Rounds(3, true, 1);
  for (let id = 1; id <= 12; id++) rounds.join(id);
  const turns: string[] = [];
  for (let turn = 0; turn < 6; turn++) {
    const chosen = [rounds.round(), rounds.round(), rounds.round()].map(idsOf);
    const regular = chosen[0]!.filter((id) => chosen.every((ids) => ids.includes(id)));
    assert(regular.length >= 2, chosen.join(" "));
    turns.push(regular.join());
  }
  assertEquals(new Set(turns).size, turns.length, turns.join(" "));
});

Deno.test("Choker, as a seed, gives a fast peer fewer rounds than others, and leaves nobody out", () => {
  const rounds = new Rounds(5, true, 1);
  rounds.join(1, 2000);
  for (let id = 2; id <= 20; id++) rounds.join(id);
  rounds.run(120);
  const others = Array.from({ length: 19 }, (_, i) => rounds.served.get(i + 2) ?? 0);
  const mean = others.reduce((sum, count) => sum + count) / others.length;
  assert(rounds.served.get(1)! < 0.75 * mean, `${rounds.served.get(1)}, the others had ${mean}`);
  assert(rounds.served.get(1)! >= 5, `${rounds.served.get(1)}`);
  assert(Math.min(...others) > 0.75 * mean, `${others}`);
});

Deno.test("Choker, as a seed, lets slow peers hold no slot for the bytes that they did not take", () => {
  const rounds = new Rounds(5, true, 1);
  for (let id = 1; id <= 10; id++) rounds.join(id, 1);
  for (let id = 11; id <= 20; id++) rounds.join(id, 100);
  rounds.run(120);
  const served = (from: number) =>
    Array.from({ length: 10 }, (_, i) => rounds.served.get(from + i) ?? 0)
      .reduce((sum, count) => sum + count);
  // To give all the same bytes, the slow ones would have to be served a hundred times as long.
  assert(served(1) < 3 * served(11), `${served(1)} rounds of slow peers, ${served(11)} of others`);
});

Deno.test("Choker, as a seed, takes the slot of a peer that asks for nothing", () => {
  const rounds = new Rounds(2, true, 1);
  rounds.join(1, 0);
  assert(rounds.round().has(rounds.peers[0]!));
  for (let id = 2; id <= 6; id++) rounds.join(id);
  rounds.run(60);
  assert(rounds.served.get(1)! <= 1 + 60 * 2 / 6, `${rounds.served.get(1)} rounds`);
  const late = new Rounds(3, true, 1);
  late.join(1, 0), late.join(2), late.join(3), late.join(4);
  const first = idsOf(late.round()).slice(0, 2);
  assertEquals(first, [1, 2]);
  const next = late.round();
  assert(next.has(late.peers[1]!), "in its turn");
  assert(
    next.has(late.peers[2]!) && next.has(late.peers[3]!),
    "these wait, and 1 asked for nothing",
  );
});

Deno.test("Choker, as a seed, gains a peer nothing that comes back as another after each turn", () => {
  const rounds = new Rounds(5, true, 1);
  for (let id = 1; id <= 20; id++) rounds.join(id);
  let guise = 100;
  let bytes = 0;
  rounds.join(guise);
  for (let round = 0; round < 120; round++) {
    rounds.round();
    const rider = rounds.peers.find(({ id }) => id === guise)!;
    const isOver = !rider.amChoking && rounds.served.get(guise) === 3;
    if (!isOver) continue;
    bytes += rider.uploadedBytes;
    rounds.peers.splice(rounds.peers.indexOf(rider), 1);
    rounds.join(++guise);
  }
  const mean = rounds.peers.slice(0, 20).reduce((sum, { id }) => sum + rounds.bytesOf(id), 0) / 20;
  assert(bytes < 3 * mean, `${bytes} bytes, the others had ${mean}`); // newcomers have three tickets
});

Deno.test("Choker, as a seed, starves nobody for the sake of newcomers without end", () => {
  const rounds = new Rounds(4, true, 1);
  for (let id = 1; id <= 10; id++) rounds.join(id);
  for (let round = 0; round < 120; round++) {
    rounds.join(100 + 2 * round), rounds.join(101 + 2 * round);
    rounds.round();
    if (round > 10) rounds.peers.splice(10, 2);
  }
  for (let id = 1; id <= 10; id++) assert(rounds.served.get(id)! >= 6, `${id}`);
});

Deno.test("Choker gives every peer that has nothing to give its turn, within 60 rounds", () => {
  for (let seed = 0; seed < 20; seed++) {
    const rounds = new Rounds(4, false, seed);
    const givers = [1, 2, 3].map((id) => rounds.join(id));
    for (let id = 11; id <= 28; id++) rounds.join(id);
    for (let round = 0; round < 60; round++) {
      for (const giver of givers) giver.downRate.add(1000 * giver.id, rounds.nowMs);
      const chosen = rounds.round();
      for (const giver of givers) assert(chosen.has(giver), `round ${round}`);
    }
    for (let id = 11; id <= 28; id++) assert(rounds.served.get(id)! >= 3, `${seed}: ${id}`);
  }
});

Deno.test("Choker gives the slots that nobody has earned by turns", () => {
  const rounds = new Rounds(4, false, 1);
  for (let id = 1; id <= 12; id++) rounds.join(id);
  rounds.run(60);
  const counts = Array.from({ length: 12 }, (_, i) => rounds.served.get(i + 1) ?? 0);
  assert(Math.min(...counts) >= 12 && Math.max(...counts) <= 30, `${counts}`);
});

Deno.test("Choker gives newcomers the optimistic slot soon", () => {
  let sooner = 0;
  for (let seed = 0; seed < 300; seed++) {
    const rounds = new Rounds(2, false, seed);
    const giver = rounds.join(1);
    for (let id = 2; id <= 10; id++) rounds.join(id);
    for (let round = 0; round < 9; round++) giver.downRate.add(1000, rounds.nowMs), rounds.round();
    rounds.join(20);
    for (let round = 0; round < 3; round++) giver.downRate.add(1000, rounds.nowMs), rounds.round();
    if (rounds.served.has(20)) sooner++;
  }
  assert(sooner > 75, `${sooner} of 300: 100 are expected, three tickets of nine`);
});

/** Lets a peer ask. */
function unchoke(connection: Connection, atMs: number): Connection {
  connection.amChoking = false;
  connection.chokeChangedAtMs = atMs;
  return connection;
}

Deno.test("Choker.chooseNext() fills free slots with those who give most", () => {
  const choker = new Choker(3, () => 0);
  const peers = [
    unchoke(peer(1), NOW_MS),
    peer(2, { gives: 100 }),
    peer(3, { gives: 300 }),
    peer(4, { gives: 900, isInterested: false }),
    peer(5, { gives: 900, isSnubbed: true }),
  ];
  const next = choker.chooseNext(peers, false, NOW_MS);
  assertEquals(next?.id, 3);
  assertEquals(choker.chooseNext([...peers, unchoke(next!, NOW_MS)], false, NOW_MS)?.id, undefined);
  assertEquals(choker.chooseNext([], false, NOW_MS), null);
});

Deno.test("Choker.chooseNext() gives a slot on that is not used", () => {
  const choker = new Choker(2, () => 0);
  const [one, two, three] = [1, 2, 3, 4].map((id) => peer(id)) as [
    Connection,
    Connection,
    Connection,
  ];
  unchoke(one, NOW_MS), unchoke(two, NOW_MS);
  const all = [one, two, three];
  assertEquals(choker.chooseNext(all, true, NOW_MS), null);
  one.uploads.push(0, 0, BLOCK_BYTES);
  assertEquals(choker.chooseNext(all, true, NOW_MS + 1999), null, "it has to ask first");
  two.uploadedBytes += BLOCK_BYTES;
  assertEquals(choker.chooseNext(all, true, NOW_MS + 3000), null, "both are served");
  assertEquals(choker.chooseNext(all, true, NOW_MS + 4999), null);
  assertEquals(choker.chooseNext(all, true, NOW_MS + 5000), three, "2 asks for nothing");
  two.isInterested = false;
  assertEquals(choker.chooseNext(all, true, NOW_MS), three);
});

Deno.test("Choker.chooseNext() unchokes at most twice as many peers as there are slots", () => {
  const choker = new Choker(2, () => 0);
  const peers = [1, 2, 3, 4, 5, 6].map((id) => peer(id));
  let nowMs = NOW_MS;
  for (let i = 0; i < 6; i++, nowMs += 10_000) {
    for (let next; (next = choker.chooseNext(peers, true, nowMs)) !== null;) unchoke(next, nowMs);
  }
  assertEquals(peers.filter(({ amChoking }) => !amChoking).length, 4);
});
