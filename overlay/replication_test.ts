import { assert, assertEquals } from "@std/assert";
import { nearest } from "./replication.ts";
import { infoHashOf } from "./_testdata.ts";

const addresses = Array.from({ length: 100 }, (_, at) => `10.0.0.${at}:6000`);
const hashes = Array.from({ length: 250 }, (_, at) => infoHashOf(at));

Deno.test("nearest() names the same nodes whatever the order in which they are known", () => {
  for (const infoHash of hashes.slice(0, 20)) {
    assertEquals(
      nearest(infoHash, addresses, 5),
      nearest(infoHash, addresses.toReversed(), 5),
    );
  }
});

Deno.test("nearest() moves only what a node held that is gone", () => {
  for (const infoHash of hashes) {
    const before = nearest(infoHash, addresses, 3);
    const after = nearest(infoHash, addresses.slice(1), 3);
    const moved = after.filter((address) => !before.includes(address)).length;
    assertEquals(moved, before.includes(addresses[0]!) ? 1 : 0);
  }
});

Deno.test("nearest() spreads info-hashes evenly", () => {
  const held = new Map<string, number>();
  for (const infoHash of hashes) {
    for (const address of nearest(infoHash, addresses, 4)) {
      held.set(address, (held.get(address) ?? 0) + 1);
    }
  }
  // Ten each on average.
  assert(held.size === 100 && Math.max(...held.values()) < 30, `${Math.max(...held.values())}`);
});
