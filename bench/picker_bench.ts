/**
 * The picker in torrents of 1,000, 10,000 and 100,000 pieces, and among 5, 50 and 500 peers: what it costs must not grow
 * with either.
 *
 * `deno bench -A bench/picker_bench.ts`
 *
 * Every pick is followed by what a download does: the piece is begun, and one that was begun some time before
 * is given back, so that there is always as much to pick.
 */
import { Bitfield, Picker } from "@enjambre/peerwire";
import { randomOf } from "../tests/kit/virtual_clock.ts";

const PIECE_COUNTS = [1000, 10_000, 100_000];
const PEERS = 50;
const PEER_COUNTS = [5, 50, 500];
const BEGUN = 64;

/** A picker that knows peers that have from next to nothing to almost everything. */
class Swarm {
  readonly picker: Picker;
  readonly pieceCount: number;
  readonly random = randomOf(1);
  readonly #begun: number[] = [];

  constructor(pieceCount: number, peers: number) {
    this.pieceCount = pieceCount;
    this.picker = new Picker({ pieceCount, random: this.random });
    this.picker.addSeed();
    for (let peer = 1; peer < peers; peer++) this.add(() => this.random() < peer / peers);
  }

  /** A peer that has the pieces for which the answer is yes. */
  add(hasPiece: (piece: number) => boolean): Bitfield {
    const has = new Bitfield(this.pieceCount);
    for (let piece = 0; piece < this.pieceCount; piece++) if (hasPiece(piece)) has.set(piece);
    this.picker.addBitfield(has);
    return has;
  }

  /** What to measure for one peer: to pick a piece and begin it, giving back the one begun `kept` picks before. */
  picking(has: Bitfield, kept = BEGUN): () => void {
    const { picker } = this;
    const begun = this.#begun;
    const prospects = picker.makeProspects();
    while (begun.length > 0) picker.giveBack(begun.pop()!);
    let oldest = 0;
    return () => {
      const piece = picker.pick(has, prospects);
      if (piece === -1) throw new Error("There is nothing to pick");
      picker.begin(piece);
      if (begun.length < kept) return void begun.push(piece);
      picker.giveBack(begun[oldest]!);
      begun[oldest] = piece;
      oldest = (oldest + 1) % kept;
    };
  }
}

for (const pieceCount of PIECE_COUNTS) {
  const name = `${pieceCount} pieces`;
  const bench = (group: string, make: (swarm: Swarm) => () => void) => {
    const fn = make(new Swarm(pieceCount, PEERS));
    for (let i = 0; i < 10_000; i++) fn();
    Deno.bench({ name, group, fn });
  };

  bench("pick and begin: for a seed", (swarm) => {
    const all = new Bitfield(pieceCount);
    all.setAll();
    return swarm.picking(all);
  });
  bench(
    "pick and begin: for a peer with half of the pieces",
    (swarm) => swarm.picking(swarm.add(() => swarm.random() < 0.5)),
  );
  bench(
    "pick and begin: for a peer with 10 pieces",
    (swarm) => swarm.picking(swarm.add((piece) => piece % (pieceCount / 10) === 7), 5),
  );
  bench("pick and begin: for a peer with 10 pieces, all common", (swarm) => {
    const common = (piece: number) => piece % (pieceCount / 10) === 7;
    for (let i = 0; i < 20; i++) swarm.add(common);
    return swarm.picking(swarm.add(common), 5);
  });
  bench("pick and begin: for a peer with the more common half", (swarm) => {
    for (let i = 0; i < 20; i++) swarm.add((piece) => piece % 2 === 0);
    return swarm.picking(swarm.add((piece) => piece % 2 === 0));
  });
  bench("pick and begin: in sequential order, for a peer with half", (swarm) => {
    swarm.picker.isSequential = true;
    return swarm.picking(swarm.add(() => swarm.random() < 0.5));
  });
  bench("pick and begin: a seed, three priorities, 100 deadlines", (swarm) => {
    const all = new Bitfield(pieceCount);
    all.setAll();
    swarm.picker.setPriorities(Uint8Array.from({ length: pieceCount }, (_, i) => i % 4));
    for (let i = 0; i < 100; i++) swarm.picker.setDeadline(i * 7, i);
    return swarm.picking(all);
  });
  bench("pick nothing: all that the peer has is begun", (swarm) => {
    const { picker } = swarm;
    const has = swarm.add(() => swarm.random() < 0.5);
    const prospects = picker.makeProspects();
    has.forEachSet((piece) => picker.begin(piece));
    return () => {
      if (picker.pick(has, prospects) !== -1) throw new Error("There is something to pick");
    };
  });
  bench("have", (swarm) => {
    // Every round, each piece is one more peer's.
    const { picker } = swarm;
    const prospects = picker.makeProspects();
    let next = 0;
    return () => {
      next = (next + 7919) % pieceCount;
      picker.addHave(next, prospects);
    };
  });
}

for (const peers of PEER_COUNTS) {
  const swarm = new Swarm(10_000, peers);
  const fn = swarm.picking(swarm.add(() => swarm.random() < 0.5));
  for (let i = 0; i < 10_000; i++) fn();
  const group = "pick and begin: for a peer with half of 10,000 pieces";
  Deno.bench({ name: `${peers} peers`, group, fn });
}
