import { assertEquals, assertRejects } from "@std/assert";
import { assertSameTree, compareTrees } from "./compare.ts";
import { contentBytes, FOLDER, SINGLE_FILE, writeContent } from "./content.ts";
import { TempFolder } from "./temp_folder.ts";

Deno.test("compareTrees() finds nothing between two copies", async () => {
  await using folder = await TempFolder.make();
  for (const content of [SINGLE_FILE, FOLDER]) {
    const a = await writeContent(await folder.folder("a"), content);
    const b = await writeContent(await folder.folder("b"), content);
    assertEquals(await compareTrees(a, b), []);
  }
});

Deno.test("compareTrees() says what is missing, not expected, longer and different", async () => {
  await using folder = await TempFolder.make();
  const a = await folder.folder("a");
  const b = await folder.folder("b/inner");
  await Deno.writeTextFile(`${a}/gone`, "");
  await Deno.writeTextFile(`${a}/longer`, "1");
  await Deno.writeTextFile(`${a}/other`, "123");
  await Deno.writeTextFile(`${b}/more`, "");
  await Deno.writeTextFile(folder.join("b/longer"), "12");
  await Deno.writeTextFile(folder.join("b/other"), "193");
  const differences = [
    "/longer has 2 bytes, expected 1",
    "/other differs from byte 1 on",
    "/inner/more is not expected",
  ];
  assertEquals(await compareTrees(a, folder.join("b")), ["/gone is missing", ...differences]);
  const mayBeMissing = ["gone"];
  assertEquals(await compareTrees(a, folder.join("b"), { mayBeMissing }), differences);
  await assertRejects(() => assertSameTree(a, folder.join("b")), Error, "byte 1");
});

Deno.test("compareTrees() says that a whole copy is missing", async () => {
  await using folder = await TempFolder.make();
  const a = await writeContent(folder.path, SINGLE_FILE);
  assertEquals(await compareTrees(a, folder.join("none")), [`${folder.join("none")} is missing`]);
});

Deno.test("writeContent() writes what the content says, other bytes for another seed", async () => {
  await using folder = await TempFolder.make();
  const a = await writeContent(await folder.folder("a"), SINGLE_FILE, 1);
  const b = await writeContent(await folder.folder("b"), SINGLE_FILE, 2);
  assertEquals((await Deno.stat(a)).size, contentBytes(SINGLE_FILE));
  assertEquals((await compareTrees(a, b)).length, 1);
});
