import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { parseInfoHashes } from "./access.ts";
import { MetricsServer } from "./metrics_server_deno.ts";
import { MemorySwarmStore } from "./swarm.ts";
import type { ReplicaStatus, ReplicatedAnnounce, SwarmReplica } from "./swarm_replica.ts";
import { TrackerServer } from "./tracker_server_deno.ts";
import type { TrackerServerOptions } from "./tracker_server_options.ts";
import { UdpTrackerClient } from "./udp_client_deno.ts";
import { announce, ask, infoHash, leakTest, peer, query } from "./_serving_test.ts";

/** One that keeps what it is told. */
class NotingReplica implements SwarmReplica {
  readonly heard: string[] = [];
  readonly status: ReplicaStatus = {
    members: 2,
    lagSeconds: 1.5,
    records: 7,
    refused: 0,
    bytesSent: 10,
    bytesReceived: 20,
  };
  take: (announce: ReplicatedAnnounce) => void = () => {};
  #wake: () => void = () => {};

  attach(take: (announce: ReplicatedAnnounce) => void): void {
    this.take = take;
  }

  handleAnnounce({ peerId, address, port, seed, event, hostname, key }: ReplicatedAnnounce): void {
    const fields = [peerId[0], address.join("."), port, seed ? "seed" : "leecher", event];
    this.heard.push([...fields, hostname ?? "-", key].join(" "));
    this.#wake();
  }

  /** Resolves when it has heard so many announces. */
  async until(count: number): Promise<void> {
    while (this.heard.length < count) {
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }
}

const remote: ReplicatedAnnounce = {
  infoHash,
  peerId: new Uint8Array(20).fill(99),
  address: new Uint8Array([10, 0, 0, 9]),
  port: 999,
  key: 0,
  hostname: null,
  seed: true,
  event: "completed",
};

async function withReplica(
  options: TrackerServerOptions,
  use: (origin: string, replica: NotingReplica, server: TrackerServer) => Promise<void>,
): Promise<void> {
  const replica = new NotingReplica();
  const server = new TrackerServer({ hostname: "127.0.0.1", port: 0, ...options, replica });
  const { port } = await server.listen();
  try {
    await use(`http://127.0.0.1:${port}`, replica, server);
  } finally {
    await server.close();
  }
}

const hasUdp = typeof Deno.listenDatagram === "function";

leakTest(
  "TrackerServer tells its replica of what it accepted, and of nothing else",
  () =>
    withReplica(
      { lists: { denied: parseInfoHashes("11".repeat(20)) } },
      async (origin, replica) => {
        await announce(origin, peer(1, { event: "started", key: 5, hostname: "box" }));
        await announce(origin, peer(2, { left: 0, event: "completed" }));
        await announce(origin, peer(1, { event: "stopped", key: 5 }));
        await ask(
          origin,
          query(3, "&left=1").replace(/info_hash=[^&]*/, `info_hash=${"%11".repeat(20)}`),
        );
        await ask(origin, "/announce?info_hash=x");
        await ask(origin, `/scrape?info_hash=${"%11".repeat(20)}`);
        assertEquals(replica.heard, [
          "1 127.0.0.1 1001 leecher started box 5",
          "2 127.0.0.1 1002 seed completed - 0",
          "1 127.0.0.1 1001 leecher stopped - 5",
        ]);
      },
    ),
);

leakTest(
  "TrackerServer tells its replica of what an impostor is refused: nothing",
  () =>
    withReplica({ trustedClients: ["127.0.0.1"] }, async (origin, replica) => {
      await ask(origin, query(1, "&left=1&key=0000000a&ip=10.1.1.1"));
      assertStringIncludes(
        await ask(origin, query(1, "&left=1&key=0000000b&ip=10.2.2.2")),
        "failure",
      );
      assertEquals(replica.heard, ["1 10.1.1.1 1001 leecher  - 10"]);
    }),
);

leakTest(
  "TrackerServer answers with what its replica hands in, and counts it",
  () =>
    withReplica({}, async (origin, { take }) => {
      take(remote);
      take({ ...remote, peerId: new Uint8Array(20).fill(98), seed: false, event: "" });
      const answer = await announce(origin, peer(1));
      assertEquals([answer.seeders, answer.leechers], [1, 2]);
      assertEquals(answer.peers.map(({ host, port }) => `${host}:${port}`), [
        "10.0.0.9:999",
        "10.0.0.9:999",
      ]);
      take(remote);
      assertStringIncludes(await ask(origin, query(1, "")), "8:completei1e10:downloadedi1e");
      take({ ...remote, event: "stopped" });
      assertEquals((await announce(origin, peer(1))).seeders, 0);
    }),
);

leakTest(
  "TrackerServer takes nothing from its replica that it does not serve",
  () =>
    withReplica(
      { lists: { allowed: parseInfoHashes("11".repeat(20)) } },
      async (origin, { take }, server) => {
        take(remote);
        take({ ...remote, infoHash: new Uint8Array(20).fill(0x11) });
        assertEquals(server.stats.peers, 1);
        const scraped = await ask(origin, `/scrape?info_hash=${"%11".repeat(20)}`);
        assertStringIncludes(scraped, "8:completei1e");
      },
    ),
);

leakTest(
  "TrackerServer tells how its replica is",
  () =>
    withReplica({}, async (origin, replica, server) => {
      const stats = await (await fetch(`${origin}/stats`)).json();
      assertEquals(stats.cluster, replica.status);
      const page = await fetch(`${origin}/stats`, { headers: { accept: "text/html" } });
      assertStringIncludes(await page.text(), "<dt>other trackers<dd>2</div>");
      const metrics = new MetricsServer(server);
      const { port } = await metrics.listen("127.0.0.1", 0);
      const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
      await metrics.close();
      for (
        const line of [
          "tracker_replica_members 2",
          "tracker_replica_lag_seconds 1.5",
          "tracker_replica_records 7",
          "tracker_replica_refused_total 0",
          'tracker_replica_bytes_total{direction="received"} 20',
        ]
      ) assertStringIncludes(text, `${line}\n`);
    }),
);

leakTest(
  "TrackerServer tells its replica of announces over UDP",
  () =>
    withReplica({ udpPort: "same" }, async (origin, replica) => {
      const client = new UdpTrackerClient();
      assert((await client.announce(origin.replace("http", "udp"), peer(4))).ok);
      client.close();
      assertEquals(replica.heard, ["4 127.0.0.1 1004 leecher  - 0"]);
    }),
  !hasUdp,
);

leakTest(
  "TrackerServer tells its replica of announces in every thread, and answers in every thread",
  () =>
    withReplica({ workers: 3 }, async (origin, replica) => {
      replica.take(remote);
      for (let n = 1; n <= 30; n++) {
        // A connection each, so that every thread gets some.
        using client = Deno.createHttpClient({ poolMaxIdlePerHost: 0 });
        const body = await (await fetch(origin + query(n, "&left=1"), { client })).text();
        assertStringIncludes(body, "8:completei1e");
      }
      await replica.until(30);
      assertEquals(new Set(replica.heard).size, 30);
    }),
  !hasUdp,
);

Deno.test("TrackerServer refuses a replica for swarms that others keep", () => {
  const store = new MemorySwarmStore({ peerTtlMs: 1, random: () => 0, peersMax: 1 });
  assertThrows(
    () => new TrackerServer({ store, replica: new NotingReplica() }),
    RangeError,
    "a replica is for swarms in memory alone",
  );
});
