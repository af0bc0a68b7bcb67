/** What `download` and `seed` make of the disk: which files, where, who else may, and what is read again. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { Folder, type Json, lastOf, type Running } from "./_processes_test.ts";

/** By path below `album`: together they are five pieces of 64 KiB, and no file ends where a piece does. */
const FILES: Readonly<Record<string, number>> = {
  "a.flac": 100_000,
  "art/cover.png": 40_000,
  "b.flac": 100_000,
  "notes.txt": 50_000,
};
const PIECE_LENGTH = 65_536;
const TOTAL_BYTES = Object.values(FILES).reduce((sum, bytes) => sum + bytes, 0);
/** Nobody is there. */
const NOBODY = ["--peer", "127.0.0.1:1"];

/** A folder with content below `seed`, the torrent of it, and its seed. */
async function seeded(): Promise<{ folder: Folder; seed: Running; peer: string[] }> {
  const folder = new Folder();
  await Deno.mkdir(folder.at("seed/album/art"), { recursive: true });
  let each = 1;
  for (const [path, bytes] of Object.entries(FILES)) {
    await folder.write(`seed/album/${path}`, bytes, each++);
  }
  await folder.run("create", "seed/album", "--output", "t.torrent", "--piece-length", "64K");
  const seed = folder.start("seed", "t.torrent", "--archives", "seed", "--port", "0", "--json");
  const { port } = await seed.event("listening");
  return { folder, seed, peer: ["--peer", `127.0.0.1:${port}`] };
}

/** Downloads into `out`; the objects that came. */
async function download(folder: Folder, ...args: string[]): Promise<Json[]> {
  const ended = await folder.run("download", "t.torrent", "--port", "0", "--json", ...args);
  assertEquals(ended.code, 0, ended.err);
  return ended.events;
}

/** The paths of all files below a folder, each with a slash in front. */
async function filesBelow(path: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(path)) {
    if (!isDirectory) found.push(`/${name}`);
    else for (const below of await filesBelow(`${path}/${name}`)) found.push(`/${name}${below}`);
  }
  return found.sort();
}

async function assertSame(folder: Folder, output: string, paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    const [ours, theirs] = await Promise.all(
      [output, "seed"].map((place) => Deno.readFile(folder.at(`${place}/album/${path}`))),
    );
    assert(ours!.every((byte, i) => byte === theirs![i]), `${path} differs`);
    assertEquals(ours!.length, theirs!.length);
  }
}

function eventOf(events: readonly Json[], name: string): Json {
  return events.find(({ event }) => event === name) ?? {};
}

Deno.test("--select and --exclude: only what is chosen is fetched and made; another run may choose otherwise", async () => {
  const { folder, seed, peer } = await seeded();
  await using _folder = folder;
  await using _seed = seed;
  const first = await download(folder, "--output", "out", "--select", "a.flac", ...peer);
  const { wantedBytes, wantedPieces, totalBytes } = eventOf(first, "checked");
  assertEquals([wantedBytes, wantedPieces, totalBytes], [FILES["a.flac"], 2, TOTAL_BYTES]);
  assertEquals(lastOf({ events: first } as never)["downloadedBytes"], 2 * PIECE_LENGTH);
  // Percentages count what is wanted.
  const shown = first.filter(({ phase }) => phase === "downloading").at(-1)!;
  assertEquals(shown["totalBytes"], 2 * PIECE_LENGTH);
  const [parts, ...made] = await filesBelow(folder.at("out"));
  assertMatch(parts!, /^\/\.enjambre-[0-9a-f]{8}\.parts$/);
  assertEquals(made, ["/album/a.flac"]);
  await assertSame(folder, "out", ["a.flac"]);

  // What the same pieces held of the neighbour is used; what is wanted no more stays.
  const exclude = ["--exclude", "*.flac", "--exclude", "4"];
  const second = await download(folder, "--output", "out", ...exclude, ...peer);
  assertEquals(lastOf({ events: second } as never)["downloadedBytes"], PIECE_LENGTH);
  const now = await filesBelow(folder.at("out"));
  assertEquals(now.slice(1), ["/album/a.flac", "/album/art/cover.png"]);
  await assertSame(folder, "out", ["a.flac", "art/cover.png"]);

  const third = await download(folder, "--output", "out", ...peer);
  const whole = TOTAL_BYTES - 3 * PIECE_LENGTH;
  assertEquals(lastOf({ events: third } as never)["downloadedBytes"], whole);
  assertEquals(
    await filesBelow(folder.at("out")),
    Object.keys(FILES).map((path) => `/album/${path}`),
  );
  await assertSame(folder, "out", Object.keys(FILES));
});

Deno.test("--allocation full takes the room of what is chosen before anything comes", async () => {
  const { folder, seed } = await seeded();
  await using _folder = folder;
  await using _seed = seed;
  const args = ["--output", "out", "--allocation", "full", "--exclude", "b.flac", ...NOBODY];
  await using running = folder.start("download", "t.torrent", "--port", "0", "--json", ...args);
  await running.event("progress", ({ phase }) => phase === "allocating");
  await running.event("listening");
  for (const path of ["a.flac", "art/cover.png", "notes.txt"]) {
    const { size, blocks } = await Deno.stat(folder.at(`out/album/${path}.part`));
    assertEquals(size, FILES[path]);
    if (blocks !== null) assert(blocks * 512 >= size, `${path} has ${blocks} blocks`);
  }
  assert(!(await filesBelow(folder.at("out"))).includes("/album/b.flac.part"));
  assertEquals((await running.interrupt()).code, 130);
});

Deno.test("--move-to: the files are moved when they are complete, and known at their new place", async () => {
  const { folder, seed, peer } = await seeded();
  await using _folder = folder;
  await using _seed = seed;
  const events = await download(folder, "--output", "out", "--move-to", "done", ...peer);
  assertEquals(eventOf(events, "moved")["directory"], "done");
  await assertSame(folder, "done", Object.keys(FILES));
  assertEquals(
    await filesBelow(folder.at("done")),
    Object.keys(FILES).map((path) => `/album/${path}`),
  );
  const left = await Deno.stat(folder.at("out")).then(() => filesBelow(folder.at("out")), () => []);
  assertEquals(left, []);
  const again = await download(folder, "--output", "done", ...NOBODY);
  assertEquals(lastOf({ events: again } as never)["gainedBytes"], 0);
});

Deno.test("two downloads of a torrent into one folder: the second is refused, and a crash does not keep others out", async () => {
  const { folder, seed, peer } = await seeded();
  await using _folder = folder;
  await using _seed = seed;
  const args = ["download", "t.torrent", "--output", "out", "--port", "0", "--json"];
  {
    await using first = folder.start(...args, ...NOBODY);
    await first.event("listening");
    const second = await folder.run(...args, ...peer);
    assertEquals(second.code, 1);
    const { code, message } = lastOf(second);
    assertEquals(code, "locked");
    assertMatch(
      String(message),
      /^Cannot use out: another process is at work on .*; end that one first$/,
    );
    // SIGKILL when it is disposed of.
  }
  await download(folder, "--output", "out", ...peer);
  await assertSame(folder, "out", Object.keys(FILES));
  assertEquals(
    await filesBelow(folder.at("out")),
    Object.keys(FILES).map((path) => `/album/${path}`),
  );
});

Deno.test({
  name: "a second start of a seed does not read the content again",
  ignore: Deno.build.os !== "linux",
  fn: async () => {
    const bytes = 50_000_000;
    await using folder = new Folder();
    await Deno.mkdir(folder.at("seed"));
    await folder.write("seed/big.bin", bytes);
    await folder.run("create", "seed/big.bin", "--output", "t.torrent");
    const readBytes: number[] = [];
    for (let start = 0; start < 2; start++) {
      const args = ["seed", "t.torrent", "--archives", "seed", "--port", "0", "--json"];
      await using seed = folder.start(...args);
      await seed.event("listening");
      const counts = await Deno.readTextFile(`/proc/${seed.pid}/io`);
      readBytes.push(Number(/^rchar: (\d+)$/m.exec(counts)![1]));
      await seed.interrupt();
    }
    const [first, second] = readBytes as [number, number];
    assert(first - second > 0.9 * bytes, `${first} bytes were read, then ${second}`);
  },
});
