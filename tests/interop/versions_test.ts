/** Prints which programs these tests use; with `REQUIRE_PEERS=1` a missing one fails here too. */
import { REQUIREMENTS, requireProgram } from "../kit/program.ts";

Deno.test("the programs that interop tests use", async () => {
  for (const name of REQUIREMENTS) {
    console.log(`  ${name}: ${await requireProgram(name) ?? "missing, its tests are skipped"}`);
  }
});
