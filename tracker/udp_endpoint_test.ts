import { assertEquals } from "@std/assert";
import {
  decodeUdpRequest,
  encodeUdpAnnounceResponse,
  encodeUdpConnectResponse,
  encodeUdpError,
  encodeUdpScrapeResponse,
} from "./udp_packets.ts";
import { UdpEndpoint, type UdpQuestion, urlDataOf } from "./udp_endpoint.ts";

const question: UdpQuestion = {
  action: "announce",
  request: {
    infoHash: new Uint8Array(20).fill(1),
    peerId: new Uint8Array(20).fill(2),
    downloaded: 0,
    left: 0,
    uploaded: 0,
    event: "started",
    ip: 0,
    key: 1,
    numWant: 50,
    port: 6881,
    urlData: "",
  },
};

/** A different number each time, so that no two transaction ids are alike. */
function counter(): () => number {
  let count = 0;
  return () => ++count / 1024;
}

function make(): UdpEndpoint {
  return new UdpEndpoint(4, counter());
}

/** All packets that are to be sent, by action and transaction id. */
function sent(endpoint: UdpEndpoint): { action: string; transactionId: number; low?: number }[] {
  const packets = [];
  for (let packet; (packet = endpoint.takePacket()) !== null;) {
    const read = decodeUdpRequest(packet);
    if (read.action === "invalid") throw new Error(read.reason);
    const { action, transactionId } = read;
    packets.push(
      action === "connect"
        ? { action, transactionId }
        : { action, transactionId, low: read.connectionLow },
    );
  }
  return packets;
}

/** The one packet that is to be sent. */
function sentOne(endpoint: UdpEndpoint, action: string): { transactionId: number; low?: number } {
  const packets = sent(endpoint);
  assertEquals(packets.map((packet) => packet.action), [action]);
  return packets[0]!;
}

function announced(transactionId: number): Uint8Array {
  const head = { transactionId, intervalSeconds: 1800, leechers: 1, seeders: 2 };
  return encodeUdpAnnounceResponse(head, new Uint8Array(0));
}

/** Answers the connect that is to be sent with a connection id that ends in `low`. */
function connect(endpoint: UdpEndpoint, low: number, nowMs: number): void {
  const { transactionId } = sentOne(endpoint, "connect");
  endpoint.handlePacket(encodeUdpConnectResponse(transactionId, 0, low), nowMs);
}

Deno.test("UdpEndpoint connects, announces and hands on the answer", () => {
  const endpoint = make();
  const id = endpoint.ask(question, 0);
  connect(endpoint, 77, 30);
  const { transactionId, low } = sentOne(endpoint, "announce");
  assertEquals(low, 77);
  endpoint.handlePacket(announced(transactionId), 60);
  assertEquals(endpoint.takeOutcome(), {
    id,
    response: {
      action: "announce",
      transactionId,
      intervalSeconds: 1800,
      leechers: 1,
      seeders: 2,
      peers: [],
    },
  });
  assertEquals([endpoint.isBusy, endpoint.nextDeadlineMs], [false, Infinity]);
});

Deno.test("UdpEndpoint repeats a lost announce as BEP 15 prints it, and connects again after a minute", () => {
  const endpoint = make();
  endpoint.ask(question, 0);
  connect(endpoint, 1, 2000);
  const events: [seconds: number, action: string][] = [[2, sent(endpoint)[0]!.action]];
  for (let i = 0; i < 4; i++) {
    const nowMs = endpoint.nextDeadlineMs;
    endpoint.handleDeadline(nowMs);
    events.push([nowMs / 1000, sent(endpoint)[0]!.action]);
  }
  assertEquals(events, [
    [2, "announce"],
    [17, "announce"],
    [47, "announce"],
    [107, "connect"],
    [227, "connect"],
  ]);
});

Deno.test("UdpEndpoint gives up after eight repetitions, 7665 s after it began", () => {
  const endpoint = make();
  const id = endpoint.ask(question, 0);
  const times: number[] = [0];
  sent(endpoint);
  for (;;) {
    const nowMs = endpoint.nextDeadlineMs;
    endpoint.handleDeadline(nowMs - 1);
    assertEquals(sent(endpoint), []);
    endpoint.handleDeadline(nowMs);
    times.push(nowMs / 1000);
    if (sent(endpoint).length === 0) break;
  }
  assertEquals(times, [0, 15, 45, 105, 225, 465, 945, 1905, 3825, 7665]);
  assertEquals(endpoint.takeOutcome(), { id, response: null });
});

Deno.test("UdpEndpoint shares one connect and its connection id, for a minute", () => {
  const endpoint = make();
  const first = endpoint.ask(question, 0);
  const second = endpoint.ask({ action: "scrape", infoHashes: [new Uint8Array(20)] }, 10);
  connect(endpoint, 5, 100);
  const packets = sent(endpoint);
  assertEquals(packets.map(({ action, low }) => [action, low]), [["announce", 5], ["scrape", 5]]);
  // In any order.
  const counts = [{ seeders: 1, completed: 2, leechers: 3 }];
  endpoint.handlePacket(encodeUdpScrapeResponse(packets[1]!.transactionId, counts), 200);
  endpoint.handlePacket(announced(packets[0]!.transactionId), 300);
  assertEquals([endpoint.takeOutcome()?.id, endpoint.takeOutcome()?.id], [second, first]);
  endpoint.ask(question, 60_099);
  sentOne(endpoint, "announce");
  endpoint.ask(question, 60_100);
  sentOne(endpoint, "connect");
});

Deno.test("UdpEndpoint drops what does not answer its question, and takes the right answer after it", () => {
  const endpoint = make();
  endpoint.ask(question, 0);
  const { transactionId } = sentOne(endpoint, "connect");
  endpoint.handlePacket(encodeUdpConnectResponse(transactionId + 1, 0, 9), 1);
  endpoint.handlePacket(announced(transactionId), 1);
  endpoint.handlePacket(encodeUdpConnectResponse(transactionId, 0, 9).subarray(0, 15), 1);
  endpoint.handlePacket(new Uint8Array(0), 1);
  assertEquals(sent(endpoint), []);
  endpoint.handlePacket(encodeUdpConnectResponse(transactionId, 0, 9), 2);
  const order = sentOne(endpoint, "announce");
  // The same connect once more, and other answers under the announce's id.
  endpoint.handlePacket(encodeUdpConnectResponse(transactionId, 0, 8), 3);
  endpoint.handlePacket(encodeUdpConnectResponse(order.transactionId, 0, 8), 3);
  endpoint.handlePacket(encodeUdpScrapeResponse(order.transactionId, []), 3);
  assertEquals([sent(endpoint), endpoint.takeOutcome()], [[], null]);
  endpoint.handlePacket(announced(order.transactionId), 4);
  assertEquals(endpoint.takeOutcome()?.response?.action, "announce");
});

Deno.test("UdpEndpoint takes an answer that is late, after the packet was sent again", () => {
  const endpoint = make();
  endpoint.ask(question, 0);
  connect(endpoint, 1, 10);
  const { transactionId } = sentOne(endpoint, "announce");
  endpoint.handleDeadline(15_010);
  assertEquals(sentOne(endpoint, "announce").transactionId, transactionId);
  endpoint.handlePacket(announced(transactionId), 15_020);
  assertEquals(endpoint.takeOutcome()?.response?.action, "announce");
});

Deno.test("UdpEndpoint ends with a refusal, of a connect or of an announce", () => {
  const endpoint = make();
  const id = endpoint.ask(question, 0);
  const { transactionId } = sentOne(endpoint, "connect");
  endpoint.handlePacket(encodeUdpError(transactionId, "no room"), 1);
  const outcome = endpoint.takeOutcome();
  assertEquals([outcome?.id, outcome?.response?.action], [id, "error"]);

  endpoint.ask(question, 2);
  connect(endpoint, 3, 3);
  endpoint.handlePacket(encodeUdpError(sentOne(endpoint, "announce").transactionId, "id"), 4);
  assertEquals(endpoint.takeOutcome()?.response?.action, "error");
  // The connection id may be what was refused.
  endpoint.ask(question, 5);
  sentOne(endpoint, "connect");
});

Deno.test("UdpEndpoint connects again when a tracker does not answer under an older connection id", () => {
  const endpoint = make();
  endpoint.ask(question, 0);
  connect(endpoint, 1, 10);
  endpoint.handlePacket(announced(sentOne(endpoint, "announce").transactionId), 20);
  // It began anew meanwhile, and takes its own earlier ids for forged ones.
  endpoint.ask(question, 1000);
  sentOne(endpoint, "announce");
  endpoint.handleDeadline(16_000);
  connect(endpoint, 2, 16_010);
  assertEquals(sentOne(endpoint, "announce").low, 2);
});

Deno.test("UdpEndpoint probes with a connect, whose connection id is used then", () => {
  const endpoint = make();
  const id = endpoint.ask({ action: "connect" }, 0);
  connect(endpoint, 4, 40);
  assertEquals(endpoint.takeOutcome()?.id, id);
  endpoint.ask(question, 50);
  assertEquals(sentOne(endpoint, "announce").low, 4);
  endpoint.ask({ action: "connect" }, 60);
  sentOne(endpoint, "connect");
});

Deno.test("UdpEndpoint forgets what is cancelled", () => {
  const endpoint = make();
  const id = endpoint.ask(question, 0);
  endpoint.cancel(id);
  assertEquals([endpoint.isBusy, endpoint.nextDeadlineMs], [false, Infinity]);
  connect(endpoint, 1, 10);
  assertEquals([sent(endpoint), endpoint.takeOutcome()], [[], null]);
});

Deno.test("UdpEndpoint does not wait for a connect that was lost before, when nobody else does", () => {
  const endpoint = make();
  const probe = endpoint.ask({ action: "connect" }, 0);
  const lost = sentOne(endpoint, "connect");
  endpoint.cancel(probe);
  endpoint.ask(question, 3000);
  const again = sentOne(endpoint, "connect");
  assertEquals(again.transactionId, lost.transactionId);
  endpoint.ask(question, 3001);
  assertEquals(sent(endpoint), []);
  endpoint.handlePacket(encodeUdpConnectResponse(lost.transactionId, 0, 1), 3010);
  assertEquals(sent(endpoint).length, 2);
});

Deno.test("urlDataOf() gives path and query, and nothing for a bare slash (BEP 41)", () => {
  assertEquals(urlDataOf("udp://tracker.example.com:80/dir?a=b&c=d"), "/dir?a=b&c=d");
  assertEquals(urlDataOf("udp://h:1/announce#x"), "/announce");
  assertEquals(urlDataOf("udp://h:1/a b"), "/a%20b");
  assertEquals([urlDataOf("udp://h:1"), urlDataOf("udp://h:1/"), urlDataOf("?")], ["", "", ""]);
});
