import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { type Beat, BeatMaker } from "./beats.ts";
import { beatOf } from "./entry.ts";
import { LEFT_GONE, type SignedRecord } from "./record.ts";
import { type ProviderChange, RecordMap, type RecordMapOptions } from "./record_map.ts";
import { fakeHash, infoHashOf, ownerOf, recordOf } from "./_testdata.ts";

function mapOf(options: Partial<RecordMapOptions> = {}): RecordMap {
  return new RecordMap({ hash: fakeHash, ...options });
}

/** What a map holds, as a text that is the same for maps that hold the same. */
function stateOf(map: RecordMap): string {
  const records = [...map.infoHashes()].flatMap((infoHash) => [...map.entriesOf(infoHash)])
    .map(({ record }) => JSON.stringify(record));
  return [map.digests.root, map.digests.bucketTexts, ...records.sort()].join("\n");
}

function mergeAll(map: RecordMap, records: readonly SignedRecord[]): RecordMap {
  for (const record of records) map.merge(record, null, 0, 0);
  return map;
}

/** Records of few owners, swarms and slots, so that they often meet under one key. */
const anyRecord = fc.record({
  owner: fc.integer({ min: 1, max: 3 }).map(ownerOf),
  infoHash: fc.integer({ min: 0, max: 3 }).map(infoHashOf),
  slot: fc.constantFrom("", "a"),
  left: fc.constantFrom(LEFT_GONE, 0, 5),
  sequence: fc.integer({ min: 1, max: 6 }),
}).map(recordOf);
const anyRecords = fc.array(anyRecord, { maxLength: 40 });

Deno.test("RecordMap holds the same whatever the order, and however often a record comes", () => {
  fc.assert(
    fc.property(
      anyRecords.chain((records) =>
        fc.tuple(
          fc.constant(records),
          fc.shuffledSubarray([...records, ...records], { minLength: 2 * records.length }),
        )
      ),
      ([records, shuffled]) => {
        assertEquals(stateOf(mergeAll(mapOf(), shuffled)), stateOf(mergeAll(mapOf(), records)));
      },
    ),
  );
});

Deno.test("RecordMap: merging is associative: what two maps gathered adds up in any grouping", () => {
  const recordsOf = (map: RecordMap) =>
    [...map.infoHashes()].flatMap((infoHash) => [...map.entriesOf(infoHash)])
      .map(({ record }) => record);
  fc.assert(fc.property(anyRecords, anyRecords, anyRecords, (one, two, three) => {
    const [a, b, c] = [one, two, three].map((records) => mergeAll(mapOf(), records)) as [
      RecordMap,
      RecordMap,
      RecordMap,
    ];
    const left = mergeAll(mergeAll(mapOf(), recordsOf(mergeAll(a, recordsOf(b)))), recordsOf(c));
    const right = mergeAll(
      mergeAll(mapOf(), one),
      recordsOf(mergeAll(mergeAll(mapOf(), two), three)),
    );
    assertEquals(stateOf(left), stateOf(right));
  }));
});

Deno.test("RecordMap with little room holds the same whatever the order", () => {
  const options = { recordsPerOwnerMax: 3 };
  const distinct = fc.uniqueArray(
    fc.tuple(fc.integer({ min: 0, max: 9 }), fc.integer({ min: 1, max: 20 })),
    { selector: ([swarm]) => swarm },
  ).map((pairs) =>
    pairs.map(([swarm, sequence]) => recordOf({ infoHash: infoHashOf(swarm), sequence }))
  );
  fc.assert(
    fc.property(
      distinct.chain((records) =>
        fc.tuple(
          fc.constant(records),
          fc.shuffledSubarray(records, { minLength: records.length }),
        )
      ),
      ([records, shuffled]) => {
        // Of equal sequences any may stay: here all differ.
        fc.pre(new Set(records.map(({ sequence }) => sequence)).size === records.length);
        assertEquals(
          stateOf(mergeAll(mapOf(options), shuffled)),
          stateOf(mergeAll(mapOf(options), records)),
        );
      },
    ),
  );
});

Deno.test("RecordMap: digests are those of the records that are there, whatever came and went", () => {
  fc.assert(fc.property(anyRecords, anyRecords, (first, second) => {
    const map = mergeAll(mapOf(), first);
    map.expire(91_000);
    assertEquals(map.size, 0);
    assertEquals(map.digests.root, mapOf().digests.root);
    for (const record of second) map.merge({ ...record, sequence: 99 }, null, 0, 91_000);
    const fresh = mapOf();
    for (const record of second) fresh.merge({ ...record, sequence: 99 }, null, 0, 0);
    assertEquals(map.digests.root, fresh.digests.root);
  }));
});

Deno.test("RecordMap forgets a record 90 s after its owner was last heard of, age included", () => {
  const map = mapOf();
  map.merge(recordOf(), null, 60_000, 0);
  map.expire(29_000);
  assertEquals(map.size, 1);
  map.expire(31_000);
  assertEquals(map.size, 0);
});

Deno.test("RecordMap: nothing that expired comes back on an old copy", () => {
  const map = mapOf();
  map.merge(recordOf({ sequence: 5 }), null, 0, 0);
  map.expire(91_000);
  for (const sequence of [4, 5]) {
    assertEquals(map.merge(recordOf({ sequence }), null, 0, 91_000), "expired");
  }
  assertEquals(map.merge(recordOf({ sequence: 6 }), null, 0, 91_000), "taken");
});

Deno.test("RecordMap: a leave hides the provider, outlives older copies, and stays over when it expired", () => {
  const map = mapOf();
  map.merge(recordOf({ sequence: 5 }), null, 0, 0);
  map.merge(recordOf({ sequence: 6, left: LEFT_GONE }), null, 0, 1000);
  assertEquals(map.providers(recordOf().infoHash, 1000), []);
  assertEquals(map.merge(recordOf({ sequence: 5 }), null, 0, 2000), "old");
  map.expire(92_000);
  assertEquals(map.merge(recordOf({ sequence: 5 }), null, 0, 92_000), "expired");
});

/** A record that beats keep alive, and its beats. */
function chained(index: number): { record: SignedRecord; beat(counter: number): Beat } {
  const maker = new BeatMaker(new Uint8Array(16).fill(index), fakeHash);
  const record = recordOf({ anchor: maker.anchor, owner: ownerOf(index) });
  return { record, beat: (counter) => ({ counter, value: maker.valueAt(counter)! }) };
}

Deno.test("RecordMap: beats keep an owner's records alive, and the last one only for its time", () => {
  const map = mapOf();
  const { record, beat } = chained(1);
  map.merge(record, null, 0, 0);
  const chain = map.beats.find(record.anchor, record.owner)!;
  map.beats.advance(chain, beat(1), 60_000);
  map.expire(100_000);
  assertEquals(map.providers(record.infoHash, 100_000)[0]?.lastSeenMs, 60_000);
  map.expire(151_000);
  assertEquals([map.size, map.beats.size], [0, 0]);
});

Deno.test("RecordMap: what expired comes back when its owner was heard of since", () => {
  const map = mapOf();
  const { record, beat } = chained(1);
  map.merge(record, beat(2), 0, 0);
  map.expire(91_000);
  assertEquals(map.merge(record, beat(2), 0, 91_000), "expired");
  assertEquals(map.merge(record, beat(3), 5000, 91_000), "taken");
  const [entry] = map.entriesOf(record.infoHash);
  assertEquals(beatOf(entry!)?.counter, 3);
});

Deno.test("RecordMap: a newer record with an older beat does not turn its chain back", () => {
  const map = mapOf();
  const { record, beat } = chained(1);
  map.merge(record, beat(7), 0, 0);
  map.merge(recordOf({ ...record, sequence: 2000 }), beat(3), 0, 0);
  assertEquals(map.beats.find(record.anchor, record.owner)!.counter, 7);
});

Deno.test("RecordMap tells what came, changed and went", () => {
  const changes: string[] = [];
  const onChange = ({ kind, provider }: ProviderChange) => changes.push(`${kind} ${provider.left}`);
  const map = mapOf({ onChange });
  map.merge(recordOf({ sequence: 1, left: 9 }), null, 0, 0);
  map.merge(recordOf({ sequence: 2, left: 0 }), null, 0, 0);
  map.merge(recordOf({ sequence: 2, left: 0 }), null, 0, 0);
  map.merge(recordOf({ sequence: 3, left: LEFT_GONE }), null, 0, 0);
  map.merge(recordOf({ sequence: 4, left: 0 }), null, 0, 0);
  map.expire(91_000);
  assertEquals(changes, ["added 9", "changed 0", "removed 0", "added 0", "removed 0"]);
});

Deno.test("RecordMap keeps many providers of one owner apart by their slots", () => {
  const map = mapOf();
  for (const slot of ["a", "b", "c"]) {
    map.merge(recordOf({ slot, address: `${slot}:1` }), null, 0, 0);
  }
  const addresses = map.providers(recordOf().infoHash, 0).map(({ address }) => address);
  assertEquals(addresses.sort(), ["a:1", "b:1", "c:1"]);
});

Deno.test("RecordMap gives the most recently heard of first", () => {
  const map = mapOf();
  [30, 10, 20].forEach((age, at) => {
    map.merge(recordOf({ owner: ownerOf(at), address: `h${age}:1` }), null, 1000 * age, 50_000);
  });
  const addresses = map.providers(recordOf().infoHash, 50_000).map(({ address }) => address);
  assertEquals(addresses, ["h10:1", "h20:1", "h30:1"]);
});

Deno.test("RecordMap that is full refuses others' records, and takes our own", () => {
  const map = mapOf({ recordsMax: 1, ownKey: ownerOf(9) });
  map.merge(recordOf(), null, 0, 0);
  assertEquals(map.merge(recordOf({ owner: ownerOf(2) }), null, 0, 0), "full");
  assertEquals(map.merge(recordOf({ owner: ownerOf(9) }), null, 0, 0), "taken");
  assertEquals(map.merge(recordOf({ sequence: 2000 }), null, 0, 0), "taken");
});

Deno.test("RecordMap: a million swarms of one owner leave room for as many as one may have", () => {
  const map = mapOf({ recordsPerOwnerMax: 10 });
  for (let sequence = 1; sequence <= 1000; sequence++) {
    const infoHash = sequence.toString(16).padStart(40, "0");
    map.merge(recordOf({ infoHash, sequence }), null, 0, 0);
  }
  assertEquals(map.size, 10);
  assert(map.get((991).toString(16).padStart(40, "0") + ownerOf(1)) !== null);
});

Deno.test("RecordMap.recordsIn() gives what all owners say under a slot, and when that was", () => {
  const map = mapOf();
  const one = recordOf({ slot: "a" });
  const gone = recordOf({ slot: "a", owner: ownerOf(2), left: LEFT_GONE });
  map.merge(one, null, 5000, 10_000);
  map.merge(gone, null, 0, 20_000);
  map.merge(recordOf({ slot: "b" }), null, 0, 0);
  map.merge(recordOf({ slot: "a", infoHash: infoHashOf(3) }), null, 0, 0);
  assertEquals(map.recordsIn(one.infoHash, "a"), [
    { record: one, heardMs: 5000 },
    { record: gone, heardMs: 20_000 },
  ]);
  assertEquals(map.recordsIn(one.infoHash, "c"), []);
});

Deno.test("RecordMap tells of every record that it takes, leaves too, and of every one that expires", () => {
  const told: string[] = [];
  const map = mapOf({
    onRecord: ({ record: { left, sequence }, heardMs }, isTaken) =>
      told.push(`${isTaken ? "took" : "expired"} ${sequence} ${left} ${heardMs}`),
  });
  map.merge(recordOf({ sequence: 5, left: LEFT_GONE }), null, 1000, 2000);
  map.merge(recordOf({ sequence: 4 }), null, 0, 3000);
  map.merge(recordOf({ sequence: 6, left: 7 }), null, 0, 4000);
  map.merge(recordOf({ sequence: 6, left: 7 }), null, 0, 5000);
  map.expire(93_000);
  map.expire(95_000);
  assertEquals(told, ["took 5 -1 1000", "took 6 7 4000", "expired 6 7 4000"]);
});

Deno.test("RecordMap keeps nothing of records that were replaced", () => {
  const map = mapOf();
  for (let count = 0; count < 5000; count++) {
    map.merge(recordOf({ sequence: count, ttlSeconds: 90 }), null, 0, 0);
  }
  // One call looks at no more than a thousand.
  map.expire(91_000);
  assertEquals([map.size, map.nextExpiryMs], [0, Infinity]);
});
