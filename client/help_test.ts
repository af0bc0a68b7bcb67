import { assert, assertStringIncludes } from "@std/assert";
import { COMMAND_NAMES } from "./commands.ts";
import { helpOn } from "./help.ts";

Deno.test("helpOn() fits 80 columns and says how to use each command", () => {
  for (const topic of [null, ...COMMAND_NAMES]) {
    const text = helpOn(topic);
    for (const line of text.split("\n")) assert(line.length < 80, line);
    assertStringIncludes(text, `Usage: enjambre ${topic ?? "COMMAND"}`);
    if (topic !== null) assertStringIncludes(helpOn(null), `\n  ${topic} `);
  }
});
