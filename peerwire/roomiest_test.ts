/** Connections by room, beside a search through all of them. */
import { assertEquals } from "@std/assert";
import { BLOCK_BYTES } from "@enjambre/metainfo";
import { geometryOf, randomOf } from "./_test_swarm.ts";
import { Connection, type ConnectionEvents } from "./connection.ts";
import { room } from "./pipeline.ts";
import { PeerRequests } from "./requests.ts";
import { Roomiest } from "./roomiest.ts";

/** A connection that lets us ask for this many blocks more; unless told otherwise one that sent some already. */
function withRoom(id: number, blocks: number, downloadedBytes = BLOCK_BYTES): Connection {
  const connection = new Connection({
    id,
    geometry: geometryOf(BLOCK_BYTES, BLOCK_BYTES),
    peerId: new Uint8Array(20).fill(id),
    address: `192.0.2.${id}:6881`,
    isIncoming: true,
    isFast: true,
    isExtended: true,
    requests: new PeerRequests(id),
    events: {} as ConnectionEvents,
    nowMs: 0,
  });
  connection.isChoking = false;
  connection.pipelineBlocks = blocks;
  connection.downloadedBytes = downloadedBytes;
  return connection;
}

Deno.test("Roomiest.find() always finds the one with the most room now, as blocks are asked for", () => {
  const random = randomOf(1);
  for (let run = 0; run < 30; run++) {
    const all = Array.from({ length: 20 }, (_, id) => withRoom(id, Math.floor(random() * 12)));
    const roomiest = new Roomiest(all);
    for (let block = 0; block < 150; block++) {
      const shunned = Math.floor(random() * 30);
      const suits = ({ id }: Connection) => id !== shunned;
      const found = roomiest.find(suits)!;
      assertEquals(room(found), Math.max(...all.filter(suits).map(room)));
      found.requests.live++;
    }
  }
});

Deno.test("Roomiest leaves out who chokes us, and finds nobody where nobody suits", () => {
  const [choking, open] = [withRoom(1, 9), withRoom(2, 3)];
  choking.isChoking = true;
  const roomiest = new Roomiest([choking, open]);
  assertEquals(roomiest.find(() => true), open);
  assertEquals(roomiest.find(() => false), null);
});

Deno.test("Roomiest.withRoom() has those that have room, the roomiest first; inTurns() who was never asked between them", () => {
  const tried = [withRoom(1, 2), withRoom(2, 0), withRoom(3, 7), withRoom(4, 9)];
  const untried = [withRoom(5, 1, 0), withRoom(6, 0, 0), withRoom(7, 2, 0)];
  const idsOf = (all: Iterable<Connection>) => [...all].map(({ id }) => id);
  assertEquals(idsOf(new Roomiest(tried).withRoom()), [4, 3, 1]);
  assertEquals(idsOf(new Roomiest(tried).inTurns()), [4, 3, 1]);
  assertEquals(idsOf(new Roomiest([...tried, ...untried]).inTurns()), [7, 4, 5, 3, 1]);
});
