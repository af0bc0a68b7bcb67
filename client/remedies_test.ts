/**
 * What is refused so that nothing existing is harmed and nothing useless is made, and what is said then.
 */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { type Ended, Folder, lastOf } from "./_processes_test.ts";

Deno.test("verify gives a remedy that helps: for a file that is too long, for the content given as the folder", async () => {
  await using folder = new Folder();
  await Deno.mkdir(folder.at("my data"));
  const data = await folder.write("my data/data.bin", 40_000);
  await folder.run("create", "my data/data.bin");
  const asFolder = await folder.run("verify", "data.bin.torrent", "my data/data.bin");
  assertEquals(asFolder.code, 1);
  assertMatch(
    asFolder.err,
    /^error: Cannot use my data\/data.bin: it is a file; .* the folder around it/,
  );

  await Deno.writeFile(folder.at("my data/data.bin"), new Uint8Array([...data, 1, 2, 3]));
  const long = await folder.run("verify", "data.bin.torrent", "my data");
  assertEquals(long.code, 1);
  assertStringIncludes(long.out, "data.bin: 3 bytes longer than the torrent says\n");
  assertStringIncludes(long.out, "Nothing is missing; ");

  await Deno.truncate(folder.at("my data/data.bin"), 20_000);
  const short = await folder.run("verify", "data.bin.torrent", "my data");
  assertStringIncludes(short.out, "enjambre download data.bin.torrent --output 'my data' fetches");
});

Deno.test("demo says in one line that it has no room, and takes no arguments", async () => {
  await using folder = new Folder();
  const ended = await folder.run("demo", "x");
  assertEquals([ended.code, ended.out], [2, ""]);
  if (Deno.build.os === "windows") return; // another variable names the folder there
  const without = await folder.runWith({ TMPDIR: folder.at("nowhere") }, "demo");
  assertEquals(without.code, 1);
  assertMatch(without.err, /^error: Cannot make a folder for the demo; set TMPDIR [^\n]*\n$/);
});

Deno.test("create refuses names under which its own content could not be found again", async () => {
  await using folder = new Folder();
  await Deno.mkdir(folder.at("album"));
  await folder.write("album/ok", 1000);
  // Windows has no names of the first two kinds.
  const kinds = Deno.build.os === "windows" ? [] : ["trailing.", "con"];
  for (const name of [...kinds, "a\u200bb"]) {
    await folder.write(`album/${name}`, 10);
    const ended = await folder.run("create", "album", "--json");
    assertEquals([ended.code, lastOf(ended)["code"]], [1, "name"], ended.err);
    assertMatch(ended.err, /^error: Cannot make a torrent of album: "[^\n]*rename it\n$/);
    await Deno.remove(folder.at(`album/${name}`));
  }
  assertEquals(await folder.names(), ["album"]);
  // Names that only some systems take for one are found again, and long ones.
  for (const name of ["OK", "n".repeat(250)]) await folder.write(`album/${name}`, 1000);
  assertEquals((await folder.run("create", "album")).code, 0);
  const found = await folder.run("verify", "album.torrent", ".");
  assertEquals(found.code, 0, found.err);
});

Deno.test("create refuses a torrent that would be too large to be read", async () => {
  await using folder = new Folder();
  (await Deno.create(folder.at("sparse"))).close();
  await Deno.truncate(folder.at("sparse"), 30 * 2 ** 30);
  const ended = await folder.run("create", "sparse", "--piece-length", "16K", "--json");
  assertEquals([ended.code, lastOf(ended)["code"]], [1, "too-large"]);
  assertStringIncludes(ended.err, "give a longer --piece-length");
  assertEquals(await folder.names(), ["sparse"]);
});

Deno.test("download does not write over a file that was never of the torrent", async () => {
  await using folder = new Folder();
  await Deno.mkdir(folder.at("copy"));
  await folder.write("data.bin", 100_000);
  await folder.run("create", "data.bin");
  await using seed = folder.start(
    ...["seed", "data.bin.torrent", "--archives", ".", "--port", "0", "--json"],
  );
  const { port } = await seed.event("listening");
  const download = (): Promise<Ended> =>
    folder.run(
      ...["download", "data.bin.torrent", "--output", "copy", "--json", "--port", "0"],
      ...["--peer", `127.0.0.1:${port}`],
    );
  await Deno.writeTextFile(folder.at("copy/data.bin"), "my own notes");
  const refused = await download();
  assertEquals([refused.code, lastOf(refused)["code"]], [1, "exists"]);
  assertStringIncludes(refused.err, "move it away, or choose another folder with --output\n");
  assertEquals(await Deno.readTextFile(folder.at("copy/data.bin")), "my own notes");

  // What is cut short, or damaged all over, is repaired.
  const data = await Deno.readFile(folder.at("data.bin"));
  for (const found of [data.subarray(0, 40_000), new Uint8Array(data.length)]) {
    await Deno.writeFile(folder.at("copy/data.bin"), found);
    assertEquals((await download()).code, 0);
    assertEquals(await Deno.readFile(folder.at("copy/data.bin")), data);
  }
});
