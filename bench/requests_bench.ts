/**
 * What one block costs from being asked for to being here, in torrents of 1,000, 10,000 and 100,000 pieces with 5,
 * 50 and 500 peers: it must grow with neither.
 *
 * `deno bench -A bench/requests_bench.ts`
 *
 * Two things do grow with the peers, and are measured apart. Each connection has a state and a receive buffer of its own
 * and fetches pieces of its own, so what a block touches leaves the caches: "bare" moves as much in plain typed arrays,
 * and grows by three quarters of what the manager does. And a piece that is complete is told to everybody: a sixteenth of
 * "a piece told to everybody" is to be added for each block.
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
const TOLD_PIECES = 20_000;
/** About so many cache lines of a connection, its meters, codec, lists and piece are touched for a block. */
const TOUCHED_LINES = 50;
/** Numbers from one of them to the next: 512 bytes, as objects lie about. */
const STATE_STRIDE = 64;
const MEMORY_BYTES = 512 * 1024 * 1024;
const REQUEST_BYTES = 17;
const REQUEST_ID = 6;
const CHOKE = Uint8Array.of(0, 0, 0, 1, 0);
const UNCHOKE = Uint8Array.of(0, 0, 0, 1, 1);

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
  readonly #asked: number[][] = []; // by connection: piece and begin, in turns
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
    const arrival = { address, peerId, isIncoming: false, isFast: false, isExtended: false };
    const connection = this.#manager.attach(arrival, 0);
    if (typeof connection === "string") throw new Error(connection);
    this.#connections.push(connection);
    this.#asked[i] ??= [];
    const writer = new MessageWriter();
    writer.bitfield(has.bytes);
    writer.unchoke();
    this.#manager.feed(connection, writer.take()!, 0);
  }

  /** One peer chokes, which is timed, and lets us ask again. */
  lose(timer: Deno.BenchContext): void {
    this.step();
    const connection = this.#connections[this.#next]!;
    timer.start();
    this.#manager.feed(connection, CHOKE, this.#nowMs);
    timer.end();
    this.#asked[connection.id]!.length = 0;
    this.#manager.feed(connection, UNCHOKE, this.#nowMs);
  }

  /** One peer sends the block that it was asked for first; once a second, the manager looks around. */
  step(): void {
    let asked: number[];
    do {
      this.#next = (this.#next + 1) % this.#connections.length;
      asked = this.#asked[this.#next]!;
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
    const asked = this.#asked[connection.id] ??= [];
    for (let at = 0; at < bytes.length; at += 4 + numberAt(bytes, at)) {
      if (bytes[at + 3] !== REQUEST_BYTES - 4 || bytes[at + 4] !== REQUEST_ID) continue;
      asked.push(numberAt(bytes, at + 5), numberAt(bytes, at + 9));
    }
    connection.writer.release();
  }
}

/** A manager among peers that have nothing, and one that sends pieces of a block each. */
class TellingLoad {
  readonly #manager: Manager;
  readonly #source: Connection;
  readonly #stores: number[] = [];
  readonly #requests: number[] = [];
  readonly #answer: Uint8Array;

  constructor(peers: number) {
    const writer = new MessageWriter();
    writer.piece(0, 0, new Uint8Array(BLOCK_BYTES), 0, BLOCK_BYTES);
    this.#answer = writer.take()!.slice();
    const bytes = TOLD_PIECES * BLOCK_BYTES;
    const file = { path: "a", bytes, offset: 0, padding: false, executable: false, symlink: null };
    this.#manager = new Manager({
      geometry: new Geometry(BLOCK_BYTES, [file]),
      have: new Bitfield(TOLD_PIECES),
      peerId: new Uint8Array(20),
      listenPort: 0,
      version: "",
      random: randomOf(1),
      connectionsMax: peers,
      sink: {
        flush: (connection) => this.#hear(connection),
        closed() {},
        dial() {},
        storePiece: (piece) => void this.#stores.push(piece),
        readSpan() {},
        pieceDone() {},
      },
    });
    const all = Array.from({ length: peers }, (_, i) => this.#join(i));
    this.#source = all[0]!;
    const has = new Bitfield(TOLD_PIECES);
    has.setAll();
    const source = new MessageWriter();
    source.bitfield(has.bytes);
    source.unchoke();
    this.#manager.feed(this.#source, source.take()!, 0);
  }

  get isDone(): boolean {
    return this.#manager.have.count >= TOLD_PIECES - 1;
  }

  /** The next piece comes. */
  prepare(): void {
    new DataView(this.#answer.buffer).setUint32(5, this.#requests.shift()!);
    this.#manager.feed(this.#source, this.#answer, 0);
  }

  /** It is stored. */
  step(): void {
    this.#manager.handleStored(this.#stores.pop()!, "stored", 0);
  }

  #join(i: number): Connection {
    const peerId = new Uint8Array(20);
    new DataView(peerId.buffer).setUint32(0, i + 1);
    const address = { host: `10.0.${i >> 8}.${i & 255}`, port: 6881 };
    const arrival = { address, peerId, isIncoming: false, isFast: false, isExtended: false };
    const connection = this.#manager.attach(arrival, 0);
    if (typeof connection === "string") throw new Error(connection);
    return connection;
  }

  #hear(connection: Connection): void {
    const bytes = connection.writer.take();
    if (bytes === null) return;
    for (let at = 0; at < bytes.length; at += 4 + numberAt(bytes, at)) {
      if (bytes[at + 4] === REQUEST_ID) this.#requests.push(numberAt(bytes, at + 5));
    }
    connection.writer.release();
  }
}

/** The four bytes at a place of a message, as a number. */
function numberAt(bytes: Uint8Array, at: number): number {
  return bytes[at]! << 24 | bytes[at + 1]! << 16 | bytes[at + 2]! << 8 | bytes[at + 3]!;
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

/**
 * What a block moves and no more: out of the bytes that came into the connection's receive buffer, out of that into one
 * of many pieces; and the given number of cache lines of what is known of the connection.
 */
class BareLoad {
  readonly #arrived = new Uint8Array(BLOCK_BYTES);
  readonly #buffers: Uint8Array[];
  readonly #pieces: Uint8Array[];
  readonly #states: Float64Array;
  readonly #lines: number;
  #next = 0;
  #sum = 0;

  constructor(peers: number, lines: number) {
    this.#lines = lines;
    this.#buffers = Array.from({ length: peers }, () => new Uint8Array(16 * BLOCK_BYTES));
    const pieceBytes = BLOCKS_PER_PIECE * BLOCK_BYTES;
    this.#pieces = Array.from({ length: 2 * peers }, () => new Uint8Array(pieceBytes).fill(1));
    this.#states = new Float64Array(peers * lines * STATE_STRIDE);
  }

  step(): void {
    const peer = ++this.#next % this.#buffers.length;
    const states = this.#states;
    for (let i = 0; i < this.#lines; i++) {
      const at = (peer * this.#lines + i * 29 % this.#lines) * STATE_STRIDE;
      this.#sum += states[at]!;
      states[at] = this.#sum / 2;
    }
    const buffer = this.#buffers[peer]!;
    const begin = Math.floor(this.#next / this.#buffers.length) % BLOCKS_PER_PIECE * BLOCK_BYTES;
    buffer.set(this.#arrived, 0);
    const piece = this.#pieces[this.#next * 7 % this.#pieces.length]!;
    piece.set(buffer.subarray(0, BLOCK_BYTES), begin);
  }
}

for (const peers of PEER_COUNTS) {
  const bench = (group: string, lines: number) => {
    const load = new BareLoad(peers, lines);
    for (let i = 0; i < 20_000; i++) load.step();
    Deno.bench({ name: `${peers} peers`, group, fn: () => load.step() });
  };
  bench("bare: two copies of a block", 0);
  bench("bare: two copies and fifty cache lines of the connection", TOUCHED_LINES);
}

for (const peers of PEER_COUNTS) {
  let load: TellingLoad | null = null;
  Deno.bench({
    name: `${peers} peers`,
    group: "a piece told to everybody",
    fn(b) {
      if (load === null || load.isDone) load = new TellingLoad(peers);
      load.prepare();
      b.start();
      load.step();
      b.end();
    },
  });
}

for (const peers of PEER_COUNTS) {
  // A peer that chokes gives its pipeline back: a manager asks the others for it at once, and the peer again.
  Deno.bench({
    name: `${peers} peers`,
    group: "a peer chokes, and its blocks are asked of others",
    fn(b) {
      const name = `chokes: ${peers} peers`;
      if (loadName !== name) {
        load = null;
        const managerLoad = new ManagerLoad(10_000, peers);
        load = managerLoad;
        loadName = name;
        for (let i = 0; i < 20_000; i++) load.step();
      }
      (load as ManagerLoad).lose(b);
    },
  });
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
