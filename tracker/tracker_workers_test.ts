import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import type { AnnounceRequest } from "./announce.ts";
import { parseInfoHashes } from "./access.ts";
import { TrackerError } from "./errors.ts";
import { announceHttp } from "./http_client_deno.ts";
import { LOCK_BYTES, SharedLock } from "./shared_lock_deno.ts";
import { MemorySwarmStore } from "./swarm.ts";
import type { RequestRecord } from "./tracker_core.ts";
import { TrackerServer, WORKERS_MAX } from "./tracker_server_deno.ts";

const infoHash = new Uint8Array(20).fill(9);

function peer(n: number): AnnounceRequest {
  return {
    infoHash,
    peerId: new Uint8Array(20).fill(n),
    port: 1000 + n,
    uploaded: 0,
    downloaded: 0,
    left: 1,
    event: "",
    numWant: 50,
  };
}

Deno.test("TrackerServer with workers lets peers meet, whichever thread they come to", async () => {
  const records: RequestRecord[] = [];
  const server = new TrackerServer({
    hostname: "127.0.0.1",
    workers: 3,
    onRequest: (record) => records.push(record),
  });
  const { port } = await server.listen();
  const url = `http://127.0.0.1:${port}/announce`;
  try {
    for (let n = 1; n <= 30; n++) {
      // A client of its own for each, so that each has a connection of its own, to any of the threads.
      using client = Deno.createHttpClient({});
      const query = [
        `info_hash=${"%09".repeat(20)}`,
        `peer_id=${`%${n + 10}`.repeat(20)}`,
        `port=${n}`,
      ];
      const response = await fetch(`${url}?${query.join("&")}`, { client });
      assert((await response.text()).includes(`10:incompletei${n}e`), `${n}`);
    }
    const { stats } = server;
    assertEquals([stats.peers, stats.swarms], [30, 1]);
    assertEquals(stats.requests["http-announce"].answered, 30);
    server.setLists({ denied: parseInfoHashes("09".repeat(20)) });
    // Orders to a thread are done in their order, but when is not known: so until it is.
    for (let n = 1, refused = 0; refused < 20; n++) {
      using client = Deno.createHttpClient({});
      const response = await fetch(
        `${url}?info_hash=${"%09".repeat(20)}&peer_id=${"a".repeat(20)}&port=1`,
        {
          client,
        },
      );
      refused = (await response.text()).includes("does not serve") ? refused + 1 : 0;
      assert(n < 10_000);
    }
  } finally {
    await server.close();
  }
  assert(records.length >= 50);
  await assertRejects(() => announceHttp(url, peer(1)), TrackerError);
});

Deno.test("TrackerServer refuses workers that make no sense", () => {
  for (const workers of [0, 1.5, -1, WORKERS_MAX + 1]) {
    assertThrows(() => new TrackerServer({ workers }), RangeError, "workers, should be 1 to 64");
  }
  const store = new MemorySwarmStore({ peerTtlMs: 1, random: Math.random });
  assertThrows(() => new TrackerServer({ workers: 2, store }), RangeError, "of their own");
});

Deno.test("SharedLock lets one thread at a time at what they share", async () => {
  const lock = new SharedArrayBuffer(LOCK_BYTES);
  // What is counted, and how many threads are ready.
  const counter = new Int32Array(new SharedArrayBuffer(8));
  const source = `
    import { SharedLock } from ${JSON.stringify(import.meta.resolve("./shared_lock_deno.ts"))};
    self.onmessage = ({ data: { lock, counter, rounds } }) => {
      const held = new SharedLock(lock);
      // All begin together, or else one is done before the next begins.
      Atomics.add(counter, 1, 1);
      while (Atomics.load(counter, 1) < 3) Atomics.pause();
      for (let i = 0; i < rounds; i++) {
        held.acquire();
        const before = counter[0];
        // Long enough for another thread to come between.
        for (let k = 0; k < 50; k++) Atomics.load(counter, 1);
        counter[0] = before + 1;
        held.release();
      }
      self.postMessage("done");
    };`;
  const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  const rounds = 20_000;
  const threads = [1, 2, 3].map(() => new Worker(url, { type: "module" }));
  await Promise.all(threads.map((thread) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    thread.onmessage = () => resolve();
    thread.postMessage({ lock, counter, rounds });
    return promise;
  }));
  for (const thread of threads) thread.terminate();
  URL.revokeObjectURL(url);
  assertEquals(counter[0], 3 * rounds);
  // It is free again.
  new SharedLock(lock).acquire();
});

Deno.test("TrackerServer answers over HTTPS, in all of its threads", async () => {
  const server = new TrackerServer({
    hostname: "127.0.0.1",
    tls: { cert: CERT, key: KEY },
    workers: 2,
  });
  const { port } = await server.listen();
  try {
    for (let n = 0; n < 6; n++) {
      using client = Deno.createHttpClient({ caCerts: [AUTHORITY] });
      const response = await fetch(`https://127.0.0.1:${port}/health`, { client });
      assertEquals(await response.text(), "ok\n");
    }
    // Who does not speak TLS harms nobody.
    using connection = await Deno.connect({ hostname: "127.0.0.1", port });
    await connection.write(new TextEncoder().encode("GET /health HTTP/1.1\r\n\r\n"));
    await new Response(connection.readable).bytes().catch(() => {});
    using client = Deno.createHttpClient({ caCerts: [AUTHORITY] });
    assertEquals(
      await (await fetch(`https://127.0.0.1:${port}/health`, { client })).text(),
      "ok\n",
    );
  } finally {
    await server.close();
  }
});

/** Who signed the certificate; for tests alone, as are the others. */
const AUTHORITY = `-----BEGIN CERTIFICATE-----
MIIBYzCCAQqgAwIBAgIBATAKBggqhkjOPQQDAjAaMRgwFgYDVQQDDA90cmFja2Vy
IHRlc3QgQ0EwIBcNMjAwMTAxMDAwMDAwWhgPMjEyMDAxMDEwMDAwMDBaMBoxGDAW
BgNVBAMMD3RyYWNrZXIgdGVzdCBDQTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IA
BO9+FkFYZssdCIis94hkILvhURPLAX2GR3HPlmDYWRB7j/2EbK3K/sGmVy70rleb
t+zJIgGzAiMBQj1A1o6nMJOjPzA9MA8GA1UdEwEB/wQFMAMBAf8wCwYDVR0PBAQD
AgIEMB0GA1UdDgQWBBRbgp1++FImkiffC92zvKcfrkEfYDAKBggqhkjOPQQDAgNH
ADBEAiAe5oX7vU+ND2wylcRbzd65tMHNFh27bnI13BouuwmwkAIgZvrqEZqsxfC/
g7JFc5nR119J3I+CLCdGlI4QBGAMRHE=
-----END CERTIFICATE-----
`;
/** A certificate for 127.0.0.1 and localhost. */
const CERT = `-----BEGIN CERTIFICATE-----
MIIBizCCATGgAwIBAgIBAjAKBggqhkjOPQQDAjAaMRgwFgYDVQQDDA90cmFja2Vy
IHRlc3QgQ0EwIBcNMjAwMTAxMDAwMDAwWhgPMjEyMDAxMDEwMDAwMDBaMBcxFTAT
BgNVBAMMDHRyYWNrZXIudGVzdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABA9+
CpV1daqG29FEY79UFnjt4HpltrnPMkloN7OMMR07/cupmthY9zwVLWdnhmEB08IK
os++/EWU2usQGXhM4XmjaTBnMAkGA1UdEwQCMAAwGgYDVR0RBBMwEYIJbG9jYWxo
b3N0hwR/AAABMB0GA1UdDgQWBBTtrw4yb5I3zMPrS5ZM2taWr3BV0TAfBgNVHSME
GDAWgBRbgp1++FImkiffC92zvKcfrkEfYDAKBggqhkjOPQQDAgNIADBFAiAGKKRJ
pMSEDgac/j4QVO/9mj5fvmwF3psxu1/N0ufszwIhALORCmbEnVKWsWByeDacbwsj
1Y0e1sqvZiU0ZKBEleLM
-----END CERTIFICATE-----
`;
const KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgW+tKnBSqdxyqmaeX
d2oV/3xVlhpIrBsdVzs5AAcTTP6hRANCAAQPfgqVdXWqhtvRRGO/VBZ47eB6Zba5
zzJJaDezjDEdO/3LqZrYWPc8FS1nZ4ZhAdPCCqLPvvxFlNrrEBl4TOF5
-----END PRIVATE KEY-----
`;
