import { assertEquals, assertStringIncludes } from "@std/assert";
import { complaintAbout } from "./check_layers.ts";
import { cleanTree, runTool } from "./_testing.ts";

function complaintAboutImport(file: string, specifier: string, isType: boolean = false) {
  return complaintAbout(file, { kind: "import", specifier, isType, isStar: false });
}

const allowedImports: [string, string][] = [
  ["bencode/decode.ts", "./limits.ts"],
  ["bencode/decode.ts", "./_reader.ts"],
  ["bencode/decode_test.ts", "bencode"],
  ["bencode/decode_test.ts", "@std/assert"],
  ["bencode/decode_test.ts", "node:fs"],
  ["bencode/decode_test.ts", "@enjambre/bencode"],
  ["metainfo/torrent.ts", "@enjambre/bencode"],
  ["peerwire/manager.ts", "@enjambre/metainfo"],
  ["peerwire/conn_deno.ts", "./manager.ts"],
  ["peerwire/mod.ts", "./conn_deno.ts"],
  ["storage/piece_worker_deno.ts", "node:crypto"],
  ["tracker/swarm.ts", "@enjambre/bencode"],
  ["tracker/redis_deno.ts", "redis"],
  ["client/commands/download.ts", "../session.ts"],
  ["client/session_deno.ts", "@enjambre/overlay"],
  ["client/main.ts", "@std/cli/parse-args"],
  ["mod.ts", "@enjambre/client"],
  ["tests/sim/swarm_test.ts", "../kit/world.ts"],
  ["tests/sim/swarm.ts", "@enjambre/peerwire"],
  ["bench/wire_bench.ts", "../tests/kit/world.ts"],
  ["links/std-cli/mod_test.ts", "@std/cli"],
];

const forbiddenImports: [string, string, string][] = [
  ["bencode/decode.ts", "@enjambre/metainfo", "bencode may import no module of ours"],
  ["bencode/decode_test.ts", "@enjambre/metainfo", "bencode may import no module of ours"],
  ["bencode/decode.ts", "@enjambre/bencode", "imported as ./x.ts"],
  ["bencode/decode.ts", "@enjambre/bencode/decode", "there is only"],
  ["bencode/decode.ts", "@enjambre/dht", "there is only"],
  ["bencode/decode.ts", "bencode", "no dependencies at run time"],
  ["bencode/decode.ts", "@std/assert", "no dependencies at run time"],
  ["storage/store.ts", "npm:redis@5", "no dependencies at run time"],
  ["storage/store.ts", "node:fs", "only files whose name ends in _deno.ts"],
  ["storage/store.ts", "@enjambre/peerwire", "@enjambre/bencode, @enjambre/metainfo"],
  ["tracker/swarm.ts", "@enjambre/metainfo", "tracker may import @enjambre/bencode"],
  ["tracker/swarm.ts", "@enjambre/overlay", "tracker may import @enjambre/bencode"],
  ["overlay/node.ts", "@enjambre/bencode", "overlay may import no module of ours"],
  ["overlay/node.ts", "../bencode/mod.ts", "reached by name only"],
  ["overlay/node.ts", "../mod.ts", "reached by name only"],
  ["overlay/node_test.ts", "../tests/kit/world.ts", "reached by name only"],
  ["tests/sim/swarm.ts", "../../peerwire/picker.ts", "reached by name only"],
  ["mod.ts", "./bencode/mod.ts", "reached by name only"],
  ["mod.ts", "../elsewhere.ts", "reached by name only"],
  ["client/main.ts", "../links/std-cli/mod.ts", "reached by name only"],
  ["client/commands/download.ts", "../_private.ts", "private to its folder"],
  ["peerwire/manager.ts", "./conn_deno.ts", "does not know its drivers"],
  ["client/main.ts", "https://example.org/mod.ts", "by the names in deno.json"],
  ["client/main.ts", "/etc/mod.ts", "by the names in deno.json"],
];

for (const [file, specifier] of allowedImports) {
  Deno.test(`check_layers: ${file} may import ${specifier}`, () => {
    assertEquals(complaintAboutImport(file, specifier), null);
  });
}

for (const [file, specifier, complaint] of forbiddenImports) {
  Deno.test(`check_layers: ${file} may not import ${specifier}`, () => {
    assertStringIncludes(complaintAboutImport(file, specifier) ?? "", complaint);
  });
}

Deno.test("check_layers: type imports follow the arrows, but may name a driver's types", () => {
  assertStringIncludes(
    complaintAboutImport("overlay/node.ts", "@enjambre/bencode", true) ?? "",
    "overlay may import no module of ours",
  );
  assertEquals(complaintAboutImport("peerwire/manager.ts", "./conn_deno.ts", true), null);
});

Deno.test("check_layers: mod.ts of a module lists its exports", () => {
  const star = { kind: "import", specifier: "./a.ts", isType: false, isStar: true } as const;
  assertStringIncludes(complaintAbout("bencode/mod.ts", star) ?? "", "name by name");
  assertEquals(complaintAbout("tests/kit/mod.ts", star), null);
});

Deno.test("check_layers: only drivers, main.ts, tests and what is beside the modules touch the world", () => {
  const touch = { kind: "touch", what: "Date.now" } as const;
  const may = ["peerwire/conn_deno.ts", "client/main.ts", "bencode/decode_test.ts"];
  const mayToo = ["tests/kit/world.ts", "bench/a.ts", "tools/a.ts", "links/std-cli/mod.ts"];
  for (const file of [...may, ...mayToo]) assertEquals(complaintAbout(file, touch), null, file);
  for (const file of ["peerwire/picker.ts", "peerwire/main.ts", "mod.ts", "client/deno.ts"]) {
    assertStringIncludes(complaintAbout(file, touch) ?? "", "touches Date.now; only", file);
  }
});

Deno.test("check_layers passes a tree that keeps the rules", async () => {
  await using tree = await cleanTree();
  await tree.write("peerwire/clock_deno.ts", "export const nowMs = (): number => Date.now();\n");
  const { code, lines } = await runTool("check_layers.ts", tree.root);
  assertEquals(lines, ["layers: 17 files keep the arrows and the I/O boundary"]);
  assertEquals(code, 0);
});

const brokenTrees: [string, string, string, string][] = [
  [
    "an import that goes up",
    "bencode/up.ts",
    '// first line\nimport { a } from "@enjambre/client";\nexport { a };\n',
    "bencode/up.ts:2: imports @enjambre/client; bencode may import no module of ours",
  ],
  [
    "a global of the world",
    "peerwire/clock.ts",
    "// Date.now()\n\nexport const now: number = Date.now();\n",
    "peerwire/clock.ts:3: touches Date.now; only files whose name ends in _deno.ts may, client/main.ts and tests",
  ],
  [
    "a folder that nobody knows",
    "dht/mod.ts",
    "export {};\n",
    "dht/mod.ts:1: lies in dht/, which tools/check_layers.ts does not know; add it to the table",
  ],
  [
    "a file that hides from the linter",
    "peerwire/hidden.ts",
    ["// deno-lint-ignore", "-file\nDeno.exit();\n"].join(""),
    "peerwire/hidden.ts:1: hides code from this check; name the rules that are ignored, and not this one",
  ],
  [
    "a file that does not parse",
    "peerwire/broken.ts",
    "const a = 1;\nconst b = ;\n",
    "peerwire/broken.ts:2: SyntaxError: Expression expected",
  ],
];

for (const [name, file, source, line] of brokenTrees) {
  Deno.test(`check_layers finds ${name}`, async () => {
    await using tree = await cleanTree();
    await tree.write(file, source);
    const { code, lines } = await runTool("check_layers.ts", tree.root);
    assertEquals(lines, [line]);
    assertEquals(code, 1);
  });
}

Deno.test("check_layers judges no built files", async () => {
  await using tree = await cleanTree();
  await tree.write("coverage/mod.ts", 'import "@enjambre/nothing";\n');
  assertEquals((await runTool("check_layers.ts", tree.root)).code, 0);
});
