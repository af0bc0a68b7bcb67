import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { decode } from "@enjambre/bencode";
import { parseInfoHashes, parsePasskeys } from "./access.ts";
import type { AnnounceAnswer, AnnounceRequest } from "./announce.ts";
import { TrackerError } from "./errors.ts";
import { announceHttp, scrapeHttp } from "./http_client_deno.ts";

import { percentEncode } from "./query.ts";
import { MemorySwarmStore } from "./swarm.ts";
import type { SwarmStore } from "./swarm_store.ts";
import type { RequestRecord } from "./tracker_core.ts";
import { TrackerServer, type TrackerServerOptions } from "./tracker_server_deno.ts";

const infoHash: Uint8Array = Uint8Array.from({ length: 20 }, (_, i) => i * 12);
const hex = infoHash.toHex();

/** A test that also fails when timers or connections are left over. */
function leakTest(name: string, fn: () => void | Promise<void>, ignore: boolean = false): void {
  Deno.test({ name, fn, ignore, sanitizeOps: true, sanitizeResources: true });
}

async function withTracker(
  options: TrackerServerOptions,
  use: (origin: string) => Promise<void>,
): Promise<void> {
  const server = new TrackerServer({ hostname: "127.0.0.1", port: 0, ...options });
  const { hostname, port } = await server.listen();
  try {
    await use(`http://${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`);
  } finally {
    await server.close();
  }
}

/** Peer `n`, a leecher that listens on port 1000 + n. */
function peer(n: number, fields: Partial<AnnounceRequest> = {}): AnnounceRequest {
  return {
    infoHash,
    peerId: new Uint8Array(20).fill(n),
    port: 1000 + n,
    uploaded: 0,
    downloaded: 0,
    left: 1,
    event: "",
    numWant: 50,
    ...fields,
  };
}

async function announce(origin: string, request: AnnounceRequest): Promise<AnnounceAnswer> {
  const result = await announceHttp(`${origin}/announce`, request);
  assert(result.ok, result.ok ? "" : result.failureReason);
  return result;
}

/** The bencoded body of a request made by hand, as text with one character per byte. */
async function ask(origin: string, path: string): Promise<string> {
  const response = await fetch(origin + path);
  const body = await response.bytes();
  assertEquals(response.status, 200);
  decode(body);
  return String.fromCharCode(...body);
}

function query(n: number, more: string): string {
  const peerId = percentEncode(new Uint8Array(20).fill(n));
  return `/announce?info_hash=${percentEncode(infoHash)}&peer_id=${peerId}&port=${1000 + n}${more}`;
}

leakTest("TrackerServer lets two peers find each other", async () => {
  await withTracker({ intervalSeconds: 600 }, async (origin) => {
    assertEquals(await announce(origin, peer(1, { event: "started" })), {
      ok: true,
      intervalSeconds: 600,
      minIntervalSeconds: 20,
      seeders: 0,
      leechers: 1,
      peers: [],
      warning: null,
      trackerId: null,
    });
    const second = await announce(origin, peer(2, { left: 0 }));
    assertEquals(second.peers, [{ host: "127.0.0.1", port: 1001, peerId: null }]);
    const first = await announce(origin, peer(1));
    assertEquals(first.peers, [{ host: "127.0.0.1", port: 1002, peerId: null }]);
    assertEquals([first.seeders, first.leechers], [1, 1]);
  });
});

leakTest("TrackerServer gives names to those who can take them, else addresses", async () => {
  await withTracker({}, async (origin) => {
    await announce(origin, peer(1, { hostname: "seed_1" }));
    await announce(origin, peer(2, { hostname: "10.9.8.7" }));
    const compact = await announce(origin, peer(3));
    assertEquals(compact.peers.map(({ host, port }) => `${host}:${port}`).sort(), [
      "127.0.0.1:1001",
      "127.0.0.1:1002",
    ]);
    const named = await announce(origin, peer(4, { hostname: "seed_4" }));
    assertEquals(named.peers.map(({ host, port }) => `${host}:${port}`).sort(), [
      "10.9.8.7:1002",
      "127.0.0.1:1003",
      "seed_1:1001",
    ]);
  });
});

leakTest("TrackerServer answers in the form that was asked for", async () => {
  await withTracker({}, async (origin) => {
    await ask(origin, query(65, ""));
    const id = "A".repeat(20);
    const peers = "5:peers6:\x7f\0\0\x01\x04\x29";
    assertStringIncludes(await ask(origin, query(1, "")), peers);
    assertStringIncludes(await ask(origin, query(1, "&compact=1")), peers);
    assertStringIncludes(
      await ask(origin, query(1, "&compact=0")),
      `5:peersld2:ip9:127.0.0.17:peer id20:${id}4:porti1065eee`,
    );
    assertStringIncludes(
      await ask(origin, query(1, "&compact=0&no_peer_id=1")),
      "5:peersld2:ip9:127.0.0.14:porti1065eee",
    );
    assertStringIncludes(await ask(origin, query(1, "&numwant=0")), "5:peers0:");
    assertStringIncludes(await ask(origin, query(1, "&event=stopped")), "5:peers0:");
  });
});

leakTest("TrackerServer believes the connection, not what a peer says of its address", async () => {
  await withTracker({}, async (origin) => {
    const headers = { "x-forwarded-for": "8.8.8.8", forwarded: "for=8.8.8.8" };
    const response = await fetch(origin + query(1, "&ip=8.8.8.8&ipv4=8.8.8.8"), { headers });
    await response.bytes();
    const { peers } = await announce(origin, peer(2));
    assertEquals(peers, [{ host: "127.0.0.1", port: 1001, peerId: null }]);
  });
});

const hasIpv6 = (() => {
  try {
    Deno.listen({ hostname: "::1", port: 0 }).close();
    return true;
  } catch {
    return false;
  }
})();

leakTest(
  `TrackerServer gives IPv6 peers as peers6${hasIpv6 ? "" : " (skipped: no IPv6 here)"}`,
  async () => {
    const store = new MemorySwarmStore({ peerTtlMs: 1e9, random: Math.random });
    await withTracker({ hostname: "::1", store }, async (origin6) => {
      await withTracker({ store }, async (origin4) => {
        await announce(origin4, peer(1));
        const six = await announce(origin6, peer(2));
        assertEquals(six.peers, [{ host: "127.0.0.1", port: 1001, peerId: null }]);
        const four = await announce(origin4, peer(1));
        assertEquals(four.peers, [{ host: "::1", port: 1002, peerId: null }]);
      });
    });
    // A socket for both families reports IPv4 peers as mapped addresses.
    await withTracker({ hostname: "::", store }, async (origin) => {
      const { port } = new URL(origin);
      const mapped = await announce(`http://127.0.0.1:${port}`, peer(3));
      assertEquals(mapped.peers.length, 2);
      const peers = (await announce(origin.replace("[::]", "[::1]"), peer(2))).peers;
      assert(peers.some((each) => each.host === "127.0.0.1" && each.port === 1003));
    });
  },
  !hasIpv6,
);

leakTest("TrackerServer forgets who stops and who is silent", async () => {
  let nowMs = 5;
  await withTracker({ intervalSeconds: 60, nowMs: () => nowMs }, async (origin) => {
    for (const n of [1, 2, 3]) await announce(origin, peer(n));
    await announce(origin, peer(1, { event: "stopped" }));
    assertEquals((await announce(origin, peer(3))).peers.map(({ port }) => port), [1002]);
    nowMs += 100_000;
    await announce(origin, peer(3));
    nowMs += 79_999;
    assertEquals((await announce(origin, peer(4))).leechers, 3);
    nowMs += 1;
    assertEquals((await announce(origin, peer(4))).peers.map(({ port }) => port), [1003]);
    nowMs += 1e9;
    assertEquals(await scrapeHttp(`${origin}/announce`, [infoHash]), new Map());
  });
});

leakTest(
  "TrackerServer sweeps by its one timer, more often while peers are left over",
  async () => {
    const expired: number[] = [];
    let swept = () => {};
    const done = new Promise<void>((resolve) => swept = resolve);
    const store: SwarmStore = {
      swarmCount: 0,
      peerCount: 0,
      announce: () => Promise.resolve(),
      scrape: () => [],
      scrapeAll: () => [],
      expire: (nowMs) => {
        expired.push(nowMs);
        if (expired.length === 3) swept();
      },
      get nextExpiryMs() {
        return expired.length < 3 ? 7 : Infinity;
      },
    };
    await withTracker({ store, nowMs: () => 8 }, async (origin) => {
      await announce(origin, peer(1));
      await announce(origin, peer(2));
      await done;
    });
    assertEquals(expired, [8, 8, 8]);
  },
);

leakTest("TrackerServer scrapes what is asked for, all swarms only if allowed", async () => {
  const other = new Uint8Array(20).fill(7);
  const play = async (origin: string) => {
    await announce(origin, peer(1));
    await announce(origin, peer(1, { event: "completed", left: 0 }));
    await announce(origin, peer(2));
    await announce(origin, peer(3, { infoHash: other }));
  };
  const counts = { seeders: 1, completed: 1, leechers: 1 };
  await withTracker({}, async (origin) => {
    await play(origin);
    const unknown = new Uint8Array(20);
    assertEquals(
      await scrapeHttp(`${origin}/announce`, [infoHash, unknown, other]),
      new Map([[hex, counts], [other.toHex(), { seeders: 0, completed: 0, leechers: 1 }]]),
    );
    assertStringIncludes(await ask(origin, "/scrape"), "failure reason");
  });
  await withTracker({ fullScrape: true }, async (origin) => {
    await play(origin);
    const body = decode(await (await fetch(`${origin}/scrape`)).bytes()) as Map<string, unknown>;
    assertEquals((body.get("files") as Map<string, unknown>).size, 2);
  });
});

leakTest("TrackerServer says with HTTP 200 which parameter it cannot read", async () => {
  await withTracker({}, async (origin) => {
    const table: [path: string, words: string][] = [
      ["/announce", "Cannot read info_hash: it is missing"],
      ["/announce?info_hash=%0%a", "Cannot read info_hash: "],
      [query(1, "&port=0"), "Cannot read port: is 0, should be 1 to 65535"],
      [query(1, "&left=-1"), "Cannot read left: "],
      [query(1, "&hostname=a%20b"), "Cannot read hostname: "],
      [query(1, `&x=${"a".repeat(9000)}`), "Cannot read query: length is"],
      ["/scrape?info_hash=abc", "Cannot read info_hash: length is 3 bytes"],
    ];
    for (const [path, words] of table) {
      const body = await ask(origin, path);
      assertStringIncludes(body, "d14:failure reason");
      assertStringIncludes(body, words);
    }
  });
});

leakTest("TrackerServer refuses newcomers when its store is full", async () => {
  const store = new MemorySwarmStore({ peerTtlMs: 1e9, random: Math.random, peersMax: 1 });
  await withTracker({ store }, async (origin) => {
    await announce(origin, peer(1));
    assertEquals(await announceHttp(`${origin}/announce`, peer(2)), {
      ok: false,
      failureReason: "the tracker is full; try again later",
    });
  });
});

leakTest("TrackerServer has /health, and 404 or 405 for what it has not", async () => {
  await withTracker({}, async (origin) => {
    const status = async (path: string, method = "GET") => {
      const response = await fetch(origin + path, { method });
      return [response.status, await response.text()];
    };
    assertEquals(await status("/health"), [200, "ok\n"]);
    for (const path of ["/", "/announce/", "/health/x", "//announce", "/Announce?a"]) {
      assertEquals((await status(path))[0], 404, path);
    }
    assertEquals(await status(query(1, ""), "POST"), [405, "Method not allowed\n"]);
    assertEquals(await status(query(1, ""), "HEAD"), [200, ""]);
    assertEquals((await announce(origin, peer(2))).leechers, 1);
  });
});

leakTest("TrackerServer reports its own faults to onError, and answers 500", async () => {
  const errors: unknown[] = [];
  const broken = new MemorySwarmStore({ peerTtlMs: 1, random: Math.random });
  broken.scrape = () => {
    throw new Error("broken");
  };
  await withTracker({ store: broken, onError: (error) => errors.push(error) }, async (origin) => {
    const scrape = () => scrapeHttp(`${origin}/announce`, [infoHash]);
    assertEquals((await assertRejects(scrape, TrackerError)).code, "http-status");
    assertEquals(errors.map((error) => (error as Error).message), ["broken"]);
  });
});

leakTest("TrackerServer says that its port is in use, or why else it cannot listen", async () => {
  await withTracker({}, async (origin) => {
    const port = Number(new URL(origin).port);
    const second = new TrackerServer({ hostname: "127.0.0.1", port });
    const error = await assertRejects(
      () => second.listen(),
      TrackerError,
      "the port is in use; choose",
    );
    assertEquals([error.code, error.url], ["port-in-use", `127.0.0.1:${port}`]);
    await second.close();
  });
  // An address for documentation (RFC 5737); no machine has it.
  const nowhere = new TrackerServer({ hostname: "192.0.2.1" });
  const error = await assertRejects(
    () => nowhere.listen(),
    TrackerError,
    "no address of this machine",
  );
  assertEquals(error.code, "listen");
  const unknown = new TrackerServer({ hostname: "nowhere.invalid" });
  await assertRejects(() => unknown.listen(), TrackerError, "the host name cannot be resolved; ");
});

leakTest("TrackerServer listens once, and closes with requests half sent", async () => {
  const server = new TrackerServer({ hostname: "127.0.0.1" });
  const { port } = await server.listen();
  await assertRejects(() => server.listen(), TypeError, "listen() was called before");
  const connection = await Deno.connect({ hostname: "127.0.0.1", port });
  await connection.write(new TextEncoder().encode("GET /announce HTTP/1.1\r\nHos"));
  await Promise.all([server.close(), server.close()]);
  await server.close();
  connection.close();
  await assertRejects(() => Deno.connect({ hostname: "127.0.0.1", port }));
});

leakTest("TrackerServer refuses an interval that makes no sense", () => {
  for (const intervalSeconds of [0, -1, 1.5, NaN, 86_401]) {
    assertThrows(
      () => new TrackerServer({ intervalSeconds }),
      RangeError,
      "should be 1 to 86400 s",
    );
  }
});

/** Sends raw bytes, and reads until the server hangs up. */
async function askRaw(origin: string, text: string): Promise<string> {
  const { hostname, port } = new URL(origin);
  using connection = await Deno.connect({ hostname, port: Number(port) });
  await connection.write(new TextEncoder().encode(text));
  return await new Response(connection.readable).text();
}

leakTest("TrackerServer answers requests that come at once in their order", async () => {
  await withTracker({}, async (origin) => {
    const announces = [1, 2, 3].map((n) => `GET ${query(n, "")} HTTP/1.1\r\nHost: a\r\n\r\n`);
    const text = await askRaw(origin, `${announces.join("")}GET /health HTTP/1.0\r\n\r\n`);
    const counts = [...text.matchAll(/10:incompletei(\d+)e/g)].map(([, count]) => count);
    assertEquals(counts, ["1", "2", "3"]);
    assert(text.endsWith("Connection: close\r\n\r\nok\n"), text);
  });
});

leakTest("TrackerServer hangs up on what is no HTTP, after saying so", async () => {
  await withTracker({}, async (origin) => {
    const statusOf = async (text: string) => (await askRaw(origin, text)).slice(9, 12);
    assertEquals(await statusOf("\x16\x03\x01 hello\n\n"), "400");
    assertEquals(await statusOf("GET / HTTP/1.1\r\nContent-Length: 1\r\n\r\n"), "413");
    assertEquals(await statusOf(`GET /${"a".repeat(12_284)}`), "414");
    assertEquals(await statusOf(`GET / HTTP/1.1\r\n${"a: b\r\n".repeat(101)}\r\n`), "431");
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

leakTest(
  "TrackerServer makes room for a new connection, at the cost of one that asks nothing",
  async () => {
    const server = new TrackerServer({ hostname: "127.0.0.1", connectionsMax: 3 });
    const { hostname, port } = await server.listen();
    const open = () => Deno.connect({ hostname, port });
    const idle = [await open(), await open(), await open()];
    const origin = `http://${hostname}:${port}`;
    for (let i = 0; i < 5; i++) {
      assertStringIncludes(await askRaw(origin, "GET /health HTTP/1.0\r\n\r\n"), "ok");
    }
    // The first of them took the place of one, and made room for the others when it ended.
    assertEquals(server.metrics.connections("evicted"), 1);
    for (const each of idle) each.close();
    await server.close();
  },
);

leakTest("TrackerServer has /stats, for programs and for people", async () => {
  await withTracker({}, async (origin) => {
    await announce(origin, peer(1));
    const stats = await (await fetch(`${origin}/stats`)).json();
    assertEquals([stats.peers, stats.swarms], [1, 1]);
    assertEquals(stats.requests["http-announce"].answered, 1);
    const page = await fetch(`${origin}/stats`, { headers: { accept: "text/html" } });
    assertEquals(page.headers.get("content-type"), "text/html; charset=utf-8");
    assertStringIncludes(await page.text(), "<h1>Tracker</h1>");
  });
});

leakTest("TrackerServer tells of every request, where somebody listens", async () => {
  const records: RequestRecord[] = [];
  await withTracker({ onRequest: (record) => records.push(record) }, async (origin) => {
    await announce(origin, peer(1, { event: "started" }));
    await ask(origin, "/announce?x");
    await ask(origin, `/scrape?info_hash=${percentEncode(infoHash)}`);
  });
  const address = "127.0.0.1";
  assertEquals(records, [
    {
      kind: "http-announce",
      outcome: "answered",
      address,
      infoHash: hex,
      event: "started",
      port: 1001,
      peers: 0,
    },
    { kind: "http-announce", outcome: "malformed", address },
    { kind: "http-scrape", outcome: "answered", address },
  ]);
});
