/** Pieces in memory: begun, completed, given up. */
import { assert, assertEquals } from "@std/assert";
import { BLOCK_BYTES } from "@enjambre/metainfo";
import { geometryOf } from "./_test_swarm.ts";
import { Assembly } from "./assembly.ts";
import { Picker } from "./picker.ts";
import { type BegunPiece, type PeerRequests, RequestTable } from "./requests.ts";
import { SwarmStats } from "./stats.ts";

/** Four pieces of two blocks, memory for two of them, and two peers. */
class Fixture {
  readonly geometry = geometryOf(2 * BLOCK_BYTES, 8 * BLOCK_BYTES);
  readonly picker = new Picker({ pieceCount: 4, random: () => 0.5 });
  readonly table = new RequestTable(this.geometry, { cancel() {}, recovered() {} });
  readonly stats = new SwarmStats();
  readonly assembly = new Assembly({
    geometry: this.geometry,
    memoryBytes: 4 * BLOCK_BYTES,
    picker: this.picker,
    table: this.table,
    stats: this.stats,
    random: () => 0.5,
    identityOf: (id) => `peer ${id}`,
  });
  readonly peers = [this.table.open(0), this.table.open(1)];

  begin(piece: number): BegunPiece {
    return this.assembly.begin(piece, 0, 0)!;
  }

  /** A peer sends a block that consists of this byte. */
  give(peer: PeerRequests, begun: BegunPiece, block: number, byte = 0): void {
    this.table.ask(peer, begun, block, 0);
    this.table.receive(peer, begun, block);
    begun.data.fill(byte, block * BLOCK_BYTES, (block + 1) * BLOCK_BYTES);
  }
}

Deno.test("Assembly takes a piece from its first block to the store, and its buffer back", () => {
  const swarm = new Fixture();
  const { assembly, picker, peers } = swarm;
  const begun = swarm.begin(1);
  assertEquals([picker.isCandidate(1), [...assembly.filling]], [false, [1]]);
  swarm.give(peers[0]!, begun, 0);
  swarm.give(peers[0]!, begun, 1);
  assembly.complete(begun);
  assertEquals([[...assembly.filling], [...assembly.storing]], [[], [1]]);
  assertEquals([assembly.isStoring(1), assembly.buffersInUse], [true, 1]);
  assertEquals(assembly.settle(1, "stored"), []);
  assertEquals([assembly.storingCount, assembly.buffersInUse], [0, 0]);
  assertEquals(picker.isCandidate(1), false);
});

Deno.test("Assembly makes a piece that could not be stored a candidate again, and blames nobody", () => {
  const swarm = new Fixture();
  const { assembly, picker, peers } = swarm;
  const begun = swarm.begin(2);
  for (const block of [0, 1]) swarm.give(peers[0]!, begun, block);
  assembly.complete(begun);
  assertEquals([assembly.settle(2, "failed"), picker.isCandidate(2)], [[], true]);
  assertEquals(swarm.begin(2).soleConnection, -1);
});

Deno.test("Assembly has a piece that failed its hash fetched from one peer, and names who sent the bad block", () => {
  const swarm = new Fixture();
  const { assembly, peers, stats } = swarm;
  const bad = swarm.begin(3);
  swarm.give(peers[0]!, bad, 0, 1);
  swarm.give(peers[1]!, bad, 1, 9);
  assembly.complete(bad);
  assertEquals([assembly.settle(3, "corrupt"), stats.wasted.corrupt], [[], 2 * BLOCK_BYTES]);
  const good = swarm.begin(3);
  assertEquals(good.soleConnection, 0);
  for (const block of [0, 1]) swarm.give(peers[0]!, good, block, 1);
  assembly.complete(good);
  assertEquals(assembly.settle(3, "stored"), ["peer 1"]);
});

Deno.test("Assembly begins no piece beyond its memory, but in the place of one that nobody sends", () => {
  const swarm = new Fixture();
  const { assembly, picker, table, peers, stats } = swarm;
  const [one, other] = [swarm.begin(0), swarm.begin(1)];
  table.ask(peers[0]!, one, 0, 0);
  table.ask(peers[1]!, other, 0, 0);
  assertEquals(assembly.begin(2, 0, 0), null);
  table.receive(peers[0]!, one, 0);
  assert(assembly.begin(2, 0, 0) !== null, "of the first piece nobody is asked for anything");
  assertEquals([picker.isCandidate(0), table.piece(0)], [true, undefined]);
  assertEquals([stats.wasted.abandoned, assembly.buffersInUse], [BLOCK_BYTES, 2]);
});

Deno.test("Assembly goes on with what an earlier run had of a piece, and blames nobody for it", () => {
  const earlier = new Fixture();
  earlier.give(earlier.peers[0]!, earlier.begin(1), 1, 7);
  earlier.begin(2);
  const partial = earlier.assembly.partialPieces();
  assertEquals(partial.map(({ piece, received }) => [piece, ...received]), [[1, 0b0100_0000]]);

  const swarm = new Fixture();
  const begun = swarm.assembly.restore(partial[0]!, 0)!;
  assertEquals([begun.received, begun.missing, begun.data[BLOCK_BYTES]], [1, 1, 7]);
  assertEquals(swarm.assembly.restore(partial[0]!, 0), null);
  swarm.give(swarm.peers[0]!, begun, 0);
  swarm.assembly.complete(begun);
  assertEquals(swarm.assembly.settle(1, "corrupt"), []);
});

Deno.test("Assembly restores nothing that is not wanted, or that there is no memory for", () => {
  const swarm = new Fixture();
  const partial = (piece: number) => ({
    piece,
    received: Uint8Array.of(0x80),
    data: new Uint8Array(2 * BLOCK_BYTES),
  });
  swarm.picker.setPriority(0, 0);
  assertEquals(swarm.assembly.restore(partial(0), 0), null);
  swarm.give(swarm.peers[0]!, swarm.begin(1), 0);
  swarm.table.ask(swarm.peers[0]!, swarm.begin(2), 0, 0);
  swarm.table.ask(swarm.peers[1]!, swarm.table.piece(1)!, 1, 0);
  assertEquals(swarm.assembly.restore(partial(3), 0), null);
});

Deno.test("Assembly begins nothing while the store lags behind, and goes on with what an earlier run began", () => {
  const pieceLength = 8 * 1024 * 1024; // two of them may be on their way to the disk
  const geometry = geometryOf(pieceLength, 4 * pieceLength);
  const picker = new Picker({ pieceCount: 4, random: () => 0.5 });
  const table = new RequestTable(geometry, { cancel() {}, recovered() {} });
  const assembly = new Assembly({
    geometry,
    memoryBytes: 8 * pieceLength,
    picker,
    table,
    stats: new SwarmStats(),
    random: () => 0.5,
    identityOf: (id) => `peer ${id}`,
  });
  for (const piece of [0, 1]) assembly.complete(assembly.begin(piece, 0, 0)!);
  assertEquals(assembly.begin(2, 0, 0), null);
  assertEquals(picker.isCandidate(2), true);
  const received = new Uint8Array(pieceLength / BLOCK_BYTES / 8);
  assert(
    assembly.restore({ piece: 3, received, data: new Uint8Array(pieceLength) }, 0) !== null,
    "what was fetched is not thrown away",
  );
  assembly.settle(0, "stored");
  assert(assembly.begin(2, 0, 0) !== null);
});
