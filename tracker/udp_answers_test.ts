import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { parseIp } from "./address.ts";
import { parsePasskeys } from "./access.ts";
import { CONNECTION_WINDOW_MS } from "./connection_id.ts";
import { TrackerMetrics } from "./metrics.ts";
import { MemorySwarmStore } from "./swarm.ts";
import type { SwarmStore } from "./swarm_store.ts";
import { TrackerCore, type TrackerRules } from "./tracker_core.ts";
import { UDP_ANSWER_BYTES_MAX, UDP_NUM_WANT6_MAX, UdpAnswers } from "./udp_answers.ts";
import {
  decodeUdpResponse,
  encodeUdpAnnounce,
  encodeUdpConnect,
  encodeUdpScrape,
  type UdpAnnounceRequest,
  type UdpResponse,
} from "./udp_packets.ts";

const infoHash = new Uint8Array(20).fill(7);
const four = (n: number) => parseIp(`192.0.2.${n}`)!;
const six = (n: number) => parseIp(`2001:db8::${n.toString(16)}`)!;

/** A tracker without a socket, and what was counted. */
class Asked {
  readonly metrics = new TrackerMetrics();
  readonly answers: UdpAnswers;
  nowMs = 0;

  constructor(rules: TrackerRules = {}, store?: SwarmStore) {
    const memory = new MemorySwarmStore({ peerTtlMs: 1e9, random: Math.random, peersMax: 1000 });
    const core = new TrackerCore(store ?? memory, this.metrics, rules, Math.random, null);
    this.answers = new UdpAnswers(core, new Uint8Array(16).fill(3));
  }

  async ask(packet: Uint8Array, from: Uint8Array): Promise<UdpResponse | null> {
    const target = new Uint8Array(UDP_ANSWER_BYTES_MAX);
    const length = await this.answers.answer(packet, from, this.nowMs, target);
    if (length === 0) return null;
    const response = decodeUdpResponse(target.subarray(0, length), from.length as 4 | 16);
    assert(response.action !== "invalid");
    return response;
  }

  /** A connection id for an address. */
  async connect(
    from: Uint8Array,
  ): Promise<Pick<UdpAnnounceRequest, "connectionHigh" | "connectionLow">> {
    const response = await this.ask(encodeUdpConnect(99), from);
    assert(response?.action === "connect");
    assertEquals(response.transactionId, 99);
    const { connectionHigh, connectionLow } = response;
    return { connectionHigh, connectionLow };
  }

  async announce(
    n: number,
    from: Uint8Array,
    fields: Partial<UdpAnnounceRequest> = {},
  ): Promise<UdpResponse | null> {
    return await this.ask(announceOf(n, { ...await this.connect(from), ...fields }), from);
  }
}

function announceOf(n: number, fields: Partial<UdpAnnounceRequest>): Uint8Array<ArrayBuffer> {
  return encodeUdpAnnounce({
    connectionHigh: 0,
    connectionLow: 0,
    transactionId: 5,
    infoHash,
    peerId: new Uint8Array(20).fill(n),
    downloaded: 0,
    left: 1,
    uploaded: 0,
    event: "started",
    ip: 0,
    key: 0,
    numWant: null,
    port: 1000 + n,
    urlData: "",
    ...fields,
  });
}

function peersOf(response: UdpResponse | null): string[] {
  assert(response?.action === "announce");
  return response.peers.map(({ host, port }) => `${host} ${port}`).sort();
}

function messageOf(response: UdpResponse | null): string {
  assert(response?.action === "error");
  return new TextDecoder().decode(response.message);
}

Deno.test("UdpAnswers lets peers of one family find each other", async () => {
  const asked = new Asked({ intervalSeconds: 600 });
  assertEquals(peersOf(await asked.announce(1, four(1))), []);
  const second = await asked.announce(2, four(2), { left: 0 });
  assert(second?.action === "announce");
  const { transactionId, intervalSeconds, seeders, leechers } = second;
  assertEquals([transactionId, intervalSeconds, seeders, leechers], [5, 600, 1, 1]);
  assertEquals(peersOf(second), ["192.0.2.1 1001"]);
  assertEquals(peersOf(await asked.announce(3, six(3))), []);
  assertEquals(peersOf(await asked.announce(4, six(4))), ["2001:db8::3 1003"]);
  assertEquals(peersOf(await asked.announce(1, four(1), { event: "" })), ["192.0.2.2 1002"]);
  assertEquals(asked.metrics.requests("udp-announce", "answered"), 5);
});

Deno.test("UdpAnswers gives as many as are wanted, and one packet of IPv6 at most", async () => {
  const asked = new Asked();
  for (let n = 1; n <= 210; n++) {
    await asked.announce(n, four(n), { numWant: 0 });
    await asked.announce(n, six(n), { numWant: 0, peerId: new Uint8Array(20).fill(n, 10) });
  }
  assertEquals(peersOf(await asked.announce(1, four(1))).length, 50);
  assertEquals(peersOf(await asked.announce(1, four(1), { numWant: 3 })).length, 3);
  assertEquals(peersOf(await asked.announce(1, four(1), { numWant: 9999 })).length, 200);
  const six1 = await asked.announce(1, six(1), {
    numWant: 9999,
    peerId: new Uint8Array(20).fill(1, 10),
  });
  assertEquals(peersOf(six1).length, UDP_NUM_WANT6_MAX);
});

Deno.test("UdpAnswers does not answer a stranger's connection id, or an old one", async () => {
  const asked = new Asked();
  const id = await asked.connect(four(1));
  assertEquals(await asked.ask(announceOf(1, id), four(2)), null);
  assertEquals(
    await asked.ask(announceOf(1, { ...id, connectionLow: id.connectionLow ^ 1 }), four(1)),
    null,
  );
  assertEquals(await asked.ask(announceOf(1, {}), four(1)), null);
  asked.nowMs = 2 * CONNECTION_WINDOW_MS - 1;
  assertEquals((await asked.ask(announceOf(1, id), four(1)))?.action, "announce");
  asked.nowMs = 2 * CONNECTION_WINDOW_MS;
  assertEquals(await asked.ask(announceOf(1, id), four(1)), null);
  const scrape = encodeUdpScrape({ ...id, transactionId: 1, infoHashes: [infoHash] });
  assertEquals(await asked.ask(scrape, four(1)), null);
  assertEquals(asked.metrics.requests("udp-announce", "dropped"), 4);
  assertEquals(asked.metrics.requests("udp-scrape", "dropped"), 1);
});

Deno.test("UdpAnswers never answers with more than it was sent, without a connection id", () => {
  const asked = new Asked();
  const target = new Uint8Array(UDP_ANSWER_BYTES_MAX);
  const packet = fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    fc.uint8Array({ maxLength: 100 }).map((tail) =>
      new Uint8Array([...encodeUdpConnect(1), ...tail])
    ),
    fc.record({ at: fc.nat(97), byte: fc.nat(255) }).map(({ at, byte }) =>
      announceOf(1, {}).fill(byte, at)
    ),
  );
  fc.assert(fc.property(packet, (bytes) => {
    const length = asked.answers.answer(bytes, four(1), 0, target);
    assert(typeof length === "number" && length <= bytes.length);
  }));
});

Deno.test("UdpAnswers says what is wrong to who has a connection id", async () => {
  const asked = new Asked();
  const id = await asked.connect(four(1));
  const packet = announceOf(1, { ...id, port: 0 });
  assertEquals(
    messageOf(await asked.ask(packet, four(1))),
    "Cannot read packet: port is 0, should be 1 to 65535",
  );
  assertEquals(asked.metrics.requests("udp-other", "malformed"), 1);
});

Deno.test("UdpAnswers scrapes, and counts nothing for what it does not know", async () => {
  const asked = new Asked();
  await asked.announce(1, four(1), { event: "completed", left: 0 });
  const id = await asked.connect(four(2));
  const infoHashes = [new Uint8Array(20), infoHash];
  const response = await asked.ask(
    encodeUdpScrape({ ...id, transactionId: 8, infoHashes }),
    four(2),
  );
  assertEquals(response, {
    action: "scrape",
    transactionId: 8,
    counts: [
      { seeders: 0, completed: 0, leechers: 0 },
      { seeders: 1, completed: 1, leechers: 0 },
    ],
  });
});

Deno.test("UdpAnswers believes the ip field of those alone that the operator trusts", async () => {
  const asked = new Asked({ trustedClients: ["192.0.2.1"] });
  await asked.announce(1, four(1), { ip: 0x08080808 });
  await asked.announce(2, four(2), { ip: 0x09090909 });
  assertEquals(peersOf(await asked.announce(3, four(3))), ["192.0.2.2 1002", "8.8.8.8 1001"]);
});

Deno.test("UdpAnswers wants passkeys where there are some, as URL data", async () => {
  const asked = new Asked({ lists: { passkeys: parsePasskeys("sesame") } });
  assertEquals(peersOf(await asked.announce(1, four(1), { urlData: "/sesame/announce?x=1" })), []);
  for (const urlData of ["", "/announce", "/other/announce", "/sesame"]) {
    const refused = await asked.announce(2, four(2), { urlData });
    assertEquals(messageOf(refused), "this passkey is not known here");
  }
  // A scrape has no room for one.
  const head = { ...await asked.connect(four(1)), transactionId: 5 };
  const scraped = await asked.ask(encodeUdpScrape({ ...head, infoHashes: [infoHash] }), four(1));
  assertEquals(messageOf(scraped), "this tracker scrapes over HTTP only");
  const free = new Asked();
  assertEquals(peersOf(await free.announce(1, four(1), { urlData: "/sesame/announce" })), []);
});

Deno.test("UdpAnswers bounds what an address asks for", async () => {
  const asked = new Asked({ requestsPerSecond: 1 });
  let answers = 0;
  for (let i = 0; i < 30; i++) {
    if (await asked.ask(encodeUdpConnect(i), four(1)) !== null) answers++;
  }
  assertEquals([answers, asked.metrics.requests("udp-connect", "dropped")], [10, 20]);
  await asked.connect(four(2));
});

Deno.test("UdpAnswers waits for a store that takes its time, several announces at once", async () => {
  const memory = new MemorySwarmStore({ peerTtlMs: 1e9, random: Math.random, peersMax: 100 });
  const slow: SwarmStore = {
    swarmCount: 0,
    peerCount: 0,
    nextExpiryMs: Infinity,
    announce: async (announce, nowMs, answer) => {
      await Promise.resolve();
      memory.announce(announce, nowMs, answer);
    },
    scrape: (infoHashes, nowMs) => Promise.resolve(memory.scrape(infoHashes, nowMs)),
    scrapeAll: (nowMs) => Promise.resolve(memory.scrapeAll(nowMs)),
    expire: () => {},
  };
  const asked = new Asked({}, slow);
  const all = await Promise.all([1, 2, 3].map((n) => asked.announce(n, four(n))));
  assertEquals(all.map((each) => peersOf(each).length), [0, 1, 2]);
  const id = await asked.connect(four(1));
  const scrape = encodeUdpScrape({ ...id, transactionId: 1, infoHashes: [infoHash] });
  const response = await asked.ask(scrape, four(1));
  assertEquals(response?.action === "scrape" && response.counts[0]?.leechers, 3);
});
