import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { IdTable } from "./_id_table.ts";
import { MemoryCutter } from "./_memory.ts";

function makeTable(entriesMax: number): IdTable {
  const counter = new MemoryCutter(null);
  new IdTable(counter, entriesMax);
  const table = new IdTable(new MemoryCutter(new ArrayBuffer(counter.bytes)), entriesMax);
  table.format(Math.random);
  return table;
}

function id(n: number): Uint8Array {
  // Bytes from 128 up too: their sign must not count.
  return new Uint8Array(20).fill(0xf0).fill(n, 19);
}

Deno.test("IdTable agrees with a Map over any history", () => {
  const step = fc.record({
    n: fc.integer({ min: 0, max: 15 }),
    scope: fc.integer({ min: 0, max: 2 }),
    // More is added than taken away, so that the table is full at times, and its entries crowded.
    isAdded: fc.nat(3).map((chance) => chance > 0),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (history) => {
      const table = makeTable(21);
      const model: Map<string, number> = new Map();
      for (const { n, scope, isAdded } of history) {
        const entry = table.find(scope, id(n));
        assertEquals(entry, model.get(`${scope} ${n}`) ?? 0);
        if (entry !== 0 && !isAdded) {
          table.remove(entry);
          model.delete(`${scope} ${n}`);
          assertEquals(table.has(entry), false);
        } else if (entry === 0 && isAdded && !table.isFull) {
          const added = table.add(scope, id(n));
          assertEquals([...model.values()].includes(added), false);
          model.set(`${scope} ${n}`, added);
        }
        assertEquals([table.count, table.isFull], [model.size, model.size === 21]);
      }
      for (const [key, entry] of model) {
        const [scope, n] = key.split(" ").map(Number);
        assertEquals([table.find(scope!, id(n!)), table.scopeOf(entry)], [entry, scope!]);
        assertEquals(table.idOf(entry), Uint8Array.from(id(n!)));
      }
    }),
    { numRuns: 300 },
  );
});
