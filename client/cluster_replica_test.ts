import { assert, assertEquals } from "@std/assert";
import {
  type Announcement,
  LEFT_GONE,
  RecordMap,
  sha256,
  type SignedRecord,
} from "@enjambre/overlay";
import {
  MemorySwarmStore,
  type PeerForm,
  type ReplicatedAnnounce,
  SwarmAnswer,
} from "@enjambre/tracker";
import { ClusterReplica } from "./cluster_replica.ts";

const INTERVAL_SECONDS = 1800;
const INTERVAL_MS = 1000 * INTERVAL_SECONDS;
const TTL_MS = 2 * INTERVAL_MS + 60_000;
const infoHash = new Uint8Array(20).fill(7);

/** What is on its way: a record as it is sent, and how old it was then. */
interface Parcel {
  readonly record: SignedRecord;
  readonly ageMs: number;
}

/** One tracker of a group: a map, a store, and what it has said. */
class Tracker {
  readonly said: Parcel[] = [];
  readonly map: RecordMap;
  readonly #store = new MemorySwarmStore({ peerTtlMs: TTL_MS, random: () => 0, peersMax: 100 });
  readonly replica: ClusterReplica;
  readonly #owner: string;
  /** How wrong its time of day is. */
  readonly #skewMs: number;
  #sequence = 0;
  #nowMs = 0;

  constructor(name: string, skewMs = 0, recordsMax = 100_000) {
    this.#owner = name.padEnd(42, "x") + "A";
    this.#skewMs = skewMs;
    this.map = new RecordMap({
      hash: sha256,
      ownKey: this.#owner,
      isTrusted: true,
      recordsMax,
      onRecord: (heard, isTaken) => this.replica.handleRecord(heard, isTaken, this.#nowMs),
    });
    const { map } = this;
    this.replica = new ClusterReplica(
      {
        owner: this.#owner,
        get isFull() {
          return map.isFull;
        },
        announce: (announcement) => this.#say(announcement),
        recordsIn: (infoHash, slot) => this.map.recordsIn(infoHash, slot),
      },
      INTERVAL_SECONDS,
      (announce) => void this.#enter(announce, this.#nowMs),
    );
  }

  #say({ onBehalf, ...what }: Announcement): void {
    this.#sequence = Math.max(this.#sequence + 1, 1e12 + this.#nowMs + this.#skewMs);
    const { slot, ttlSeconds, note } = onBehalf!;
    const [owner, sequence] = [this.#owner, this.#sequence];
    const signature = `${owner.slice(0, 3)}${sequence}`.padEnd(85, "s") + "A";
    const record = { ...what, owner, slot, ttlSeconds, note, sequence, anchor: "", signature };
    this.map.merge(record, null, 0, this.#nowMs);
    this.said.push({ record, ageMs: 0 });
  }

  #enter(announce: ReplicatedAnnounce, nowMs: number): SwarmAnswer {
    const answer = new SwarmAnswer();
    this.#store.announce({ ...announce, numWant: 50, form: "list" as PeerForm }, nowMs, answer);
    return answer;
  }

  /** A peer announces here. */
  announce(peer: ReplicatedAnnounce, nowMs: number): SwarmAnswer {
    this.#nowMs = nowMs;
    const answer = this.#enter(peer, nowMs);
    if (answer.refusal === null) this.replica.handleAnnounce(peer, nowMs);
    return answer;
  }

  /** Hears records of another. */
  hear(parcels: readonly Parcel[], nowMs: number): void {
    this.#nowMs = nowMs;
    for (const { record, ageMs } of parcels) this.map.merge(record, null, ageMs, nowMs);
  }

  /** Hears all that another holds, as one does that is new, in some order. */
  catchUp(
    other: Tracker,
    nowMs: number,
    order: (parcels: Parcel[]) => Parcel[] = (all) => all,
  ): void {
    const parcels = [...other.map.infoHashes()].flatMap((each) => [...other.map.entriesOf(each)])
      // Ages travel in whole seconds.
      .map(({ record, heardMs }) => ({
        record,
        ageMs: 1000 * Math.round((nowMs - heardMs) / 1000),
      }));
    this.hear(order(parcels), nowMs);
  }

  /** Lets time pass. */
  wait(nowMs: number): void {
    this.#nowMs = nowMs;
    while (this.map.nextExpiryMs <= nowMs) this.map.expire(nowMs);
    this.#store.expire(nowMs);
  }

  /** The peers that it knows, as `name host:port`, seeds with a star; and how many completed. */
  knows(): string {
    const asker = peer("z", { event: "stopped" });
    const look = this.#enter(peer("z", { key: 9 }), this.#nowMs);
    const completed = look.completed;
    const seeds = look.seeders;
    this.#enter({ ...asker, key: 9 }, this.#nowMs);
    const peers = look.peers.map(({ host, port, peerId }) =>
      `${String.fromCharCode(peerId![0]!)} ${host}:${port}`
    ).sort();
    return [...peers, `${seeds} seeds`, `${completed} completed`].join(", ");
  }

  /** The addresses of its peers in the compact form: how many of each family. */
  families(): [ipv4: number, ipv6: number] {
    const answer = new SwarmAnswer();
    const asker = peer("z");
    this.#store.announce({ ...asker, numWant: 50, form: "compact" }, this.#nowMs, answer);
    this.#enter(peer("z", { event: "stopped" }), this.#nowMs);
    return [answer.count4, answer.count6];
  }
}

function peer(name: string, change: Partial<ReplicatedAnnounce> = {}): ReplicatedAnnounce {
  const code = name.charCodeAt(0);
  return {
    infoHash,
    peerId: new Uint8Array(20).fill(code),
    address: new Uint8Array([10, 0, 0, code]),
    port: 6881,
    key: 0,
    hostname: null,
    seed: false,
    event: "",
    ...change,
  };
}

/** Passes on what a tracker said since. */
function tell(from: Tracker, to: readonly Tracker[], nowMs: number): void {
  const parcels = from.said.splice(0);
  for (const other of to) other.hear(parcels, nowMs);
}

Deno.test("ClusterReplica makes what one tracker hears known to another", () => {
  const [a, b] = [new Tracker("a"), new Tracker("b")];
  a.announce(peer("p", { event: "started" }), 0);
  a.announce(peer("q", { seed: true, hostname: "box_1", key: -5 }), 0);
  tell(a, [b], 50);
  assertEquals(b.knows(), "p 10.0.0.112:6881, q box_1:6881, 1 seeds, 0 completed");
  a.announce(peer("p", { seed: true, event: "completed" }), 1000);
  a.announce(peer("q", { event: "stopped", key: -5 }), 1000);
  tell(a, [b], 1050);
  assertEquals(b.knows(), "p 10.0.0.112:6881, 1 seeds, 1 completed");
  // A peer's key is good everywhere, against impostors.
  a.announce(peer("r", { key: 77 }), 2000);
  tell(a, [b], 2050);
  const impostor = peer("r", { key: 78, address: new Uint8Array([10, 9, 9, 9]) });
  assert(b.announce(impostor, 3000).refusal !== null);
  assertEquals(b.said, []);
  assertEquals(b.announce({ ...impostor, key: 77 }, 3000).refusal, null);
});

Deno.test("ClusterReplica tells nothing of an announce that says nothing new, for a quarter of the interval", () => {
  const [a, b] = [new Tracker("a"), new Tracker("b")];
  a.announce(peer("p"), 0);
  assertEquals(a.said.length, 1);
  tell(a, [b], 10);
  for (const nowMs of [60_000, INTERVAL_MS / 4 - 1]) {
    a.announce(peer("p"), nowMs);
    a.announce(peer("p", { event: "started" }), nowMs);
    // Nor if it says it to another tracker too.
    b.announce(peer("p"), nowMs);
  }
  assertEquals([a.said, b.said], [[], []]);
  a.announce(peer("p"), INTERVAL_MS / 4);
  assertEquals(a.said.length, 1);
  const changes = [{ seed: true }, { port: 1 }, { hostname: "h" }, { key: 3 }];
  for (const [index, change] of changes.entries()) {
    a.announce(peer("p", change), INTERVAL_MS / 4 + 1);
    assertEquals(a.said.length, 2 + index, JSON.stringify(change));
  }
});

Deno.test("ClusterReplica: a stop at another tracker ends what the first one said, for who is new too", () => {
  // The clock of one or the other is an hour ahead.
  for (const skewMs of [3_600_000, -3_600_000]) {
    for (const stopMs of [400, 5000, 900_000]) {
      const [a, b, c] = [new Tracker("a", skewMs), new Tracker("b"), new Tracker("c")];
      a.announce(peer("p", { event: "started" }), 0);
      tell(a, [b, c], 30);
      b.announce(peer("p", { event: "stopped" }), stopMs);
      tell(b, [a, c], stopMs + 30);
      for (const each of [a, b, c]) assertEquals(each.knows(), "0 seeds, 0 completed");
      for (const order of [(all: Parcel[]) => all, (all: Parcel[]) => all.reverse()]) {
        for (const afterMs of [100, 2000, TTL_MS - 1000]) {
          const late = new Tracker("d");
          late.catchUp(c, stopMs + afterMs, order);
          assertEquals(late.knows(), "0 seeds, 0 completed", `${skewMs} ${stopMs} ${afterMs}`);
        }
      }
    }
  }
});

Deno.test("ClusterReplica: a peer that stopped and started again is there, wherever it did", () => {
  for (const skewMs of [3_600_000, -3_600_000]) {
    const [a, b] = [new Tracker("a", skewMs), new Tracker("b")];
    b.announce(peer("p", { event: "started" }), 0);
    tell(b, [a], 10);
    b.announce(peer("p", { event: "stopped" }), 1000);
    tell(b, [a], 1010);
    a.announce(peer("p", { event: "started", port: 7000 }), 1500);
    tell(a, [b], 1510);
    const late = new Tracker("c");
    late.catchUp(b, 1600, (all) => all.reverse());
    for (const each of [a, b, late]) {
      assertEquals(each.knows(), "p 10.0.0.112:7000, 0 seeds, 0 completed");
    }
  }
});

Deno.test("ClusterReplica: two trackers that were parted agree on whoever said the last word", () => {
  for (const skewMs of [3_600_000, -3_600_000]) {
    const [a, b] = [new Tracker("a", skewMs), new Tracker("b")];
    for (const name of ["p", "q"]) a.announce(peer(name), 0);
    tell(a, [b], 10);
    // They do not hear of each other, and two peers go from one to the other.
    a.announce(peer("p"), INTERVAL_MS / 2);
    b.announce(peer("p", { event: "stopped" }), INTERVAL_MS / 2 + 60_000);
    b.announce(peer("q", { event: "stopped" }), INTERVAL_MS / 2);
    a.announce(peer("q", { event: "started", seed: true }), INTERVAL_MS / 2 + 60_000);
    b.announce(peer("r"), INTERVAL_MS / 2);
    const healMs = INTERVAL_MS / 2 + 300_000;
    a.catchUp(b, healMs);
    b.catchUp(a, healMs);
    const late = new Tracker("c");
    late.catchUp(a, healMs + 1000);
    for (const each of [a, b, late]) {
      assertEquals(each.knows(), "q 10.0.0.113:6881, r 10.0.0.114:6881, 1 seeds, 0 completed");
    }
  }
});

Deno.test("ClusterReplica: a stop counts also where a peer that had stopped was not known to be back", () => {
  const [a, b] = [new Tracker("a"), new Tracker("b")];
  b.announce(peer("p", { event: "stopped" }), 0);
  tell(b, [a], 10);
  // Parted from now on.
  a.announce(peer("p", { event: "started" }), 60_000);
  b.announce(peer("p", { event: "stopped" }), 120_000);
  a.catchUp(b, 180_000);
  b.catchUp(a, 180_000);
  for (const each of [a, b]) assertEquals(each.knows(), "0 seeds, 0 completed");
});

Deno.test("ClusterReplica: a stop lasts as long as anything that it ends", () => {
  const [a, b] = [new Tracker("a"), new Tracker("b")];
  a.announce(peer("p"), 0);
  // It was refreshed while the other did not hear of it.
  a.announce(peer("p"), INTERVAL_MS);
  b.announce(peer("p", { event: "stopped" }), INTERVAL_MS + 60_000);
  a.catchUp(b, INTERVAL_MS + 120_000);
  b.catchUp(a, INTERVAL_MS + 120_000);
  for (let nowMs = INTERVAL_MS + 120_000; nowMs < INTERVAL_MS + 2 * TTL_MS; nowMs += 30_000) {
    for (const each of [a, b]) each.wait(nowMs);
    const late = new Tracker("c");
    late.catchUp(a, nowMs);
    for (const each of [a, b, late]) assertEquals(each.knows(), "0 seeds, 0 completed", `${nowMs}`);
  }
  assertEquals([a.map.size, b.map.size], [0, 0]);
});

Deno.test("ClusterReplica forgets a peer that nobody hears of, and not one that somebody does", () => {
  const [a, b] = [new Tracker("a"), new Tracker("b")];
  for (const name of ["p", "q"]) a.announce(peer(name), 0);
  tell(a, [b], 0);
  b.announce(peer("q"), INTERVAL_MS);
  tell(b, [a], INTERVAL_MS);
  for (const each of [a, b]) each.wait(TTL_MS - 1000);
  assertEquals(b.knows(), "p 10.0.0.112:6881, q 10.0.0.113:6881, 0 seeds, 0 completed");
  // Who heard it late forgets it at the same time.
  const late = new Tracker("c");
  late.catchUp(a, TTL_MS - 10_000);
  assertEquals(late.knows(), "p 10.0.0.112:6881, q 10.0.0.113:6881, 0 seeds, 0 completed");
  for (const each of [a, b, late]) {
    each.wait(TTL_MS + 1000);
    assertEquals(each.knows(), "q 10.0.0.113:6881, 0 seeds, 0 completed");
    each.wait(INTERVAL_MS + TTL_MS + 1000);
    assertEquals(each.knows(), "0 seeds, 0 completed");
  }
});

Deno.test("ClusterReplica keeps both addresses of a peer, and a stop over one ends both", () => {
  const [a, b] = [new Tracker("a"), new Tracker("b")];
  const address = new Uint8Array(16).fill(32);
  a.announce(peer("p", { key: 5 }), 0);
  a.announce(peer("p", { key: 5, address }), 10);
  tell(a, [b], 20);
  const late = new Tracker("c");
  late.catchUp(b, 1000);
  for (const each of [b, late]) assertEquals(each.families(), [1, 1]);
  b.announce(peer("p", { key: 5, event: "stopped" }), 60_000);
  tell(b, [a], 60_010);
  late.catchUp(a, 61_000);
  for (const each of [a, b, late]) assertEquals(each.knows(), "0 seeds, 0 completed");
  // It comes back over one of them: the other is not known any more.
  b.announce(peer("p", { key: 5, event: "started" }), 90_000);
  tell(b, [a, late], 90_010);
  for (const each of [a, b, late]) assertEquals(each.families(), [1, 0]);
});

Deno.test("ClusterReplica counts a completion once, whichever trackers hear of the peer", () => {
  const [a, b] = [new Tracker("a"), new Tracker("b")];
  a.announce(peer("p", { seed: true, event: "completed" }), 0);
  tell(a, [b], 10);
  // It fails over, as a seed like any other now; the first tracker's word is forgotten in time.
  for (const nowMs of [INTERVAL_MS, 2 * INTERVAL_MS, 3 * INTERVAL_MS]) {
    b.announce(peer("p", { seed: true }), nowMs);
    tell(b, [a], nowMs + 10);
    a.wait(nowMs + 20);
  }
  const late = new Tracker("c");
  late.catchUp(b, 3 * INTERVAL_MS + 50);
  assertEquals(late.knows(), "p 10.0.0.112:6881, 1 seeds, 1 completed");
  a.announce(peer("p", { seed: true, event: "completed" }), 3 * INTERVAL_MS + 100);
  tell(a, [b, late], 3 * INTERVAL_MS + 110);
  for (const each of [a, b, late]) {
    assertEquals(each.knows(), "p 10.0.0.112:6881, 1 seeds, 1 completed");
  }
});

Deno.test("ClusterReplica says of a stop only where somebody may not know", () => {
  const [a, b] = [new Tracker("a"), new Tracker("b")];
  a.announce(peer("p"), 0);
  a.announce(peer("p", { event: "stopped" }), 1000);
  assertEquals(a.said.map(({ record }) => record.left), [1, LEFT_GONE]);
  tell(a, [b], 1010);
  // It tells all of its trackers.
  b.announce(peer("p", { event: "stopped" }), 1020);
  assertEquals(b.said, []);
  // Perhaps others know it, whom we do not reach.
  b.announce(peer("q", { event: "stopped" }), 1020);
  assertEquals(b.said.length, 1);
});

Deno.test("ClusterReplica says of stops of peers that nobody knows only so many, and then again", () => {
  const a = new Tracker("a");
  const stop = (index: number, nowMs: number) => {
    const peerId = new Uint8Array(20).fill(index & 255).fill(index >> 8, 10);
    a.announce(peer("p", { peerId, event: "stopped" }), nowMs);
  };
  for (let index = 0; index < 10_100; index++) stop(index, 0);
  assertEquals([a.map.size, a.replica.refused], [10_000, 100]);
  a.wait(TTL_MS + 1000);
  stop(1, TTL_MS + 1000);
  assertEquals(a.map.size, 1);
});

Deno.test("ClusterReplica that is full tells nothing of newcomers, and counts them", () => {
  const a = new Tracker("a", 0, 2);
  for (const name of ["p", "q", "r"]) {
    assertEquals(a.announce(peer(name), 0).refusal, null);
    a.announce(peer(`${name}${name}`.toUpperCase(), { event: "stopped" }), 0);
  }
  assertEquals([a.map.size, a.replica.refused], [2, 4]);
  // Of whom the others know they hear on.
  a.announce(peer("p", { event: "stopped" }), 1000);
  assertEquals(a.said.at(-1)?.record.left, LEFT_GONE);
});

Deno.test("ClusterReplica counts a completion once where an older stop comes late", () => {
  const [a, b, c] = [new Tracker("a"), new Tracker("b"), new Tracker("c")];
  a.announce(peer("z", { key: 9 }), 0);
  a.announce(peer("o"), 0);
  c.announce(peer("p", { seed: true, event: "completed" }), 0);
  tell(c, [a, b], 10);
  b.announce(peer("p", { seed: true, event: "stopped" }), 100_000);
  a.announce(peer("p", { seed: true }), INTERVAL_MS / 2);
  tell(b, [], 0);
  a.catchUp(b, INTERVAL_MS / 2 + 1000);
  assertEquals(a.knows(), "o 10.0.0.111:6881, p 10.0.0.112:6881, 1 seeds, 1 completed");
});

Deno.test("ClusterReplica: an own record that expires ends nobody whom the store still has", () => {
  const a = new Tracker("a");
  a.announce(peer("p"), 0);
  // It says nothing new, and is not told of again.
  a.announce(peer("p"), INTERVAL_MS / 4 - 1);
  assertEquals(a.said.length, 1);
  a.wait(TTL_MS + 1000);
  assertEquals([a.map.size, a.knows()], [0, "p 10.0.0.112:6881, 0 seeds, 0 completed"]);
});

Deno.test("ClusterReplica passes over records that no tracker made", () => {
  const a = new Tracker("a");
  const record = {
    infoHash: infoHash.toHex(),
    owner: "o".repeat(42) + "A",
    slot: "",
    address: "h:1",
    peerId: "00".repeat(20),
    left: 0,
    sequence: 1,
    ttlSeconds: 90,
    anchor: "",
    note: "|||x,y",
    signature: "s".repeat(85) + "A",
  };
  const slots = ["", "4", `${"A".repeat(27)}5`, `${"A".repeat(27)}6`, `${"A".repeat(27)}4`];
  for (const slot of slots) a.hear([{ record: { ...record, slot }, ageMs: 0 }], 0);
  assertEquals(a.knows(), "0 seeds, 0 completed");
});
