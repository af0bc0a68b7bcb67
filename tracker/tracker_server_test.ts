/** A tracker server and swarms: who finds whom, and in which form. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { decode } from "@enjambre/bencode";
import {
  announce,
  ask,
  hex,
  infoHash,
  leakTest,
  peer,
  query,
  withTracker,
} from "./_serving_test.ts";
import { announceHttp, scrapeHttp } from "./http_client_deno.ts";
import { MemorySwarmStore } from "./swarm.ts";
import type { SwarmStore } from "./swarm_store.ts";

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
