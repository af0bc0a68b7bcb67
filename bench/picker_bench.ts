/**
 * The picker in torrents of 1,000, 10,000 and 100,000 pieces: what it costs must not grow with them.
 *
 * `deno bench -A bench/picker_bench.ts`
 */
import { Bitfield, Picker } from "@enjambre/peerwire";
import { randomOf } from "../tests/kit/virtual_clock.ts";

const PIECE_COUNTS = [1000, 10_000, 100_000];
const PEERS = 20;

/** A picker that knows 20 peers, each with half of the pieces, and one of those peers. */
function swarmOf(pieceCount: number): { picker: Picker; has: Bitfield } {
  const random = randomOf(1);
  const picker = new Picker({ pieceCount, random });
  let has = new Bitfield(pieceCount);
  for (let peer = 0; peer < PEERS; peer++) {
    has = new Bitfield(pieceCount);
    for (let piece = 0; piece < pieceCount; piece++) if (random() < 0.5) has.set(piece);
    picker.addBitfield(has);
  }
  return { picker, has };
}

for (const pieceCount of PIECE_COUNTS) {
  const { picker, has } = swarmOf(pieceCount);
  const all = new Bitfield(pieceCount);
  all.setAll();
  const name = `${pieceCount} pieces`;

  Deno.bench({ name, group: "pick for a seed", fn: () => void picker.pick(all) });
  Deno.bench({ name, group: "pick for a peer with half", fn: () => void picker.pick(has) });
  Deno.bench({
    name,
    group: "pick, begin and give back",
    fn() {
      const piece = picker.pick(has);
      picker.begin(piece);
      picker.giveBack(piece);
    },
  });

  // A picker of its own, whose pieces get ever more common: every round, each piece one more.
  const { picker: counting } = swarmOf(pieceCount);
  let next = 0;
  Deno.bench({
    name,
    group: "addHave",
    fn() {
      next = (next + 7919) % pieceCount;
      counting.addHave(next);
    },
  });
}
