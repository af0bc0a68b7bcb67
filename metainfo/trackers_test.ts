import { assertEquals } from "@std/assert";
import { infoOfFiles, infoV1, torrentOf } from "./fixtures_test.ts";
import { parseTorrent } from "./torrent.ts";
import { cleanTiers, isHost, trackerUrl } from "./trackers.ts";

Deno.test("trackerUrl() keeps http, https, udp, ws and wss URLs as they stand, trimmed", () => {
  for (
    const url of [
      "http://h/announce",
      "HTTPS://h:443/a?passkey=x+y",
      "udp://h:6969",
      "ws://h/",
      "wss://[::1]:8000/a",
    ]
  ) {
    assertEquals(trackerUrl(` ${url}\n`), url);
  }
});

Deno.test("trackerUrl() answers null for what is no tracker", () => {
  for (
    const text of [
      "",
      " ",
      "h/announce",
      "ftp://h/a",
      "file:///etc/passwd",
      "javascript:alert(1)",
      "http://",
      "udp://",
      "http://h:99999/",
      "http://h/a b",
      "http://h/\u0000",
      "http://h/" + "x".repeat(4096),
    ]
  ) {
    assertEquals(trackerUrl(text), null, JSON.stringify(text.slice(0, 40)));
  }
});

Deno.test("cleanTiers() keeps the first of duplicates and no empty tiers", () => {
  assertEquals(
    cleanTiers([["http://a/x", "bad"], ["bad"], ["http://A:80/x", "udp://b:1"], ["udp://b:1"]]),
    [["http://a/x"], ["udp://b:1"]],
  );
});

Deno.test("cleanTiers() keeps 1000 trackers at most", () => {
  const many = Array.from({ length: 1500 }, (_, i) => [`http://t${i}/`]);
  assertEquals(cleanTiers(many).length, 1000);
});

Deno.test("parseTorrent() takes announce-list before announce, and announce where that has no URL", async () => {
  const trackersOf = async (list: string[][] | string | string[]) =>
    (await parseTorrent(torrentOf(infoV1(), { announce: "http://a/", "announce-list": list })))
      .trackers;

  assertEquals(await trackersOf([["http://b/", "http://c/"], ["http://d/"]]), [
    ["http://b/", "http://c/"],
    ["http://d/"],
  ]);
  assertEquals(await trackersOf([]), [["http://a/"]]);
  assertEquals(await trackersOf(""), [["http://a/"]]);
  assertEquals(await trackersOf([[""], []]), [["http://a/"]]);
  // Tiers without their own lists, as some programs write them.
  assertEquals(await trackersOf(["http://b/", "http://c/"]), [["http://b/"], ["http://c/"]]);
});

Deno.test("parseTorrent() reads web seeds, one or a list, and ends folders' with a slash", async () => {
  const one = torrentOf(infoV1(), { "url-list": "http://w/a b" });
  assertEquals((await parseTorrent(one)).webSeeds, ["http://w/a%20b"]);
  const list = { "url-list": ["http://w/d", "http://w/d/", "ftp://w/", "", 7, "https://v/"] };
  const files = [{ length: 1, path: ["a"] }, { length: 1, path: ["b"] }];
  const torrent = await parseTorrent(torrentOf(infoOfFiles(files), list));
  assertEquals(torrent.webSeeds, ["http://w/d/", "https://v/"]);
});

Deno.test("parseTorrent() reads nodes and the older web seeds", async () => {
  const torrent = await parseTorrent(torrentOf(infoV1(), {
    nodes: [["router.example", 6881], ["::1", 1], ["", 1]],
    httpseeds: ["http://s/seed.php"],
  }));

  assertEquals(torrent.nodes, [{ host: "router.example", port: 6881 }, { host: "::1", port: 1 }]);
  assertEquals(torrent.httpSeeds, ["http://s/seed.php"]);
});

Deno.test("isHost() takes names and addresses, nothing that changes a URL or a command", () => {
  for (const host of ["h", "a.b-c.example", "10.0.0.1", "::1", "fe80::1", "peer_1"]) {
    assertEquals(isHost(host), true, host);
  }
  for (const host of ["", "-x", "a b", "a/b", "a:b", "[::1]", "a@b", "x".repeat(300)]) {
    assertEquals(isHost(host), false, host);
  }
});
