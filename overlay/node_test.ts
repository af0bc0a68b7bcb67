import { assert, assertEquals } from "@std/assert";
import { BEAT_MS, Node } from "./node.ts";
import { CHAIN_LENGTH } from "./beats.ts";
import { encodeMessage } from "./messages.ts";
import type { NodeOptions } from "./options.ts";
import type { ProviderChange } from "./record_map.ts";
import { fakeHash, fakeSigner, fakeVerify, infoHashOf } from "./_testdata.ts";

/** Nodes whose lines arrive at once and in order. */
class Room {
  readonly nodes = new Map<string, Node>();
  readonly refusals: string[] = [];
  /** Messages of the type `keep` so far. */
  keeps = 0;
  nowMs = 0;
  #lines: (() => void)[] = [];
  #seed = 1;

  add(index: number, options: Partial<NodeOptions> = {}): Node {
    const address = `n${index}:1`;
    const node = new Node({
      address,
      bootstrap: ["n0:1"],
      signer: fakeSigner(index),
      verify: fakeVerify,
      hash: fakeHash,
      makeSecret: () => new Uint8Array(16).fill(this.#seed++),
      random: () => (this.#seed = (this.#seed * 16807) % 2147483647) / 2147483647,
      ...options,
    }, {
      send: (to, line) => this.#lines.push(() => this.#deliver(address, to, line)),
      refuse: (endpoint, offence) => this.refusals.push(`${address} ${endpoint} ${offence}`),
    });
    this.nodes.set(address, node);
    node.start(this.nowMs);
    this.settle();
    return node;
  }

  #deliver(from: string, to: string, line: string): void {
    if (line.includes('"type":"keep"')) this.keeps++;
    const isReply = to.startsWith("#");
    const node = this.nodes.get(isReply ? to.slice(1) : to);
    if (!isReply) node?.handleGreeting(`#${from}`, from, this.nowMs);
    node?.handleLine(isReply ? from : `#${from}`, line, this.nowMs);
  }

  /** Delivers all that is under way. */
  settle(): void {
    for (let line; (line = this.#lines.shift()) !== undefined;) line();
  }

  run(forMs: number): void {
    const untilMs = this.nowMs + forMs;
    for (;;) {
      const nextMs = Math.min(...[...this.nodes.values()].map((node) => node.nextDeadlineMs));
      if (nextMs > untilMs) break;
      this.nowMs = Math.max(this.nowMs, nextMs);
      for (const node of this.nodes.values()) {
        if (node.nextDeadlineMs <= this.nowMs) node.handleTime(this.nowMs);
      }
      this.settle();
    }
    this.nowMs = untilMs;
  }
}

const infoHash = infoHashOf(1);
const announcement = { infoHash, peerId: "cd".repeat(20), address: "n1:6881", left: 0 };

function addressesAt(room: Room, node: Node): string[] {
  return node.map.providers(infoHash, room.nowMs).map(({ address }) => address);
}

Deno.test("Node: a record is everywhere at once, lives as long as its owner, and 90 s after", () => {
  const room = new Room();
  const [zero, one, two] = [room.add(0), room.add(1), room.add(2)];
  room.run(20_000);
  one.announce(announcement, room.nowMs, 0);
  room.run(100);
  assertEquals([addressesAt(room, zero), addressesAt(room, two)], [["n1:6881"], ["n1:6881"]]);
  room.run(600_000);
  assertEquals(addressesAt(room, two), ["n1:6881"]);
  room.nodes.delete("n1:1");
  room.run(60_000);
  assertEquals(addressesAt(room, two), ["n1:6881"]);
  room.run(90_000);
  assertEquals(addressesAt(room, two), []);
  assertEquals(two.map.size + zero.map.size, 0);
  assertEquals(room.refusals, []);
});

Deno.test("Node signs anew when its chain comes to its end, and nobody notices", () => {
  const room = new Room();
  const changes: string[] = [];
  room.add(0, { onChange: ({ kind }) => changes.push(kind) });
  const one = room.add(1);
  one.announce(announcement, room.nowMs, 0);
  room.run((CHAIN_LENGTH + 10) * BEAT_MS);
  assertEquals(changes, ["added", "changed"]);
});

Deno.test("Node withdraws what an earlier run said in its name, and outbids what it says otherwise", () => {
  const room = new Room();
  const zero = room.add(0);
  const before = room.add(1);
  const wallMs = 1_000_000;
  before.announce(announcement, room.nowMs, wallMs);
  before.announce({ ...announcement, infoHash: infoHashOf(2) }, room.nowMs, wallMs);
  room.run(10_000);
  room.nodes.delete("n1:1");
  // The clock went back in the meantime.
  const after = room.add(1);
  after.announce({ ...announcement, left: 5 }, room.nowMs, 10);
  room.run(30_000);
  const [provider] = zero.map.providers(infoHash, room.nowMs);
  assertEquals(provider?.left, 5);
  assertEquals(zero.map.providers(infoHashOf(2), room.nowMs), []);
});

Deno.test("Node speaks for others by slot, each for its own time, as trackers do", () => {
  const room = new Room();
  const zero = room.add(0);
  const tracker = room.add(1, { isTrusted: true });
  for (const [slot, ttlSeconds] of [["a", 600], ["b", 1200]] as const) {
    const onBehalf = { slot, ttlSeconds, note: "" };
    tracker.announce({ ...announcement, address: `${slot}:1`, onBehalf }, room.nowMs, 0);
  }
  room.run(10_000);
  assertEquals(addressesAt(room, zero).sort(), ["a:1", "b:1"]);
  tracker.leave(infoHash, "b", room.nowMs, 0);
  room.run(10_000);
  assertEquals(addressesAt(room, zero), ["a:1"]);
  room.run(600_000);
  assertEquals(addressesAt(room, zero), []);
});

Deno.test("Node.lookup() asks others for what it does not know, and is done in time", () => {
  const room = new Room();
  const nodes = [0, 1, 2, 3, 4, 5].map((index) => room.add(index, { replication: 2 }));
  room.run(120_000);
  nodes[1]!.announce(announcement, room.nowMs, 0);
  room.run(100);
  assert(nodes.filter(({ map }) => map.size > 0).length <= 3);
  for (const node of nodes) {
    const found: string[] = [];
    const done = (providers: readonly { address: string }[]) =>
      found.push(...providers.map(({ address }) => address));
    node.lookup(infoHash, 1, done, room.nowMs);
    room.settle();
    assertEquals(found, ["n1:6881"]);
  }
  let count = -1;
  nodes[0]!.lookup(infoHashOf(9), 5, (providers) => count = providers.length, room.nowMs);
  room.run(2000);
  assertEquals(count, 0);
});

Deno.test("Node with replicas keeps its records alive where they are, and only there", () => {
  const room = new Room();
  const nodes = [0, 1, 2, 3, 4, 5].map((index) => room.add(index, { replication: 2 }));
  room.run(60_000);
  nodes[1]!.announce(announcement, room.nowMs, 0);
  room.run(400_000);
  const holders = nodes.filter(({ map }) => map.providers(infoHash, room.nowMs).length > 0);
  assert(holders.length === 2 || holders.length === 3, `${holders.length} hold it`);
});

Deno.test("Node.watch() keeps up with an info-hash whose records are on other nodes", () => {
  const room = new Room();
  const changes: string[] = [];
  const onChange = ({ kind }: ProviderChange) => changes.push(kind);
  const nodes = [0, 1, 2, 3, 4, 5].map((index) =>
    room.add(index, { replication: 1, ...(index === 5 && { onChange }) })
  );
  room.run(60_000);
  nodes[5]!.watch(infoHash, room.nowMs);
  nodes[1]!.announce(announcement, room.nowMs, 0);
  room.run(300_000);
  assertEquals(changes, ["added"]);
  nodes[1]!.leave(infoHash, "", room.nowMs, 0);
  room.run(200_000);
  assertEquals(changes, ["added", "removed"]);
});

Deno.test("Node refuses whoever forges, and is not refused for what others forged", () => {
  const room = new Room();
  const zero = room.add(0);
  const one = room.add(1);
  room.run(10_000);
  const record = one.announce(announcement, room.nowMs, 0);
  room.run(1000);
  const fields = {
    infoHash,
    key: record.owner,
    addr: "evil:1",
    peerId: record.peerId,
    left: 0,
    seq: record.sequence,
    ttl: record.ttlSeconds,
    anchor: record.anchor,
    sig: record.signature,
  };
  // A known signature over other fields; one that is new; a value that its chain never had.
  for (const change of [{ beat: "AAUA".padEnd(24, "A") }, { seq: record.sequence + 1 }]) {
    zero.handleLine(
      "#liar",
      JSON.stringify({ type: "push", records: [{ ...fields, ...change }] }),
      room.nowMs,
    );
    room.run(1000);
    assertEquals(room.refusals.splice(0), ["n0:1 #liar forged"]);
  }
  assertEquals(addressesAt(room, zero), ["n1:6881"]);
  assertEquals(zero.status(room.nowMs).offences.forged, 2);
});

Deno.test("Node among those it trusts knows at once who is there, one that was gone too", () => {
  const room = new Room();
  const nodes = [0, 1, 2].map((index) => room.add(index, { isTrusted: true }));
  room.run(100);
  for (const node of nodes) assertEquals(node.status(room.nowMs).members.alive, 2);
  room.nodes.delete("n2:1");
  room.run(120_000);
  assertEquals(nodes[0]!.membership.size, 1);
  room.add(2, { isTrusted: true });
  room.run(100);
  for (const node of nodes.slice(0, 2)) assertEquals(node.status(room.nowMs).members.alive, 2);
});

Deno.test("Node fetches what it lacks of many records in one go, all of them or a few here and there", () => {
  const room = new Room();
  const one = room.add(0, { isTrusted: true });
  const onBehalf = { slot: "a", ttlSeconds: 3600, note: "" };
  const announce = (index: number) => {
    const digits = index.toString(16).padStart(8, "0").split("").reverse().join("");
    const infoHash = digits.repeat(5);
    const announcement = { infoHash, peerId: infoHash, address: "h:1", left: 0, onBehalf };
    one.announce(announcement, room.nowMs, 0);
  };
  for (let index = 0; index < 30_000; index++) announce(index);
  room.run(1000);
  const other = room.add(1, { isTrusted: true });
  room.run(10_000);
  assertEquals(other.map.size, 30_000);
  // It hears nothing for a while.
  room.nodes.delete("n1:1");
  for (let index = 30_000; index < 31_500; index++) announce(index);
  room.run(1000);
  room.nodes.set("n1:1", other);
  other.handleTime(room.nowMs);
  // The first round, which is about a part of the records, and what follows from it.
  room.run(11_000);
  assertEquals(other.map.size, 31_500);
  assertEquals(other.map.digests.root, one.map.digests.root);
});

Deno.test("Node learns only of answers that it asked for, and does not tell its holders over and over", () => {
  for (const from of ["#liar", "n1:1"]) {
    const room = new Room();
    const [zero] = [0, 1, 2, 3].map((index) => room.add(index, { replication: 2 }));
    room.run(60_000);
    zero!.announce(announcement, room.nowMs, 0);
    room.run(1000);
    room.keeps = 0;
    for (let count = 0; count < 50; count++) {
      for (const members of [[`m${count}:1`], []]) {
        const nothing = { buckets: "", beats: new Uint8Array(0), older: new Uint8Array(0) };
        zero!.handleLine(from, encodeMessage({ type: "answer", ...nothing, members }), room.nowMs);
      }
    }
    room.settle();
    assertEquals(room.keeps, 0, from);
  }
});
