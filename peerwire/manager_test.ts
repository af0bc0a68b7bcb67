/** Connections, interest, choking and deadlines, by what a manager says to its peers and its sink. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { BLOCK_BYTES } from "@enjambre/metainfo";
import { bitfieldOf, geometryOf, randomOf, TestSwarm } from "./_test_swarm.ts";
import type { TestSwarmOptions } from "./_test_swarm.ts";
import type { MessageWriter } from "./message_writer.ts";

const SECOND = 1000;
const MINUTE = 60 * SECOND;

/** A torrent of `pieces` pieces of a block. */
function swarmOf(pieces: number, options: TestSwarmOptions = {}): TestSwarm {
  return new TestSwarm(geometryOf(BLOCK_BYTES, pieces * BLOCK_BYTES), options);
}

Deno.test("Manager greets by what was agreed on and what it has", () => {
  for (
    const [has, isFast, isExtended, greeting] of [
      ["----------", false, false, []],
      ["----------", true, false, ["have-none"]],
      ["xxxxxxxxxx", true, false, ["have-all"]],
      ["xxxxxxxxxx", false, false, ["bitfield 1111111111000000"]],
      ["x--------x", true, false, ["bitfield 1000000001000000"]],
      ["x--------x", false, false, ["bitfield 1000000001000000"]],
      ["----------", false, true, ["extended 0 test 1024 6881"]],
      ["xxxxxxxxxx", true, true, ["extended 0 test 1024 6881", "have-all"]],
    ] as const
  ) {
    const peer = swarmOf(10, { has }).join({ isFast, isExtended });
    assertEquals(peer.heard(), [...greeting], `${has} fast ${isFast} extended ${isExtended}`);
  }
});

Deno.test("Manager is interested exactly while the peer has what it lacks", () => {
  const swarm = swarmOf(4, { has: "x---" });
  const peer = swarm.join({ isFast: false, has: "x---" });
  peer.heardOf("bitfield");
  assertEquals(peer.heard(), []);
  peer.say((writer) => writer.have(0));
  assertEquals(peer.heard(), []); // said before
  peer.say((writer) => writer.have(1));
  assertEquals(peer.heard(), ["interested"]);
  peer.say((writer) => writer.have(2));
  assertEquals(peer.heard(), []); // interested already
  const other = swarm.join({ has: "-xx-", unchokes: true });
  other.answerAll();
  swarm.finishStore();
  assertEquals(peer.heardOf("not-interested"), []);
  swarm.finishStore();
  assertEquals(peer.heardOf("not-interested"), ["not-interested"]);
});

Deno.test("Manager follows a peer that says anew what it has", () => {
  const swarm = swarmOf(3);
  const peer = swarm.join({ has: "xxx" });
  assertEquals(peer.heard(), ["have-none", "interested"]);
  peer.say((writer) => writer.haveNone());
  assertEquals(peer.heard(), ["not-interested"]);
  peer.say((writer) => writer.haveAll());
  peer.say((writer) => writer.bitfield(bitfieldOf("-x-").bytes));
  assertEquals([peer.heard(), peer.connection.has.count], [["interested"], 1]);
  peer.leave();
});

for (
  const [what, bytes, words] of [
    ["a have outside the torrent", [0, 0, 0, 5, 4, 0, 0, 0, 3], "piece is 3"],
    ["a bitfield with a spare bit", [0, 0, 0, 2, 5, 0b11110000], "spare bit"],
    ["a bitfield of the wrong length", [0, 0, 0, 3, 5, 0, 0], "length"],
    ["a message of 2 GiB", [0x80, 0, 0, 0, 7], "length"],
    ["an extension handshake that is none", [0, 0, 0, 3, 20, 0, 0x78], "extension handshake"],
  ] as const
) {
  Deno.test(`Manager closes a connection over ${what}`, () => {
    const swarm = swarmOf(3);
    const peer = swarm.join();
    peer.feed(new Uint8Array(bytes));
    assertEquals(peer.closed?.reason, "protocol");
    assertStringIncludes(peer.closed!.message, words);
    assertEquals(swarm.manager.connectionCount, 0);
  });
}

Deno.test("Manager closes a connection over a fast message where BEP 6 was not agreed on", () => {
  for (
    const bytes of [
      [0, 0, 0, 1, 14],
      [0, 0, 0, 1, 15],
      [0, 0, 0, 5, 13, 0, 0, 0, 0],
      [0, 0, 0, 5, 17, 0, 0, 0, 0],
      [0, 0, 0, 13, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 64, 0],
    ]
  ) {
    const swarm = swarmOf(3);
    const peer = swarm.join({ isFast: false });
    peer.feed(new Uint8Array(bytes));
    assertEquals(peer.closed?.reason, "protocol", `${bytes}`);
    const agreed = swarm.join({ isFast: true });
    agreed.feed(new Uint8Array(bytes));
    assertEquals(agreed.closed, null, `${bytes}`);
  }
});

Deno.test("Manager hears nothing more of a connection that it closed in the middle of a read", () => {
  const swarm = swarmOf(3);
  const peer = swarm.join();
  peer.say((writer) => {
    writer.have(77);
    writer.have(1);
    writer.interested();
  });
  assertEquals([peer.connection.has.count, peer.connection.isInterested], [0, false]);
  peer.feed(new Uint8Array([0, 0, 0, 1, 2]));
  peer.leave();
  assertEquals(swarm.manager.connectionCount, 0);
});

Deno.test("Manager closes a connection whose peer says again and again what it has", () => {
  const said = (count: number, write: (writer: MessageWriter, i: number) => void) => {
    const peer = swarmOf(3).join();
    peer.say((writer) => {
      for (let i = 0; i < count; i++) write(writer, i);
    });
    return peer.closed?.reason ?? null;
  };
  const bitfield = (writer: MessageWriter) => writer.bitfield(new Uint8Array([0b10100000]));
  const change = (writer: MessageWriter, i: number) => i % 2 ? writer.haveAll() : writer.haveNone();
  assertEquals([said(17, bitfield), said(16, change)], [null, null]);
  assertEquals([said(18, bitfield), said(17, change)], ["protocol", "protocol"]);
});

Deno.test("Manager closes a connection whose peer asks without end and reads nothing", () => {
  const swarm = swarmOf(3, { has: "xxx" });
  const peer = swarm.join();
  peer.isReading = false;
  let most = 0;
  for (let i = 0; i < 1000 && peer.closed === null; i++) {
    peer.say((writer) => { // it is choked: each is rejected
      for (let j = 0; j < 1000; j++) writer.request(0, 0, BLOCK_BYTES);
    });
    most = Math.max(most, peer.connection.writer.pendingBytes);
  }
  assertEquals(peer.closed?.reason, "protocol");
  assertStringIncludes(peer.closed!.message, "reads too little");
  assert(most > 1_000_000 && most < 5_000_000, `${most} bytes waited`);
});

Deno.test("Manager dials a peer that breaks the protocol later each time, though it sent blocks", () => {
  const swarm = swarmOf(3);
  const address = { host: "192.0.2.7", port: 7 };
  const pauses: number[] = [];
  swarm.manager.addPeers([address], swarm.nowMs);
  for (let i = 0; i < 3; i++) {
    const fromMs = swarm.nowMs;
    while (swarm.dials.length === 0) swarm.pass(SECOND);
    pauses.push(Math.round((swarm.nowMs - fromMs) / SECOND));
    const peer = swarm.join({
      address: swarm.dials.shift()!,
      isIncoming: false,
      has: "xxx",
      unchokes: true,
    });
    peer.answer(peer.heardOf("request").slice(0, 1));
    peer.say((writer) => writer.have(99));
  }
  assertEquals(pauses, [0, 10, 20]);
});

Deno.test("Manager skips messages of later protocols", () => {
  const peer = swarmOf(3).join();
  peer.feed(new Uint8Array([0, 0, 0, 3, 99, 1, 2]));
  peer.feed(new Uint8Array([0, 0, 0, 3, 20, 9, 1]));
  assertEquals(peer.closed, null);
});

Deno.test("Manager serves eight at first, and gives a slot that is free to who waits, at once", () => {
  const swarm = swarmOf(2, { has: "xx" });
  const peers = Array.from({ length: 9 }, () => swarm.join());
  for (const peer of peers) peer.say((writer) => writer.interested());
  assertEquals(peers.map((peer) => peer.heardOf("unchoke").length), [1, 1, 1, 1, 1, 1, 1, 1, 0]);
  peers[0]!.say((writer) => writer.notInterested());
  assertEquals(peers[0]!.heard(), [], "interest may flip: it is choked when the round ends");
  assertEquals(peers[8]!.heard(), ["unchoke"]);
  swarm.pass(10 * SECOND);
  assertEquals(peers[0]!.heard(), ["choke"]);
});

Deno.test("Manager chooses anew whom to unchoke every ten seconds, and lets everybody have a turn", () => {
  const swarm = swarmOf(2, { has: "xx", random: randomOf(3) });
  const peers = Array.from({ length: 12 }, () => swarm.join());
  for (const peer of peers) peer.say((writer) => writer.interested());
  const served = new Set<number>();
  for (let round = 0; round < 60; round++) {
    swarm.pass(10 * SECOND);
    const unchoked = peers.filter((peer) => !peer.connection.amChoking);
    // Nobody asks for anything, so slots count as unused, up to twice as many.
    assert(unchoked.length >= 8 && unchoked.length <= 16, `${unchoked.length} are served`);
    for (const peer of unchoked) served.add(peer.connection.id);
    for (const peer of peers) peer.say((writer) => writer.keepAlive());
  }
  assertEquals(served.size, 12, "the optimistic slot goes round");
});

Deno.test("Manager unchokes those that give it most", () => {
  const swarm = swarmOf(400);
  const givers = Array.from({ length: 12 }, () => swarm.join({ has: "x".repeat(400) }));
  for (const peer of givers) peer.say((writer) => (writer.interested(), writer.unchoke()));
  const open = givers.map((peer) => peer.heardOf("request"));
  for (let second = 0; second < 11; second++) {
    givers.forEach((peer, i) => {
      if (i >= 7) peer.answer(open[i]!.splice(0, 3));
      open[i]!.push(...peer.heardOf("request"));
    });
    swarm.pass(SECOND);
  }
  const unchoked = givers.filter((peer) => !peer.connection.amChoking);
  for (const giver of givers.slice(7)) assert(unchoked.includes(giver));
});

Deno.test("Manager sends a keep-alive before two minutes of silence, and closes who is silent for three", () => {
  const swarm = swarmOf(2);
  const peer = swarm.join();
  peer.heard();
  swarm.pass(109 * SECOND);
  assertEquals(peer.heard(), []);
  swarm.pass(3 * SECOND);
  assertEquals(peer.heard(), ["keep-alive"]);
  swarm.pass(60 * SECOND);
  assertEquals(peer.closed, null);
  swarm.pass(10 * SECOND);
  assertEquals(peer.closed?.reason, "silent");
});

Deno.test("Manager keeps a connection whose peer says nothing but keep-alives", () => {
  const swarm = swarmOf(2);
  const peer = swarm.join();
  for (let i = 0; i < 10; i++) {
    swarm.pass(2 * MINUTE);
    peer.say((writer) => writer.keepAlive());
  }
  assertEquals(peer.closed, null);
});

Deno.test("Manager parts from a peer when both have everything, whoever completes last", () => {
  const swarm = swarmOf(1);
  const early = swarm.join({ has: "x", unchokes: true });
  early.answerAll();
  swarm.finishStores();
  assertEquals(early.closed?.reason, "useless");
  const late = swarm.join();
  late.say((writer) => writer.have(0));
  assertEquals(late.closed?.reason, "useless");
});

Deno.test("Manager dials no more than 16 at once, and no more than it has room for", () => {
  const addresses = Array.from({ length: 50 }, (_, i) => ({ host: `192.0.2.${i}`, port: 6881 }));
  const swarm = swarmOf(2);
  swarm.manager.addPeers(addresses, swarm.nowMs);
  assertEquals(swarm.dials.length, 16);
  swarm.manager.handleDialFailed(swarm.dials[0]!, swarm.nowMs);
  assertEquals(swarm.dials.length, 17);
  const small = swarmOf(2, { connectionsMax: 3 });
  small.join();
  small.manager.addPeers(addresses, small.nowMs);
  assertEquals([small.dials.length, small.manager.wantsPeers], [2, false]);
});

Deno.test("Manager dials the next when a dial led to a connection, and not only with the next tick", () => {
  const addresses = Array.from({ length: 50 }, (_, i) => ({ host: `192.0.2.${i}`, port: 6881 }));
  const swarm = swarmOf(2);
  swarm.manager.addPeers(addresses, swarm.nowMs);
  swarm.join({ isIncoming: false, address: swarm.dials[0]! });
  assertEquals(swarm.dials.length, 17);
});

Deno.test("Manager dials a peer that could not be reached again after 10, then 20 seconds", () => {
  const swarm = swarmOf(2);
  const address = { host: "peer.example", port: 1 };
  swarm.manager.addPeers([address], swarm.nowMs);
  for (const pause of [10, 20, 40]) {
    assertEquals(swarm.dials.length, 1);
    swarm.manager.handleDialFailed(swarm.dials.pop()!, swarm.nowMs);
    swarm.pass((pause - 1) * SECOND);
    assertEquals(swarm.dials.length, 0);
    swarm.pass(2 * SECOND);
  }
  assertEquals(swarm.dials.length, 1);
});

Deno.test("Manager dials a peer again that left", () => {
  const swarm = swarmOf(2);
  const address = { host: "peer.example", port: 1 };
  swarm.manager.addPeers([address], swarm.nowMs);
  const peer = swarm.join({ isIncoming: false, address: swarm.dials.pop()! });
  swarm.pass(5 * SECOND);
  assertEquals(swarm.dials.length, 0);
  peer.leave();
  swarm.pass(12 * SECOND);
  assertEquals(swarm.dials.length, 1);
});

Deno.test("Manager refuses itself, and never dials itself again", () => {
  const swarm = swarmOf(2);
  const address = { host: "192.0.2.77", port: 6881 };
  swarm.manager.addPeers([address], swarm.nowMs);
  assertEquals(swarm.tryJoin({ idByte: 100, isIncoming: false, address }), "self");
  swarm.dials.length = 0;
  swarm.manager.addPeers([address], swarm.nowMs);
  swarm.pass(60 * MINUTE);
  assertEquals(swarm.dials, []);
});

Deno.test("Manager refuses connections beyond its limit", () => {
  const swarm = swarmOf(2, { connectionsMax: 2 });
  const [first] = [swarm.join(), swarm.join()];
  assertEquals(swarm.tryJoin(), "full");
  first!.leave();
  assert(typeof swarm.tryJoin() !== "string");
});

Deno.test("Manager keeps the first of two connections in the same direction from one peer id", () => {
  for (const isIncoming of [true, false]) {
    const swarm = swarmOf(2);
    const first = swarm.join({ idByte: 7, isIncoming });
    assertEquals(swarm.tryJoin({ idByte: 7, isIncoming }), "duplicate");
    assertEquals(first.closed, null);
  }
});

/** What is left after both connections of a simultaneous open came to a manager, in this order. */
function survivorOf(ourId: number, theirId: number, order: readonly boolean[], max = 10): string {
  const swarm = swarmOf(2, { peerId: new Uint8Array(20).fill(ourId), connectionsMax: max });
  for (const isIncoming of order) swarm.tryJoin({ idByte: theirId, isIncoming });
  const left = [...swarm.manager.connections];
  assertEquals(left.length, 1);
  return left[0]!.isIncoming ? "theirs" : "ours";
}

Deno.test("Manager and its peer keep the same one of two connections that they opened at once", () => {
  for (const max of [10, 1]) {
    for (const order of [[true, false], [false, true]]) {
      assertEquals(survivorOf(200, 7, order, max), "ours", `${order}, ${max} at most`);
      assertEquals(survivorOf(7, 200, order, max), "theirs", `${order}, ${max} at most`);
    }
  }
});

Deno.test("Manager gives the blocks of a connection that it replaces to the one that stays", () => {
  const swarm = swarmOf(4);
  const first = swarm.join({ idByte: 7, isIncoming: true, has: "xxxx", unchokes: true });
  assertEquals(first.heardOf("request").length, 4);
  const second = swarm.join({ idByte: 7, isIncoming: false, has: "xxxx", unchokes: true });
  assertEquals(first.closed?.reason, "useless");
  assertEquals(second.heardOf("request").length, 4);
});

Deno.test("Manager waits for something exactly while there is something to wait for", () => {
  const swarm = swarmOf(2);
  assertEquals(swarm.manager.nextDeadlineMs, Infinity);
  const peer = swarm.join();
  assert(swarm.manager.nextDeadlineMs < Infinity);
  swarm.pass(5 * SECOND);
  peer.leave();
  assertEquals(swarm.manager.nextDeadlineMs, Infinity);
  const address = { host: "192.0.2.77", port: 6881 };
  swarm.manager.addPeers([address], swarm.nowMs);
  assertEquals(swarm.manager.nextDeadlineMs, Infinity); // the dial is the driver's to end
  swarm.manager.handleDialFailed(address, swarm.nowMs);
  assert(swarm.manager.nextDeadlineMs < Infinity);
  swarm.pass(30 * SECOND);
  swarm.tryJoin({ idByte: 100, isIncoming: false, address }); // it was ourselves
  assertEquals(swarm.manager.nextDeadlineMs, Infinity);
});

Deno.test("Manager.end() closes everything and asks for nothing more", () => {
  const swarm = swarmOf(40);
  const peer = swarm.join({ has: "x".repeat(40), unchokes: true });
  peer.answer(peer.heardOf("request").slice(0, 1));
  peer.heard();
  swarm.manager.addPeers([{ host: "192.0.2.77", port: 1 }], swarm.nowMs);
  swarm.dials.length = 0;
  swarm.manager.end(swarm.nowMs);
  assertEquals(peer.closed?.reason, "ended");
  assertEquals([swarm.manager.connectionCount, swarm.manager.nextDeadlineMs], [0, Infinity]);
  assertEquals([swarm.manager.wantsPeers, swarm.tryJoin()], [false, "full"]);
  swarm.finishStores();
  assertEquals(swarm.done.length, 1);
  swarm.manager.addPeers([{ host: "192.0.2.78", port: 1 }], swarm.nowMs);
  swarm.manager.handleDeadline(swarm.nowMs + MINUTE);
  assertEquals(swarm.dials, []);
});

Deno.test("Manager takes bitfields in the place of haves, and not ones that say nothing new for ever", () => {
  const swarm = swarmOf(64);
  const growing = swarm.join();
  const bytes = new Uint8Array(8);
  for (let piece = 0; piece < 64; piece++) {
    bytes[piece >> 3]! |= 0x80 >> (piece & 7);
    growing.say((writer) => writer.bitfield(bytes));
  }
  assertEquals([growing.closed, growing.connection.has.count], [null, 64]);
  const repeating = swarm.join();
  for (let i = 0; i < 40 && repeating.closed === null; i++) {
    repeating.say((writer) => writer.bitfield(bytes));
  }
  assertEquals(repeating.closed?.reason, "protocol");
});

Deno.test("Manager closes a connection of no use when all places are taken and other peers wait", () => {
  const swarm = swarmOf(2, { connectionsMax: 2 });
  const useless = swarm.join({ has: "--" });
  const useful = swarm.join({ has: "xx" });
  swarm.manager.addPeers([{ host: "198.51.100.7", port: 6881 }], swarm.nowMs);
  swarm.pass(20 * SECOND);
  assertEquals(
    [useless.closed, swarm.dials.length],
    [null, 0],
    "a young one may come to be useful",
  );
  swarm.pass(20 * SECOND);
  assertEquals([useless.closed?.reason, useful.closed], ["useless", null]);
  assertEquals(swarm.dials.length, 1);
});

Deno.test("Manager tells a seed of a stored piece with its next message, or with the next tick, and others at once", () => {
  const swarm = swarmOf(2);
  const seed = swarm.join({ has: "xx", unchokes: true });
  const leecher = swarm.join({ has: "--" });
  seed.answer(seed.heardOf("request").slice(0, 1));
  seed.heard();
  swarm.finishStores();
  assertEquals([leecher.heardOf("have").length, seed.heardOf("have").length], [1, 0]);
  swarm.pass(SECOND);
  assertEquals(seed.heardOf("have").length, 1);
});
