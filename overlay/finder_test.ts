import { assertEquals, assertThrows } from "@std/assert";
import { Finder } from "./finder.ts";
import { Intake } from "./intake.ts";
import { LOOKUP_MS } from "./lookups.ts";
import { Membership } from "./membership.ts";
import type { Carried, Message } from "./messages.ts";
import { LEFT_GONE, type SignedRecord } from "./record.ts";
import { RecordMap } from "./record_map.ts";
import { Holders } from "./replication.ts";
import { fakeHash, fakeVerify, infoHashOf, ownerOf, recordOf } from "./_testdata.ts";

const infoHash = infoHashOf(1);

/** A finder that knows one other node, what it has sent, and what it has found. */
class Desk {
  readonly map = new RecordMap({ hash: fakeHash });
  readonly offences: string[] = [];
  readonly found: string[][] = [];
  readonly finder: Finder;
  #sent: [string, Message][] = [];

  constructor(replication: "all" | number) {
    const membership = new Membership({
      ownAddress: "me:1",
      bootstrap: ["other:1"],
      random: () => 0,
    });
    this.finder = new Finder({
      map: this.map,
      holders: new Holders("me:1", membership, replication),
      intake: new Intake(this.map, { verify: fakeVerify, ownKey: ownerOf(9) }, {
        taken: () => {},
        blame: (from, offence) => this.offences.push(`${from} ${offence}`),
      }),
      send: (to, message) => this.#sent.push([to, message]),
    });
  }

  lookup(wanted: number, nowMs: number): void {
    this.finder.lookup(infoHash, wanted, (providers) => {
      this.found.push(providers.map(({ address, lastSeenMs }) => `${address} ${lastSeenMs}`));
    }, nowMs);
  }

  take(): [string, Message][] {
    return this.#sent.splice(0);
  }
}

function carriedOf(record: SignedRecord, ageMs: number): Carried {
  return { record, beat: null, ageMs };
}

Deno.test("Finder.lookup() asks nobody where enough are known, and throws for what is no info-hash", () => {
  const desk = new Desk("all");
  desk.map.merge(recordOf({ infoHash, address: "a:1" }), null, 0, 1000);
  desk.lookup(1, 2000);
  assertEquals([desk.found, desk.take()], [[["a:1 1000"]], []]);
  assertThrows(() => desk.finder.lookup("x", 1, () => {}, 2000), TypeError);
});

Deno.test("Finder takes one answer to each question, and of it what was asked for", () => {
  const desk = new Desk("all");
  desk.lookup(2, 1000);
  assertEquals(desk.take(), [["other:1", { type: "lookup", id: 1, infoHash, wanted: 2 }]]);
  const records = [
    carriedOf(recordOf({ infoHash, address: "a:1" }), 500),
    carriedOf(recordOf({ infoHash: infoHashOf(2) }), 0),
  ];
  desk.finder.handleProviders("liar:1", { type: "providers", id: 1, records }, 1500);
  assertEquals([desk.map.size, desk.found], [0, []]);
  desk.finder.handleProviders("other:1", { type: "providers", id: 1, records }, 2000);
  assertEquals([desk.map.size, desk.found], [1, [["a:1 1500"]]]);
  const more = [carriedOf(recordOf({ infoHash, owner: ownerOf(2) }), 0)];
  desk.finder.handleProviders("other:1", { type: "providers", id: 1, records: more }, 2000);
  assertEquals([desk.map.size, desk.found.length, desk.offences], [1, 1, []]);
});

Deno.test("Finder ends a lookup with what is known then, when time is over or nobody can be reached", () => {
  const desk = new Desk("all");
  desk.lookup(2, 1000);
  desk.map.merge(recordOf({ infoHash, address: "a:1" }), null, 0, 2000);
  assertEquals(desk.finder.nextDeadlineMs, 1000 + LOOKUP_MS);
  desk.finder.handleTime(desk.finder.nextDeadlineMs);
  desk.lookup(2, 4000);
  // In the meantime it expires.
  desk.finder.handleUnreachable("other:1", 92_000);
  assertEquals(desk.found, [["a:1 2000"], []]);
});

Deno.test("Finder tells who asks of providers that live, the most recently heard of first", () => {
  const desk = new Desk("all");
  const left = recordOf({ infoHash, owner: ownerOf(2), left: LEFT_GONE });
  const old = recordOf({ infoHash, owner: ownerOf(3) });
  const fresh = recordOf({ infoHash, owner: ownerOf(4) });
  desk.map.merge(left, null, 0, 1000);
  desk.map.merge(old, null, 0, 1000);
  desk.map.merge(fresh, null, 0, 3000);
  const ask = (wanted: number, nowMs: number) => {
    desk.finder.handleLookup("other:1", { type: "lookup", id: 7, infoHash, wanted }, nowMs);
    return desk.take();
  };
  const answer = (records: Carried[]): [string, Message][] => [
    ["other:1", { type: "providers", id: 7, records }],
  ];
  assertEquals(ask(9, 4000), answer([carriedOf(fresh, 1000), carriedOf(old, 3000)]));
  assertEquals(ask(1, 4000), answer([carriedOf(fresh, 1000)]));
  assertEquals(ask(9, 91_500), answer([carriedOf(fresh, 88_500)]));
});

Deno.test("Finder looks up what is watched until it is not, where not all hold all", () => {
  for (const [replication, asked] of [["all", 0], [2, 1]] as const) {
    const desk = new Desk(replication);
    desk.finder.watch(infoHash, 0);
    assertEquals(desk.take().length, asked);
    desk.finder.lookUpWatched(30_000);
    assertEquals(desk.take().length, asked);
    desk.finder.unwatch(infoHash);
    desk.finder.lookUpWatched(60_000);
    assertEquals(desk.take(), []);
  }
});
