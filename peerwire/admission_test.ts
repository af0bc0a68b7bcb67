/** Who gets a place, by what a manager answers to those who come. */
import { assert, assertEquals } from "@std/assert";
import { BLOCK_BYTES } from "@enjambre/metainfo";
import { HOST_BANS_MAX } from "./admission.ts";
import { geometryOf, type ScriptedPeer, TestSwarm, type TestSwarmOptions } from "./_test_swarm.ts";

const SECOND = 1000;

/** A torrent of four pieces of a block. */
function swarmOf(options: TestSwarmOptions = {}): TestSwarm {
  return new TestSwarm(geometryOf(BLOCK_BYTES, 4 * BLOCK_BYTES), options);
}

function at(host: string, port = 6881): { host: string; port: number } {
  return { host, port };
}

/** A peer gives all of a piece wrong, which is found out. */
function lie(swarm: TestSwarm, liar: ScriptedPeer): void {
  liar.answer(liar.heardOf("request").slice(0, 1), false);
  swarm.finishStore();
  assertEquals(liar.closed?.reason, "corrupt");
}

/** Who was taken, or why not. */
function outcomeOf(joined: ScriptedPeer | string): string {
  return typeof joined === "string" ? joined : "taken";
}

Deno.test("Manager takes a peer whose id another host uses, and keeps both", () => {
  const swarm = swarmOf();
  const impersonator = swarm.join({ idByte: 7, address: at("198.51.100.1") });
  const honest = swarm.tryJoin({ idByte: 7, address: at("192.0.2.7") });
  assertEquals([outcomeOf(honest), impersonator.closed], ["taken", null]);
  assertEquals(swarm.tryJoin({ idByte: 7, address: at("192.0.2.7", 7000) }), "duplicate");
  assertEquals(swarm.tryJoin({ idByte: 7, address: at("198.51.100.1", 7000) }), "duplicate");
});

Deno.test("Manager knows a peer by its socket's address, whatever name was dialled", () => {
  const swarm = swarmOf();
  swarm.join({ idByte: 7, isIncoming: false, address: at("192.0.2.7") });
  const named = { idByte: 7, isIncoming: false, host: "::ffff:192.0.2.7" };
  assertEquals(swarm.tryJoin({ ...named, address: at("client7") }), "duplicate");
  // The name of another host, where somebody uses the same id.
  const other = swarm.tryJoin({ ...named, address: at("client8"), host: "192.0.2.8" });
  assertEquals(outcomeOf(other), "taken");
});

Deno.test("Manager bans who lies under somebody's id, and not whose id it is", () => {
  const swarm = swarmOf();
  const honest = swarm.join({ idByte: 7, address: at("192.0.2.7"), has: "xxxx" });
  const liar = swarm.join({
    idByte: 7,
    address: at("198.51.100.1"),
    has: "xxxx",
    unchokes: true,
  });
  lie(swarm, liar);
  assertEquals(honest.closed, null);
  assertEquals(swarm.tryJoin({ idByte: 7, address: at("198.51.100.1", 7000) }), "banned");
  honest.leave();
  assertEquals(outcomeOf(swarm.tryJoin({ idByte: 7, address: at("192.0.2.7", 7001) })), "taken");
});

Deno.test("Manager dials no more where a liar was, and dials the peer whose id it used", () => {
  const swarm = swarmOf();
  const liarAt = at("198.51.100.1");
  swarm.manager.addPeers([liarAt], swarm.nowMs);
  const liar = swarm.join({
    idByte: 7,
    address: swarm.dials.pop()!,
    isIncoming: false,
    has: "xxxx",
    unchokes: true,
  });
  lie(swarm, liar);
  swarm.manager.addPeers([liarAt, at("192.0.2.7")], swarm.nowMs);
  swarm.pass(60 * SECOND);
  assertEquals(swarm.dials.map(({ host }) => host), ["192.0.2.7"]);
});

Deno.test("Manager lets a liar's neighbours be, until the host has been banned too often", () => {
  const swarm = swarmOf();
  const host = "192.0.2.99";
  const neighbour = swarm.join({ idByte: 1, address: at(host, 1) });
  for (let i = 1; i <= HOST_BANS_MAX; i++) {
    const newcomer = swarm.tryJoin({ idByte: 30 + i, address: at(host, 100 + i) });
    assertEquals(outcomeOf(newcomer), "taken", `after ${i - 1} bans`);
    (newcomer as ScriptedPeer).leave();
    lie(
      swarm,
      swarm.join({ idByte: 10 + i, address: at(host, 10 + i), has: "xxxx", unchokes: true }),
    );
  }
  assertEquals(swarm.tryJoin({ idByte: 40, address: at(host, 40) }), "banned");
  assertEquals(neighbour.closed, null, "it has done nothing, and is here");
  assertEquals(outcomeOf(swarm.tryJoin({ idByte: 40, address: at("192.0.2.98") })), "taken");
});

Deno.test("Manager counts all addresses of a /64 as one host", () => {
  const swarm = swarmOf();
  for (let i = 1; i <= HOST_BANS_MAX; i++) {
    const address = at(`2001:db8::${i}`);
    lie(swarm, swarm.join({ idByte: 10 + i, address, has: "xxxx", unchokes: true }));
  }
  assertEquals(swarm.tryJoin({ idByte: 40, address: at("2001:db8::abcd") }), "banned");
  assertEquals(outcomeOf(swarm.tryJoin({ idByte: 41, address: at("2001:db8:0:1::1") })), "taken");
});

Deno.test("Manager refuses nobody of its own machine for what others of it did", () => {
  const swarm = swarmOf();
  for (let i = 1; i <= HOST_BANS_MAX + 1; i++) {
    const address = at("127.0.0.1", i);
    lie(swarm, swarm.join({ idByte: 10 + i, address, has: "xxxx", unchokes: true }));
  }
  assertEquals(outcomeOf(swarm.tryJoin({ idByte: 40, address: at("127.0.0.1", 99) })), "taken");
});

Deno.test("Manager knows a peer that lied and left by the time its piece failed", () => {
  const swarm = swarmOf();
  const liar = swarm.join({ idByte: 7, address: at("192.0.2.7", 1), has: "xxxx", unchokes: true });
  liar.answer(liar.heardOf("request").slice(0, 1), false);
  liar.leave();
  const again = swarm.join({ idByte: 7, address: at("192.0.2.7", 2) });
  swarm.finishStore();
  assertEquals(again.closed?.reason, "corrupt", "the same peer, over another line");
  assertEquals(swarm.tryJoin({ idByte: 7, address: at("192.0.2.7", 3) }), "banned");
});

/** All places taken by peers that do this, then so many seconds, then somebody comes. */
function newcomerAfter(seconds: number, has: string | null): string {
  const swarm = swarmOf({ connectionsMax: 3 });
  const silent = Array.from(
    { length: 3 },
    () => swarm.join(has === null ? {} : { has }),
  );
  for (let left = seconds; left > 0; left -= 60) {
    swarm.pass(Math.min(left, 60) * SECOND);
    for (const peer of silent) if (has !== null) peer.say((writer) => writer.keepAlive());
  }
  const outcome = outcomeOf(swarm.tryJoin());
  const closed = silent.filter((peer) => peer.closed !== null).length;
  assert(closed === (outcome === "taken" ? 1 : 0), `${closed} of them had to go`);
  return outcome;
}

Deno.test("Manager takes a newcomer in the place of a peer that is silent", () => {
  assertEquals([newcomerAfter(20, null), newcomerAfter(40, null)], ["full", "taken"]);
});

Deno.test("Manager takes a newcomer in the place of a peer that says it has everything and gives nothing", () => {
  assertEquals([newcomerAfter(170, "xxxx"), newcomerAfter(190, "xxxx")], ["full", "taken"]);
});

Deno.test("Manager keeps a peer that waits for a slot, however long, when all places are taken", () => {
  const swarm = swarmOf({ connectionsMax: 1, has: "x---" });
  const waiting = swarm.join({ has: "-x--" });
  waiting.say((writer) => writer.interested());
  for (let minute = 0; minute < 10; minute++) {
    swarm.pass(60 * SECOND);
    waiting.say((writer) => writer.keepAlive());
  }
  assertEquals([swarm.tryJoin(), waiting.closed], ["full", null]);
});
