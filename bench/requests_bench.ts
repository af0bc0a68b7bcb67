/**
 * The request table in torrents of 1,000, 10,000 and 100,000 pieces, with the blocks of 64 MiB begun: what
 * one block costs from being asked for to being here.
 *
 * `deno bench -A bench/requests_bench.ts`
 */
import { BLOCK_BYTES, Geometry } from "@enjambre/metainfo";
import { type BegunPiece, type PeerRequests, RequestTable } from "@enjambre/peerwire";

const BLOCKS_PER_PIECE = 16;
const PIECES_BEGUN = 256;
const PIPELINE_BLOCKS = 100;

/** A table, begun pieces all of whose blocks are missing, and connections. */
function tableOf(pieceCount: number, connections: number) {
  const pieceLength = BLOCKS_PER_PIECE * BLOCK_BYTES;
  const file = { path: "a", bytes: pieceCount * pieceLength, offset: 0, padding: false };
  const geometry = new Geometry(pieceLength, [{ ...file, executable: false, symlink: null }]);
  const table = new RequestTable(geometry, { cancel() {}, recovered() {} });
  const none = new Uint8Array(0); // the table does not touch the data
  const begun = Array.from(
    { length: PIECES_BEGUN },
    (_, i) => table.begin(Math.floor(i * pieceCount / PIECES_BEGUN), none),
  );
  const peers = Array.from({ length: connections }, (_, id) => table.open(id));
  return { table, begun, peers };
}

/** Asks one connection for as many blocks as its pipeline takes. */
function fill(table: RequestTable, begun: BegunPiece[], peer: PeerRequests, first: number): void {
  for (let i = 0; i < PIPELINE_BLOCKS; i++) {
    const at = (first + i) % (PIECES_BEGUN * BLOCKS_PER_PIECE);
    table.ask(peer, begun[Math.floor(at / BLOCKS_PER_PIECE)]!, at % BLOCKS_PER_PIECE, 0);
  }
}

for (const pieceCount of [1000, 10_000, 100_000]) {
  const { table, begun, peers: [peer] } = tableOf(pieceCount, 1);
  Deno.bench({
    name: `${pieceCount} pieces`,
    group: "a pipeline of 100 blocks asked for and given back",
    fn() {
      fill(table, begun, peer!, 0);
      table.giveBackAll(peer!, 0);
    },
  });

  const fresh = tableOf(pieceCount, 1);
  let piece = 0;
  Deno.bench({
    name: `${pieceCount} pieces`,
    group: "a piece of 16 blocks begun, asked for, received, ended",
    fn() {
      const { table, peers: [peer] } = fresh;
      piece = (piece + 1) % pieceCount;
      const old = table.piece(piece);
      if (old !== undefined) table.end(old);
      const begun = table.begin(piece, new Uint8Array(0));
      for (let block = 0; block < BLOCKS_PER_PIECE; block++) table.ask(peer!, begun, block, 0);
      for (let block = 0; block < BLOCKS_PER_PIECE; block++) table.receive(peer!, begun, block);
      table.end(begun);
    },
  });
}

for (const connections of [5, 50, 500]) {
  const { table, begun, peers } = tableOf(10_000, connections);
  peers.slice(0, 40).forEach((peer, i) => fill(table, begun, peer, i * PIPELINE_BLOCKS));
  Deno.bench({
    name: `${connections} connections`,
    group: "100 blocks asked for and given back among others",
    fn() {
      table.giveBackAll(peers[0]!, 0);
      fill(table, begun, peers[0]!, 0);
    },
  });
}
