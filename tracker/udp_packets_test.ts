import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  decodeUdpRequest,
  decodeUdpResponse,
  encodeUdpAnnounce,
  encodeUdpAnnounceResponse,
  encodeUdpConnect,
  encodeUdpConnectResponse,
  encodeUdpError,
  encodeUdpScrape,
  encodeUdpScrapeResponse,
  UDP_PACKET_BYTES_MAX,
  UDP_URL_DATA_BYTES_MAX,
  type UdpAnnounceRequest,
  type UdpInvalid,
  type UdpRequest,
  type UdpResponse,
} from "./udp_packets.ts";

const announce: UdpAnnounceRequest = {
  action: "announce",
  connectionHigh: 0x01020304,
  connectionLow: 0xfffefdfc,
  transactionId: 0x89abcdef,
  infoHash: new Uint8Array(20).fill(1),
  peerId: new Uint8Array(20).fill(2),
  downloaded: 2 ** 40 + 7,
  left: Number.MAX_SAFE_INTEGER,
  uploaded: 3,
  event: "started",
  ip: 0,
  key: 0xfedcba98,
  numWant: 50,
  port: 6881,
  urlData: "",
};

/** The action, and the end of what is wrong. */
function reasonOf(read: UdpRequest | UdpResponse | UdpInvalid): string {
  return read.action === "invalid" ? read.reason : `no error but ${read.action}`;
}

Deno.test("encodeUdpAnnounce() writes the layout that BEP 15 prints", () => {
  assertEquals(
    encodeUdpAnnounce(announce).toHex(),
    "01020304fffefdfc" + "00000001" + "89abcdef" + "01".repeat(20) + "02".repeat(20) +
      "0000010000000007" + "001fffffffffffff" + "0000000000000003" + "00000002" + "00000000" +
      "fedcba98" + "00000032" + "1ae1",
  );
});

Deno.test("encodeUdpConnect() begins with the number of the protocol", () => {
  assertEquals(encodeUdpConnect(1000000009).toHex(), "0000041727101980" + "00000000" + "3b9aca09");
  assertEquals(decodeUdpRequest(encodeUdpConnect(0xffffffff)), {
    action: "connect",
    transactionId: 0xffffffff,
  });
});

Deno.test("decodeUdpRequest() skips what follows a connect, as BEP 15 wants it", () => {
  const packet = new Uint8Array(40);
  packet.set(encodeUdpConnect(5));
  assertEquals(decodeUdpRequest(packet), { action: "connect", transactionId: 5 });
});

Deno.test("decodeUdpRequest() gives back every announce", () => {
  const uint32 = fc.integer({ min: 0, max: 0xffffffff });
  const bytes = fc.nat({ max: Number.MAX_SAFE_INTEGER });
  const hash = fc.uint8Array({ minLength: 20, maxLength: 20 });
  const ascii = fc.integer({ min: 33, max: 126 }).map((unit) => String.fromCharCode(unit));
  const request: fc.Arbitrary<UdpAnnounceRequest> = fc.record({
    action: fc.constant("announce" as const),
    connectionHigh: uint32,
    connectionLow: uint32,
    transactionId: uint32,
    infoHash: hash,
    peerId: hash,
    downloaded: bytes,
    left: bytes,
    uploaded: bytes,
    event: fc.constantFrom("", "started", "completed", "stopped"),
    ip: uint32,
    key: uint32,
    numWant: fc.option(fc.nat({ max: 0x7fffffff })),
    port: fc.integer({ min: 1, max: 65535 }),
    urlData: fc.array(ascii, { maxLength: 600 }).map((units) => units.join("")),
  });
  fc.assert(fc.property(request, (request) => {
    assertEquals(decodeUdpRequest(encodeUdpAnnounce(request)), request);
  }));
});

Deno.test("decodeUdpRequest() counts what exceeds 2^53 - 1 as that", () => {
  const packet = encodeUdpAnnounce(announce);
  packet.fill(0xff, 64, 72);
  const read = decodeUdpRequest(packet);
  assertEquals(read.action === "announce" && read.left, Number.MAX_SAFE_INTEGER);
});

Deno.test("decodeUdpRequest() refuses every announce that is cut short", () => {
  const packet = encodeUdpAnnounce({ ...announce, urlData: "/a?b" });
  for (let length = 0; length < packet.length; length++) {
    const read = decodeUdpRequest(packet.subarray(0, length));
    if (length === 98) assertEquals(read.action, "announce");
    else if (read.action !== "invalid") throw new Error(`${length} bytes were taken`);
    else assertEquals(read.transactionId, length < 16 ? null : announce.transactionId);
  }
});

Deno.test("decodeUdpRequest() says what is wrong, and for whom an answer would be", () => {
  const table: [offset: number, bytes: number[], reason: string][] = [
    [8, [0, 0, 0, 3], "action is 3, should be 0, 1 or 2"],
    [8, [1, 0, 0, 1], "action is 16777217, should be 0, 1 or 2"],
    [8, [0, 0, 0, 0], "a connect should begin with the number of the protocol"],
    [80, [0, 0, 0, 4], "event is 4, should be 0 to 3"],
    [96, [0, 0], "port is 0, should be 1 to 65535"],
  ];
  for (const [offset, bytes, reason] of table) {
    const packet = encodeUdpAnnounce(announce);
    packet.set(bytes, offset);
    const { connectionHigh, connectionLow, transactionId } = announce;
    assertEquals(decodeUdpRequest(packet), {
      action: "invalid",
      reason,
      transactionId,
      connectionHigh,
      connectionLow,
    });
  }
  const oversize = new Uint8Array(UDP_PACKET_BYTES_MAX + 1);
  oversize.set(encodeUdpAnnounce(announce));
  assertEquals(reasonOf(decodeUdpRequest(oversize)), "length is 8193 bytes, limit is 8192");
});

Deno.test("decodeUdpRequest() reads options, skips unknown ones and joins URL data (BEP 41)", () => {
  const options = (hex: string) => {
    const packet = new Uint8Array([...encodeUdpAnnounce(announce), ...Uint8Array.fromHex(hex)]);
    const read = decodeUdpRequest(packet);
    return read.action === "announce" ? read.urlData : reasonOf(read);
  };
  assertEquals(options("020c2f6469723f613d6226633d64"), "/dir?a=b&c=d");
  assertEquals(options("020c2f6469723f613d6226633d64010100"), "/dir?a=b&c=d");
  assertEquals(options("0200"), "");
  assertEquals(options("0101" + "0902ffff" + "02022f61" + "02023f62" + "00" + "02"), "/a?b");
  for (const cut of ["02", "0201", "09", "09021a"]) {
    assertEquals(options(cut), "an option runs past the end");
  }
});

Deno.test("encodeUdpAnnounce() spreads long URL data over several options", () => {
  for (const length of [254, 255, 256, 511, UDP_URL_DATA_BYTES_MAX]) {
    const urlData = "/" + "x".repeat(length - 1);
    const read = decodeUdpRequest(encodeUdpAnnounce({ ...announce, urlData }));
    assertEquals(read.action === "announce" && read.urlData, urlData);
  }
  const urlData = "x".repeat(UDP_URL_DATA_BYTES_MAX + 1);
  assertThrows(() => encodeUdpAnnounce({ ...announce, urlData }), RangeError, "limit is 2040");
  const infoHash = new Uint8Array(19);
  assertThrows(() => encodeUdpAnnounce({ ...announce, infoHash }), RangeError, "19 bytes");
});

Deno.test("decodeUdpRequest() gives back scrapes of 1 to 74 info-hashes, and no others", () => {
  const head = { connectionHigh: 1, connectionLow: 2, transactionId: 3 };
  for (const count of [1, 2, 74]) {
    const infoHashes = Array.from({ length: count }, (_, i) => new Uint8Array(20).fill(i));
    const packet = encodeUdpScrape({ ...head, infoHashes });
    assertEquals(packet.length, 16 + 20 * count);
    assertEquals(decodeUdpRequest(packet), { action: "scrape", ...head, infoHashes });
  }
  const scrape = (bytes: number) => {
    const packet = new Uint8Array(16 + bytes);
    packet[11] = 2;
    return reasonOf(decodeUdpRequest(packet));
  };
  assertEquals(scrape(0), "it names 0 info-hashes, should be 1 to 74");
  assertEquals(scrape(75 * 20), "it names 75 info-hashes, should be 1 to 74");
  assertEquals(scrape(39), "its info-hashes take 39 bytes, should be 20 each");
  const many = new Array<Uint8Array>(75).fill(new Uint8Array(20));
  assertThrows(() => encodeUdpScrape({ ...head, infoHashes: many }), RangeError, "1 to 74");
  assertThrows(() => encodeUdpScrape({ ...head, infoHashes: [] }), RangeError, "1 to 74");
});

Deno.test("decodeUdpResponse() gives back connects, scrapes and refusals", () => {
  assertEquals(decodeUdpResponse(encodeUdpConnectResponse(7, 0xffffffff, 2), 4), {
    action: "connect",
    transactionId: 7,
    connectionHigh: 0xffffffff,
    connectionLow: 2,
  });
  const counts = [{ seeders: 1, completed: 2, leechers: 3 }, {
    seeders: 4,
    completed: 5,
    leechers: 0xffffffff,
  }];
  assertEquals(decodeUdpResponse(encodeUdpScrapeResponse(8, counts), 16), {
    action: "scrape",
    transactionId: 8,
    counts,
  });
  const refusal = decodeUdpResponse(encodeUdpError(9, "nö"), 4);
  assertEquals(refusal.action === "error" && new TextDecoder().decode(refusal.message), "nö");
  const long = decodeUdpResponse(encodeUdpError(9, "x".repeat(5000)), 4);
  assertEquals(long.action === "error" && long.message.length, 1024);
});

Deno.test("decodeUdpResponse() reads peers of the family that was asked over, none without a port", () => {
  const head = { transactionId: 1, intervalSeconds: 1800, leechers: 4, seeders: 5 };
  const ipv4 = encodeUdpAnnounceResponse(
    head,
    new Uint8Array([1, 2, 3, 4, 0, 80, 9, 9, 9, 9, 0, 0]),
  );
  assertEquals(decodeUdpResponse(ipv4, 4), {
    action: "announce",
    ...head,
    peers: [{ host: "1.2.3.4", port: 80, peerId: null }],
  });
  const peer = new Uint8Array(18);
  peer.set([0x20, 1], 0);
  peer.set([1, 0x1a, 0xe1], 15);
  const ipv6 = decodeUdpResponse(encodeUdpAnnounceResponse(head, peer), 16);
  const expected = [{ host: "2001::1", port: 6881, peerId: null }];
  assertEquals(ipv6.action === "announce" && ipv6.peers, expected);
});

Deno.test("decodeUdpResponse() refuses every answer that is cut within a number or a peer", () => {
  const head = { transactionId: 1, intervalSeconds: 1800, leechers: 4, seeders: 5 };
  const counts = [{ seeders: 1, completed: 2, leechers: 3 }];
  const packets: [Uint8Array, readonly number[]][] = [
    [encodeUdpConnectResponse(1, 2, 3), [16]],
    [encodeUdpAnnounceResponse(head, new Uint8Array(12)), [20, 26, 32]],
    [encodeUdpScrapeResponse(1, counts), [8, 20]],
    [encodeUdpError(1, "no"), [8, 9, 10]],
  ];
  for (const [packet, whole] of packets) {
    for (let length = 0; length <= packet.length; length++) {
      const read = decodeUdpResponse(packet.subarray(0, length), 4);
      assertEquals(read.action !== "invalid", whole.includes(length), `${length} bytes`);
    }
  }
  assertEquals(
    reasonOf(decodeUdpResponse(new Uint8Array([0, 0, 0, 4, 0, 0, 0, 1]), 4)),
    "action is 4, should be 0 to 3",
  );
});

Deno.test("decodeUdpRequest() and decodeUdpResponse() take any bytes without throwing", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 255 }), fc.nat({ max: 4 }), (bytes, action) => {
    for (const offset of [3, 11]) {
      const packet = bytes.slice();
      packet.fill(0, offset - 3, offset);
      if (packet.length > offset) packet[offset] = action;
      decodeUdpRequest(packet);
      decodeUdpResponse(packet, 4);
      decodeUdpResponse(packet, 16);
    }
  }));
});
