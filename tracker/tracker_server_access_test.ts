/** A tracker server and whom it serves: lists, passkeys, proxies and bounds. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { announce, hex, infoHash, leakTest, peer, query, withTracker } from "./_serving_test.ts";
import { parseInfoHashes, parsePasskeys } from "./access.ts";
import { announceHttp, scrapeHttp } from "./http_client_deno.ts";
import { TrackerServer } from "./tracker_server_deno.ts";
import type { TrackerServerOptions } from "./tracker_server_options.ts";

leakTest("TrackerServer believes the connection, not what a peer says of its address", async () => {
  await withTracker({}, async (origin) => {
    const headers = { "x-forwarded-for": "8.8.8.8", forwarded: "for=8.8.8.8" };
    const response = await fetch(origin + query(1, "&ip=8.8.8.8&ipv4=8.8.8.8"), { headers });
    await response.bytes();
    const { peers } = await announce(origin, peer(2));
    assertEquals(peers, [{ host: "127.0.0.1", port: 1001, peerId: null }]);
  });
});

leakTest("TrackerServer serves the torrents on its lists, to those with a passkey", async () => {
  const server = new TrackerServer({ hostname: "127.0.0.1" });
  const origin = `http://127.0.0.1:${(await server.listen()).port}`;
  const refusalOf = async (path: string) => {
    const result = await announceHttp(`${origin}${path}`, peer(1));
    return result.ok ? null : result.failureReason;
  };
  try {
    assertEquals(await refusalOf("/announce"), null);
    assertEquals(
      (await scrapeHttp(`${origin}/announce`, [infoHash]) as Map<string, unknown>).size,
      1,
    );
    server.setLists({ denied: parseInfoHashes(hex) });
    assertEquals(await refusalOf("/announce"), "this tracker does not serve this torrent");
    assertEquals(await scrapeHttp(`${origin}/announce`, [infoHash]), new Map());
    server.setLists({ allowed: parseInfoHashes(hex), passkeys: parsePasskeys("sesame") });
    assertEquals(await refusalOf("/sesame/announce"), null);
    assertEquals(await refusalOf("/other/announce"), "this passkey is not known here");
    assertStringIncludes((await refusalOf("/announce"))!, "wants a passkey");
    const scraped = await scrapeHttp(`${origin}/sesame/announce`, [infoHash]);
    assertEquals((scraped as Map<string, unknown>).size, 1);
    assertEquals(await (await fetch(`${origin}/health`)).text(), "ok\n");
    server.setLists({});
    assertEquals(await refusalOf("/sesame/announce"), "this passkey is not known here");
  } finally {
    await server.close();
  }
});

leakTest("TrackerServer believes X-Forwarded-For and ip of those that it is to trust", async () => {
  const addressOf = async (rules: TrackerServerOptions, forwarded: string, more = "") => {
    let address = "";
    await withTracker(rules, async (origin) => {
      const headers = { "x-forwarded-for": forwarded };
      await (await fetch(origin + query(1, more), { headers })).bytes();
      address = (await announce(origin, peer(2))).peers[0]!.host;
    });
    return address;
  };
  const proxy = { trustedProxies: ["127.0.0.1", "10.0.0.0/8"] };
  assertEquals(await addressOf({}, "192.0.2.1"), "127.0.0.1");
  assertEquals(await addressOf({ trustedProxies: ["10.0.0.0/8"] }, "192.0.2.1"), "127.0.0.1");
  assertEquals(await addressOf(proxy, "192.0.2.1"), "192.0.2.1");
  // What stands before the last address that is no proxy's, anybody may have written.
  assertEquals(await addressOf(proxy, "8.8.8.8, 192.0.2.1, 10.1.2.3"), "192.0.2.1");
  assertEquals(await addressOf(proxy, "192.0.2.1:4711"), "192.0.2.1");
  assertEquals(await addressOf(proxy, "[2001:db8::1]:4711"), "2001:db8::1");
  assertEquals(await addressOf(proxy, "unknown"), "127.0.0.1");
  const client = { trustedClients: ["127.0.0.1"] };
  assertEquals(await addressOf(client, "", "&ip=192.0.2.9"), "192.0.2.9");
  assertEquals(await addressOf(client, "", "&ip=nonsense"), "127.0.0.1");
  // The client behind the proxy is not trusted.
  assertEquals(await addressOf({ ...proxy, ...client }, "192.0.2.1", "&ip=8.8.8.8"), "192.0.2.1");
});

leakTest("TrackerServer bounds the requests and the connections of an address", async () => {
  await withTracker({ requestsPerSecond: 0.1, nowMs: () => 5 }, async (origin) => {
    await announce(origin, peer(1));
    const response = await fetch(origin + query(2, ""));
    assertEquals([response.status, response.headers.get("retry-after")], [429, "60"]);
    assertStringIncludes(await response.text(), "too many requests");
    assertEquals(await (await fetch(`${origin}/health`)).text(), "ok\n");
  });
  await withTracker({ connectionsPerAddress: 2 }, async (origin) => {
    const { hostname, port } = new URL(origin);
    const open = () => Deno.connect({ hostname, port: Number(port) });
    using first = await open();
    using second = await open();
    using third = await open();
    assertEquals(await third.read(new Uint8Array(1)), null);
    for (const each of [first, second]) {
      await each.write(new TextEncoder().encode("GET /health HTTP/1.0\r\n\r\n"));
      assertStringIncludes(await new Response(each.readable).text(), "ok");
    }
  });
});
