/**
 * What others wrote about UDP trackers: packets, options, and how a client behaves.
 *
 * Every case is run by its kind or by its id; one that nobody here knows fails the test.
 */
import {
  decodeUdpRequest,
  decodeUdpResponse,
  encodeUdpAnnounce,
  encodeUdpConnect,
  encodeUdpConnectResponse,
  encodeUdpError,
  formatHostPort,
  UDP_CONNECTION_MS,
  UdpEndpoint,
  urlDataOf,
} from "@enjambre/tracker";
import { keyOfBytes } from "@enjambre/bencode";
import { assert, assertEquals, fail } from "@std/assert";
import { bytesOfHex, readCases, type VectorCase, vectorTest } from "./testdata.ts";

const announce = {
  infoHash: new Uint8Array(20),
  peerId: new Uint8Array(20),
  downloaded: 1,
  left: 3,
  uploaded: 2,
  event: "started" as const,
  ip: 0,
  key: 55,
  numWant: 21,
  port: 8080,
  urlData: "",
};

vectorTest("tracker_udp.json: packets are read and made as others do", () => {
  const cases = readCases("vectors/tracker_udp.json");
  assert(cases.length > 0);
  for (const vector of cases) {
    try {
      check(vector);
    } catch (error) {
      throw new Error(`${vector.id}: ${error instanceof Error ? error.message : error}`);
    }
  }
});

function check(vector: VectorCase): void {
  const { kind } = vector;
  if (kind === "announce request" || kind === "scrape request") return checkRequest(vector);
  if (kind === "connect request") return checkConnect(vector);
  if (kind === "announce response") return checkAnnounceResponse(vector);
  if (kind === "scrape response") return checkScrapeResponse(vector);
  if (kind === "error response") return checkError(vector);
  if (kind === "BEP 41 options") return checkOptions(vector);
  if (kind === "robustness") return checkAnyLength();
  if (kind === "client behaviour") return checkBehaviour(vector);
  // What a server does is for the server's own tests.
  if (kind !== "server behaviour") fail(`unknown kind ${kind}`);
}

function checkRequest(vector: VectorCase): void {
  const read = decodeUdpRequest(bytesOfHex(vector.packet_hex));
  assertEquals(read.action === "invalid", vector.verdict === "error");
  if (read.action !== "announce") return;
  const { transactionId, downloaded, uploaded, left, event, key, numWant, port } = read;
  assertEquals(
    [transactionId, downloaded, left, uploaded, event, key, numWant, port],
    [33, 1, 2, 3, "", 55, 21, 8080],
  );
}

function checkConnect(vector: VectorCase): void {
  const packet = encodeUdpConnect(vector.transaction_id);
  assertEquals(packet, bytesOfHex(vector.packet_hex));
  assertEquals(decodeUdpRequest(packet).action, "connect");
}

function checkAnnounceResponse(vector: VectorCase): void {
  const read = decodeUdpResponse(bytesOfHex(vector.packet_hex), 4);
  assert(read.action === "announce");
  for (const [name, value] of Object.entries(vector.expect)) {
    if (name === "transaction_id") assertEquals(read.transactionId, value);
    else if (name === "interval") assertEquals(read.intervalSeconds, value);
    else if (name === "leechers") assertEquals(read.leechers, value);
    else if (name === "seeders") assertEquals(read.seeders, value);
    else if (name === "peers_count") assertEquals(read.peers.length, value);
    else if (name === "peers") {
      assertEquals(read.peers.map(({ host, port }) => formatHostPort(host, port)), value);
    } else if (name !== "action") fail(`unknown expectation ${name}`);
  }
}

function checkScrapeResponse(vector: VectorCase): void {
  const read = decodeUdpResponse(bytesOfHex(vector.packet_hex), 4);
  assert(read.action === "scrape");
  const counts = read.counts.map(({ seeders, completed, leechers }) => (
    { seeders, downloads: completed, leechers }
  ));
  assertEquals(counts, vector.expect);
}

function checkError(vector: VectorCase): void {
  const packet = bytesOfHex(vector.packet_hex);
  const read = decodeUdpResponse(packet, 4);
  assert(read.action === "error");
  assertEquals([read.transactionId, keyOfBytes(read.message)], [
    vector.expect.transaction_id,
    vector.expect.message,
  ]);
  assertEquals(encodeUdpError(read.transactionId, vector.expect.message), packet);
}

function checkOptions(vector: VectorCase): void {
  const head = encodeUdpAnnounce({
    ...announce,
    connectionHigh: 1,
    connectionLow: 2,
    transactionId: 3,
  });
  const read = decodeUdpRequest(new Uint8Array([...head, ...bytesOfHex(vector.options_hex)]));
  if (vector.verdict === "error") return assertEquals(read.action, "invalid");
  assert(read.action === "announce");
  const { searchParams } = new URL(read.urlData, "udp://h:1");
  assertEquals(Object.fromEntries(searchParams), vector.expect);
}

function checkAnyLength(): void {
  for (let action = 0; action < 4; action++) {
    for (let length = 0; length < 256; length++) {
      const packet = new Uint8Array(length);
      if (length > 11) packet[11] = action;
      decodeUdpRequest(packet);
      decodeUdpResponse(packet, 4);
      decodeUdpResponse(packet, 16);
    }
  }
}

function checkBehaviour({ id }: VectorCase): void {
  let count = 0;
  const endpoint = new UdpEndpoint(4, () => ++count / 1024);
  const sent = () => {
    const actions: { action: string; transactionId: number }[] = [];
    for (let packet; (packet = endpoint.takePacket()) !== null;) {
      const { action, transactionId } = decodeUdpRequest(packet);
      actions.push({ action, transactionId: transactionId! });
    }
    return actions;
  };
  endpoint.ask({ action: "announce", request: announce }, 0);
  endpoint.ask({ action: "announce", request: announce }, 0);
  const [connect, ...others] = sent();
  assertEquals([connect!.action, others], ["connect", []]);
  const { transactionId } = connect!;
  if (id === "tr-connect-error") {
    endpoint.handlePacket(encodeUdpError(transactionId, "no"), 1);
    const response = endpoint.takeOutcome()?.response;
    assertEquals(response?.action === "error" && keyOfBytes(response.message), "no");
    return;
  }
  if (id === "tr-invalid-reply") {
    endpoint.handlePacket(encodeUdpConnectResponse(transactionId + 1, 1, 2), 1);
    const wrongAction = encodeUdpConnectResponse(transactionId, 1, 2);
    wrongAction[3] = 1;
    endpoint.handlePacket(wrongAction, 1);
    assertEquals([sent(), endpoint.takeOutcome()], [[], null]);
  } else if (id !== "a2-one-connect") fail(`unknown behaviour ${id}`);
  endpoint.handlePacket(encodeUdpConnectResponse(transactionId, 1, 2), 2);
  assertEquals(sent().map(({ action }) => action), ["announce", "announce"]);
  endpoint.ask({ action: "announce", request: announce }, UDP_CONNECTION_MS - 1);
  assertEquals(sent().map(({ action }) => action), ["announce"]);
  endpoint.ask({ action: "announce", request: announce }, 3_600_000);
  assertEquals(sent().map(({ action }) => action), ["connect"]);
}

vectorTest("bep_vectors.json: the values that BEPs 15 and 41 print", () => {
  const cases = new Map(readCases("bep_vectors.json").map((vector) => [vector.id, vector]));
  const options = (hex: string): string | null => {
    const head = encodeUdpAnnounce({
      ...announce,
      connectionHigh: 1,
      connectionLow: 2,
      transactionId: 3,
    });
    const read = decodeUdpRequest(new Uint8Array([...head, ...bytesOfHex(hex)]));
    return read.action === "announce" ? read.urlData : null;
  };
  const printed = cases.get("bep41-01");
  if (printed !== undefined) {
    const urlData = urlDataOf(printed.url);
    const packet = encodeUdpAnnounce({
      ...{ ...announce, urlData },
      ...{ connectionHigh: 1, connectionLow: 2, transactionId: 3 },
    });
    assertEquals(packet.subarray(98).toHex(), printed.options_hex);
    assertEquals(options(printed.options_hex), urlData);
    const padded = cases.get("bep41-02");
    if (padded !== undefined) assertEquals(options(padded.options_hex), urlData);
  }
  const empty = cases.get("bep41-03");
  if (empty !== undefined) assertEquals(options(empty.options_hex), "");
  const lost = cases.get("bep15-08");
  if (lost !== undefined) checkLostAnnounce(lost);
});

/** A tracker that answers a connect after two seconds, and then nothing. */
function checkLostAnnounce(vector: VectorCase): void {
  let count = 0;
  const endpoint = new UdpEndpoint(4, () => ++count / 1024);
  const sequence: [number, string][] = [];
  const note = (nowMs: number): number => {
    const read = decodeUdpRequest(endpoint.takePacket()!);
    sequence.push([nowMs / 1000, read.action]);
    return read.transactionId!;
  };
  endpoint.ask({ action: "announce", request: announce }, 0);
  endpoint.handlePacket(encodeUdpConnectResponse(note(0), 1, 2), 2000);
  note(2000);
  while (sequence.length < vector.sequence.length) {
    const nowMs = endpoint.nextDeadlineMs;
    endpoint.handleDeadline(nowMs);
    note(nowMs);
  }
  const expected = vector.sequence.map(([seconds, what]: [number, string]) => [
    seconds,
    what.split(" ")[0],
  ]);
  assertEquals(sequence, expected);
}
