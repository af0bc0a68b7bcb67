import { assertEquals, assertThrows } from "@std/assert";
import { formatStorePlace, parseStoreUrl } from "./store_url.ts";

Deno.test("parseStoreUrl() reads one server and several", () => {
  const table: [text: string, shown: string, isCluster: boolean, rest: unknown[]][] = [
    ["redis://localhost", "redis://localhost:6379", false, [false, null, null, 0]],
    ["redis://10.0.0.1:7000/3", "redis://10.0.0.1:7000/3", false, [false, null, null, 3]],
    ["rediss://:se%40cret@h/", "rediss://h:6379", false, [true, null, "se@cret", 0]],
    ["redis://me:a:b@[::1]:7", "redis://[::1]:7", false, [false, "me", "a:b", 0]],
    ["redis://a:1,b,c:3", "redis://a:1,b:6379,c:3", true, [false, null, null, 0]],
    ["redis://all:1,all:1", "redis://all:1,all:1", true, [false, null, null, 0]],
  ];
  for (const [text, shown, isCluster, rest] of table) {
    const place = parseStoreUrl(text);
    assertEquals([formatStorePlace(place), place.isCluster], [shown, isCluster]);
    const { tls, username, password, database } = place;
    assertEquals([tls, username, password, database], rest);
  }
});

Deno.test("parseStoreUrl() refuses what it cannot mean, and does not tell the password", () => {
  const table: [text: string, words: string][] = [
    ["http://localhost", "it should be redis://HOST:PORT"],
    ["redis://", "it should be redis://HOST:PORT"],
    ["redis://h:0", `"h:0" should be HOST:PORT`],
    ["redis://h:65536", `"h:65536" should be HOST:PORT`],
    ["redis://a,,b", `"" should be HOST:PORT`],
    ["redis://h/x", `database is "x"`],
    ["redis://a,b/1", "database is 1, should be 0"],
    ["redis://secret@h", "USER:PASSWORD"],
    ["redis://u:sec%ret@h", "should be %25"],
    ["redis://u:secret@more@h", "%2F, %40"],
  ];
  for (const [text, words] of table) {
    const error = assertThrows(() => parseStoreUrl(text), RangeError, words);
    assertEquals(error.message.includes("sec"), false, error.message);
  }
});
