import { assertEquals } from "@std/assert";
import { anchorsOf, linksOf } from "./check_docs.ts";
import { cleanTree, runTool, type Tree } from "./_testing.ts";

function targetsOf(markdown: string): string[] {
  return linksOf(markdown).map(({ target }) => target);
}

const pages: [string, string, string[]][] = [
  ["links", "[a](a.md) and [b](<b c.md>)", ["a.md", "b c.md"]],
  ["a link with a title", '[a](a.md "the title")', ["a.md"]],
  ["a link with brackets in its path", "[a](a_(b).md)", ["a_(b).md"]],
  ["images", "![a](a.png)", ["a.png"]],
  ["an image in a link", "[![a](a.png)](a.md)", ["a.png", "a.md"]],
  ["definitions", "[a]\n\n[a]: a.md", ["a.md"]],
  ["code", "`[a](a.md)` and ``[`b`](b.md)``", []],
  ["fenced blocks", "```md\n[a](a.md)\n```\n[b](b.md)", ["b.md"]],
  ["longer fences", "````\n```\n[a](a.md)\n```\n[b](b.md)\n````\n[c](c.md)", ["c.md"]],
  ["plain text", "a [b] (c) f(x)[1]", []],
];

for (const [name, markdown, targets] of pages) {
  Deno.test(`linksOf() reads ${name}`, () => {
    assertEquals(targetsOf(markdown), targets);
  });
}

Deno.test("linksOf() tells the line", () => {
  assertEquals(linksOf("# A\n\n[a](a.md)\n"), [{ line: 3, target: "a.md" }]);
});

Deno.test("anchorsOf() names headings as GitHub does", () => {
  const page =
    "# The `decode()` call\n## Größe, 2 of 3!\n## Same\n## Same\n```\n# code\n```\n# [A](b) c\n";
  const names = ["the-decode-call", "größe-2-of-3", "same", "same-1", "a-c"];
  assertEquals([...anchorsOf(page)], names);
});

Deno.test("check_docs passes a tree in order", async () => {
  await using tree = await cleanTree();
  await tree.write(
    "docs/all.md",
    "# All\n[up](../README.md#small) [here](#all) [folder](../tests/kit) [web](https://a.example/b)\n",
  );
  await tree.write("bencode/long.ts", "\n".repeat(450) + "export {};\n");
  await tree.write("bencode/long_test.ts", "\n".repeat(700) + "export {};\n");
  const { code, lines } = await runTool("check_docs.ts", tree.root);
  assertEquals(lines, ["docs: 9 pages and all modules are in order"]);
  assertEquals(code, 0);
});

Deno.test("check_docs warns of a long file and passes", async () => {
  await using tree = await cleanTree();
  await tree.write("bencode/long.ts", "\n".repeat(500) + "export {};\n");
  const { code, lines } = await runTool("check_docs.ts", tree.root);
  assertEquals(
    lines[0],
    "bencode/long.ts:501: warning: has 501 lines; 500 are enough, 600 the limit",
  );
  assertEquals(code, 0);
});

const brokenTrees: [string, (tree: Tree) => Promise<void>, string][] = [
  [
    "a dead link",
    (tree) => tree.write("docs/a.md", "# A\n\nSee [b](b.md).\n"),
    "docs/a.md:3: links to b.md; there is no docs/b.md",
  ],
  [
    "a link with a wrong percent sign",
    (tree) => tree.write("docs/a.md", "[b](b%.md)\n"),
    "docs/a.md:1: links to b%.md; there is no docs/b%.md",
  ],
  [
    "a link to a heading that is not there",
    (tree) => tree.write("docs/a.md", "[b](../README.md#large)\n"),
    "docs/a.md:1: links to ../README.md#large; README.md has no such heading",
  ],
  [
    "a link out of the repository",
    (tree) => tree.write("docs/a.md", "[b](../../b.md)\n"),
    "docs/a.md:1: links to ../../b.md; links stay in the repository and are relative to their page",
  ],
  [
    "a module without README",
    (tree) => tree.remove("overlay/README.md"),
    "overlay/README.md:1: is missing; a module has README.md, mod.ts, deno.json",
  ],
  [
    "a module of another version",
    (tree) =>
      tree.write(
        "overlay/deno.json",
        '{\n  "name": "@enjambre/overlay",\n  "version": "0.2.0"\n}\n',
      ),
    "overlay/deno.json:3: has the version 0.2.0; it is 0.1.0",
  ],
  [
    "a module of another scope",
    (tree) => tree.write("overlay/deno.json", '{ "name": "@other/overlay", "version": "0.1.0" }'),
    "overlay/deno.json:1: has the name @other/overlay; it is @enjambre/overlay",
  ],
  [
    "a file that is too long",
    (tree) => tree.write("bencode/long.ts", "\n".repeat(600) + "export {};\n"),
    "bencode/long.ts:601: has 601 lines; 500 are enough, 600 the limit",
  ],
];

for (const [name, spoil, line] of brokenTrees) {
  Deno.test(`check_docs finds ${name}`, async () => {
    await using tree = await cleanTree();
    await spoil(tree);
    const { code, lines } = await runTool("check_docs.ts", tree.root);
    assertEquals(lines, [line]);
    assertEquals(code, 1);
  });
}
