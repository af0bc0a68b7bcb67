/**
 * A tracker under abuse: nothing of it may end it, cost it memory for good, or keep honest peers waiting.
 *
 * The figures are printed; the bounds of the tests are far above them, for machines that are busy.
 */
import { assert, assertEquals } from "@std/assert";
import { eventually } from "../kit/deadline.ts";
import { AbusedTracker, announceOnce, faredText, HonestPeers } from "./tracker_under_abuse.ts";

/** An honest announce takes milliseconds; this is so much that a busy machine cannot reach it. */
const P99_MS_MAX = 1000;
const CONNECTIONS = 10_000;
const SLOW_CONNECTIONS = 1000;
const PACKETS = 50_000;
/** Memory that may be more afterwards, for what the runtime has put aside by then. */
const GROWTH_MEBIBYTES_MAX = 60;
/** Honest announces that are answered between two bytes of a slow client: some tenths of a second of them. */
const ANSWERS_PER_BYTE = 1000;
/** The timeout of requests, and of the sweep that looks at it, and time for a busy machine. */
const HANGUP_LIMIT_MS = 30_000;

const encoder = new TextEncoder();

Deno.test("the tracker hangs up on slow clients, and keeps answering the others", async () => {
  await using tracker = await AbusedTracker.start();
  const startMs = performance.now();
  const slow = await Promise.all(
    Array.from({ length: SLOW_CONNECTIONS }, async (_, n) => {
      const conn = await tracker.connect();
      // A third says nothing, a third stops in the request, a third sends a byte whenever it may.
      if (n % 3 > 0) await conn.write(encoder.encode("GET /announce?info_hash=%01"));
      return conn;
    }),
  );
  const honest = new HonestPeers(tracker);
  const trickling = trickle(slow.filter((_, n) => n % 3 === 2), honest);
  let hungUp = 0;
  await eventually(HANGUP_LIMIT_MS, "the end of all slow connections", async () => {
    hungUp = SLOW_CONNECTIONS - (await tracker.stats()).connections;
    // One is that of the question, some are those of honest peers.
    return hungUp >= SLOW_CONNECTIONS - 20 ? true : null;
  });
  const seconds = (performance.now() - startMs) / 1000;
  const fared = await honest.end();
  for (const conn of slow) conn.close();
  await trickling;
  console.log(
    `${SLOW_CONNECTIONS} slow clients were hung up on within ${seconds.toFixed(1)} s; ${
      faredText(fared)
    }`,
  );
  assert(fared.p99Ms < P99_MS_MAX);
});

/** Sends a byte on each connection, again and again while honest peers are answered, until all are closed. */
async function trickle(all: readonly Deno.TcpConn[], honest: HonestPeers): Promise<void> {
  const byte = encoder.encode("a");
  await Promise.all(all.map(async (conn) => {
    try {
      for (;;) {
        await conn.write(byte);
        await honest.answered(ANSWERS_PER_BYTE);
      }
    } catch {
      // Hung up on, as it should be.
    }
  }));
}

Deno.test("the tracker bounds headers and queries, and keeps nothing of them", async () => {
  await using tracker = await AbusedTracker.start();
  await announceOnce(tracker);
  const before = await tracker.residentMebibytes();
  const honest = new HonestPeers(tracker);
  const header = encoder.encode(`X-${"a".repeat(1000)}: b\r\n`.repeat(60));
  const floods = ["GET /announce HTTP/1.1\r\n", `GET /announce?x=${"a".repeat(100_000)}`];
  const answers: Map<string, number> = new Map();
  for (let round = 0; round < 20; round++) {
    await Promise.all(Array.from({ length: 50 }, async (_, n) => {
      const conn = await tracker.connect();
      const answer = readStatus(conn);
      try {
        await conn.write(encoder.encode(floods[n % 2]));
        for (;;) await conn.write(header);
      } catch {
        // Hung up on, as it should be.
      }
      const status = await answer;
      answers.set(status, (answers.get(status) ?? 0) + 1);
      conn.close();
    }));
  }
  const fared = await honest.end();
  const grown = await tracker.residentMebibytes() - before;
  const statuses = [...answers].map(([status, count]) => `${status}: ${count}`).join(", ");
  console.log(
    `1000 floods of headers and queries (${statuses}); ${faredText(fared)}; ` +
      `memory ${before.toFixed(0)} MiB + ${grown.toFixed(0)} MiB`,
  );
  // Who still sends when it is hung up on may lose the words (the kernel resets the connection).
  for (const status of answers.keys()) assert(["431", "414", "reset"].includes(status), status);
  assert(fared.p99Ms < P99_MS_MAX);
  assert(grown < GROWTH_MEBIBYTES_MAX);
});

async function readStatus(conn: Deno.TcpConn): Promise<string> {
  const room = new Uint8Array(100);
  try {
    const count = await conn.read(room);
    return count === null ? "reset" : new TextDecoder().decode(room.subarray(9, 12));
  } catch {
    return "reset";
  }
}

Deno.test("the tracker drops malformed and spoofed packets", async () => {
  await using tracker = await AbusedTracker.start();
  await announceOnce(tracker);
  const before = await tracker.residentMebibytes();
  const honest = new HonestPeers(tracker);
  const socket = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
  const to = { transport: "udp", hostname: "127.0.0.1", port: tracker.port } as const;
  let answers = 0;
  let isOver = false;
  const receiving = (async () => {
    try {
      for (;; answers++) await socket.receive(new Uint8Array(2000));
    } catch (error) {
      if (!isOver) throw error;
    }
  })();
  const startMs = performance.now();
  for (let n = 0; n < PACKETS; n++) {
    // Half are noise of any length, half announces with a connection id that was guessed.
    const packet = new Uint8Array(n % 2 === 0 ? n % 1200 : 98);
    crypto.getRandomValues(packet);
    if (n % 2 === 1) packet.set([0, 0, 0, 1], 8);
    await socket.send(packet, to);
  }
  const seconds = (performance.now() - startMs) / 1000;
  const fared = await honest.end();
  // A connect is answered, so what was sent before it has been looked at.
  const connect = new Uint8Array(16);
  new DataView(connect.buffer).setBigUint64(0, 0x41727101980n);
  await eventually(10_000, "the answer to a connect", async () => {
    await socket.send(connect, to);
    return answers > 0 ? true : null;
  });
  const { requests, peers } = await tracker.stats();
  const dropped = requests["udp-announce"]!["dropped"]! + requests["udp-other"]!["dropped"]! +
    requests["udp-scrape"]!["dropped"]!;
  const grown = await tracker.residentMebibytes() - before;
  console.log(
    `${PACKETS} packets of noise and guesses in ${
      seconds.toFixed(1)
    } s: ${dropped} looked at and ` +
      `dropped, none answered; ${faredText(fared)}; memory ${before.toFixed(0)} MiB + ${
        grown.toFixed(0)
      } MiB`,
  );
  isOver = true;
  socket.close();
  await receiving;
  assert(dropped > PACKETS / 10, "the tracker looked at some of them");
  assertEquals(answers, requests["udp-connect"]!["answered"]);
  assertEquals(requests["udp-announce"]!["answered"], 0);
  assert(peers <= 257);
  assert(fared.p99Ms < P99_MS_MAX);
  assert(grown < GROWTH_MEBIBYTES_MAX);
});

Deno.test("the tracker keeps 10,000 connections, and lets them go", async () => {
  await using tracker = await AbusedTracker.start();
  await announceOnce(tracker);
  const before = await tracker.residentMebibytes();
  const all: Deno.TcpConn[] = [];
  const startMs = performance.now();
  while (all.length < CONNECTIONS) {
    all.push(...await Promise.all(Array.from({ length: 100 }, () => tracker.connect())));
  }
  const openedMs = performance.now() - startMs;
  const honest = new HonestPeers(tracker);
  // Each of them announces once, and stays.
  const request = encoder.encode("GET /health HTTP/1.1\r\n\r\n");
  let answered = 0;
  for (let at = 0; at < all.length; at += 500) {
    await Promise.all(
      all.slice(at, at + 500).map(async (conn) => {
        await conn.write(request);
        if (await conn.read(new Uint8Array(200)) !== null) answered++;
      }),
    );
  }
  const { connections } = await tracker.stats();
  const grown = await tracker.residentMebibytes() - before;
  const fared = await honest.end();
  for (const conn of all) conn.close();
  await eventually(10_000, "the end of all connections", async () => {
    return (await tracker.stats()).connections <= 2 ? true : null;
  });
  console.log(
    `${connections} connections opened in ${
      (openedMs / 1000).toFixed(1)
    } s, ${answered} of them answered, ` +
      `${(grown * 1024 / CONNECTIONS).toFixed(1)} KiB each; ${faredText(fared)}`,
  );
  assert(connections >= CONNECTIONS);
  assertEquals(answered, CONNECTIONS);
  assert(fared.p99Ms < P99_MS_MAX);
  await announceOnce(tracker);
});
