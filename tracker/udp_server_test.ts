import { assert, assertEquals, assertRejects } from "@std/assert";
import { TrackerError } from "./errors.ts";
import { TrackerServer } from "./tracker_server_deno.ts";
import {
  decodeUdpResponse,
  encodeUdpAnnounce,
  encodeUdpConnect,
  type UdpResponse,
} from "./udp_packets.ts";

/** Sends a packet and waits for one. */
async function exchange(
  socket: Deno.DatagramConn,
  port: number,
  packet: Uint8Array,
): Promise<UdpResponse> {
  await socket.send(packet, { transport: "udp", hostname: "127.0.0.1", port });
  const [answer] = await socket.receive(new Uint8Array(2000));
  const response = decodeUdpResponse(answer, 4);
  assert(response.action !== "invalid");
  return response;
}

function openSocket(): Deno.DatagramConn {
  return Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
}

/** An announce with the connection id that is asked for first. */
async function announce(socket: Deno.DatagramConn, port: number, n: number): Promise<UdpResponse> {
  const connected = await exchange(socket, port, encodeUdpConnect(n));
  assert(connected.action === "connect");
  const { connectionHigh, connectionLow } = connected;
  const packet = encodeUdpAnnounce({
    connectionHigh,
    connectionLow,
    transactionId: 100 + n,
    infoHash: new Uint8Array(20).fill(1),
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
  });
  return await exchange(socket, port, packet);
}

Deno.test("TrackerServer answers over UDP on the port of HTTP, out of the same swarms", async () => {
  const server = new TrackerServer({ hostname: "127.0.0.1", udpPort: "same" });
  const { port, udpPort } = await server.listen();
  const socket = openSocket();
  try {
    assertEquals(udpPort, port);
    const id = "%01".repeat(20);
    const query = `info_hash=${id}&peer_id=${id}&port=1001&left=0`;
    await (await fetch(`http://127.0.0.1:${port}/announce?${query}`)).bytes();
    assertEquals(await announce(socket, udpPort!, 2), {
      action: "announce",
      transactionId: 102,
      intervalSeconds: 1800,
      leechers: 1,
      seeders: 1,
      peers: [{ host: "127.0.0.1", port: 1001, peerId: null }],
    });
    assertEquals(server.stats.requests["udp-announce"].answered, 1);
  } finally {
    socket.close();
    await server.close();
  }
});

Deno.test("TrackerServer listens for UDP on a port of its own, and lets it go", async () => {
  const server = new TrackerServer({ hostname: "127.0.0.1", udpPort: 0 });
  const { port, udpPort } = await server.listen();
  assert(udpPort !== null && udpPort !== 0);
  const second = new TrackerServer({ hostname: "127.0.0.1", udpPort });
  const error = await assertRejects(() => second.listen(), TrackerError, "the port is in use");
  assertEquals(error.code, "port-in-use");
  await Promise.all([server.close(), server.close()]);
  Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: udpPort }).close();
  Deno.listen({ hostname: "127.0.0.1", port }).close();
});

Deno.test("TrackerServer goes on over UDP after packets that mean nothing", async () => {
  const server = new TrackerServer({ hostname: "127.0.0.1", udpPort: 0 });
  const { udpPort } = await server.listen();
  const socket = openSocket();
  try {
    const to = { transport: "udp", hostname: "127.0.0.1", port: udpPort! } as const;
    for (const length of [0, 1, 15, 16, 97, 98, 1000, 9000]) {
      await socket.send(new Uint8Array(length).fill(0xa5), to);
    }
    assertEquals((await announce(socket, udpPort!, 1)).action, "announce");
  } finally {
    socket.close();
    await server.close();
  }
});
