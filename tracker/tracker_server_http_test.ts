/** A tracker server and HTTP: what it answers, how it listens and what it tells. */
import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import {
  announce,
  ask,
  askRaw,
  hex,
  infoHash,
  leakTest,
  peer,
  query,
  withTracker,
} from "./_serving_test.ts";
import { TrackerError } from "./errors.ts";
import { scrapeHttp } from "./http_client_deno.ts";
import { percentEncode } from "./query.ts";
import { MemorySwarmStore } from "./swarm.ts";
import type { RequestRecord } from "./tracker_core.ts";
import { TrackerServer } from "./tracker_server_deno.ts";

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
