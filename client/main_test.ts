/**
 * The command line as people and programs use it: real processes, in folders of their own, on loopback.
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { encode } from "@enjambre/bencode";
import { buildTorrent, parseTorrent } from "@enjambre/metainfo";
import { FakeTracker, Folder, lastOf, noPeers } from "./_processes_test.ts";

Deno.test("help, version and wrong usage", async () => {
  await using folder = new Folder();
  const [help, version, wrong, nothing, json] = await Promise.all([
    folder.run("download", "--help"),
    folder.run("--version"),
    folder.run("seed", "x.torrent", "--foo"),
    folder.run(),
    folder.run("show", "--json", "--foo"),
  ]);
  assertEquals(help.code, 0);
  assertStringIncludes(help.out, "Usage: enjambre download SOURCE");
  assertEquals([version.code, version.out], [0, "enjambre 0.1.0\n"]);
  assertEquals([wrong.code, wrong.out], [2, ""]);
  assertEquals(wrong.err, "error: Unknown option --foo for seed; see enjambre seed --help\n");
  assertEquals(nothing.code, 2);
  assertEquals(json.code, 2);
  assertEquals(lastOf(json)["code"], "usage");
});

Deno.test("create, show, verify; then damage, and verify says which file", async () => {
  await using folder = new Folder();
  await Deno.mkdir(folder.at("album/more"), { recursive: true });
  await folder.write("album/a.bin", 100_000);
  await folder.write("album/more/b.bin", 50_000, 2);
  await Deno.writeFile(folder.at("album/empty"), new Uint8Array(0));
  const created = await folder.run(
    ...["create", "album", "--tracker", "http://t1.example/announce", "--private"],
    ...[
      "--tracker",
      "http://t2.example/announce",
      "--piece-length",
      "16K",
      "--json",
      "--comment",
      "x",
    ],
  );
  assertEquals(created.code, 0);
  assertEquals(lastOf(created)["event"], "created");
  assertEquals(await folder.names(), ["album", "album.torrent"]);

  const show = await folder.run("show", "album.torrent", "--json");
  assertEquals(show.events.length, 1);
  const { infoHash, name, files, trackers, pieceLength, pieceCount, totalBytes } = lastOf(show);
  assertEquals({ name, files, trackers, pieceLength, pieceCount, totalBytes }, {
    name: "album",
    files: [
      { path: "album/a.bin", bytes: 100_000 },
      { path: "album/empty", bytes: 0 },
      { path: "album/more/b.bin", bytes: 50_000 },
    ],
    trackers: [["http://t1.example/announce"], ["http://t2.example/announce"]],
    pieceLength: 16384,
    pieceCount: 10,
    totalBytes: 150_000,
  });
  assertEquals([lastOf(show)["private"], lastOf(show)["infoHashV2"]], [true, null]);
  assertEquals(infoHash, lastOf(created)["infoHash"]);
  const table = await folder.run("show", "album.torrent");
  assertStringIncludes(table.out, `Info-hash  ${infoHash}\n`);

  const whole = await folder.run("verify", "album.torrent", ".", "--json");
  assertEquals(whole.code, 0);
  assertEquals(lastOf(whole), { event: "verified", pieces: 10, good: 10, bad: [], files: [] });

  using file = await Deno.open(folder.at("album/a.bin"), { write: true });
  await file.seek(40_000, Deno.SeekMode.Start);
  await file.write(new Uint8Array([1, 2, 3, 4]));
  await Deno.remove(folder.at("album/empty"));
  const damaged = await folder.run("verify", "album.torrent", ".", "--json");
  assertEquals(damaged.code, 1);
  assertEquals(lastOf(damaged), {
    event: "verified",
    pieces: 10,
    good: 9,
    bad: [2],
    files: [{ path: "album/a.bin", problem: "damaged" }, {
      path: "album/empty",
      problem: "missing",
    }],
  });
  const told = await folder.run("verify", "album.torrent", ".");
  assertStringIncludes(told.out, "album/a.bin: damaged, 1 of 7 pieces bad\nalbum/empty: missing\n");
  assertStringIncludes(
    told.out,
    "enjambre download album.torrent --output . fetches what is missing or damaged\n",
  );
  const inside = await folder.run("verify", "album.torrent", "album");
  assertEquals(inside.code, 1);
  assertStringIncludes(inside.out, "give the folder around it");
});

Deno.test("create makes v2 and hybrid torrents, which show and verify read", async () => {
  await using folder = new Folder();
  await Deno.mkdir(folder.at("album/more"), { recursive: true });
  await folder.write("album/a.bin", 100_000);
  await folder.write("album/more/b.bin", 5, 2);
  for (const format of ["v2", "hybrid"]) {
    const torrent = `${format}.torrent`;
    const created = await folder.run(
      ...["create", "album", "--format", format, "--piece-length", "16K", "--output", torrent],
      "--json",
    );
    assertEquals(created.code, 0, created.err);
    const { infoHash, infoHashV2, files, pieceCount } = lastOf(created);
    assertEquals([files, pieceCount], [2, 8]);
    assertEquals([infoHash === null, String(infoHashV2).length], [format === "v2", 64]);
    const shown = lastOf(await folder.run("show", torrent, "--json"));
    assertEquals([shown["format"], shown["infoHash"], shown["infoHashV2"]], [
      ...[format, infoHash, infoHashV2],
    ]);
    const table = await folder.run("show", torrent);
    assertMatch(table.out, format === "v2" ? /^Format {5}v2,/m : /^Format {5}hybrid,/m);
    assertStringIncludes(table.out, `${infoHashV2} (v2)\n`);
    assertEquals((await folder.run("verify", torrent, ".")).code, 0);
  }
  using file = await Deno.open(folder.at("album/a.bin"), { write: true });
  await file.seek(40_000, Deno.SeekMode.Start);
  await file.write(new Uint8Array([1, 2, 3, 4]));
  const damaged = await folder.run("verify", "v2.torrent", ".", "--json");
  assertEquals([damaged.code, lastOf(damaged)["bad"]], [1, [2]]);
  // Its swarm is not spoken yet.
  const seed = await folder.run("seed", "v2.torrent", "--archives", ".", "--json");
  assertEquals([seed.code, lastOf(seed)["code"]], [1, "not-supported"]);

  await Deno.mkdir(folder.at("same"));
  await folder.write("same/same", 5);
  const same = await folder.run("create", "same", "--format", "v2", "--json");
  assertEquals([same.code, lastOf(same)["code"]], [1, "name"]);
  assertStringIncludes(same.err, "use --format hybrid, or rename one of them");
  assertEquals((await folder.run("create", "same", "--format", "hybrid")).code, 0);
  assertEquals((await folder.run("verify", "same.torrent", ".")).code, 0);
});

Deno.test("show reads magnet links, download says that it does not yet", async () => {
  await using folder = new Folder();
  const link =
    "magnet:?xt=urn:btih:c12fe1c06bba254a9dc9f519b335aa7c1367a88a&dn=x%1b[2J&tr=http://t/a";
  const shown = await folder.run("show", link, "--json");
  assertEquals(lastOf(shown)["infoHash"], "c12fe1c06bba254a9dc9f519b335aa7c1367a88a");
  assertEquals(lastOf(shown)["trackers"], [["http://t/a"]]);
  const table = await folder.run("show", link);
  assert(!table.out.includes("\x1b"));
  const download = await folder.run("download", link);
  assertEquals(download.code, 1);
  assertStringIncludes(download.err, "not supported yet");
});

Deno.test("create replaces nothing, and leaves nothing half-made", async () => {
  await using folder = new Folder();
  await folder.write("data", 1000);
  await Deno.writeTextFile(folder.at("data.torrent"), "mine");
  await Deno.mkdir(folder.at("empty"));
  const cases: [args: string[], code: string][] = [
    [["data"], "exists"],
    [["data", "--output", "data"], "exists"],
    [["data", "--output", "empty"], "exists"],
    [["data", "--output", "nowhere/x.torrent"], "not-found"],
    [["data", "--output", "data/x.torrent"], "not-found"],
    [["nothing"], "not-found"],
    [["empty"], "empty"],
  ];
  for (const [args, code] of cases) {
    const ended = await folder.run("create", ...args, "--json");
    assertEquals([ended.code, lastOf(ended)["code"]], [1, code], ended.err);
    assertEquals(ended.err.trim().split("\n").length, 1, ended.err);
  }
  assertEquals(await folder.names(), ["data", "data.torrent", "empty"]);
  assertEquals(await Deno.readTextFile(folder.at("data.torrent")), "mine");
});

Deno.test("torrents that are none, or that lie, get one line that says what is wrong", async () => {
  await using folder = new Folder();
  const info = { name: "x", length: 5, "piece length": 16384, pieces: new Uint8Array(20) };
  const good = encode({ info });
  const v2 = {
    "file tree": { x: { "": { length: 5, "pieces root": new Uint8Array(32).fill(1) } } },
    "meta version": 2,
    name: "x",
    "piece length": 16384,
  };
  const contents: Record<string, [bytes: Uint8Array, says: RegExp]> = {
    text: [
      new TextEncoder().encode("hello"),
      /Cannot read text: .*\(at byte 0\); is it a complete/,
    ],
    empty: [new Uint8Array(0), /it is empty/],
    html: [new TextEncoder().encode("<!DOCTYPE html>"), /web page/],
    short: [good.subarray(0, good.length - 10), /Cannot read short: .*\(at byte \d+\)/],
    pieces: [encode({ info: { ...info, pieces: new Uint8Array(19) } }), /19 bytes/],
    v2only: [
      encode({ info: v2, "piece layers": {} }),
      /version 2 only, which is not supported yet/,
    ],
  };
  for (const [name, [bytes, says]] of Object.entries(contents)) {
    await Deno.writeFile(folder.at(name), bytes);
    const ended = await folder.run("download", name, "--peer", "127.0.0.1:9");
    assertEquals(ended.code, 1, ended.err);
    assertMatch(ended.err, says);
    assertMatch(ended.err, /^error: [^\n]*\n$/);
  }
  const ftp = await folder.run("show", "ftp://example.org/x.torrent");
  assertEquals([ftp.code, ftp.err.includes("only http and https")], [1, true]);
  const missing = await folder.run("show", "nothing.torrent");
  assertEquals(missing.err, "error: Cannot read nothing.torrent: there is no such file\n");
  assertEquals((await folder.run("show", ".")).code, 1);
  assertEquals(await folder.names(), Object.keys(contents).sort());
});

Deno.test("paths that lead out of the folder stay inside", async () => {
  await using folder = new Folder();
  const data = new TextEncoder().encode("evil!");
  const pieces = new Uint8Array(await crypto.subtle.digest("SHA-1", data));
  const text = new TextEncoder();
  const path = ["..", "..", "escaped"].map((part) => text.encode(part));
  const info = { name: "..x", "piece length": 16384, pieces, files: [{ length: 5, path }] };
  await Deno.writeFile(folder.at("evil.torrent"), encode({ info }));
  const show = await folder.run("show", "evil.torrent", "--json");
  const files = lastOf(show)["files"] as { path: string }[];
  assert(files.every((file) => !file.path.split("/").includes("..")), JSON.stringify(files));
});

Deno.test("a torrent from the web: limits and errors", async () => {
  await using folder = new Folder();
  const bytes = buildTorrent({
    name: "x",
    files: [{ path: [], bytes: 5 }],
    pieceLength: 16384,
    pieceHashes: new Uint8Array(20),
  });
  await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
    switch (new URL(request.url).pathname) {
      case "/x.torrent":
        return new Response(bytes);
      case "/html":
        return new Response("<html>login</html>");
      case "/endless":
        return new Response(
          new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(1 << 20)) }),
        );
      default:
        return new Response("no", { status: 404 });
    }
  });
  const url = `http://127.0.0.1:${server.addr.port}`;
  const shown = await folder.run("show", `${url}/x.torrent`, "--json");
  assertEquals([shown.code, lastOf(shown)["name"]], [0, "x"]);
  for (
    const [path, code] of [["html", "torrent-syntax"], ["endless", "too-large"], [
      "no",
      "http-status",
    ]]
  ) {
    const ended = await folder.run("show", `${url}/${path}`, "--json");
    assertEquals([ended.code, lastOf(ended)["code"]], [1, code]);
  }
  // Nobody listens on what was a port of the system's choice a moment ago.
  const free = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = free.addr;
  free.close();
  const refused = await folder.run("show", `http://127.0.0.1:${port}/x.torrent`);
  assertStringIncludes(refused.err, "connection refused");
});

Deno.test("create, tracker, seed, download; damage, and only what is damaged is fetched again", async () => {
  await using folder = new Folder();
  const data = await folder.write("data.bin", 3_000_000);
  await using tracker = folder.start("tracker", "--hostname", "127.0.0.1", "--port", "0", "--json");
  const { hostname, port } = await tracker.event("listening");
  const url = `http://${hostname}:${port}/announce`;
  assertEquals((await folder.run("create", "data.bin", "--tracker", url)).code, 0);

  await using seed = folder.start(
    ...["seed", "data.bin.torrent", "--archives", ".", "--port", "0", "--json"],
  );
  const listening = await seed.event("listening");
  await seed.event("announced");

  const download = await folder.run("download", "data.bin.torrent", "--output", "copy", "--json");
  assertEquals(download.code, 0, download.err);
  const complete = lastOf(download);
  assertEquals([complete["event"], complete["name"], complete["bytes"]], [
    "complete",
    "data.bin",
    3_000_000,
  ]);
  assertEquals(complete["infoHash"], listening["infoHash"]);
  assertEquals(await folder.names("copy"), ["data.bin"]);
  assertEquals(await Deno.readFile(folder.at("copy/data.bin")), data);

  const again = await folder.run("download", "data.bin.torrent", "--output", "copy", "--json");
  assertEquals([again.code, lastOf(again)["downloadedBytes"]], [0, 0]);

  using file = await Deno.open(folder.at("copy/data.bin"), { write: true });
  for (const piece of [3, 77]) {
    await file.seek(piece * 16384 + 5, Deno.SeekMode.Start);
    await file.write(new Uint8Array([9, 9, 9, 9, 9]));
  }
  // Over the peer's address instead of the tracker, as it may be long until that is asked again.
  const repaired = await folder.run(
    ...["download", "data.bin.torrent", "--output", "copy", "--json", "--port", "0"],
    ...["--peer", `127.0.0.1:${listening["port"]}`],
  );
  assertEquals(repaired.code, 0, repaired.err);
  assertEquals(repaired.events.find((event) => event["event"] === "checked")?.["good"], 182);
  assertEquals(lastOf(repaired)["gainedBytes"], 2 * 16384);
  assertEquals(lastOf(repaired)["downloadedBytes"], 2 * 16384);
  assertEquals(await Deno.readFile(folder.at("copy/data.bin")), data);

  using other = await Deno.open(folder.at("copy/data.bin"), { write: true });
  await other.write(new Uint8Array([9, 9, 9, 9, 9]));
  const damaged = await Deno.readFile(folder.at("copy/data.bin"));
  await using partial = folder.start(
    ...["seed", "data.bin.torrent", "--archives", "copy", "--json", "--port", "0"],
    ...["--peer", `127.0.0.1:${listening["port"]}`],
  );
  await partial.event("progress");
  const partialEnd = await partial.interrupt();
  assertStringIncludes(partialEnd.err, "1 of 184 pieces are missing or damaged");
  assertEquals(await Deno.readFile(folder.at("copy/data.bin")), damaged);

  const seeded = await seed.interrupt();
  assertEquals([seeded.code, lastOf(seeded)["event"]], [130, "stopped"]);
  assertEquals(seeded.events[0]?.["event"], "listening");
  const tracked = await tracker.interrupt();
  assertEquals([tracked.code, tracked.events[0]?.["event"]], [130, "listening"]);
});

Deno.test("the options of the older system download, then seed", async () => {
  await using folder = new Folder();
  await Deno.mkdir(folder.at("source"));
  await folder.write("source/data.bin", 200_000);
  await using tracker = folder.start("tracker", "--hostname", "127.0.0.1", "--port", "0", "--json");
  const { port } = await tracker.event("listening");
  const url = `http://127.0.0.1:${port}/announce`;
  await folder.run("create", "source/data.bin", "--tracker", url);
  const older = (archives: string): string[] => [
    ...["--torrent=data.bin.torrent", `--archives=${archives}`, "--hostname=127.0.0.1"],
    ...["--discovery-mode=tracker", "--json"],
  ];
  await using seed = folder.start(...older("source"));
  assertEquals((await seed.event("complete"))["downloadedBytes"], 0);
  await seed.event("announced");
  await using peer = folder.start(...older("copy"));
  assertEquals((await peer.event("complete"))["bytes"], 200_000);
  assertEquals(
    await Deno.readFile(folder.at("copy/data.bin")),
    await Deno.readFile(folder.at("source/data.bin")),
  );
  assertEquals((await peer.interrupt()).code, 130);
  const overlay = await folder.run(...older("copy"), "--discovery-mode=overlay");
  assertEquals(overlay.code, 2); // given twice
});

Deno.test("Ctrl-C in a download: the tracker hears of it, and the exit code is 130", async () => {
  await using folder = new Folder();
  await using tracker = new FakeTracker(noPeers);
  await folder.write("data.bin", 100_000);
  await folder.run("create", "data.bin", "--tracker", tracker.url);
  await using download = folder.start("download", "data.bin.torrent", "--output", "copy", "--json");
  await download.event("announced");
  const ended = await download.interrupt();
  assertEquals(ended.code, 130);
  assertEquals(lastOf(ended)["code"], "interrupted");
  assertEquals(tracker.events, ["started", "stopped"]);
  assertEquals(await folder.names(), ["data.bin", "data.bin.torrent"]);
});

Deno.test("Ctrl-C ends a download whose tracker never answers", async () => {
  await using folder = new Folder();
  await using tracker = new FakeTracker(() => null);
  await folder.write("data.bin", 100_000);
  await folder.run("create", "data.bin", "--tracker", tracker.url);
  await using download = folder.start("download", "data.bin.torrent", "--output", "copy", "--json");
  await download.event("listening");
  const ended = await download.interrupt();
  assertEquals([ended.code, lastOf(ended)["code"]], [130, "interrupted"]);
});

Deno.test("a second Ctrl-C ends at once", async () => {
  await using folder = new Folder();
  const stopped = Promise.withResolvers<void>();
  await using tracker = new FakeTracker((event) => {
    if (event !== "stopped") return noPeers();
    stopped.resolve();
    return null;
  });
  await folder.write("data.bin", 100_000);
  await folder.run("create", "data.bin", "--tracker", tracker.url);
  await using download = folder.start("download", "data.bin.torrent", "--output", "copy", "--json");
  await download.event("announced");
  const first = download.interrupt();
  await stopped.promise;
  download.signal();
  const ended = await first;
  assertEquals(ended.code, 130);
  // It did not come to the end of what it does on the first one.
  assertEquals(ended.events.some((event) => event["event"] === "error"), false);
});

Deno.test("a tracker that is down or answers HTML is told of, and the download goes on trying", async () => {
  await using folder = new Folder();
  await using html = new FakeTracker(() => new Response("<html>\x1b[2J</html>"));
  const free = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const down = `http://127.0.0.1:${free.addr.port}/announce`;
  free.close();
  await folder.write("data.bin", 100_000);
  await folder.run("create", "data.bin", "--tracker", html.url);
  await using download = folder.start(
    ...["download", "data.bin.torrent", "--output", "copy", "--json", "--tracker", down],
  );
  // The one given by hand comes first.
  assertStringIncludes(String((await download.event("tracker-failed"))["message"]), "refused");
  assertStringIncludes(String((await download.event("tracker-failed"))["message"]), "web page");
  const { code, err } = await download.interrupt();
  assertEquals(code, 130);
  assertMatch(err, /warning: tracker 127\.0\.0\.1:\d+: connection refused\n/);
});

Deno.test("what cannot work is said at the start", async () => {
  await using folder = new Folder();
  await folder.write("data.bin", 100_000);
  await folder.run("create", "data.bin");
  const torrent = await parseTorrent(await Deno.readFile(folder.at("data.bin.torrent")));
  assertEquals(torrent.trackers, []);
  await Deno.writeTextFile(folder.at("file"), "mine");
  using taken = Deno.listen({ hostname: "::", port: 0 });
  const port = String(taken.addr.port);
  await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, noPeers);
  const trackerPort = String(server.addr.port);
  const peer = ["--peer", "127.0.0.1:9"];
  const cases: [args: string[], code: string, says: string][] = [
    [
      ["download", "data.bin.torrent", "--output", "copy"],
      "no-peers",
      "give --tracker URL or --peer",
    ],
    [["download", "data.bin.torrent", "--output", "file", ...peer], "not-directory", "file"],
    [["download", "data.bin.torrent", "--output", "file/x", ...peer], "not-directory", "file"],
    [
      ["download", "data.bin.torrent", "--output", "copy", "--port", port, ...peer],
      "port-in-use",
      "choose another with --port",
    ],
    [
      ["seed", "data.bin.torrent", "--archives", ".", "--port", port],
      "port-in-use",
      "choose another with --port",
    ],
    [["seed", "data.bin.torrent", "--archives", "nowhere"], "incomplete", "there is no folder"],
    [["verify", "data.bin.torrent", "file"], "not-directory", "file"],
    [["tracker", "--hostname", "127.0.0.1", "--port", trackerPort], "port-in-use", "in use"],
  ];
  for (const [args, code, says] of cases) {
    const ended = await folder.run(...args, "--json");
    assertEquals([ended.code, lastOf(ended)["code"]], [1, code], `${args.join(" ")}: ${ended.err}`);
    assertStringIncludes(String(lastOf(ended)["message"]), says);
  }
  assertEquals(await Deno.readTextFile(folder.at("file")), "mine");
  assertEquals(await folder.names(), ["data.bin", "data.bin.torrent", "file"]);
});
