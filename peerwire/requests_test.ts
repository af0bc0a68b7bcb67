import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { BLOCK_BYTES, Geometry } from "@enjambre/metainfo";
import {
  type BegunPiece,
  MISSING,
  type PeerRequests,
  RECEIVED,
  REQUESTED,
  RequestTable,
} from "./requests.ts";

const PIECES = 4;
const BLOCKS = 3;

/** Four pieces of three blocks; the last piece has two. */
const geometry = new Geometry(BLOCKS * BLOCK_BYTES, [{
  path: "a",
  bytes: (PIECES * BLOCKS - 1) * BLOCK_BYTES - 100,
  offset: 0,
  padding: false,
  executable: false,
  symlink: null,
}]);

/** A table, and what it tells. */
class Fixture {
  readonly cancelled: string[] = [];
  readonly recoveriesMs: number[] = [];
  readonly table: RequestTable = new RequestTable(geometry, {
    cancel: (connection, piece, block) => this.cancelled.push(`${connection}:${piece}/${block}`),
    recovered: (delayMs) => this.recoveriesMs.push(delayMs),
  });

  begin(piece: number): BegunPiece {
    return this.table.begin(piece, new Uint8Array(geometry.pieceBytes(piece)));
  }
}

/** States of a piece as a drawing: `-` missing, `?` requested, `x` received. */
function drawingOf(begun: BegunPiece): string {
  return Array.from(begun.states, (state) => "-?x"[state]).join("");
}

function listOf(table: RequestTable, requests: PeerRequests): string[] {
  const list: string[] = [];
  table.forEach(requests, (begun, block, isLate) => {
    list.push(`${begun.piece}/${block}${isLate ? " late" : ""}`);
  });
  return list;
}

Deno.test("RequestTable follows a block from missing to received", () => {
  const { table, begin } = bound(new Fixture());
  const peer = table.open(1);
  const begun = begin(0);
  assertEquals([drawingOf(begun), begun.missing, table.firstMissing(begun)], ["---", 3, 0]);
  table.ask(peer, begun, 0, 0);
  assertEquals([drawingOf(begun), begun.missing, table.firstMissing(begun)], ["?--", 2, 1]);
  assertEquals([peer.live, peer.late, table.liveRequests(begun, 0)], [1, 0, 1]);
  assertEquals(table.receive(peer, begun, 0), "wanted");
  assertEquals([drawingOf(begun), begun.received, begun.senders[0]], ["x--", 1, 1]);
  assertEquals([peer.live, peer.head, peer.tail], [0, -1, -1]);
});

Deno.test("RequestTable.receive() says unasked for what this peer was not asked for", () => {
  const { table, begin } = bound(new Fixture());
  const [asked, other] = [table.open(1), table.open(2)];
  const begun = begin(0);
  table.ask(asked, begun, 1, 0);
  assertEquals(table.receive(other, begun, 1), "unasked");
  assertEquals(table.receive(asked, begun, 0), "unasked");
  assertEquals(table.receive(asked, begun, 1), "wanted");
  assertEquals(table.receive(asked, begun, 1), "unasked");
  assertEquals(drawingOf(begun), "-x-");
});

Deno.test("RequestTable gives back all that a leaving peer was asked for, and nothing else", () => {
  const { table, begin } = bound(new Fixture());
  const [leaving, staying] = [table.open(1), table.open(2)];
  const [first, second] = [begin(0), begin(1)];
  table.ask(leaving, first, 0, 0);
  table.ask(leaving, first, 1, 0);
  table.ask(staying, first, 2, 0);
  table.ask(leaving, second, 0, 0);
  table.receive(leaving, first, 0);
  assertEquals(table.close(leaving, 10), 2);
  assertEquals([drawingOf(first), drawingOf(second)], ["x-?", "---"]);
  assertEquals([first.missing, second.missing], [1, 3]);
  assertEquals(listOf(table, staying), ["0/2"]);
});

Deno.test("RequestTable keeps a block requested while another live peer was asked for it", () => {
  const { table, begin } = bound(new Fixture());
  const [one, two] = [table.open(1), table.open(2)];
  const begun = begin(0);
  table.ask(one, begun, 0, 0);
  table.ask(two, begun, 0, 0);
  assertEquals(table.giveBackAll(one, 10), 0);
  assertEquals(drawingOf(begun), "?--");
  assertEquals(table.giveBack(two, begun, 0, 10), true);
  assertEquals(drawingOf(begun), "---");
  assertEquals(table.giveBack(two, begun, 0, 10), false);
});

Deno.test("RequestTable.receive() cancels the others that were asked in the end game", () => {
  const { table, begin, cancelled } = bound(new Fixture());
  const peers = [table.open(1), table.open(2), table.open(3)];
  const begun = begin(0);
  for (const peer of peers) table.ask(peer, begun, 2, 0);
  assertEquals(table.liveRequests(begun, 2), 3);
  assertEquals(table.receive(peers[1]!, begun, 2), "wanted");
  assertEquals(cancelled.sort(), ["1:0/2", "3:0/2"]);
  assertEquals(peers.map((peer) => peer.live), [0, 0, 0]);
  assertEquals(table.receive(peers[0]!, begun, 2), "unasked"); // it crossed the cancel
});

Deno.test("RequestTable.expire() lets others be asked while the late answer stays welcome", () => {
  const { table, begin, cancelled } = bound(new Fixture());
  const [slow, other] = [table.open(1), table.open(2)];
  const begun = begin(0);
  table.ask(slow, begun, 0, 0);
  table.ask(slow, begun, 1, 0);
  assertEquals(table.expire(slow, 20_000), 2);
  assertEquals([slow.live, slow.late, drawingOf(begun)], [0, 2, "---"]);
  assertEquals(table.wasAsked(slow, begun, 0), true);
  table.ask(other, begun, 0, 20_000);
  assertEquals(table.receive(slow, begun, 0), "wanted"); // late, and still the first
  assertEquals(cancelled, ["2:0/0"]);
  assertEquals(table.receive(slow, begun, 1), "wanted"); // nobody else was asked yet
  assertEquals([begun.missing, begun.received, slow.late], [1, 2, 0]);
});

Deno.test("RequestTable.receive() cancels a late request whose block came from elsewhere", () => {
  const { table, begin, cancelled } = bound(new Fixture());
  const [slow, other] = [table.open(1), table.open(2)];
  const begun = begin(0);
  table.ask(slow, begun, 0, 0);
  table.expire(slow, 20_000);
  table.ask(other, begun, 0, 20_000);
  assertEquals(table.receive(other, begun, 0), "wanted");
  assertEquals(cancelled, ["1:0/0"]);
  assertEquals([slow.live, slow.late], [0, 0]);
});

Deno.test("RequestTable.forgetLate() forgets what is late, so that it can be asked again", () => {
  const { table, begin } = bound(new Fixture());
  const slow = table.open(1);
  const begun = begin(0);
  table.ask(slow, begun, 0, 0);
  table.expire(slow, 20_000);
  table.ask(slow, begun, 1, 20_000);
  assertEquals(table.expire(slow, 40_000), 1);
  assertEquals(listOf(table, slow), ["0/0 late", "0/1 late"]);
  table.ask(slow, begun, 2, 40_000);
  table.forgetLate(slow);
  assertEquals(listOf(table, slow), ["0/2"]);
  assertEquals([table.wasAsked(slow, begun, 0), slow.live, slow.late], [false, 1, 0]);
});

Deno.test("RequestTable tells how long a lost block waited until it was asked for again", () => {
  const { table, begin, recoveriesMs } = bound(new Fixture());
  const [one, two] = [table.open(1), table.open(2)];
  const begun = begin(0);
  table.ask(one, begun, 0, 0);
  table.ask(one, begun, 1, 0);
  assertEquals(recoveriesMs, []); // they were missing from the beginning, not lost
  table.close(one, 100);
  table.ask(two, begun, 0, 100);
  table.ask(two, begun, 1, 175);
  assertEquals(recoveriesMs, [0, 75]);
  table.receive(two, begun, 0);
  const three = table.open(3);
  table.ask(three, begun, 1, 300); // end game: it was not lost again
  assertEquals(recoveriesMs, [0, 75]);
});

Deno.test("RequestTable.end() cancels what is still out, and its number is used again", () => {
  const { table, begin, cancelled } = bound(new Fixture());
  const peer = table.open(1);
  const begun = begin(2);
  table.ask(peer, begun, 0, 0);
  table.end(begun);
  assertEquals([cancelled, peer.live, table.begunCount], [["1:2/0"], 0, 0]);
  assertEquals(table.piece(2), undefined);
  assertEquals([...table.withMissing], []);
  const next = begin(3);
  assertEquals(next.slot, begun.slot);
  assertEquals(next.blockCount, 2);
});

Deno.test("RequestTable refuses what its owner must not do", () => {
  const { table, begin } = bound(new Fixture());
  const peer = table.open(1);
  const begun = begin(0);
  assertThrows(() => begin(0), RangeError);
  table.ask(peer, begun, 0, 0);
  table.receive(peer, begun, 0);
  assertThrows(() => table.ask(peer, begun, 0, 0), RangeError);
});

Deno.test("RequestTable holds thousands of requests, each in both lists", () => {
  const large = new Geometry(2000 * BLOCK_BYTES, [{
    path: "a",
    bytes: 2000 * BLOCK_BYTES,
    offset: 0,
    padding: false,
    executable: false,
    symlink: null,
  }]);
  const table = new RequestTable(large, { cancel() {}, recovered() {} });
  const peers = [table.open(0), table.open(1), table.open(2)];
  const begun = table.begin(0, new Uint8Array(0));
  for (let block = 0; block < 2000; block++) {
    table.ask(peers[block % 3]!, begun, block, 0);
    table.ask(peers[(block + 1) % 3]!, begun, block, 0);
  }
  assertEquals(peers.map((peer) => peer.live), [1333, 1334, 1333]);
  assertEquals(table.giveBackAll(peers[0]!, 0), 0);
  assertEquals(table.giveBackAll(peers[1]!, 0), 667);
  assertEquals(table.giveBackAll(peers[2]!, 0), 1333);
  assertEquals(begun.missing, 2000);
  assertEquals(table.firstMissing(begun), 0);
});

/** The parts of a fixture that a test uses. */
function bound(fixture: Fixture) {
  const { table, cancelled, recoveriesMs } = fixture;
  return { table, cancelled, recoveriesMs, begin: (piece: number) => fixture.begin(piece) };
}

/** One request in the naive model. */
interface NaiveRequest {
  readonly connection: number;
  readonly piece: number;
  readonly block: number;
  isLate: boolean;
}

/** The table told as one list, newest last, in which everything is searched for. */
class NaiveTable {
  requests: NaiveRequest[] = [];
  readonly begun = new Set<number>();
  readonly received = new Map<string, number>();

  stateOf(piece: number, block: number): number {
    if (this.received.has(`${piece}/${block}`)) return RECEIVED;
    return this.of(piece, block).some((request) => !request.isLate) ? REQUESTED : MISSING;
  }

  of(piece: number, block: number): NaiveRequest[] {
    return this.requests.filter((request) => request.piece === piece && request.block === block);
  }

  asked(connection: number, piece: number, block: number): NaiveRequest | undefined {
    return this.of(piece, block).find((request) => request.connection === connection);
  }

  drop(gone: (request: NaiveRequest) => boolean): void {
    this.requests = this.requests.filter((request) => !gone(request));
  }
}

const CONNECTIONS = 4;
const step = fc.record({
  kind: fc.constantFrom(
    ...["begin", "begin", "end", "open", "close", "ask", "ask", "ask", "ask", "ask"] as const,
    ...["receive", "receive", "giveBack", "giveBackAll", "expire", "forgetLate"] as const,
  ),
  piece: fc.nat(PIECES - 1),
  block: fc.nat(BLOCKS - 1),
  connection: fc.nat(CONNECTIONS - 1),
});

/** Compares every fact that the table tells with the model, the invariant of the module among them. */
function compare(table: RequestTable, lists: Map<number, PeerRequests>, model: NaiveTable): void {
  assertEquals([...table.begun].map((begun) => begun.piece).sort(), [...model.begun].sort());
  for (const begun of table.begun) {
    const states: number[] = [];
    for (let block = 0; block < begun.blockCount; block++) {
      const { piece } = begun;
      states.push(model.stateOf(piece, block));
      const live = model.of(piece, block).filter((request) => !request.isLate);
      assertEquals(table.liveRequests(begun, block), live.length);
      assertEquals(begun.states[block] === REQUESTED, live.length > 0);
      if (begun.states[block] === RECEIVED) assertEquals(model.of(piece, block), []);
      assertEquals(begun.senders[block], model.received.get(`${piece}/${block}`) ?? -1);
    }
    assertEquals([...begun.states], states);
    assertEquals(begun.missing, states.filter((state) => state === MISSING).length);
    assertEquals(begun.received, states.filter((state) => state === RECEIVED).length);
    assertEquals(table.firstMissing(begun), states.indexOf(MISSING));
    assertEquals([...table.withMissing].includes(begun), begun.missing > 0);
  }
  for (const [connection, requests] of lists) {
    const own = model.requests.filter((request) => request.connection === connection);
    assertEquals(
      listOf(table, requests),
      own.map(({ piece, block, isLate }) => `${piece}/${block}${isLate ? " late" : ""}`),
    );
    assertEquals(requests.late, own.filter((request) => request.isLate).length);
    assertEquals(requests.live, own.length - requests.late);
    for (const begun of table.begun) {
      for (let block = 0; block < begun.blockCount; block++) {
        const isAsked = model.asked(connection, begun.piece, block) !== undefined;
        assertEquals(table.wasAsked(requests, begun, block), isAsked);
      }
    }
  }
}

Deno.test("RequestTable agrees with a naive model after every step of any sequence", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80, size: "max" }), (steps) => {
      const fixture = new Fixture();
      const { table } = fixture;
      const model = new NaiveTable();
      const lists = new Map<number, PeerRequests>([0, 1, 2].map((id) => [id, table.open(id)]));
      for (const piece of [0, PIECES - 1]) {
        fixture.begin(piece);
        model.begun.add(piece);
      }
      let nowMs = 0;
      for (const { kind, piece, block, connection } of steps) {
        nowMs++;
        fixture.cancelled.length = 0;
        const begun = table.piece(piece);
        const requests = lists.get(connection);
        const isBlock = begun !== undefined && block < begun.blockCount;
        const before = model.requests;
        const missingBefore = countMissing(model);
        const lost = () => countMissing(model) - missingBefore;
        if (kind === "begin" && begun === undefined) {
          fixture.begin(piece);
          model.begun.add(piece);
        } else if (kind === "end" && begun !== undefined) {
          table.end(begun);
          model.drop((request) => request.piece === piece);
          model.begun.delete(piece);
          for (let b = 0; b < BLOCKS; b++) model.received.delete(`${piece}/${b}`);
          assertEquals(
            fixture.cancelled.sort(),
            namesOf(before.filter((request) => request.piece === piece)),
          );
        } else if (kind === "open" && requests === undefined) {
          lists.set(connection, table.open(connection));
        } else if (requests === undefined) {
          continue;
        } else if (kind === "close") {
          model.drop((request) => request.connection === connection);
          assertEquals(table.close(requests, nowMs), lost());
          assertEquals([requests.live, requests.late], [0, 0]);
          lists.delete(connection);
        } else if (kind === "giveBackAll") {
          model.drop((request) => request.connection === connection);
          assertEquals(table.giveBackAll(requests, nowMs), lost());
        } else if (kind === "expire") {
          for (const request of model.requests) {
            if (request.connection === connection) request.isLate = true;
          }
          assertEquals(table.expire(requests, nowMs), lost());
        } else if (kind === "forgetLate") {
          model.drop((request) => request.connection === connection && request.isLate);
          table.forgetLate(requests);
        } else if (!isBlock) {
          continue;
        } else if (kind === "giveBack") {
          model.drop((request) => request === model.asked(connection, piece, block));
          assertEquals(table.giveBack(requests, begun, block, nowMs), lost() === 1);
        } else if (kind === "ask") {
          if (model.stateOf(piece, block) === RECEIVED) continue;
          if (model.asked(connection, piece, block) !== undefined) continue;
          model.requests.push({ connection, piece, block, isLate: false });
          table.ask(requests, begun, block, nowMs);
        } else if (kind === "receive") {
          const isAsked = model.asked(connection, piece, block) !== undefined;
          const others = model.of(piece, block).filter((other) => other.connection !== connection);
          assertEquals(table.receive(requests, begun, block), isAsked ? "wanted" : "unasked");
          if (!isAsked) continue;
          model.drop((request) => request.piece === piece && request.block === block);
          model.received.set(`${piece}/${block}`, connection);
          assertEquals(fixture.cancelled.sort(), namesOf(others));
        }
        compare(table, lists, model);
      }
      for (const requests of lists.values()) table.close(requests, nowMs);
      for (const begun of table.begun) assert(!begun.states.includes(REQUESTED), "an orphan");
    }),
    { numRuns: 300 },
  );
});

function namesOf(requests: readonly NaiveRequest[]): string[] {
  return requests.map(({ connection, piece, block }) => `${connection}:${piece}/${block}`).sort();
}

function countMissing(model: NaiveTable): number {
  let missing = 0;
  for (const piece of model.begun) {
    for (let block = 0; block < geometry.blockCount(piece); block++) {
      if (model.stateOf(piece, block) === MISSING) missing++;
    }
  }
  return missing;
}
