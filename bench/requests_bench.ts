/**
 * What one block costs from being asked for to being here, in torrents of 1,000, 10,000 and 100,000 pieces with 5,
 * 50 and 500 peers: it must grow with neither.
 *
 * `deno bench -A bench/requests_bench.ts`
 */
import { BLOCK_BYTES, Geometry } from "@enjambre/metainfo";
import {
  type BegunPiece,
  Bitfield,
  type Connection,
  Manager,
  MessageWriter,
  type PeerRequests,
  RequestTable,
} from "@enjambre/peerwire";
import { randomOf } from "../tests/kit/virtual_clock.ts";

const PIECE_COUNTS = [1000, 10_000, 100_000];
const PEER_COUNTS = [5, 50, 500];
const BLOCKS_PER_PIECE = 16;
const PIPELINE_BLOCKS = 16;
const MEMORY_BYTES = 512 * 1024 * 1024;
const REQUEST_BYTES = 17;
const REQUEST_ID = 6;

function geometryOf(pieceCount: number): Geometry {
  const pieceLength = BLOCKS_PER_PIECE * BLOCK_BYTES;
  const file = { path: "a", bytes: pieceCount * pieceLength, offset: 0, padding: false };
  return new Geometry(pieceLength, [{ ...file, executable: false, symlink: null }]);
}

/**
 * A table in which every peer is asked for sixteen blocks at all times. What comes in is the oldest block of the
 * next peer, which is then asked for the next block; a complete piece ends and another is begun.
 */
class TableLoad {
  readonly #table: RequestTable;
  readonly #peers: PeerRequests[];
  /** What each peer was asked for, oldest first. */
  readonly #asked: { begun: BegunPiece; block: number }[][];
  readonly #pieceCount: number;
  readonly #data = new Uint8Array(0); // the table does not touch it
  #asking: BegunPiece;
  #askingBlock = 0;
  #nextPiece = 0;
  #nextPeer = 0;

  constructor(pieceCount: number, peerCount: number) {
    this.#pieceCount = pieceCount;
    this.#table = new RequestTable(geometryOf(pieceCount), { cancel() {}, recovered() {} });
    this.#asking = this.#begin();
    this.#peers = Array.from({ length: peerCount }, (_, id) => this.#table.open(id));
    this.#asked = this.#peers.map(() => []);
    for (let i = 0; i < PIPELINE_BLOCKS; i++) {
      for (const peer of this.#peers) this.#ask(peer);
    }
  }

  step(): void {
    const peer = this.#peers[this.#nextPeer]!;
    this.#nextPeer = (this.#nextPeer + 1) % this.#peers.length;
    const { begun, block } = this.#asked[peer.connection]!.shift()!;
    this.#table.receive(peer, begun, block);
    if (begun.received === BLOCKS_PER_PIECE) this.#table.end(begun);
    this.#ask(peer);
  }

  #ask(peer: PeerRequests): void {
    if (this.#askingBlock === BLOCKS_PER_PIECE) {
      this.#asking = this.#begin();
      this.#askingBlock = 0;
    }
    this.#table.ask(peer, this.#asking, this.#askingBlock, 0);
    this.#asked[peer.connection]!.push({ begun: this.#asking, block: this.#askingBlock++ });
  }

  #begin(): BegunPiece {
    do this.#nextPiece = (this.#nextPiece + 7919) % this.#pieceCount; while (
      this.#table.piece(this.#nextPiece) !== undefined
    );
    return this.#table.begin(this.#nextPiece, this.#data);
  }
}

/**
 * A manager and peers that answer sixteen blocks a second each. A tenth of the peers has everything, a tenth ten
 * pieces, the others a share between; nothing can be stored, so that there is no end.
 */
class ManagerLoad {
  readonly #manager: Manager;
  readonly #asked = new Map<Connection, number[]>(); // piece and begin, in turns
  readonly #connections: Connection[] = [];
  readonly #complete: number[] = [];
  readonly #answer: Uint8Array;
  readonly #view: DataView;
  readonly #stepMs: number;
  #nowMs = 0;
  #next = 0;

  constructor(pieceCount: number, peerCount: number) {
    const random = randomOf(1);
    this.#stepMs = 1000 / (PIPELINE_BLOCKS * peerCount);
    const writer = new MessageWriter();
    writer.piece(0, 0, new Uint8Array(BLOCK_BYTES), 0, BLOCK_BYTES);
    this.#answer = writer.take()!.slice();
    this.#view = new DataView(this.#answer.buffer);
    this.#manager = new Manager({
      geometry: geometryOf(pieceCount),
      have: new Bitfield(pieceCount),
      peerId: new Uint8Array(20),
      listenPort: 0,
      version: "",
      random,
      connectionsMax: peerCount,
      downloadMemoryBytes: MEMORY_BYTES,
      sink: {
        flush: (connection) => this.#hear(connection),
        closed: (_, reason, message) => {
          throw new Error(`${reason}: ${message}`);
        },
        dial() {},
        storePiece: (piece) => void this.#complete.push(piece),
        readSpan() {},
        pieceDone() {},
      },
    });
    for (let i = 0; i < peerCount; i++) this.#join(i, drawHas(i, pieceCount, random));
  }

  #join(i: number, has: Bitfield): void {
    const peerId = new Uint8Array(20);
    new DataView(peerId.buffer).setUint32(0, i + 1);
    const address = { host: `10.0.${i >> 8}.${i & 255}`, port: 6881 };
    const arrival = { address, peerId, isIncoming: false, isFast: true, isExtended: false };
    const connection = this.#manager.attach(arrival, 0);
    if (typeof connection === "string") throw new Error(connection);
    this.#connections.push(connection);
    const writer = new MessageWriter();
    writer.bitfield(has.bytes);
    writer.unchoke();
    this.#manager.feed(connection, writer.take()!, 0);
  }

  /** One peer sends the block that it was asked for first; once a second, the manager looks around. */
  step(): void {
    let asked: number[];
    do {
      this.#next = (this.#next + 1) % this.#connections.length;
      asked = this.#asked.get(this.#connections[this.#next]!) ?? [];
      this.#nowMs += this.#stepMs;
      if (this.#nowMs >= this.#manager.nextDeadlineMs) this.#manager.handleDeadline(this.#nowMs);
    } while (asked.length === 0);
    this.#view.setUint32(5, asked.shift()!);
    this.#view.setUint32(9, asked.shift()!);
    this.#manager.feed(this.#connections[this.#next]!, this.#answer, this.#nowMs);
    while (this.#complete.length > 0) {
      this.#manager.handleStored(this.#complete.pop()!, "failed", this.#nowMs);
    }
  }

  #hear(connection: Connection): void {
    const bytes = connection.writer.take();
    if (bytes === null) return;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    let asked = this.#asked.get(connection);
    if (asked === undefined) this.#asked.set(connection, asked = []);
    for (let at = 0; at < bytes.length; at += 4 + view.getUint32(at)) {
      if (view.getUint32(at) !== REQUEST_BYTES - 4 || bytes[at + 4] !== REQUEST_ID) continue;
      asked.push(view.getUint32(at + 5), view.getUint32(at + 9));
    }
    connection.writer.release();
  }
}

/** What the peer with this number has. */
function drawHas(i: number, pieceCount: number, random: () => number): Bitfield {
  const has = new Bitfield(pieceCount);
  if (i % 10 === 0) has.setAll();
  else if (i % 10 === 1) {
    for (let k = 0; k < 10; k++) has.set(Math.floor(random() * pieceCount));
  } else {
    for (let piece = 0; piece < pieceCount; piece++) if (random() < i % 10 / 10) has.set(piece);
  }
  return has;
}

/** The load that is being measured: one at a time is in memory. */
let load: { step(): void } | null = null;
let loadName = "";

for (const peers of PEER_COUNTS) {
  for (const pieces of PIECE_COUNTS) {
    const bench = (group: string, make: () => { step(): void }) => {
      const name = `${group}: ${peers} peers, ${pieces} pieces`;
      const fn = () => {
        if (loadName !== name) {
          load = null;
          load = make();
          loadName = name;
          for (let i = 0; i < 20_000; i++) load.step();
        }
        load!.step();
      };
      Deno.bench({ name, group, fn });
    };
    bench("table", () => new TableLoad(pieces, peers));
    bench("manager", () => new ManagerLoad(pieces, peers));
  }
}

for (const peers of PEER_COUNTS) {
  // What is lost with a peer that chokes: its pipeline, whatever the others have.
  const geometry = geometryOf(10_000);
  const table = new RequestTable(geometry, { cancel() {}, recovered() {} });
  const begun = Array.from({ length: 1000 }, (_, piece) => table.begin(piece, new Uint8Array(0)));
  const fill = (peer: PeerRequests) => {
    for (let i = 0; i < PIPELINE_BLOCKS; i++) {
      const at = peer.connection * PIPELINE_BLOCKS + i;
      table.ask(peer, begun[Math.floor(at / BLOCKS_PER_PIECE)]!, at % BLOCKS_PER_PIECE, 0);
    }
  };
  const all = Array.from({ length: peers }, (_, id) => table.open(id));
  all.forEach(fill);
  Deno.bench({
    name: `${peers} peers`,
    group: "a pipeline of 16 blocks given back and asked for again",
    fn() {
      table.giveBackAll(all[0]!, 0);
      fill(all[0]!);
    },
  });
}
