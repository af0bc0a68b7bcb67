/** Who is told what, and who has a slot. */
import { assertEquals } from "@std/assert";
import { BLOCK_BYTES } from "@enjambre/metainfo";
import { bitfieldOf, geometryOf } from "./_test_swarm.ts";
import { Connection, type ConnectionEvents } from "./connection.ts";
import { Picker } from "./picker.ts";
import { PeerRequests } from "./requests.ts";
import { Serving } from "./serving.ts";

/** Serving what is drawn, to so many peers that are interested, within four slots. */
class Fixture {
  readonly geometry = geometryOf(BLOCK_BYTES, 4 * BLOCK_BYTES);
  readonly connections = new Map<number, Connection>();
  /** The peers whose requests are dropped because they are choked. */
  readonly choked: number[] = [];
  readonly serving: Serving;

  constructor(has: string, peers: number) {
    this.serving = new Serving({
      geometry: this.geometry,
      have: bitfieldOf(has),
      picker: new Picker({ pieceCount: 4, random: () => 0.5 }),
      connections: this.connections,
      limitBytesPerSecond: 1000,
      random: () => 0.5,
      isSeed: () => true,
      handleChoking: ({ id }) => this.choked.push(id),
      touch() {},
    });
    for (let id = 1; id <= peers; id++) this.connections.set(id, this.#join(id));
  }

  get served(): number[] {
    return [...this.connections.values()].filter((each) => !each.amChoking).map(({ id }) => id);
  }

  #join(id: number): Connection {
    const connection = new Connection({
      id,
      geometry: this.geometry,
      peerId: new Uint8Array(20).fill(id),
      address: `192.0.2.${id}:6881`,
      isIncoming: true,
      isFast: true,
      isExtended: false,
      requests: new PeerRequests(id),
      events: {} as ConnectionEvents,
      nowMs: 0,
    });
    connection.isInterested = true;
    return connection;
  }
}

Deno.test("Serving gives its slots to those who wait, and the slot of one that left to the next", () => {
  const fixture = new Fixture("xxxx", 6);
  fixture.serving.serveWaiting(0);
  assertEquals(fixture.served.length, 4);
  fixture.connections.delete(fixture.served[0]!);
  fixture.serving.serveWaiting(0);
  assertEquals(fixture.served.length, 4);
});

Deno.test("Serving.handleRound() chokes who wants nothing, drops its requests, and says when it is due again", () => {
  const fixture = new Fixture("xxxx", 3);
  fixture.serving.handleRound(0);
  assertEquals([fixture.served, fixture.serving.nextRoundMs], [[1, 2, 3], 10_000]);
  fixture.connections.get(2)!.isInterested = false;
  fixture.serving.handleRound(10_000);
  assertEquals([fixture.served, fixture.choked], [[1, 3], [2]]);
});

Deno.test("Serving.superSeed() has no effect while something is missing, and lures with eight slots else", () => {
  const partial = new Fixture("x-xx", 9);
  partial.serving.superSeed(true);
  partial.serving.greet(partial.connections.get(1)!);
  assertEquals(partial.connections.get(1)!.isLured, false);
  const only = new Fixture("xxxx", 9);
  only.serving.superSeed(true);
  for (const connection of only.connections.values()) only.serving.greet(connection);
  assertEquals([only.connections.get(1)!.isLured, only.served.length], [true, 8]);
});
