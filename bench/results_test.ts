import { assertEquals } from "@std/assert";
import { TempFolder } from "../tests/kit/temp_folder.ts";
import { formatResults, type MeasuredPart, readResults, savePart, saveQuick } from "./results.ts";

const MACHINE = { processor: "P", cores: 2, memoryGibibytes: 24, system: "S" };

function partOf(rate: number): MeasuredPart {
  return {
    day: "2026-01-02",
    machine: MACHINE,
    versions: { enjambre: "0.1.0" },
    options: { "piece-length": 1048576, runs: 1 },
    othersShare: 0.5,
    rows: [{ case: "", program: "enjambre", runs: { rate: [rate] } }],
    absent: [],
  };
}

Deno.test("readResults() gives nothing where nothing was kept", async () => {
  await using folder = await TempFolder.make();
  assertEquals(await readResults(folder.join("none.json")), { parts: {}, quick: null });
});

Deno.test("savePart() and saveQuick() keep what the others kept, and replace their own", async () => {
  await using folder = await TempFolder.make();
  const path = folder.join("results.json");
  const quick = { day: "2026-01-02", machine: MACHINE, ratios: { "leech, CPU": 0.25 } };
  await savePart("leech", partOf(1), path);
  await saveQuick(quick, path);
  await savePart("seed", partOf(2), path);
  await savePart("leech", partOf(3), path);
  assertEquals(await readResults(path), {
    parts: { leech: partOf(3), seed: partOf(2) },
    quick,
  });
});

Deno.test("formatResults() rounds figures, and no count or size", () => {
  const text = formatResults({ parts: { leech: partOf(123.456789) }, quick: null });
  assertEquals(JSON.parse(text).parts.leech, partOf(123.46));
});
