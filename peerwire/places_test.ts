/** Who is dialled, who gets a place, and who has to leave one. */
import { assert, assertEquals } from "@std/assert";
import { BLOCK_BYTES } from "@enjambre/metainfo";
import { geometryOf } from "./_test_swarm.ts";
import { Connection, type ConnectionEvents } from "./connection.ts";
import type { CloseReason } from "./manager_options.ts";
import { formatAddress, type PeerAddress } from "./peer_book.ts";
import { Places } from "./places.ts";
import { PeerRequests } from "./requests.ts";

const SECOND = 1000;
const MINUTE = 60 * SECOND;

/** Where peer number `id` is. */
function at(id: number): PeerAddress {
  return { host: `192.0.2.${id}`, port: 6881 };
}

/** Places for so many, and what a manager does with them. */
class Fixture {
  readonly geometry = geometryOf(BLOCK_BYTES, 4 * BLOCK_BYTES);
  readonly dials: PeerAddress[] = [];
  readonly places: Places;
  nowMs = 0;

  constructor(connectionsMax: number) {
    const dial = (address: PeerAddress) => this.dials.push(address);
    this.places = new Places({ peerId: new Uint8Array(20).fill(99), connectionsMax, dial });
  }

  /** Makes `count` peers known. */
  know(count: number): void {
    this.places.addPeers(Array.from({ length: count }, (_, i) => at(i + 1)), this.nowMs);
  }

  /** Peer number `id` comes, or was dialled. @returns why it is refused; null where it is taken */
  arrive(id: number, isIncoming: boolean): string | null {
    const peerId = new Uint8Array(20).fill(id);
    const arrival = { address: at(id), peerId, isIncoming, isFast: true, isExtended: false };
    const verdict = this.places.judge(arrival, this.nowMs);
    if (verdict.refusal !== null) return verdict.refusal;
    const connection = new Connection({
      ...arrival,
      id,
      address: formatAddress(arrival.address),
      geometry: this.geometry,
      requests: new PeerRequests(id),
      events: {} as ConnectionEvents,
      nowMs: this.nowMs,
    });
    this.places.take(connection);
    return null;
  }

  /** Connection `id` ends. */
  leave(id: number, reason: CloseReason): void {
    this.places.handleClosed(this.places.connections.get(id)!, reason, this.nowMs);
  }

  /** After how many seconds the next peer is dialled. */
  secondsToDial(): number {
    const fromMs = this.nowMs;
    const count = this.dials.length;
    while (this.dials.length === count) {
      this.nowMs += SECOND;
      assert(this.nowMs - fromMs < 60 * MINUTE, "nobody is dialled");
      this.places.dial(this.nowMs);
    }
    return (this.nowMs - fromMs) / SECOND;
  }
}

Deno.test("Places dials 16 at once, and no more than are free", () => {
  const many = new Fixture(100);
  many.know(50);
  assertEquals(many.dials.length, 16);
  many.places.handleDialFailed(many.dials[0]!, 0);
  assertEquals(many.dials.length, 17, "the next at once");
  assertEquals(many.arrive(2, false), null);
  many.places.dial(0);
  assertEquals(many.dials.length, 18, "one led to a connection");
  const few = new Fixture(3);
  assertEquals(few.arrive(90, true), null);
  few.know(50);
  assertEquals([few.dials.length, few.places.wantsPeers], [2, false]);
  assertEquals(few.arrive(1, false), null);
  few.places.dial(0);
  assertEquals([few.dials.length, few.places.wantsPeers], [2, false], "a dial became a place");
});

Deno.test("Places dials a peer again for which there was no place, and not one that is ourselves", () => {
  const fixture = new Fixture(1);
  fixture.know(1);
  assertEquals(fixture.arrive(2, true), null); // it came first
  assertEquals(fixture.arrive(1, false), "full");
  fixture.leave(2, "gone");
  assertEquals(fixture.secondsToDial(), 10);
  assertEquals(fixture.places.isDeserted, true, "the dial is under way");
  const self = new Fixture(1);
  self.places.addPeers([at(99)], 0);
  assertEquals(self.arrive(99, false), "self");
  assertEquals([self.places.knownPeers(), self.places.wantsPeers], [[], true]);
});

Deno.test("Places keeps a place for a dial that is under way, though its peer is refused when it dials us", () => {
  const fixture = new Fixture(1);
  fixture.know(1);
  assertEquals(fixture.arrive(2, true), null);
  assertEquals(fixture.arrive(1, true), "full");
  fixture.leave(2, "gone");
  assertEquals(fixture.places.wantsPeers, false, "the dial still has the place");
});

Deno.test("Places dials a peer again by how its connection ended", () => {
  const pauses = (["gone", "protocol", "useless"] as const).map((reason) => {
    const fixture = new Fixture(1);
    fixture.know(1);
    for (let i = 0; i < 2; i++) {
      assertEquals(fixture.arrive(1, false), null);
      fixture.places.connections.get(1)!.downloadedBytes = BLOCK_BYTES;
      fixture.leave(1, reason);
      if (i === 0) fixture.secondsToDial();
    }
    return fixture.secondsToDial();
  });
  assertEquals(pauses, [10, 20, 600]);
});

Deno.test("Places dials at once who was of no use when what we want has changed", () => {
  const fixture = new Fixture(1);
  fixture.know(1);
  assertEquals(fixture.arrive(1, false), null);
  fixture.leave(1, "useless");
  fixture.places.reconsider();
  fixture.places.dial(fixture.nowMs);
  assertEquals(fixture.dials.length, 2);
});

Deno.test("Places.findUseless() finds somebody only when all places are taken and others wait", () => {
  const fixture = new Fixture(2);
  assertEquals(fixture.arrive(11, true), null);
  fixture.nowMs = MINUTE;
  const found = () => fixture.places.findUseless(fixture.nowMs)?.id ?? null;
  assertEquals([fixture.places.wantsPeers, found()], [true, null]);
  assertEquals(fixture.arrive(12, true), null);
  assertEquals(found(), null, "nobody waits");
  fixture.know(1);
  assertEquals([found(), fixture.dials.length], [11, 0]);
  fixture.places.connections.get(11)!.isInterested = true;
  assertEquals(found(), null, "the other is too young to be judged");
});

Deno.test("Places.findUseless() looks for nobody while a place is free", () => {
  const fixture = new Fixture(20);
  assertEquals(fixture.arrive(90, true), null);
  fixture.know(17); // one of them waits for a dial to end
  assertEquals([fixture.dials.length, fixture.places.findUseless(MINUTE)], [16, null]);
});

Deno.test("Places.ban() gives the peer's connections, and nobody dials or takes it again", () => {
  const fixture = new Fixture(5);
  fixture.know(1);
  assertEquals([fixture.arrive(1, false), fixture.arrive(2, true)], [null, null]);
  const banned = fixture.places.ban(fixture.places.identityOf(1));
  assertEquals(banned.map(({ id }) => id), [1]);
  fixture.leave(1, "corrupt");
  fixture.know(1);
  assertEquals([fixture.places.knownPeers(), fixture.arrive(1, true)], [[], "banned"]);
  assertEquals([...fixture.places.connections.keys()], [2]);
});

Deno.test("Places is deserted when nobody is here and nobody can be dialled, and once it has ended", () => {
  const fixture = new Fixture(5);
  const { places } = fixture;
  assertEquals(places.isDeserted, true);
  assertEquals(fixture.arrive(2, true), null);
  assertEquals(places.isDeserted, false);
  fixture.leave(2, "gone");
  assertEquals(places.isDeserted, true);
  fixture.know(1);
  places.handleDialFailed(at(1), 0);
  assertEquals(places.isDeserted, false, "it is dialled again in a while");
  places.end();
  assertEquals([places.isDeserted, places.isEnded, places.wantsPeers], [true, true, false]);
  assertEquals(fixture.arrive(3, true), "full");
  places.dial(60 * MINUTE);
  assertEquals(fixture.dials.length, 1);
});
