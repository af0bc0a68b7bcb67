/** Asks a tracker as fast as it answers: for `bench/tracker.ts`. */
import { percentEncode } from "@enjambre/tracker";

/** Announces that are made beforehand, so that making them is not what is measured. */
const REQUESTS = 8192;
/** Room for what comes in one read. */
const READ_BYTES = 65_536;
/** How long an answer over UDP may take until the question is asked again. */
const RETRY_MS = 200;

/** Who announces to what, so that a swarm can answer with as many peers as are wanted. */
export interface Population {
  readonly swarms: number;
  readonly peersPerSwarm: number;
}

/** What came of it. */
export interface LoadResult {
  readonly announcesPerSecond: number;
  /** Of all answers, on average. */
  readonly peersPerAnswer: number;
}

/** How to ask. */
export interface LoadOptions {
  readonly port: number;
  readonly population: Population;
  /** Connections, or sockets. */
  readonly connections: number;
  /** Announces that each has under way at a time. */
  readonly depth: number;
  readonly durationMs: number;
  readonly isMeasuring: boolean;
}

/** Announces of the population, in an order of no pattern; each swarm is named as often as the others. */
function* announcers(
  { swarms, peersPerSwarm }: Population,
): Generator<[swarm: number, peer: number]> {
  for (let i = 0; i < swarms * peersPerSwarm; i++) {
    yield [i % swarms, Math.floor(i / swarms)];
  }
}

function hashOf(n: number): Uint8Array {
  const hash = new Uint8Array(20).fill(0x9d);
  new DataView(hash.buffer).setUint32(0, Math.imul(n + 1, 0x9e3779b1));
  new DataView(hash.buffer).setUint32(8, n);
  return hash;
}

/** The bytes of an announce over HTTP, as our client sends it. */
function httpRequest(swarm: number, peer: number): Uint8Array<ArrayBuffer> {
  const path = `/announce?info_hash=${percentEncode(hashOf(swarm))}` +
    `&peer_id=${percentEncode(hashOf(1_000_000 + peer))}&port=${
      1024 + peer
    }&uploaded=0&downloaded=0` +
    `&left=${peer % 3 === 0 ? 0 : 1000}&no_peer_id=1&numwant=50&key=0000002a&compact=1`;
  return new TextEncoder().encode(
    `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: bench\r\n\r\n`,
  );
}

/** Every announce of the population once, so that all swarms are full; then, if wanted, measures. */
export async function loadHttp(options: LoadOptions): Promise<LoadResult> {
  const { population, depth, connections } = options;
  const all = [...announcers(population)];
  const batches: Uint8Array<ArrayBuffer>[] = [];
  if (options.isMeasuring) {
    for (let at = 0; at < REQUESTS; at += depth) {
      batches.push(joined(Array.from({ length: depth }, (_, i) => {
        const [swarm, peer] = all[(at + i) * 7919 % all.length]!;
        return httpRequest(swarm, peer);
      })));
    }
  } else {
    for (let at = 0; at < all.length; at += depth) {
      batches.push(
        joined(all.slice(at, at + depth).map(([swarm, peer]) => httpRequest(swarm, peer))),
      );
    }
  }
  let next = 0;
  let answers = 0;
  let bodyBytes = 0;
  let isOver = false;
  const run = async (): Promise<void> => {
    const conn = await Deno.connect({ hostname: "127.0.0.1", port: options.port });
    conn.setNoDelay(true);
    const room = new Uint8Array(READ_BYTES);
    let kept = 0;
    while (!isOver && (options.isMeasuring || next < batches.length)) {
      const batch = batches[next++ % batches.length]!;
      const expected = options.isMeasuring
        ? depth
        : Math.min(depth, all.length - (next - 1) * depth);
      await writeAll(conn, batch);
      for (let got = 0; got < expected;) {
        const count = await conn.read(room.subarray(kept));
        if (count === null) throw new Error("the tracker hung up");
        const end = kept + count;
        let at = 0;
        for (;;) {
          const body = bodyOf(room, at, end);
          if (body === null) break;
          bodyBytes += body.length;
          at = body.end;
          got++;
          answers++;
        }
        room.copyWithin(0, at, end);
        kept = end - at;
      }
    }
    conn.close();
  };
  const running = Array.from({ length: connections }, run);
  if (!options.isMeasuring) {
    await Promise.all(running);
    return { announcesPerSecond: 0, peersPerAnswer: 0 };
  }
  const measured = await measure(options.durationMs, () => [answers, bodyBytes]);
  isOver = true;
  await Promise.all(running);
  return {
    announcesPerSecond: measured.perSecond,
    // What a body holds besides its peers is a little more than 90 bytes.
    peersPerAnswer: Math.floor((measured.bytesPerAnswer - 90) / 6),
  };
}

/** The body that begins behind the headers at `at`: its length and its end; `null` where it is not all here. */
function bodyOf(room: Uint8Array, at: number, end: number): { length: number; end: number } | null {
  // Headers of some answers differ in their order, so they are read.
  for (let i = at; i + 3 < end; i++) {
    if (room[i] !== 13 || room[i + 2] !== 13) continue;
    let length = 0;
    for (let j = at; j < i; j++) {
      // "ength: ", which only one header ends with.
      if (room[j] !== 58 || (room[j - 1]! | 32) !== 104 || (room[j - 6]! | 32) !== 108) continue;
      for (j += 2; room[j]! >= 48; j++) length = length * 10 + room[j]! - 48;
      break;
    }
    return i + 4 + length <= end ? { length, end: i + 4 + length } : null;
  }
  return null;
}

/** Measures announces over UDP; the swarms have to be full. */
export async function loadUdp(options: LoadOptions): Promise<LoadResult> {
  const all = [...announcers(options.population)];
  let answers = 0;
  let bodyBytes = 0;
  let isOver = false;
  const to = { transport: "udp", hostname: "127.0.0.1", port: options.port } as const;
  const sockets: Deno.DatagramConn[] = [];
  const run = async (socketIndex: number): Promise<void> => {
    const socket = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
    sockets.push(socket);
    const room = new Uint8Array(4096);
    const connect = new Uint8Array(16);
    new DataView(connect.buffer).setBigUint64(0, 0x41727101980n);
    await socket.send(connect, to);
    const [connected] = await socket.receive(room);
    const id = connected.slice(8, 16);
    const packets = Array.from({ length: REQUESTS / 8 }, (_, i) => {
      const [swarm, peer] = all[(socketIndex * 31 + i) * 7919 % all.length]!;
      return udpRequest(id, swarm, peer);
    });
    let next = 0;
    let lastMs = performance.now();
    const send = (): Promise<number> => socket.send(packets[next++ % packets.length]!, to);
    for (let i = 0; i < options.depth; i++) await send();
    const retrying = setInterval(() => {
      if (performance.now() - lastMs > RETRY_MS) void send();
    }, RETRY_MS);
    try {
      while (!isOver) {
        const [packet] = await socket.receive(room);
        if (packet[3] === 1) {
          answers++;
          bodyBytes += packet.length;
        } else throw new Error(`the tracker says ${new TextDecoder().decode(packet.subarray(8))}`);
        lastMs = performance.now();
        await send();
      }
    } catch (error) {
      if (!isOver) throw error;
    } finally {
      clearInterval(retrying);
    }
  };
  const running = Array.from({ length: options.connections }, (_, i) => run(i));
  const measured = await measure(options.durationMs, () => [answers, bodyBytes]);
  isOver = true;
  for (const socket of sockets) socket.close();
  await Promise.all(running);
  return {
    announcesPerSecond: measured.perSecond,
    peersPerAnswer: Math.floor((measured.bytesPerAnswer - 20) / 6),
  };
}

function udpRequest(id: Uint8Array, swarm: number, peer: number): Uint8Array {
  const packet = new Uint8Array(98);
  const view = new DataView(packet.buffer);
  packet.set(id);
  view.setUint32(8, 1);
  packet.set(hashOf(swarm), 16);
  packet.set(hashOf(1_000_000 + peer), 36);
  view.setUint32(68, peer % 3 === 0 ? 0 : 1000);
  view.setUint32(88, 42);
  view.setInt32(92, 50);
  view.setUint16(96, 1024 + peer);
  return packet;
}

/** Looks at counters after a moment of warming up, and again at the end. */
async function measure(
  durationMs: number,
  look: () => [answers: number, bytes: number],
): Promise<{ perSecond: number; bytesPerAnswer: number }> {
  await new Promise((resolve) => setTimeout(resolve, durationMs / 4));
  const startMs = performance.now();
  const [answersBefore, bytesBefore] = look();
  await new Promise((resolve) => setTimeout(resolve, durationMs));
  const [answers, bytes] = look();
  return {
    perSecond: (answers - answersBefore) / (performance.now() - startMs) * 1000,
    bytesPerAnswer: (bytes - bytesBefore) / Math.max(answers - answersBefore, 1),
  };
}

function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

async function writeAll(conn: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await conn.write(bytes.subarray(at));
}
