import { createSocket, type Socket } from "node:dgram";
import { assertEquals, assertInstanceOf, assertRejects, assertStringIncludes } from "@std/assert";
import { encode } from "@enjambre/bencode";
import type { AnnounceAnswer, AnnounceRequest } from "./announce.ts";
import { TrackerError } from "./errors.ts";
import { announceHttp, probeHttp } from "./http_client_deno.ts";
import { TrackerClient } from "./tracker_client_deno.ts";
import { resolveHost } from "./tracker_hosts_deno.ts";
import { UdpTrackerClient } from "./udp_client_deno.ts";
import {
  decodeUdpRequest,
  encodeUdpAnnounceResponse,
  encodeUdpConnectResponse,
  encodeUdpError,
  encodeUdpScrapeResponse,
  type UdpAnnounceRequest,
  type UdpRequest,
} from "./udp_packets.ts";

const request: AnnounceRequest = {
  infoHash: new Uint8Array(20).fill(1),
  peerId: new Uint8Array(20).fill(2),
  port: 6881,
  uploaded: 1,
  downloaded: 2,
  left: 3,
  event: "started",
  numWant: 50,
  key: 77,
};

/** A test that also fails when timers or sockets are left over. */
function leakTest(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, fn, sanitizeOps: true, sanitizeResources: true });
}

/** A tracker over UDP that answers as it is told; null is no answer. */
class FakeTracker {
  readonly requests: UdpRequest[] = [];
  readonly #socket: Socket;
  readonly #answer: (request: UdpRequest) => Uint8Array | null;

  private constructor(socket: Socket, answer: (request: UdpRequest) => Uint8Array | null) {
    this.#socket = socket;
    this.#answer = answer;
    socket.on("message", (packet, { address, port }) => {
      const request = decodeUdpRequest(packet.slice());
      if (request.action === "invalid") throw new Error(request.reason);
      this.requests.push(request);
      const reply = this.#answer(request);
      if (reply !== null) socket.send(reply, port, address);
    });
  }

  static async listen(
    answer: (request: UdpRequest) => Uint8Array | null = answerAll,
    host = "127.0.0.1",
    port = 0,
  ): Promise<FakeTracker> {
    const socket = createSocket(host.includes(":") ? "udp6" : "udp4");
    await new Promise<void>((resolve) => socket.bind(port, host, resolve));
    return new FakeTracker(socket, answer);
  }

  get port(): number {
    return this.#socket.address().port;
  }

  get actions(): string[] {
    return this.requests.map(({ action }) => action);
  }

  close(): Promise<void> {
    return new Promise((resolve) => this.#socket.close(() => resolve()));
  }
}

function answerAll(request: UdpRequest): Uint8Array {
  const { transactionId } = request;
  if (request.action === "connect") return encodeUdpConnectResponse(transactionId, 1, 2);
  if (request.action === "scrape") {
    const counts = request.infoHashes.map((_, i) => ({ seeders: i, completed: 5, leechers: 6 }));
    return encodeUdpScrapeResponse(transactionId, counts);
  }
  const head = { transactionId, intervalSeconds: 900, leechers: 3, seeders: 4 };
  return encodeUdpAnnounceResponse(head, new Uint8Array([127, 0, 0, 9, 0x1a, 0xe1]));
}

leakTest(
  "UdpTrackerClient announces with everything that was said, and scrapes on the same connection id",
  async () => {
    const tracker = await FakeTracker.listen();
    const client = new UdpTrackerClient();
    const url = `udp://127.0.0.1:${tracker.port}/announce?passkey=1`;
    const result = await client.announce(url, request);
    assertEquals(result, {
      ok: true,
      intervalSeconds: 900,
      minIntervalSeconds: null,
      seeders: 4,
      leechers: 3,
      peers: [{ host: "127.0.0.9", port: 6881, peerId: null }],
      warning: null,
      trackerId: null,
    });
    const { action, event, key, left, urlData, numWant } = tracker
      .requests[1] as UdpAnnounceRequest;
    assertEquals([action, event, key, left, urlData, numWant], [
      "announce",
      "started",
      77,
      3,
      "/announce?passkey=1",
      50,
    ]);
    const hashes = [new Uint8Array(20).fill(8), new Uint8Array(20).fill(9)];
    assertEquals(
      await client.scrape(url, hashes),
      new Map([
        ["08".repeat(20), { seeders: 0, completed: 5, leechers: 6 }],
        ["09".repeat(20), { seeders: 1, completed: 5, leechers: 6 }],
      ]),
    );
    assertEquals(tracker.actions, ["connect", "announce", "scrape"]);
    client.close();
    await tracker.close();
  },
);

leakTest("UdpTrackerClient asks many at once under one connection id", async () => {
  const tracker = await FakeTracker.listen();
  const client = new UdpTrackerClient();
  const url = `udp://127.0.0.1:${tracker.port}`;
  await client.probe(url);
  const results = await Promise.all(
    Array.from({ length: 20 }, () => client.announce(url, request)),
  );
  assertEquals(results.every((result) => result.ok), true);
  assertEquals(tracker.actions.filter((action) => action === "connect").length, 1);
  client.close();
  await tracker.close();
});

leakTest("UdpTrackerClient gives a refusal as a value, in words that can be printed", async () => {
  const tracker = await FakeTracker.listen((request) =>
    request.action === "connect"
      ? answerAll(request)
      : encodeUdpError(request.transactionId, "not \x1b[31myou")
  );
  const client = new UdpTrackerClient();
  const url = `udp://127.0.0.1:${tracker.port}`;
  const refusal = { ok: false as const, failureReason: "not  [31myou" };
  assertEquals(await client.announce(url, request), refusal);
  assertEquals(await client.scrape(url, [request.infoHash]), refusal);
  client.close();
  await tracker.close();
});

leakTest("UdpTrackerClient says why there is no answer", async () => {
  const tracker = await FakeTracker.listen(() => null);
  const client = new UdpTrackerClient();
  const url = `udp://127.0.0.1:${tracker.port}/secret`;
  const fails = async (work: Promise<unknown>, code: string, words: string): Promise<void> => {
    const error = await assertRejects(() => work, TrackerError);
    assertEquals(error.code, code);
    assertStringIncludes(error.message, words);
    assertEquals(error.message.includes("secret"), false);
  };
  await fails(
    client.announce(url, request, { timeoutMs: 30 }),
    "timeout",
    "no answer within 0.03 s",
  );
  await fails(client.probe(url, { timeoutMs: 30 }), "timeout", `Cannot probe 127.0.0.1:`);
  const aborted = AbortSignal.abort();
  await fails(client.announce(url, request, { signal: aborted }), "aborted", "it was aborted");
  const later = new AbortController();
  const waiting = client.announce(url, request, { signal: later.signal });
  later.abort();
  await fails(waiting, "aborted", "it was aborted");
  await fails(client.announce("udp://127.0.0.1/x", request), "bad-url", "udp://HOST:PORT");
  await fails(client.announce("http://127.0.0.1:1/x", request), "bad-url", "udp://HOST:PORT");
  await fails(client.announce("udp://x.invalid:1/", request), "unreachable", "cannot be resolved");
  const long = `udp://127.0.0.1:1/${"x".repeat(2040)}`;
  await fails(client.announce(long, request), "bad-url", "2041 bytes, limit is 2040");
  await assertRejects(() => client.announce(url, { ...request, port: 0 }), RangeError, "port is 0");
  await assertRejects(() => client.scrape(url, []), RangeError, "0 info-hashes");
  const closed = client.announce(url, request);
  const closing = fails(closed, "unreachable", "the client was closed");
  await new Promise((resolve) => setTimeout(resolve, 0));
  client.close();
  await closing;
  await tracker.close();
});

leakTest(
  "TrackerClient announces over both families, with one key, and hands on the later answer",
  async () => {
    const ipv4 = await FakeTracker.listen();
    const { port } = ipv4;
    const seen: UdpRequest[] = [];
    const ipv6 = await FakeTracker.listen(
      (request) => {
        seen.push(request);
        if (request.action === "connect") return answerAll(request);
        const head = {
          transactionId: request.transactionId,
          intervalSeconds: 9,
          leechers: 1,
          seeders: 1,
        };
        return encodeUdpAnnounceResponse(head, new Uint8Array(18).fill(1));
      },
      "::1",
      port,
    );
    const client = new TrackerClient(() =>
      Promise.resolve([{ ip: "::1", family: 6 }, { ip: "127.0.0.1", family: 4 }])
    );
    const late = Promise.withResolvers<AnnounceAnswer>();
    const url = `udp://both.example:${port}`;
    const first = await client.announce(url, request, { handleLate: late.resolve });
    const second = await late.promise;
    const hosts = [first, second].map((each) => each.ok && each.peers[0]?.host);
    assertEquals(hosts.sort(), ["101:101:101:101:101:101:101:101", "127.0.0.9"]);
    const keys = [ipv4, ipv6].map((each) => (each.requests[1] as UdpAnnounceRequest).key);
    assertEquals(keys, [77, 77]);
    await client.announce(url, { ...request, event: "stopped" });
    assertEquals([ipv4.actions.length, ipv6.actions.length], [3, 3]);
    client.close();
    await ipv4.close();
    await ipv6.close();
  },
);

leakTest(
  "TrackerClient is content with the family that answers, and says what both said if none does",
  async () => {
    let answer: (request: UdpRequest) => Uint8Array | null = answerAll;
    const tracker = await FakeTracker.listen((request) => answer(request));
    // Nobody listens on the other one.
    const client = new TrackerClient(() =>
      Promise.resolve([{ ip: "::1", family: 6 }, { ip: "127.0.0.1", family: 4 }])
    );
    const url = `udp://both.example:${tracker.port}`;
    await client.probe(url);
    assertEquals((await client.announce(url, request)).ok, true);
    answer = (request) => encodeUdpError(request.transactionId, "no");
    assertEquals(await client.announce(url, request, { timeoutMs: 50 }), {
      ok: false,
      failureReason: "no",
    });
    answer = () => null;
    const error = await assertRejects(() => client.announce(url, request, { timeoutMs: 20 }));
    assertInstanceOf(error, TrackerError);
    client.close();
    await tracker.close();
  },
);

leakTest("announceHttp() keeps to the family that it is told", async () => {
  const answer = () => new Response(encode({ interval: 60, peers: "" }));
  const server = Deno.serve({ hostname: "::1", port: 0, onListen: () => {} }, answer);
  const url = `http://[::1]:${server.addr.port}/announce`;
  assertEquals((await announceHttp(url, request, { family: 6 })).ok, true);
  const error = await assertRejects(() => announceHttp(url, request, { family: 4 }), TrackerError);
  assertEquals(error.code, "unreachable");
  await server.shutdown();
});

leakTest("probeHttp() asks by HEAD, and by GET where that is refused", async () => {
  const statuses: [head: number, get: number, methods: string[], isAlive: boolean][] = [
    [200, 200, ["HEAD"], true],
    [400, 200, ["HEAD"], true],
    [404, 200, ["HEAD"], true],
    [405, 400, ["HEAD", "GET"], true],
    [501, 200, ["HEAD", "GET"], true],
    [502, 502, ["HEAD", "GET"], false],
  ];
  let methods: string[] = [];
  let current = statuses[0]!;
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    ({ method }) => {
      methods.push(method);
      return new Response(null, { status: method === "HEAD" ? current[0] : current[1] });
    },
  );
  const url = `http://127.0.0.1:${server.addr.port}/announce`;
  for (current of statuses) {
    methods = [];
    const isAlive = await probeHttp(url).then(() => true, () => false);
    assertEquals([methods, isAlive], [current[2], current[3]], `HEAD ${current[0]}`);
  }
  await server.shutdown();
  const error = await assertRejects(() => probeHttp(url), TrackerError);
  assertStringIncludes(error.message, "Cannot probe 127.0.0.1:");
  assertStringIncludes(error.message, "connection refused");
});

leakTest(
  "probeHttp() asks again by GET when a HEAD is hung up on, and no longer than it may",
  async () => {
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const serving = (async () => {
      for await (const connection of listener) {
        const bytes = new Uint8Array(1024);
        const length = await connection.read(bytes) ?? 0;
        const text = new TextDecoder().decode(bytes.subarray(0, length));
        if (text.startsWith("GET /slow")) {
          while ((await connection.read(bytes).catch(() => null)) !== null);
        } else if (text.startsWith("GET")) {
          await connection.write(new TextEncoder().encode("HTTP/1.1 200 OK\r\n\r\n"));
        }
        connection.close();
      }
    })();
    const origin = `http://127.0.0.1:${listener.addr.port}`;
    await probeHttp(`${origin}/announce`);
    const error = await assertRejects(() => probeHttp(`${origin}/slow`, { timeoutMs: 50 }));
    assertEquals((error as TrackerError).code, "timeout");
    listener.close();
    await serving;
  },
);

Deno.test("resolveHost() gives one address of each family at most, and none for an unknown name", async () => {
  assertEquals(await resolveHost("127.0.0.1"), [{ ip: "127.0.0.1", family: 4 }]);
  assertEquals(await resolveHost("[::1]"), [{ ip: "::1", family: 6 }]);
  const local = await resolveHost("localhost");
  assertEquals(new Set(local.map(({ family }) => family)).size, local.length);
  assertEquals(local.every(({ ip }) => ip === "127.0.0.1" || ip === "::1"), true);
  assertEquals(await resolveHost("x.invalid"), []);
});
